//! `INSERT INTO` and `INSERT OVERWRITE`, into tables and directories.

use super::properties::properties;
use crate::error::{self, Parsed};
use crate::parser::{Cursor, Input};
use plan::{Command, Expr, SaveMode, Write, WriteTarget};
use sqlparser::tokenizer::Token;

pub(super) fn insert(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["INSERT"])?;
    let overwrite = input.parser.take(&["OVERWRITE"]);
    if overwrite
        && (input.parser.take(&["LOCAL", "DIRECTORY"]) || input.parser.take(&["DIRECTORY"]))
    {
        return directory(input);
    }
    if !overwrite {
        input.parser.need(&["INTO"])?;
    }
    let _ = input.parser.take(&["TABLE"]);
    let table = input.parser.name()?;
    let partition = if input.parser.take(&["PARTITION"]) { partition(input)? } else { Vec::new() };
    if input.parser.sees(&["IF", "NOT", "EXISTS"]) {
        return super::unsupported_statement(input, "INSERT …");
    }
    let by_name = input.parser.take(&["BY", "NAME"]);
    if input.parser.sees(&["REPLACE", "WHERE"]) {
        return super::unsupported_statement(input, "INSERT INTO …");
    }
    let columns = if !by_name && names_columns(input) {
        input.parser.listed(Cursor::ident)?
    } else {
        Vec::new()
    };
    let query = super::query(input)?;
    Ok(Command::Insert { table, columns, input: query, overwrite, by_name, partition })
}

/// Whether `(a, b)` comes next, and not a query in parentheses.
fn names_columns(input: &Input<'_>) -> bool {
    let parser = &input.parser;
    parser.at(0).token == Token::LParen
        && matches!(parser.at(1).token, Token::Word(_))
        && matches!(parser.at(2).token, Token::Comma | Token::RParen)
}

/// `(a = 1, b)`.
fn partition(input: &mut Input<'_>) -> Parsed<Vec<(String, Option<Expr>)>> {
    input.parser.need_token(&Token::LParen)?;
    let mut partition = Vec::new();
    loop {
        let column = input.parser.ident()?;
        let value =
            if input.parser.consume_token(&Token::Eq) { Some(input.expression()?) } else { None };
        partition.push((column, value));
        if !input.parser.consume_token(&Token::Comma) {
            break;
        }
    }
    input.parser.need_token(&Token::RParen)?;
    Ok(partition)
}

/// A directory to overwrite, after the word `DIRECTORY`.
fn directory(input: &mut Input<'_>) -> Parsed<Command> {
    let mut path = match input.parser.at(0).token {
        Token::SingleQuotedString(_) => Some(input.parser.string()?),
        _ => None,
    };
    if input.parser.sees(&["ROW", "FORMAT"]) {
        return super::unsupported_statement(input, "INSERT OVERWRITE DIRECTORY …");
    }
    if !input.parser.take(&["STORED", "AS"]) {
        input.parser.need(&["USING"])?;
    }
    let format = Some(input.parser.name()?.join("."));
    let mut options = Vec::new();
    if input.parser.take(&["OPTIONS"]) {
        for (key, value) in properties(&mut input.parser)? {
            if path.is_none() && key.eq_ignore_ascii_case("path") {
                path = Some(value);
            } else {
                options.push((key, value));
            }
        }
    }
    let path = path.ok_or_else(|| error::invalid("INSERT OVERWRITE DIRECTORY needs a path."))?;
    Ok(Command::Write(Write {
        input: super::query(input)?,
        format,
        target: WriteTarget::Path(path),
        mode: SaveMode::Overwrite,
        partition_by: Vec::new(),
        options,
        bucket_by: None,
        sort_by: Vec::new(),
    }))
}
