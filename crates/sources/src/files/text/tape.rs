//! JSON text as a flat list of its values, made in one pass and used again for the next record.

/// How deep values may nest.
const DEPTH: usize = 500;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    Integer,
    Fraction,
    Text,
    /// A text with escapes: it stands in the scratch text.
    Unescaped,
    Array,
    /// Names and values by turns.
    Object,
}

/// A value.
#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    /// Where it stands in the input; a text without its quotes, an escaped one in the scratch text.
    from: usize,
    to: usize,
    /// The node after it and all that is in it.
    next: usize,
}

/// The values of a record.
#[derive(Debug, Default)]
pub(super) struct Tape {
    nodes: Vec<Node>,
    scratch: String,
}

/// A value of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    tape: &'a Tape,
    input: &'a str,
    at: usize,
}

/// The text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotJson;

impl Tape {
    /// Reads the value at the start of a text; what follows does not count. Nothing if there are only blanks.
    pub(super) fn parse<'a>(&'a mut self, input: &'a str) -> Result<Option<Value<'a>>, NotJson> {
        self.nodes.clear();
        self.scratch.clear();
        let mut parser = Parser { tape: self, input, bytes: input.as_bytes(), at: 0 };
        parser.blanks();
        if parser.at == input.len() {
            return Ok(None);
        }
        parser.value(DEPTH)?;
        Ok(Some(Value { tape: self, input, at: 0 }))
    }
}

impl<'a> Value<'a> {
    fn node(self) -> Node {
        self.tape.nodes[self.at]
    }

    pub(super) fn kind(self) -> Kind {
        self.node().kind
    }

    /// The text; of anything else than text, how it is written.
    pub(super) fn text(self) -> &'a str {
        let Node { kind, from, to, .. } = self.node();
        if kind == Kind::Unescaped { &self.tape.scratch[from..to] } else { &self.input[from..to] }
    }

    /// The text, if it is one.
    pub(super) fn as_text(self) -> Option<&'a str> {
        matches!(self.kind(), Kind::Text | Kind::Unescaped).then(|| self.text())
    }

    /// Values inside an array, or the names and values of an object by turns.
    fn inside(self) -> impl Iterator<Item = Value<'a>> {
        let end = self.node().next;
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let value = (at < end).then_some(Value { at, ..self })?;
            at = value.node().next;
            Some(value)
        })
    }

    /// The values of an array.
    pub(super) fn items(self) -> impl Iterator<Item = Value<'a>> {
        self.inside()
    }

    /// Names and values of an object, as often as they are there.
    pub(super) fn fields(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let mut inside = self.inside();
        std::iter::from_fn(move || Some((inside.next()?.text(), inside.next()?)))
    }
}

struct Parser<'a> {
    tape: &'a mut Tape,
    input: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes a byte, if it comes next behind blanks.
    fn takes(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn push(&mut self, kind: Kind, from: usize, to: usize) -> usize {
        let at = self.tape.nodes.len();
        self.tape.nodes.push(Node { kind, from, to, next: at + 1 });
        at
    }

    fn value(&mut self, depth: usize) -> Result<(), NotJson> {
        let depth = depth.checked_sub(1).ok_or(NotJson)?;
        self.blanks();
        match self.bytes.get(self.at).ok_or(NotJson)? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' | b'\'' => self.string(),
            b'0'..=b'9' | b'-' => self.number(),
            _ => self.word(),
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), NotJson> {
        let node = self.push(Kind::Array, self.at, self.at);
        self.at += 1;
        if !self.takes(b']') {
            loop {
                self.value(depth)?;
                if self.takes(b']') {
                    break;
                }
                if !self.takes(b',') {
                    return Err(NotJson);
                }
            }
        }
        self.close(node);
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), NotJson> {
        let node = self.push(Kind::Object, self.at, self.at);
        self.at += 1;
        if !self.takes(b'}') {
            loop {
                self.blanks();
                if !matches!(self.bytes.get(self.at), Some(b'"' | b'\'')) {
                    return Err(NotJson);
                }
                self.string()?;
                if !self.takes(b':') {
                    return Err(NotJson);
                }
                self.value(depth)?;
                if self.takes(b'}') {
                    break;
                }
                if !self.takes(b',') {
                    return Err(NotJson);
                }
            }
        }
        self.close(node);
        Ok(())
    }

    fn close(&mut self, node: usize) {
        let next = self.tape.nodes.len();
        let node = &mut self.tape.nodes[node];
        (node.to, node.next) = (self.at, next);
    }

    fn number(&mut self) -> Result<(), NotJson> {
        let from = self.at;
        if self.bytes[self.at] == b'-' {
            self.at += 1;
            if self.bytes.get(self.at).is_some_and(u8::is_ascii_alphabetic) {
                return self.word_from(from);
            }
        }
        let whole = self.digits();
        if whole == 0 || (whole > 1 && self.bytes[self.at - whole] == b'0') {
            return Err(NotJson);
        }
        let mut kind = Kind::Integer;
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            kind = Kind::Fraction;
            if self.digits() == 0 {
                return Err(NotJson);
            }
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            kind = Kind::Fraction;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(NotJson);
            }
        }
        if self.bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b >= 0x80) {
            return Err(NotJson);
        }
        self.push(kind, from, self.at);
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - from
    }

    fn word(&mut self) -> Result<(), NotJson> {
        let from = self.at;
        if self.bytes[self.at] == b'+' {
            self.at += 1;
        }
        self.word_from(from)
    }

    /// A word that is a value; these numbers are not in the standard, but Spark reads them.
    fn word_from(&mut self, from: usize) -> Result<(), NotJson> {
        while self.bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b >= 0x80) {
            self.at += 1;
        }
        let kind = match &self.bytes[from..self.at] {
            b"null" => Kind::Null,
            b"true" => Kind::True,
            b"false" => Kind::False,
            b"NaN" | b"INF" | b"Infinity" | b"+INF" | b"+Infinity" | b"-INF" | b"-Infinity" => {
                Kind::Fraction
            }
            _ => return Err(NotJson),
        };
        self.push(kind, from, self.at);
        Ok(())
    }

    fn string(&mut self) -> Result<(), NotJson> {
        let quote = self.bytes[self.at];
        self.at += 1;
        let from = self.at;
        loop {
            match self.bytes.get(self.at).ok_or(NotJson)? {
                b if *b == quote => {
                    self.push(Kind::Text, from, self.at);
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => return self.escaped(quote, from),
                0..=0x1f => return Err(NotJson),
                _ => self.at += 1,
            }
        }
    }

    /// The rest of a text that has an escape.
    fn escaped(&mut self, quote: u8, from: usize) -> Result<(), NotJson> {
        let start = self.tape.scratch.len();
        let mut plain = from;
        loop {
            let byte = *self.bytes.get(self.at).ok_or(NotJson)?;
            if byte == quote || byte == b'\\' {
                self.tape.scratch.push_str(&self.input[plain..self.at]);
                self.at += 1;
                if byte == quote {
                    let end = self.tape.scratch.len();
                    self.push(Kind::Unescaped, start, end);
                    return Ok(());
                }
                let c = self.escape()?;
                self.tape.scratch.push(c);
                plain = self.at;
            } else if byte < 0x20 {
                return Err(NotJson);
            } else {
                self.at += 1;
            }
        }
    }

    /// The character that an escape means; the backslash is taken.
    fn escape(&mut self) -> Result<char, NotJson> {
        let byte = *self.bytes.get(self.at).ok_or(NotJson)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' | b'\'' => byte.into(),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                let is_pair =
                    (0xd800..0xdc00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u");
                if is_pair {
                    let before = self.at;
                    self.at += 2;
                    let second = self.unit()?;
                    if (0xdc00..0xe000).contains(&second) {
                        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.at = before;
                }
                char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(NotJson),
        })
    }

    fn unit(&mut self) -> Result<u32, NotJson> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(NotJson)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(NotJson);
        }
        self.at += 4;
        let text = std::str::from_utf8(digits).map_err(|_| NotJson)?;
        u32::from_str_radix(text, 16).map_err(|_| NotJson)
    }
}

#[cfg(test)]
mod tests {
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
        let deep = format!("{}1{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
        let cases: &[(&str, Option<&str>)] = &[
            (
                r#"{"a": 1, "b": [true, null, 1.5e3]}"#,
                Some("{a:Integer(1)b:[True(true)Null(null)Fraction(1.5e3)]}"),
            ),
            (r#"{'a':'x"y'}"#, Some("{a:<x\"y>}")),
            (r#"{"a\n":"\u00e9\ud83d\ude00\ud800x"}"#, Some("{a\n:<é😀\u{fffd}x>}")),
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
            let found = tape.parse(text).ok().flatten().map(|value| {
                let mut out = String::new();
                shown(value, &mut out);
                out
            });
            assert_eq!(found.as_deref(), *expected, "{text}");
        }
        assert!(matches!(tape.parse(" \t"), Ok(None)));
    }
}
