//! Construction of intervals, and arithmetic on timestamps in units.

use super::*;

#[test]
fn intervals_are_made_of_parts() {
    check("make_interval", &[], "interval 0 seconds");
    check("make_interval", &[i(1), i(2), i(1), i(3)], "interval 1 years 2 months 10 days");
    let parts = [i(0), i(0), i(0), i(0), i(1), i(2), dec(3_500_000, 18, 6)];
    check("make_interval", &parts, "interval 1 hours 2 minutes 3.5 seconds");
    check("make_interval", &[i(i32::MAX)], "! ARITHMETIC_OVERFLOW");
    check("try_make_interval", &[i(i32::MAX)], "interval NULL");
    check(
        "make_ym_interval",
        &[i(1), i(-3)],
        "interval year to month INTERVAL '0-9' YEAR TO MONTH",
    );
    check(
        "make_dt_interval",
        &[i(1), i(2)],
        "interval day to second INTERVAL '1 02:00:00' DAY TO SECOND",
    );
    check("make_dt_interval", &[i(1), N], "interval day to second NULL");
}

#[test]
fn timestamps_are_moved_and_counted_in_units() {
    let time = ts("2024-01-31 10:00:00");
    check_constant(
        "timestampadd",
        &[s("month"), i(1), time.clone()],
        "timestamp 2024-02-29 10:00:00",
    );
    check_constant(
        "timestampadd",
        &[s("HOUR"), i(-11), time.clone()],
        "timestamp 2024-01-30 23:00:00",
    );
    check_constant(
        "timestampadd",
        &[s("CENTURY"), i(1), time.clone()],
        "! INVALID_PARAMETER_VALUE.DATETIME_UNIT",
    );
    check_constant(
        "timestampdiff",
        &[s("MONTH"), time.clone(), ts("2024-03-31 09:59:59")],
        "bigint 1",
    );
    check_constant(
        "timestampdiff",
        &[s("MONTH"), ts("2024-03-31 09:59:59"), time.clone()],
        "bigint -1",
    );
    check_constant("timestampdiff", &[s("DAY"), time.clone(), date("2024-02-02")], "bigint 1");
    check(
        "convert_timezone",
        &[s("Europe/Brussels"), s("America/Los_Angeles"), s("2021-12-06 00:00:00")],
        "timestamp_ntz 2021-12-05 15:00:00",
    );
    let parts = [i(2024), i(13), i(1), i(0), i(0), i(0)];
    check("make_timestamp", &parts, "! DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION");
    check("try_make_timestamp", &parts, "timestamp NULL");
}

fn days(count: i64) -> ScalarValue {
    ScalarValue::DurationMicrosecond(Some(count * 86_400_000_000))
}

fn hours(count: i64) -> ScalarValue {
    ScalarValue::DurationMicrosecond(Some(count * 3_600_000_000))
}

#[test]
fn text_moves_as_a_timestamp_and_stays_text() {
    check("+", &[s("2024-03-09 12:00:00"), days(1)], "string 2024-03-10 12:00:00");
    check("+", &[hours(2), s("2024-03-09 12:00:00")], "string 2024-03-09 14:00:00");
    check("-", &[s("2024-01-01"), hours(1)], "string 2023-12-31 23:00:00");
    check("+", &[s("abc"), days(1)], "! CAST_INVALID_INPUT");
    check_legacy("+", &[s("abc"), days(1)], "string NULL");
    let month = ScalarValue::IntervalYearMonth(Some(1));
    check("-", &[s("2024-03-31"), month.clone()], "! DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
    check("+", &[month, s("2024-03-31")], "! DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
    check("div", &[days(1), hours(5)], "bigint 4");
    check("div", &[days(1), hours(0)], "! DIVIDE_BY_ZERO");
    check_legacy("div", &[days(1), hours(0)], "bigint NULL");
    check("+", &[date("2024-01-01"), i(1)], "date 2024-01-02");
    check("+", &[date("2024-01-01"), l(1)], "! DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
    check(
        "+",
        &[date("2024-01-01"), date("2024-01-01")],
        "! DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
    );
    check("/", &[days(1), i(0)], "! INTERVAL_DIVIDED_BY_ZERO");
    check("try_divide", &[days(1), i(0)], "interval day to second NULL");
}

#[test]
fn the_clock_goes_on_over_its_changes() {
    // In Los Angeles, DST starts on 10 March 2024 at 2:00 and ends on 3 November at 2:00.
    let ctx = Context { time_zone: "America/Los_Angeles".to_owned(), ..Context::default() };
    let check = |name: &str, values: &[ScalarValue], expected: &str| {
        check_in(name, values, expected, &ctx, true);
    };
    let interval = |months: i32, days: i32, hours: i64| {
        let value =
            arrow::datatypes::IntervalMonthDayNano::new(months, days, hours * 3_600_000_000_000);
        ScalarValue::IntervalMonthDayNano(Some(value))
    };
    let noon = ts("2024-03-09 20:00:00");
    check("+", &[noon.clone(), days(1)], "timestamp 2024-03-10 12:00:00");
    check("+", &[noon.clone(), interval(0, 0, 24)], "timestamp 2024-03-10 13:00:00");
    // Into the gap of the DST transition, and out of it again.
    check("+", &[ts("2024-03-09 10:30:00"), days(1)], "timestamp 2024-03-10 03:30:00");
    check("+", &[ts("2024-02-10 10:30:00"), interval(1, 1, 0)], "timestamp 2024-03-11 03:30:00");
    // The second occurrence of 1:30 on that day stays the second.
    let second = ts("2024-11-03 09:30:00");
    check("-", &[second.clone(), days(0)], "timestamp 2024-11-03 01:30:00");
    let first = ts("2024-11-03 08:30:00");
    check(
        "-",
        &[second, first.clone()],
        "interval day to second INTERVAL '0 00:00:00' DAY TO SECOND",
    );
    check(
        "-",
        &[ts("2024-11-04 08:00:00"), ts("2024-11-03 07:00:00")],
        "interval day to second INTERVAL '1 00:00:00' DAY TO SECOND",
    );
    check(
        "-",
        &[ts("2024-03-11 07:00:00"), ts("2024-03-10 08:00:00")],
        "interval day to second INTERVAL '1 00:00:00' DAY TO SECOND",
    );
}
