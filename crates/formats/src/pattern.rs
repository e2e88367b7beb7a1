//! Java's date patterns: `yyyy-MM-dd HH:mm:ss`, for writing and for reading.

use std::fmt::Write;

use crate::calendar::{
    MICROS_PER_DAY, MICROS_PER_SECOND, Zone, checked_days, civil, day_of_year, days, iso_weekday,
};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(String),
    /// A letter and how often it stands.
    Field(char, usize),
    /// `[…]`, which may be missing when reading.
    Optional(Vec<Item>),
}

/// A pattern taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Item>);

impl Pattern {
    /// Takes a pattern apart; nothing if Spark does not allow it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars().peekable();
        let items = items(&mut chars, false)?;
        Some(Self(items))
    }

    /// Writes a time. `local` is what the clock shows; `zone` and `instant` are for the parts that name the zone.
    pub fn write(&self, local: i64, (zone, name): (Zone, &str), instant: i64, out: &mut String) {
        let seconds = instant.div_euclid(MICROS_PER_SECOND);
        let moment = Moment { local, offset: zone.offset(seconds), name, zone, seconds };
        write_items(&self.0, &moment, out);
    }

    /// Reads a time: what the clock shows, and the offset of a zone that the text names.
    pub fn read(&self, text: &str) -> Option<(i64, Option<Zone>)> {
        let mut parts = Parts::default();
        let rest = read_items(&self.0, text, &mut parts)?;
        if !rest.is_empty() {
            return None;
        }
        parts.moment()
    }
}

fn items(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, nested: bool) -> Option<Vec<Item>> {
    let mut out = Vec::new();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let mut text = String::new();
                if chars.next_if_eq(&'\'').is_some() {
                    text.push('\'');
                } else {
                    loop {
                        match chars.next()? {
                            '\'' if chars.next_if_eq(&'\'').is_some() => text.push('\''),
                            '\'' => break,
                            other => text.push(other),
                        }
                    }
                }
                out.push(Item::Text(text));
            }
            '[' => out.push(Item::Optional(items(chars, true)?)),
            ']' if nested => return Some(out),
            ']' | '{' | '}' | '#' => return None,
            letter if letter.is_ascii_alphabetic() => {
                let mut count = 1;
                while chars.next_if_eq(&letter).is_some() {
                    count += 1;
                }
                let longest = match letter {
                    'y' | 'u' => 6,
                    'S' => 9,
                    'M' | 'L' | 'E' | 'Q' | 'q' | 'O' | 'z' | 'V' => 4,
                    'D' => 3,
                    'd' | 'H' | 'h' | 'k' | 'K' | 'm' | 's' => 2,
                    'a' | 'F' => 1,
                    'x' | 'X' | 'Z' => 5,
                    'G' => 4,
                    _ => return None,
                };
                if count > longest {
                    return None;
                }
                out.push(Item::Field(letter, count));
            }
            other => out.push(Item::Text(other.to_string())),
        }
    }
    (!nested).then_some(out)
}

struct Moment<'a> {
    local: i64,
    offset: i64,
    name: &'a str,
    zone: Zone,
    /// The instant, in seconds.
    seconds: i64,
}

fn write_items(items: &[Item], moment: &Moment<'_>, out: &mut String) {
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

/// What reading found so far.
#[derive(Debug, Clone, Default)]
struct Parts {
    year: Option<i64>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    hour_of_half: Option<i64>,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    micros: i64,
    zone: Option<Zone>,
}

impl Parts {
    fn moment(&self) -> Option<(i64, Option<Zone>)> {
        let year = self.year.unwrap_or(1970);
        let day = match self.day_of_year {
            Some(number) if self.month.is_none() => {
                let day = days(year, 1, 1) + number - 1;
                (civil(day).year == year && number > 0).then_some(day)?
            }
            _ => checked_days(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?,
        };
        let hour = match (self.hour, self.hour_of_half) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => hour % 12 + if self.afternoon.unwrap_or(false) { 12 } else { 0 },
            (None, None) => {
                if self.afternoon.unwrap_or(false) {
                    12
                } else {
                    0
                }
            }
        };
        if hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let seconds = hour * 3600 + self.minute * 60 + self.second;
        Some((
            day.checked_mul(MICROS_PER_DAY)? + seconds * MICROS_PER_SECOND + self.micros,
            self.zone,
        ))
    }
}

fn read_items<'a>(items: &[Item], text: &'a str, parts: &mut Parts) -> Option<&'a str> {
    let mut rest = text;
    for (index, item) in items.iter().enumerate() {
        rest = match item {
            Item::Text(expected) => rest.strip_prefix(expected.as_str())?,
            Item::Optional(inner) => {
                let mut tried = parts.clone();
                match read_items(inner, rest, &mut tried) {
                    Some(after) => {
                        *parts = tried;
                        after
                    }
                    None => rest,
                }
            }
            Item::Field(letter, count) => {
                // Digits of adjacent fields cannot be told apart but by their number.
                let adjacent = matches!(items.get(index + 1), Some(Item::Field(next, _)) if !"aEGzVOXxZ".contains(*next));
                read_field((*letter, *count), adjacent, rest, parts)?
            }
        };
    }
    Some(rest)
}

fn digits(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let found = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if found < least {
        return None;
    }
    Some((text[..found].parse().ok()?, &text[found..]))
}

fn read_field<'a>(
    (letter, count): (char, usize),
    adjacent: bool,
    text: &'a str,
    parts: &mut Parts,
) -> Option<&'a str> {
    let most = |widest: usize| if adjacent || count > 1 { count.max(1) } else { widest };
    let small = |text: &'a str| digits(text, count, most(2));
    let as_u32 = |value: i64| u32::try_from(value).ok();
    let rest = match letter {
        'y' | 'u' if count == 2 => {
            let (value, rest) = digits(text, 2, 2)?;
            parts.year = Some(2000 + value);
            rest
        }
        'y' | 'u' => {
            let (negative, unsigned) =
                text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
            let (value, rest) = digits(unsigned, count.min(4), if adjacent { count } else { 9 })?;
            parts.year = Some(if negative { -value } else { value });
            rest
        }
        'M' | 'L' if count <= 2 => {
            let (value, rest) = small(text)?;
            parts.month = Some(as_u32(value)?);
            rest
        }
        'M' | 'L' => {
            let (index, rest) = read_name(&MONTHS, text, count)?;
            parts.month = Some(as_u32(index)? + 1);
            rest
        }
        'd' => {
            let (value, rest) = small(text)?;
            parts.day = Some(as_u32(value)?);
            rest
        }
        'D' => {
            let (value, rest) = digits(text, count, most(3))?;
            parts.day_of_year = Some(value);
            rest
        }
        'E' => read_name(&WEEKDAYS, text, count)?.1,
        _ => return read_time_field((letter, count), adjacent, text, parts),
    };
    Some(rest)
}

fn read_time_field<'a>(
    (letter, count): (char, usize),
    adjacent: bool,
    text: &'a str,
    parts: &mut Parts,
) -> Option<&'a str> {
    let small = |text: &'a str| digits(text, count, if adjacent { count } else { 2 });
    let rest = match letter {
        'a' => {
            let half = text.get(..2)?;
            parts.afternoon = Some(match half.to_ascii_uppercase().as_str() {
                "AM" => false,
                "PM" => true,
                _ => return None,
            });
            &text[2..]
        }
        'H' | 'k' => {
            let (value, rest) = small(text)?;
            parts.hour = Some(if letter == 'k' && value == 24 { 0 } else { value });
            rest
        }
        'h' | 'K' => {
            let (value, rest) = small(text)?;
            parts.hour_of_half = Some(value).filter(|v| *v <= 12);
            parts.hour_of_half?;
            rest
        }
        'm' => {
            let (value, rest) = small(text)?;
            parts.minute = value;
            rest
        }
        's' => {
            let (value, rest) = small(text)?;
            parts.second = value;
            rest
        }
        'S' => {
            let found = text.bytes().take(count).take_while(u8::is_ascii_digit).count();
            if found == 0 || (adjacent && found < count) {
                return None;
            }
            parts.micros = crate::text::fraction_micros(&text[..found.min(6)])?;
            &text[found..]
        }
        'z' | 'V' | 'X' | 'x' | 'Z' | 'O' => {
            let end = text
                .find(|c: char| !(c.is_ascii_alphanumeric() || "+-:/_".contains(c)))
                .unwrap_or(text.len());
            parts.zone = Some(Zone::parse(&text[..end])?);
            &text[end..]
        }
        _ => return None,
    };
    Some(rest)
}

fn read_name<'a>(names: &[&str], text: &'a str, count: usize) -> Option<(i64, &'a str)> {
    names.iter().enumerate().find_map(|(index, full)| {
        let name = if count == 4 { full } else { &full[..3] };
        let found = text.get(..name.len())?;
        found
            .eq_ignore_ascii_case(name)
            .then(|| (i64::try_from(index).unwrap_or_default(), &text[name.len()..]))
    })
}
