//! Continuations of an expression: operators in which Spark differs.

use super::{SparkDialect, begins_query, binding};
use crate::parser::Cursor;
use crate::tokens::is_keyword;
use sqlparser::ast::{BinaryOperator, CastKind, Expr, ValueWithSpan};
use sqlparser::dialect::Precedence;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Word};

/// Limit on consecutive operators of this file without parentheses.
const MAX_CHAIN: usize = 200;

/// Shifts bind weaker than sums and stronger than `&`.
const SHIFT: u8 = 25;

/// The precedence of the next operator, if it differs from `sqlparser`'s; 0 if Spark has no such
/// operator.
pub(super) fn precedence(parser: &Parser<'_>) -> Option<u8> {
    match &parser.at(0).token {
        Token::StringConcat => Some(binding(Precedence::PlusMinus)),
        Token::ShiftLeft | Token::ShiftRight => Some(SHIFT),
        Token::Colon
        | Token::Assignment
        | Token::ExclamationMark
        | Token::Tilde
        | Token::Sharp
        | Token::Overlap
        | Token::Arrow
        | Token::LongArrow
        | Token::AtSign
        | Token::Placeholder(_)
        | Token::Question => Some(0),
        Token::Word(word) => word_precedence(parser, word),
        _ => None,
    }
}

fn word_precedence(parser: &Parser<'_>, word: &Word) -> Option<u8> {
    if word.quote_style.is_some() {
        return Some(0);
    }
    match word.keyword {
        Keyword::NOT => match &parser.at(1).token {
            Token::Word(next) if matches!(next.keyword, Keyword::IN | Keyword::BETWEEN) => None,
            Token::Word(next) if is_pattern(next.keyword) => Some(binding(Precedence::Like)),
            _ => Some(0),
        },
        Keyword::XOR
        | Keyword::AT
        | Keyword::OVERLAPS
        | Keyword::MATCH
        | Keyword::MEMBER
        | Keyword::SIMILAR
        | Keyword::OPERATOR
        | Keyword::NOTNULL => Some(0),
        _ => None,
    }
}

fn is_pattern(word: Keyword) -> bool {
    matches!(word, Keyword::LIKE | Keyword::ILIKE | Keyword::RLIKE | Keyword::REGEXP)
}

impl SparkDialect {
    /// Parses the continuation of an expression if `sqlparser` would read it differently.
    pub(super) fn infix(
        &self,
        parser: &mut Parser<'_>,
        left: &Expr,
    ) -> Option<Result<Expr, ParserError>> {
        if chain(left) > MAX_CHAIN {
            return Some(Err(ParserError::RecursionLimitExceeded));
        }
        if parser.consume_token(&Token::DoubleColon) {
            return Some(self.data_type(parser).map(|data_type| Expr::Cast {
                kind: CastKind::DoubleColon,
                expr: Box::new(left.clone()),
                data_type,
                array: false,
                format: None,
            }));
        }
        if parser.parse_keyword(Keyword::DIV) {
            let precedence = binding(Precedence::MulDivModOp);
            let op = BinaryOperator::MyIntegerDivide;
            return Some(parser.parse_subexpr(precedence).map(|right| binary(left, op, right)));
        }
        if parser.sees(&["IS", "DISTINCT", "FROM"])
            || parser.sees(&["IS", "NOT", "DISTINCT", "FROM"])
        {
            return Some(distinct_from(parser, left));
        }
        let ahead = usize::from(is_keyword(&parser.at(0).token, Keyword::NOT));
        let Token::Word(word) = &parser.at(ahead).token else { return None };
        let keyword = word.keyword;
        if word.quote_style.is_some() || !(keyword == Keyword::IN || is_pattern(keyword)) {
            return None;
        }
        (0..=ahead).for_each(|_| parser.advance_token());
        let negated = ahead == 1;
        Some(if keyword == Keyword::IN {
            membership(parser, left, negated)
        } else {
            patterns(parser, left, keyword, negated)
        })
    }
}

/// The number of operators in the left side of an expression, as far as it matters: each of our
/// operators copies its left side.
fn chain(left: &Expr) -> usize {
    let mut length = 0;
    let mut rest = left;
    while length <= MAX_CHAIN {
        rest = match rest {
            Expr::Cast { kind: CastKind::DoubleColon, expr, .. }
            | Expr::InList { expr, .. }
            | Expr::InSubquery { expr, .. }
            | Expr::Like { expr, .. }
            | Expr::ILike { expr, .. }
            | Expr::RLike { expr, .. }
            | Expr::IsDistinctFrom(expr, _)
            | Expr::IsNotDistinctFrom(expr, _)
            | Expr::BinaryOp { left: expr, op: BinaryOperator::MyIntegerDivide, .. } => expr,
            _ => break,
        };
        length += 1;
    }
    length
}

fn distinct_from(parser: &mut Parser<'_>, left: &Expr) -> Result<Expr, ParserError> {
    let same = parser.take(&["IS", "NOT", "DISTINCT", "FROM"]);
    if !same {
        parser.take(&["IS", "DISTINCT", "FROM"]);
    }
    let left = Box::new(left.clone());
    let right = Box::new(parser.parse_subexpr(binding(Precedence::Is))?);
    Ok(if same { Expr::IsNotDistinctFrom(left, right) } else { Expr::IsDistinctFrom(left, right) })
}

/// `LIKE` and its relatives, after the word. `ANY` and `ALL` of several patterns become `OR` and
/// `AND`.
fn patterns(
    parser: &mut Parser<'_>,
    left: &Expr,
    keyword: Keyword,
    negated: bool,
) -> Result<Expr, ParserError> {
    let word = parser.parse_one_of_keywords(&[Keyword::ANY, Keyword::SOME, Keyword::ALL]);
    let Some(word) = word else {
        let pattern = parser.parse_subexpr(binding(Precedence::Like))?;
        let escape = parser.parse_escape_char()?;
        return Ok(like(keyword, negated, left.clone(), pattern, escape));
    };
    parser.expect_token(&Token::LParen)?;
    let patterns = parser.parse_comma_separated(Parser::parse_expr)?;
    parser.expect_token(&Token::RParen)?;
    let op = if word == Keyword::ALL { BinaryOperator::And } else { BinaryOperator::Or };
    let one = |pattern| like(keyword, negated, left.clone(), pattern, None);
    let all = patterns.into_iter().map(one).reduce(|a, b| binary(&a, op.clone(), b));
    // `parse_comma_separated` yields at least one.
    all.map(|e| Expr::Nested(Box::new(e)))
        .ok_or_else(|| ParserError::ParserError("Expected: a pattern".to_owned()))
}

fn like(
    keyword: Keyword,
    negated: bool,
    expr: Expr,
    pattern: Expr,
    escape_char: Option<ValueWithSpan>,
) -> Expr {
    let (expr, pattern) = (Box::new(expr), Box::new(pattern));
    match keyword {
        Keyword::LIKE => Expr::Like { negated, any: false, expr, pattern, escape_char },
        Keyword::ILIKE => Expr::ILike { negated, any: false, expr, pattern, escape_char },
        _ => Expr::RLike { negated, expr, pattern, regexp: false },
    }
}

/// The list or query of `IN`, after the word.
fn membership(parser: &mut Parser<'_>, left: &Expr, negated: bool) -> Result<Expr, ParserError> {
    let expr = Box::new(left.clone());
    parser.expect_token(&Token::LParen)?;
    let result = if begins_query(parser, 0) {
        Expr::InSubquery { expr, subquery: parser.parse_query()?, negated }
    } else {
        Expr::InList { expr, list: parser.parse_comma_separated(Parser::parse_expr)?, negated }
    };
    parser.expect_token(&Token::RParen)?;
    Ok(result)
}

fn binary(left: &Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left.clone()), op, right: Box::new(right) }
}
