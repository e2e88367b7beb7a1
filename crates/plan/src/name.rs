//! Names of several parts: `a.b`, with backticks around parts that contain a dot or a space.

use std::fmt;

/// The name cannot be split: it has an unclosed backtick, or an empty part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadName(pub String);

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Syntax error in the attribute name: {}.", self.0)
    }
}

impl std::error::Error for BadName {}

/// Splits a name at its dots; within backticks a dot is an ordinary character, and a doubled
/// backtick is one backtick.
pub fn parse_name(text: &str) -> Result<Vec<String>, BadName> {
    let bad = || BadName(text.to_owned());
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('`') {
            quoted_part(quoted).ok_or_else(bad)?
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let part = &rest[..end];
            if part.is_empty() || part.contains('`') {
                return Err(bad());
            }
            (part.to_owned(), &rest[end..])
        };
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(parts),
            None => return Err(bad()),
        }
    }
}

/// The text up to the closing backtick, and the rest.
fn quoted_part(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('`')?;
        part.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('`') {
            Some(more) => {
                part.push('`');
                rest = more;
            }
            None => return Some((part, rest)),
        }
    }
}

/// The name in backticks.
pub fn quote_name(part: &str) -> String {
    format!("`{}`", part.replace('`', "``"))
}

/// The name as SQL requires it: bare if it is a plain identifier, in backticks otherwise.
pub fn quote_if_needed(part: &str) -> String {
    let plain = !part.is_empty()
        && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !part.chars().all(|c| c.is_ascii_digit());
    if plain { part.to_owned() } else { quote_name(part) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_at_dots_outside_backticks() {
        let cases: [(&str, Option<&[&str]>); 8] = [
            ("a", Some(&["a"])),
            ("a.b", Some(&["a", "b"])),
            ("`a.b`.c", Some(&["a.b", "c"])),
            ("`a``b`", Some(&["a`b"])),
            ("count(1)", Some(&["count(1)"])),
            ("", None),
            ("a..b", None),
            ("`a", None),
        ];
        for (text, expected) in cases {
            let parsed = parse_name(text).ok();
            assert_eq!(
                parsed.as_deref(),
                expected.map(|e| e.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref(),
                "{text}"
            );
        }
    }
}
