//! `DESCRIBE`.

use crate::error::Parsed;
use crate::parser::{Cursor, Input};
use plan::Command;
use sqlparser::tokenizer::Token;

pub(super) fn describe(input: &mut Input<'_>) -> Parsed<Command> {
    let _ = input.parser.take(&["DESCRIBE"]) || input.parser.take(&["DESC"]);
    if input.parser.take(&["FUNCTION"]) {
        let extended = input.parser.take(&["EXTENDED"]);
        return Ok(Command::DescribeFunction { name: function_name(input)?, extended });
    }
    if super::takes_database(input) {
        let extended = input.parser.take(&["EXTENDED"]);
        return Ok(Command::DescribeDatabase { name: input.parser.name()?, extended });
    }
    let query = input.parser.take(&["QUERY"]);
    // A table may be named like a word that starts a query; `DESCRIBE TABLE t` makes it
    // unambiguous.
    let table = !query && input.parser.take(&["TABLE"]);
    if query || !table && super::begins_query(input) {
        return Ok(Command::DescribeQuery { query: super::query(input)? });
    }
    let extended = input.parser.take(&["EXTENDED"]) || input.parser.take(&["FORMATTED"]);
    let name = input.parser.name()?;
    if input.parser.sees(&["PARTITION"]) || input.parser.sees(&["AS", "JSON"]) {
        return super::unsupported_statement(input, "DESCRIBE TABLE …");
    }
    let column = match input.parser.at(0).token {
        Token::Word(_) => Some(input.parser.name()?.join(".")),
        _ => None,
    };
    Ok(Command::DescribeTable { name, extended, column })
}

/// A function's name; an operator's may be a string or the operator itself.
fn function_name(input: &mut Input<'_>) -> Parsed<String> {
    match &input.parser.at(0).token {
        Token::Word(_) => Ok(input.parser.name()?.join(".")),
        Token::SingleQuotedString(_) => input.parser.string(),
        Token::EOF | Token::SemiColon => Err(input.parser.wrong()),
        operator => {
            let name = operator.to_string();
            input.parser.advance_token();
            Ok(name)
        }
    }
}
