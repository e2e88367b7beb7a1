//! The options of text formats.

use super::super::options::{Options, bad};
use super::Mode;
use errors::Exception;
use functions::{TimePatterns, TimeText};
use model::conf::{CORRUPT_COLUMN, Conf, TIME_ZONE};
use plan::SparkError;
use serde::{Deserialize, Serialize};

/// How lines of plain text are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plain {
    /// A file is one row.
    pub(crate) whole: bool,
    pub(crate) line_sep: Option<String>,
}

impl Plain {
    pub(crate) fn new(options: &Options<'_>) -> Result<Self, SparkError> {
        options.refuse(UTF_8)?;
        Ok(Self { whole: options.flag("wholetext")?, line_sep: line_sep(options)? })
    }
}

const UTF_8: &[(&str, &[&str])] =
    &[("encoding", &["UTF-8", "utf8", "US-ASCII"]), ("charset", &["UTF-8", "utf8", "US-ASCII"])];

/// What ends a line; nothing means `\n`, `\r\n` or `\r`.
fn line_sep(options: &Options<'_>) -> Result<Option<String>, SparkError> {
    match options.get(&["lineSep"]) {
        Some("") => Err(bad("lineSep", "", "cannot be an empty string")),
        other => Ok(other.map(str::to_owned)),
    }
}

/// What holds for the records of CSV and of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Records {
    pub(crate) mode: Mode,
    /// Column that takes records that are not well formed.
    pub(crate) corrupt_column: String,
    pub(crate) line_sep: Option<String>,
    pub(crate) multi_line: bool,
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
    fn new(options: &Options<'_>, conf: &Conf) -> Result<Self, SparkError> {
        options.refuse(UTF_8)?;
        options.refuse(&[("locale", &["en-US", "en_US", "en"])])?;
        let mode = match options.get(&["mode"]).map(str::to_ascii_uppercase).as_deref() {
            Some("DROPMALFORMED") => Mode::DropMalformed,
            Some("FAILFAST") => Mode::FailFast,
            // As in Spark, another word means this one.
            _ => Mode::Permissive,
        };
        let corrupt = conf.get(&CORRUPT_COLUMN)?;
        let zone = conf.find(&TIME_ZONE)?;
        let owned = |key: &str| options.get(&[key]).map(str::to_owned);
        let ratio = options.get(&["samplingRatio"]).unwrap_or("1.0");
        if !ratio.parse::<f64>().is_ok_and(|ratio| ratio > 0.0) {
            return Err(bad("samplingRatio", ratio, "is not a number above 0"));
        }
        let records = Self {
            mode,
            corrupt_column: owned("columnNameOfCorruptRecord").unwrap_or(corrupt),
            line_sep: line_sep(options)?,
            multi_line: options.flag("multiLine")?,
            zone: owned("timeZone").or(zone).unwrap_or_else(|| "UTC".to_owned()),
            date_format: owned("dateFormat"),
            timestamp_format: owned("timestampFormat"),
            timestamp_ntz_format: owned("timestampNTZFormat"),
            lenient_times: options.flag("enableDateTimeParsingFallback")?,
            ratio: ratio.to_owned(),
        };
        records.times()?;
        Ok(records)
    }

    /// How dates and times are read.
    pub(crate) fn times(&self) -> Result<TimeText, SparkError> {
        let patterns = TimePatterns {
            date: self.date_format.as_deref(),
            timestamp: self.timestamp_format.as_deref(),
            timestamp_ntz: self.timestamp_ntz_format.as_deref(),
        };
        let times = TimeText::new(&self.zone, patterns).map_err(bad_time)?;
        Ok(if self.lenient_times { times.lenient() } else { times })
    }

    /// How dates and times are written.
    pub(crate) fn times_written(&self) -> Result<TimeText, SparkError> {
        let local = "yyyy-MM-dd'T'HH:mm:ss[.SSS]";
        let patterns = TimePatterns {
            date: Some(self.date_format.as_deref().unwrap_or("yyyy-MM-dd")),
            timestamp: Some(
                self.timestamp_format.as_deref().unwrap_or("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]"),
            ),
            timestamp_ntz: Some(self.timestamp_ntz_format.as_deref().unwrap_or(local)),
        };
        TimeText::new(&self.zone, patterns).map_err(bad_time)
    }

    /// Whether dates have a pattern of their own.
    pub(crate) fn has_date_format(&self) -> bool {
        self.date_format.is_some()
    }

    /// Which records a schema is found from.
    pub(crate) fn sample(&self) -> Sample {
        let ratio = self.ratio.parse().unwrap_or(1.0);
        Sample { ratio, random: rand::SeedableRng::seed_from_u64(1) }
    }
}

fn bad_time(what: &str) -> SparkError {
    SparkError::plain(
        Exception::IllegalArgument,
        format!("`{what}` is neither a time zone nor a pattern of dates and times"),
    )
}

/// Chooses some of the records, the same ones each time.
#[derive(Debug)]
pub(crate) struct Sample {
    ratio: f64,
    random: rand::rngs::StdRng,
}

impl Sample {
    /// Whether the next record is one of them.
    pub(crate) fn takes(&mut self) -> bool {
        self.ratio > 0.99 || rand::Rng::random_bool(&mut self.random, self.ratio)
    }
}

/// How CSV is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of Spark's")]
pub(crate) struct Csv {
    pub(crate) records: Records,
    pub(crate) header: bool,
    pub(crate) delimiter: String,
    /// 0 is none.
    pub(crate) quote: u8,
    pub(crate) escape: u8,
    /// What stands before an escape that means itself.
    pub(crate) escape_escape: u8,
    pub(crate) comment: Option<u8>,
    pub(crate) trim_start: bool,
    pub(crate) trim_end: bool,
    /// Text that stands for null.
    pub(crate) null: String,
    /// Text that a quoted field without characters stands for.
    pub(crate) empty: String,
    pub(crate) nan: String,
    pub(crate) positive_infinity: String,
    pub(crate) negative_infinity: String,
    pub(crate) infer: bool,
    pub(crate) prefer_date: bool,
    /// Writing: every field in quotes.
    pub(crate) quote_all: bool,
    /// Writing: a field with a quote in it is quoted.
    pub(crate) escape_quotes: bool,
}

impl Csv {
    pub(crate) fn read(options: &Options<'_>, conf: &Conf) -> Result<Self, SparkError> {
        Self::new(options, conf, (false, ""))
    }

    pub(crate) fn written(options: &Options<'_>, conf: &Conf) -> Result<Self, SparkError> {
        Self::new(options, conf, (true, "\"\""))
    }

    fn new(
        options: &Options<'_>,
        conf: &Conf,
        (trims, empty): (bool, &str),
    ) -> Result<Self, SparkError> {
        options.refuse(&[
            ("enforceSchema", &["true"]),
            ("maxCharsPerColumn", &["-1"]),
            ("unescapedQuoteHandling", &["STOP_AT_DELIMITER"]),
        ])?;
        let columns = options.get(&["maxColumns"]);
        // There is no limit here; a lower one than Spark's own is meant to fail.
        if columns.is_some_and(|text| text.parse::<u32>().ok().is_none_or(|n| n < 20_480)) {
            options.refuse(&[("maxColumns", &[])])?;
        }
        let quote = options.byte(&["quote"], b'"')?;
        let escape = options.byte(&["escape"], b'\\')?;
        let own = if quote == escape { 0 } else { escape };
        let comment = options.byte(&["comment"], 0)?;
        let text = |key: &str, default: &str| options.get(&[key]).unwrap_or(default).to_owned();
        let delimiter = options.get(&["sep", "delimiter"]).unwrap_or(",");
        let delimiter = delimiter.replace("\\t", "\t").replace("\\\\", "\\");
        if delimiter.is_empty() {
            return Err(bad("sep", "", "cannot be an empty string"));
        }
        Ok(Self {
            records: Records::new(options, conf)?,
            header: options.flag("header")?,
            delimiter,
            quote,
            escape,
            escape_escape: options.byte(&["charToEscapeQuoteEscaping"], own)?,
            comment: (comment != 0).then_some(comment),
            trim_start: options.switch("ignoreLeadingWhiteSpace", trims)?,
            trim_end: options.switch("ignoreTrailingWhiteSpace", trims)?,
            null: text("nullValue", ""),
            empty: text("emptyValue", empty),
            nan: text("nanValue", "NaN"),
            positive_infinity: text("positiveInf", "Inf"),
            negative_infinity: text("negativeInf", "-Inf"),
            infer: options.flag("inferSchema")?,
            prefer_date: options.switch("preferDate", true)?,
            quote_all: options.flag("quoteAll")?,
            escape_quotes: options.switch("escapeQuotes", true)?,
        })
    }
}

/// How JSON is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of Spark's")]
pub(crate) struct Json {
    pub(crate) records: Records,
    pub(crate) primitives_as_string: bool,
    pub(crate) prefers_decimal: bool,
    pub(crate) infer_timestamp: bool,
    pub(crate) drop_all_null: bool,
    /// Writing: fields that are null are left out.
    pub(crate) ignore_null: bool,
}

impl Json {
    pub(crate) fn new(options: &Options<'_>, conf: &Conf) -> Result<Self, SparkError> {
        options.refuse(&[
            ("allowComments", &["false"]),
            ("allowSingleQuotes", &["true"]),
            ("allowUnquotedFieldNames", &["false"]),
            ("allowNumericLeadingZeros", &["false"]),
            ("allowNonNumericNumbers", &["true"]),
            ("allowBackslashEscapingAnyCharacter", &["false"]),
            ("allowUnquotedControlChars", &["false"]),
            ("singleVariantColumn", &[]),
            ("pretty", &["false"]),
            ("writeNonAsciiCharacterAsCodePoint", &["false"]),
        ])?;
        Ok(Self {
            records: Records::new(options, conf)?,
            primitives_as_string: options.flag("primitivesAsString")?,
            prefers_decimal: options.flag("prefersDecimal")?,
            infer_timestamp: options.flag("inferTimestamp")?,
            drop_all_null: options.flag("dropFieldIfAllNull")?,
            ignore_null: options.switch("ignoreNullFields", true)?,
        })
    }
}
