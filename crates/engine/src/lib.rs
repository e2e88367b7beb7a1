//! Everything that knows DataFusion but Spark's functions: resolve a plan, optimise it, cut it into stages, run one task, read and write files.

mod exchange;
mod job;

pub use exchange::{Exchange, Target};
pub use job::{JobPlan, RunJob, StageOutput, StagePlan};
