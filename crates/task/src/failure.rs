//! Typed failures on their way through DataFusion: wrapped as external errors, and recovered by
//! their type, never by their text.

use datafusion::error::DataFusionError;
use errors::{Condition, SparkError, condition};
use model::{RaisedError, TaskFailure};
use std::error::Error;
use std::fmt;

/// A failure that must pass through DataFusion unchanged.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FetchError(pub(crate) TaskFailure);

impl From<FetchError> for DataFusionError {
    fn from(error: FetchError) -> Self {
        Self::External(Box::new(error))
    }
}

/// The task failure for an error of its plan.
pub(crate) fn of(error: &DataFusionError) -> TaskFailure {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(FetchError(failure)) = error.downcast_ref::<FetchError>() {
            return failure.clone();
        }
        // `source` skips the error inside an `Arc`, so look inside here.
        cause = match error.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Collection(errors)) => {
                if let Some(found) = errors.iter().map(of).find(is_fetch) {
                    return found;
                }
                None
            }
            _ => error.source(),
        };
    }
    let raised = match (functions::raised(error), error.find_root()) {
        (Some(known), _) => known.into(),
        (None, root @ DataFusionError::ResourcesExhausted(_)) => {
            SparkError::new(OUT_OF_MEMORY, root.to_string(), &[]).into()
        }
        (None, _) if let Some(full) = functions::disk_full(error) => {
            disk_full("operators", full).into()
        }
        (None, root) => RaisedError::plain(root.to_string()),
    };
    TaskFailure::Raised(raised)
}

/// Spark's error for a task that has no room on a disk for what does not fit into memory.
pub(crate) fn disk_full(consumer: &str, why: &dyn fmt::Display) -> SparkError {
    let message = format!("Error while calling spill() on {consumer} : {why}");
    let parameters = [("consumerToSpill", consumer), ("message", &why.to_string())];
    SparkError::new(condition::SPILL_OUT_OF_MEMORY, message, &parameters)
}

/// Spark's condition for a task that gets less memory than it needs.
const OUT_OF_MEMORY: &Condition = condition::UNABLE_TO_ACQUIRE_MEMORY;

/// Whether a task failed for lack of memory.
pub(crate) fn is_out_of_memory(failure: &TaskFailure) -> bool {
    matches!(failure, TaskFailure::Raised(error) if error.class.as_deref() == Some(OUT_OF_MEMORY.class))
}

fn is_fetch(failure: &TaskFailure) -> bool {
    matches!(failure, TaskFailure::FetchFailed { .. })
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
            assert_eq!(of(&case), killed, "{case:?}");
        }
    }

    #[test]
    fn lack_of_memory_is_recognised_by_its_type() {
        let error = DataFusionError::ResourcesExhausted("the pool is exhausted".to_owned());
        let failed = of(&DataFusionError::Shared(Arc::new(error.context("while sorting"))));
        assert!(is_out_of_memory(&failed), "{failed}");
        assert!(failed.to_string().contains("the pool is exhausted"), "{failed}");
        let text = "Resources exhausted: says who";
        assert!(!is_out_of_memory(&of(&DataFusionError::Execution(text.to_owned()))));
    }

    #[test]
    fn a_spark_error_comes_out_as_data() {
        let error = functions::run_time_error(condition::DIVIDE_BY_ZERO, "Division by zero.");
        let TaskFailure::Raised(raised) = of(&error.context("computing")) else {
            panic!("another failure")
        };
        assert_eq!(raised.class.as_deref(), Some("DIVIDE_BY_ZERO"));
        assert_eq!(raised.message, "Division by zero.");
    }
}
