//! What can be wrong with a call, and how a failure at run time carries Spark's error class.

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;

use crate::types::sql_type;

/// Why a call has no meaning. [`FunctionError::describe`] words it as Spark does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// No function has this name.
    #[error("function {name} is not known")]
    Unknown {
        /// As the user wrote it.
        name: String,
    },
    /// A function of Spark that is not served yet.
    #[error("{what} is not served yet")]
    Unsupported {
        /// The function or the use of it.
        what: String,
    },
    /// Too few or too many arguments.
    #[error("function {name} needs {expected} arguments but got {actual}")]
    WrongNumArgs {
        /// The function.
        name: String,
        /// A number, a range, or numbers, as Spark writes them: `2`, `[1, 2]`, `> 0`.
        expected: String,
        /// How many there were.
        actual: usize,
    },
    /// An argument of a type that the function does not take.
    #[error("argument {index} of {name} must be {required}, not {actual}")]
    InputType {
        /// The function.
        name: String,
        /// Which argument, from 0.
        index: usize,
        /// Type wanted, as Spark writes it: `"NUMERIC"`.
        required: String,
        /// Type found.
        actual: DataType,
    },
    /// Arguments whose types do not fit together.
    #[error("arguments of {name} have types that differ: {}", types.iter().map(sql_type).collect::<Vec<_>>().join(", "))]
    DifferingTypes {
        /// The function or operator.
        name: String,
        /// The types found.
        types: Vec<DataType>,
    },
    /// A cast that Spark does not allow.
    #[error("cannot cast {} to {}", sql_type(from), sql_type(to))]
    Cast {
        /// Type of the value.
        from: DataType,
        /// Type asked for.
        to: DataType,
    },
    /// Any other class that Spark reports for a call.
    #[error("{message}")]
    Invalid {
        /// Spark's error class.
        class: &'static str,
        /// The message as a sentence.
        message: String,
        /// Its parameters by name.
        parameters: Vec<(&'static str, String)>,
    },
}

/// An error in Spark's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Spark's error class.
    pub class: String,
    /// The message as a sentence, without class and state.
    pub message: String,
    /// Parameters of the message by name.
    pub parameters: Vec<(String, String)>,
}

impl FunctionError {
    /// The error in Spark's words. `sql` is the call as Spark writes it (see [`crate::sql_name`]), `texts` its arguments.
    pub fn describe(&self, sql: &str, texts: &[String]) -> Described {
        match self {
            Self::Unknown { name } => described(
                "UNRESOLVED_ROUTINE",
                format!(
                    "Cannot resolve routine `{name}` on search path [`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]."
                ),
                &[
                    ("routineName", format!("`{name}`")),
                    (
                        "searchPath",
                        "[`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]"
                            .to_owned(),
                    ),
                ],
            ),
            Self::Unsupported { what } => described(
                "UNSUPPORTED_FEATURE",
                format!("The feature is not supported: {what} is not served yet."),
                &[],
            ),
            Self::WrongNumArgs { name, expected, actual } => described(
                "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
                format!(
                    "The `{name}` requires {expected} parameters but the actual number is {actual}. Please, refer to 'https://spark.apache.org/docs/latest/sql-ref-functions.html' for a fix."
                ),
                &[
                    ("functionName", format!("`{name}`")),
                    ("expectedNum", expected.clone()),
                    ("actualNum", actual.to_string()),
                ],
            ),
            Self::InputType { index, required, actual, .. } => {
                let text = texts.get(*index).map_or("", String::as_str);
                input_type(sql, text, *index, (required, &sql_type(actual)))
            }
            Self::DifferingTypes { name, types } => differing(sql, name, types),
            Self::Cast { from, to } => {
                let (from, to) = (sql_type(from), sql_type(to));
                described(
                    "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION",
                    format!(
                        "Cannot resolve \"{sql}\" due to data type mismatch: cannot cast \"{from}\" to \"{to}\"."
                    ),
                    &[
                        ("sqlExpr", format!("\"{sql}\"")),
                        ("srcType", format!("\"{from}\"")),
                        ("targetType", format!("\"{to}\"")),
                    ],
                )
            }
            Self::Invalid { class, message, parameters } => {
                described(class, message.clone(), parameters)
            }
        }
    }
}

fn described(class: &str, message: String, parameters: &[(&str, String)]) -> Described {
    let parameters = parameters.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    Described { class: class.to_owned(), message, parameters }
}

fn input_type(sql: &str, text: &str, index: usize, (required, actual): (&str, &str)) -> Described {
    const ORDINALS: [&str; 10] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth",
    ];
    let ordinal =
        ORDINALS.get(index).map_or_else(|| format!("{}th", index + 1), |o| (*o).to_owned());
    described(
        "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        format!(
            "Cannot resolve \"{sql}\" due to data type mismatch: The {ordinal} parameter requires the {required} type, however \"{text}\" has the type \"{actual}\"."
        ),
        &[
            ("sqlExpr", format!("\"{sql}\"")),
            ("paramIndex", ordinal),
            ("requiredType", required.to_owned()),
            ("inputSql", format!("\"{text}\"")),
            ("inputType", format!("\"{actual}\"")),
        ],
    )
}

fn differing(sql: &str, name: &str, types: &[DataType]) -> Described {
    let names: Vec<_> = types.iter().map(|t| format!("\"{}\"", sql_type(t))).collect();
    let is_operator = !name.starts_with(|c: char| c.is_alphabetic());
    if let ([left, right], true) = (names.as_slice(), is_operator) {
        return described(
            "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
            format!(
                "Cannot resolve \"{sql}\" due to data type mismatch: the left and right operands of the binary operator have incompatible types ({left} and {right})."
            ),
            &[("sqlExpr", format!("\"{sql}\"")), ("left", left.clone()), ("right", right.clone())],
        );
    }
    let list = names.join(" or ");
    described(
        "DATATYPE_MISMATCH.DATA_DIFF_TYPES",
        format!(
            "Cannot resolve \"{sql}\" due to data type mismatch: Input to `{name}` should all be the same type, but it's [{}].",
            names.join(", ")
        ),
        &[
            ("sqlExpr", format!("\"{sql}\"")),
            ("functionName", format!("`{name}`")),
            ("dataType", format!("({list})")),
        ],
    )
}

/// The states of the classes that are raised while a job runs.
fn state(class: &str) -> &'static str {
    match class.split('.').next().unwrap_or_default() {
        "DIVIDE_BY_ZERO" | "REMAINDER_BY_ZERO" => "22012",
        "ARITHMETIC_OVERFLOW"
        | "CAST_OVERFLOW"
        | "NUMERIC_VALUE_OUT_OF_RANGE"
        | "BINARY_ARITHMETIC_OVERFLOW" => "22003",
        "CAST_INVALID_INPUT" | "CONVERSION_INVALID_INPUT" => "22018",
        "INVALID_ARRAY_INDEX" | "INVALID_ARRAY_INDEX_IN_ELEMENT_AT" => "22003",
        "DATETIME_OVERFLOW" => "22008",
        "DATETIME_FIELD_OUT_OF_BOUNDS" | "CANNOT_PARSE_TIMESTAMP" => "22007",
        "INVALID_PARAMETER_VALUE" | "INVALID_REGEXP_REPLACE" | "MALFORMED_RECORD_IN_PARSING" => {
            "22023"
        }
        "FAILED_READ_FILE" => "KD001",
        "DUPLICATED_MAP_KEY" => "23505",
        "NULL_MAP_KEY" => "2200E",
        "CANNOT_DECODE_URL" => "22546",
        "INVALID_URL" => "22P02",
        "INVALID_UTF8_STRING" => "22029",
        "COMPARATOR_RETURNS_NULL" => "22004",
        "USER_RAISED_EXCEPTION" => "P0001",
        "COLLECTION_SIZE_LIMIT_EXCEEDED" => "54000",
        _ => "XX000",
    }
}

/// A failure while data is computed: `[CLASS] message SQLSTATE: state`, which [`parse_error`] takes apart again after it has travelled.
pub fn run_time_error(class: &str, message: impl AsRef<str>) -> DataFusionError {
    DataFusionError::Execution(format!("[{class}] {} SQLSTATE: {}", message.as_ref(), state(class)))
}

/// Finds Spark's class and message in the text of an error that [`run_time_error`] made, whatever was put around it.
pub fn parse_error(text: &str) -> Option<(String, String)> {
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        rest = &rest[start + 1..];
        let Some(end) = rest.find("] ") else { break };
        let class = &rest[..end];
        let is_class = class.starts_with(|c: char| c.is_ascii_uppercase())
            && class
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_' || c == '.');
        if is_class {
            let message = &rest[end + 2..];
            let message = message.find(" SQLSTATE: ").map_or(message, |at| &message[..at]);
            return Some((class.to_owned(), message.to_owned()));
        }
    }
    // Kernels of Arrow that serve decimals have words of their own.
    let own = [
        ("Arithmetic overflow: ", "ARITHMETIC_OVERFLOW", "Overflow."),
        ("Divide by zero error", "DIVIDE_BY_ZERO", "Division by zero."),
    ];
    let (_, class, message) = own.into_iter().find(|(words, ..)| text.contains(words))?;
    Some((
        class.to_owned(),
        format!(
            "{message} If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_at_run_time_is_found_again_in_its_text() {
        let error = run_time_error("DIVIDE_BY_ZERO", "Division by zero.");
        let text = format!("task failed: [x] {error}\ncaused by nothing");
        assert_eq!(
            parse_error(&text),
            Some(("DIVIDE_BY_ZERO".to_owned(), "Division by zero.".to_owned()))
        );
        assert_eq!(parse_error("no [class here"), None);
    }
}
