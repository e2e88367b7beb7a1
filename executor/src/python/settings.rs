//! Settings of the pool of Python workers.

use std::path::PathBuf;
use std::time::Duration;

/// What the workers of an executor are started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The Python interpreter.
    pub python: PathBuf,
    /// Entries to put in front of its path: files, directories, zip files.
    pub python_path: Vec<PathBuf>,
    /// The directory in which functions run.
    pub directory: PathBuf,
}

/// Settings of a pool.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// What workers are started with.
    pub environment: Environment,
    /// Directory for the files that sessions add.
    pub added_files: PathBuf,
    /// Whether a worker runs one task after another (`spark.python.worker.reuse`).
    pub reuse: bool,
    /// Time after which a worker without a task ends.
    pub idle_timeout: Duration,
    /// Number of workers without a task that are kept.
    pub idle_limit: usize,
    /// How long the first worker may take, with all that the interpreter has to import.
    pub patience: Duration,
    /// Most bytes of a frame that a worker sends.
    pub frame_limit: u64,
    /// Bytes from which a batch travels in a memory file.
    pub mapped_from: usize,
    /// What is done about workers that say nothing.
    pub silence: Silence,
}

/// What is done about a worker that has a task and neither takes input nor yields anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Silence {
    /// Time after which it is logged (`spark.python.worker.idleTimeoutSeconds`).
    pub limit: Option<Duration>,
    /// Whether the worker is killed then (`spark.python.worker.killOnIdleTimeout`).
    pub kill: bool,
}

impl PoolSettings {
    /// Spark's settings, for an executor that runs this many tasks at once.
    pub fn new(environment: Environment, slots: u32) -> Self {
        Self {
            added_files: environment.directory.join("files"),
            environment,
            reuse: true,
            idle_timeout: Duration::from_mins(1),
            idle_limit: slots as usize,
            patience: Duration::from_mins(2),
            frame_limit: 4 << 30,
            mapped_from: 1 << 20,
            silence: Silence::default(),
        }
    }
}
