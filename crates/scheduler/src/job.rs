//! One job: its stages, and how far it is.

use model::StageId;

/// A job that is not over.
#[derive(Debug)]
pub(crate) struct Job {
    /// The stage of each entry of `JobShape::stages`.
    pub(crate) stages: Vec<StageId>,
    /// For each of them, the launches before this job; `None` if some of these still ran.
    pub(crate) before: Vec<Option<u64>>,
    /// Bytes of the results so far.
    pub(crate) result_bytes: u64,
}

/// How a stage of a job stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageProgress {
    /// Which.
    pub stage: StageId,
    /// Tasks that are wanted of it.
    pub tasks: u32,
    /// Those that are done.
    pub done: u32,
    /// Those that run.
    pub running: u32,
    /// Attempts that failed.
    pub failed: u32,
    /// Whether the job did not need it to run.
    pub skipped: bool,
}
