//! Everything that knows DataFusion but Spark's functions: resolve a plan, optimise it, cut it into stages, run one task, read and write files.

mod codec;
mod exchange;
mod faithful;
pub mod files;
mod job;
mod local;
mod nodes;
mod physical;
mod resolve;
mod session;
pub mod task;

pub use formats::types;

pub use exchange::{Exchange, Target};
pub use job::{JobPlan, RunJob, StageOutput, StagePlan};
pub use local::{LocalBlocks, LocalRunner};
pub use nodes::RangeTable;
pub use physical::{optimized_plan, physical_plan, plan_job, session_state, spark_error};
pub use resolve::LocalSort;
pub use session::{
    Analyzed, Answer, Catalogue, Database, Seen, Session, Shared, SqlOutcome, Table, TableKind,
    View, ViewMap,
};
pub use task::{
    BlockSource, Launch, Stage, Stop, Suspects, TaskOutcome, TaskRuntime, TaskSettings, Wanted,
};
