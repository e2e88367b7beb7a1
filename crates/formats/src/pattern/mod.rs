//! Java's date patterns: `yyyy-MM-dd HH:mm:ss`, for writing and for reading.

mod read;
mod write;

use crate::calendar::{MICROS_PER_SECOND, Zone};
use read::{Parts, read_items};
use write::{Moment, write_items};

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

    /// Writes a time. `local` is what the clock shows; `zone` and `instant` are for the parts that
    /// name the zone.
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
