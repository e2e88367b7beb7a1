//! Files of text: lines, CSV and JSON, read as Spark reads them. One task reads its parts of files as a stream, a batch at a time.
//!
//! A file is cut at line ends: a line belongs to the part in which it begins. What is not cut is read whole by one task: compressed
//! files, and those in which a record may have several lines.

mod compressed;
mod csv;
mod csv_infer;
mod csv_rows;
mod csv_write;
mod dialect;
mod format;
mod json_infer;
mod json_rows;
mod json_write;
mod lines;
mod rows;
mod scan;
mod tape;
mod values;

use csv_infer::infer as infer_csv;
use csv_write::CsvWriter;
pub(crate) use dialect::Csv;
use dialect::{Json, Plain};
pub(crate) use format::TextFiles;
use json_infer::infer as infer_json;
use json_write::JsonWriter;
pub(crate) use lines::is_compressed;
use scan::TextScanExec;
use values::{Nested, readable};

use super::split::Splittable;
use serde::{Deserialize, Serialize};

/// How a file of text is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TextFormat {
    Plain(Plain),
    Csv(Box<Csv>),
    Json(Box<Json>),
}

impl TextFormat {
    /// Which format this is.
    fn kind(&self) -> TextFiles {
        match self {
            Self::Plain(_) => TextFiles::Plain,
            Self::Csv(_) => TextFiles::Csv,
            Self::Json(_) => TextFiles::Json,
        }
    }

    /// Whether a record never goes on behind the end of its line.
    pub(crate) fn splittable(&self) -> Splittable {
        let separator = match self {
            Self::Plain(plain) if plain.whole => return Splittable::No,
            Self::Plain(plain) => &plain.line_sep,
            Self::Csv(csv) if csv.records.multi_line => return Splittable::No,
            Self::Csv(csv) => &csv.records.line_sep,
            Self::Json(json) if json.records.multi_line => return Splittable::No,
            Self::Json(json) => &json.records.line_sep,
        };
        // Where a longer separator begins cannot always be told from the middle.
        match separator {
            Some(separator) if separator.len() > 1 => Splittable::No,
            _ => Splittable::Yes,
        }
    }

    /// The column that takes records that are not well formed, if the format has such.
    pub(crate) fn corrupt_column(&self) -> Option<&str> {
        match self {
            Self::Plain(_) => None,
            Self::Csv(csv) => Some(&csv.records.corrupt_column),
            Self::Json(json) => Some(&json.records.corrupt_column),
        }
    }
}

/// Where a column of the scan comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Origin {
    /// The field at that position in the files.
    Field(usize),
    /// The value at that position in the directory names.
    Partition(usize),
    /// The record itself, if it is not well formed.
    Corrupt,
}

/// What a task is told of a scan besides the files and the types of the columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TextScan {
    /// URL of the store of the files.
    pub(crate) store: String,
    pub(crate) format: TextFormat,
    /// By column of the output.
    pub(crate) origins: Vec<Origin>,
    /// Fields of a record.
    pub(crate) width: usize,
}

/// What becomes of a record that is not well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// What can be read of it is kept, the rest is null.
    Permissive,
    DropMalformed,
    FailFast,
}
