//! Values as files of text hold them: dates and times by a pattern of Java's or as a cast reads them, decimals, and everything else
//! as a cast writes it.

use arrow::array::Array;
use datafusion::common::Result;

use crate::calendar::{MICROS_PER_DAY, Zone};
use crate::cast::{Clock, Style, parse_date, parse_decimal, parse_timestamp, rescale, write_value};
use crate::scalar::Pattern;

/// How dates and times stand in text.
#[derive(Debug, Clone)]
pub struct TimeText {
    zone: Zone,
    zone_name: String,
    date: Option<Pattern>,
    timestamp: Option<Pattern>,
    timestamp_ntz: Option<Pattern>,
    /// Whether what does not fit a pattern is read as a cast reads it.
    lenient: bool,
}

/// Patterns of Java's; without one, values are read as casts read them.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimePatterns<'a> {
    /// Of dates.
    pub date: Option<&'a str>,
    /// Of timestamps.
    pub timestamp: Option<&'a str>,
    /// Of timestamps without zone.
    pub timestamp_ntz: Option<&'a str>,
}

impl TimeText {
    /// In a time zone; the error is the zone or the pattern that has no meaning.
    pub fn new<'a>(zone: &'a str, patterns: TimePatterns<'a>) -> Result<Self, &'a str> {
        let pattern = |text: Option<&'a str>| text.map(|t| Pattern::parse(t).ok_or(t)).transpose();
        Ok(Self {
            zone: Zone::parse(zone).ok_or(zone)?,
            zone_name: zone.to_owned(),
            date: pattern(patterns.date)?,
            timestamp: pattern(patterns.timestamp)?,
            timestamp_ntz: pattern(patterns.timestamp_ntz)?,
            lenient: false,
        })
    }

    /// Reads what does not fit a pattern as a cast reads it.
    #[must_use]
    pub fn lenient(self) -> Self {
        Self { lenient: true, ..self }
    }

    /// Days since 1970.
    pub fn date(&self, text: &str) -> Option<i32> {
        let Some(pattern) = &self.date else { return parse_date(text) };
        match pattern.read(text) {
            Some((local, _)) => i32::try_from(local.div_euclid(MICROS_PER_DAY)).ok(),
            None if self.lenient => parse_date(text),
            None => None,
        }
    }

    /// Microseconds since 1970 began in UTC.
    pub fn timestamp(&self, text: &str) -> Option<i64> {
        let (local, zone) = self.time(self.timestamp.as_ref(), text)?;
        Some(zone.unwrap_or(self.zone).to_utc(local))
    }

    /// Microseconds of a clock since it showed 1970.
    pub fn timestamp_ntz(&self, text: &str) -> Option<i64> {
        self.time(self.timestamp_ntz.as_ref(), text).map(|(local, _)| local)
    }

    fn time(&self, pattern: Option<&Pattern>, text: &str) -> Option<(i64, Option<Zone>)> {
        match pattern {
            Some(pattern) => match pattern.read(text) {
                None if self.lenient => parse_timestamp(text, 0),
                read => read,
            },
            None => parse_timestamp(text, 0),
        }
    }

    /// Writes a date by its pattern.
    pub fn write_date(&self, days: i32, out: &mut String) {
        let local = i64::from(days) * MICROS_PER_DAY;
        match &self.date {
            Some(pattern) => {
                out.push_str(&pattern.format(local, (self.zone, &self.zone_name), local));
            }
            None => crate::cast::write_date(days.into(), out),
        }
    }

    /// Writes a timestamp by its pattern. `zoned` tells instants from what a clock shows.
    pub fn write_timestamp(&self, micros: i64, zoned: bool, out: &mut String) {
        let (pattern, clock) = if zoned {
            (&self.timestamp, Clock::Zoned(self.zone))
        } else {
            (&self.timestamp_ntz, Clock::Local)
        };
        let local = clock.shows(micros);
        match pattern {
            Some(pattern) => {
                out.push_str(&pattern.format(local, (self.zone, &self.zone_name), micros));
            }
            None => crate::cast::write_timestamp(micros, clock, out),
        }
    }

    /// Writes any other value as a cast to text does; nothing for null.
    pub fn write_other(&self, array: &dyn Array, row: usize, out: &mut String) -> Result<()> {
        let style = Style { null: "", binary_as_hex: false, zone: self.zone };
        write_value(array, row, &style, out)
    }
}

/// A decimal number of a precision and scale out of text, rounded half up; nothing if it has too many digits.
pub fn decimal_of_text(text: &str, (precision, scale): (u8, i8)) -> Option<i128> {
    let (value, found) = parse_decimal(text)?;
    rescale(value, found, (precision, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_by_their_patterns() {
        let patterns = TimePatterns {
            date: Some("dd/MM/yyyy"),
            timestamp: Some("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]"),
            timestamp_ntz: None,
        };
        let times = TimeText::new("Europe/Berlin", patterns).unwrap();
        assert_eq!(times.date("02/01/1970"), Some(1));
        assert_eq!(times.date("1970-01-02"), None);
        assert_eq!(times.clone().lenient().date("1970-01-02"), Some(1));
        assert_eq!(times.timestamp("1970-01-01T01:00:00"), Some(0));
        assert_eq!(times.timestamp_ntz("1970-01-01 01:00:00"), Some(3_600_000_000));
        let mut out = String::new();
        times.write_date(1, &mut out);
        times.write_timestamp(1_500_000, true, &mut out);
        times.write_timestamp(1_500_000, false, &mut out);
        assert_eq!(out, "02/01/19701970-01-01T01:00:01.500+01:001970-01-01 00:00:01.5");
        assert!(TimeText::new("Nowhere/Land", TimePatterns::default()).is_err());
        let bad = TimePatterns { date: Some("yyyy{"), ..TimePatterns::default() };
        assert_eq!(TimeText::new("UTC", bad).unwrap_err(), "yyyy{");
    }

    #[test]
    fn decimals_are_rounded_and_limited() {
        assert_eq!(decimal_of_text("1.255", (10, 2)), Some(126));
        assert_eq!(decimal_of_text("1e3", (10, 2)), Some(100_000));
        assert_eq!(decimal_of_text("12345", (4, 0)), None);
        assert_eq!(decimal_of_text("x", (4, 0)), None);
    }
}
