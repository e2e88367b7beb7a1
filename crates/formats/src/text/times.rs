//! Values as files of text hold them: dates and times by a pattern of Java's or as a cast reads
//! them, decimals, and everything else as a cast writes it.

use super::{Clock, parse_date, parse_timestamp};
use crate::calendar::{MICROS_PER_DAY, Zone};
use crate::pattern::Pattern;
use errors::{SparkError, condition};

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

/// The zone or the pattern that has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadTime<'a> {
    /// There is no such time zone.
    Zone(&'a str),
    /// Spark does not take such a pattern.
    Pattern(&'a str),
}

impl From<BadTime<'_>> for SparkError {
    fn from(bad: BadTime<'_>) -> Self {
        match bad {
            BadTime::Zone(zone) => SparkError::new(
                condition::INVALID_TIMEZONE,
                format!(
                    "The timezone: {zone} is invalid. The timezone must be either a region-based zone ID or a zone offset. Region IDs must have the form 'area/city', such as 'America/Los_Angeles'. Zone offsets must be in the format '(+|-)HH', '(+|-)HH:mm’ or '(+|-)HH:mm:ss', e.g '-08' , '+01:00' or '-13:33:33', and must be in the range from -18:00 to +18:00. 'Z' and 'UTC' are accepted as synonyms for '+00:00'."
                ),
                &[("timeZone", zone)],
            ),
            BadTime::Pattern(pattern) => {
                let pattern = format!("'{pattern}'");
                let message = format!(
                    "You may get a different result due to the upgrading to Spark >= 3.0: Fail to recognize {pattern} pattern in the DateTimeFormatter. You can form a valid datetime pattern with the guide from 'https://spark.apache.org/docs/latest/sql-ref-datetime-pattern.html'."
                );
                let condition =
                    condition::INCONSISTENT_BEHAVIOR_CROSS_VERSION_DATETIME_PATTERN_RECOGNITION;
                SparkError::new(condition, message, &[("pattern", pattern.as_str())])
            }
        }
    }
}

impl TimeText {
    /// Text in a time zone.
    pub fn new<'a>(zone: &'a str, patterns: TimePatterns<'a>) -> Result<Self, BadTime<'a>> {
        let pattern = |text: Option<&'a str>| {
            text.map(|text| Pattern::parse(text).ok_or(BadTime::Pattern(text))).transpose()
        };
        Ok(Self {
            zone: Zone::parse(zone).ok_or(BadTime::Zone(zone))?,
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
        let pattern = self.timestamp_ntz.as_ref();
        let (local, zone) = self.time(pattern, text)?;
        // Without a pattern there must be a day, and no zone.
        let fits = pattern.is_some() || (zone.is_none() && parse_date(text).is_some());
        fits.then_some(local)
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
                pattern.write(local, (self.zone, &self.zone_name), local, out);
            }
            None => super::write_date(days.into(), out),
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
                pattern.write(local, (self.zone, &self.zone_name), micros, out);
            }
            None => super::write_timestamp(micros, clock, out),
        }
    }

    /// The zone of values that name none.
    pub fn zone(&self) -> Zone {
        self.zone
    }
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
        assert_eq!(TimeText::new("UTC", bad).unwrap_err(), BadTime::Pattern("yyyy{"));
    }
}
