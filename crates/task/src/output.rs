//! What a task leaves behind.

use bytes::Bytes;
use model::{MapOutput, TaskMetrics};

/// What a task that succeeded left behind.
#[derive(Debug, Clone)]
pub enum TaskOutcome {
    /// A map output, committed. It may be that of another attempt, which committed first.
    Committed {
        /// The output.
        output: MapOutput,
        /// What it took.
        metrics: TaskMetrics,
    },
    /// Rows of a result partition.
    Rows {
        /// An Arrow IPC stream.
        ipc: Bytes,
        /// Rows in it.
        rows: u64,
        /// What it took.
        metrics: TaskMetrics,
    },
}
