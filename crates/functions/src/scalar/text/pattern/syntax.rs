//! Translation of Java's regular expressions to the syntax of the Rust crates. Constructs with a
//! different meaning there are expanded: ASCII-only classes, the dot and its line terminators,
//! octal and quoted characters, possessive quantifiers (as atomic groups), anchors before a final
//! line terminator.

mod class;

use std::fmt::Write;

/// A pattern that Java rejects, or that has no equivalent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

type Result<T> = std::result::Result<T, Malformed>;

/// The meaning of `$` and `\Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The end of the text: correct for text without a final line terminator, and fast.
    OfText,
    /// The end, or the position before a final line terminator.
    BeforeLastBreak,
}

/// Java's line terminators, except the pair `\r\n`.
const BREAKS: &str = "\\n\\r\\x{85}\\x{2028}\\x{2029}";

/// A pattern in Rust's syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Translated {
    pub(crate) text: String,
    /// Whether the translation depends on [`End`].
    pub(crate) has_end: bool,
}

/// Translates a pattern.
pub(crate) fn translate(pattern: &str, end: End) -> Result<Translated> {
    let chars: Vec<char> = pattern.chars().collect();
    let groups = groups(&chars);
    let mut translator = Translator {
        chars,
        at: 0,
        out: String::with_capacity(pattern.len() + 16),
        flags: Flags::default(),
        groups,
        end,
        has_end: false,
        names: Vec::new(),
        atom: None,
    };
    translator.alternatives(0)?;
    if translator.at < translator.chars.len() {
        return Err(Malformed);
    }
    Ok(Translated { text: translator.out, has_end: translator.has_end })
}

/// Counts the groups of a pattern: `\11` is a back-reference only if there are that many.
fn groups(chars: &[char]) -> usize {
    let mut count = 0;
    let mut depth = 0_usize;
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '\\' if chars.get(at + 1) == Some(&'Q') => {
                while at < chars.len() && chars[at..].iter().take(2).ne(['\\', 'E'].iter()) {
                    at += 1;
                }
            }
            '\\' => at += 1,
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '(' if depth == 0 => {
                let is_named = chars.get(at + 2) == Some(&'<')
                    && !matches!(chars.get(at + 3), Some('=' | '!'));
                count += usize::from(chars.get(at + 1) != Some(&'?') || is_named);
            }
            _ => {}
        }
        at += 1;
    }
    count
}

/// The flags in effect at a position.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Flags(u8);

impl Flags {
    const NAMES: [char; 7] = ['i', 'd', 'm', 's', 'u', 'x', 'U'];

    fn has(self, name: char) -> bool {
        Self::NAMES.iter().position(|n| *n == name).is_some_and(|at| self.0 & (1 << at) != 0)
    }

    fn set(&mut self, name: char, on: bool) -> Result<()> {
        let at = Self::NAMES.iter().position(|n| *n == name).ok_or(Malformed)?;
        self.0 = if on { self.0 | (1 << at) } else { self.0 & !(1 << at) };
        Ok(())
    }
}

/// Maximum nesting depth of groups and classes.
const DEPTH: usize = 200;

struct Translator {
    chars: Vec<char>,
    at: usize,
    out: String,
    flags: Flags,
    groups: usize,
    end: End,
    has_end: bool,
    names: Vec<String>,
    /// Start of the atom in `out` to which a quantifier would apply.
    atom: Option<usize>,
}

impl Translator {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let found = self.peek();
        self.at += usize::from(found.is_some());
        found
    }

    fn next_if(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Consumes the text if it comes next.
    fn next_text(&mut self, wanted: &str) -> bool {
        let found =
            wanted.chars().enumerate().all(|(i, c)| self.chars.get(self.at + i) == Some(&c));
        if found {
            self.at += wanted.chars().count();
        }
        found
    }

    /// Translates up to the end or the parenthesis that closes the enclosing group.
    fn alternatives(&mut self, depth: usize) -> Result<()> {
        if depth > DEPTH {
            return Err(Malformed);
        }
        self.atom = None;
        while let Some(c) = self.peek() {
            match c {
                ')' => break,
                '|' => {
                    self.at += 1;
                    self.out.push('|');
                    self.atom = None;
                }
                '*' | '+' | '?' | '{' => self.quantifier()?,
                _ if self.flags.has('x') && c.is_ascii_whitespace() => self.at += 1,
                '#' if self.flags.has('x') => while self.next().is_some_and(|c| c != '\n') {},
                '(' => self.group(depth)?,
                '\\' if self.next_text("\\Q") => self.quoted(),
                _ => self.atom()?,
            }
        }
        Ok(())
    }

    fn atom(&mut self) -> Result<()> {
        let start = self.out.len();
        match self.next() {
            Some('[') => {
                let class = self.class(0)?;
                self.out.push_str(&class);
            }
            Some('.') => self.dot(),
            Some('^') if self.flags.has('m') => self.out.push_str("(?m:^)(?!\\z)"),
            Some('^') => self.out.push_str("\\A"),
            Some('$') if self.flags.has('m') => self.out.push_str("(?m:$)"),
            Some('$') => self.last(),
            Some('\\') => self.escape()?,
            Some(c) => self.literal(c),
            None => {}
        }
        if self.out.len() > start {
            self.atom = Some(start);
        }
        Ok(())
    }

    fn dot(&mut self) {
        if self.flags.has('s') {
            self.out.push_str("(?s:.)");
        } else if self.flags.has('d') {
            self.out.push_str("[^\\n]");
        } else {
            let _ = write!(self.out, "[^{BREAKS}]");
        }
    }

    /// Translates an anchor for the end, or the position before a final line terminator.
    fn last(&mut self) {
        self.has_end = true;
        match self.end {
            End::OfText => self.out.push_str("\\z"),
            End::BeforeLastBreak if self.flags.has('d') => self.out.push_str("(?=\\n?\\z)"),
            End::BeforeLastBreak => {
                // Not between the two characters of `\r\n`.
                let _ = write!(self.out, "(?=(?:\\r\\n|[{BREAKS}])?\\z)(?!(?<=\\r)\\n)");
            }
        }
    }

    fn literal(&mut self, c: char) {
        // Without the flag `u`, Java folds the case of ASCII only.
        if self.flags.has('i') && !c.is_ascii() && !self.flags.has('u') && !self.flags.has('U') {
            let _ = write!(self.out, "(?-i:{c})");
        } else {
            push_literal(&mut self.out, c);
        }
    }

    fn escape(&mut self) -> Result<()> {
        let c = self.next().ok_or(Malformed)?;
        match c {
            'A' => self.out.push_str("\\A"),
            'z' => self.out.push_str("\\z"),
            'Z' => self.last(),
            'G' => self.out.push_str("\\G"),
            'b' | 'B' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'R' => self.out.push_str("(?:\\r\\n|[\\n\\x0B\\f\\r\\x{85}\\x{2028}\\x{2029}])"),
            'X' => self.out.push_str("(?:\\r\\n|(?s:.)\\p{M}*)"),
            'k' => {
                let name = self.name()?;
                let _ = write!(self.out, "(?:\\k<{name}>)");
            }
            '1'..='9' => self.back_reference(c),
            _ => {
                let item = self.class_escape(c)?;
                match item {
                    class::Item::Char(c) => self.literal(c),
                    class::Item::Set(set) => {
                        let _ = write!(self.out, "[{set}]");
                    }
                }
            }
        }
        Ok(())
    }

    /// Characters up to `\E`. A quantifier after them applies to the last one.
    fn quoted(&mut self) {
        while self.at < self.chars.len() && !self.next_text("\\E") {
            if let Some(c) = self.next() {
                self.atom = Some(self.out.len());
                self.literal(c);
            }
        }
    }

    fn back_reference(&mut self, first: char) {
        let mut group = first.to_digit(10).unwrap_or_default() as usize;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let longer = group * 10 + digit as usize;
            if longer > self.groups {
                break;
            }
            group = longer;
            self.at += 1;
        }
        if group > self.groups {
            // A group that does not exist matches nothing.
            self.out.push_str("(?!)");
        } else {
            let _ = write!(self.out, "(?:\\{group})");
        }
    }

    /// Parses `<name>`.
    fn name(&mut self) -> Result<String> {
        let mut name = String::new();
        if !self.next_if('<') {
            return Err(Malformed);
        }
        loop {
            match self.next() {
                Some('>') if !name.is_empty() => return Ok(name),
                Some(c) if c.is_ascii_alphabetic() => name.push(c),
                Some(c) if c.is_ascii_digit() && !name.is_empty() => name.push(c),
                _ => return Err(Malformed),
            }
        }
    }

    fn group(&mut self, depth: usize) -> Result<()> {
        let (start, outer) = (self.out.len(), self.flags);
        self.at += 1;
        if self.next_if('?') {
            let fixed = ["<=", "<!", "=", "!", ">", ":"];
            if let Some(kind) = fixed.into_iter().find(|kind| self.next_text(kind)) {
                let _ = write!(self.out, "(?{kind}");
            } else if self.peek() == Some('<') {
                let name = self.name()?;
                if self.names.contains(&name) {
                    return Err(Malformed);
                }
                let _ = write!(self.out, "(?P<{name}>");
                self.names.push(name);
            } else if self.flags_of_group()? {
                // These flags apply up to the end of the enclosing group.
                self.atom = None;
                return Ok(());
            }
        } else {
            self.out.push('(');
        }
        self.alternatives(depth + 1)?;
        if !self.next_if(')') {
            return Err(Malformed);
        }
        self.out.push(')');
        self.flags = outer;
        self.atom = Some(start);
        Ok(())
    }

    /// Parses `i-s:` or `i-s)`; returns whether that was the whole group.
    fn flags_of_group(&mut self) -> Result<bool> {
        let before = self.flags;
        let mut on = true;
        loop {
            match self.next() {
                Some('-') if on => on = false,
                Some(end @ (':' | ')')) => {
                    let folds = self.flags.has('i');
                    let changed = folds != before.has('i');
                    let flag = if !changed {
                        ""
                    } else if folds {
                        "i"
                    } else {
                        "-i"
                    };
                    match (end, changed) {
                        (':', _) => {
                            let _ = write!(self.out, "(?{flag}:");
                        }
                        (_, true) => {
                            let _ = write!(self.out, "(?{flag})");
                        }
                        (_, false) => {}
                    }
                    return Ok(end == ')');
                }
                Some(name) => self.flags.set(name, on)?,
                None => return Err(Malformed),
            }
        }
    }

    fn quantifier(&mut self) -> Result<()> {
        let start = self.atom.take().ok_or(Malformed)?;
        let mut text = String::new();
        match self.next() {
            Some('{') => {
                text.push('{');
                self.number(&mut text)?;
                if self.next_if(',') {
                    text.push(',');
                    if self.peek() != Some('}') {
                        self.number(&mut text)?;
                    }
                }
                if !self.next_if('}') {
                    return Err(Malformed);
                }
                text.push('}');
            }
            Some(c) => text.push(c),
            None => {}
        }
        if self.next_if('?') {
            text.push('?');
        } else if self.next_if('+') {
            self.out.insert_str(start, "(?>");
            text.push(')');
        }
        self.out.push_str(&text);
        Ok(())
    }

    fn number(&mut self, out: &mut String) -> Result<()> {
        let before = out.len();
        while let Some(c) = self.peek().filter(char::is_ascii_digit) {
            out.push(c);
            self.at += 1;
        }
        if out.len() == before { Err(Malformed) } else { Ok(()) }
    }
}

/// Appends a literal character.
fn push_literal(out: &mut String, c: char) {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        let _ = write!(out, "\\x{{{:X}}}", u32::from(c));
    } else {
        out.push(c);
    }
}
