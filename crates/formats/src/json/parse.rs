//! JSON text onto a tape: what Jackson reads for Spark, which is one value at the start of a text.
//! Beyond the standard there are what [`Syntax`] allows, and `NaN`, `INF` and their like.

use super::Syntax;
use super::tape::{Kind, Node, NotJson, Tape};

/// How deep values may nest.
pub(super) const DEPTH: usize = 1000;

pub(super) struct Parser<'a> {
    tape: &'a mut Tape,
    syntax: &'a Syntax,
    input: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(tape: &'a mut Tape, syntax: &'a Syntax, input: &'a str) -> Self {
        Self { tape, syntax, input, bytes: input.as_bytes(), at: 0 }
    }

    /// Reads the value at the start of the text. False if there are only blanks.
    pub(super) fn run(&mut self) -> Result<bool, NotJson> {
        self.blanks()?;
        if self.at == self.input.len() {
            return Ok(false);
        }
        self.root()?;
        Ok(true)
    }

    #[inline]
    fn blanks(&mut self) -> Result<(), NotJson> {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        if self.syntax.comments { self.comments() } else { Ok(()) }
    }

    /// Passes over comments, and blanks behind them.
    #[cold]
    fn comments(&mut self) -> Result<(), NotJson> {
        while self.bytes.get(self.at) == Some(&b'/') {
            self.comment()?;
            while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
                self.at += 1;
            }
        }
        Ok(())
    }

    /// Passes over a comment, which may end with the text only if it is one of a line.
    fn comment(&mut self) -> Result<(), NotJson> {
        let rest = &self.input[self.at..];
        let length = if rest.starts_with("//") {
            rest.find(['\n', '\r']).unwrap_or(rest.len())
        } else {
            let inner = rest.strip_prefix("/*").ok_or(NotJson)?;
            inner.find("*/").ok_or(NotJson)? + 4
        };
        self.at += length;
        Ok(())
    }

    /// Takes a byte, if it comes next behind blanks.
    #[inline]
    fn takes(&mut self, byte: u8) -> Result<bool, NotJson> {
        self.blanks()?;
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        Ok(found)
    }

    #[inline]
    fn push(&mut self, kind: Kind, from: usize, to: usize) {
        let next = self.tape.nodes.len() + 1;
        self.tape.nodes.push(Node { kind, from, to, next });
    }

    /// Reads a value with all that is in it. Not by recursion: a text may nest deeper than a stack
    /// is.
    fn root(&mut self) -> Result<(), NotJson> {
        let mut inside = None;
        loop {
            self.blanks()?;
            match self.bytes.get(self.at).ok_or(NotJson)? {
                b'{' => {
                    self.begin(Kind::Object)?;
                    if !self.takes(b'}')? {
                        inside = Some(Kind::Object);
                        self.name()?;
                        continue;
                    }
                    self.close();
                }
                b'[' => {
                    self.begin(Kind::Array)?;
                    if !self.takes(b']')? {
                        inside = Some(Kind::Array);
                        continue;
                    }
                    self.close();
                }
                b'"' => self.string()?,
                b'\'' if self.syntax.single_quotes => self.string()?,
                b'0'..=b'9' | b'-' => self.number()?,
                _ => self.word()?,
            }
            // Behind a value there is another one, or the end of what it is inside of.
            loop {
                let Some(kind) = inside else { return Ok(()) };
                self.blanks()?;
                match (kind, self.bytes.get(self.at).ok_or(NotJson)?) {
                    (_, b',') => break,
                    (Kind::Object, b'}') | (Kind::Array, b']') => {
                        self.at += 1;
                        inside = self.close();
                    }
                    _ => return Err(NotJson),
                }
            }
            self.at += 1;
            if inside == Some(Kind::Object) {
                self.name()?;
            }
        }
    }

    /// Opens an array or an object.
    fn begin(&mut self, kind: Kind) -> Result<(), NotJson> {
        if self.tape.open.len() == DEPTH {
            return Err(NotJson);
        }
        self.tape.open.push(self.tape.nodes.len());
        self.push(kind, self.at, self.at);
        self.at += 1;
        Ok(())
    }

    /// Closes the array or object that was opened last; says what it is inside of.
    fn close(&mut self) -> Option<Kind> {
        let next = self.tape.nodes.len();
        let node = &mut self.tape.nodes[self.tape.open.pop()?];
        (node.to, node.next) = (self.at, next);
        self.tape.open.last().map(|open| self.tape.nodes[*open].kind)
    }

    /// The name of a field and the colon behind it.
    fn name(&mut self) -> Result<(), NotJson> {
        self.blanks()?;
        match self.bytes.get(self.at).ok_or(NotJson)? {
            b'"' => self.string()?,
            b'\'' if self.syntax.single_quotes => self.string()?,
            _ if self.syntax.unquoted_names => {
                let from = self.at;
                // The letters of Jackson's: those of names in JavaScript, and some that people use.
                let part =
                    |b: &u8| b.is_ascii_alphanumeric() || b"_$#*+-@".contains(b) || *b >= 0x80;
                while self.bytes.get(self.at).is_some_and(part) {
                    self.at += 1;
                }
                if self.at == from {
                    return Err(NotJson);
                }
                self.push(Kind::Text, from, self.at);
            }
            _ => return Err(NotJson),
        }
        if self.takes(b':')? { Ok(()) } else { Err(NotJson) }
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
        let begins_with_zero = whole > 1 && self.bytes[self.at - whole] == b'0';
        if whole == 0 || (begins_with_zero && !self.syntax.leading_zeros) {
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
            b"NaN" | b"INF" | b"Infinity" | b"+INF" | b"+Infinity" | b"-INF" | b"-Infinity"
                if self.syntax.named_numbers =>
            {
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
                0..=0x1f if !self.syntax.control_characters => return Err(NotJson),
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
            } else if byte < 0x20 && !self.syntax.control_characters {
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
                        return Ok(char::from_u32(code).unwrap_or('?'));
                    }
                    self.at = before;
                }
                char::from_u32(first).unwrap_or('?')
            }
            _ if self.syntax.any_escape => {
                self.at -= 1;
                let c = self.input[self.at..].chars().next().ok_or(NotJson)?;
                self.at += c.len_utf8();
                c
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
