//! Values as JSON, and rows as JSON records: an object a line.

use super::Json;
use crate::base64;
use crate::text::{Style, TimeText, write_value};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, DurationMicrosecondType, Field, Float32Type, Float64Type, IntervalUnit,
    IntervalYearMonthType, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use errors::SparkError;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;

/// Writes rows to `out`.
#[derive(Debug)]
pub struct JsonWriter<W> {
    form: JsonForm,
    line_end: String,
    line: String,
    out: W,
}

impl<W: Write> JsonWriter<W> {
    /// No rows yet.
    pub fn new(json: &Json, out: W) -> Result<Self, SparkError> {
        let line_end = json.records.line_sep.clone().unwrap_or_else(|| "\n".to_owned());
        Ok(Self { form: JsonForm::new(json)?, line_end, line: String::new(), out })
    }

    /// Writes rows.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let schema = rows.schema();
        let Self { form, line_end, line, out } = self;
        for row in 0..rows.num_rows() {
            line.clear();
            form.object(schema.fields().iter().zip(rows.columns()), row, line)?;
            line.push_str(line_end);
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    /// What the rows were written to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// The form in which values are written.
#[derive(Debug)]
pub struct JsonForm {
    times: TimeText,
    ignore_null: bool,
    ascii: bool,
}

impl JsonForm {
    /// The form that options ask for.
    pub fn new(json: &Json) -> Result<Self, SparkError> {
        let times = json.records.times_written()?;
        Ok(Self { times, ignore_null: json.ignore_null, ascii: json.ascii })
    }

    /// Writes a value.
    pub fn write(&self, array: &dyn Array, row: usize, out: &mut String) -> Result<(), ArrowError> {
        if is_null(array, row) {
            out.push_str("null");
            return Ok(());
        }
        match array.data_type() {
            DataType::List(_) => {
                let values = array.as_list::<i32>().value(row);
                out.push('[');
                for index in 0..values.len() {
                    if index > 0 {
                        out.push(',');
                    }
                    self.write(values.as_ref(), index, out)?;
                }
                out.push(']');
            }
            DataType::Struct(fields) => {
                self.object(fields.iter().zip(array.as_struct().columns()), row, out)?;
            }
            DataType::Map(..) => {
                let entries = array.as_map().value(row);
                out.push('{');
                for index in 0..entries.len() {
                    if index > 0 {
                        out.push(',');
                    }
                    self.key(entries.column(0).as_ref(), index, out)?;
                    out.push(':');
                    self.write(entries.column(1).as_ref(), index, out)?;
                }
                out.push('}');
            }
            _ => self.simple(array, row, out)?,
        }
        Ok(())
    }

    fn object<'a>(
        &self,
        fields: impl Iterator<Item = (&'a Arc<Field>, &'a ArrayRef)>,
        row: usize,
        out: &mut String,
    ) -> Result<(), ArrowError> {
        out.push('{');
        let mut first = true;
        for (field, column) in fields {
            if self.ignore_null && is_null(column.as_ref(), row) {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            self.quoted(field.name(), out);
            out.push(':');
            self.write(column.as_ref(), row, out)?;
        }
        out.push('}');
        Ok(())
    }

    fn simple(&self, array: &dyn Array, row: usize, out: &mut String) -> Result<(), ArrowError> {
        let is_bare = match array.data_type() {
            // Values that are no numbers in JSON are written by name.
            DataType::Float32 => array.as_primitive::<Float32Type>().value(row).is_finite(),
            DataType::Float64 => array.as_primitive::<Float64Type>().value(row).is_finite(),
            DataType::Boolean | DataType::Decimal128(..) => true,
            other => other.is_integer(),
        };
        match array.data_type() {
            _ if is_bare => write_value(array, row, &Style::of_formats(&self.times), out)?,
            DataType::Utf8 => self.quoted(array.as_string::<i32>().value(row), out),
            DataType::Binary => {
                let _ = write!(out, "\"{}\"", base64::encode(array.as_binary::<i32>().value(row)));
            }
            _ => {
                let start = out.len();
                write_value(array, row, &Style::of_formats(&self.times), out)?;
                self.quote_from(start, out);
            }
        }
        Ok(())
    }

    /// Writes the key of a map. Spark writes what it holds in memory: days and microseconds rather
    /// than dates and times.
    fn key(&self, array: &dyn Array, row: usize, out: &mut String) -> Result<(), ArrowError> {
        let held = match array.data_type() {
            DataType::Date32 => i64::from(array.as_primitive::<Date32Type>().value(row)),
            DataType::Timestamp(..) => array.as_primitive::<TimestampMicrosecondType>().value(row),
            DataType::Duration(_) => array.as_primitive::<DurationMicrosecondType>().value(row),
            DataType::Interval(IntervalUnit::YearMonth) => {
                i64::from(array.as_primitive::<IntervalYearMonthType>().value(row))
            }
            _ => {
                let start = out.len();
                write_value(array, row, &Style::of_formats(&self.times), out)?;
                self.quote_from(start, out);
                return Ok(());
            }
        };
        let _ = write!(out, "\"{held}\"");
        Ok(())
    }

    /// Puts what was written since `start` into quotes.
    fn quote_from(&self, start: usize, out: &mut String) {
        let is_plain = |b: u8| b >= b' ' && b != b'"' && b != b'\\' && b < 0x80;
        if out.bytes().skip(start).all(is_plain) {
            out.insert(start, '"');
            out.push('"');
        } else {
            let text = out.split_off(start);
            self.quoted(&text, out);
        }
    }

    fn quoted(&self, text: &str, out: &mut String) {
        let start = out.len();
        write_quoted(text, out);
        if self.ascii && !text.is_ascii() {
            let written = out.split_off(start);
            for c in written.chars() {
                if c.is_ascii() {
                    out.push(c);
                } else {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(out, "\\u{unit:04X}");
                    }
                }
            }
        }
    }
}

fn is_null(array: &dyn Array, row: usize) -> bool {
    array.is_null(row) || *array.data_type() == DataType::Null
}

/// Writes a text with its quotes and escapes.
pub fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x8 => out.push_str("\\b"),
            0xc => out.push_str("\\f"),
            control => {
                let _ = write!(out, "\\u{control:04X}");
            }
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let mut out = String::new();
        write_quoted("a\"\\\n\u{1}é", &mut out);
        assert_eq!(out, "\"a\\\"\\\\\\n\\u0001é\"");
    }
}
