//! Session variables, and `EXECUTE IMMEDIATE`.

use crate::error::{self, Parsed};
use crate::parser::{Cursor, Input};
use crate::types;
use plan::{Command, Expr, Relation, RelationKind};
use sqlparser::tokenizer::Token;

/// `DECLARE [OR REPLACE] [VARIABLE] name [type] [DEFAULT value]`.
pub(super) fn declare(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["DECLARE"])?;
    let replace = input.parser.take(&["OR", "REPLACE"]);
    if matches!(input.parser.at(1).token, Token::Word(_)) {
        let _ = input.parser.take(&["VARIABLE"]) || input.parser.take(&["VAR"]);
    }
    let name = input.parser.name()?;
    let defaulted = |input: &Input<'_>| {
        input.parser.sees(&["DEFAULT"]) || input.parser.at(0).token == Token::Eq
    };
    let ends = matches!(input.parser.at(0).token, Token::EOF | Token::SemiColon);
    let data_type =
        if ends || defaulted(input) { None } else { Some(types::data_type(&mut input.parser)?) };
    let given = input.parser.take(&["DEFAULT"]) || input.parser.consume_token(&Token::Eq);
    let default = if given { Some(input.expression()?) } else { None };
    if data_type.is_none() && default.is_none() {
        return Err(input.parser.wrong());
    }
    Ok(Command::DeclareVariable { name, data_type, default, replace })
}

/// `name = value, …` or `(names) = (query)`, after `SET VARIABLE`.
pub(super) fn set(input: &mut Input<'_>) -> Parsed<Command> {
    if input.parser.at(0).token == Token::LParen {
        let names = input.parser.listed(Cursor::name)?;
        input.parser.need_token(&Token::Eq)?;
        input.parser.need_token(&Token::LParen)?;
        let value = super::query(input)?;
        input.parser.need_token(&Token::RParen)?;
        return Ok(Command::SetVariable { names, value });
    }
    let (mut names, mut expressions): (Vec<Vec<String>>, Vec<Expr>) = (Vec::new(), Vec::new());
    loop {
        names.push(input.parser.name()?);
        input.parser.need_token(&Token::Eq)?;
        if input.parser.sees(&["DEFAULT"]) {
            return Err(error::unsupported("SET VARIABLE … = DEFAULT"));
        }
        expressions.push(input.expression()?);
        if !input.parser.consume_token(&Token::Comma) {
            break;
        }
    }
    let one: Relation = RelationKind::OneRow.into();
    let value = RelationKind::Project { input: one, expressions }.into();
    Ok(Command::SetVariable { names, value })
}

/// `[TEMPORARY] VARIABLE [IF EXISTS] name`, after `DROP`.
pub(super) fn drop(input: &mut Input<'_>) -> Parsed<Command> {
    let _ = input.parser.take(&["TEMPORARY"]) || input.parser.take(&["TEMP"]);
    if !input.parser.take(&["VARIABLE"]) {
        input.parser.need(&["VAR"])?;
    }
    let if_exists = super::if_exists(input);
    Ok(Command::DropVariable { name: input.parser.name()?, if_exists })
}

/// `EXECUTE IMMEDIATE text [INTO names] [USING arguments]`.
pub(super) fn execute(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["EXECUTE", "IMMEDIATE"])?;
    let text = input.expression()?;
    let mut into = Vec::new();
    if input.parser.take(&["INTO"]) {
        into.push(input.parser.name()?);
        while input.parser.consume_token(&Token::Comma) {
            into.push(input.parser.name()?);
        }
    }
    let mut using = Vec::new();
    if input.parser.take(&["USING"]) {
        let whole = input.parser.at(0).token == Token::LParen;
        if whole {
            input.parser.advance_token();
        }
        loop {
            let value = input.expression()?;
            let name = if input.parser.take(&["AS"]) { Some(input.parser.ident()?) } else { None };
            using.push((name, value));
            if !input.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        if whole {
            input.parser.need_token(&Token::RParen)?;
        }
    }
    Ok(Command::ExecuteImmediate { text, into, using })
}
