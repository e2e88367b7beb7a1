//! The fields of a CSV record, by the rules of the parser that Spark uses.
//!
//! In a quoted field, an escape before a quote or before itself is left out. A quote that is not
//! escaped and not followed by the end of the field makes the field what it looks like, with its
//! quotes, up to the next delimiter.

use super::Csv;
use std::borrow::Cow;

/// How far a record may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The input is a line: its end is the record's.
    Line,
    /// A line end in quotes is a part of the record; the input may go on.
    Lines,
    /// As before, and the input is complete.
    LastLines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// No character.
    Absent,
    /// Two quotes.
    Empty,
    /// Bytes of the input.
    Plain(usize, usize),
    /// Bytes of the scratch text.
    Unescaped(usize, usize),
}

/// The fields of a record.
#[derive(Debug, Default)]
pub struct Record {
    fields: Vec<Field>,
    scratch: Vec<u8>,
}

/// What follows a field.
enum End {
    Delimiter,
    /// The end of the record, and the bytes of its line end.
    Record(usize),
}

impl Record {
    /// Reads the record at the start of the input; says how long it is. Nothing if the input does
    /// not hold all of it.
    pub fn parse(&mut self, csv: &Csv, input: &[u8], extent: Extent) -> Option<usize> {
        self.fields.clear();
        self.scratch.clear();
        let mut reader = Reader { csv, input, extent, at: 0, scratch: &mut self.scratch };
        loop {
            self.fields.push(reader.field()?);
            match reader.end(reader.at)?? {
                End::Delimiter => reader.at += csv.delimiter.len(),
                End::Record(bytes) => return Some(reader.at + bytes),
            }
        }
    }

    /// How many fields there are.
    pub fn width(&self) -> usize {
        self.fields.len()
    }

    /// Whether the record is an empty line.
    pub fn is_blank(&self) -> bool {
        self.fields == [Field::Absent]
    }

    /// The text of a field that `input` gave; nothing stands for null.
    pub fn get<'a>(&'a self, csv: &'a Csv, input: &'a [u8], at: usize) -> Option<Cow<'a, str>> {
        let text = match self.fields.get(at)? {
            Field::Absent => return None,
            Field::Empty => Cow::Borrowed(csv.empty.as_str()),
            Field::Plain(from, to) => String::from_utf8_lossy(&input[*from..*to]),
            Field::Unescaped(from, to) => String::from_utf8_lossy(&self.scratch[*from..*to]),
        };
        (text != csv.null).then_some(text)
    }
}

struct Reader<'a> {
    csv: &'a Csv,
    input: &'a [u8],
    extent: Extent,
    at: usize,
    scratch: &'a mut Vec<u8>,
}

impl Reader<'_> {
    /// What ends a field at a place: inside, nothing does. Outside nothing, if that is not known
    /// yet.
    #[expect(clippy::option_option, reason = "not known is not the same as not there")]
    fn end(&self, at: usize) -> Option<Option<End>> {
        let delimiter = self.csv.delimiter.as_bytes();
        let Some(byte) = self.input.get(at) else {
            return match self.extent {
                Extent::Line | Extent::LastLines => Some(Some(End::Record(0))),
                Extent::Lines => None,
            };
        };
        if *byte == delimiter[0] {
            if self.input[at..].starts_with(delimiter) {
                return Some(Some(End::Delimiter));
            }
            if delimiter.starts_with(&self.input[at..]) && self.extent == Extent::Lines {
                return None;
            }
        }
        if self.extent == Extent::Line {
            return Some(None);
        }
        match (byte, self.input.get(at + 1)) {
            (b'\n', _) => Some(Some(End::Record(1))),
            (b'\r', Some(b'\n')) => Some(Some(End::Record(2))),
            (b'\r', None) if self.extent == Extent::Lines => None,
            (b'\r', _) => Some(Some(End::Record(1))),
            _ => Some(None),
        }
    }

    /// Moves on to what ends a field.
    fn until_end(&mut self, mut at: usize) -> Option<usize> {
        let first = self.csv.delimiter.as_bytes()[0];
        loop {
            let plain = self.input.get(at..).unwrap_or_default();
            let special = |b: &u8| *b == first || *b == b'\n' || *b == b'\r';
            at += plain.iter().position(special).unwrap_or(plain.len());
            if self.end(at)?.is_some() {
                return Some(at);
            }
            at += 1;
        }
    }

    /// Moves on over blanks.
    fn over_blanks(&self, mut at: usize) -> Option<usize> {
        while self.input.get(at).is_some_and(|b| *b <= b' ') && self.end(at)?.is_none() {
            at += 1;
        }
        Some(at)
    }

    fn field(&mut self) -> Option<Field> {
        if self.csv.trim_start {
            self.at = self.over_blanks(self.at)?;
        }
        if self.end(self.at)?.is_some() {
            return Some(Field::Absent);
        }
        if self.input[self.at] == self.csv.quote {
            return self.quoted();
        }
        let from = self.at;
        let end = self.until_end(from)?;
        self.at = end;
        let to = from + self.trimmed(&self.input[from..end]);
        Some(if from == to { Field::Absent } else { Field::Plain(from, to) })
    }

    /// The length of a text without the blanks at its end, if these do not count.
    fn trimmed(&self, text: &[u8]) -> usize {
        if !self.csv.trim_end {
            return text.len();
        }
        text.iter().rposition(|b| *b > b' ').map_or(0, |last| last + 1)
    }

    fn quoted(&mut self) -> Option<Field> {
        let Csv { quote, escape, escape_escape, .. } = *self.csv;
        let from = self.scratch.len();
        let mut at = self.at + 1;
        loop {
            let Some(byte) = self.input.get(at).copied() else {
                if self.extent == Extent::Lines {
                    return None;
                }
                // Nothing closes the quotes: the rest is the value. A quote alone is one itself.
                let is_alone = at == self.at + 1;
                self.at = at;
                if is_alone {
                    return Some(Field::Plain(at - 1, at));
                }
                return Some(Field::Unescaped(from, self.scratch.len()));
            };
            let next = self.input.get(at + 1).copied();
            if next.is_none() && self.extent == Extent::Lines {
                return None;
            }
            if next.is_none() && byte == escape && byte != quote {
                // It escapes nothing.
                at += 1;
            } else if next == Some(quote) && byte == escape {
                self.scratch.push(quote);
                at += 2;
            } else if escape_escape != 0 && byte == escape_escape && next == Some(escape) {
                self.scratch.push(escape);
                at += 2;
            } else if byte == quote && next == Some(quote) {
                // The second one may be the end.
                self.scratch.push(quote);
                at += 1;
            } else if byte == quote {
                return self.closed(from, at + 1);
            } else if byte == b'\r' && next == Some(b'\n') && self.extent != Extent::Line {
                // Line ends inside a value are made equal.
                at += 1;
            } else {
                self.scratch.push(byte);
                at += 1;
            }
        }
    }

    /// A field after a quote that closes it, or seems to.
    fn closed(&mut self, from: usize, after: usize) -> Option<Field> {
        let end = self.over_blanks(after)?;
        if self.end(end)?.is_some() {
            self.at = end;
            let to = self.scratch.len();
            return Some(if from == to { Field::Empty } else { Field::Unescaped(from, to) });
        }
        self.at = self.until_end(after)?;
        self.scratch.insert(from, self.csv.quote);
        self.scratch.push(self.csv.quote);
        self.scratch.extend_from_slice(&self.input[after..self.at]);
        let to = from + self.trimmed(&self.scratch[from..]);
        Some(Field::Unescaped(from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{DEFAULTS, with};

    fn csv(options: &[(&str, &str)]) -> Csv {
        with(options, |options| Csv::read(options, DEFAULTS)).unwrap()
    }

    fn fields(csv: &Csv, input: &str, extent: Extent) -> Option<(Vec<Option<String>>, usize)> {
        let mut record = Record::default();
        let length = record.parse(csv, input.as_bytes(), extent)?;
        let field = |at| record.get(csv, input.as_bytes(), at).map(Cow::into_owned);
        Some(((0..record.width()).map(field).collect(), length))
    }

    #[test]
    fn fields_are_taken_apart_as_spark_does() {
        let plain: &[(&str, &str)] = &[];
        let trimming = &[("ignoreLeadingWhiteSpace", "true"), ("ignoreTrailingWhiteSpace", "true")];
        let doubled = &[("escape", "\"")];
        let dashes = &[("nullValue", "-"), ("emptyValue", "nil")];
        // options, line, fields, with `~` for null
        let cases: &[(&[(&str, &str)], &str, &[&str])] = &[
            (plain, "a,b", &["a", "b"]),
            (plain, "a,,", &["a", "~", "~"]),
            (plain, r#""a,b",c"#, &["a,b", "c"]),
            (plain, r#""say \"hi\"",x"#, &["say \"hi\"", "x"]),
            (plain, r#""a\\",b"#, &["a\\", "b"]),
            (plain, r#""a\n""#, &["a\\n"]),
            (plain, r#""a""b",c"#, &["\"a\"\"b\"", "c"]),
            (plain, r#""a"b,c"#, &["\"a\"b", "c"]),
            (plain, r#""a"  ,c"#, &["a", "c"]),
            (plain, r#""a" b,c"#, &["\"a\" b", "c"]),
            (plain, r#"a"b",c"#, &["a\"b\"", "c"]),
            (plain, r#"1,"open"#, &["1", "open"]),
            (plain, r#"1,"open\"#, &["1", "open"]),
            (plain, r#"1,""#, &["1", "\""]),
            (plain, " a , b ", &[" a ", " b "]),
            (plain, r#""",1"#, &["~", "1"]),
            (trimming, " a ,  ,b ", &["a", "~", "b"]),
            (doubled, r#""a""b",c"#, &["a\"b", "c"]),
            (dashes, r#"-,"",,x"#, &["~", "nil", "~", "x"]),
            (&[("sep", "||")], "a||b|c||", &["a", "b|c", "~"]),
            (&[("sep", "\\t")], "a\tb", &["a", "b"]),
            (&[("quote", "")], "\"a,b\"", &["\"a", "b\""]),
        ];
        for (options, line, expected) in cases {
            let csv = csv(options);
            let (found, length) = fields(&csv, line, Extent::Line).unwrap();
            let shown: Vec<String> =
                found.into_iter().map(|field| field.unwrap_or_else(|| "~".to_owned())).collect();
            assert_eq!(shown, *expected, "{line} {options:?}");
            assert_eq!(length, line.len());
        }
    }

    #[test]
    fn a_record_of_many_lines_is_the_same_however_the_input_comes() {
        let csv = csv(&[]);
        let text = "1,\"a\r\nb\"\r\n2,c\n";
        let (first, length) = fields(&csv, text, Extent::Lines).unwrap();
        assert_eq!(first, [Some("1".to_owned()), Some("a\nb".to_owned())]);
        assert_eq!(length, 10);
        for end in 0..length {
            assert_eq!(fields(&csv, &text[..end], Extent::Lines), None, "{end}");
        }
        let (last, _) = fields(&csv, "2,c", Extent::LastLines).unwrap();
        assert_eq!(last, [Some("2".to_owned()), Some("c".to_owned())]);
    }
}
