//! Python functions in tasks.

mod workers;

pub use workers::{FromWorker, PythonTask, PythonWorkers, ToWorker};
