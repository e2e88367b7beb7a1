//! The outcome of a successful task.

use bytes::Bytes;
use model::{MapOutput, TaskMetrics};

/// The outcome of a successful task.
#[derive(Debug, Clone)]
pub enum TaskOutcome {
    /// A committed map output, possibly of another attempt that committed first.
    Committed {
        /// The output.
        output: MapOutput,
        /// Metrics of the attempt.
        metrics: TaskMetrics,
    },
    /// The rows of a result partition.
    Rows {
        /// The rows as an Arrow IPC stream.
        ipc: Bytes,
        /// Number of rows.
        rows: u64,
        /// Metrics of the attempt.
        metrics: TaskMetrics,
    },
}
