//! DataFusion's errors as a program is told them.

use datafusion::error::DataFusionError;
use plan::{ErrorKind, SparkError};

/// What a failed planning, or a failed computation on the driver, is in Spark's words.
pub fn spark_error(error: &DataFusionError) -> SparkError {
    let root = error.find_root();
    if let DataFusionError::External(inner) = root
        && let Some(known) = inner.downcast_ref::<SparkError>()
    {
        return known.clone();
    }
    let text = root.to_string();
    if let Some((class, message)) = functions::parse_error(&text) {
        return SparkError::new(kind_of(&class, &message), &class, message, &[]);
    }
    match root {
        DataFusionError::NotImplemented(what) => SparkError::unsupported(what),
        DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => {
            SparkError::internal(format!("the plan is not valid: {text}"))
        }
        DataFusionError::Internal(what) => SparkError::internal(what),
        _ => SparkError::new(ErrorKind::Spark, "", text, &[]),
    }
}

/// The exception that a class of run-time errors is.
fn kind_of(class: &str, message: &str) -> ErrorKind {
    match class.split('.').next().unwrap_or(class) {
        "DIVIDE_BY_ZERO"
        | "REMAINDER_BY_ZERO"
        | "ARITHMETIC_OVERFLOW"
        | "CAST_OVERFLOW"
        | "NUMERIC_VALUE_OUT_OF_RANGE"
        | "INTERVAL_ARITHMETIC_OVERFLOW" => ErrorKind::Arithmetic,
        // Text that is no date; a number is not one either, but that is another exception.
        "CAST_INVALID_INPUT"
            if [" to \"DATE", " to \"TIMESTAMP", " to \"TIME"]
                .iter()
                .any(|target| message.contains(target)) =>
        {
            ErrorKind::DateTime
        }
        "CAST_INVALID_INPUT" => ErrorKind::NumberFormat,
        "INVALID_ARRAY_INDEX" | "INVALID_ARRAY_INDEX_IN_ELEMENT_AT" => ErrorKind::ArrayIndex,
        "CANNOT_PARSE_TIMESTAMP" | "DATETIME_OVERFLOW" | "DATETIME_FIELD_OUT_OF_BOUNDS" => {
            ErrorKind::DateTime
        }
        _ => ErrorKind::Runtime,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_ours_comes_out_as_it_went_in() {
        let ours = SparkError::unsupported("this");
        let error = DataFusionError::External(Box::new(ours.clone())).context("while planning");
        assert_eq!(spark_error(&error), ours);
        let error =
            DataFusionError::Execution("[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012".into());
        assert_eq!(spark_error(&error).kind, ErrorKind::Arithmetic);
    }
}
