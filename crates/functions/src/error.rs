//! Errors in calls, and propagation of run-time errors through DataFusion.

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use errors::{Condition, SparkError, condition};
use std::error::Error;
use std::io;

use crate::types::sql_type;

/// Why a call is invalid. [`FunctionError::describe`] gives Spark's message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// No function has this name.
    #[error("function {name} is not known")]
    Unknown {
        /// As written by the user.
        name: String,
    },
    /// A Spark function that is not supported yet.
    #[error("{what} is not served yet")]
    Unsupported {
        /// The function, or the unsupported use of it.
        what: String,
    },
    /// Too few or too many arguments.
    #[error("function {name} needs {expected} arguments but got {actual}")]
    WrongNumArgs {
        /// The function.
        name: String,
        /// A number, a range or a list, in Spark's notation: `2`, `[1, 2]`, `> 0`.
        expected: String,
        /// Number of arguments given.
        actual: usize,
    },
    /// An argument of a type that the function does not accept.
    #[error("argument {index} of {name} must be {required}, not {actual}")]
    InputType {
        /// The function.
        name: String,
        /// Index of the argument, from 0.
        index: usize,
        /// Required type, in Spark's notation: `"NUMERIC"`.
        required: String,
        /// Actual type.
        actual: DataType,
    },
    /// Arguments with incompatible types.
    #[error("arguments of {name} have types that differ: {}", types.iter().map(sql_type).collect::<Vec<_>>().join(", "))]
    DifferingTypes {
        /// The function or operator.
        name: String,
        /// The actual types.
        types: Vec<DataType>,
    },
    /// An operand of a type that the operator does not accept.
    #[error("an operand must be {required}, not {actual}")]
    OperandType {
        /// Required types, in Spark's notation: `("NUMERIC" or "INTERVAL")`.
        required: String,
        /// Actual type.
        actual: DataType,
    },
    /// A value of a type without order and equality: a map, or a type that contains one.
    #[error("{name} needs an order, and {} has none", sql_type(data_type))]
    NotOrderable {
        /// The function or operator.
        name: String,
        /// The type.
        data_type: DataType,
    },
    /// A cast that Spark does not allow.
    #[error("cannot cast {} to {}", sql_type(from), sql_type(to))]
    Cast {
        /// Source type.
        from: DataType,
        /// Target type.
        to: DataType,
    },
    /// A clause that the function does not support.
    #[error("{name} does not support {syntax}")]
    Syntax {
        /// The function.
        name: String,
        /// The clause, in Spark's notation: `IGNORE NULLS`.
        syntax: &'static str,
    },
    /// An error whose message does not depend on the call.
    #[error(transparent)]
    Raised(#[from] SparkError),
    /// Any other error condition that Spark reports for a call.
    #[error("{message}")]
    Invalid {
        /// Spark's condition.
        condition: &'static Condition,
        /// The message text.
        message: String,
        /// Message parameters by name.
        parameters: Vec<(&'static str, String)>,
    },
}

/// An error with Spark's condition and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Spark's condition.
    pub condition: &'static Condition,
    /// The message text, without error class and SQLSTATE.
    pub message: String,
    /// Message parameters by name.
    pub parameters: Vec<(String, String)>,
}

impl FunctionError {
    /// The error with Spark's message. `sql` is the text of the call in Spark's notation (see
    /// [`crate::sql_name`]), `texts` are the texts of its arguments.
    pub fn describe(&self, sql: &str, texts: &[String]) -> Described {
        match self {
            Self::Unknown { name } => unknown(name),
            Self::Unsupported { what } => described(
                condition::UNSUPPORTED_FEATURE,
                format!("The feature is not supported: {what} is not served yet."),
                &[],
            ),
            Self::WrongNumArgs { name, expected, actual } => wrong_number(name, expected, *actual),
            Self::InputType { index, required, actual, .. } => {
                let text = texts.get(*index).map_or("", String::as_str);
                input_type(sql, text, *index, (required, &sql_type(actual)))
            }
            Self::DifferingTypes { name, types } => differing(sql, name, types),
            Self::OperandType { required, actual } => operand_type(sql, required, actual),
            Self::NotOrderable { name, data_type } => not_orderable(sql, name, data_type),
            Self::Cast { from, to } => {
                let (from, to) = (sql_type(from), sql_type(to));
                described(
                    condition::DATATYPE_MISMATCH_CAST_WITHOUT_SUGGESTION,
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
            Self::Syntax { name, syntax } => described(
                condition::INVALID_SQL_SYNTAX_FUNCTION_WITH_UNSUPPORTED_SYNTAX,
                format!("Invalid SQL syntax: The function `{name}` does not support {syntax}."),
                &[("prettyName", format!("`{name}`")), ("syntax", (*syntax).to_owned())],
            ),
            Self::Raised(error) => Described {
                condition: error.condition.unwrap_or(condition::INTERNAL_ERROR),
                message: error.message.clone(),
                parameters: error.parameters.clone(),
            },
            Self::Invalid { condition, message, parameters } => {
                described(condition, message.clone(), parameters)
            }
        }
    }
}

fn unknown(name: &str) -> Described {
    const PATH: &str = "[`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]";
    described(
        condition::UNRESOLVED_ROUTINE,
        format!("Cannot resolve routine `{name}` on search path {PATH}."),
        &[("routineName", format!("`{name}`")), ("searchPath", PATH.to_owned())],
    )
}

fn wrong_number(name: &str, expected: &str, actual: usize) -> Described {
    described(
        condition::WRONG_NUM_ARGS_WITHOUT_SUGGESTION,
        format!(
            "The `{name}` requires {expected} parameters but the actual number is {actual}. Please, refer to 'https://spark.apache.org/docs/latest/sql-ref-functions.html' for a fix."
        ),
        &[
            ("functionName", format!("`{name}`")),
            ("expectedNum", expected.to_owned()),
            ("actualNum", actual.to_string()),
        ],
    )
}

fn described(
    condition: &'static Condition,
    message: String,
    parameters: &[(&str, String)],
) -> Described {
    let parameters = parameters.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    Described { condition, message, parameters }
}

fn operand_type(sql: &str, required: &str, actual: &DataType) -> Described {
    let actual = format!("\"{}\"", sql_type(actual));
    described(
        condition::DATATYPE_MISMATCH_BINARY_OP_WRONG_TYPE,
        format!(
            "Cannot resolve \"{sql}\" due to data type mismatch: the binary operator requires the input type {required}, not {actual}."
        ),
        &[
            ("sqlExpr", format!("\"{sql}\"")),
            ("inputType", required.to_owned()),
            ("actualDataType", actual.clone()),
        ],
    )
}

fn not_orderable(sql: &str, name: &str, data_type: &DataType) -> Described {
    let data_type = format!("\"{}\"", sql_type(data_type));
    described(
        condition::DATATYPE_MISMATCH_INVALID_ORDERING_TYPE,
        format!(
            "Cannot resolve \"{sql}\" due to data type mismatch: The `{name}` does not support ordering on type {data_type}."
        ),
        &[
            ("sqlExpr", format!("\"{sql}\"")),
            ("functionName", format!("`{name}`")),
            ("dataType", data_type.clone()),
        ],
    )
}

fn input_type(sql: &str, text: &str, index: usize, (required, actual): (&str, &str)) -> Described {
    const ORDINALS: [&str; 10] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth",
    ];
    let ordinal =
        ORDINALS.get(index).map_or_else(|| format!("{}th", index + 1), |o| (*o).to_owned());
    described(
        condition::DATATYPE_MISMATCH_UNEXPECTED_INPUT_TYPE,
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
    let is_operator =
        matches!(name, "and" | "or" | "div") || !name.starts_with(|c: char| c.is_alphabetic());
    if let ([left, right], true) = (names.as_slice(), is_operator) {
        return described(
            condition::DATATYPE_MISMATCH_BINARY_OP_DIFF_TYPES,
            format!(
                "Cannot resolve \"{sql}\" due to data type mismatch: the left and right operands of the binary operator have incompatible types ({left} and {right})."
            ),
            &[("sqlExpr", format!("\"{sql}\"")), ("left", left.clone()), ("right", right.clone())],
        );
    }
    if let Some((class, message)) = of_arrays(name, &names) {
        let message = format!("Cannot resolve \"{sql}\" due to data type mismatch: {message}");
        let parameters = [
            ("sqlExpr", format!("\"{sql}\"")),
            ("functionName", format!("`{name}`")),
            ("arrayType", "\"ARRAY\"".to_owned()),
            ("dataType", format!("[{}]", names.join(", "))),
        ];
        return described(class, message, &parameters);
    }
    let list = names.join(" or ");
    described(
        condition::DATATYPE_MISMATCH_DATA_DIFF_TYPES,
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

/// Condition and message for array functions whose arguments have incompatible types.
fn of_arrays(name: &str, types: &[String]) -> Option<(&'static Condition, String)> {
    let found = types.join(", ");
    match name {
        "array_contains" | "array_position" | "array_remove" | "array_append" | "array_prepend"
        | "array_insert" => Some((
            condition::DATATYPE_MISMATCH_ARRAY_FUNCTION_DIFF_TYPES,
            format!(
                "Input to `{name}` should have been \"ARRAY\" followed by a value with same element type, but it's [{found}]."
            ),
        )),
        "array_union" | "array_intersect" | "array_except" | "arrays_overlap" => Some((
            condition::DATATYPE_MISMATCH_BINARY_ARRAY_DIFF_TYPES,
            format!(
                "Input to function `{name}` should have been two \"ARRAY\" with same element type, but it's [{found}]."
            ),
        )),
        _ => None,
    }
}

/// An error at run time. It remains a Spark error until it reaches the program, however it is
/// wrapped on the way.
pub fn run_time_error(
    condition: &'static Condition,
    message: impl Into<String>,
) -> DataFusionError {
    SparkError::new(condition, message, &[]).into_external()
}

/// Converts a Spark error to a DataFusion error.
pub trait IntoExternal {
    /// The error, wrapped for DataFusion.
    fn into_external(self) -> DataFusionError;
}

impl IntoExternal for SparkError {
    fn into_external(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }
}

/// The Spark error for a DataFusion or Arrow error: the Spark error that it wraps, at any depth, or
/// Spark's equivalent for a failed Arrow kernel. `None` for any other error.
pub fn raised(error: &DataFusionError) -> Option<SparkError> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<SparkError>() {
            return Some(error.clone());
        }
        if let Some(error) = error.downcast_ref::<ArrowError>().and_then(of_kernel) {
            return Some(error);
        }
        // `source` skips the error directly inside an `Arc`; look inside.
        cause = match error.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Collection(errors)) => return errors.iter().find_map(raised),
            _ => error.source(),
        };
    }
    None
}

/// The error of the file system that a disk is full, if that is the cause of an error.
pub fn disk_full<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>().filter(|error| is_full(error)) {
            return Some(error);
        }
        cause = match (error.downcast_ref::<DataFusionError>(), error.downcast_ref::<io::Error>()) {
            (Some(DataFusionError::Shared(inner)), _) => Some(inner.as_ref()),
            (Some(DataFusionError::Collection(errors)), _) => {
                return errors.iter().find_map(|error| disk_full(error));
            }
            // Its `source` skips the error that it wraps.
            (_, Some(io)) if io.get_ref().is_some() => io.get_ref().map(|inner| inner as _),
            _ => error.source(),
        };
    }
    None
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    // One that wraps another may have its kind; the inner one has the words.
    error.get_ref().is_none() && matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Spark's errors for the Arrow kernels that are used for decimals.
fn of_kernel(error: &ArrowError) -> Option<SparkError> {
    let (condition, what) = match error {
        ArrowError::ArithmeticOverflow(_) => (condition::ARITHMETIC_OVERFLOW, "Overflow."),
        ArrowError::DivideByZero => (condition::DIVIDE_BY_ZERO, "Division by zero."),
        _ => return None,
    };
    let message = format!(
        "{what} If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error."
    );
    Some(SparkError::new(condition, message, &[("config", "\"spark.sql.ansi.enabled\"")]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_failure_at_run_time_is_found_however_it_was_wrapped() {
        let raise = || run_time_error(condition::DIVIDE_BY_ZERO, "Division by zero.");
        let wrapped = [
            raise(),
            raise().context("while joining"),
            DataFusionError::Shared(Arc::new(raise().context("while building"))),
            DataFusionError::ArrowError(
                Box::new(ArrowError::ExternalError(Box::new(raise()))),
                None,
            ),
            DataFusionError::Collection(vec![DataFusionError::Internal("x".into()), raise()]),
            DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None),
        ];
        for error in wrapped {
            let found = raised(&error).expect("it is inside");
            assert_eq!(found.condition, Some(condition::DIVIDE_BY_ZERO), "{error:?}");
        }
    }

    #[test]
    fn text_that_looks_like_an_error_is_not_believed() {
        let error = DataFusionError::Execution("[DIVIDE_BY_ZERO] says the user's file".to_owned());
        assert_eq!(raised(&error), None);
    }
}
