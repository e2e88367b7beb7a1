//! The proleptic Gregorian calendar and time zones, on whole days and microseconds, total over the
//! range of the types.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{OffsetName, Tz};

/// Microseconds of a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// The year; 0 is 1 BC.
    pub year: i64,
    /// The month, from 1.
    pub month: u32,
    /// The day of the month, from 1.
    pub day: u32,
}

/// The day that lies `days` after 1970-01-01.
pub fn civil(days: i64) -> Civil {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil { year, month: narrow(month), day: narrow(day) }
}

fn narrow(value: i64) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

/// Days from 1970-01-01 to a day that exists.
pub fn days(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Days from 1970-01-01, or nothing if there is no such day.
pub fn checked_days(year: i64, month: u32, day: u32) -> Option<i64> {
    let exists = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
    (exists && year.abs() < 10_000_000).then(|| days(year, month, day))
}

/// Whether a year has a 29th of February.
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Length of a month.
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Monday is 1, Sunday 7.
pub fn iso_weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// Day of the year, from 1.
pub fn day_of_year(day: i64) -> i64 {
    day - days(civil(day).year, 1, 1) + 1
}

/// Year and week by ISO 8601.
pub fn iso_week(day: i64) -> (i64, i64) {
    let thursday = day - iso_weekday(day) + 4;
    let year = civil(thursday).year;
    (year, (thursday - days(year, 1, 1)) / 7 + 1)
}

/// Adds months to a day; a day that the month lacks becomes the month's last.
pub fn add_months(day: i64, months: i64) -> i64 {
    let date = civil(day);
    let total = date.year * 12 + i64::from(date.month) - 1 + months;
    let (year, month) = (total.div_euclid(12), narrow(total.rem_euclid(12) + 1));
    days(year, month, date.day.min(days_in_month(year, month)))
}

/// Java's short names of zones that the IANA database does not have.
const SHORT_NAMES: [(&str, &str); 25] = [
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

/// Whether Spark knows a time zone of this name or offset.
pub fn is_time_zone(text: &str) -> bool {
    Zone::parse(text).is_some()
}

/// A time zone: a name of the IANA database or a fixed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// A name of the IANA database.
    Named(Tz),
    /// Seconds east of Greenwich.
    Fixed(i32),
}

impl Zone {
    /// Reads a zone as Spark does: `UTC`, `Z`, `Europe/Berlin`, `+02:00`, `+2`, `GMT+1`,
    /// `UTC-03:30`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if matches!(text, "Z" | "UTC" | "GMT" | "UT" | "Etc/UTC") {
            return Some(Self::Fixed(0));
        }
        let rest = ["UTC", "GMT", "UT"].iter().find_map(|p| text.strip_prefix(p)).unwrap_or(text);
        if rest.starts_with(['+', '-']) {
            return parse_offset(rest).map(Self::Fixed);
        }
        let short = SHORT_NAMES.iter().find(|(short, _)| *short == text);
        short.map_or(text, |(_, name)| *name).parse().ok().map(Self::Named)
    }

    /// Seconds east of Greenwich at an instant.
    pub fn offset(self, seconds: i64) -> i64 {
        match self {
            Self::Fixed(offset) => i64::from(offset),
            Self::Named(zone) => DateTime::from_timestamp(same_rules(seconds), 0).map_or(0, |at| {
                i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
            }),
        }
    }

    /// What the time is called at an instant, where the zone has letters for it.
    pub fn abbreviation(self, seconds: i64) -> Option<String> {
        let Self::Named(zone) = self else { return None };
        let at = DateTime::from_timestamp(same_rules(seconds), 0)?;
        let offset = zone.offset_from_utc_datetime(&at.naive_utc());
        let short = offset.abbreviation()?;
        short.bytes().all(|b| b.is_ascii_alphabetic()).then(|| short.to_owned())
    }

    /// What the clock shows at an instant; both in microseconds since 1970.
    pub fn to_local(self, micros: i64) -> i64 {
        let offset = self.offset(micros.div_euclid(MICROS_PER_SECOND));
        micros.saturating_add(offset * MICROS_PER_SECOND)
    }

    /// The instant at which the clock shows a time. Of two, the earlier; in a gap, the time moves
    /// forward by the gap's length.
    pub fn to_utc(self, local: i64) -> i64 {
        if let Self::Fixed(offset) = self {
            return local.saturating_sub(i64::from(offset) * MICROS_PER_SECOND);
        }
        let seconds = local.div_euclid(MICROS_PER_SECOND);
        let before = self.offset(seconds - 86_400);
        let after = self.offset(seconds + 86_400);
        let first = seconds - before;
        let offset = if self.offset(first) == before {
            before
        } else if self.offset(seconds - after) == after {
            after
        } else {
            before
        };
        local.saturating_sub(offset * MICROS_PER_SECOND)
    }
}

/// The last year that the tables of zones know whole, and the second that ends it.
const LAST_YEAR: i64 = 2098;
const END_OF_TABLES: i64 = 4_070_908_800;

/// An instant at which a zone's rules give the same: one itself, or beyond the tables, that of a
/// year which begins on the same weekday and is as long.
fn same_rules(seconds: i64) -> i64 {
    if seconds < END_OF_TABLES {
        return seconds;
    }
    let year = civil(seconds.div_euclid(86_400)).year;
    let first = days(year, 1, 1);
    let alike = |other: &i64| {
        iso_weekday(days(*other, 1, 1)) == iso_weekday(first) && is_leap(*other) == is_leap(year)
    };
    // Every kind of year is among any 28 without a century.
    let other = (LAST_YEAR - 27..=LAST_YEAR).find(alike).unwrap_or(LAST_YEAR);
    seconds - (first - days(other, 1, 1)) * 86_400
}

impl Zone {
    /// The instant at which the clock shows a time, moved there from another instant: of two, the
    /// one under the offset that held.
    pub fn to_utc_from(self, local: i64, instant: i64) -> i64 {
        let offset = self.offset(instant.div_euclid(MICROS_PER_SECOND));
        let kept = local.saturating_sub(offset * MICROS_PER_SECOND);
        if self.to_local(kept) == local { kept } else { self.to_utc(local) }
    }
}

fn parse_offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let parts: Vec<&str> = if digits.contains(':') {
        digits.split(':').collect()
    } else {
        match digits.len() {
            1 | 2 => vec![digits],
            4 => vec![&digits[..2], &digits[2..]],
            6 => vec![&digits[..2], &digits[2..4], &digits[4..]],
            _ => return None,
        }
    };
    let mut seconds = 0;
    for (part, (unit, limit)) in parts.iter().zip([(3600, 18), (60, 59), (1, 59)]) {
        let is_number = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let value: i32 = part.parse().ok().filter(|v| is_number && *v <= limit)?;
        seconds += value * unit;
    }
    (parts.len() <= 3 && seconds <= 18 * 3600).then_some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_found_again() {
        for day in (-800_000..800_000).step_by(37) {
            let date = civil(day);
            assert_eq!(checked_days(date.year, date.month, date.day), Some(day));
        }
        assert_eq!(civil(0), Civil { year: 1970, month: 1, day: 1 });
        assert_eq!(checked_days(2023, 2, 29), None);
        assert_eq!(iso_week(days(2021, 1, 3)), (2020, 53));
    }

    #[test]
    fn a_zone_knows_gaps_and_overlaps() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let at = |d: i64, h: i64, m: i64| {
            days(2024, 3, 1) * MICROS_PER_DAY
                + ((d - 1) * 86_400 + h * 3600 + m * 60) * MICROS_PER_SECOND
        };
        // The clock goes from 2:00 to 3:00 on the 31st.
        assert_eq!(berlin.to_utc(at(31, 2, 30)), at(31, 1, 30));
        assert_eq!(berlin.to_utc(at(31, 3, 0)), at(31, 1, 0));
        assert_eq!(berlin.to_local(at(31, 1, 0)), at(31, 3, 0));
        // On 27 October it goes from 3:00 to 2:00; who comes from later stays later.
        let fold = at(241, 2, 30);
        assert_eq!(berlin.to_utc(fold), at(241, 0, 30));
        assert_eq!(berlin.to_utc_from(fold, at(241, 5, 0)), at(241, 1, 30));
        assert_eq!(berlin.to_utc_from(fold, at(240, 5, 0)), at(241, 0, 30));
        assert_eq!(berlin.to_utc_from(at(31, 2, 30), at(30, 1, 30)), at(31, 1, 30));
        // The rules hold for ever.
        for (year, summer) in [(2038, 7200), (2099, 7200), (2100, 7200), (2150, 7200), (9999, 7200)]
        {
            assert_eq!(berlin.offset(days(year, 7, 1) * 86_400), summer, "{year}");
            assert_eq!(berlin.offset(days(year, 1, 15) * 86_400), 3600, "{year}");
        }
        assert_eq!(Zone::parse("+05:30"), Some(Zone::Fixed(19_800)));
        assert_eq!(Zone::parse("GMT-3"), Some(Zone::Fixed(-10_800)));
        assert_eq!(Zone::parse("PST"), Zone::parse("America/Los_Angeles"));
        assert_eq!(Zone::parse("UTC+01:00"), Some(Zone::Fixed(3600)));
        assert!(SHORT_NAMES.iter().all(|(short, _)| is_time_zone(short)));
        assert_eq!(Zone::parse("Nowhere/Land"), None);
    }
}
