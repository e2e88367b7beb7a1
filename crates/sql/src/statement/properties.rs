//! `OPTIONS (…)`, `TBLPROPERTIES (…)`: lists of keys and values.

use crate::error::Parsed;
use crate::parser::Cursor;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

/// `(key [=] value, …)`, possibly empty.
pub(super) fn properties(parser: &mut Parser<'_>) -> Parsed<Vec<(String, String)>> {
    if parser.consume_tokens(&[Token::LParen, Token::RParen]) {
        return Ok(Vec::new());
    }
    parser.listed(property)
}

fn property(parser: &mut Parser<'_>) -> Parsed<(String, String)> {
    let key = match &parser.at(0).token {
        Token::SingleQuotedString(_) => parser.string()?,
        _ => parser.name()?.join("."),
    };
    let equals = parser.consume_token(&Token::Eq);
    if !equals && matches!(parser.at(0).token, Token::Comma | Token::RParen) {
        return Ok((key, String::new()));
    }
    Ok((key, value(parser)?))
}

/// A string, a number, or `true` or `false`.
fn value(parser: &mut Parser<'_>) -> Parsed<String> {
    let sign = if parser.consume_token(&Token::Minus) { "-" } else { "" };
    let text = match &parser.at(0).token {
        Token::SingleQuotedString(text) if sign.is_empty() => text.clone(),
        Token::Number(digits, _) => format!("{sign}{digits}"),
        Token::Word(word) if sign.is_empty() => {
            let text = word.value.to_lowercase();
            if text != "true" && text != "false" {
                return Err(parser.wrong());
            }
            text
        }
        _ => return Err(parser.wrong()),
    };
    parser.advance_token();
    Ok(text)
}
