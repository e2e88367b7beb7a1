//! A program's requests before anything is looked up: Spark's relations, expressions, commands and
//! types.
//!
//! Spark Connect messages (`connect`) and SQL text (`sql`) both become these enums, and only
//! `engine` gives names, types and functions a meaning. Nothing here is resolved: a column is a
//! name, a function is a name.

mod command;
mod expression;
mod json;
mod name;
mod python;
mod relation;
mod storage;
mod types;

pub use command::{
    Alteration, CatalogRequest, Checkpoint, Command, CreateTable, ExplainMode, ReplaceMode,
    SaveMode, Statement, View, Write, WriteTarget,
};
pub use errors::{Place, Shown, SparkError};
pub use expression::{
    CastMode, Expr, FrameBound, FrameUnits, FunctionCall, Literal, NullOrder, SortOrder,
    SubqueryKind, WindowFrame, WindowSpec,
};
pub use json::BadJsonType;
pub use name::{BadName, parse_name, quote_if_needed, quote_name};
pub use python::{
    AnalyzedArgument, EvalType, PythonAnalysis, PythonCall, PythonFunction, PythonMap,
    PythonSourceCall, PythonTable, TableArgument, WorkerArgument, WorkerCall, WorkerKind,
    WorkerOrder,
};
pub use relation::{
    Aggregate, AsOfDirection, AsOfJoin, Grouping, HintArgument, Join, JoinCondition, JoinType,
    NaFill, NearestByJoin, Pivot, Relation, RelationKind, Sample, ScanOptions, SchemaOrText,
    SetOperation, SetOperator, Statistics, Unpivot, UnpivotRow,
};
pub use storage::StorageLevel;
pub use types::{DataType, Field, IntervalUnit, UserDefined};

use errors::{Condition, Exception};
use std::fmt;

/// Parses text to plans. Implemented by `sql`, used by `engine`, which must not know the SQL
/// grammar.
pub trait TextParser: fmt::Debug + Send + Sync {
    /// Parses one statement, such as the argument of `spark.sql`. A trailing semicolon is allowed.
    fn statement(&self, text: &str) -> Result<Statement, ParseError>;
    /// Parses one expression, such as the argument of `selectExpr`; an alias is allowed.
    fn expression(&self, text: &str) -> Result<Expr, ParseError>;
    /// Parses one data type in DDL form, such as `decimal(10,2)`, or a bare field list such as `a
    /// int, b string`.
    fn data_type(&self, text: &str) -> Result<DataType, ParseError>;
}

/// The text is not valid Spark SQL. `Display` is the whole message, with line and position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Spark's condition, such as `PARSE_SYNTAX_ERROR`.
    pub condition: &'static Condition,
    /// Parameters of Spark's message, ordered by name.
    pub parameters: Vec<(String, String)>,
    /// The problem as a sentence, without the class.
    pub message: String,
    /// Line of the text, from 1; 0 if unknown.
    pub line: u32,
    /// Position in the line, from 0.
    pub position: u32,
    /// The text that was parsed.
    pub text: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.condition.class, self.message)?;
        if self.line > 0 {
            write!(f, " (line {}, pos {})", self.line, self.position)
        } else {
            Ok(())
        }
    }
}

impl std::error::Error for ParseError {}

impl From<ParseError> for SparkError {
    fn from(error: ParseError) -> Self {
        let ParseError { condition, parameters, message, line, position, text } = error;
        let place = Place { line, position, shows: Shown::Text(text) };
        Self {
            exception: Exception::Parse,
            condition: Some(condition),
            parameters,
            message,
            causes: Vec::new(),
            place: (line > 0).then(|| Box::new(place)),
        }
    }
}
