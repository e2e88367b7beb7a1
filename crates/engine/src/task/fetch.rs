//! A typed failure on its way through DataFusion: it goes in as an external error and is found again by its type, never by its text.

use datafusion::error::DataFusionError;
use model::TaskFailure;
use std::error::Error;

/// A failure that must come out as it went in.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FetchError(pub(crate) TaskFailure);

impl From<FetchError> for DataFusionError {
    fn from(error: FetchError) -> Self {
        Self::External(Box::new(error))
    }
}

/// The failure that an error of a running plan means.
pub(crate) fn failure(error: &DataFusionError) -> TaskFailure {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(FetchError(failure)) = error.downcast_ref::<FetchError>() {
            return failure.clone();
        }
        // An `Arc` around an error is no error of its own to `source`; look inside.
        cause = match error.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Collection(errors)) => {
                if let Some(found) = errors.iter().map(failure).find(is_fetch) {
                    return found;
                }
                None
            }
            _ => error.source(),
        };
    }
    match error.find_root() {
        root @ DataFusionError::ResourcesExhausted(_) => out_of_memory(root),
        root => raised(&root.to_string()),
    }
}

/// Spark's class for it.
const OUT_OF_MEMORY: &str = "UNABLE_TO_ACQUIRE_MEMORY";

fn out_of_memory(error: &DataFusionError) -> TaskFailure {
    let message = format!("[{OUT_OF_MEMORY}] {error} SQLSTATE: 53200");
    TaskFailure::Raised { class: Some(OUT_OF_MEMORY.to_owned()), message }
}

/// Whether a task failed for want of memory.
pub(crate) fn is_out_of_memory(failure: &TaskFailure) -> bool {
    matches!(failure, TaskFailure::Raised { class: Some(class), .. } if class == OUT_OF_MEMORY)
}

fn is_fetch(failure: &TaskFailure) -> bool {
    matches!(failure, TaskFailure::FetchFailed { .. })
}

/// What the program's code or data raised, with Spark's class if the text names one.
pub(crate) fn raised(text: &str) -> TaskFailure {
    match functions::parse_error(text) {
        Some((class, _)) => {
            // What DataFusion put before the class means nothing to a user of Spark.
            let start = text.find(&format!("[{class}]")).unwrap_or(0);
            TaskFailure::Raised { class: Some(class), message: text[start..].to_owned() }
        }
        None => TaskFailure::Raised { class: None, message: text.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::error::ArrowError;
    use std::sync::Arc;

    #[test]
    fn a_typed_failure_is_found_however_it_was_wrapped() {
        let killed = TaskFailure::Killed { reason: "told to".to_owned() };
        let wrap = || DataFusionError::from(FetchError(killed.clone()));
        let cases = [
            wrap(),
            wrap().context("while joining"),
            DataFusionError::Shared(Arc::new(wrap().context("while building"))),
            DataFusionError::ArrowError(
                Box::new(ArrowError::ExternalError(Box::new(wrap()))),
                None,
            ),
            DataFusionError::External(Box::new(wrap())),
        ];
        for case in cases {
            assert_eq!(failure(&case), killed, "{case:?}");
        }
    }

    #[test]
    fn want_of_memory_is_told_by_its_type() {
        let error = DataFusionError::ResourcesExhausted("the pool is used up".to_owned());
        let failed = failure(&DataFusionError::Shared(Arc::new(error.context("while sorting"))));
        assert!(is_out_of_memory(&failed), "{failed}");
        assert!(failed.to_string().contains("the pool is used up"), "{failed}");
        let text = "Resources exhausted: says who";
        assert!(!is_out_of_memory(&failure(&DataFusionError::Execution(text.to_owned()))));
    }

    #[test]
    fn a_class_in_the_text_comes_out() {
        let text = "Arrow error: [DIVIDE_BY_ZERO] Division by zero.";
        let error = DataFusionError::Execution(text.to_owned());
        let TaskFailure::Raised { class, message } = failure(&error) else { panic!("{error}") };
        assert_eq!(class.as_deref(), Some("DIVIDE_BY_ZERO"));
        assert_eq!(message, "[DIVIDE_BY_ZERO] Division by zero.");
    }
}
