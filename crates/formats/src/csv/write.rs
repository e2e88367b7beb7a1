//! Rows as CSV records, as Spark writes them.

use super::Csv;
use crate::text::{Style, TimeText, write_value};
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use errors::SparkError;
use std::io::Write;

/// Writes rows to `out`.
#[derive(Debug)]
pub struct CsvWriter<W> {
    form: CsvForm,
    line_end: String,
    line: String,
    out: W,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header, if there is to be one.
    pub fn new(csv: &Csv, schema: &Schema, out: W) -> Result<Self, ArrowError> {
        let line_end = csv.records.line_sep.clone().unwrap_or_else(|| "\n".to_owned());
        let form = CsvForm::new(csv).map_err(crate::rows::external)?;
        let mut writer = Self { form, line_end, line: String::new(), out };
        if csv.header {
            for (at, field) in schema.fields().iter().enumerate() {
                writer.form.push(at, Some(field.name()), &mut writer.line);
            }
            writer.end_line()?;
        }
        Ok(writer)
    }

    /// Writes rows.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        for row in 0..rows.num_rows() {
            self.form.write(rows.columns(), row, &mut self.line)?;
            self.end_line()?;
        }
        Ok(())
    }

    /// What the rows were written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn end_line(&mut self) -> Result<(), ArrowError> {
        self.line.push_str(&self.line_end);
        self.out.write_all(self.line.as_bytes())?;
        self.line.clear();
        Ok(())
    }
}

/// The form in which records are written.
#[derive(Debug)]
pub struct CsvForm {
    csv: Csv,
    times: TimeText,
    /// The text of the value at hand.
    value: String,
}

impl CsvForm {
    /// The form that options ask for.
    pub fn new(csv: &Csv) -> Result<Self, SparkError> {
        Ok(Self { csv: csv.clone(), times: csv.records.times_written()?, value: String::new() })
    }

    /// Writes a row without a line end.
    pub fn write(
        &mut self,
        columns: &[ArrayRef],
        row: usize,
        line: &mut String,
    ) -> Result<(), ArrowError> {
        for (at, column) in columns.iter().enumerate() {
            let mut value = std::mem::take(&mut self.value);
            value.clear();
            let is_null = column.is_null(row) || *column.data_type() == DataType::Null;
            if !is_null {
                write_value(column.as_ref(), row, &Style::of_formats(&self.times), &mut value)?;
            }
            self.push(at, (!is_null).then_some(&value), line);
            self.value = value;
        }
        Ok(())
    }

    /// Appends a field; `None` stands for null.
    fn push(&self, at: usize, value: Option<&str>, line: &mut String) {
        let csv = &self.csv;
        if at > 0 {
            line.push_str(&csv.delimiter);
        }
        let text = value.map_or(csv.null.as_str(), |text| trimmed(text, csv));
        if value.is_some() && text.is_empty() {
            // It comes with its own quotes by default.
            line.push_str(&csv.empty);
            return;
        }
        let is_comment =
            at == 0 && csv.comment.is_some_and(|c| text.as_bytes().first() == Some(&c));
        if !(csv.quote_all || (value.is_some() && (is_comment || needs_quotes(text, csv)))) {
            line.push_str(text);
            return;
        }
        let quote = char::from(csv.quote);
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
    text.contains(&csv.delimiter)
        || text.contains(['\n', '\r'])
        || (csv.escape_quotes && text.contains(quote))
        || text.starts_with(quote)
}
