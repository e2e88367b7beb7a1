//! Rows as displayed by `show()` and by notebooks.

use super::{Answer, Session};
use arrow::array::{Array, StringArray};
use arrow::record_batch::RecordBatch;
use plan::{Field, SparkError};
use std::fmt::Write;

/// Minimum width of a column.
const MIN_WIDTH: usize = 3;

/// Display options for rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style<'a> {
    /// Number of rows.
    pub(super) rows: usize,
    /// Maximum length of a value; 0 means no limit.
    pub(super) truncate: usize,
    pub(super) time_zone: &'a str,
}

impl Session {
    /// All rows of an answer as `show` prints them, without truncation.
    pub fn printed(&self, answer: &Answer) -> Result<String, SparkError> {
        let time_zone = self.time_zone()?;
        let style = Style { rows: usize::MAX, truncate: 0, time_zone: &time_zone };
        table(&answer.schema, &answer.batches, style)
    }
}

/// The text of each displayed value by row, after the column names; and whether there are more
/// rows.
struct Cells {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
    more: bool,
}

fn cells(schema: &[Field], batches: &[RecordBatch], style: Style<'_>) -> Result<Cells, SparkError> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .zip(schema)
            .map(|(column, field)| match formats::types::interval_fields(&field.data_type) {
                Some(fields) => {
                    let text = |row| functions::fields_text(column, row, fields);
                    let rows = 0..column.len();
                    Ok(rows.map(|row| Some(text(row).unwrap_or_else(|| "NULL".into()))).collect())
                }
                None => functions::show(column, style.time_zone),
            })
            .collect::<Result<Vec<StringArray>, _>>()
            .map_err(|error| functions::spark_error(&error))?;
        for row in 0..batch.num_rows() {
            rows.push(
                columns.iter().map(|texts| shortened(texts.value(row), style.truncate)).collect(),
            );
        }
    }
    let more = rows.len() > style.rows;
    rows.truncate(style.rows);
    let names = schema.iter().map(|field| escaped(&field.name)).collect();
    Ok(Cells { names, rows, more })
}

/// The output of `df.show()`.
pub(super) fn table(
    schema: &[Field],
    batches: &[RecordBatch],
    style: Style<'_>,
) -> Result<String, SparkError> {
    let cells = cells(schema, batches, style)?;
    let widths: Vec<usize> = (0..cells.names.len())
        .map(|index| {
            let of_rows = cells.rows.iter().map(|row| width(&row[index]));
            of_rows.chain([width(&cells.names[index]), MIN_WIDTH]).max().unwrap_or(MIN_WIDTH)
        })
        .collect();
    let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let line = format!("+{}+\n", dashes.join("+"));
    let write_row = |row: &[String], out: &mut String| {
        for (text, wanted) in row.iter().zip(&widths) {
            let pad = " ".repeat(wanted - width(text));
            let _ = if style.truncate > 0 {
                write!(out, "|{pad}{text}")
            } else {
                write!(out, "|{text}{pad}")
            };
        }
        out.push_str("|\n");
    };
    let mut out = line.clone();
    write_row(&cells.names, &mut out);
    out.push_str(&line);
    for row in &cells.rows {
        write_row(row, &mut out);
    }
    out.push_str(&line);
    if cells.more {
        out.push_str(&footer(style.rows));
    }
    Ok(out)
}

/// The output of `df.show(vertical=True)`.
pub(super) fn vertical(
    schema: &[Field],
    batches: &[RecordBatch],
    style: Style<'_>,
) -> Result<String, SparkError> {
    let cells = cells(schema, batches, style)?;
    let widest = |texts: &mut dyn Iterator<Item = &String>| {
        texts.map(|text| width(text)).chain([MIN_WIDTH]).max().unwrap_or(MIN_WIDTH)
    };
    let name_width = widest(&mut cells.names.iter());
    let value_width = widest(&mut cells.rows.iter().flatten());
    let mut out = String::new();
    for (number, row) in cells.rows.iter().enumerate() {
        let title = format!("-RECORD {number}");
        let _ = writeln!(out, "{title:-<width$}", width = name_width + value_width + 5);
        for (name, value) in cells.names.iter().zip(row) {
            let name_pad = " ".repeat(name_width - width(name));
            let value_pad = " ".repeat(value_width - width(value));
            let _ = writeln!(out, " {name}{name_pad} | {value}{value_pad} ");
        }
    }
    if cells.rows.is_empty() {
        out.push_str("(0 rows)\n");
    } else if cells.more {
        out.push_str(&footer(style.rows));
    }
    Ok(out)
}

/// The output in a notebook.
pub(super) fn html(
    schema: &[Field],
    batches: &[RecordBatch],
    style: Style<'_>,
) -> Result<String, SparkError> {
    let cells = cells(schema, batches, style)?;
    let line = |row: &[String], tag: &str| {
        let parts: Vec<_> = row.iter().map(|text| html_escaped(text)).collect();
        let between = format!("</{tag}><{tag}>");
        format!("<tr><{tag}>{}</{tag}></tr>\n", parts.join(&between))
    };
    let mut out = String::from("<table border='1'>\n");
    out.push_str(&line(&cells.names, "th"));
    for row in &cells.rows {
        out.push_str(&line(row, "td"));
    }
    out.push_str("</table>\n");
    if cells.more {
        out.push_str(&footer(style.rows));
    }
    Ok(out)
}

fn footer(rows: usize) -> String {
    format!("only showing top {rows} {}\n", if rows == 1 { "row" } else { "rows" })
}

fn shortened(text: &str, truncate: usize) -> String {
    let text = escaped(text);
    if truncate == 0 || text.encode_utf16().count() <= truncate {
        text
    } else if truncate < 4 {
        beginning(&text, truncate).to_owned()
    } else {
        format!("{}...", beginning(&text, truncate - 3))
    }
}

/// The longest prefix that fits into the given number of UTF-16 units, in which Java counts.
fn beginning(text: &str, units: usize) -> &str {
    let mut left = units;
    let too_many = text.char_indices().find(|(_, c)| {
        let fits = c.len_utf16() <= left;
        left = left.saturating_sub(c.len_utf16());
        !fits
    });
    &text[..too_many.map_or(text.len(), |(at, _)| at)]
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{7}' => out.push_str("\\a"),
            c => out.push(c),
        }
    }
    out
}

fn html_escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Display width of a text as Spark counts it: in UTF-16 units, with East Asian characters taking
/// two.
fn width(text: &str) -> usize {
    text.chars().map(|c| c.len_utf16() + usize::from(is_wide(c))).sum()
}

fn is_wide(c: char) -> bool {
    matches!(u32::from(c),
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE4F
        | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use plan::DataType;
    use std::sync::Arc;

    fn rows() -> (Vec<Field>, Vec<RecordBatch>) {
        let schema = vec![
            Field::new("id", DataType::Long, false),
            Field::new("text", DataType::String, true),
        ];
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(Int64Array::from(vec![1, 20]))),
            ("text", Arc::new(StringArray::from(vec![Some("a long text"), None]))),
        ];
        (
            schema,
            vec![
                RecordBatch::try_from_iter_with_nullable(
                    columns.into_iter().map(|(name, array)| (name, array, true)),
                )
                .unwrap(),
            ],
        )
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let schema =
            vec![Field::new("a", DataType::String, true), Field::new("名", DataType::String, true)];
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("a", Arc::new(StringArray::from(vec!["中文", "ﾊﾝ", "e\u{301}", "한글한글"]))),
            ("名", Arc::new(StringArray::from(vec!["😀x", "ｆｕ", "😀😀😀", ""]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let style = Style { rows: 20, truncate: 5, time_zone: "UTC" };
        let shown = table(&schema, &[batch], style).unwrap();
        let expected = [
            "+--------+-----+",
            "|       a|   名|",
            "+--------+-----+",
            "|    中文|  😀x|",
            "|      ﾊﾝ| ｆｕ|",
            "|      e\u{301}|😀...|",
            "|한글한글|     |",
            "+--------+-----+\n",
        ];
        assert_eq!(shown, expected.join("\n"));
    }

    #[test]
    fn rows_are_printed_as_spark_prints_them() {
        let (schema, batches) = rows();
        let style = Style { rows: 20, truncate: 8, time_zone: "UTC" };
        assert_eq!(
            table(&schema, &batches, style).unwrap(),
            "+---+--------+\n| id|    text|\n+---+--------+\n|  1|a lon...|\n| 20|    NULL|\n+---+--------+\n"
        );
        let style = Style { rows: 1, truncate: 0, time_zone: "UTC" };
        assert_eq!(
            table(&schema, &batches, style).unwrap(),
            "+---+-----------+\n|id |text       |\n+---+-----------+\n|1  |a long text|\n+---+-----------+\nonly showing top 1 row\n"
        );
        assert_eq!(
            vertical(&schema, &batches, style).unwrap(),
            "-RECORD 0-----------\n id   | 1           \n text | a long text \nonly showing top 1 row\n"
        );
        assert_eq!(
            html(&schema, &batches, style).unwrap(),
            "<table border='1'>\n<tr><th>id</th><th>text</th></tr>\n<tr><td>1</td><td>a long text</td></tr>\n</table>\nonly showing top 1 row\n"
        );
    }
}
