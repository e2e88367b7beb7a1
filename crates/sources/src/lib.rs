//! Data sources: where rows come from and go to.
//!
//! A [`Source`] is found by the name that programs use, and is the interface to everything of its
//! kind (see `registry`). Ranges of numbers ([`RangeTable`]) are generated
//! in tasks and have no name.

mod files;
mod location;
mod noop;
mod properties;
mod range;
mod registry;
mod source;
#[cfg(test)]
mod tests;
mod upload;
mod write_exec;

pub use files::views;
pub use files::{FileColumn, file_by_file, overwrites_partitions, same_files};
pub use location::{Location, encoded};
pub use properties::{of_rows, unordered};
pub use range::{RangeExec, RangeTable, Run, same_range};
pub use registry::{is_built_in, planned, source, source_of_path, split};
pub use source::{ReadRequest, Sink, Source, SourceTable, Split, TaskSink, WriteRequest};
pub use write_exec::{WriteExec, written};
