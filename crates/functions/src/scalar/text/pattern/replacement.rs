//! Replacement strings: `$1`, `${name}` and `\` as in Java.

use datafusion::common::Result;
use errors::condition;

use super::{Groups, Pattern};
use crate::run_time_error;

/// A parsed replacement string.
#[derive(Debug)]
pub(in crate::scalar) struct Replacement<'p> {
    pattern: &'p Pattern,
    /// Its parts; `None` if it is malformed, which is an error only if there is a match.
    parts: Option<Vec<Part>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
}

impl<'p> Replacement<'p> {
    /// Parses a replacement string for matches of a pattern.
    pub(in crate::scalar) fn new(pattern: &'p Pattern, text: &str) -> Self {
        Self { pattern, parts: parts(pattern, text) }
    }

    /// The text with all matches replaced; `None` if the replacement string is malformed and there
    /// is a match.
    pub(in crate::scalar) fn apply(&self, text: &str) -> Result<Option<String>> {
        let mut out = String::with_capacity(text.len());
        let (mut from, mut broken) = (0, false);
        self.pattern.each(text, |groups| {
            let Some(parts) = &self.parts else {
                broken = true;
                return Ok(false);
            };
            if let Some(Some(whole)) = groups.first() {
                out.push_str(&text[from..whole.start]);
                from = whole.end;
                write(parts, text, &groups, &mut out);
            }
            Ok(true)
        })?;
        out.push_str(&text[from..]);
        Ok((!broken).then_some(out))
    }
}

fn write(parts: &[Part], text: &str, groups: &Groups, out: &mut String) {
    for part in parts {
        match part {
            Part::Text(literal) => out.push_str(literal),
            Part::Group(group) => {
                if let Some(Some(range)) = groups.get(*group) {
                    out.push_str(&text[range.clone()]);
                }
            }
        }
    }
}

fn parts(pattern: &Pattern, text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let group = match c {
            '\\' => {
                literal.push(chars.next()?);
                continue;
            }
            '$' if chars.next_if_eq(&'{').is_some() => {
                let mut name = String::new();
                loop {
                    match chars.next()? {
                        '}' => break,
                        c => name.push(c),
                    }
                }
                pattern.group(&name)?
            }
            '$' => {
                let digit = |c: char| c.to_digit(10).map(|digit| digit as usize);
                let mut group = digit(chars.next()?)?;
                if group > pattern.groups() {
                    return None;
                }
                // Further digits belong to the number as long as such a group exists.
                while let Some(longer) = chars.peek().and_then(|c| Some(group * 10 + digit(*c)?)) {
                    if longer > pattern.groups() {
                        break;
                    }
                    group = longer;
                    chars.next();
                }
                group
            }
            c => {
                literal.push(c);
                continue;
            }
        };
        parts.push(Part::Text(std::mem::take(&mut literal)));
        parts.push(Part::Group(group));
    }
    parts.push(Part::Text(literal));
    Some(parts)
}

/// The error for a malformed replacement string.
pub(in crate::scalar) fn malformed(
    source: &str,
    pattern: &str,
    replacement: &str,
    position: i32,
) -> datafusion::common::DataFusionError {
    run_time_error(
        condition::INVALID_REGEXP_REPLACE,
        format!(
            "Could not perform regexp_replace for source = \"{source}\", pattern = \"{pattern}\", replacement = \"{replacement}\" and position = {position}."
        ),
    )
}
