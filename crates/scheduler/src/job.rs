//! One job: its stages and its progress.

use model::StageId;

/// A job that has not ended.
#[derive(Debug)]
pub(crate) struct Job {
    /// The pool that it takes slots from; empty for the default one.
    pub(crate) pool: String,
    /// The stage of each entry of `JobShape::stages`.
    pub(crate) stages: Vec<StageId>,
    /// For each of them, the number of launches before this job; `None` if some of these were still
    /// running.
    pub(crate) before: Vec<Option<u64>>,
    /// Total size of the results so far, in bytes.
    pub(crate) result_bytes: u64,
}

/// Progress of one stage of a job, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageProgress {
    /// The stage.
    pub stage: StageId,
    /// Wanted tasks.
    pub tasks: u32,
    /// Finished tasks.
    pub done: u32,
    /// Running tasks.
    pub running: u32,
    /// Failed attempts.
    pub failed: u32,
    /// Whether the job did not need it to run.
    pub skipped: bool,
}
