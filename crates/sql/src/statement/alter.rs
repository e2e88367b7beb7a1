//! `ALTER` of tables and views, and `ANALYZE TABLE`.

use super::properties::properties;
use crate::error::Parsed;
use crate::parser::{Cursor, Input};
use crate::types;
use plan::{Alteration, Command, Field};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

pub(super) fn alter(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["ALTER"])?;
    let view = input.parser.take(&["VIEW"]);
    if !view && !input.parser.take(&["TABLE"]) {
        return super::unsupported_statement(input, "ALTER");
    }
    let name = input.parser.name()?;
    if input.parser.sees(&["PARTITION"]) {
        return super::unsupported_statement(input, "ALTER TABLE …");
    }
    let change = if view { of_view(input)? } else { of_table(input)? };
    Ok(Command::Alter { name, view, change })
}

fn of_view(input: &mut Input<'_>) -> Parsed<Alteration> {
    if input.parser.take(&["AS"]) || super::begins_query(input) {
        return Ok(Alteration::Query(super::query(input)?));
    }
    match shared(input)? {
        Some(change) => Ok(change),
        None => super::unsupported_statement(input, "ALTER VIEW …"),
    }
}

fn of_table(input: &mut Input<'_>) -> Parsed<Alteration> {
    if input.parser.take(&["ADD", "COLUMNS"]) || input.parser.take(&["ADD", "COLUMN"]) {
        return Ok(Alteration::AddColumns(new_columns(input)?));
    }
    if input.parser.take(&["SET", "LOCATION"]) {
        return Ok(Alteration::SetLocation(input.parser.string()?));
    }
    if input.parser.sees(&["DROP", "COLUMN"]) || input.parser.sees(&["DROP", "COLUMNS"]) {
        skip(input);
        return Ok(Alteration::ChangeColumns { operation: "DROP COLUMN" });
    }
    if input.parser.take(&["RENAME", "COLUMN"]) {
        skip(input);
        return Ok(Alteration::ChangeColumns { operation: "RENAME COLUMN" });
    }
    if input.parser.take(&["ALTER"]) || input.parser.take(&["CHANGE"]) {
        return column(input);
    }
    match shared(input)? {
        Some(change) => Ok(change),
        None => super::unsupported_statement(input, "ALTER TABLE …"),
    }
}

/// The alterations that tables and views share.
fn shared(input: &mut Input<'_>) -> Parsed<Option<Alteration>> {
    if input.parser.take(&["RENAME", "TO"]) {
        return Ok(Some(Alteration::Rename { to: input.parser.name()? }));
    }
    if input.parser.take(&["SET", "TBLPROPERTIES"]) {
        return Ok(Some(Alteration::SetProperties(properties(&mut input.parser)?)));
    }
    if input.parser.take(&["UNSET", "TBLPROPERTIES"]) {
        let if_exists = super::if_exists(input);
        let keys = properties(&mut input.parser)?.into_iter().map(|(key, _)| key).collect();
        return Ok(Some(Alteration::UnsetProperties { keys, if_exists }));
    }
    Ok(None)
}

/// `COLUMN name …`: of a table of files, Spark only changes a column's comment.
fn column(input: &mut Input<'_>) -> Parsed<Alteration> {
    let _ = input.parser.take(&["COLUMN"]);
    input.parser.ident()?;
    if input.parser.sees(&["COMMENT"]) {
        return super::unsupported_statement(input, "ALTER TABLE … ALTER COLUMN …");
    }
    skip(input);
    Ok(Alteration::ChangeColumns { operation: "ALTER COLUMN" })
}

fn new_columns(input: &mut Input<'_>) -> Parsed<Vec<Field>> {
    let open = input.parser.consume_token(&Token::LParen);
    let fields = types::fields(&mut input.parser)?;
    if open {
        input.parser.need_token(&Token::RParen)?;
    }
    Ok(fields)
}

/// Skips the rest of a statement that is refused anyway.
fn skip(input: &mut Input<'_>) {
    while !matches!(input.parser.at(0).token, Token::EOF | Token::SemiColon) {
        input.parser.advance_token();
    }
}

/// `ANALYZE TABLE name COMPUTE STATISTICS …`.
pub(super) fn analyze(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["ANALYZE"])?;
    if !input.parser.take(&["TABLE"]) {
        return super::unsupported_statement(input, "ANALYZE");
    }
    let name = input.parser.name()?;
    if input.parser.sees(&["PARTITION"]) {
        return super::unsupported_statement(input, "ANALYZE TABLE …");
    }
    input.parser.need(&["COMPUTE", "STATISTICS"])?;
    if input.parser.take(&["FOR", "ALL", "COLUMNS"]) || input.parser.take(&["NOSCAN"]) {
        return Ok(Command::AnalyzeTable { name });
    }
    if input.parser.take(&["FOR", "COLUMNS"]) {
        names(&mut input.parser)?;
    }
    Ok(Command::AnalyzeTable { name })
}

fn names(parser: &mut Parser<'_>) -> Parsed<()> {
    parser.ident()?;
    while parser.consume_token(&Token::Comma) {
        parser.ident()?;
    }
    Ok(())
}
