//! Errors in a text, with Spark's error classes.

use errors::{Condition, condition};
use plan::ParseError;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

/// The result of every parser in this crate.
pub(crate) type Parsed<T> = Result<T, ParseError>;

/// An unexpected token.
pub(crate) fn syntax(at: &TokenWithSpan) -> ParseError {
    let near = match &at.token {
        Token::EOF => "end of input".to_owned(),
        Token::SingleQuotedString(text) => format!("'{text}'"),
        Token::Placeholder(name) if name.starts_with('?') => "'?'".to_owned(),
        token => format!("'{token}'"),
    };
    syntax_near(near, at.span.start)
}

/// A syntax error near a fragment.
pub(crate) fn syntax_near(near: String, start: Location) -> ParseError {
    let message = format!("Syntax error at or near {near}.");
    let parameters = vec![("error".to_owned(), near), ("hint".to_owned(), String::new())];
    located(condition::PARSE_SYNTAX_ERROR, parameters, message, start)
}

/// A text without a statement.
pub(crate) fn empty() -> ParseError {
    let message = "Syntax error, unexpected empty statement.".to_owned();
    located(condition::PARSE_EMPTY_STATEMENT, Vec::new(), message, Location { line: 1, column: 1 })
}

/// A feature of Spark SQL that is not supported, by its name.
pub(crate) fn unsupported(what: impl std::fmt::Display) -> ParseError {
    let message = format!("The feature is not supported: {what} is not served yet.");
    located(condition::UNSUPPORTED_FEATURE, Vec::new(), message, Location { line: 0, column: 0 })
}

/// A text that is nested too deep.
pub(crate) fn too_complex() -> ParseError {
    let message = "The statement, including potential SQL functions and referenced views, was too complex \
                   to parse. To mitigate this error divide the statement into multiple, less complex chunks."
        .to_owned();
    located(
        condition::FAILED_TO_PARSE_TOO_COMPLEX,
        Vec::new(),
        message,
        Location { line: 0, column: 0 },
    )
}

/// An unclosed comment.
pub(crate) fn unclosed_comment(start: Location) -> ParseError {
    let message =
        "Found an unclosed bracketed comment. Please, append */ at the end of the comment."
            .to_owned();
    located(condition::UNCLOSED_BRACKETED_COMMENT, Vec::new(), message, start)
}

/// An invalid interval.
pub(crate) fn bad_interval(text: &str, why: &str) -> ParseError {
    let message = format!("Error parsing '{text}' to interval. {why}");
    let parameters =
        vec![("input".to_owned(), text.to_owned()), ("message".to_owned(), why.to_owned())];
    located(
        condition::INVALID_INTERVAL_FORMAT,
        parameters,
        message,
        Location { line: 0, column: 0 },
    )
}

/// A typed literal whose text is invalid for its type: `DATE 'x'`.
pub(crate) fn bad_literal(value_type: &str, value: &str) -> ParseError {
    let message = format!("The value of the typed literal \"{value_type}\" is invalid: '{value}'.");
    let parameters = vec![
        ("value".to_owned(), format!("'{value}'")),
        ("valueType".to_owned(), format!("\"{value_type}\"")),
    ];
    located(condition::INVALID_TYPED_LITERAL, parameters, message, Location { line: 0, column: 0 })
}

/// A number outside the range of its type.
pub(crate) fn number_out_of_range(text: &str, type_name: &str) -> ParseError {
    let message = format!("Numeric literal {text} is outside the valid range for {type_name}.");
    let parameters = vec![
        ("rawStrippedQualifier".to_owned(), text.to_owned()),
        ("typeName".to_owned(), type_name.to_owned()),
    ];
    located(
        condition::INVALID_NUMERIC_LITERAL_RANGE,
        parameters,
        message,
        Location { line: 0, column: 0 },
    )
}

/// An unknown type name.
pub(crate) fn unknown_type(name: &str, start: Location) -> ParseError {
    let message = format!("Unsupported data type \"{}\".", name.to_uppercase());
    let parameters = vec![("typeName".to_owned(), format!("\"{}\"", name.to_uppercase()))];
    located(condition::UNSUPPORTED_DATATYPE, parameters, message, start)
}

/// A statement that follows the grammar but contradicts itself.
pub(crate) fn invalid(message: impl Into<String>) -> ParseError {
    located(
        condition::INVALID_SQL_SYNTAX,
        Vec::new(),
        message.into(),
        Location { line: 0, column: 0 },
    )
}

/// A row of `UNPIVOT` whose number of columns differs from that of the value names.
pub(crate) fn unpivot_value_size_mismatch(names: &[String]) -> ParseError {
    let message =
        "All unpivot value columns must have the same size as there are value column names.";
    let names = names.iter().map(|name| plan::quote_name(name)).collect::<Vec<_>>().join(", ");
    let parameters = vec![("names".to_owned(), names)];
    let start = Location { line: 0, column: 0 };
    located(condition::UNPIVOT_VALUE_SIZE_MISMATCH, parameters, message.to_owned(), start)
}

fn located(
    condition: &'static Condition,
    parameters: Vec<(String, String)>,
    message: String,
    start: Location,
) -> ParseError {
    let line = u32::try_from(start.line).unwrap_or(0);
    // Spark counts positions from 0.
    let position = u32::try_from(start.column.saturating_sub(1)).unwrap_or(0);
    ParseError { condition, parameters, message, line, position, text: String::new() }
}
