//! Spark's dialect for `sqlparser`: the reserved words, precedences and forms in which its grammar
//! differs.
//!
//! `sqlparser` backtracks over several readings of a text, so the hooks here consume every word
//! that starts a form themselves and never backtrack; a budget of steps ends whatever would still
//! take exponential time. Values that the syntax tree cannot hold (Spark's types and literals) are
//! kept beside it and named `#n` in it.

use crate::error::Parsed;
use crate::parser::Cursor;
use crate::types;
use plan::{DataType, Literal, ParseError};
use sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Value,
};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use std::cell::{Cell, RefCell};

mod infix;
mod prefix;

/// Spark's dialect, with the state of parsing one text.
#[derive(Debug, Default)]
pub(crate) struct SparkDialect {
    /// The furthest token inspected.
    furthest: Cell<usize>,
    /// Steps left.
    budget: Cell<usize>,
    /// An error of our own, more precise than `sqlparser`'s.
    failure: RefCell<Option<ParseError>>,
    types: RefCell<Vec<DataType>>,
    literals: RefCell<Vec<Literal>>,
}

impl SparkDialect {
    /// A dialect for one text with this many tokens.
    pub(crate) fn for_tokens(count: usize) -> Self {
        Self { budget: Cell::new(count * 64 + 10_000), ..Self::default() }
    }

    /// The furthest token that the parser inspected.
    pub(crate) fn furthest(&self) -> usize {
        self.furthest.get()
    }

    /// Takes the recorded error.
    pub(crate) fn take_failure(&self) -> Option<ParseError> {
        self.failure.take()
    }

    /// The type that the tree calls `#n`.
    pub(crate) fn kept_type(&self, name: &str) -> Option<DataType> {
        self.types.borrow().get(kept_index(name)?).cloned()
    }

    /// The literal that the tree calls `#n`.
    pub(crate) fn kept_literal(&self, name: &str) -> Option<Literal> {
        self.literals.borrow().get(kept_index(name)?).cloned()
    }

    fn keep_type(&self, data_type: DataType) -> ast::DataType {
        let mut types = self.types.borrow_mut();
        types.push(data_type);
        let name = Ident::new(format!("#{}", types.len() - 1));
        ast::DataType::Custom(ObjectName::from(vec![name]), Vec::new())
    }

    fn keep_literal(&self, value: Literal) -> Expr {
        let mut literals = self.literals.borrow_mut();
        literals.push(value);
        Expr::value(Value::Placeholder(format!("#{}", literals.len() - 1)))
    }

    /// Records our own error and returns a generic one to `sqlparser`.
    fn fail<T>(&self, result: Parsed<T>) -> Result<T, ParserError> {
        result.map_err(|failure| {
            let what = failure.message.clone();
            *self.failure.borrow_mut() = Some(failure);
            ParserError::ParserError(what)
        })
    }

    /// Counts one step of parsing at the parser's position.
    fn step(&self, parser: &Parser<'_>) -> Result<(), ParserError> {
        self.furthest.set(self.furthest.get().max(parser.index()));
        match self.budget.get().checked_sub(1) {
            Some(left) => {
                self.budget.set(left);
                Ok(())
            }
            None => Err(ParserError::RecursionLimitExceeded),
        }
    }

    fn data_type(&self, parser: &mut Parser<'_>) -> Result<ast::DataType, ParserError> {
        let data_type = types::data_type(parser);
        Ok(self.keep_type(self.fail(data_type)?))
    }
}

fn kept_index(name: &str) -> Option<usize> {
    name.strip_prefix('#')?.parse().ok()
}

/// Name of the call that stands for `TABLE(…)` as an argument.
pub(crate) const TABLE_ARGUMENT: &str = "#table";

/// Words that start the next clause, and so cannot be an alias without `AS`.
const CLAUSE_WORDS: &[Keyword] = &[
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::ORDER,
    Keyword::SORT,
    Keyword::CLUSTER,
    Keyword::DISTRIBUTE,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::WINDOW,
    Keyword::QUALIFY,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
    Keyword::MINUS,
    Keyword::LATERAL,
    Keyword::SELECT,
    Keyword::AS,
];

/// Words that continue a relation, and so cannot be a table's alias without `AS`.
const RELATION_WORDS: &[Keyword] = &[
    Keyword::ON,
    Keyword::USING,
    Keyword::JOIN,
    Keyword::INNER,
    Keyword::LEFT,
    Keyword::RIGHT,
    Keyword::FULL,
    Keyword::CROSS,
    Keyword::NATURAL,
    Keyword::SEMI,
    Keyword::ANTI,
    Keyword::PIVOT,
    Keyword::UNPIVOT,
    Keyword::TABLESAMPLE,
    Keyword::FOR,
    Keyword::WITH,
];

/// Words that cannot start an expression.
const NO_EXPRESSION: &[Keyword] = &[
    Keyword::SELECT,
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::ORDER,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
    Keyword::ON,
    Keyword::USING,
    Keyword::JOIN,
    Keyword::WHEN,
    Keyword::THEN,
    Keyword::ELSE,
    Keyword::END,
    Keyword::AND,
    Keyword::OR,
    Keyword::IN,
    Keyword::IS,
    Keyword::AS,
    Keyword::BETWEEN,
    Keyword::LIKE,
];

impl Dialect for SparkDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_ascii_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_ascii_alphanumeric() || ch == '_'
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_cross_join_constraint(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_select_expr_star(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_comment_optimizer_hint(&self) -> bool {
        true
    }

    fn supports_from_first_select(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_table_sample_before_alias(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_left_associative_joins_without_parens(&self) -> bool {
        true
    }

    fn supports_bang_not_operator(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_select_item_multi_column_alias(&self) -> bool {
        true
    }

    fn supports_cte_without_as(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    fn is_reserved_for_identifier(&self, word: Keyword) -> bool {
        NO_EXPRESSION.contains(&word)
    }

    fn is_column_alias(&self, word: &Keyword, _parser: &mut Parser<'_>) -> bool {
        !CLAUSE_WORDS.contains(word)
    }

    fn is_table_factor(&self, word: &Keyword, _parser: &mut Parser<'_>) -> bool {
        !CLAUSE_WORDS.contains(word)
    }

    fn is_table_alias(&self, word: &Keyword, _parser: &mut Parser<'_>) -> bool {
        !CLAUSE_WORDS.contains(word) && !RELATION_WORDS.contains(word)
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        if let Err(exhausted) = self.step(parser) {
            return Some(Err(exhausted));
        }
        self.prefix(parser)
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        left: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        self.infix(parser, left)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        if let Err(exhausted) = self.step(parser) {
            return Some(Err(exhausted));
        }
        infix::precedence(parser).map(Ok)
    }
}

/// The binding strength of an operator of this kind.
fn binding(precedence: Precedence) -> u8 {
    SparkDialect::default().prec_value(precedence)
}

/// Whether a query starts at the n-th token ahead.
fn begins_query(parser: &Parser<'_>, n: usize) -> bool {
    ["SELECT", "WITH", "FROM", "VALUES"]
        .iter()
        .any(|w| crate::parser::is_word(&parser.at(n).token, w))
}

/// A plain call.
fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a))).collect();
    let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    Expr::Function(ast::Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
