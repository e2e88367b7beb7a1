//! Times written by a pattern.

use super::{Item, MONTHS, WEEKDAYS};
use crate::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND, Zone, civil, day_of_year, iso_weekday};
use std::fmt::Write;

/// A time that is written.
pub(super) struct Moment<'a> {
    pub(super) local: i64,
    pub(super) offset: i64,
    pub(super) name: &'a str,
    pub(super) zone: Zone,
    /// The instant, in seconds.
    pub(super) seconds: i64,
}

pub(super) fn write_items(items: &[Item], moment: &Moment<'_>, out: &mut String) {
    for item in items {
        match item {
            Item::Text(text) => out.push_str(text),
            Item::Optional(items) => write_items(items, moment, out),
            Item::Field(letter, count) => write_field(*letter, *count, moment, out),
        }
    }
}

fn write_field(letter: char, count: usize, moment: &Moment<'_>, out: &mut String) {
    let day = moment.local.div_euclid(MICROS_PER_DAY);
    let of_day = moment.local.rem_euclid(MICROS_PER_DAY);
    let (seconds, micros) = (of_day / MICROS_PER_SECOND, of_day % MICROS_PER_SECOND);
    let date = civil(day);
    let hour = seconds / 3600;
    let mut number = |value: i64| {
        let _ = write!(out, "{value:0count$}");
    };
    match letter {
        'y' | 'u' if count == 2 => number(date.year.rem_euclid(100)),
        'y' if date.year <= 0 => number(1 - date.year),
        'y' | 'u' if count >= 4 && date.year > 9999 => {
            let _ = write!(out, "+{}", date.year);
        }
        'y' | 'u' => number(date.year),
        'M' | 'L' if count <= 2 => number(date.month.into()),
        'M' | 'L' => out.push_str(name(&MONTHS, date.month as usize - 1, count)),
        'd' => number(date.day.into()),
        'D' => number(day_of_year(day)),
        'E' => out.push_str(name(
            &WEEKDAYS,
            usize::try_from(iso_weekday(day) - 1).unwrap_or_default(),
            count,
        )),
        'F' => number((i64::from(date.day) - 1) / 7 + 1),
        'Q' | 'q' => {
            let quarter = (i64::from(date.month) - 1) / 3 + 1;
            match count {
                1 | 2 => number(quarter),
                3 => {
                    let _ = write!(out, "Q{quarter}");
                }
                _ => out.push_str(
                    ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"]
                        [usize::try_from(quarter - 1).unwrap_or_default()],
                ),
            }
        }
        'a' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
        'G' => out.push_str(match (date.year > 0, count) {
            (true, 4) => "Anno Domini",
            (false, 4) => "Before Christ",
            (true, _) => "AD",
            (false, _) => "BC",
        }),
        'H' => number(hour),
        'k' => number(if hour == 0 { 24 } else { hour }),
        'K' => number(hour % 12),
        'h' => number(if hour % 12 == 0 { 12 } else { hour % 12 }),
        'm' => number(seconds / 60 % 60),
        's' => number(seconds % 60),
        'S' => {
            let start = out.len();
            let _ = write!(out, "{:09}", micros * 1000);
            out.truncate(start + count);
        }
        _ => write_zone(letter, count, moment, out),
    }
}

fn name(names: &[&'static str], index: usize, count: usize) -> &'static str {
    let full = names.get(index).copied().unwrap_or_default();
    if count == 4 { full } else { &full[..3] }
}

fn write_zone(letter: char, count: usize, moment: &Moment<'_>, out: &mut String) {
    let sign = if moment.offset < 0 { '-' } else { '+' };
    let offset = moment.offset.abs();
    let (hours, minutes, seconds) = (offset / 3600, offset / 60 % 60, offset % 60);
    match (letter, count) {
        ('z', ..=3) => {
            let short = moment.zone.abbreviation(moment.seconds);
            out.push_str(short.as_deref().unwrap_or(moment.name));
        }
        ('V' | 'z', _) => out.push_str(moment.name),
        ('X', _) | ('Z', 5) if moment.offset == 0 => out.push('Z'),
        ('O', 1) if moment.offset == 0 => out.push_str("GMT"),
        ('O', 1) => {
            let _ = write!(out, "GMT{sign}{hours}");
            if minutes != 0 {
                let _ = write!(out, ":{minutes:02}");
            }
        }
        ('O', _) | ('Z', 4) => {
            let _ = if moment.offset == 0 && letter == 'Z' {
                write!(out, "GMT")
            } else {
                write!(out, "GMT{sign}{hours:02}:{minutes:02}")
            };
        }
        ('X' | 'x', 1) => {
            let _ = write!(out, "{sign}{hours:02}");
            if minutes != 0 {
                let _ = write!(out, "{minutes:02}");
            }
        }
        ('X' | 'x', 2) | ('Z', 1..=3) => {
            let _ = write!(out, "{sign}{hours:02}{minutes:02}");
        }
        ('X' | 'x', 4) => {
            let _ = write!(out, "{sign}{hours:02}{minutes:02}");
            if seconds != 0 {
                let _ = write!(out, "{seconds:02}");
            }
        }
        _ => {
            let _ = write!(out, "{sign}{hours:02}:{minutes:02}");
            if seconds != 0 && count == 5 {
                let _ = write!(out, ":{seconds:02}");
            }
        }
    }
}
