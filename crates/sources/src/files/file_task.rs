//! A task of a write of files: its specification, and what it reports.

use datafusion::common::{Result as PlanResult, internal_datafusion_err};
use serde::{Deserialize, Serialize};

/// Specification of a write for its tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileTask {
    /// Options for writing files, as encoded by the format.
    pub(crate) encoding: String,
    /// Spark's schema of a file's rows, in JSON.
    pub(crate) schema: String,
    /// Limit on the rows of a file.
    pub(crate) max_records: Option<u64>,
    /// URL of the directory for temporary files.
    pub(crate) directory: String,
    /// Column names.
    pub(crate) names: Vec<String>,
    /// Partition columns, whose values become directory names.
    pub(crate) partition_by: Vec<usize>,
}

/// Decodes the result of [`crate::Sink::task`].
pub(crate) fn decode_task(spec: &str) -> PlanResult<FileTask> {
    serde_json::from_str(spec).map_err(|error| internal_datafusion_err!("{error}"))
}

/// A file under its temporary name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    /// Directory below the target: `year=2015/land=US`, or empty.
    pub(crate) directory: String,
    /// Current location, below the directory of temporary files.
    pub(crate) file: String,
}
