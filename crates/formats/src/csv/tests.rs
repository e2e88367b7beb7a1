//! CSV as functions and files read and write it.

use super::{Csv, CsvForm, CsvReader};
use crate::records::Mode;
use crate::testing::{DEFAULTS, no_rows, shown, with};
use arrow::array::RecordBatch;

fn read(options: &[(&str, &str)], letters: &str, line: &str) -> String {
    let csv = with(options, |options| Csv::read(options, DEFAULTS)).unwrap();
    let mut rows = no_rows(letters, csv.records.mode);
    let mut reader = CsvReader::new(&csv, letters.len(), &rows).unwrap();
    reader.read(line.as_bytes(), &mut rows).unwrap();
    shown(&mut rows)
}

#[test]
fn lines_become_rows() {
    let none: &[(&str, &str)] = &[];
    let cases: &[(&[(&str, &str)], &str, &str, &str)] = &[
        (none, "is", "1,x", "{1, x, null}"),
        (none, "is", " 1,x", "{null, x,  1,x}"),
        (none, "is", "1", "{1, null, 1}"),
        (none, "is", "1,x,y", "{1, x, 1,x,y}"),
        (none, "ss", "a,\"", "{a, \", null}"),
        (none, "ds", " 1d,", "{1.0, null, null}"),
        (none, "dd", "Inf,NaN", "{Infinity, NaN, null}"),
        (none, "bs", "TRUE,t", "{true, t, null}"),
        (none, "ns", "\"1,0.5\",x", "{10.50, x, null}"),
        (none, "ns", "1 ,x", "{null, x, 1 ,x}"),
        (none, "as", "1,x", "{null, x, 1,x}"),
        (none, "xs", "hi,x", "{hi, x, null}"),
        (&[("sep", "|"), ("nullValue", "-")], "ss", "-|\"\"", "{null, , null}"),
        (&[("emptyValue", "nil")], "ss", "\"\",x", "{nil, x, null}"),
        (&[("quote", "")], "ss", "\"a,b\"", "{\"a, b\", null}"),
        (&[("dateFormat", "dd/MM/yyyy")], "as", "29/02/2024,x", "{2024-02-29, x, null}"),
        (&[("mode", "DROPMALFORMED")], "is", "x,y", ""),
    ];
    for (options, letters, line, expected) in cases {
        assert_eq!(read(options, letters, line), *expected, "{line}");
    }
}

#[test]
fn options_are_refused_as_spark_does() {
    let cases = [
        ("sep", "", "INVALID_DELIMITER_VALUE.EMPTY_STRING"),
        ("quote", "ab", "OPTION_VALUE_EXCEEDS_ONE_CHARACTER"),
        ("timeZone", "Nowhere/Land", "INVALID_TIMEZONE"),
        ("header", "maybe", ""),
        ("maxColumns", "7", "UNSUPPORTED_FEATURE"),
    ];
    for (key, value, class) in cases {
        let made = with(&[(key, value)], |options| Csv::read(options, DEFAULTS));
        assert_eq!(made.unwrap_err().class(), class, "{key}");
    }
}

/// A line, written again.
fn written(options: &[(&str, &str)], letters: &str, line: &str) -> String {
    let csv = with(&[("sep", "|"), ("emptyValue", ""), ("nullValue", "-")], |options| {
        Csv::read(options, DEFAULTS)
    });
    let csv = csv.unwrap();
    let mut rows = no_rows(letters, Mode::Permissive);
    let mut reader = CsvReader::new(&csv, letters.len(), &rows).unwrap();
    reader.read(line.as_bytes(), &mut rows).unwrap();
    let batch: RecordBatch = rows.finish(|_, _| unreachable!("none is given")).unwrap().unwrap();
    let csv = with(options, |options| Csv::written(options, DEFAULTS)).unwrap();
    let mut out = String::new();
    CsvForm::new(&csv).unwrap().write(&batch.columns()[..letters.len()], 0, &mut out).unwrap();
    out
}

#[test]
fn rows_become_lines() {
    let none: &[(&str, &str)] = &[];
    let cases: &[(&[(&str, &str)], &str, &str, &str)] = &[
        (none, "sss", "a,b|c\"d| x ", "\"a,b\",\"c\\\"d\",x"),
        (none, "ss", "\"\"|-", "\"\","),
        (none, "ss", "a\\b|a\\,b", "a\\b,\"a\\\\,b\""),
        (none, "dxa", "1e10|hi|2024-02-29", "1.0E10,[68 69],2024-02-29"),
        (none, "t", "2024-02-29 10:20:30", "2024-02-29T10:20:30.000Z"),
        (&[("quoteAll", "true")], "ss", "a|-", "\"a\",\"\""),
        (&[("escape", "\"")], "s", "a\"b", "\"a\"\"b\""),
        (&[("comment", "#")], "ss", "#a|#b", "\"#a\",#b"),
        (&[("quote", "")], "s", "a,b", "\u{0}a,b\u{0}"),
        (&[("ignoreLeadingWhiteSpace", "false")], "s", " x ", " x"),
        (&[("charToEscapeQuoteEscaping", "$")], "s", "a\\\"b", "\"a$\\\\\"b\""),
    ];
    for (options, letters, line, expected) in cases {
        assert_eq!(written(options, letters, line), *expected, "{line}");
    }
}
