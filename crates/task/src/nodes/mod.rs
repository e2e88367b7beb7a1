//! Our own nodes in the plans of tasks. They are few, because each new version of DataFusion
//! requires changes in all of them.
//!
//! Sent, never run: [`LeafExec`] and [`BranchExec`], which a task replaces with its input. Sent and
//! run: [`ConcatExec`], [`SampleExec`], and `WriteExec` of `sources`. Run, never sent: `RangeExec`
//! and `TextScanExec` of `sources`, and `ShuffleReadExec`.

mod branch;
mod concat;
mod equivalences;
mod leaf;
mod sample;

pub use branch::BranchExec;
pub use concat::ConcatExec;
pub(crate) use concat::rename;
pub use equivalences::Equivalences;
pub use leaf::{LeafExec, LeafKind, ReadMode};
pub use sample::SampleExec;

use datafusion::common::{DataFusionError, internal_datafusion_err};

/// The error if a template's node is run before it was bound to a task's inputs.
pub(crate) fn unbound(name: &str) -> DataFusionError {
    internal_datafusion_err!("{name} must be bound to a task's inputs before it runs")
}
