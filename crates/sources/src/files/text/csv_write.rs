//! CSV as Spark writes it.

use super::dialect::Csv;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Schema, TimestampMicrosecondType};
use datafusion::common::Result;
use functions::TimeText;
use std::io::Write;

/// Writes rows to `out`.
#[derive(Debug)]
pub(crate) struct CsvWriter<W> {
    csv: Csv,
    times: TimeText,
    line_end: String,
    line: String,
    value: String,
    out: W,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header, if there is to be one.
    pub(crate) fn new(csv: &Csv, schema: &Schema, out: W) -> Result<Self> {
        let times = csv.records.times_written().map_err(super::scan::external)?;
        let line_end = csv.records.line_sep.clone().unwrap_or_else(|| "\n".to_owned());
        let (line, value) = (String::new(), String::new());
        let mut writer = Self { csv: csv.clone(), times, line_end, line, value, out };
        if csv.header {
            let names = schema.fields().iter().map(|field| Some(field.name().as_str()));
            for (at, name) in names.enumerate() {
                writer.push(at, name);
            }
            writer.end_line()?;
        }
        Ok(writer)
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        for row in 0..rows.num_rows() {
            for (at, column) in rows.columns().iter().enumerate() {
                let mut value = std::mem::take(&mut self.value);
                value.clear();
                let is_null = column.is_null(row);
                if !is_null {
                    write_value(column.as_ref(), row, &self.times, &mut value)?;
                }
                self.push(at, (!is_null).then_some(&value));
                self.value = value;
            }
            self.end_line()?;
        }
        Ok(())
    }

    pub(crate) fn into_inner(self) -> W {
        self.out
    }

    fn end_line(&mut self) -> Result<()> {
        self.line.push_str(&self.line_end);
        self.out.write_all(self.line.as_bytes())?;
        self.line.clear();
        Ok(())
    }

    /// Appends a field; nothing stands for null.
    fn push(&mut self, at: usize, value: Option<&str>) {
        let Self { csv, line, .. } = self;
        if at > 0 {
            line.push_str(&csv.delimiter);
        }
        let text = value.map_or(csv.null.as_str(), |text| trimmed(text, csv));
        if value.is_some() && text.is_empty() {
            // It comes with its own quotes by default.
            line.push_str(&csv.empty);
            return;
        }
        let quote = char::from(csv.quote);
        let needed = csv.quote_all || (value.is_some() && needs_quotes(text, csv));
        if csv.quote == 0 || !needed {
            line.push_str(text);
            return;
        }
        line.push(quote);
        for c in text.chars() {
            if c == quote {
                line.push(char::from(csv.escape));
            } else if csv.escape_escape != 0 && c == char::from(csv.escape) {
                line.push(char::from(csv.escape_escape));
            }
            line.push(c);
        }
        line.push(quote);
    }
}

fn trimmed<'a>(text: &'a str, csv: &Csv) -> &'a str {
    let text = if csv.trim_start { text.trim_start_matches(|c| c <= ' ') } else { text };
    if csv.trim_end { text.trim_end_matches(|c| c <= ' ') } else { text }
}

fn needs_quotes(text: &str, csv: &Csv) -> bool {
    let quote = char::from(csv.quote);
    let comments = csv.comment.is_some_and(|c| text.as_bytes().first() == Some(&c));
    comments
        || text.contains(&csv.delimiter)
        || text.contains(['\n', '\r'])
        || (csv.escape_quotes && text.contains(quote))
        || text.starts_with(quote)
}

/// A value as text, by the patterns for dates and times.
pub(super) fn write_value(
    array: &dyn Array,
    row: usize,
    times: &TimeText,
    out: &mut String,
) -> Result<()> {
    match array.data_type() {
        DataType::Date32 => {
            times.write_date(array.as_primitive::<Date32Type>().value(row), out);
        }
        DataType::Timestamp(_, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            times.write_timestamp(micros, zone.is_some(), out);
        }
        _ => times.write_other(array, row, out)?,
    }
    Ok(())
}
