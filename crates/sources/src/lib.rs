//! Where rows come from and go to.
//!
//! A [`Source`] is found by the name that programs write and is the door for everything of its
//! kind: `parquet`, `csv`, `json`, `text`, `noop`. Numbers that are made where they are used
//! ([`RangeTable`]) have no name and stand beside.

mod files;
mod location;
mod node;
mod noop;
mod range;
mod registry;
mod source;
#[cfg(test)]
mod tests;
mod upload;
mod write_exec;

pub use files::overwrites_partitions;
pub use location::Location;
pub use node::{of_rows, unordered};
pub use range::{RangeExec, RangeTable, Run};
pub use registry::{planned, source, split};
pub use source::{ReadRequest, Sink, Source, SourceTable, Split, TaskSink, WriteRequest};
pub use write_exec::{WriteExec, written};
