//! JSON text as a flat list of its values, made in one pass and used again for the next record.

use super::Syntax;
use super::parse::Parser;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true`.
    True,
    /// `false`.
    False,
    /// A number of digits alone.
    Integer,
    /// Another number, or one that has a name.
    Fraction,
    /// A text.
    Text,
    /// A text with escapes: it stands in the scratch text.
    Unescaped,
    /// Values.
    Array,
    /// Names and values by turns.
    Object,
}

/// A value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Where it stands in the input; a text without its quotes, an escaped one in the scratch text.
    pub(super) from: usize,
    pub(super) to: usize,
    /// The node after it and all that is in it.
    pub(super) next: usize,
}

/// The values of a record.
#[derive(Debug, Default)]
pub struct Tape {
    pub(super) nodes: Vec<Node>,
    pub(super) scratch: String,
    /// Arrays and objects that are not closed yet, while a record is parsed.
    pub(super) open: Vec<usize>,
}

/// A value of a record.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    tape: &'a Tape,
    input: &'a str,
    at: usize,
}

/// The text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotJson;

impl Tape {
    /// Reads the value at the start of a text; what follows does not count. `None` if there are
    /// only blanks.
    pub fn parse<'a>(
        &'a mut self,
        input: &'a str,
        syntax: &Syntax,
    ) -> Result<Option<Value<'a>>, NotJson> {
        self.nodes.clear();
        self.scratch.clear();
        self.open.clear();
        if !Parser::new(self, syntax, input).run()? {
            return Ok(None);
        }
        Ok(Some(Value { tape: self, input, at: 0 }))
    }
}

impl<'a> Value<'a> {
    fn node(self) -> Node {
        self.tape.nodes[self.at]
    }

    /// What the value is.
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// The place of the value in its record, for [`Value::other`].
    pub(super) fn place(self) -> usize {
        self.at
    }

    /// The text; of anything else than text, how it is written.
    pub fn text(self) -> &'a str {
        let Node { kind, from, to, .. } = self.node();
        if kind == Kind::Unescaped { &self.tape.scratch[from..to] } else { &self.input[from..to] }
    }

    /// The text, if it is one.
    pub fn as_text(self) -> Option<&'a str> {
        matches!(self.kind(), Kind::Text | Kind::Unescaped).then(|| self.text())
    }

    /// Another value of the same record, by its place.
    pub(super) fn other(self, at: usize) -> Self {
        Self { at, ..self }
    }

    /// Values inside an array, or the names and values of an object by turns.
    fn inside(self) -> impl Iterator<Item = Value<'a>> {
        let end = self.node().next;
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let value = (at < end).then(|| self.other(at))?;
            at = value.node().next;
            Some(value)
        })
    }

    /// The values of an array.
    pub fn items(self) -> impl Iterator<Item = Value<'a>> {
        self.inside()
    }

    /// Names and values of an object, as often as they are there.
    pub fn fields(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let mut inside = self.inside();
        std::iter::from_fn(move || Some((inside.next()?.text(), inside.next()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::DEPTH;
    use super::*;
    use std::fmt::Write;

    fn shown(value: Value<'_>, out: &mut String) {
        match value.kind() {
            Kind::Array => {
                out.push('[');
                value.items().for_each(|item| shown(item, out));
                out.push(']');
            }
            Kind::Object => {
                out.push('{');
                for (name, value) in value.fields() {
                    let _ = write!(out, "{name}:");
                    shown(value, out);
                }
                out.push('}');
            }
            Kind::Text | Kind::Unescaped => {
                let _ = write!(out, "<{}>", value.text());
            }
            kind => {
                let _ = write!(out, "{kind:?}({})", value.text());
            }
        }
    }

    #[test]
    fn values_are_found_and_what_is_not_json_is_noticed() {
        let deep = format!("{}1{}", "[".repeat(DEPTH + 1), "]".repeat(DEPTH + 1));
        let cases: &[(&str, Option<&str>)] = &[
            (
                r#"{"a": 1, "b": [true, null, 1.5e3]}"#,
                Some("{a:Integer(1)b:[True(true)Null(null)Fraction(1.5e3)]}"),
            ),
            (r#"{'a':'x"y'}"#, Some("{a:<x\"y>}")),
            (r#"{"a\n":"\u00e9\ud83d\ude00\ud800x"}"#, Some("{a\n:<é😀?x>}")),
            ("{} trailing", Some("{}")),
            ("[ ]", Some("[]")),
            ("-0.5", Some("Fraction(-0.5)")),
            ("NaN", Some("Fraction(NaN)")),
            ("-INF", Some("Fraction(-INF)")),
            ("{\"a\":1", None),
            ("{\"a\" 1}", None),
            ("{a:1}", None),
            ("[1,]", None),
            ("01", None),
            ("1.", None),
            ("1e", None),
            ("-", None),
            ("tru", None),
            ("\"a\nb\"", None),
            (r#""\x""#, None),
            (r#""\u12g4""#, None),
            ("\"open", None),
            (&deep, None),
        ];
        let mut tape = Tape::default();
        for (text, expected) in cases {
            let found = tape.parse(text, &Syntax::default()).ok().flatten().map(|value| {
                let mut out = String::new();
                shown(value, &mut out);
                out
            });
            assert_eq!(found.as_deref(), *expected, "{text}");
        }
        assert!(matches!(tape.parse(" \t", &Syntax::default()), Ok(None)));
    }
}
