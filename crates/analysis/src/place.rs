//! Position of an error in SQL text. Resolved names carry no position; but if the name that an
//! error is about occurs only once in the text, that is the position. Otherwise none is given.

use super::Stop;
use errors::{Condition, condition};
use plan::{Place, SparkError};

/// Parameters that name the offender, by condition; subconditions share them.
const NAMES: [(&Condition, &str); 5] = [
    (condition::UNRESOLVED_COLUMN_WITH_SUGGESTION, "objectName"),
    (condition::TABLE_OR_VIEW_NOT_FOUND, "relationName"),
    (condition::UNRESOLVED_ROUTINE, "routineName"),
    (condition::AMBIGUOUS_REFERENCE, "name"),
    (condition::UNRESOLVABLE_TABLE_VALUED_FUNCTION, "name"),
];

/// The error with its position in the text.
pub(super) fn with_place(stop: Stop, text: &str) -> Stop {
    match stop {
        Stop::Error(mut error) if error.place.is_none() => {
            error.place = place(&error, text).map(Box::new);
            Stop::Error(error)
        }
        other => other,
    }
}

fn place(error: &SparkError, text: &str) -> Option<Place> {
    let class = error.condition?.main_class();
    let (_, parameter) = NAMES.iter().find(|(known, _)| known.main_class() == class)?;
    let (_, name) = error.parameters.iter().find(|(known, _)| known == parameter)?;
    let parts = plan::parse_name(name).ok()?;
    let quoted = name.as_str();
    let plain = parts.join(".");
    let mut found = occurrences(text, quoted);
    if plain != quoted {
        found.extend(occurrences(text, &plain));
    }
    let [(start, length)] = found[..] else { return None };
    let calls = [condition::UNRESOLVED_ROUTINE, condition::UNRESOLVABLE_TABLE_VALUED_FUNCTION];
    let call = calls.iter().any(|condition| condition.class == class);
    let end = if call { end_of_call(text, start + length)? } else { start + length };
    Place::of_fragment(text, start, &text[start..end])
}

/// Positions and lengths of a name's occurrences in a text as a complete name, ignoring case.
fn occurrences(text: &str, name: &str) -> Vec<(usize, usize)> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '`');
    let starts = text.char_indices().map(|(at, _)| at);
    let matches = starts.filter(|at| {
        let Some(piece) = text.get(*at..at + name.len()) else { return false };
        let before = text[..*at].chars().next_back().is_none_or(|c| !part(c));
        let after = text[at + name.len()..].chars().next().is_none_or(|c| !part(c));
        before && after && piece.eq_ignore_ascii_case(name)
    });
    matches.map(|at| (at, name.len())).collect()
}

/// The end of the parentheses that follow a function's name.
fn end_of_call(text: &str, after_name: usize) -> Option<usize> {
    let mut depth = 0;
    let mut quote = None;
    for (at, c) in text[after_name..].char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') if depth == 1 => return Some(after_name + at + 1),
            (None, ')') => depth -= 1,
            (None, c) if depth == 0 && !c.is_whitespace() => return None,
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_given_if_there_is_only_one() {
        let column = |name: &str| {
            SparkError::new(
                condition::UNRESOLVED_COLUMN_WITH_SUGGESTION,
                "",
                &[("objectName", name)],
            )
        };
        let routine = SparkError::new(condition::UNRESOLVED_ROUTINE, "", &[("routineName", "`f`")]);
        let cases = [
            (column("`idd`"), "SELECT IDD FROM t", Some((7, "IDD"))),
            (column("`idd`"), "SELECT `idd` FROM t", Some((7, "`idd`"))),
            (column("`t`.`idd`"), "SELECT t.idd, idd2 FROM t", Some((7, "t.idd"))),
            (column("`idd`"), "SELECT idd FROM t WHERE idd > 1", None),
            (column("`idd`"), "SELECT t.idd FROM t", None),
            (routine.clone(), "SELECT 1 + f(g(')'), 2) AS f2", Some((11, "f(g(')'), 2)"))),
            (routine, "SELECT f + 1", None),
            (SparkError::internal("x"), "SELECT x", None),
        ];
        for (error, text, expected) in cases {
            let found = place(&error, text);
            let expected = expected.and_then(|(at, piece)| Place::of_fragment(text, at, piece));
            assert_eq!(found, expected, "{text}");
        }
    }
}
