//! The aggregates of a `PIVOT`. `sqlparser` only reads calls there, Spark any expression: an
//! expression that is not a call becomes the argument of one.

use crate::tokens::is_keyword;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};
use std::ops::Range;

/// The call whose argument is an expression to be taken as it is.
pub(crate) const ITEM: &str = "#item";

/// Wraps the aggregates of each `PIVOT` in calls.
pub(crate) fn as_calls(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut wrapped: Vec<Range<usize>> = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        if is_keyword(&pair[0].token, Keyword::PIVOT) && pair[1].token == Token::LParen {
            wrapped.extend(
                items(&tokens, at + 2).into_iter().filter(|item| !is_call(&tokens[item.clone()])),
            );
        }
    }
    if wrapped.is_empty() {
        return tokens;
    }
    let word = Token::Word(Word {
        value: ITEM.to_owned(),
        quote_style: None,
        keyword: Keyword::NoKeyword,
    });
    let mut out = Vec::with_capacity(tokens.len() + 3 * wrapped.len());
    for (at, token) in tokens.into_iter().enumerate() {
        let here = Span::new(token.span.start, token.span.start);
        for _ in wrapped.iter().filter(|item| item.end == at) {
            out.push(TokenWithSpan { token: Token::RParen, span: here });
        }
        for _ in wrapped.iter().filter(|item| item.start == at) {
            out.push(TokenWithSpan { token: word.clone(), span: here });
            out.push(TokenWithSpan { token: Token::LParen, span: here });
        }
        out.push(token);
    }
    out
}

/// The expressions up to the following `FOR`, without their aliases.
fn items(tokens: &[TokenWithSpan], start: usize) -> Vec<Range<usize>> {
    let (mut depth, mut from, mut found) = (0_usize, start, Vec::new());
    for (at, token) in tokens.iter().enumerate().skip(start) {
        let ends =
            depth == 0 && (token.token == Token::Comma || is_keyword(&token.token, Keyword::FOR));
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return Vec::new(),
            Token::RParen => depth -= 1,
            _ => {}
        }
        if ends {
            found.push(from..without_alias(tokens, from..at));
            from = at + 1;
            if token.token != Token::Comma {
                return found;
            }
        }
    }
    Vec::new()
}

/// The end of an expression before its alias.
fn without_alias(tokens: &[TokenWithSpan], item: Range<usize>) -> usize {
    let [.., before, last] = &tokens[item.clone()] else { return item.end };
    if is_keyword(&before.token, Keyword::AS) {
        return item.end - 2;
    }
    let is_name = matches!(&last.token, Token::Word(word) if word.keyword == Keyword::NoKeyword);
    let is_operand = match &before.token {
        Token::RParen | Token::RBracket | Token::Number(..) | Token::SingleQuotedString(_) => true,
        Token::Word(word) => word.keyword == Keyword::NoKeyword || word.keyword == Keyword::END,
        _ => false,
    };
    if is_name && is_operand { item.end - 1 } else { item.end }
}

/// Whether the tokens are a single call.
fn is_call(tokens: &[TokenWithSpan]) -> bool {
    let [name, open, rest @ ..] = tokens else { return tokens.is_empty() };
    if !matches!(name.token, Token::Word(_)) || open.token != Token::LParen {
        return false;
    }
    let mut depth = 1_usize;
    for (at, token) in rest.iter().enumerate() {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1 == rest.len();
        }
    }
    false
}
