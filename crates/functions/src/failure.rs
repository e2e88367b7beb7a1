//! Conversion of DataFusion errors to Spark errors.

use datafusion::error::DataFusionError;
use errors::{Exception, SparkError};

/// The Spark error for a failure in planning or in a computation on the driver.
pub fn spark_error(error: &DataFusionError) -> SparkError {
    if let Some(known) = crate::raised(error) {
        return known;
    }
    match error.find_root() {
        DataFusionError::NotImplemented(what) => SparkError::unsupported(what),
        root @ (DataFusionError::Plan(_) | DataFusionError::SchemaError(..)) => {
            SparkError::internal(format!("the plan is not valid: {root}"))
        }
        DataFusionError::Internal(what) => SparkError::internal(what),
        root => SparkError::plain(Exception::Spark, root.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IntoExternal;

    #[test]
    fn an_error_of_ours_comes_out_as_it_went_in() {
        let ours = SparkError::unsupported("this");
        let error = ours.clone().into_external().context("while planning");
        assert_eq!(spark_error(&error), ours);
    }
}
