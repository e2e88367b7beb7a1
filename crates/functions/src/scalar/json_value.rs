//! JSON text taken apart.

use std::fmt;

use serde_json::Value;

/// A value that keeps the order of fields and the digits of numbers as they were written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    /// A number, a truth, null.
    Other(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// How deep values may nest, so that a hostile text cannot exhaust the stack.
    const DEPTH: usize = 200;

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Other(text) if text == "null")
    }

    /// A whole text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (value, rest) = Self::value(text, Self::DEPTH)?;
        rest.trim_start().is_empty().then_some(value)
    }

    fn value(text: &str, depth: usize) -> Option<(Self, &str)> {
        let text = text.trim_start();
        let depth = depth.checked_sub(1)?;
        match text.chars().next()? {
            '{' => Self::members(&text[1..], depth),
            '[' => Self::elements(&text[1..], depth),
            '"' | '\'' => Self::string(text).map(|(text, rest)| (Self::Text(text), rest)),
            _ => {
                let end = text
                    .find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
                    .unwrap_or(text.len());
                let word = &text[..end];
                let valid =
                    NOT_NUMBERS.contains(&word) || serde_json::from_str::<Value>(word).is_ok();
                valid.then(|| (Self::Other(text[..end].to_owned()), &text[end..]))
            }
        }
    }

    /// A text in either kind of quotes; line ends and the like may stand in it as they are.
    fn string(text: &str) -> Option<(String, &str)> {
        let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let mut out = String::new();
        let mut chars = text.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => return Some((out, &text[at + 1..])),
                '\\' => match chars.next()?.1 {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    'u' => {
                        let unit = unit(&mut chars)?;
                        // A character beyond the first plane is written as two.
                        let pair = [
                            unit,
                            if (0xD800..0xDC00).contains(&unit) { low(&mut chars)? } else { 0 },
                        ];
                        let units = if pair[1] == 0 { &pair[..1] } else { &pair[..] };
                        out.push_str(&String::from_utf16_lossy(units));
                    }
                    c @ ('"' | '\'' | '\\' | '/') => out.push(c),
                    _ => return None,
                },
                c => out.push(c),
            }
        }
        None
    }

    fn elements(mut rest: &str, depth: usize) -> Option<(Self, &str)> {
        let mut out = Vec::new();
        if let Some(after) = rest.trim_start().strip_prefix(']') {
            return Some((Self::Array(out), after));
        }
        loop {
            let (value, after) = Self::value(rest, depth)?;
            out.push(value);
            let after = after.trim_start();
            match after.strip_prefix(',') {
                Some(after) => rest = after,
                None => return Some((Self::Array(out), after.strip_prefix(']')?)),
            }
        }
    }

    fn members(mut rest: &str, depth: usize) -> Option<(Self, &str)> {
        let mut out = Vec::new();
        if let Some(after) = rest.trim_start().strip_prefix('}') {
            return Some((Self::Object(out), after));
        }
        loop {
            let (key, after) = Self::string(rest.trim_start())?;
            let (value, after) = Self::value(after.trim_start().strip_prefix(':')?, depth)?;
            out.push((key, value));
            let after = after.trim_start();
            match after.strip_prefix(',') {
                Some(after) => rest = after,
                None => return Some((Self::Object(out), after.strip_prefix('}')?)),
            }
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(text) => f.write_str(text),
            Self::Text(text) => write!(f, "{}", Value::from(text.as_str())),
            Self::Array(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (key, value)) in fields.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{}:{value}", Value::from(key.as_str()))?;
                }
                f.write_str("}")
            }
        }
    }
}

/// What JSON has no numbers for, as Spark reads it.
pub(super) const NOT_NUMBERS: [&str; 7] =
    ["NaN", "Infinity", "-Infinity", "+Infinity", "INF", "-INF", "+INF"];

/// Four digits of base 16.
fn unit(chars: &mut impl Iterator<Item = (usize, char)>) -> Option<u16> {
    (0..4).try_fold(0_u16, |unit, _| {
        let digit = chars.next()?.1.to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

fn low(chars: &mut impl Iterator<Item = (usize, char)>) -> Option<u16> {
    match (chars.next()?.1, chars.next()?.1) {
        ('\\', 'u') => unit(chars),
        _ => None,
    }
}
