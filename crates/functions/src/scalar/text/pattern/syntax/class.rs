//! Character classes (`[a-z&&[^b]]`, `\d`, `\p{…}`) and escaped characters.

use std::fmt::Write;

use super::{DEPTH, Malformed, Result, Translator, push_literal};

/// An element of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// One character.
    Char(char),
    /// A set of characters, as the inside of brackets.
    Set(String),
}

impl Translator {
    /// Parses a class whose opening bracket has been consumed.
    pub(super) fn class(&mut self, depth: usize) -> Result<String> {
        if depth > DEPTH {
            return Err(Malformed);
        }
        let mut out = String::from("[");
        if self.next_if('^') {
            out.push('^');
        }
        let mut first = true;
        loop {
            let c = self.next().ok_or(Malformed)?;
            match c {
                ']' if !first => break,
                _ if self.flags.has('x') && c.is_ascii_whitespace() => continue,
                '[' => out.push_str(&self.class(depth + 1)?),
                '&' if self.next_if('&') => out.push_str("&&"),
                '\\' if self.next_if('Q') => {
                    while self.at < self.chars.len() && !self.next_text("\\E") {
                        if let Some(c) = self.next() {
                            push_literal(&mut out, c);
                        }
                    }
                }
                c => self.class_item(c, &mut out)?,
            }
            first = false;
        }
        out.push(']');
        Ok(out)
    }

    /// Parses a character, a range or a named class.
    fn class_item(&mut self, c: char, out: &mut String) -> Result<()> {
        let low = match self.char_or_set(c)? {
            Item::Set(set) => {
                let _ = write!(out, "[{set}]");
                return Ok(());
            }
            Item::Char(low) => low,
        };
        push_literal(out, low);
        let is_range = self.peek() == Some('-')
            && !matches!(self.chars.get(self.at + 1), None | Some(']' | '['));
        if is_range {
            self.at += 1;
            let c = self.next().ok_or(Malformed)?;
            let Item::Char(high) = self.char_or_set(c)? else { return Err(Malformed) };
            if high < low {
                return Err(Malformed);
            }
            out.push('-');
            push_literal(out, high);
        }
        Ok(())
    }

    fn char_or_set(&mut self, c: char) -> Result<Item> {
        match c {
            '\\' => {
                let escaped = self.next().ok_or(Malformed)?;
                self.class_escape(escaped)
            }
            c => Ok(Item::Char(c)),
        }
    }

    /// Parses what follows a backslash, for escapes with the same meaning inside and outside a
    /// class.
    pub(super) fn class_escape(&mut self, c: char) -> Result<Item> {
        let unicode = self.flags.has('U');
        let set = |text: &str| Ok(Item::Set(text.to_owned()));
        match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' if unicode => set(&format!("\\{c}")),
            'd' => set("0-9"),
            'D' => set("^0-9"),
            'w' => set("A-Za-z0-9_"),
            'W' => set("^A-Za-z0-9_"),
            's' => set("\\x20\\t\\n\\x0B\\f\\r"),
            'S' => set("^\\x20\\t\\n\\x0B\\f\\r"),
            'h' => set(HORIZONTAL),
            'H' => set(&format!("^{HORIZONTAL}")),
            'v' => set(VERTICAL),
            'V' => set(&format!("^{VERTICAL}")),
            'p' | 'P' => self.property(c == 'P'),
            't' => Ok(Item::Char('\t')),
            'n' => Ok(Item::Char('\n')),
            'r' => Ok(Item::Char('\r')),
            'f' => Ok(Item::Char('\u{c}')),
            'a' => Ok(Item::Char('\u{7}')),
            'e' => Ok(Item::Char('\u{1b}')),
            'c' => {
                let control = self.next().filter(char::is_ascii).ok_or(Malformed)?;
                char::from_u32(u32::from(control) ^ 64).map(Item::Char).ok_or(Malformed)
            }
            '0' => self.octal(),
            'x' if self.next_if('{') => {
                let digits = self.until_brace()?;
                character(u32::from_str_radix(&digits, 16).map_err(|_| Malformed)?)
            }
            'x' => self.hex(2).and_then(character),
            'u' => self.utf16(),
            c if c.is_ascii_alphanumeric() => Err(Malformed),
            c => Ok(Item::Char(c)),
        }
    }

    fn octal(&mut self) -> Result<Item> {
        let mut value = 0;
        let mut digits = 0;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) {
            if digits == 3 || value * 8 + digit > 0o377 {
                break;
            }
            value = value * 8 + digit;
            digits += 1;
            self.at += 1;
        }
        if digits == 0 { Err(Malformed) } else { character(value) }
    }

    fn hex(&mut self, count: usize) -> Result<u32> {
        let mut value = 0;
        for _ in 0..count {
            let digit = self.next().and_then(|c| c.to_digit(16)).ok_or(Malformed)?;
            value = value * 16 + digit;
        }
        Ok(value)
    }

    /// Parses a UTF-16 escape: `\uD83D\uDE00` is one character.
    fn utf16(&mut self) -> Result<Item> {
        let high = self.hex(4)?;
        if (0xD800..0xDC00).contains(&high) && self.next_text("\\u") {
            let low = self.hex(4)?;
            if !(0xDC00..0xE000).contains(&low) {
                return Err(Malformed);
            }
            return character(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
        }
        character(high)
    }

    fn until_brace(&mut self) -> Result<String> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some('}') => return Ok(text),
                Some(c) => text.push(c),
                None => return Err(Malformed),
            }
        }
    }

    /// `\pL`, `\p{Lu}`, `\p{IsGreek}`, `\p{Alpha}` …
    fn property(&mut self, negated: bool) -> Result<Item> {
        let name = match self.next() {
            Some('{') => self.until_brace()?,
            Some(c) => c.to_string(),
            None => return Err(Malformed),
        };
        let set = match posix(&name, self.flags.has('U')) {
            Some(set) => set.to_owned(),
            None => unicode(&name)?,
        };
        let sign = if negated { "^" } else { "" };
        Ok(Item::Set(format!("{sign}[{set}]")))
    }
}

const HORIZONTAL: &str =
    "\\x20\\t\\x{A0}\\x{1680}\\x{180E}\\x{2000}-\\x{200A}\\x{202F}\\x{205F}\\x{3000}";
const VERTICAL: &str = "\\n\\x0B\\f\\r\\x{85}\\x{2028}\\x{2029}";

fn character(code: u32) -> Result<Item> {
    char::from_u32(code).map(Item::Char).ok_or(Malformed)
}

/// POSIX classes, which match only ASCII unless the flag `U` is set, and those of Java's
/// `Character`.
fn posix(name: &str, unicode: bool) -> Option<&'static str> {
    Some(match name {
        "Alpha" if unicode => "\\p{Alphabetic}",
        "Digit" if unicode => "\\p{Nd}",
        "Alnum" if unicode => "\\p{Alphabetic}\\p{Nd}",
        "Upper" if unicode => "\\p{Uppercase}",
        "Lower" if unicode => "\\p{Lowercase}",
        "Punct" if unicode => "\\p{P}",
        "Space" if unicode => "\\p{White_Space}",
        "Alpha" => "A-Za-z",
        "Digit" => "0-9",
        "Alnum" => "A-Za-z0-9",
        "Upper" => "A-Z",
        "Lower" => "a-z",
        "Punct" => "!-/:-@\\[-`{-~",
        "Space" => "\\x20\\t\\n\\x0B\\f\\r",
        "Graph" => "!-~",
        "Print" => "\\x20-~",
        "Blank" => "\\x20\\t",
        "Cntrl" => "\\x00-\\x1F\\x7F",
        "XDigit" => "0-9A-Fa-f",
        "ASCII" => "\\x00-\\x7F",
        "all" => "\\x{0}-\\x{10FFFF}",
        "L1" => "\\x00-\\x{FF}",
        "LC" => "\\p{Lu}\\p{Ll}\\p{Lt}",
        "LD" => "\\p{L}\\p{Nd}",
        "javaLowerCase" => "\\p{Lowercase}",
        "javaUpperCase" => "\\p{Uppercase}",
        "javaAlphabetic" => "\\p{Alphabetic}",
        "javaLetter" => "\\p{L}",
        "javaDigit" => "\\p{Nd}",
        "javaLetterOrDigit" => "\\p{L}\\p{Nd}",
        "javaWhitespace" => "\\p{Z}\\t\\n\\x0B\\f\\r\\x1C-\\x1F--\\x{A0}\\x{2007}\\x{202F}",
        "javaSpaceChar" => "\\p{Z}",
        _ => return None,
    })
}

/// Unicode categories, scripts, blocks and properties.
fn unicode(name: &str) -> Result<String> {
    let plain = |name: &str| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '-');
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(Malformed);
        }
        Ok(format!("\\p{{{name}}}"))
    };
    if let Some((key, value)) = name.split_once('=') {
        return match key.to_ascii_lowercase().as_str() {
            "script" | "sc" => Ok(format!("\\p{{Script={}}}", plain(value).map(|_| value)?)),
            "general_category" | "gc" => plain(value),
            "block" | "blk" => block(value),
            _ => Err(Malformed),
        };
    }
    if let Some(name) = name.strip_prefix("In") {
        return block(name);
    }
    if let Some(name) = name.strip_prefix("Is") {
        return match name.to_ascii_uppercase().as_str() {
            "DIGIT" => plain("Nd"),
            "LETTER" => plain("L"),
            "PUNCTUATION" => plain("P"),
            "CONTROL" => plain("Cc"),
            "TITLECASE" => plain("Lt"),
            "ASSIGNED" => Ok("\\P{Cn}".to_owned()),
            _ => plain(name),
        };
    }
    // Without a prefix, only categories are allowed.
    if name.len() <= 2 { plain(name) } else { Err(Malformed) }
}

/// The supported Unicode blocks.
fn block(name: &str) -> Result<String> {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let (from, to) = match name.to_ascii_lowercase().as_str() {
        "basiclatin" => (0x0, 0x7F),
        "latin1supplement" => (0x80, 0xFF),
        "latinextendeda" => (0x100, 0x17F),
        "latinextendedb" => (0x180, 0x24F),
        "combiningdiacriticalmarks" => (0x300, 0x36F),
        "greek" | "greekandcoptic" => (0x370, 0x3FF),
        "cyrillic" => (0x400, 0x4FF),
        "armenian" => (0x530, 0x58F),
        "hebrew" => (0x590, 0x5FF),
        "arabic" => (0x600, 0x6FF),
        "devanagari" => (0x900, 0x97F),
        "bengali" => (0x980, 0x9FF),
        "tamil" => (0xB80, 0xBFF),
        "thai" => (0xE00, 0xE7F),
        "georgian" => (0x10A0, 0x10FF),
        "generalpunctuation" => (0x2000, 0x206F),
        "currencysymbols" => (0x20A0, 0x20CF),
        "arrows" => (0x2190, 0x21FF),
        "mathematicaloperators" => (0x2200, 0x22FF),
        "boxdrawing" => (0x2500, 0x257F),
        "dingbats" => (0x2700, 0x27BF),
        "cjksymbolsandpunctuation" => (0x3000, 0x303F),
        "hiragana" => (0x3040, 0x309F),
        "katakana" => (0x30A0, 0x30FF),
        "cjkunifiedideographs" => (0x4E00, 0x9FFF),
        "hangulsyllables" => (0xAC00, 0xD7A3),
        "halfwidthandfullwidthforms" => (0xFF00, 0xFFEF),
        "emoticons" => (0x1_F600, 0x1_F64F),
        _ => return Err(Malformed),
    };
    Ok(format!("\\x{{{from:X}}}-\\x{{{to:X}}}"))
}
