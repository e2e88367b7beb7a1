//! `CREATE`: views, tables, databases.

use super::properties::properties;
use crate::error::{self, Parsed};
use crate::parser::{Cursor, Input};
use crate::types;
use plan::{
    Command, CreateTable, Field, Relation, RelationKind, ReplaceMode, ScanOptions, SchemaOrText,
    View,
};
use sqlparser::tokenizer::Token;

pub(super) fn create(input: &mut Input<'_>) -> Parsed<Command> {
    if input.parser.sees(&["REPLACE", "TABLE"]) {
        input.parser.need(&["REPLACE", "TABLE"])?;
        return table(input, ReplaceMode::Replace);
    }
    input.parser.need(&["CREATE"])?;
    let replace = input.parser.take(&["OR", "REPLACE"]);
    let replace = if replace { ReplaceMode::Replace } else { ReplaceMode::Fail };
    let global = input.parser.take(&["GLOBAL"]);
    let temporary = input.parser.take(&["TEMPORARY"]) || input.parser.take(&["TEMP"]);
    if input.parser.take(&["VIEW"]) {
        return view(input, replace, Scope::of(temporary, global)?);
    }
    if temporary || global {
        return super::unsupported_statement(input, "CREATE TEMPORARY");
    }
    let _ = input.parser.take(&["EXTERNAL"]);
    if input.parser.take(&["TABLE"]) {
        return table(input, replace);
    }
    if replace == ReplaceMode::Fail && super::takes_database(input) {
        return database(input);
    }
    super::unsupported_statement(input, "CREATE")
}

/// Visibility of a view.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Stored,
    Session,
    Global,
}

impl Scope {
    fn of(temporary: bool, global: bool) -> Parsed<Self> {
        match (temporary, global) {
            (false, false) => Ok(Self::Stored),
            (true, false) => Ok(Self::Session),
            (true, true) => Ok(Self::Global),
            (false, true) => Err(error::invalid("GLOBAL needs TEMPORARY.")),
        }
    }
}

fn view(input: &mut Input<'_>, replace: ReplaceMode, scope: Scope) -> Parsed<Command> {
    let replace = if super::if_not_exists(input) { ReplaceMode::Keep } else { replace };
    let name = input.parser.name()?;
    let mut columns = Vec::new();
    let mut schema = None;
    if input.parser.at(0).token == Token::LParen {
        if names_columns(input) {
            columns = input.parser.listed(view_column)?;
        } else {
            schema = Some(fields(input)?);
        }
    }
    let query = if input.parser.take(&["USING"]) {
        scan(input, schema)?
    } else {
        if schema.is_some() {
            return Err(input.parser.wrong());
        }
        view_clauses(input)?;
        input.parser.need(&["AS"])?;
        super::query(input)?
    };
    let (temporary, global) = (scope != Scope::Stored, scope == Scope::Global);
    let by_name = true;
    Ok(Command::CreateView(View { name, query, columns, replace, temporary, global, by_name }))
}

/// Whether `(` starts a list of bare names.
fn names_columns(input: &Input<'_>) -> bool {
    let next = &input.parser.at(2).token;
    matches!(next, Token::Comma | Token::RParen) || crate::parser::is_word(next, "COMMENT")
}

fn view_column(parser: &mut sqlparser::parser::Parser<'_>) -> Parsed<String> {
    let name = parser.ident()?;
    if parser.take(&["COMMENT"]) {
        parser.string()?;
    }
    Ok(name)
}

/// Skips the clauses of a view, which temporary views do not store.
fn view_clauses(input: &mut Input<'_>) -> Parsed<()> {
    loop {
        if input.parser.take(&["COMMENT"]) {
            input.parser.string()?;
        } else if input.parser.take(&["TBLPROPERTIES"]) {
            properties(&mut input.parser)?;
        } else if input.parser.sees(&["WITH", "SCHEMA"]) {
            return super::unsupported_statement(input, "CREATE VIEW");
        } else {
            return Ok(());
        }
    }
}

/// The files of a view, after `USING`.
fn scan(input: &mut Input<'_>, schema: Option<Vec<Field>>) -> Parsed<Relation> {
    let format = Some(input.parser.name()?.join("."));
    let options =
        if input.parser.take(&["OPTIONS"]) { properties(&mut input.parser)? } else { Vec::new() };
    let (paths, options): (Vec<_>, Vec<_>) =
        options.into_iter().partition(|(key, _)| key.eq_ignore_ascii_case("path"));
    let paths = paths.into_iter().map(|(_, path)| path).collect();
    let schema = schema.map(SchemaOrText::Schema);
    Ok(RelationKind::Scan(ScanOptions { format, paths, schema, options }).into())
}

fn table(input: &mut Input<'_>, replace: ReplaceMode) -> Parsed<Command> {
    let replace = if super::if_not_exists(input) { ReplaceMode::Keep } else { replace };
    let mut table = CreateTable {
        name: input.parser.name()?,
        replace,
        schema: Vec::new(),
        format: None,
        options: Vec::new(),
        location: None,
        partition_by: Vec::new(),
        comment: None,
        properties: Vec::new(),
        query: None,
    };
    if input.parser.take(&["LIKE"]) {
        let source = input.parser.name()?;
        while table_clause(input, &mut table)? {}
        return Ok(Command::CreateTableLike { table: Box::new(table), source });
    }
    if input.parser.at(0).token == Token::LParen && !begins_query_in_parentheses(input) {
        table.schema = fields(input)?;
    }
    while table_clause(input, &mut table)? {}
    if input.parser.take(&["AS"]) || super::begins_query(input) {
        table.query = Some(super::query(input)?);
    }
    Ok(Command::CreateTable(table))
}

fn begins_query_in_parentheses(input: &Input<'_>) -> bool {
    let next = &input.parser.at(1).token;
    ["SELECT", "WITH", "FROM", "VALUES"].iter().any(|word| crate::parser::is_word(next, word))
}

/// Parses one clause of `CREATE TABLE`; returns false if none comes.
fn table_clause(input: &mut Input<'_>, table: &mut CreateTable) -> Parsed<bool> {
    let parser = &mut input.parser;
    if parser.take(&["USING"]) || parser.take(&["STORED", "AS"]) {
        table.format = Some(parser.name()?.join("."));
    } else if parser.take(&["OPTIONS"]) {
        table.options = properties(parser)?;
    } else if parser.take(&["TBLPROPERTIES"]) {
        table.properties = properties(parser)?;
    } else if parser.take(&["LOCATION"]) {
        table.location = Some(parser.string()?);
    } else if parser.take(&["COMMENT"]) {
        table.comment = Some(parser.string()?);
    } else if parser.take(&["PARTITIONED", "BY"]) {
        partitions(input, table)?;
    } else if ["CLUSTERED", "CLUSTER", "ROW", "STORED", "SKEWED", "DEFAULT"]
        .iter()
        .any(|w| parser.sees(&[w]))
    {
        return super::unsupported_statement(input, "CREATE TABLE …");
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// `(a, b)`, or with types, which add columns to the table.
fn partitions(input: &mut Input<'_>, table: &mut CreateTable) -> Parsed<()> {
    let typed = matches!(input.parser.at(2).token, Token::Word(_) | Token::Colon);
    if typed {
        for field in fields(input)? {
            table.partition_by.push(field.name.clone());
            table.schema.push(field);
        }
        return Ok(());
    }
    if input.parser.at(2).token == Token::LParen {
        return Err(error::unsupported("PARTITIONED BY with a transform"));
    }
    table.partition_by = input.parser.listed(Cursor::ident)?;
    Ok(())
}

/// The columns of a table, in parentheses.
fn fields(input: &mut Input<'_>) -> Parsed<Vec<Field>> {
    input.parser.need_token(&Token::LParen)?;
    let fields = types::fields(&mut input.parser)?;
    if !input.parser.consume_token(&Token::RParen) {
        let constraints =
            ["DEFAULT", "GENERATED", "PRIMARY", "CHECK", "UNIQUE", "REFERENCES", "CONSTRAINT"];
        if constraints.iter().any(|word| input.parser.sees(&[word])) {
            return super::unsupported_statement(input, "a column with");
        }
        return Err(input.parser.wrong());
    }
    Ok(fields)
}

fn database(input: &mut Input<'_>) -> Parsed<Command> {
    let if_not_exists = super::if_not_exists(input);
    let name = input.parser.name()?;
    let (mut comment, mut location) = (None, None);
    loop {
        if input.parser.take(&["COMMENT"]) {
            comment = Some(input.parser.string()?);
        } else if input.parser.take(&["LOCATION"]) {
            location = Some(input.parser.string()?);
        } else if input.parser.take(&["WITH", "DBPROPERTIES"])
            || input.parser.take(&["WITH", "PROPERTIES"])
        {
            properties(&mut input.parser)?;
        } else {
            return Ok(Command::CreateDatabase { name, if_not_exists, comment, location });
        }
    }
}
