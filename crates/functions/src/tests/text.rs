//! Formatted text: number patterns, binary values, CSV, JSON, intervals.

use super::*;
use crate::types::map;
use datafusion::arrow::array::{MapBuilder, StringBuilder, StructArray};
use datafusion::arrow::datatypes::Fields;

fn pair(a: DataType, b: DataType) -> DataType {
    DataType::Struct(Fields::from(vec![Field::new("a", a, true), Field::new("b", b, true)]))
}

fn null(data_type: DataType) -> ScalarValue {
    ScalarValue::try_from(data_type).unwrap()
}

fn row(a: ScalarValue, b: ScalarValue) -> ScalarValue {
    let fields = Fields::from(vec![
        Field::new("a", a.data_type(), true),
        Field::new("b", b.data_type(), true),
    ]);
    let columns = vec![a.to_array().unwrap(), b.to_array().unwrap()];
    let array = StructArray::try_new(fields, columns, None).unwrap();
    ScalarValue::Struct(Arc::new(array))
}

fn options(pairs: &[(&str, &str)]) -> ScalarValue {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for (key, value) in pairs {
        builder.keys().append_value(key);
        builder.values().append_value(value);
    }
    builder.append(true).unwrap();
    ScalarValue::Map(Arc::new(builder.finish()))
}

#[test]
fn numbers_are_read_by_a_pattern() {
    let cases = [
        ("454", "999", "decimal(3,0) 454"),
        ("454.00", "000.00", "decimal(5,2) 454.00"),
        ("12,454", "99,999", "decimal(5,0) 12454"),
        ("$78.12", "$99.99", "decimal(4,2) 78.12"),
        ("12,454.8-", "99,999.9S", "decimal(6,1) -12454.8"),
        ("<1,234>", "9,999PR", "decimal(4,0) -1234"),
        ("-5", "MI99", "decimal(2,0) -5"),
        ("45", "000", "! INVALID_FORMAT.MISMATCH_INPUT"),
        ("4545", "999", "! INVALID_FORMAT.MISMATCH_INPUT"),
        ("78.12", "$99.99", "! INVALID_FORMAT.MISMATCH_INPUT"),
        ("<12", "99PR", "! INVALID_FORMAT.MISMATCH_INPUT"),
        ("1", "", "! INVALID_FORMAT.EMPTY"),
        ("1", "S", "! INVALID_FORMAT.WRONG_NUM_DIGIT"),
        ("1", "9$", "! INVALID_FORMAT.CUR_MUST_BEFORE_DIGIT"),
        ("1", "9,,9", "! INVALID_FORMAT.CONT_THOUSANDS_SEPS"),
        ("1", "9.9,9", "! INVALID_FORMAT.THOUSANDS_SEPS_MUST_BEFORE_DEC"),
        ("1", "S9S", "! INVALID_FORMAT.UNEXPECTED_TOKEN"),
        ("1", "9x", "! INVALID_FORMAT.UNEXPECTED_TOKEN"),
    ];
    for (text, pattern, expected) in cases {
        check_constant("to_number", &[s(text), s(pattern)], expected);
    }
    check_constant("try_to_number", &[s("4545"), s("999")], "decimal(3,0) NULL");
}

#[test]
fn numbers_are_written_by_a_pattern() {
    let cases = [
        (dec(454, 3, 0), "999", "454"),
        (dec(45400, 5, 2), "000D00", "454.00"),
        (dec(12454, 5, 0), "99G999", "12,454"),
        (dec(7812, 4, 2), "$99.99", "$78.12"),
        (dec(-124_548, 6, 1), "99G999D9S", "12,454.8-"),
        (dec(-124_548, 6, 1), "S99G999D9", "-12,454.8"),
        (dec(4, 1, 0), "999", "  4"),
        (dec(4, 1, 0), "099", "004"),
        (dec(4545, 4, 0), "99", "##"),
        (dec(-12, 2, 0), "99PR", "<12>"),
        (dec(12, 2, 0), "99PR", "12  "),
        (dec(5, 1, 1), "9.9", "0.5"),
        (dec(-5, 1, 0), "S999", "  -5"),
        (dec(1234, 4, 0), "999,999", "  1,234"),
    ];
    for (value, pattern, expected) in cases {
        check("to_char", &[value, s(pattern)], &format!("string {expected}"));
    }
    check("to_varchar", &[d(78.12), s("$99.99")], "string $78.12");
    check("to_char", &[date("2016-04-08"), s("y")], "string 2016");
    check_constant("to_char", &[bin(b"abc"), s("hex")], "string 616263");
    check_constant("to_char", &[bin(b"abc"), s("x")], "! INVALID_PARAMETER_VALUE.BINARY_FORMAT");
}

#[test]
fn bytes_come_from_text() {
    check_constant("to_binary", &[s("616263")], "binary [61 62 63]");
    check_constant("to_binary", &[s("abc"), s("UTF-8")], "binary [61 62 63]");
    check_constant("to_binary", &[s("YWJj"), s("base64")], "binary [61 62 63]");
    check_constant("to_binary", &[s("xyz")], "! CONVERSION_INVALID_INPUT");
    check_constant("try_to_binary", &[s("xyz")], "binary NULL");
    check_constant("to_binary", &[s("1"), s("x")], "! DATATYPE_MISMATCH.INVALID_ARG_VALUE");
    check("bitmap_bucket_number", &[i(123)], "bigint 1");
    check("bitmap_bucket_number", &[i(-32_769)], "bigint -1");
    check("bitmap_bit_position", &[i(123)], "bigint 122");
    check("bitmap_bit_position", &[i(-3)], "bigint 3");
    check("bitmap_count", &[bin(b"\xff\x01")], "bigint 9");
}

#[test]
fn a_line_of_csv_is_read_and_written() {
    let schema = null(pair(DataType::Int32, DataType::Utf8));
    let shape = "struct<a:int,b:string>";
    let cases = [
        ("1,x", "{1, x}"),
        ("1,\"x, \\\"y\\\"\"", "{1, x, \"y\"}"),
        ("z,x", "{NULL, x}"),
        (",", "{NULL, NULL}"),
        ("1", "{1, NULL}"),
        ("1,2,3", "{1, 2}"),
    ];
    for (text, expected) in cases {
        check_constant("from_csv", &[s(text), schema.clone()], &format!("{shape} {expected}"));
    }
    let strict = options(&[("mode", "FAILFAST")]);
    let class = "! MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION";
    check_constant("from_csv", &[s("z,x"), schema.clone(), strict], class);
    let unknown = options(&[("unescapedQuoteHandling", "RAISE_ERROR")]);
    check_constant("from_csv", &[s("z"), schema, unknown], "! UNSUPPORTED_FEATURE");
    let pipe = options(&[("sep", "|")]);
    check_constant("to_csv", &[row(i(2), s("a|b")), pipe], "string 2|\"a|b\"");
    check("to_csv", &[row(N, s("it's"))], "string ,it's");
    check("to_csv", &[row(date("2015-08-26"), s(""))], "string 2015-08-26,\"\"");
}

#[test]
fn samples_tell_their_type() {
    let cases = [
        ("{\"b\":0,\"a\":[1,2.5]}", "STRUCT<a: ARRAY<DOUBLE>, b: BIGINT>"),
        ("[{\"a\":null},{\"b\":true}]", "ARRAY<STRUCT<a: STRING, b: BOOLEAN>>"),
        ("[1,\"x\"]", "ARRAY<STRING>"),
    ];
    for (text, expected) in cases {
        check_constant("schema_of_json", &[s(text)], &format!("string {expected}"));
    }
    check_constant("schema_of_json", &[s("{")], "! MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION");
    let found = "string STRUCT<_c0: INT, _c1: STRING, _c2: BOOLEAN, _c3: DATE, _c4: DOUBLE>";
    let pipe = options(&[("sep", "|")]);
    check_constant("schema_of_csv", &[s("1||true|2015-08-26|1.5"), pipe], found);
}

#[test]
fn instants_fall_into_windows() {
    let at = ts("2016-03-11 09:00:07");
    let shape = "struct<start:timestamp,end:timestamp>";
    let cases = [
        (vec![s("5 seconds")], "{2016-03-11 09:00:05, 2016-03-11 09:00:10}"),
        (
            vec![s("1 hour"), s("1 hour"), s("15 minutes")],
            "{2016-03-11 08:15:00, 2016-03-11 09:15:00}",
        ),
    ];
    for (lengths, expected) in cases {
        let args: Vec<_> = std::iter::once(at.clone()).chain(lengths).collect();
        check_constant("window", &args, &format!("{shape} {expected}"));
    }
    check_constant("window", &[at.clone(), s("1 month")], "! CANNOT_PARSE_INTERVAL");
    check_constant("window", &[at.clone(), s("2 days"), s("1 day")], "! UNSUPPORTED_FEATURE");
    check("window_time", &[row(at.clone(), at)], "timestamp 2016-03-11 09:00:06.999999");
    check("window_time", &[row(i(1), i(2))], "! DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
}

#[test]
fn an_element_is_put_into_an_array() {
    let array = ints(&[Some(1), Some(2)]);
    let cases = [
        (i(1), "[9, 1, 2]"),
        (i(3), "[1, 2, 9]"),
        (i(5), "[1, 2, NULL, NULL, 9]"),
        (i(-1), "[1, 2, 9]"),
        (i(-3), "[9, 1, 2]"),
        (i(-5), "[9, NULL, NULL, 1, 2]"),
    ];
    for (place, expected) in cases {
        let expected = format!("array<int> {expected}");
        check("array_insert", &[array.clone(), place, i(9)], &expected);
    }
    check("array_insert", &[array.clone(), i(0), i(9)], "! INVALID_INDEX_OF_ZERO");
    check(
        "array_insert",
        &[array, i(i32::MIN), i(9)],
        "! COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER",
    );
}

#[test]
fn chance_is_drawn_as_spark_draws_it() {
    crate::TaskState::new(0).enter();
    check_constant("randstr", &[i(16), i(3)], "string fl9YtT5m01trZtIt");
    crate::TaskState::new(0).enter();
    check_constant("uniform", &[i(5), i(105), i(3)], "int 71");
    check_constant("randstr", &[i(-1)], "! INVALID_PARAMETER_VALUE.LENGTH");
    check_constant("shuffle", &[ints(&[Some(1), Some(1)]), i(3)], "array<int> [1, 1]");
    let entries = map(DataType::Utf8, DataType::Int32);
    check_constant("shuffle", &[null(entries)], "! DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
}

#[test]
fn intervals_show_the_fields_of_their_type() {
    let hours = ScalarValue::DurationMicrosecond(Some(-97_200_000_000));
    let array = hours.to_array().unwrap();
    let cases = [
        ((0, 0), "INTERVAL '-1' DAY"),
        ((0, 1), "INTERVAL '-1 03' DAY TO HOUR"),
        ((1, 1), "INTERVAL '-27' HOUR"),
        ((1, 3), "INTERVAL '-27:00:00' HOUR TO SECOND"),
        ((0, 3), "INTERVAL '-1 03:00:00' DAY TO SECOND"),
    ];
    for (fields, expected) in cases {
        assert_eq!(crate::fields_text(&array, 0, fields).unwrap(), expected);
    }
    let months = ScalarValue::IntervalYearMonth(Some(14)).to_array().unwrap();
    assert_eq!(crate::fields_text(&months, 0, (0, 1)).unwrap(), "INTERVAL '1-2' YEAR TO MONTH");
    assert_eq!(crate::fields_text(&months, 0, (1, 1)).unwrap(), "INTERVAL '14' MONTH");
}
