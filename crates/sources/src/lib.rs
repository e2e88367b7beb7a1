//! Where rows come from and go to: files, and numbers that are made where they are used.

pub mod files;
mod node;
mod range;

pub use node::{of_rows, unordered};
pub use range::{RangeExec, RangeTable, Run};
