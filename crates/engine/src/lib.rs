//! A session: resolves a program's plans, optimises them, cuts them into stages, runs these as
//! jobs, and executes commands.

mod job;
mod physical;
mod session;
mod write;

pub use job::{
    BatchStream, JobPlan, Rows, RunJob, ShuffleSizes, StageOutput, StagePlan, Unfinished,
};
pub use physical::{count_partitions, optimized_plan, physical_plan, plan_job, session_state};
pub use session::{Analyzed, Answer, RowStream, Session, Shared, SqlOutcome};
pub use write::write;
