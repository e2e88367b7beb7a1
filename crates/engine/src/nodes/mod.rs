//! Our own nodes of physical plans. Few, because each new DataFusion asks for changes in all of them.
//!
//! Only planned, never sent: [`ExchangeExec`]. Sent, never run: [`LeafExec`], [`BranchExec`], which a task replaces by what it
//! reads. Sent and run: [`ConcatExec`], [`SampleExec`], and `WriteExec` of `files`. Run, never sent: [`RangeExec`], and `ShuffleReadExec` of `task`.

mod branch;
mod concat;
mod exchange;
mod known;
mod leaf;
mod range;
mod sample;

pub(crate) use branch::BranchExec;
pub(crate) use concat::{ConcatExec, rename};
pub(crate) use exchange::{ExchangeExec, Routing};
pub(crate) use known::Known;
pub(crate) use leaf::{LeafExec, LeafKind, ReadMode};
pub(crate) use range::{RangeExec, Run};
pub(crate) use sample::SampleExec;

pub use range::RangeTable;

use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, internal_datafusion_err};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::execution_plan::PlanProperties;
use std::sync::Arc;

/// Properties of rows of no order in that many partitions.
pub(crate) fn unordered(schema: SchemaRef, partitioning: Partitioning) -> Arc<PlanProperties> {
    Known::default().properties(schema, partitioning)
}

/// A node of a template was asked to run. A template is bound to a task's inputs first.
pub(crate) fn unbound(name: &str) -> DataFusionError {
    internal_datafusion_err!("{name} has to be bound to the inputs of a task before it runs")
}
