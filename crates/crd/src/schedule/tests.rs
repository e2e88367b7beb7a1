//! When schedules are due.

use super::*;

fn instant(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// Checks the next times after an instant, all in the schedule's zone.
fn check(schedule: &str, zone: Option<&str>, after: &str, expected: &[&str]) {
    let parsed = Schedule::parse(schedule, zone).unwrap_or_else(|error| panic!("{error}"));
    let mut now = instant(after);
    for expected in expected {
        let next = parsed.next_after(now).unwrap_or_else(|| panic!("{schedule} is never due"));
        assert_eq!(next, instant(expected), "{schedule} in {zone:?} after {now}");
        now = next;
    }
}

#[test]
fn the_next_time_is_the_first_that_all_fields_allow() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("* * * * *", "2026-07-09T14:45:30Z", &["2026-07-09T14:46:00Z", "2026-07-09T14:47:00Z"]),
        ("*/15 * * * *", "2026-07-09T14:45:00Z", &["2026-07-09T15:00:00Z"]),
        (
            "20-35/15 * * * *",
            "2026-07-09T14:46:00Z",
            &["2026-07-09T15:20:00Z", "2026-07-09T15:35:00Z"],
        ),
        (
            "5/20 3 * * *",
            "2026-07-09T00:00:00Z",
            &[
                "2026-07-09T03:05:00Z",
                "2026-07-09T03:25:00Z",
                "2026-07-09T03:45:00Z",
                "2026-07-10T03:05:00Z",
            ],
        ),
        (
            "30 4 1,15 * *",
            "2026-01-20T00:00:00Z",
            &["2026-02-01T04:30:00Z", "2026-02-15T04:30:00Z"],
        ),
        ("0 9 * * mon-fri", "2026-07-10T09:00:00Z", &["2026-07-13T09:00:00Z"]),
        ("0 0 * * SUN", "2026-07-06T00:00:00Z", &["2026-07-12T00:00:00Z"]),
        ("0 0 29 feb *", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("0 0 29 2 *", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]),
        ("0 0 31 * *", "2026-01-31T00:00:00Z", &["2026-03-31T00:00:00Z"]),
        ("59 23 31 12 ?", "2026-12-31T23:59:00Z", &["2027-12-31T23:59:00Z"]),
        // Both kinds of days are restricted: either is enough.
        (
            "0 0 13 * fri",
            "2026-11-01T00:00:00Z",
            &["2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"],
        ),
        ("0 0 13 * *", "2026-11-14T00:00:00Z", &["2026-12-13T00:00:00Z"]),
        // A step restricts, a star does not.
        (
            "0 0 */10 * sun",
            "2026-11-01T00:00:00Z",
            &["2026-11-08T00:00:00Z", "2026-11-11T00:00:00Z"],
        ),
        ("@hourly", "2026-07-09T14:45:30Z", &["2026-07-09T15:00:00Z"]),
        ("@daily", "2026-07-09T14:45:30Z", &["2026-07-10T00:00:00Z"]),
        ("@midnight", "2026-07-09T00:00:00Z", &["2026-07-10T00:00:00Z"]),
        ("@weekly", "2026-07-09T00:00:00Z", &["2026-07-12T00:00:00Z"]),
        ("@monthly", "2026-07-09T00:00:00Z", &["2026-08-01T00:00:00Z"]),
        ("@yearly", "2026-07-09T00:00:00Z", &["2027-01-01T00:00:00Z"]),
        ("@annually", "2026-07-09T00:00:00Z", &["2027-01-01T00:00:00Z"]),
        ("@every 3m", "2026-07-09T14:45:30.7Z", &["2026-07-09T14:48:30Z", "2026-07-09T14:51:30Z"]),
        ("@every 1h30m", "2026-07-09T23:00:00Z", &["2026-07-10T00:30:00Z"]),
        ("@every 1.5h", "2026-07-09T23:00:00Z", &["2026-07-10T00:30:00Z"]),
    ];
    for (schedule, after, expected) in cases {
        check(schedule, None, after, expected);
    }
}

#[test]
fn a_schedule_follows_the_clocks_of_its_zone() {
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("0 3 * * *", "Europe/Berlin", "2026-07-01T12:00:00Z", &["2026-07-02T01:00:00Z"]),
        ("0 3 * * *", "Europe/Berlin", "2026-01-01T12:00:00Z", &["2026-01-02T02:00:00Z"]),
        // The clocks go forward at 2: times between 2 and 3 do not occur that day.
        ("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", &["2026-03-09T06:30:00Z"]),
        ("0 * * * *", "America/New_York", "2026-03-08T06:00:00Z", &["2026-03-08T07:00:00Z"]),
        ("0 3 * * *", "America/New_York", "2026-03-07T12:00:00Z", &["2026-03-08T07:00:00Z"]),
        // The clocks go back at 2: times between 1 and 2 occur twice.
        (
            "0 1 * * *",
            "America/New_York",
            "2026-11-01T04:00:00Z",
            &["2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z", "2026-11-02T06:00:00Z"],
        ),
        (
            "*/30 1 * * *",
            "America/New_York",
            "2026-11-01T04:00:00Z",
            &[
                "2026-11-01T05:00:00Z",
                "2026-11-01T05:30:00Z",
                "2026-11-01T06:00:00Z",
                "2026-11-01T06:30:00Z",
                "2026-11-02T06:00:00Z",
            ],
        ),
        ("0 2 * * *", "America/New_York", "2026-11-01T04:00:00Z", &["2026-11-01T07:00:00Z"]),
        (
            "0 * * * *",
            "America/New_York",
            "2026-11-01T04:30:00Z",
            &["2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"],
        ),
        // Half an hour, on the other side of the world.
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T00:00:00Z",
            &["2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"],
        ),
        // The clocks go back one minute after midnight: yesterday comes again.
        (
            "30 23 * * *",
            "America/St_Johns",
            "2010-11-07T02:30:30Z",
            &["2010-11-07T03:00:00Z", "2010-11-08T03:00:00Z"],
        ),
        (
            "0,30 * * * *",
            "America/St_Johns",
            "2010-11-07T02:00:00Z",
            &["2010-11-07T02:30:00Z", "2010-11-07T03:00:00Z", "2010-11-07T03:30:00Z"],
        ),
        // Midnight does not exist on this day.
        ("0 0 * * *", "Asia/Beirut", "2026-03-28T12:00:00Z", &["2026-03-29T21:00:00Z"]),
        // Nor does a whole day.
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T23:00:00Z", &["2011-12-30T22:00:00Z"]),
        // A period is not affected.
        ("@every 1h", "America/New_York", "2026-03-08T06:30:00Z", &["2026-03-08T07:30:00Z"]),
    ];
    for (schedule, zone, after, expected) in cases {
        check(schedule, Some(zone), after, expected);
        if !schedule.starts_with('@') {
            check(&format!("TZ={zone} {schedule}"), None, after, expected);
            check(&format!("  CRON_TZ={zone}  {schedule} "), None, after, expected);
        }
    }
}

#[test]
fn the_local_zone_is_utc_and_takes_nothing_from_the_schedule() {
    let (after, due) = ("2026-07-01T00:00:00Z", "2026-07-01T12:00:00Z");
    for (text, zone) in [
        ("0 12 * * *", Some("Local")),
        ("0 12 * * *", Some("")),
        ("TZ=Local 0 12 * * *", None),
        ("TZ=UTC 0 12 * * *", Some("Local")),
    ] {
        check(text, zone, after, &[due]);
    }
}

#[test]
fn a_run_never_comes_at_or_before_the_last() {
    for (text, zone) in [
        ("*/7 */3 * * *", "Europe/London"),
        ("30 1,2 * 3,10 *", "Europe/London"),
        ("0 0 * * *", "America/Sao_Paulo"),
    ] {
        let schedule = Schedule::parse(text, Some(zone)).expect("a schedule");
        let mut now = instant("2017-01-01T00:00:00Z");
        for _ in 0..500 {
            let next = schedule.next_after(now).expect("it is due again");
            assert!(next > now, "{text} in {zone}: {next} after {now}");
            now = next;
        }
    }
}

#[test]
fn only_the_last_of_the_missed_runs_starts() {
    let cases = [
        // schedule, since, now, last due
        ("0 * * * *", "2026-07-01T00:00:00Z", "2026-07-01T00:59:59Z", None),
        ("0 * * * *", "2026-07-01T00:00:00Z", "2026-07-01T01:00:00Z", Some("2026-07-01T01:00:00Z")),
        ("0 * * * *", "2026-07-01T00:00:00Z", "2026-07-03T05:30:00Z", Some("2026-07-03T05:00:00Z")),
        ("* * * * *", "2020-01-01T00:00:00Z", "2026-07-03T05:30:30Z", Some("2026-07-03T05:30:00Z")),
        ("@yearly", "2020-05-01T00:00:00Z", "2026-07-03T00:00:00Z", Some("2026-01-01T00:00:00Z")),
        ("@yearly", "2026-05-01T00:00:00Z", "2026-07-03T00:00:00Z", None),
        ("@every 3m", "2026-07-01T00:00:00Z", "2026-07-01T00:02:59Z", None),
        ("@every 3m", "2026-07-01T00:00:00Z", "2026-07-01T00:10:00Z", Some("2026-07-01T00:09:00Z")),
        // A clock set back does not repeat a run.
        ("* * * * *", "2026-07-01T00:00:00Z", "2026-06-01T00:00:00Z", None),
        ("@every 3m", "2026-07-01T00:00:00Z", "2026-06-01T00:00:00Z", None),
    ];
    for (text, since, now, expected) in cases {
        let schedule = Schedule::parse(text, None).expect("a schedule");
        let due = schedule.last_due(instant(since), instant(now));
        assert_eq!(due, expected.map(instant), "{text} since {since} at {now}");
    }
}

#[test]
fn an_invalid_schedule_gives_the_reason() {
    let cases = [
        ("", None, "is not a schedule"),
        ("* * * *", None, "is not a schedule"),
        ("* * * * * *", None, "is not a schedule"),
        (
            "60 * * * *",
            None,
            "`60` cannot be the minutes of a schedule: 60 is not between 0 and 59",
        ),
        ("* 24 * * *", None, "the hours"),
        ("* * 0 * *", None, "the days of the month"),
        ("* * * 13 *", None, "the months"),
        ("* * * * 7", None, "7 is not between 0 and 6"),
        ("* * * * funday", None, "`funday` is not a number or a name such as `sun`"),
        ("5-1 * * * *", None, "5 comes after 1"),
        ("*/0 * * * *", None, "`0` is not a step"),
        ("*/99999999999999999999 * * * *", None, "is not a step"),
        ("1,,2 * * * *", None, "`` is not a number"),
        ("-1 * * * *", None, "is not a number"),
        ("+1 * * * *", None, "is not a number"),
        ("1-2-3 * * * *", None, "is not a number"),
        ("@sometimes", None, "there is no `@sometimes`"),
        ("@everything", None, "there is no `@everything`"),
        ("@every", None, "there is no `@every`"),
        ("@every soon", None, "`soon` is not a period"),
        ("@every 300ms", None, "at least one second"),
        ("@every -3m", None, "is not a period"),
        ("@every 3", None, "is not a period"),
        ("@every .h", None, "is not a period"),
        ("@every 99999999999999999h", None, "is not a period"),
        ("@every 1ö", None, "is not a period"),
        ("0 0 30 2 *", None, "`0 0 30 2 *` is never due"),
        ("TZ=Europe/Berlin", None, "is not a schedule"),
        ("TZ=Europe/Berlni 0 0 * * *", None, "did you mean `Europe/Berlin`?"),
        ("TZ= 0 0 * * *", None, "there is no time zone ``"),
        ("0 0 * * *", Some("Mars"), "there is no time zone `Mars`"),
        ("TZ=UTC 0 0 * * *", Some("Europe/Berlin"), "names the time zone UTC"),
    ];
    for (text, zone, expected) in cases {
        let error = match Schedule::parse(text, zone) {
            Ok(schedule) => panic!("`{text}` is read as {schedule:?}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_run_is_named_by_the_time_it_is_due() {
    assert_eq!(run_name("nightly", instant("2026-07-09T00:00:00Z")), "nightly-1783555200");
}
