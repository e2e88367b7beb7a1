//! The entry point of every parser here: text in, a value or an error with its position out. Also
//! the small steps over tokens that our own parsers are made of.

use crate::dialect::SparkDialect;
use crate::error::{self, Parsed};
use crate::lower;
use crate::tokens;
use plan::{Expr, ParseError, Relation};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Limit on the nesting of queries and expressions.
const MAX_DEPTH: usize = 200;
/// Texts of at most this many tokens cannot nest deep enough to overflow the caller's stack.
const SMALL: usize = 64;
/// Stack size for all other texts: enough for `MAX_DEPTH` levels, and for chains of operators,
/// which are deep trees in `sqlparser`. Only the used part becomes memory.
const STACK_BYTES: usize = 32 << 20;
const STACK_BYTES_PER_TOKEN: usize = 1 << 10;

/// The tokens of one text on their way through a parser.
pub(crate) struct Input<'a> {
    pub(crate) parser: Parser<'a>,
    pub(crate) dialect: &'a SparkDialect,
    /// The index of the last token, which is the end of input.
    pub(crate) last: usize,
    /// The text itself, for the values of settings.
    pub(crate) text: &'a str,
}

/// Parses the whole text; anything that `read` leaves over is an error.
pub(crate) fn parse<T: Send>(text: &str, read: fn(&mut Input<'_>) -> Parsed<T>) -> Parsed<T> {
    read_whole(text, read).map_err(|error| ParseError { text: text.to_owned(), ..error })
}

fn read_whole<T: Send>(text: &str, read: fn(&mut Input<'_>) -> Parsed<T>) -> Parsed<T> {
    let tokens = tokens::tokenize(text)?;
    if tokens.len() <= SMALL {
        return run(text, tokens, read);
    }
    let stack = STACK_BYTES + tokens.len() * STACK_BYTES_PER_TOKEN;
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("sql-parser".to_owned())
            .stack_size(stack)
            .spawn_scoped(scope, move || run(text, tokens, read))
            .ok()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_else(|| Err(error::too_complex()))
    })
}

fn run<T>(
    text: &str,
    tokens: Vec<TokenWithSpan>,
    read: fn(&mut Input<'_>) -> Parsed<T>,
) -> Parsed<T> {
    if tokens
        .iter()
        .all(|t| matches!(t.token, Token::SemiColon | Token::EOF | Token::Whitespace(_)))
    {
        return Err(error::empty());
    }
    let dialect = SparkDialect::for_tokens(tokens.len());
    let last = tokens.len().saturating_sub(1);
    let parser =
        Parser::new(&dialect).with_recursion_limit(MAX_DEPTH).with_tokens_with_locations(tokens);
    let mut input = Input { parser, dialect: &dialect, last, text };
    let value = read(&mut input)?;
    while input.parser.consume_token(&Token::SemiColon) {}
    if input.parser.at(0).token != Token::EOF {
        return Err(input.wrong_here());
    }
    Ok(value)
}

impl Input<'_> {
    /// A query.
    pub(crate) fn query(&mut self) -> Parsed<Relation> {
        let query = self.parser.parse_query().map_err(|e| self.failure(&e))?;
        lower::query(self.dialect, *query)
    }

    /// An expression without alias.
    pub(crate) fn expression(&mut self) -> Parsed<Expr> {
        let expr = self.parser.parse_expr().map_err(|e| self.failure(&e))?;
        lower::expression(self.dialect, expr)
    }

    /// The error at the current position, for text that ends too early or continues wrongly.
    pub(crate) fn wrong_here(&self) -> ParseError {
        let reached = self.dialect.furthest().max(self.parser.index());
        error::syntax(self.parser.token_at(reached.min(self.last)))
    }

    /// The error for text that `sqlparser` refused, at the furthest token that it inspected: after
    /// trying several readings it reports the last one, which often stopped long before.
    pub(crate) fn failure(&self, failure: &ParserError) -> ParseError {
        if matches!(failure, ParserError::RecursionLimitExceeded) {
            return error::too_complex();
        }
        if let Some(kept) = self.dialect.take_failure() {
            return kept;
        }
        let reached = self.dialect.furthest().max(self.parser.index());
        let named = place(&failure.to_string()).and_then(|(line, column)| {
            (0..)
                .map(|i| (i, self.parser.token_at(i)))
                .take_while(|(_, t)| t.token != Token::EOF)
                .find_map(|(i, t)| {
                    (t.span.start.line == line && t.span.start.column == column).then_some(i)
                })
        });
        let index = match named {
            Some(named) if named >= self.dialect.furthest() => named,
            _ => reached,
        };
        error::syntax(self.parser.token_at(index.min(self.last)))
    }
}

/// Line and column at the end of `sqlparser`'s message.
fn place(message: &str) -> Option<(u64, u64)> {
    let (_, at) = message.rsplit_once(" at Line: ")?;
    let (line, column) = at.split_once(", Column: ")?;
    Some((line.parse().ok()?, column.trim().parse().ok()?))
}

/// Small steps over tokens.
pub(crate) trait Cursor {
    /// The n-th token ahead.
    fn at(&self, n: usize) -> &TokenWithSpan;
    /// Whether these words come next, unquoted, in any case.
    fn sees(&self, words: &[&str]) -> bool;
    /// Skips these words if they come next.
    fn take(&mut self, words: &[&str]) -> bool;
    /// Skips these words, or fails.
    fn need(&mut self, words: &[&str]) -> Parsed<()>;
    /// Skips this token, or fails.
    fn need_token(&mut self, token: &Token) -> Parsed<()>;
    /// Parses a name of one part.
    fn ident(&mut self) -> Parsed<String>;
    /// Parses a name of several parts.
    fn name(&mut self) -> Parsed<Vec<String>>;
    /// Parses a string literal.
    fn string(&mut self) -> Parsed<String>;
    /// Parses an integer.
    fn number(&mut self) -> Parsed<u32>;
    /// Parses `(item, item, …)`.
    fn listed<T>(&mut self, item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>>
    where
        Self: Sized;
    /// The error for the next token.
    fn wrong(&self) -> ParseError;
}

impl Cursor for Parser<'_> {
    fn at(&self, n: usize) -> &TokenWithSpan {
        self.peek_nth_token_ref(n)
    }

    fn sees(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(n, word)| is_word(&self.at(n).token, word))
    }

    fn take(&mut self, words: &[&str]) -> bool {
        let found = self.sees(words);
        if found {
            for _ in words {
                self.advance_token();
            }
        }
        found
    }

    fn need(&mut self, words: &[&str]) -> Parsed<()> {
        for word in words {
            if !self.take(&[word]) {
                return Err(self.wrong());
            }
        }
        Ok(())
    }

    fn need_token(&mut self, token: &Token) -> Parsed<()> {
        if self.consume_token(token) { Ok(()) } else { Err(self.wrong()) }
    }

    fn ident(&mut self) -> Parsed<String> {
        match &self.at(0).token {
            Token::Word(word) => {
                let value = word.value.clone();
                self.advance_token();
                Ok(value)
            }
            _ => Err(self.wrong()),
        }
    }

    fn name(&mut self) -> Parsed<Vec<String>> {
        let mut parts = vec![self.ident()?];
        while self.consume_token(&Token::Period) {
            parts.push(self.ident()?);
        }
        Ok(parts)
    }

    fn string(&mut self) -> Parsed<String> {
        match &self.at(0).token {
            Token::SingleQuotedString(text) => {
                let text = text.clone();
                self.advance_token();
                Ok(text)
            }
            _ => Err(self.wrong()),
        }
    }

    fn number(&mut self) -> Parsed<u32> {
        match &self.at(0).token {
            Token::Number(digits, _) => {
                let Ok(number) = digits.parse() else { return Err(self.wrong()) };
                self.advance_token();
                Ok(number)
            }
            _ => Err(self.wrong()),
        }
    }

    fn listed<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.need_token(&Token::LParen)?;
        let mut items = vec![item(self)?];
        while self.consume_token(&Token::Comma) {
            items.push(item(self)?);
        }
        self.need_token(&Token::RParen)?;
        Ok(items)
    }

    fn wrong(&self) -> ParseError {
        error::syntax(self.at(0))
    }
}

/// Whether a token is this word, unquoted.
pub(crate) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(Word { value, quote_style: None, .. }) if value.eq_ignore_ascii_case(word))
}
