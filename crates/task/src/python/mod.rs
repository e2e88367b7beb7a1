//! Python functions in tasks: a node of the plan that feeds a worker of the executor
//! (`docs/decisions/0014-python-workers.md`).

mod beside;
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
pub use spec::{PythonSpec, Sent};
pub use workers::{FromWorker, NoWorkers, PythonTask, PythonWorkers, ToWorker};

use bytes::Bytes;
use model::executor::Hosts;
use model::{Attempt, Properties};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What the Python nodes of one attempt share.
#[derive(Debug)]
pub(crate) struct PythonContext {
    /// The workers of the executor.
    pub(crate) workers: Arc<dyn PythonWorkers>,
    /// The attempt.
    pub(crate) attempt: Attempt,
    /// Number of tasks of its stage.
    pub(crate) tasks: u32,
    /// Directory of the files that the program distributed.
    pub(crate) files: PathBuf,
    /// Properties of the program's thread.
    pub(crate) properties: Properties,
    /// In a barrier stage: the hosts of all its tasks.
    pub(crate) hosts: Hosts,
    /// Updates of accumulators so far.
    pub(crate) updates: Mutex<Vec<(i64, Bytes)>>,
}

impl PythonContext {
    /// What functions learn about the attempt.
    fn attempt(&self, cpus: u32) -> Value {
        let Attempt { task, number } = self.attempt;
        json!({
            "stage": task.stage.0,
            "attempt": number,
            "partition": task.partition,
            "partitions": self.tasks,
            "task": unique_number(self.attempt),
            "cpus": cpus,
            "properties": self.properties.iter().collect::<BTreeMap<_, _>>(),
            "barrier": self.hosts.as_ref().map(|hosts| json!({ "hosts": **hosts })),
        })
    }

    fn add(&self, updates: Vec<(i64, Bytes)>) {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner).extend(updates);
    }

    /// The updates of accumulators so far.
    pub(crate) fn updates(&self) -> Vec<(i64, Bytes)> {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A number for an attempt that no other of the application has.
fn unique_number(Attempt { task, number }: Attempt) -> u64 {
    // A stage has fewer than 2^24 tasks, and a task few attempts, long before its numbers collide.
    (task.stage.0 << 32) | (u64::from(task.partition) << 8) | u64::from(number.min(255))
}
