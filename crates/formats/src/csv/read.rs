//! Rows out of CSV records.

use super::Csv;
use super::record::{Extent, Record};
use crate::rows::{Rows, check_length};
use crate::text::{TimeText, decimal_of_text, parse_day_time, parse_year_month};
use crate::values::Values;
use arrow::error::ArrowError;
use errors::SparkError;

/// Reads records, one at a time.
#[derive(Debug)]
pub struct CsvReader {
    csv: Csv,
    times: TimeText,
    record: Record,
    /// How many fields a well formed record has, where that matters: Spark does not count fields
    /// where it does not need all.
    count: Option<usize>,
    parses: bool,
}

impl CsvReader {
    /// Reads records of as many fields as `width` says into rows.
    pub fn new(csv: &Csv, width: usize, rows: &Rows) -> Result<Self, SparkError> {
        let times = csv.records.times()?;
        let all = rows.width() == width || rows.keeps_corrupt();
        let parses = rows.width() > 0 || rows.keeps_corrupt();
        let count = (all && parses).then_some(width);
        Ok(Self { csv: csv.clone(), times, record: Record::default(), count, parses })
    }

    /// Reads a line as a record.
    pub fn read(&mut self, line: &[u8], rows: &mut Rows) -> Result<(), ArrowError> {
        check_length(line)?;
        if self.parses {
            self.record.parse(&self.csv, line, Extent::Line);
        }
        self.push(line, rows)
    }

    /// The record at hand, for whoever finds its end among several lines, and how it is written
    /// down.
    pub fn record(&mut self) -> (&mut Record, &Csv) {
        (&mut self.record, &self.csv)
    }

    /// Appends the record at hand, which was parsed from this text.
    pub fn push(&mut self, text: &[u8], rows: &mut Rows) -> Result<(), ArrowError> {
        let mut is_bad = self.count.is_some_and(|count| count != self.record.width());
        let Self { csv, times, record, .. } = self;
        for (position, values) in rows.fields() {
            match record.get(csv, text, position) {
                Some(field) => is_bad |= !push(values, &field, csv, times),
                None => values.push_null(),
            }
        }
        rows.end(text, is_bad)
    }
}

/// Whether a line is neither blank nor a comment.
pub fn is_record(line: &[u8], csv: &Csv) -> bool {
    line.iter().any(|b| *b > b' ') && csv.comment.is_none_or(|comment| line[0] != comment)
}

/// Appends a value; null and false if the text is none of its type.
fn push(values: &mut Values, text: &str, csv: &Csv, times: &TimeText) -> bool {
    macro_rules! parsed {
        ($builder:expr, $value:expr) => {{
            let value = $value;
            $builder.append_option(value);
            value.is_some()
        }};
    }
    match values {
        Values::Text(builder) => {
            builder.append_value(text);
            true
        }
        Values::Boolean(builder) => parsed!(builder, boolean(text)),
        Values::Byte(builder) => parsed!(builder, text.parse().ok()),
        Values::Short(builder) => parsed!(builder, text.parse().ok()),
        Values::Int(builder) => parsed!(builder, text.parse().ok()),
        Values::Long(builder) => parsed!(builder, text.parse().ok()),
        #[expect(clippy::cast_possible_truncation, reason = "special values stay what they are")]
        Values::Float(builder) => parsed!(
            builder,
            special(text, csv).map(|v| v as f32).or_else(|| plain_number(text)?.parse().ok())
        ),
        Values::Double(builder) => parsed!(builder, double(text, csv)),
        Values::Decimal(builder, size) => {
            let plain = decimal_of_text(text, *size);
            parsed!(builder, plain.or_else(|| decimal_of_text(&text.replace(',', ""), *size)))
        }
        Values::Date(builder) => parsed!(builder, times.date(text)),
        Values::Timestamp(builder) => parsed!(builder, times.timestamp(text)),
        Values::TimestampNtz(builder) => parsed!(builder, times.timestamp_ntz(text)),
        Values::DayTime(builder) => parsed!(builder, parse_day_time(text)),
        Values::YearMonth(builder) => parsed!(builder, parse_year_month(text)),
        Values::Binary(builder) => {
            builder.append_value(text);
            true
        }
        Values::Null(_) | Values::List(_) | Values::Struct(_) | Values::Map(_) => {
            values.push_null();
            false
        }
    }
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A number with a fraction, by Java's rules and the words of the options.
pub(super) fn double(text: &str, csv: &Csv) -> Option<f64> {
    special(text, csv).or_else(|| plain_number(text)?.parse().ok())
}

fn special(text: &str, csv: &Csv) -> Option<f64> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let words = [
        (csv.nan.as_str(), f64::NAN),
        (&csv.positive_infinity, f64::INFINITY),
        (&csv.negative_infinity, f64::NEG_INFINITY),
        ("NaN", f64::NAN),
        ("Infinity", f64::INFINITY),
        ("+Infinity", f64::INFINITY),
        ("-Infinity", f64::NEG_INFINITY),
    ];
    words.into_iter().find(|(word, _)| *word == text).map(|(_, value)| value)
}

/// The digits of a number that Java reads: blanks around it and a letter for its type at the end do
/// not count. Rust alone would also read `inf` and `nan`.
fn plain_number(text: &str) -> Option<&str> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    text.ends_with(|c: char| c.is_ascii_digit() || c == '.').then_some(text)
}
