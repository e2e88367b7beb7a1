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

/// The session's defaults for options of text.
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

/// Converts an error of a format to one of DataFusion's; errors of Spark and of files keep their
/// kind.
pub(super) fn failed(error: ArrowError) -> DataFusionError {
    match error {
        ArrowError::ExternalError(inner) => DataFusionError::External(inner),
        ArrowError::IoError(_, inner) => DataFusionError::IoError(inner),
        other => other.into(),
    }
}

/// Options for reading a text file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TextFormat {
    Plain(Plain),
    Csv(Box<Csv>),
    Json(Box<Json>),
}

impl TextFormat {
    /// The format.
    fn kind(&self) -> TextFiles {
        match self {
            Self::Plain(_) => TextFiles::Plain,
            Self::Csv(_) => TextFiles::Csv,
            Self::Json(_) => TextFiles::Json,
        }
    }

    /// Whether files can be split, because records never span lines.
    pub(crate) fn splittable(&self) -> Splittable {
        let separator = match self {
            Self::Plain(plain) if plain.whole => return Splittable::No,
            Self::Plain(plain) => &plain.line_sep,
            Self::Csv(csv) if csv.records.multi_line => return Splittable::No,
            Self::Csv(csv) => &csv.records.line_sep,
            Self::Json(json) if json.records.multi_line => return Splittable::No,
            Self::Json(json) => &json.records.line_sep,
        };
        // The start of a longer separator cannot always be recognised from the middle.
        match separator {
            Some(separator) if separator.len() > 1 => Splittable::No,
            _ => Splittable::Yes,
        }
    }

    /// The options of its records, if the format has any.
    pub(crate) fn records(&self) -> Option<&Records> {
        match self {
            Self::Plain(_) => None,
            Self::Csv(csv) => Some(&csv.records),
            Self::Json(json) => Some(&json.records),
        }
    }
}

/// Specification of a scan for its tasks, besides files and column types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TextScan {
    /// URL of the object store.
    pub(crate) store: String,
    pub(crate) format: TextFormat,
    /// Origins of the output columns.
    pub(crate) origins: Vec<Origin>,
    /// Number of fields in a record.
    pub(crate) width: usize,
}
