//! The outcome of a successful task.

use bytes::Bytes;
use model::{MapOutput, TaskMetrics};

/// The outcome of a successful task.
#[derive(Debug, Clone)]
pub struct TaskOutcome {
    /// What it made.
    pub output: TaskOutput,
    /// Metrics of the attempt.
    pub metrics: TaskMetrics,
    /// Updates of accumulators: id, and the pickled value to add.
    pub accumulators: Vec<(i64, Bytes)>,
}

/// What a task makes.
#[derive(Debug, Clone)]
pub enum TaskOutput {
    /// A committed map output, possibly of another attempt that committed first.
    Committed(MapOutput),
    /// The rows of a result partition.
    Rows {
        /// The rows as an Arrow IPC stream; empty if there are none.
        ipc: Bytes,
        /// Number of rows.
        rows: u64,
    },
}
