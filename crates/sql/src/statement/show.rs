//! `SHOW`.

use super::properties::properties;
use crate::error::Parsed;
use crate::parser::{Cursor, Input};
use plan::Command;
use sqlparser::tokenizer::Token;

pub(super) fn show(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["SHOW"])?;
    if input.parser.take(&["TABLES"]) {
        let database = within(input)?;
        return Ok(Command::ShowTables { database, pattern: pattern(input)? });
    }
    if input.parser.take(&["TABLE", "EXTENDED"]) {
        let database = within(input)?;
        let Some(pattern) = pattern(input)? else { return Err(input.parser.wrong()) };
        if input.parser.sees(&["PARTITION"]) {
            return super::unsupported_statement(input, "SHOW TABLE EXTENDED … PARTITION");
        }
        return Ok(Command::ShowTableExtended { database, pattern });
    }
    if input.parser.take(&["VIEWS"]) {
        let database = within(input)?;
        return Ok(Command::ShowViews { database, pattern: pattern(input)? });
    }
    if ["DATABASES", "SCHEMAS", "NAMESPACES"].iter().any(|word| input.parser.take(&[word])) {
        if input.parser.sees(&["FROM"]) || input.parser.sees(&["IN"]) {
            return super::unsupported_statement(input, "SHOW DATABASES");
        }
        return Ok(Command::ShowDatabases { pattern: pattern(input)? });
    }
    if input.parser.take(&["COLUMNS"]) {
        return columns(input);
    }
    if input.parser.take(&["CREATE", "TABLE"]) {
        let name = input.parser.name()?;
        if input.parser.sees(&["AS", "SERDE"]) {
            return super::unsupported_statement(input, "SHOW CREATE TABLE …");
        }
        return Ok(Command::ShowCreateTable { name });
    }
    if input.parser.take(&["TBLPROPERTIES"]) {
        let name = input.parser.name()?;
        let key = if input.parser.at(0).token == Token::LParen {
            let mut keys = properties(&mut input.parser)?;
            keys.pop().map(|(key, _)| key)
        } else {
            None
        };
        return Ok(Command::ShowProperties { name, key });
    }
    if input.parser.take(&["PARTITIONS"]) {
        let name = input.parser.name()?;
        if input.parser.sees(&["PARTITION"]) {
            return super::unsupported_statement(input, "SHOW PARTITIONS …");
        }
        return Ok(Command::ShowPartitions { name });
    }
    if input.parser.take(&["CATALOGS"]) {
        return Ok(Command::ShowCatalogs { pattern: pattern(input)? });
    }
    if input.parser.sees(&["CURRENT"]) {
        input.parser.advance_token();
        return if super::takes_database(input) {
            Ok(Command::ShowCurrentNamespace)
        } else {
            super::unsupported_statement(input, "SHOW CURRENT")
        };
    }
    functions(input)
}

/// `SHOW [USER | SYSTEM | ALL] FUNCTIONS`, after `SHOW`.
fn functions(input: &mut Input<'_>) -> Parsed<Command> {
    let scoped = ["USER", "SYSTEM", "ALL"].iter().any(|w| input.parser.sees(&[w, "FUNCTIONS"]));
    if scoped {
        input.parser.advance_token();
    }
    if !input.parser.take(&["FUNCTIONS"]) {
        return super::unsupported_statement(input, "SHOW");
    }
    let _ = within(input)?;
    if let Token::Word(word) = &input.parser.at(0).token
        && !(word.quote_style.is_none() && word.value.eq_ignore_ascii_case("LIKE"))
    {
        let name = input.parser.name()?;
        return Ok(Command::ShowFunctions { pattern: name.last().cloned() });
    }
    Ok(Command::ShowFunctions { pattern: pattern(input)? })
}

/// `COLUMNS FROM t [FROM db]`.
fn columns(input: &mut Input<'_>) -> Parsed<Command> {
    let Some(mut table) = within(input)? else { return Err(input.parser.wrong()) };
    if let Some(mut database) = within(input)? {
        // The table may already be qualified; Spark then wants both to agree, and the second one
        // counts.
        let last = table.pop();
        database.extend(last);
        table = database;
    }
    Ok(Command::ShowColumns { table })
}

/// `FROM name` or `IN name`.
fn within(input: &mut Input<'_>) -> Parsed<Option<Vec<String>>> {
    if input.parser.take(&["FROM"]) || input.parser.take(&["IN"]) {
        return input.parser.name().map(Some);
    }
    Ok(None)
}

/// `[LIKE] 'pattern'`.
fn pattern(input: &mut Input<'_>) -> Parsed<Option<String>> {
    if input.parser.take(&["LIKE"])
        || matches!(input.parser.at(0).token, Token::SingleQuotedString(_))
    {
        return input.parser.string().map(Some);
    }
    Ok(None)
}
