//! CSV: one reader, one writer and one inference, for files and for functions.

mod infer;
mod options;
mod read;
mod record;
mod write;

pub use infer::CsvTypes;
pub use options::Csv;
pub use read::{CsvReader, is_record};
pub use record::{Extent, Record};
pub use write::{CsvForm, CsvWriter};

#[cfg(test)]
mod tests;
