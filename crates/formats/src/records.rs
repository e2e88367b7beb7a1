//! What holds for the records of CSV and of JSON, whoever reads or writes them.

use crate::options::{Options, bad};
use crate::text::{TimePatterns, TimeText};
use arrow::datatypes::DataType;
use errors::{SparkError, condition};
use serde::{Deserialize, Serialize};

const UTF_8: &[(&str, &[&str])] =
    &[("encoding", &["UTF-8", "utf8", "US-ASCII"]), ("charset", &["UTF-8", "utf8", "US-ASCII"])];

/// What ends a line; nothing means `\n`, `\r\n` or `\r`.
pub fn line_sep(options: &Options<'_>) -> Result<Option<String>, SparkError> {
    match options.get(&["lineSep"]) {
        Some("") => Err(bad("lineSep", "", "cannot be an empty string")),
        other => Ok(other.map(str::to_owned)),
    }
}

/// Refuses what a file of text cannot be written in.
pub fn check_encoding(options: &Options<'_>) -> Result<(), SparkError> {
    options.refuse(UTF_8)
}

/// What the session says where the options say nothing.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    /// `spark.sql.session.timeZone`.
    pub time_zone: &'a str,
    /// `spark.sql.columnNameOfCorruptRecord`.
    pub corrupt_column: &'a str,
}

/// What becomes of a record that is not well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// What can be read of it is kept, the rest is null.
    Permissive,
    /// It is left out.
    DropMalformed,
    /// It is an error.
    FailFast,
}

/// What holds for the records of CSV and of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// What becomes of those that are not well formed.
    pub mode: Mode,
    /// Column that takes records that are not well formed.
    pub corrupt_column: String,
    /// What ends a line; `None` means any line end.
    pub line_sep: Option<String>,
    /// Whether a record may have several lines.
    pub multi_line: bool,
    /// Zone of timestamps that name none.
    zone: String,
    date_format: Option<String>,
    timestamp_format: Option<String>,
    timestamp_ntz_format: Option<String>,
    lenient_times: bool,
    /// Share of the records that a schema is found from.
    ratio: String,
}

impl Records {
    /// Reads the options that records of all formats have.
    pub(crate) fn new(options: &Options<'_>, defaults: Defaults<'_>) -> Result<Self, SparkError> {
        check_encoding(options)?;
        options.refuse(&[("locale", &["en-US", "en_US", "en"])])?;
        let mode = match options.get(&["mode"]).map(str::to_ascii_uppercase).as_deref() {
            Some("DROPMALFORMED") => Mode::DropMalformed,
            Some("FAILFAST") => Mode::FailFast,
            // As in Spark, another word means this one.
            _ => Mode::Permissive,
        };
        let owned = |key: &str| options.get(&[key]).map(str::to_owned);
        let given = |key: &str, default: &str| owned(key).unwrap_or_else(|| default.to_owned());
        let ratio = options.get(&["samplingRatio"]).unwrap_or("1.0");
        if !ratio.parse::<f64>().is_ok_and(|ratio| ratio > 0.0) {
            return Err(bad("samplingRatio", ratio, "is not a number above 0"));
        }
        let records = Self {
            mode,
            corrupt_column: given("columnNameOfCorruptRecord", defaults.corrupt_column),
            line_sep: line_sep(options)?,
            multi_line: options.flag("multiLine")?,
            zone: given("timeZone", defaults.time_zone),
            date_format: owned("dateFormat"),
            timestamp_format: owned("timestampFormat"),
            timestamp_ntz_format: owned("timestampNTZFormat"),
            lenient_times: options.flag("enableDateTimeParsingFallback")?,
            ratio: ratio.to_owned(),
        };
        records.times()?;
        Ok(records)
    }

    /// Checks that the column for records that are not well formed can take them.
    pub fn check_corrupt_column<'a>(
        &self,
        mut columns: impl Iterator<Item = (&'a str, &'a DataType)>,
    ) -> Result<(), SparkError> {
        let name = &self.corrupt_column;
        let Some((_, data_type)) = columns.find(|(column, _)| column == name) else {
            return Ok(());
        };
        if *data_type == DataType::Utf8 {
            return Ok(());
        }
        let actual = format!("\"{}\"", crate::types::sql_type(data_type));
        let column = format!("`{name}`");
        let message = format!(
            "The column {column} for corrupt records must have the nullable STRING type, but got {actual}."
        );
        let parameters = [("columnName", column.as_str()), ("actualType", actual.as_str())];
        Err(SparkError::analysis(condition::INVALID_CORRUPT_RECORD_TYPE, message, &parameters))
    }

    /// How dates and times are read.
    pub fn times(&self) -> Result<TimeText, SparkError> {
        let patterns = TimePatterns {
            date: self.date_format.as_deref(),
            timestamp: self.timestamp_format.as_deref(),
            timestamp_ntz: self.timestamp_ntz_format.as_deref(),
        };
        let times = TimeText::new(&self.zone, patterns)?;
        Ok(if self.lenient_times { times.lenient() } else { times })
    }

    /// How dates and times are written.
    pub fn times_written(&self) -> Result<TimeText, SparkError> {
        let local = "yyyy-MM-dd'T'HH:mm:ss[.SSS]";
        let patterns = TimePatterns {
            date: self.date_format.as_deref(),
            timestamp: Some(
                self.timestamp_format.as_deref().unwrap_or("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXXXX]"),
            ),
            timestamp_ntz: Some(self.timestamp_ntz_format.as_deref().unwrap_or(local)),
        };
        Ok(TimeText::new(&self.zone, patterns)?)
    }

    /// Checks that dates and times can be written.
    pub fn check_written(&self) -> Result<(), SparkError> {
        self.times_written().map(drop)
    }

    /// Whether dates have a pattern of their own.
    pub fn has_date_format(&self) -> bool {
        self.date_format.is_some()
    }

    /// Which records a schema is found from.
    pub fn sample(&self) -> Sample {
        let ratio = self.ratio.parse().unwrap_or(1.0);
        Sample { ratio, random: rand::SeedableRng::seed_from_u64(1) }
    }
}

/// Chooses some of the records, the same ones each time.
#[derive(Debug)]
pub struct Sample {
    ratio: f64,
    random: rand::rngs::StdRng,
}

impl Sample {
    /// Whether the next record is one of them.
    pub fn takes(&mut self) -> bool {
        self.ratio > 0.99 || rand::Rng::random_bool(&mut self.random, self.ratio)
    }
}
