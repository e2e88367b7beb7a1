//! The interface between a task and the Python workers of its executor.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use model::TaskFailure;
use std::fmt;

/// Runs the functions of a task in a Python worker (`docs/decisions/0014-python-workers.md`).
///
/// # Expected flow
///
/// A node of a task's plan calls [`PythonWorkers::run`] once, polls the output, and reads the
/// updates that come with [`FromWorker::Finished`], always the last item of an output without
/// error.
///
/// # Guarantees
///
/// - Input is polled only while the worker has room for it, output is read only while it is polled.
/// - Dropping the output before its end kills the worker and everything it has started.
/// - A worker that dies is an error of the output, with what it wrote to its standard error last.
///
/// # Errors
///
/// `TaskFailure::Raised` for what the functions raised, with the traceback, and for a worker that
/// died; the failure of the input, unchanged, if the input fails.
pub trait PythonWorkers: fmt::Debug + Send + Sync + 'static {
    /// Starts or reuses a worker and runs a task in it.
    fn run(
        &self,
        task: PythonTask,
        input: BoxStream<'static, Result<ToWorker, TaskFailure>>,
    ) -> BoxStream<'static, Result<FromWorker, TaskFailure>>;
}

/// A task for a worker.
#[derive(Debug, Clone)]
pub struct PythonTask {
    /// The header, as JSON (`0014-python-workers.md`).
    pub header: Bytes,
    /// What the header refers to by index.
    pub blobs: Vec<Bytes>,
    /// Schemas of the inputs, in Spark's Arrow types.
    pub inputs: Vec<SchemaRef>,
}

/// What a worker reads.
#[derive(Debug, Clone)]
pub enum ToWorker {
    /// A batch of an input; `groups` are the rows at which a new group begins.
    Batch {
        /// Index of the input.
        input: u8,
        /// The rows.
        batch: RecordBatch,
        /// For grouped tasks.
        groups: Option<Vec<u32>>,
    },
    /// The end of a pair of groups, for tasks with two grouped inputs.
    EndOfGroups,
    /// The end of an input.
    End {
        /// Index of the input.
        input: u8,
    },
}

/// What a worker yields.
#[derive(Debug, Clone)]
pub enum FromWorker {
    /// The next rows, as the worker typed them.
    Batch(RecordBatch),
    /// The end of a task that succeeded.
    Finished {
        /// Updates of accumulators: id, and the pickled value to add.
        accumulators: Vec<(i64, Bytes)>,
    },
}

/// An executor without Python: every task fails.
#[derive(Debug)]
pub struct NoWorkers;

impl PythonWorkers for NoWorkers {
    fn run(
        &self,
        _: PythonTask,
        _: BoxStream<'static, Result<ToWorker, TaskFailure>>,
    ) -> BoxStream<'static, Result<FromWorker, TaskFailure>> {
        let message = "this executor has no Python".to_owned();
        stream::iter([Err(TaskFailure::Hopeless { message })]).boxed()
    }
}
