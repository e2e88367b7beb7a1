//! A parser that remembers the statements that it parsed last: the text of a query is parsed to
//! check it, for its schema, and when it runs.

use super::lock;
use plan::{DataType, Expr, ParseError, Statement, TextParser};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Statements remembered.
const STATEMENTS: usize = 8;
/// Longer texts are not.
const LONGEST: usize = 64 << 10;

/// The parser (see the module).
#[derive(Debug)]
pub(super) struct Remembering {
    parser: Arc<dyn TextParser>,
    last: Mutex<VecDeque<(String, Statement)>>,
}

impl Remembering {
    pub(super) fn new(parser: Arc<dyn TextParser>) -> Self {
        Self { parser, last: Mutex::default() }
    }
}

impl TextParser for Remembering {
    fn statement(&self, text: &str) -> Result<Statement, ParseError> {
        if let Some((_, known)) = lock(&self.last).iter().find(|(known, _)| known == text) {
            return Ok(known.clone());
        }
        let parsed = self.parser.statement(text)?;
        if text.len() <= LONGEST {
            let mut last = lock(&self.last);
            last.truncate(STATEMENTS - 1);
            last.push_front((text.to_owned(), parsed.clone()));
        }
        Ok(parsed)
    }

    fn expression(&self, text: &str) -> Result<Expr, ParseError> {
        self.parser.expression(text)
    }

    fn data_type(&self, text: &str) -> Result<DataType, ParseError> {
        self.parser.data_type(text)
    }
}
