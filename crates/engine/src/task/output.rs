//! What a task leaves behind.

use bytes::Bytes;
use model::MapOutput;

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

/// What a task took. Flat, so that it can travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskMetrics {
    /// Bytes of shuffle blocks read.
    pub shuffle_read_bytes: u64,
    /// Bytes of the map output written.
    pub shuffle_write_bytes: u64,
    /// Rows yielded.
    pub output_rows: u64,
    /// Bytes spilled to disk.
    pub spilled_bytes: u64,
}
