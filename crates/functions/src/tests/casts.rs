//! Casts.

use super::*;
use crate::CastMode::{Ansi, Legacy, Try};
use DataType::{Binary, Boolean, Date32, Decimal128, Float32, Float64, Int8, Int32, Int64, Utf8};

#[test]
fn texts_become_numbers() {
    check_cast(s(" 12 "), &Int32, Ansi, "int 12");
    check_cast(s("1.5"), &Int32, Ansi, "! CAST_INVALID_INPUT");
    check_cast(s("1.5"), &Int32, Legacy, "int 1");
    check_cast(s("x"), &Int32, Try, "int NULL");
    check_cast(s("128"), &Int8, Ansi, "! CAST_INVALID_INPUT");
    check_cast(s("1e3"), &Float64, Ansi, "double 1000.0");
    check_cast(s("-Infinity"), &Float64, Ansi, "double -Infinity");
    check_cast(s("nan"), &Float64, Ansi, "double NaN");
    check_cast(s("1.5d"), &Float64, Ansi, "double 1.5");
    check_cast(s("12.345"), &Decimal128(5, 2), Ansi, "decimal(5,2) 12.35");
    check_cast(s("12345"), &Decimal128(5, 2), Ansi, "! NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION");
    check_cast(s("Yes"), &Boolean, Ansi, "boolean true");
    check_cast(s("maybe"), &Boolean, Ansi, "! CAST_INVALID_INPUT");
}

#[test]
fn numbers_become_numbers() {
    check_cast(l(3_000_000_000), &Int32, Ansi, "! CAST_OVERFLOW");
    check_cast(l(3_000_000_000), &Int32, Legacy, "int -1294967296");
    check_cast(l(3_000_000_000), &Int32, Try, "int NULL");
    check_cast(d(1.9), &Int32, Ansi, "int 1");
    check_cast(d(-1.9), &Int64, Ansi, "bigint -1");
    check_cast(d(1e20), &Int64, Ansi, "! CAST_OVERFLOW");
    check_cast(d(f64::NAN), &Int32, Legacy, "int 0");
    check_cast(dec(199, 3, 2), &Int32, Ansi, "int 1");
    check_cast(i(5), &Decimal128(4, 2), Ansi, "decimal(4,2) 5.00");
    check_cast(i(500), &Decimal128(4, 2), Ansi, "! NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION");
    check_cast(d(0.1), &Decimal128(10, 3), Ansi, "decimal(10,3) 0.100");
    check_cast(dec(125, 3, 2), &Decimal128(2, 1), Ansi, "decimal(2,1) 1.3");
    check_cast(dec(11, 2, 1), &Float64, Ansi, "double 1.1");
    check_cast(i(2), &Boolean, Ansi, "boolean true");
    check_cast(b(true), &Int32, Ansi, "int 1");
}

#[test]
fn values_become_text_as_in_java() {
    let cases = [
        (1.0, "1.0"),
        (0.1, "0.1"),
        (1e7, "1.0E7"),
        (9_999_999.0, "9999999.0"),
        (123_456_789.0, "1.23456789E8"),
        (0.001, "0.001"),
        (0.000_1, "1.0E-4"),
        (-0.0, "-0.0"),
        (100.0, "100.0"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
    ];
    for (value, text) in cases {
        check_cast(d(value), &Utf8, Ansi, &format!("string {text}"));
    }
    check_cast(ScalarValue::from(0.1_f32), &Utf8, Ansi, "string 0.1");
    check_cast(dec(-5, 5, 2), &Utf8, Ansi, "string -0.05");
    check_cast(b(true), &Utf8, Ansi, "string true");
    check_cast(date("2024-02-29"), &Utf8, Ansi, "string 2024-02-29");
    check_cast(ts("2024-02-29 01:02:03.450"), &Utf8, Ansi, "string 2024-02-29 01:02:03.45");
    check_cast(bin(b"abc"), &Utf8, Ansi, "string abc");
    check_cast(ints(&[Some(1), None]), &Utf8, Ansi, "string [1, null]");
    check_cast(s("abc"), &Binary, Ansi, "binary [61 62 63]");
    check_cast(
        ScalarValue::DurationMicrosecond(Some(93_784_500_000)),
        &Utf8,
        Ansi,
        "string INTERVAL '1 02:03:04.5' DAY TO SECOND",
    );
    check_cast(
        ScalarValue::IntervalYearMonth(Some(14)),
        &Utf8,
        Ansi,
        "string INTERVAL '1-2' YEAR TO MONTH",
    );
}

#[test]
fn texts_become_dates_and_times() {
    check_cast(s("2024-2-9"), &Date32, Ansi, "date 2024-02-09");
    check_cast(s("2024-02"), &Date32, Ansi, "date 2024-02-01");
    check_cast(s("2024-02-30"), &Date32, Ansi, "! CAST_INVALID_INPUT");
    check_cast(s("2024-02-03T10"), &Date32, Ansi, "date 2024-02-03");
    let timestamp = crate::types::timestamp();
    check_cast(s("2024-02-03 04:05:06.789"), &timestamp, Ansi, "timestamp 2024-02-03 04:05:06.789");
    check_cast(s("2024-02-03T04:05:06+02:00"), &timestamp, Ansi, "timestamp 2024-02-03 02:05:06");
    check_cast(
        s("2024-02-03 04:05"),
        &crate::types::TIMESTAMP_NTZ,
        Ansi,
        "timestamp_ntz 2024-02-03 04:05:00",
    );
    check_cast(s("nonsense"), &timestamp, Try, "timestamp NULL");
    check_cast(date("2024-02-03"), &timestamp, Ansi, "timestamp 2024-02-03 00:00:00");
    check_cast(ts("2024-02-03 04:05:06"), &Date32, Ansi, "date 2024-02-03");
    check_cast(ts("1970-01-01 00:01:00"), &Int64, Ansi, "bigint 60");
    check_cast(l(60), &timestamp, Ansi, "timestamp 1970-01-01 00:01:00");
    check_cast(date("2024-02-03"), &Int32, Ansi, "! DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION");
    check_cast(ints(&[Some(1)]), &list(Float32), Ansi, "array<float> [1.0]");
    check_cast(strs(&["1", "2"]), &list(Int32), Ansi, "array<int> [1, 2]");
}

#[test]
fn a_time_zone_moves_the_clock() {
    let ctx = Context { time_zone: "America/New_York".to_owned(), ..Context::default() };
    check_in("date", &[ts("2024-02-03 04:05:06")], "date 2024-02-02", &ctx, true);
    check_in("hour", &[ts("2024-02-03 04:05:06")], "int 23", &ctx, true);
    check_in(
        "to_timestamp",
        &[s("2024-02-03 04:05:06")],
        "timestamp 2024-02-03 04:05:06",
        &ctx,
        true,
    );
    check_in("unix_seconds", &[s("1970-01-01 00:00:00")], "bigint 18000", &ctx, true);
}
