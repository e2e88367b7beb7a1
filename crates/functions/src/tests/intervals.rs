//! Intervals made of parts, and timestamps moved and counted in units.

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
