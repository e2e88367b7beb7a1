//! Python functions in tasks: a node of the plan that feeds a worker of the executor
//! (`docs/decisions/0014-python-workers.md`).

mod cogroups;
mod exec;
mod failure;
mod groups;
mod spec;
mod stream;
mod types;
mod workers;

pub use exec::PythonExec;
pub use failure::raised;
pub use spec::{Argument, Call, Kind, PythonSpec, Sent};
pub use workers::{FromWorker, NoWorkers, PythonTask, PythonWorkers, ToWorker};

use bytes::Bytes;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// What the Python nodes of one attempt share.
#[derive(Debug)]
pub(crate) struct PythonContext {
    /// The workers of the executor.
    pub(crate) workers: Arc<dyn PythonWorkers>,
    /// The parts of a task's header that depend on the attempt.
    pub(crate) header: Value,
    updates: Mutex<Vec<(i64, Bytes)>>,
}

impl PythonContext {
    pub(crate) fn new(workers: Arc<dyn PythonWorkers>, header: Value) -> Self {
        Self { workers, header, updates: Mutex::default() }
    }

    fn add(&self, updates: Vec<(i64, Bytes)>) {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner).extend(updates);
    }

    /// The updates of accumulators so far.
    pub(crate) fn updates(&self) -> Vec<(i64, Bytes)> {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
