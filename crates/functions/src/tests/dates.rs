//! Dates and times.

use super::*;

const DAY: i64 = crate::calendar::MICROS_PER_DAY;

fn day_time(micros: i64) -> ScalarValue {
    ScalarValue::DurationMicrosecond(Some(micros))
}

#[test]
fn fields() {
    let time = ts("2019-08-12 01:02:03.123456");
    let cases = [
        ("year", "int 2019"),
        ("quarter", "int 3"),
        ("month", "int 8"),
        ("day", "int 12"),
        ("dayofweek", "int 2"),
        ("weekday", "int 0"),
        ("dayofyear", "int 224"),
        ("weekofyear", "int 33"),
        ("hour", "int 1"),
        ("minute", "int 2"),
        ("second", "int 3"),
        ("monthname", "string Aug"),
        ("dayname", "string Mon"),
    ];
    for (name, expected) in cases {
        check(name, std::slice::from_ref(&time), expected);
    }
    check("year", &[s("2016-07-30")], "int 2016");
    check_constant("extract", &[s("YEAR"), time.clone()], "int 2019");
    check_constant("date_part", &[s("SECONDS"), time], "decimal(8,6) 3.123456");
    check_constant("extract", &[s("century"), date("2019-01-01")], "! INVALID_EXTRACT_FIELD");
}

#[test]
fn arithmetic() {
    check("date_add", &[date("2016-07-30"), i(1)], "date 2016-07-31");
    check("date_add", &[date("2024-01-01"), i(i32::MAX)], "date -5877587-06-21");
    check("date_sub", &[date("2024-01-01"), i(i32::MIN)], "date -5877587-06-22");
    check("monthname", &[ScalarValue::Date32(Some(i32::MAX))], "string Jul");
    check("date_sub", &[s("2016-07-30"), i(1)], "date 2016-07-29");
    check("datediff", &[date("2009-07-31"), date("2009-07-30")], "int 1");
    check("add_months", &[date("2016-08-31"), i(1)], "date 2016-09-30");
    check("months_between", &[ts("1997-02-28 10:30:00"), ts("1996-10-30")], "double 3.94959677");
    check("last_day", &[date("2009-01-12")], "date 2009-01-31");
    check("next_day", &[date("2015-01-14"), s("TU")], "date 2015-01-20");
    check("trunc", &[date("2019-08-04"), s("week")], "date 2019-07-29");
    check("trunc", &[date("2009-02-12"), s("MM")], "date 2009-02-01");
    check(
        "date_trunc",
        &[s("HOUR"), ts("2015-03-05 09:32:05.359")],
        "timestamp 2015-03-05 09:00:00",
    );
    check(
        "date_trunc",
        &[s("QUARTER"), ts("2015-05-05 09:32:05")],
        "timestamp 2015-04-01 00:00:00",
    );
    check("+", &[date("2024-01-31"), ScalarValue::IntervalYearMonth(Some(1))], "date 2024-02-29");
    check_constant("-", &[date("1998-12-01"), day_time(90 * DAY)], "date 1998-09-02");
    check("+", &[ts("2024-01-01"), day_time(DAY / 2)], "timestamp 2024-01-01 12:00:00");
    check(
        "-",
        &[date("2024-01-03"), date("2024-01-01")],
        "interval day to second INTERVAL '2 00:00:00' DAY TO SECOND",
    );
    check(
        "-",
        &[ts("2024-01-03"), ts("2024-01-01")],
        "interval day to second INTERVAL '2 00:00:00' DAY TO SECOND",
    );
    check(
        "*",
        &[day_time(DAY), i(2)],
        "interval day to second INTERVAL '2 00:00:00' DAY TO SECOND",
    );
    check("+", &[date("2024-01-01"), i(3)], "date 2024-01-04");
}

#[test]
fn making_writing_and_reading() {
    check("make_date", &[i(2013), i(7), i(15)], "date 2013-07-15");
    check("make_date", &[i(2019), i(13), i(1)], "! DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION");
    check(
        "make_timestamp",
        &[i(2014), i(12), i(28), i(6), i(30), d(45.887)],
        "timestamp 2014-12-28 06:30:45.887",
    );
    check("date_format", &[ts("2016-04-08 13:05:09"), s("y")], "string 2016");
    check(
        "date_format",
        &[ts("2016-04-08 13:05:09.12"), s("EEEE, d MMM yyyy 'at' hh:mm:ss.SSS a XXX")],
        "string Friday, 8 Apr 2016 at 01:05:09.120 PM Z",
    );
    check("date_format", &[date("2016-04-08"), s("yyyy/MM/dd")], "string 2016/04/08");
    check("to_date", &[s("2016-12-31"), s("yyyy-MM-dd")], "date 2016-12-31");
    check("to_date", &[s("2009-07-30 04:17:52")], "date 2009-07-30");
    check(
        "to_timestamp",
        &[s("2016-12-31 10"), s("yyyy-MM-dd HH")],
        "timestamp 2016-12-31 10:00:00",
    );
    check("to_timestamp", &[s("31.12.2016"), s("yyyy-MM-dd")], "! CANNOT_PARSE_TIMESTAMP");
    check("try_to_timestamp", &[s("31.12.2016"), s("yyyy-MM-dd")], "timestamp NULL");
    check("unix_timestamp", &[s("1970-01-02"), s("yyyy-MM-dd")], "bigint 86400");
    check("from_unixtime", &[i(0), s("yyyy-MM-dd HH:mm:ss")], "string 1970-01-01 00:00:00");
    check("timestamp_seconds", &[d(1.5)], "timestamp 1970-01-01 00:00:01.5");
    check("timestamp_millis", &[l(1500)], "timestamp 1970-01-01 00:00:01.5");
    check("unix_micros", &[ts("1970-01-01 00:00:01")], "bigint 1000000");
    check(
        "from_utc_timestamp",
        &[ts("2016-08-31"), s("Asia/Seoul")],
        "timestamp 2016-08-31 09:00:00",
    );
    check(
        "to_utc_timestamp",
        &[ts("2016-08-31"), s("Asia/Seoul")],
        "timestamp 2016-08-30 15:00:00",
    );
    check_constant("current_date", &[], "date 1970-01-01");
}

#[test]
fn a_zone_has_a_short_name_that_changes_with_the_clock() {
    for (zone, time, expected) in [
        ("America/Los_Angeles", "2024-07-01 12:00:00", "string PDT PDT America/Los_Angeles"),
        ("America/Los_Angeles", "2024-01-01 12:00:00", "string PST PST America/Los_Angeles"),
        ("Europe/Berlin", "2024-07-01 12:00:00", "string CEST CEST Europe/Berlin"),
        ("+02:00", "2024-07-01 12:00:00", "string +02:00 +02:00 +02:00"),
        ("UTC", "2024-07-01 12:00:00", "string UTC UTC UTC"),
    ] {
        let ctx = Context { time_zone: zone.to_owned(), ..Context::default() };
        check_in("date_format", &[ts(time), s("z zzz VV")], expected, &ctx, true);
    }
}
