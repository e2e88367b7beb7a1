//! Aliases and rare uses of functions, with Spark's results.

use super::*;

#[test]
fn angles_and_logarithms() {
    check("acos", &[d(0.5)], "double 1.0471975511965979");
    check("acos", &[d(2.0)], "double NaN");
    check("acosh", &[d(2.0)], "double 1.3169578969248166");
    check("acosh", &[d(0.5)], "double NaN");
    check("asin", &[d(0.5)], "double 0.5235987755982989");
    check("asin", &[d(-2.0)], "double NaN");
    check("asinh", &[d(1.5)], "double 1.1947632172871094");
    check("atan", &[d(1.0)], "double 0.7853981633974483");
    check("atanh", &[d(0.5)], "double 0.5493061443340548");
    check("atanh", &[d(2.0)], "double NaN");
    check("cbrt", &[d(27.0)], "double 3.0");
    check("cbrt", &[d(-8.0)], "double -2.0");
    check("cos", &[d(0.0)], "double 1.0");
    check("cos", &[d(1.0)], "double 0.5403023058681398");
    check("cosh", &[d(0.0)], "double 1.0");
    check("cot", &[d(1.0)], "double 0.6420926159343306");
    check("csc", &[d(1.0)], "double 1.1883951057781212");
    check("sec", &[d(1.0)], "double 1.8508157176809255");
    check("sin", &[d(1.0)], "double 0.8414709848078965");
    check("sinh", &[d(1.0)], "double 1.1752011936438014");
    check("tan", &[d(1.0)], "double 1.5574077246549023");
    check("tanh", &[d(1.0)], "double 0.7615941559557649");
    check("degrees", &[d(std::f64::consts::PI)], "double 180.0");
    check("radians", &[d(180.0)], "double 3.141592653589793");
    check("expm1", &[d(1.0)], "double 1.718281828459045");
    check("log1p", &[d(1.0)], "double 0.6931471805599453");
    check("log1p", &[d(-1.0)], "double NULL");
    check("log2", &[d(8.0)], "double 3.0");
    check("log2", &[d(0.0)], "double NULL");
    check("sign", &[d(-2.5)], "double -1.0");
    check("atan2", &[d(1.0), d(-1.0)], "double 2.356194490192345");
    check("atan2", &[d(-0.0), d(-1.0)], "double 3.141592653589793");
    check("power", &[i(2), i(10)], "double 1024.0");
    check("power", &[d(2.0), d(-1.0)], "double 0.5");
    check("ceiling", &[d(-0.5)], "bigint 0");
    check("ceiling", &[dec(1234, 4, 2)], "decimal(3,0) 13");
}

#[test]
fn arrays_bits_and_text() {
    check("array_prepend", &[ints(&[Some(1), Some(2)]), i(0)], "array<int> [0, 1, 2]");
    check(
        "array_prepend",
        &[ints(&[Some(1), None]), ScalarValue::Int32(None)],
        "array<int> [NULL, 1, NULL]",
    );
    check("array_size", &[ints(&[Some(1), None, Some(3)])], "int 3");
    check("array_size", &[ints(&[Some(1)])], "int 1");
    check("cardinality", &[ints(&[Some(1), Some(2)])], "int 2");
    check("bit_get", &[i(11), i(0)], "tinyint 1");
    check("bit_get", &[i(11), i(2)], "tinyint 0");
    check("bit_get", &[i(11), i(32)], "! INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE");
    check("getbit", &[l(4), i(2)], "tinyint 1");
    check("getbit", &[i(1), i(-1)], "! INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE");
    check("bit_length", &[s("Spark SQL")], "int 72");
    check("bit_length", &[s("é")], "int 16");
    check("lcase", &[s("SparkSQL")], "string sparksql");
    check("ucase", &[s("SparkSql")], "string SPARKSQL");
    check("ucase", &[s("straße")], "string STRASSE");
    check("printf", &[s("Hello World %d %s"), i(100), s("days")], "string Hello World 100 days");
    check("printf", &[s("%05d|%-4s|%.2f"), i(42), s("a"), d(1.005)], "string 00042|a   |1.01");
    check("regexp_like", &[s("%SystemDrive%"), s("^%S")], "boolean true");
    check("regexp_like", &[s("abc"), s("B")], "boolean false");
    check(
        "regexp_substr",
        &[s("Steven Jones and Stephen Smith"), s("Ste(v|ph)en")],
        "string Steven",
    );
    check("regexp_substr", &[s("abc"), s("z")], "string NULL");
    check("sha", &[s("Spark")], "string 85f5955f4b27a9a4c2aab6ffe5d7189fc298b92c");
    check("shiftright", &[i(4), i(1)], "int 2");
    check("shiftright", &[i(-4), i(1)], "int -2");
    check("shiftright", &[l(8), i(65)], "bigint 4");
    check("equal_null", &[i(3), i(3)], "boolean true");
    check("equal_null", &[i(1), s("11")], "boolean false");
    check("equal_null", &[N, N], "boolean true");
    check("equal_null", &[i(1), ScalarValue::Int32(None)], "boolean false");
    check("ifnull", &[ScalarValue::Int32(None), i(3)], "int 3");
    check("ifnull", &[i(1), i(2)], "int 1");
    check("nanvl", &[d(f64::NAN), d(123.0)], "double 123.0");
    check("nanvl", &[d(1.5), i(123)], "double 1.5");
    check("nullifzero", &[i(0)], "int NULL");
    check("nullifzero", &[i(2)], "int 2");
    check("nullifzero", &[d(-0.0)], "double NULL");
}

#[test]
fn dates_and_timestamps() {
    check("date_diff", &[date("2009-07-31"), date("2009-07-30")], "int 1");
    check("date_diff", &[date("2009-07-30"), date("2009-07-31")], "int -1");
    check("date_from_unix_date", &[i(1)], "date 1970-01-02");
    check("date_from_unix_date", &[i(-1)], "date 1969-12-31");
    check("dateadd", &[date("2016-07-30"), i(1)], "date 2016-07-31");
    check("dateadd", &[date("2016-03-01"), i(-1)], "date 2016-02-29");
    check_constant("datepart", &[s("YEAR"), ts("2019-08-12 01:00:00.123456")], "int 2019");
    check_constant("datepart", &[s("week"), date("2019-08-12")], "int 33");
    check_constant(
        "datepart",
        &[s("SECONDS"), ts("2019-08-12 01:00:05.001")],
        "decimal(8,6) 5.001000",
    );
    check(
        "make_timestamp_ltz",
        &[i(2014), i(12), i(28), i(6), i(30), dec(45_887_000, 18, 6)],
        "timestamp 2014-12-28 06:30:45.887",
    );
    check(
        "make_timestamp_ltz",
        &[i(2014), i(12), i(28), i(6), i(30), dec(45_887_000, 18, 6), s("CET")],
        "timestamp 2014-12-28 05:30:45.887",
    );
    check(
        "make_timestamp_ntz",
        &[i(2014), i(12), i(28), i(6), i(30), dec(60_000_000, 18, 6)],
        "timestamp_ntz 2014-12-28 06:31:00",
    );
    check(
        "make_timestamp_ntz",
        &[i(2024), i(13), i(22), i(15), i(30), dec(0, 18, 6)],
        "! DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION",
    );
    check(
        "try_make_timestamp_ltz",
        &[i(2024), i(13), i(22), i(15), i(30), dec(0, 18, 6)],
        "timestamp NULL",
    );
    check(
        "try_make_timestamp_ltz",
        &[i(2024), i(1), i(22), i(15), i(30), dec(0, 18, 6)],
        "timestamp 2024-01-22 15:30:00",
    );
    check(
        "try_make_timestamp_ntz",
        &[i(2024), i(13), i(22), i(15), i(30), dec(0, 18, 6)],
        "timestamp_ntz NULL",
    );
    check(
        "try_make_timestamp_ntz",
        &[i(2024), i(1), i(22), i(15), i(30), dec(0, 18, 6)],
        "timestamp_ntz 2024-01-22 15:30:00",
    );
}

#[test]
fn numbers_and_text_as_times() {
    check("timestamp_micros", &[l(1_230_219_000_123_123)], "timestamp 2008-12-25 15:30:00.123123");
    check("timestamp_micros", &[i(-1)], "timestamp 1969-12-31 23:59:59.999999");
    check("unix_date", &[date("1970-01-02")], "int 1");
    check("unix_millis", &[ts("1970-01-01 00:00:01.5")], "bigint 1500");
    check("unix_millis", &[ts("1969-12-31 23:59:59.9995")], "bigint -1");
    check("to_timestamp_ltz", &[s("2016-12-31 00:12:00")], "timestamp 2016-12-31 00:12:00");
    check_constant(
        "to_timestamp_ltz",
        &[s("2016-12-31"), s("yyyy-MM-dd")],
        "timestamp 2016-12-31 00:00:00",
    );
    check("to_timestamp_ntz", &[s("2016-12-31 00:12:00")], "timestamp_ntz 2016-12-31 00:12:00");
    check_constant(
        "to_timestamp_ntz",
        &[s("2016-12-31"), s("yyyy-MM-dd")],
        "timestamp_ntz 2016-12-31 00:00:00",
    );
    check("to_timestamp_ntz", &[s("x")], "! CAST_INVALID_INPUT");
    check_constant("to_unix_timestamp", &[s("2016-04-08"), s("yyyy-MM-dd")], "bigint 1460073600");
    check("to_unix_timestamp", &[ts("2016-04-08 00:00:01")], "bigint 1460073601");
    check("try_to_date", &[s("2016-12-31")], "date 2016-12-31");
    check("try_to_date", &[s("foo")], "date NULL");
    check_constant("try_to_date", &[s("2016-12-31"), s("yyyy-MM-dd")], "date 2016-12-31");
    check_constant("try_to_date", &[s("2016-99"), s("yyyy-MM")], "date NULL");
}

#[test]
fn what_is_tried_or_asserted() {
    check("try_mod", &[i(3), i(2)], "int 1");
    check("try_mod", &[i(3), i(0)], "int NULL");
    check("try_mod", &[l(-7), i(3)], "bigint -1");
    check("try_multiply", &[i(2), i(3)], "int 6");
    check("try_multiply", &[i(i32::MIN), i(10)], "int NULL");
    check("try_subtract", &[i(2), i(1)], "int 1");
    check("try_subtract", &[i(i32::MIN), i(1)], "int NULL");
    check("try_subtract", &[date("2021-01-02"), i(1)], "date 2021-01-01");
    check("assert_true", &[b(true)], "void NULL");
    check("assert_true", &[b(false)], "! USER_RAISED_EXCEPTION");
}

#[test]
fn what_the_session_knows() {
    let ctx = Context {
        time_zone: "Europe/Berlin".to_owned(),
        now_micros: 1_704_067_200_000_000,
        user: "ada".to_owned(),
        database: "shop".to_owned(),
        ..Context::default()
    };
    for (name, expected) in [
        ("curdate", "date 2024-01-01"),
        ("current_schema", "string shop"),
        ("current_timezone", "string Europe/Berlin"),
        ("current_user", "string ada"),
        ("session_user", "string ada"),
        ("localtimestamp", "timestamp_ntz 2024-01-01 01:00:00"),
    ] {
        check_in(name, &[], expected, &ctx, false);
    }
    crate::TaskState::new(0).enter();
    let first = call("random", &[i(0)], false, &ctx);
    crate::TaskState::new(0).enter();
    assert_eq!(first, call("rand", &[i(0)], false, &ctx));
}
