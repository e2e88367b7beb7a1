//! Rows out of CSV records.

use super::TextScan;
use super::csv::{Extent, Record};
use super::dialect::Csv;
use super::lines::Lines;
use super::rows::{Rows, check_length};
use super::values::Values;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use functions::{TimeText, decimal_of_text};
use std::io;

/// See the module.
#[derive(Debug)]
pub(super) struct CsvRows {
    pub(super) rows: Rows,
    csv: Csv,
    times: TimeText,
    record: Record,
    /// How many fields a well formed record has, where that matters: Spark does not count fields where it does not need all.
    count: Option<usize>,
    parses: bool,
}

impl CsvRows {
    pub(super) fn new(scan: &TextScan, csv: &Csv, schema: SchemaRef) -> Result<Self> {
        let rows = Rows::new(scan, csv.records.mode, schema)?;
        let times = csv.records.times().map_err(super::scan::external)?;
        let all = rows.width() == scan.width || rows.keeps_corrupt();
        let parses = rows.width() > 0 || rows.keeps_corrupt();
        let count = (all && parses).then_some(scan.width);
        Ok(Self { rows, csv: csv.clone(), times, record: Record::default(), count, parses })
    }

    /// Reads the next record that is none of blanks or a comment. False at the end.
    pub(super) fn read(&mut self, lines: &mut Lines) -> Result<bool> {
        if self.csv.records.multi_line {
            return self.read_lines(lines);
        }
        while let Some(line) = lines.next()? {
            if !is_record(line, &self.csv) {
                continue;
            }
            check_length(line)?;
            if self.parses {
                self.record.parse(&self.csv, line, Extent::Line);
            }
            self.push(line)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn read_lines(&mut self, lines: &mut Lines) -> Result<bool> {
        let Some(length) = next_record(&mut self.record, &self.csv, lines)? else {
            return Ok(false);
        };
        let record = &lines.rest()[..length];
        check_length(record)?;
        // The line end is no part of the record.
        let text = record.strip_suffix(b"\n").unwrap_or(record);
        self.push(text.strip_suffix(b"\r").unwrap_or(text))?;
        lines.take(length);
        Ok(true)
    }

    fn push(&mut self, line: &[u8]) -> Result<()> {
        let mut bad = self.count.is_some_and(|count| count != self.record.len());
        let Self { csv, times, record, rows, .. } = self;
        for (position, values) in rows.fields() {
            match record.get(csv, line, position) {
                Some(text) => bad |= !push(values, &text, csv, times),
                None => values.push_null(),
            }
        }
        self.rows.end(line, bad)
    }
}

/// Whether a line is neither blank nor a comment.
pub(super) fn is_record(line: &[u8], csv: &Csv) -> bool {
    line.iter().any(|b| *b > b' ') && csv.comment.is_none_or(|comment| line[0] != comment)
}

/// Reads the next record of several lines; says how long it is in the rest of the input. Nothing at the end.
pub(super) fn next_record(
    record: &mut Record,
    csv: &Csv,
    lines: &mut Lines,
) -> io::Result<Option<usize>> {
    let mut extent = Extent::Lines;
    loop {
        let rest = lines.rest();
        if rest.is_empty() && extent == Extent::LastLines {
            return Ok(None);
        }
        let is_comment = rest.first().is_some_and(|first| csv.comment == Some(*first));
        let length = if is_comment {
            let end = rest.iter().position(|b| *b == b'\n').map(|at| at + 1);
            end.or((extent == Extent::LastLines).then_some(rest.len()))
        } else if rest.is_empty() {
            None
        } else {
            record.parse(csv, rest, extent)
        };
        match length {
            Some(length) if is_comment || record.is_blank() => lines.take(length),
            Some(length) => return Ok(Some(length)),
            None if !lines.more()? => extent = Extent::LastLines,
            None => {}
        }
    }
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
            parsed!(builder, decimal_of_text(&text.replace(',', ""), *size))
        }
        Values::Date(builder) => parsed!(builder, times.date(text)),
        Values::Timestamp(builder) => parsed!(builder, times.timestamp(text)),
        Values::TimestampNtz(builder) => parsed!(builder, times.timestamp_ntz(text)),
        Values::Null(_)
        | Values::Binary(_)
        | Values::List(_)
        | Values::Struct(_)
        | Values::Map(_) => {
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

/// The digits of a number that Java reads: blanks around it and a letter for its type at the end do not count. Rust alone would also
/// read `inf` and `nan`.
fn plain_number(text: &str) -> Option<&str> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    text.ends_with(|c: char| c.is_ascii_digit() || c == '.').then_some(text)
}

impl CsvRows {
    /// Passes over the header, if a file has one.
    pub(super) fn skip_header(&mut self, lines: &mut Lines) -> Result<()> {
        if !self.csv.header {
            return Ok(());
        }
        if self.csv.records.multi_line {
            if let Some(length) = next_record(&mut self.record, &self.csv, lines)? {
                lines.take(length);
            }
            return Ok(());
        }
        while let Some(line) = lines.next()? {
            if is_record(line, &self.csv) {
                break;
            }
        }
        Ok(())
    }
}
