//! JSON as functions and as files read it: the two agree but where Spark itself tells them apart.

use super::{Json, JsonForm, JsonReader, Root};
use crate::records::Mode;
use crate::testing::{DEFAULTS, columns, no_rows, shown, with};
use arrow::array::{ArrayRef, AsArray, RecordBatch, StructArray};
use errors::SparkError;

fn json(options: &[(&str, &str)]) -> Json {
    with(options, |options| Json::new(options, DEFAULTS)).unwrap()
}

fn read(json: &Json, root: Root, letters: &str, text: &str) -> Result<String, String> {
    let (_, schema) = columns(letters);
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let mut reader = JsonReader::new(json, root, names.filter(|name| *name != "bad")).unwrap();
    let mut rows = no_rows(letters, json.records.mode);
    match reader.read(text.as_bytes(), &mut rows) {
        Ok(()) => Ok(shown(&mut rows)),
        Err(error) => {
            let inner =
                std::error::Error::source(&error).and_then(|e| e.downcast_ref::<SparkError>());
            Err(inner.expect("an error of Spark").class().to_owned())
        }
    }
}

/// A text that is not well formed.
const BAD: &str = "~";

#[test]
fn functions_and_files_read_the_same() {
    let none: &[(&str, &str)] = &[];
    // options, types, text, what both read
    let cases: &[(&[(&str, &str)], &str, &str, &str)] = &[
        (none, "s", r#"{'a':'x"y'}"#, "{x\"y, null}"),
        (none, "s", "{\"a\":\"x\ty\"}", BAD),
        (none, "s", "\u{a0}{\"a\":\"x\"}", BAD),
        (none, "s", r#"{"a":"x"} y"#, "{x, null}"),
        (none, "s", r#"{"a":"x"#, BAD),
        (none, "s", r#"{"a":"x",}"#, BAD),
        (none, "s", r#"{"a":"x","a":"y"}"#, "{y, null}"),
        (none, "s", r#"{"A":"x"}"#, "{null, null}"),
        (none, "s", "null", BAD),
        (none, "s", "[1]", BAD),
        (none, "s", r#"{"bad":"x","a":"y"}"#, "{y, null}"),
        (none, "i", r#"{"a":01}"#, BAD),
        (none, "i", r#"{"a":"1"}"#, BAD),
        (none, "i", r#"{"a":1.0}"#, BAD),
        (none, "d", r#"{"a":-0}"#, "{0.0, null}"),
        (none, "d", r#"{"a":-0.0}"#, "{-0.0, null}"),
        (none, "d", r#"{"a":1e400}"#, "{Infinity, null}"),
        (none, "d", r#"{"a":"-INF"}"#, "{-Infinity, null}"),
        (none, "d", r#"{"a":"nan"}"#, BAD),
        (none, "n", r#"{"a":1.255}"#, "{1.26, null}"),
        (none, "n", r#"{"a":"1,0.5"}"#, "{10.50, null}"),
        (none, "n", r#"{"a":" 1"}"#, BAD),
        (none, "a", r#"{"a":"1"}"#, "{1970-01-02, null}"),
        (none, "a", r#"{"a":"2024"}"#, "{2024-01-01, null}"),
        (none, "t", r#"{"a":5}"#, "{1970-01-01 00:00:05, null}"),
        (none, "x", r#"{"a":"aGk="}"#, "{hi, null}"),
        (none, "x", r#"{"a":"aGk"}"#, BAD),
        (none, "m", r#"{"a":{"x":1,"x":2}}"#, "{{x -> 1, x -> 2}, null}"),
        (none, "mi", r#"{"a":{"x":"y"},"b":2}"#, r#"{null, 2, {"a":{"x":"y"},"b":2}}"#),
        (none, "I", r#"{"a":[1,"x"]}"#, BAD),
        (
            none,
            "R",
            r#"{"a":[{"x":1},{"x":"y"}]}"#,
            r#"{[{1}, {null}], {"a":[{"x":1},{"x":"y"}]}}"#,
        ),
        (none, "r", r#"{"a":{"x":"y"}}"#, r#"{{null}, {"a":{"x":"y"}}}"#),
        (&[("allowComments", "true")], "s", r#"{"a":/*c*/"x"} // y"#, "{x, null}"),
        (&[("allowSingleQuotes", "false")], "s", "{'a':'x'}", BAD),
        (&[("allowUnquotedFieldNames", "true")], "s", r#"{a :"x"}"#, "{x, null}"),
        (&[("allowNumericLeadingZeros", "true")], "i", r#"{"a":-007}"#, "{-7, null}"),
        (&[("allowNonNumericNumbers", "false")], "d", r#"{"a":"NaN"}"#, BAD),
        (&[("allowBackslashEscapingAnyCharacter", "true")], "s", r#"{"a":"\x"}"#, "{x, null}"),
        (&[("allowUnquotedControlChars", "true")], "s", "{\"a\":\"x\ty\"}", "{x\ty, null}"),
        (&[("dateFormat", "dd/MM/yyyy")], "a", r#"{"a":"29/02/2024"}"#, "{2024-02-29, null}"),
        (&[("dateFormat", "dd/MM/yyyy")], "a", r#"{"a":"1"}"#, BAD),
    ];
    for (options, letters, text, expected) in cases {
        let nulls = "null, ".repeat(letters.len());
        let bad = format!("{{{nulls}{text}}}");
        let expected = if *expected == BAD { bad.as_str() } else { expected };
        for root in [Root::Row, Root::Rows] {
            let found = read(&json(options), root, letters, text);
            assert_eq!(found.as_deref(), Ok(expected), "{root:?} {text}");
        }
    }
}

#[test]
fn functions_and_files_differ_where_they_do_in_spark() {
    // text, what a function reads, what a file gives
    let cases = [
        (r#"{"a":{"b": 1.50}}"#, r#"{{"b":1.5}, null}"#, r#"{{"b": 1.50}, null}"#),
        (r#"{"a":NaN}"#, r#"{"NaN", null}"#, "{NaN, null}"),
        (r#"[{"a":"x"},{"a":"y"}]"#, r#"{null, [{"a":"x"},{"a":"y"}]}"#, "{x, null}{y, null}"),
        ("[]", "{null, []}", ""),
        (" ", "", ""),
    ];
    for (text, function, file) in cases {
        assert_eq!(read(&json(&[]), Root::Row, "s", text).as_deref(), Ok(function), "{text}");
        assert_eq!(read(&json(&[]), Root::Rows, "s", text).as_deref(), Ok(file), "{text}");
    }
}

#[test]
fn values_that_are_no_rows_are_read_as_one_column() {
    let cases = [
        ("I", "[1,null]", "{[1, null], null}"),
        ("I", "1", "{null, 1}"),
        ("I", "null", "{null, null}"),
        ("R", r#"{"x":1}"#, "{[{1}], null}"),
        ("R", r#"[{"x":1},{"x":"y"}]"#, r#"{[{1}, {null}], [{"x":1},{"x":"y"}]}"#),
        ("m", r#"{"k":1}"#, "{{k -> 1}, null}"),
    ];
    for (letters, text, expected) in cases {
        let found = read(&json(&[]), Root::Value, letters, text);
        assert_eq!(found.as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn modes_decide_what_becomes_of_records_that_are_not_well_formed() {
    let strict = json(&[("mode", "failfast")]);
    let plain = "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION";
    let arrays = "MALFORMED_RECORD_IN_PARSING.CANNOT_PARSE_JSON_ARRAYS_AS_STRUCTS";
    for (root, text, class) in [
        (Root::Rows, "nonsense", plain),
        (Root::Rows, r#"{"a":"x"}"#, plain),
        (Root::Row, r#"[{"a":1}]"#, arrays),
    ] {
        assert_eq!(read(&strict, root, "i", text), Err(class.to_owned()), "{text}");
    }
    let dropping = json(&[("mode", "DROPMALFORMED")]);
    assert_eq!(dropping.records.mode, Mode::DropMalformed);
    assert_eq!(read(&dropping, Root::Rows, "i", r#"{"a":"x"}"#).as_deref(), Ok(""));
}

#[test]
fn options_are_refused_as_spark_does() {
    let cases = [
        ("timeZone", "Nowhere/Land", "INVALID_TIMEZONE"),
        ("dateFormat", "{", "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION"),
        ("allowComments", "maybe", ""),
        ("locale", "de", "UNSUPPORTED_FEATURE"),
    ];
    for (key, value, class) in cases {
        let made = with(&[(key, value)], |options| Json::new(options, DEFAULTS));
        assert_eq!(made.unwrap_err().class(), class, "{key}");
    }
}

/// The only row of records, written again.
fn written(options: &[(&str, &str)], letters: &str, text: &str) -> String {
    let (_, schema) = columns(letters);
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let mut reader = JsonReader::new(&json(&[]), Root::Rows, names).unwrap();
    let mut rows = no_rows(letters, Mode::Permissive);
    reader.read(text.as_bytes(), &mut rows).unwrap();
    let batch: RecordBatch = rows.finish(|_, _| unreachable!("none is given")).unwrap().unwrap();
    let structs: ArrayRef = std::sync::Arc::new(StructArray::from(batch));
    let mut out = String::new();
    JsonForm::new(&json(options)).unwrap().write(structs.as_struct(), 0, &mut out).unwrap();
    out
}

#[test]
fn values_are_written_as_spark_writes_them() {
    let none: &[(&str, &str)] = &[];
    let cases: &[(&[(&str, &str)], &str, &str, &str)] = &[
        (
            none,
            "ids",
            r#"{"a":1,"b":1e10,"c":"é\"\u0001"}"#,
            r#"{"a":1,"b":1.0E10,"c":"é\"\u0001"}"#,
        ),
        (none, "dd", r#"{"a":NaN,"b":-INF}"#, r#"{"a":"NaN","b":"-Infinity"}"#),
        (
            none,
            "xab",
            r#"{"a":"aGk=","b":"2024-02-29","c":true}"#,
            r#"{"a":"aGk=","b":"2024-02-29","c":true}"#,
        ),
        (none, "t", r#"{"a":"2024-02-29 10:20:30.5"}"#, r#"{"a":"2024-02-29T10:20:30.500Z"}"#),
        (
            none,
            "Irm",
            r#"{"a":[1,null],"b":{},"c":{"k":null}}"#,
            r#"{"a":[1,null],"b":{},"c":{"k":null}}"#,
        ),
        (none, "n", r#"{"a":1.5}"#, r#"{"a":1.50}"#),
        (
            &[("ignoreNullFields", "false")],
            "ir",
            r#"{"b":{}}"#,
            r#"{"a":null,"b":{"x":null},"bad":null}"#,
        ),
        (
            &[("timeZone", "Asia/Tokyo")],
            "t",
            r#"{"a":0}"#,
            r#"{"a":"1970-01-01T09:00:00.000+09:00"}"#,
        ),
        (
            &[("dateFormat", "dd.MM \"yy\"")],
            "a",
            r#"{"a":"2024-02-29"}"#,
            r#"{"a":"29.02 \"24\""}"#,
        ),
        (
            &[("writeNonAsciiCharacterAsCodePoint", "true")],
            "s",
            r#"{"a":"é😀"}"#,
            r#"{"a":"\u00E9\uD83D\uDE00"}"#,
        ),
    ];
    for (options, letters, text, expected) in cases {
        assert_eq!(written(options, letters, text), *expected);
    }
}
