//! Splits a file into statements at its semicolons.

/// One statement of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Its text, trimmed and without the semicolon.
    pub text: &'a str,
    /// Line of the script on which it starts, from 1.
    pub line: u32,
}

/// Splits a script into statements. Semicolons within strings, backticks and comments do not count;
/// pieces of only comments and space are dropped.
pub fn split_statements(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut first_word = None;
    let mut rest = text.char_indices();
    while let Some((at, c)) = rest.next() {
        if c == ';' {
            push(&mut pieces, text, first_word.take(), at);
            continue;
        }
        if c.is_whitespace() {
            continue;
        }
        let skipped = skip(&text[at..]);
        if !(text[at..].starts_with("--") || is_plain_comment(&text[at..])) && first_word.is_none()
        {
            first_word = Some(at);
        }
        let end = at + skipped;
        while rest.offset() < end && rest.next().is_some() {}
    }
    push(&mut pieces, text, first_word, text.len());
    pieces
}

/// The text with each comment replaced by a space.
pub(crate) fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(skip(rest));
        if piece.starts_with("--") || piece.starts_with("/*") {
            out.push(' ');
        } else {
            out.push_str(piece);
        }
        rest = after;
    }
    out
}

/// Whether a comment is not a hint.
fn is_plain_comment(text: &str) -> bool {
    text.starts_with("/*") && !text.starts_with("/*+")
}

fn push<'a>(pieces: &mut Vec<Piece<'a>>, text: &'a str, first: Option<usize>, end: usize) {
    if let Some(first) = first {
        let newlines = text[..first].bytes().filter(|b| *b == b'\n').count();
        let line = u32::try_from(newlines + 1).unwrap_or(u32::MAX);
        pieces.push(Piece { text: text[first..end].trim_end(), line });
    }
}

/// The length of the string, name, comment or single character at the start of the text.
fn skip(text: &str) -> usize {
    let first = text.chars().next();
    match first {
        Some(quote @ ('\'' | '"' | '`')) => quoted(text, quote),
        _ if text.starts_with("--") => text.find('\n').map_or(text.len(), |end| end + 1),
        _ if text.starts_with("/*") => comment(text),
        _ => first.map_or(0, char::len_utf8),
    }
}

/// The length of a quoted text with its quotes; a doubled quote looks like two texts, which is good
/// enough here.
fn quoted(text: &str, quote: char) -> usize {
    let mut rest = text.char_indices().skip(1);
    while let Some((at, c)) = rest.next() {
        if c == '\\' && quote != '`' {
            rest.next();
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The length of a comment, including nested ones.
fn comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}
