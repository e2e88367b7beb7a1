//! Spark SQL text to `plan`.
//!
//! Text becomes tokens (`tokens`, `clauses`), `sqlparser` with our dialect (`dialect`) parses
//! queries and expressions, and `lower` turns these into `plan`. Statements and types that
//! `sqlparser` lacks have parsers of their own (`statement`, `types`). Promises: no text causes a
//! panic or exhausts the stack, and every error has a position. No name is resolved here.

mod clauses;
mod dialect;
mod error;
mod interval;
mod literal;
mod lower;
mod parser;
mod pivot_items;
mod script;
mod statement;
mod tokens;
mod types;

#[cfg(test)]
mod tests;

pub use script::{Piece, split_statements};

use plan::{DataType, Expr, ParseError, Statement, TextParser};

/// Parser of Spark SQL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SparkParser;

impl TextParser for SparkParser {
    fn statement(&self, text: &str) -> Result<Statement, ParseError> {
        parser::parse(text, statement::statement)
    }

    fn expression(&self, text: &str) -> Result<Expr, ParseError> {
        parser::parse(text, lower::named_expression)
    }

    fn data_type(&self, text: &str) -> Result<DataType, ParseError> {
        parser::parse(text, types::type_or_fields)
    }
}
