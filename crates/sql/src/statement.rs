//! Dispatch of statements. Queries go to `sqlparser`; all other statements have parsers here.

mod alter;
mod create;
mod describe;
mod drop;
mod insert;
mod properties;
mod session;
mod show;
mod variable;

use crate::error::{self, Parsed};
use crate::parser::{Cursor, Input};
use plan::{Command, ExplainMode, Relation, RelationKind, Statement};
use sqlparser::tokenizer::Token;

/// Statements of Spark that are refused by name.
const UNSUPPORTED: [&str; 24] = [
    "ADD", "BEGIN", "CALL", "COMMENT", "COMMIT", "DELETE", "DFS", "EXPORT", "GRANT", "IMPORT",
    "LIST", "LOAD", "LOCK", "MAP", "MERGE", "MSCK", "REDUCE", "REPAIR", "REVOKE", "ROLLBACK",
    "START", "UNLOCK", "UNSET", "UPDATE",
];

/// One statement.
pub(crate) fn statement(input: &mut Input<'_>) -> Parsed<Statement> {
    if input.parser.sees(&["EXPLAIN"]) {
        return explain(input).map(Statement::Command);
    }
    if begins_query(input) {
        return query(input).map(Statement::Query);
    }
    command(input).map(Statement::Command)
}

fn command(input: &mut Input<'_>) -> Parsed<Command> {
    let first = match &input.parser.at(0).token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
        _ => return Err(input.parser.wrong()),
    };
    match first.as_str() {
        "ALTER" => alter::alter(input),
        "ANALYZE" => alter::analyze(input),
        "DECLARE" => variable::declare(input),
        "EXECUTE" => variable::execute(input),
        "CREATE" | "REPLACE" => create::create(input),
        "DROP" => drop::drop(input),
        "TRUNCATE" => drop::truncate(input),
        "INSERT" => insert::insert(input),
        "USE" => session::use_namespace(input),
        "SET" => session::set(input),
        "RESET" => session::reset(input),
        "DESCRIBE" | "DESC" => describe::describe(input),
        "SHOW" => show::show(input),
        "CACHE" => session::cache(input),
        "UNCACHE" => session::uncache(input),
        "CLEAR" => session::clear_cache(input),
        "REFRESH" => session::refresh(input),
        other if UNSUPPORTED.contains(&other) => Err(error::unsupported(two_words(input))),
        _ => Err(input.parser.wrong()),
    }
}

fn explain(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["EXPLAIN"])?;
    let modes = [
        ("EXTENDED", ExplainMode::Extended),
        ("CODEGEN", ExplainMode::Codegen),
        ("COST", ExplainMode::Cost),
        ("FORMATTED", ExplainMode::Formatted),
    ];
    let mode = modes.into_iter().find(|(word, _)| input.parser.take(&[word]));
    let mode = mode.map_or(ExplainMode::Simple, |(_, mode)| mode);
    // Explaining an `EXPLAIN` would be unlimited recursion.
    if input.parser.sees(&["EXPLAIN"]) {
        return Err(input.parser.wrong());
    }
    let statement = Box::new(statement(input)?);
    Ok(Command::Explain { mode, statement })
}

/// Whether a query comes next.
fn begins_query(input: &Input<'_>) -> bool {
    let parser = &input.parser;
    parser.at(0).token == Token::LParen
        || ["SELECT", "WITH", "FROM", "VALUES", "TABLE"].iter().any(|word| parser.sees(&[word]))
}

/// A query within a statement.
fn query(input: &mut Input<'_>) -> Parsed<Relation> {
    if !begins_query(input) {
        return Err(input.parser.wrong());
    }
    // Elsewhere `TABLE t` has already become a `SELECT`.
    if input.parser.take(&["TABLE"]) {
        let name = input.parser.name()?;
        return Ok(RelationKind::Table { name, options: Vec::new() }.into());
    }
    input.query()
}

/// The next two words, to name an unsupported statement.
fn two_words(input: &Input<'_>) -> String {
    let word = |n| match &input.parser.at(n).token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
        _ => None,
    };
    let words: Vec<String> = [word(0), word(1)].into_iter().flatten().collect();
    words.join(" ")
}

/// Refuses a statement, naming its beginning and the next word.
fn unsupported_statement<T>(input: &Input<'_>, before: &str) -> Parsed<T> {
    match &input.parser.at(0).token {
        Token::Word(word) => {
            Err(error::unsupported(format!("{before} {}", word.value.to_uppercase())))
        }
        _ => Err(input.parser.wrong()),
    }
}

/// `IF NOT EXISTS`.
fn if_not_exists(input: &mut Input<'_>) -> bool {
    input.parser.take(&["IF", "NOT", "EXISTS"])
}

/// `IF EXISTS`.
fn if_exists(input: &mut Input<'_>) -> bool {
    input.parser.take(&["IF", "EXISTS"])
}

/// `DATABASE`, `SCHEMA` or `NAMESPACE`.
fn takes_database(input: &mut Input<'_>) -> bool {
    ["DATABASE", "SCHEMA", "NAMESPACE"].iter().any(|word| input.parser.take(&[word]))
}
