//! Times read by a pattern.

use super::{Item, MONTHS, WEEKDAYS};
use crate::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND, Zone, checked_days, civil, days};
use crate::text::fraction_micros;

/// What reading found so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
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
    pub(super) fn moment(&self) -> Option<(i64, Option<Zone>)> {
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

pub(super) fn read_items<'a>(items: &[Item], text: &'a str, parts: &mut Parts) -> Option<&'a str> {
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
            parts.micros = fraction_micros(&text[..found.min(6)])?;
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
