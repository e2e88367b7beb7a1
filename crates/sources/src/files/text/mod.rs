//! Text files: lines, CSV and JSON, read like Spark. A task reads its parts of files as a stream, a
//! batch at a time.
//!
//! Files are split at line ends: a line belongs to the part in which it starts. Files that cannot
//! be split are read by one task: compressed files, and those whose records may span several lines.

mod compressed;
mod csv;
mod format;
mod json;
mod lines;
mod plain;
mod scan;
mod specification;

pub(crate) use lines::is_compressed;
pub(crate) use specification::TextFiles;
