//! Text to tokens. Whatever Spark treats as one literal is one token afterwards: adjacent strings
//! are joined, escapes are resolved, number suffixes belong to their number, `?` carries its index.
//! Comments are dropped, except hints.

use crate::clauses;
use crate::dialect::SparkDialect;
use crate::error::{self, Parsed};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

/// The tokens of a text, in the order of clauses that `sqlparser` expects.
pub(crate) fn tokenize(text: &str) -> Parsed<Vec<TokenWithSpan>> {
    let dialect = SparkDialect::default();
    let mut raw = Vec::new();
    let read = Tokenizer::new(&dialect, text)
        .with_unescape(false)
        .tokenize_with_location_into_buf(&mut raw);
    if let Err(failure) = read {
        let near = text_at(text, failure.location);
        return Err(if failure.message.contains("multi-line comment") {
            error::unclosed_comment(failure.location)
        } else {
            error::syntax_near(near, failure.location)
        });
    }
    let mut tokens = Clean::default();
    for token in raw {
        tokens.push(token);
    }
    if clauses::is_entangled(&tokens.list) {
        return Err(error::too_complex());
    }
    let mut tokens = clauses::rearrange(tokens.list);
    if let Some(end) = tokens.last().map(|last| last.span.end) {
        // `sqlparser`'s own end token has no position.
        tokens.push(TokenWithSpan { token: Token::EOF, span: Span::new(end, end) });
    }
    Ok(tokens)
}

/// The first word of the text from a position, quoted, for an error message.
fn text_at(text: &str, at: Location) -> String {
    let line = text.lines().nth(usize::try_from(at.line.saturating_sub(1)).unwrap_or(0));
    let start = usize::try_from(at.column.saturating_sub(1)).unwrap_or(0);
    let word: String = line
        .unwrap_or("")
        .chars()
        .skip(start)
        .take_while(|c| !c.is_whitespace())
        .take(40)
        .collect();
    if word.is_empty() { "end of input".to_owned() } else { format!("'{word}'") }
}

/// The tokens so far.
#[derive(Default)]
struct Clean {
    list: Vec<TokenWithSpan>,
    positional_parameters: usize,
}

impl Clean {
    fn push(&mut self, TokenWithSpan { token, span }: TokenWithSpan) {
        let token = match token {
            Token::Whitespace(Whitespace::MultiLineComment(text)) => {
                if !(text.starts_with('+') && self.follows_select()) {
                    return;
                }
                Token::Whitespace(Whitespace::MultiLineComment(text))
            }
            Token::Whitespace(_) => return,
            Token::SingleQuotedString(text) => return self.push_string(&text, '\'', span),
            Token::DoubleQuotedString(text) => return self.push_string(&text, '"', span),
            Token::Number(digits, true) => Token::Number(digits + "L", false),
            Token::Placeholder(name) if name == "?" => {
                let index = self.positional_parameters;
                self.positional_parameters += 1;
                Token::Placeholder(format!("?{index}"))
            }
            Token::Word(word) => match self.joined_to_number(word, span.start) {
                Some(token) => token,
                None => return,
            },
            token => token,
        };
        self.list.push(TokenWithSpan { token, span });
    }

    fn follows_select(&self) -> bool {
        matches!(self.list.last(), Some(last) if is_keyword(&last.token, Keyword::SELECT))
    }

    fn push_string(&mut self, text: &str, quote: char, span: Span) {
        let raw = self.list.pop_if(|last| {
            last.span.end == span.start
                && matches!(&last.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case("r"))
        });
        let value = if raw.is_some() { text.to_owned() } else { unescape(text, quote) };
        // Looked up only where two strings meet.
        let follows =
            matches!(self.list.last(), Some(t) if matches!(t.token, Token::SingleQuotedString(_)));
        let in_properties = follows && self.in_properties();
        match self.list.last_mut() {
            Some(TokenWithSpan { token: Token::SingleQuotedString(before), span: whole })
                if !in_properties =>
            {
                before.push_str(&value);
                whole.end = span.end;
            }
            _ => self.list.push(TokenWithSpan { token: Token::SingleQuotedString(value), span }),
        }
    }

    /// Whether the last token is in a list of properties, where two strings are a key and its
    /// value.
    fn in_properties(&self) -> bool {
        let open = self.list.iter().rposition(|t| matches!(t.token, Token::LParen | Token::RParen));
        let Some([before, open]) = open.and_then(|i| self.list.get(i.checked_sub(1)?..=i)) else {
            return false;
        };
        open.token == Token::LParen
            && ["OPTIONS", "TBLPROPERTIES", "DBPROPERTIES", "PROPERTIES"]
                .iter()
                .any(|word| crate::parser::is_word(&before.token, word))
    }

    /// A word that touches the number before it is that number's suffix (`1S`), or both are one
    /// name (`1a`).
    fn joined_to_number(&mut self, word: Word, start: Location) -> Option<Token> {
        let Word { value, quote_style, keyword } = word;
        if quote_style.is_some() {
            let value = value.replace("``", "`");
            return Some(Token::Word(Word { value, quote_style, keyword }));
        }
        match self.list.last_mut() {
            Some(TokenWithSpan { token: Token::Number(digits, _), span }) if span.end == start => {
                let suffix = value.to_uppercase();
                if matches!(suffix.as_str(), "L" | "S" | "Y" | "F" | "D" | "BD") {
                    digits.push_str(&suffix);
                    return None;
                }
                if digits.bytes().all(|b| b.is_ascii_digit()) {
                    let value = std::mem::take(digits) + &value;
                    self.list.pop();
                    return Some(Token::Word(Word {
                        value,
                        quote_style,
                        keyword: Keyword::NoKeyword,
                    }));
                }
                Some(Token::Word(Word { value, quote_style, keyword }))
            }
            _ => Some(Token::Word(Word { value, quote_style, keyword })),
        }
    }
}

/// Whether a token is this keyword, unquoted.
pub(crate) fn is_keyword(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

/// Resolves the escapes of a string literal as Spark does. `\%` and `\_` keep their backslash,
/// because `LIKE` needs it.
fn unescape(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == quote {
            // Only doubled quotes are left inside a literal.
            rest.next();
            out.push(quote);
        } else if c == '\\' {
            escape(&mut rest, &mut out);
        } else {
            out.push(c);
        }
    }
    out
}

/// Parses the characters after a backslash.
fn escape(rest: &mut std::str::Chars<'_>, out: &mut String) {
    for (lead, digits, radix) in [('u', 4, 16), ('U', 8, 16)] {
        if let Some(code) = rest.as_str().strip_prefix(lead).and_then(|r| code(r, digits, radix)) {
            out.push(code);
            rest.nth(digits);
            return;
        }
    }
    let octal = rest.as_str();
    if octal.starts_with(['0', '1'])
        && let Some(code) = code(octal, 3, 8)
    {
        out.push(code);
        rest.nth(2);
        return;
    }
    match rest.next() {
        Some('0') => out.push('\0'),
        Some('b') => out.push('\u{8}'),
        Some('n') => out.push('\n'),
        Some('r') => out.push('\r'),
        Some('t') => out.push('\t'),
        Some('Z') => out.push('\u{1a}'),
        Some(wildcard @ ('%' | '_')) => {
            out.push('\\');
            out.push(wildcard);
        }
        Some(other) => out.push(other),
        None => out.push('\\'),
    }
}

/// The character whose code is in the first digits of the text.
fn code(text: &str, digits: usize, radix: u32) -> Option<char> {
    let text = text.get(..digits)?;
    if !text.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    char::from_u32(u32::from_str_radix(text, radix).ok()?)
}
