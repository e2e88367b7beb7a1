//! Specification of how text files are read: the same for the driver and for tasks.

use super::super::split::Splittable;
use super::plain::Plain;
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use formats::csv::Csv;
use formats::json::Json;
use formats::records::{Defaults, Records};
use formats::rows::Origin;
use model::conf::{CORRUPT_COLUMN, Conf, TIME_ZONE};
use plan::SparkError;
use serde::{Deserialize, Serialize};

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextFiles {
    Csv,
    Json,
    Plain,
}

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
pub(crate) fn failed(error: ArrowError) -> DataFusionError {
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
    pub(crate) fn kind(&self) -> TextFiles {
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
