//! JSON as Spark writes it: an object a line.

use super::csv_write::write_value;
use super::dialect::Json;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use functions::TimeText;
use std::fmt::Write as _;
use std::io::Write;

/// Writes rows to `out`.
#[derive(Debug)]
pub(crate) struct JsonWriter<W> {
    form: Form,
    line_end: String,
    out: W,
}

#[derive(Debug)]
struct Form {
    times: TimeText,
    ignore_null: bool,
}

impl<W: Write> JsonWriter<W> {
    pub(crate) fn new(json: &Json, out: W) -> Result<Self> {
        let times = json.records.times_written().map_err(super::scan::external)?;
        let line_end = json.records.line_sep.clone().unwrap_or_else(|| "\n".to_owned());
        Ok(Self { form: Form { times, ignore_null: json.ignore_null }, line_end, out })
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let schema = rows.schema();
        let names: Vec<String> = schema.fields().iter().map(|field| quoted(field.name())).collect();
        let mut line = String::new();
        for row in 0..rows.num_rows() {
            line.clear();
            self.form.object(names.iter().zip(rows.columns()), row, &mut line)?;
            line.push_str(&self.line_end);
            self.out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    pub(crate) fn into_inner(self) -> W {
        self.out
    }
}

impl Form {
    fn object<'a>(
        &self,
        fields: impl Iterator<Item = (&'a String, &'a arrow::array::ArrayRef)>,
        row: usize,
        out: &mut String,
    ) -> Result<()> {
        out.push('{');
        let mut first = true;
        for (name, column) in fields {
            if self.ignore_null && is_null(column.as_ref(), row) {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            out.push_str(name);
            out.push(':');
            self.value(column.as_ref(), row, out)?;
        }
        out.push('}');
        Ok(())
    }

    fn value(&self, array: &dyn Array, row: usize, out: &mut String) -> Result<()> {
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
                    self.value(values.as_ref(), index, out)?;
                }
                out.push(']');
            }
            DataType::Struct(fields) => {
                let names: Vec<String> = fields.iter().map(|field| quoted(field.name())).collect();
                self.object(names.iter().zip(array.as_struct().columns()), row, out)?;
            }
            DataType::Map(..) => {
                let entries = array.as_map().value(row);
                out.push('{');
                for index in 0..entries.len() {
                    if index > 0 {
                        out.push(',');
                    }
                    let mut key = String::new();
                    write_value(entries.column(0).as_ref(), index, &self.times, &mut key)?;
                    out.push_str(&quoted(&key));
                    out.push(':');
                    self.value(entries.column(1).as_ref(), index, out)?;
                }
                out.push('}');
            }
            DataType::Binary => {
                out.push_str(&quoted(&base64(array.as_binary::<i32>().value(row))));
            }
            simple => {
                let start = out.len();
                write_value(array, row, &self.times, out)?;
                let is_bare = match simple {
                    // Values that are no numbers in JSON are written by name.
                    DataType::Float32 | DataType::Float64 => {
                        out.ends_with(|c: char| c.is_ascii_digit())
                    }
                    other => {
                        other.is_integer()
                            || matches!(other, DataType::Boolean | DataType::Decimal128(..))
                    }
                };
                if !is_bare {
                    let text = out.split_off(start);
                    out.push_str(&quoted(&text));
                }
            }
        }
        Ok(())
    }
}

fn is_null(array: &dyn Array, row: usize) -> bool {
    array.is_null(row) || *array.data_type() == DataType::Null
}

/// A text with its quotes and escapes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let byte = |at: usize| u32::from(part.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let filled = digit <= part.len();
            let index = (bits >> (18 - 6 * digit) & 63) as usize;
            out.push(if filled { char::from(DIGITS[index]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_escaped() {
        assert_eq!(quoted("a\"\\\n\u{1}é"), "\"a\\\"\\\\\\n\\u0001é\"");
        assert_eq!(
            ["", "a", "ab", "abc"].map(|t| base64(t.as_bytes())),
            ["", "YQ==", "YWI=", "YWJj"]
        );
    }
}
