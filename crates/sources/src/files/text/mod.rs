//! Files of text: lines, CSV and JSON, read as Spark reads them. One task reads its parts of files
//! as a stream, a batch at a time.
//!
//! A file is cut at line ends: a line belongs to the part in which it begins. What is not cut is
//! read whole by one task: compressed files, and those in which a record may have several lines.

mod compressed;
mod csv;
mod format;
mod json;
mod lines;
mod plain;
mod scan;

pub(crate) use format::TextFiles;
pub(crate) use lines::is_compressed;

use super::split::Splittable;
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use formats::csv::Csv;
use formats::json::Json;
use formats::records::{Defaults, Records};
use formats::rows::Origin;
use model::conf::{CORRUPT_COLUMN, Conf, TIME_ZONE};
use plain::Plain;
use plan::SparkError;
use serde::{Deserialize, Serialize};

/// What a session says of text where options say nothing.
#[derive(Debug)]
pub(crate) struct Session {
    time_zone: String,
    corrupt_column: String,
}

impl Session {
    pub(crate) fn new(conf: &Conf) -> Result<Self, SparkError> {
        let time_zone = conf.find(&TIME_ZONE)?.unwrap_or_else(|| "UTC".to_owned());
        Ok(Self { time_zone, corrupt_column: conf.get(&CORRUPT_COLUMN)? })
    }

    pub(crate) fn defaults(&self) -> Defaults<'_> {
        Defaults { time_zone: &self.time_zone, corrupt_column: &self.corrupt_column }
    }
}

/// An error of a format as one of DataFusion's; errors of Spark and of files stay what they are.
pub(super) fn failed(error: ArrowError) -> DataFusionError {
    match error {
        ArrowError::ExternalError(inner) => DataFusionError::External(inner),
        ArrowError::IoError(_, inner) => DataFusionError::IoError(inner),
        other => other.into(),
    }
}

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

    /// What holds for its records, if the format has such.
    pub(crate) fn records(&self) -> Option<&Records> {
        match self {
            Self::Plain(_) => None,
            Self::Csv(csv) => Some(&csv.records),
            Self::Json(json) => Some(&json.records),
        }
    }
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
