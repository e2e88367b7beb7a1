//! Metrics of tasks.

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// Metrics of a task or, summed, of several tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMetrics {
    /// Run time in nanoseconds.
    pub run_nanos: u64,
    /// Bytes read from files.
    pub input_bytes: u64,
    /// Rows read from files.
    pub input_rows: u64,
    /// Bytes of shuffle blocks read.
    pub shuffle_read_bytes: u64,
    /// Rows of shuffle blocks read.
    pub shuffle_read_rows: u64,
    /// Bytes of the map output written.
    pub shuffle_write_bytes: u64,
    /// Rows yielded.
    pub output_rows: u64,
    /// Bytes spilled to disk.
    pub spilled_bytes: u64,
}

impl AddAssign for TaskMetrics {
    fn add_assign(&mut self, other: Self) {
        let Self {
            run_nanos,
            input_bytes,
            input_rows,
            shuffle_read_bytes,
            shuffle_read_rows,
            shuffle_write_bytes,
            output_rows,
            spilled_bytes,
        } = other;
        let add = |sum: &mut u64, more| *sum = sum.saturating_add(more);
        add(&mut self.run_nanos, run_nanos);
        add(&mut self.input_bytes, input_bytes);
        add(&mut self.input_rows, input_rows);
        add(&mut self.shuffle_read_bytes, shuffle_read_bytes);
        add(&mut self.shuffle_read_rows, shuffle_read_rows);
        add(&mut self.shuffle_write_bytes, shuffle_write_bytes);
        add(&mut self.output_rows, output_rows);
        add(&mut self.spilled_bytes, spilled_bytes);
    }
}
