//! A session: resolves what a program asks for, optimises it, cuts it into stages, runs these as jobs, and performs commands.

mod job;
mod physical;
mod session;
mod write;

pub use job::{JobPlan, RunJob, StageOutput, StagePlan};
pub use physical::{optimized_plan, physical_plan, plan_job, session_state};
pub use session::{Analyzed, Answer, Session, Shared, SqlOutcome};
pub use write::write;
