//! What a program is told when its request fails, in Spark's terms: a kind, an error class, its parameters.

use crate::ParseError;
use std::fmt;

/// A failure as Spark's clients expect it. PySpark picks its exception by `kind` and its users match on `class`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkError {
    /// Which exception it becomes.
    pub kind: ErrorKind,
    /// Spark's error class, such as `UNRESOLVED_COLUMN.WITH_SUGGESTION`; empty if it has none.
    pub class: String,
    /// Message parameters of the class, by name.
    pub parameters: Vec<(String, String)>,
    /// The message as a sentence, without the class.
    pub message: String,
    /// What caused it, outermost first; each a message.
    pub causes: Vec<String>,
    /// Where in a SQL text it is, if that is known.
    pub place: Option<Box<Place>>,
}

/// A place in a SQL text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Position in the line, from 0.
    pub position: u32,
    /// What it shows of the text.
    pub shows: Shown,
}

/// What a place shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The whole text, in which a mark stands below the place: for text that cannot be parsed.
    Text(String),
    /// The piece that is wrong, and the index of its first character in the text.
    Fragment {
        /// The piece.
        fragment: String,
        /// Index of its first character.
        start: u32,
    },
}

impl Place {
    /// The place of a piece of a text that starts at a byte of it; `None` if there is none.
    pub fn of_fragment(text: &str, start: usize, fragment: &str) -> Option<Self> {
        let before = text.get(..start)?;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some(Self {
            line: number(before.matches('\n').count() + 1),
            position: number(before[line_start..].chars().count()),
            shows: Shown::Fragment {
                fragment: fragment.to_owned(),
                start: number(before.chars().count()),
            },
        })
    }
}

impl fmt::Display for Place {
    /// As Spark puts it behind a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, position, shows } = self;
        let text = match shows {
            Shown::Fragment { .. } => return write!(f, "; line {line} pos {position}"),
            Shown::Text(text) => text,
        };
        write!(f, " (line {line}, pos {position})\n\n== SQL ==")?;
        for (number, content) in (1..).zip(text.lines()) {
            write!(f, "\n{content}")?;
            if number == *line {
                write!(f, "\n{}^^^", "-".repeat(*position as usize))?;
            }
        }
        Ok(())
    }
}

/// Spark's exception classes that clients tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named after its exception class")]
pub enum ErrorKind {
    Analysis,
    Parse,
    NoSuchTable,
    NoSuchDatabase,
    TableExists,
    TempTableExists,
    IllegalArgument,
    Arithmetic,
    ArrayIndex,
    DateTime,
    NumberFormat,
    Unsupported,
    UnsupportedFeature,
    Python,
    Runtime,
    /// A setting or key that does not exist.
    NoSuchElement,
    /// A request of a client that is not well formed.
    InvalidPlan,
    /// A session, operation or cursor that is not there, or no longer.
    Sql,
    /// A job that failed while it ran.
    Spark,
    /// A defect of this server.
    Internal,
}

impl SparkError {
    /// A failure of a class; `parameters` are written as the message needs them.
    pub fn new(
        kind: ErrorKind,
        class: &str,
        message: impl Into<String>,
        parameters: &[(&str, &str)],
    ) -> Self {
        Self {
            kind,
            class: class.to_owned(),
            parameters: parameters
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            message: message.into(),
            causes: Vec::new(),
            place: None,
        }
    }

    /// A failed analysis.
    pub fn analysis(class: &str, message: impl Into<String>, parameters: &[(&str, &str)]) -> Self {
        Self::new(ErrorKind::Analysis, class, message, parameters)
    }

    /// Something of Spark that is not served, by its name.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::UnsupportedFeature,
            "UNSUPPORTED_FEATURE",
            format!("The feature is not supported: {what} is not served yet."),
            &[],
        )
    }

    /// A defect of this server.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, "INTERNAL_ERROR", message, &[])
    }

    /// Five letters and digits of the SQL standard, where the class has one.
    pub fn sql_state(&self) -> Option<&'static str> {
        let state = match self.class.split('.').next()? {
            "UNRESOLVED_COLUMN" => "42703",
            "AMBIGUOUS_REFERENCE" => "42704",
            "TABLE_OR_VIEW_NOT_FOUND" => "42P01",
            "SCHEMA_NOT_FOUND" => "42704",
            "TABLE_OR_VIEW_ALREADY_EXISTS" | "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS" => "42P07",
            "UNRESOLVED_ROUTINE" => "42883",
            "PARSE_SYNTAX_ERROR" => "42601",
            "DATATYPE_MISMATCH" => "42K09",
            "WRONG_NUM_ARGS" => "42605",
            "DIVIDE_BY_ZERO" => "22012",
            "ARITHMETIC_OVERFLOW" | "CAST_OVERFLOW" | "NUMERIC_VALUE_OUT_OF_RANGE" => "22003",
            "CAST_INVALID_INPUT" => "22018",
            "PATH_NOT_FOUND" => "42K03",
            "PATH_ALREADY_EXISTS" => "42K04",
            "MISSING_AGGREGATION" | "MISSING_GROUP_BY" => "42803",
            "UNSUPPORTED_FEATURE" => "0A000",
            "INTERNAL_ERROR" => "XX000",
            "CONNECT_INVALID_PLAN" => "56K00",
            "INVALID_HANDLE" => "HY000",
            "INVALID_CURSOR" => "HY109",
            "OPERATION_CANCELED" => "HY008",
            "SQL_CONF_NOT_FOUND" => "42K0I",
            other => return rarer_state(other),
        };
        Some(state)
    }
}

/// The states of classes that programs meet less often.
fn rarer_state(class: &str) -> Option<&'static str> {
    let state = match class {
        "REMAINDER_BY_ZERO" => "22012",
        "INVALID_ARRAY_INDEX"
        | "INVALID_ARRAY_INDEX_IN_ELEMENT_AT"
        | "BINARY_ARITHMETIC_OVERFLOW" => "22003",
        "CANNOT_PARSE_TIMESTAMP" => "22007",
        "DATETIME_OVERFLOW" => "22008",
        "INVALID_CONF_VALUE" => "22022",
        "INVALID_PARAMETER_VALUE"
        | "DATETIME_FIELD_OUT_OF_BOUNDS"
        | "MALFORMED_RECORD_IN_PARSING" => "22023",
        "DUPLICATED_MAP_KEY" => "23505",
        "SCALAR_SUBQUERY_TOO_MANY_ROWS" => "21000",
        "SCHEMA_NOT_EMPTY" => "2BP01",
        "INVALID_SQL_SYNTAX" | "INVALID_EXTRACT_BASE_FIELD_TYPE" => "42000",
        "WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE" => "42601",
        "NESTED_AGGREGATE_FUNCTION" => "42607",
        "PARSE_EMPTY_STATEMENT" => "42617",
        "AMBIGUOUS_COLUMN_REFERENCE" | "AMBIGUOUS_LATERAL_COLUMN_ALIAS" => "42702",
        "UNRESOLVED_USING_COLUMN_FOR_JOIN" | "UNRESOLVED_MAP_KEY" => "42703",
        "FIELD_NOT_FOUND" | "CANNOT_RESOLVE_DATAFRAME_COLUMN" | "CANNOT_RESOLVE_STAR_EXPAND" => {
            "42704"
        }
        "COLUMN_ALREADY_EXISTS" => "42711",
        "ASSIGNMENT_ARITY_MISMATCH" => "42802",
        "GROUPING_COLUMN_MISMATCH" | "GROUPING_ID_COLUMN_MISMATCH" => "42803",
        "GROUP_BY_POS_OUT_OF_RANGE" | "ORDER_BY_POS_OUT_OF_RANGE" => "42805",
        "EXPECT_TABLE_NOT_VIEW" | "EXPECT_VIEW_NOT_TABLE" => "42809",
        "INVALID_SUBQUERY_EXPRESSION" => "42823",
        "INCOMPATIBLE_COLUMN_TYPE" => "42825",
        "NUM_COLUMNS_MISMATCH" => "42826",
        "UNSUPPORTED_OVERWRITE" => "42902",
        "INVALID_WHERE_CONDITION" => "42903",
        "DATA_SOURCE_NOT_FOUND" => "42K02",
        "UNSUPPORTED_GENERATOR" | "UNSUPPORTED_GROUPING_EXPRESSION" => "42K0E",
        "UNABLE_TO_INFER_SCHEMA" | "CANNOT_MERGE_SCHEMAS" => "42KD9",
        "UNBOUND_SQL_PARAMETER" => "42P02",
        "SCHEMA_ALREADY_EXISTS" => "42P06",
        "CANNOT_MODIFY_CONFIG" | "CANNOT_MODIFY_STATIC_CONFIG" => "46110",
        "FAILED_READ_FILE" => "KD001",
        "USER_RAISED_EXCEPTION" => "P0001",
        _ => return None,
    };
    Some(state)
}

impl fmt::Display for SparkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.class.is_empty() {
            write!(f, "[{}] ", self.class)?;
        }
        f.write_str(&self.message)?;
        if let Some(state) = self.sql_state() {
            write!(f, " SQLSTATE: {state}")?;
        }
        match &self.place {
            Some(place) => write!(f, "{place}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SparkError {}

impl From<ParseError> for SparkError {
    fn from(error: ParseError) -> Self {
        let ParseError { class, parameters, message, line, position, text } = error;
        let place = Place { line, position, shows: Shown::Text(text) };
        Self {
            kind: ErrorKind::Parse,
            class: class.to_owned(),
            parameters,
            message,
            causes: Vec::new(),
            place: (line > 0).then(|| Box::new(place)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parse_error_shows_the_text_with_a_mark() {
        let error = SparkError::from(ParseError {
            class: "PARSE_SYNTAX_ERROR",
            parameters: Vec::new(),
            message: "Syntax error at or near 'FORM'.".to_owned(),
            line: 2,
            position: 4,
            text: "SELECT *\n    FORM t\nWHERE a".to_owned(),
        });
        let shown = "[PARSE_SYNTAX_ERROR] Syntax error at or near 'FORM'. SQLSTATE: 42601 (line 2, pos 4)\n\n== SQL ==\nSELECT *\n    FORM t\n----^^^\nWHERE a";
        assert_eq!(error.to_string(), shown);
    }

    #[test]
    fn a_fragment_has_a_line_a_position_and_an_index() {
        let text = "SELECT ä,\n  idd FROM t";
        let place = Place::of_fragment(text, text.find("idd").unwrap(), "idd").unwrap();
        assert_eq!((place.line, place.position), (2, 2));
        assert_eq!(place.shows, Shown::Fragment { fragment: "idd".to_owned(), start: 12 });
        assert_eq!(place.to_string(), "; line 2 pos 2");
        assert_eq!(Place::of_fragment(text, 8, "x"), None);
    }
}
