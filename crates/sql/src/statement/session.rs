//! Statements about the session: its namespace, settings and cache.

use super::properties::properties;
use crate::error::{self, Parsed};
use crate::interval;
use crate::parser::{Cursor, Input};
use plan::{CatalogRequest, Command, Literal};
use sqlparser::tokenizer::Token;

pub(super) fn use_namespace(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["USE"])?;
    if input.parser.take(&["CATALOG"]) {
        return Ok(Command::UseCatalog { name: catalog_name(input)? });
    }
    // A namespace may itself be called `database`.
    if matches!(input.parser.at(1).token, Token::Word(_)) {
        let _ = super::takes_database(input);
    }
    Ok(Command::UseDatabase { name: input.parser.name()? })
}

fn catalog_name(input: &mut Input<'_>) -> Parsed<String> {
    match input.parser.at(0).token {
        Token::SingleQuotedString(_) => input.parser.string(),
        _ => input.parser.ident(),
    }
}

/// `SET`. A setting's value is the text up to the end of the line, verbatim.
pub(super) fn set(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["SET"])?;
    if input.parser.take(&["TIME", "ZONE"]) {
        return Ok(Command::SetTimeZone { zone: zone(input)? });
    }
    if input.parser.take(&["CATALOG"]) {
        return Ok(Command::UseCatalog { name: catalog_name(input)? });
    }
    if !matches!(input.parser.at(1).token, Token::Eq | Token::Period) {
        if input.parser.take(&["VAR"]) || input.parser.take(&["VARIABLE"]) {
            return super::variable::set(input);
        }
        if ["ROLE", "PATH"].iter().any(|w| input.parser.sees(&[w])) {
            return super::unsupported_statement(input, "SET");
        }
    }
    let text = rest_of(input, "SET");
    // `SET -v` shows all settings too.
    if text.is_empty() || text == "-v" {
        return Ok(Command::Set { key: None, value: None });
    }
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key.trim(), Some(unquoted(value.trim()).to_owned())),
        None => (text.as_str(), None),
    };
    let key = unquoted(key);
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err(input.parser.wrong());
    }
    Ok(Command::Set { key: Some(key.to_owned()), value })
}

pub(super) fn reset(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["RESET"])?;
    let text = rest_of(input, "RESET");
    let key = unquoted(&text);
    if key.contains(char::is_whitespace) {
        return Err(input.parser.wrong());
    }
    Ok(Command::Reset { key: (!key.is_empty()).then(|| key.to_owned()) })
}

/// The text after the statement's first word, which is skipped.
fn rest_of(input: &mut Input<'_>, word: &str) -> String {
    while input.parser.at(0).token != Token::EOF {
        input.parser.advance_token();
    }
    // Comments before the word are not part of the statement.
    let text = crate::script::without_comments(input.text);
    let text = text.trim().get(word.len()..).unwrap_or("");
    text.trim_end_matches(|c: char| c == ';' || c.is_whitespace()).trim().to_owned()
}

/// A key or value without surrounding backticks.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('`').and_then(|t| t.strip_suffix('`')).unwrap_or(text)
}

/// `LOCAL`, a name, or an interval of hours and minutes.
fn zone(input: &mut Input<'_>) -> Parsed<String> {
    if input.parser.take(&["LOCAL"]) {
        return Ok("LOCAL".to_owned());
    }
    if !input.parser.sees(&["INTERVAL"]) {
        return input.parser.string();
    }
    let invalid = || {
        error::invalid(
            "The interval value must be in the range of [-18, +18] hours with second precision.",
        )
    };
    match interval::literal(&mut input.parser)? {
        Literal::DayTimeInterval(micros) if micros % 1_000_000 == 0 => {
            let seconds = micros / 1_000_000;
            let (size, sign) = (seconds.unsigned_abs(), if seconds < 0 { '-' } else { '+' });
            if size > 18 * 3_600 {
                return Err(invalid());
            }
            let (hours, minutes, rest) = (size / 3_600, size / 60 % 60, size % 60);
            let rest = if rest == 0 { String::new() } else { format!(":{rest:02}") };
            Ok(format!("{sign}{hours:02}:{minutes:02}{rest}"))
        }
        _ => Err(invalid()),
    }
}

pub(super) fn cache(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["CACHE"])?;
    let lazy = input.parser.take(&["LAZY"]);
    input.parser.need(&["TABLE"])?;
    let name = input.parser.name()?;
    let with_options = input.parser.take(&["OPTIONS"]);
    let options = if with_options { properties(&mut input.parser)? } else { Vec::new() };
    let level = options.into_iter().find(|(key, _)| key.eq_ignore_ascii_case("storageLevel"));
    let level = level.map(|(_, name)| name);
    let query = if input.parser.take(&["AS"]) || super::begins_query(input) {
        Some(super::query(input)?)
    } else {
        None
    };
    Ok(Command::CacheTable { name, query, lazy, level })
}

pub(super) fn uncache(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["UNCACHE", "TABLE"])?;
    let if_exists = super::if_exists(input);
    Ok(Command::UncacheTable { name: input.parser.name()?, if_exists })
}

pub(super) fn clear_cache(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["CLEAR", "CACHE"])?;
    Ok(Command::ClearCache)
}

pub(super) fn refresh(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["REFRESH"])?;
    if input.parser.sees(&["FUNCTION"]) {
        return super::unsupported_statement(input, "REFRESH");
    }
    if let Token::SingleQuotedString(_) = input.parser.at(0).token {
        let path = input.parser.string()?;
        return Ok(Command::Catalog(CatalogRequest::RefreshByPath { path }));
    }
    let _ = input.parser.take(&["TABLE"]);
    Ok(Command::RefreshTable { name: input.parser.name()? })
}
