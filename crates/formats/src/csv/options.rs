//! How CSV is written down.

use crate::options::Options;
use crate::records::{Defaults, Records};
use errors::{SparkError, condition};
use serde::{Deserialize, Serialize};

/// How CSV is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of Spark's")]
pub struct Csv {
    /// What holds for records.
    pub records: Records,
    /// Whether a file begins with the names of its columns.
    pub header: bool,
    /// What stands between fields.
    pub delimiter: String,
    /// What stands around a field; 0, which no text has, is none.
    pub quote: u8,
    /// What stands before a quote that is part of a field.
    pub escape: u8,
    /// What stands before an escape that means itself.
    pub escape_escape: u8,
    /// What a line begins with that is no record.
    pub comment: Option<u8>,
    /// Whether blanks before a field do not count.
    pub trim_start: bool,
    /// Whether blanks behind a field do not count.
    pub trim_end: bool,
    /// Text that stands for null.
    pub null: String,
    /// Text that a quoted field without characters stands for.
    pub empty: String,
    /// Text that stands for not-a-number.
    pub nan: String,
    /// Text that stands for infinity.
    pub positive_infinity: String,
    /// Text that stands for negative infinity.
    pub negative_infinity: String,
    /// Whether types are inferred.
    pub infer: bool,
    /// Inference: whether text may be a date.
    pub prefer_date: bool,
    /// Writing: every field in quotes.
    pub quote_all: bool,
    /// Writing: a field with a quote in it is quoted.
    pub escape_quotes: bool,
}

impl Csv {
    /// Reads the options of a read.
    pub fn read(options: &Options<'_>, defaults: Defaults<'_>) -> Result<Self, SparkError> {
        Self::new(options, defaults, (false, ""))
    }

    /// Reads the options of a write.
    pub fn written(options: &Options<'_>, defaults: Defaults<'_>) -> Result<Self, SparkError> {
        Self::new(options, defaults, (true, "\"\""))
    }

    fn new(
        options: &Options<'_>,
        defaults: Defaults<'_>,
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
            return Err(SparkError::new(
                condition::INVALID_DELIMITER_VALUE_EMPTY_STRING,
                "Invalid value for delimiter. Delimiter cannot be empty string.",
                &[],
            ));
        }
        Ok(Self {
            records: Records::new(options, defaults)?,
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
