//! Paths into JSON, such as `$.a[0].b[*]['c']`, as `get_json_object` follows them.

use super::normal::write_json;
use super::tape::{Kind, Value};

/// A path taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    /// All values of an array.
    Every,
    /// All values of an object, which Spark never finds.
    AnyField,
}

impl Path {
    /// Takes a path apart; `None` if it is none.
    pub fn parse(path: &str) -> Option<Self> {
        let mut rest = path.strip_prefix('$')?;
        let mut out = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let name = &after[..end];
                out.push(match name {
                    "" => return None,
                    "*" => Step::AnyField,
                    name => Step::Field(name.to_owned()),
                });
                rest = &after[end..];
                continue;
            }
            let inside = rest.strip_prefix('[')?;
            if let Some(named) = inside.strip_prefix('\'') {
                let (name, after) = named.split_once("']")?;
                out.push(Step::Field(name.to_owned()));
                rest = after;
                continue;
            }
            let (inner, after) = inside.split_once(']')?;
            out.push(match inner {
                "*" => Step::Every,
                index => Step::Index(index.parse().ok()?),
            });
            rest = after;
        }
        Some(Self(out))
    }
}

/// What a path leads to, as text; `None` if that is nothing.
pub fn look_up(value: Value<'_>, Path(steps): &Path) -> Option<String> {
    let mut out = String::new();
    follow(value, steps, Style::Bare, &mut out).then_some(out)
}

/// The value of a field of an object by `json_tuple`, as text.
pub fn field(object: Value<'_>, name: &str) -> Option<String> {
    if object.kind() != Kind::Object {
        return None;
    }
    let (_, value) = object.fields().filter(|(known, _)| *known == name).last()?;
    let mut out = String::new();
    (value.kind() != Kind::Null && follow(value, &[], Style::Bare, &mut out)).then_some(out)
}

/// How values that are found are put together, which depends on the stars before them. The rules
/// are those of Hive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// The only value: text without quotes.
    Bare,
    /// One of several values: as JSON.
    Quoted,
    /// The values of an array in the place of the array.
    Flat,
}

/// Writes what a path leads to from a value; says whether that is anything.
fn follow(value: Value<'_>, steps: &[Step], style: Style, out: &mut String) -> bool {
    match (steps, value.kind()) {
        ([], Kind::Text | Kind::Unescaped) if style == Style::Bare => {
            out.push_str(value.text());
            true
        }
        ([], Kind::Array) if style == Style::Flat => each(value, &[], Style::Flat, out) > 0,
        ([], _) => {
            separate(out);
            write_json(value, out);
            true
        }
        ([Step::Field(wanted), rest @ ..], Kind::Object) => value
            .fields()
            // A field that is null is as good as none.
            .filter(|(name, value)| name == wanted && value.kind() != Kind::Null)
            .any(|(_, value)| follow(value, rest, style, out)),
        ([Step::Every, Step::Every, rest @ ..], Kind::Array) => {
            open(out);
            let count = each(value, rest, Style::Flat, out);
            out.push(']');
            count > 0
        }
        ([Step::Every, rest @ ..], Kind::Array) if style == Style::Quoted => {
            open(out);
            let count = each(value, rest, Style::Quoted, out);
            out.push(']');
            count > 0
        }
        ([Step::Every, rest @ ..], Kind::Array) => {
            let inner = if style == Style::Flat { Style::Flat } else { Style::Quoted };
            let mut found = String::from("[");
            let count = each(value, rest, inner, &mut found);
            if count > 0 {
                separate(out);
            }
            match count {
                0 => {}
                // One value is no array.
                1 => out.push_str(&found[1..]),
                _ => {
                    out.push_str(&found);
                    out.push(']');
                }
            }
            count > 0
        }
        ([Step::Index(index), rest @ ..], Kind::Array) => {
            let style = if rest.first() == Some(&Step::Every) { Style::Quoted } else { style };
            value.items().nth(*index).is_some_and(|item| follow(item, rest, style, out))
        }
        _ => false,
    }
}

/// Follows a path from each value of an array; says from how many it leads to anything.
fn each(array: Value<'_>, steps: &[Step], style: Style, out: &mut String) -> usize {
    array.items().filter(|item| follow(*item, steps, style, out)).count()
}

/// Puts a comma before a value that is not the first one of its array.
fn separate(out: &mut String) {
    if !out.is_empty() && !out.ends_with('[') {
        out.push(',');
    }
}

fn open(out: &mut String) {
    separate(out);
    out.push('[');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Syntax, Tape};

    #[test]
    fn paths_lead_where_spark_finds_something() {
        let cases = [
            (r#"{"a":{"b": 1 , "c":[1.50, "q"]}}"#, "$.a", Some(r#"{"b":1,"c":[1.5,"q"]}"#)),
            (r#"{"a":null,"a":"r"}"#, "$.a", Some("r")),
            (r#"{"a b":1e400}"#, "$['a b']", Some("\"Infinity\"")),
            (r#"{"a":"x\ty"}"#, "$.a", Some("x\ty")),
            (r#"["x"]"#, "$[*]", Some("\"x\"")),
            (r#"{"a":[{"b":[1,2]},{"b":[3]}]}"#, "$.a[*].b[*]", Some("[[1,2],[3]]")),
            (r#"{"a":[{"b":[1]}]}"#, "$.a[*].b[*]", Some("[1]")),
            ("[[1,2],[3]]", "$[*][*]", Some("[1,2,3]")),
            ("[[[1]],[[2]]]", "$[*][*][*]", Some("[1,2]")),
            ("[[[1,2]],[[3]]]", "$[*][0][*]", Some("[[1,2],[3]]")),
            ("[[1],[3]]", "$[0][*]", Some("[1]")),
            (r#"[{"a":[{"b":1},{"b":2}]},{"a":[{"b":3}]}]"#, "$[*].a[*].b", Some("[[1,2],[3]]")),
            ("[[1,2],3]", "$[*][0]", Some("1")),
            ("[]", "$[*]", None),
            (r#"{"a":1}"#, "$.*", None),
            (r#"{"a":[1]}"#, "$.a[-1]", None),
            (r#"{"a":1}"#, "$..a", None),
            (r#"{"a":1}"#, "a", None),
        ];
        let mut tape = Tape::default();
        for (text, path, expected) in cases {
            let value = tape.parse(text, &Syntax::of_paths()).unwrap().unwrap();
            let found = Path::parse(path).and_then(|path| look_up(value, &path));
            assert_eq!(found.as_deref(), expected, "{path} in {text}");
        }
        let value = tape.parse(r#"{"a":1,"a":"x"}"#, &Syntax::of_paths()).unwrap().unwrap();
        assert_eq!(field(value, "a").as_deref(), Some("x"));
    }
}
