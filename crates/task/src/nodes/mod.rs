//! Our own nodes of the plans of tasks. Few, because each new DataFusion asks for changes in all of
//! them.
//!
//! Sent, never run: [`LeafExec`] and [`BranchExec`], which a task replaces by what it reads. Sent
//! and run: [`ConcatExec`], [`SampleExec`], and `WriteExec` of `sources`. Run, never sent:
//! `RangeExec` and `TextScanExec` of `sources`, and `ShuffleReadExec`.

mod branch;
mod concat;
mod known;
mod leaf;
mod sample;

pub use branch::BranchExec;
pub use concat::ConcatExec;
pub(crate) use concat::rename;
pub use known::Known;
pub use leaf::{LeafExec, LeafKind, ReadMode};
pub use sample::SampleExec;

use datafusion::common::{DataFusionError, internal_datafusion_err};

/// A node of a template was asked to run. A template is bound to a task's inputs first.
pub(crate) fn unbound(name: &str) -> DataFusionError {
    internal_datafusion_err!("{name} has to be bound to the inputs of a task before it runs")
}
