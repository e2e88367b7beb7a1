//! Starts of an expression: forms in which Spark differs.

use super::{NO_EXPRESSION, SparkDialect, TABLE_ARGUMENT, begins_query, binding, call};
use crate::parser::Cursor;
use crate::{interval, literal};
use sqlparser::ast::{
    self, CastKind, Expr, Ident, LambdaFunction, LambdaFunctionParameter, LambdaSyntax, ObjectName,
    OneOrManyWithParens, UnaryOperator, Value,
};
use sqlparser::dialect::Precedence;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Word};

impl SparkDialect {
    /// Parses the expression that starts here if `sqlparser` would read it differently.
    pub(super) fn prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        match &parser.at(0).token {
            Token::Word(word) => {
                let plain = word.quote_style.is_none();
                if plain && matches!(word.keyword, Keyword::TRUE | Keyword::FALSE | Keyword::NULL) {
                    return Some(parser.parse_value().map(Expr::Value));
                }
                let word = word.clone();
                if plain && NO_EXPRESSION.contains(&word.keyword) {
                    let found = format!("Expected: an expression, found: {word}");
                    return Some(Err(ParserError::ParserError(found)));
                }
                Some(if plain { self.word(parser, word) } else { named(parser, word) })
            }
            Token::LParen => lambda_parameters(parser).map(|names| lambda(parser, names)),
            Token::Colon => Some(parameter(parser)),
            _ => None,
        }
    }

    /// A form that starts with an unquoted word.
    fn word(&self, parser: &mut Parser<'_>, word: Word) -> Result<Expr, ParserError> {
        let upper = word.value.to_uppercase();
        match (&parser.at(1).token, upper.as_str()) {
            (
                Token::SingleQuotedString(text),
                "DATE" | "TIMESTAMP" | "TIMESTAMP_NTZ" | "TIMESTAMP_LTZ" | "TIME",
            ) => {
                let value = self.fail(literal::typed(&upper, text))?;
                parser.advance_token();
                parser.advance_token();
                Ok(self.keep_literal(value))
            }
            (_, "INTERVAL") if interval::begins(parser) => {
                let value = interval::literal(parser);
                Ok(self.keep_literal(self.fail(value)?))
            }
            (Token::LParen, _) => self.form(parser, word, &upper),
            (Token::Period, _) => named(parser, word),
            (_, "CASE") => {
                parser.advance_token();
                parser.parse_case_expr()
            }
            (_, "NOT") => {
                parser.advance_token();
                negation(parser)
            }
            (_, "CURRENT_DATE" | "CURRENT_TIMESTAMP" | "CURRENT_TIME") => {
                parser.advance_token();
                Ok(call(&word.value, Vec::new()))
            }
            _ => named(parser, word),
        }
    }

    /// A form whose word is followed by a parenthesis.
    fn form(&self, parser: &mut Parser<'_>, word: Word, upper: &str) -> Result<Expr, ParserError> {
        match upper {
            "CAST" | "TRY_CAST" => {
                let kind = if upper == "CAST" { CastKind::Cast } else { CastKind::TryCast };
                opening(parser);
                let expr = Box::new(parser.parse_expr()?);
                parser.expect_keyword(Keyword::AS)?;
                let data_type = self.data_type(parser)?;
                closing(parser)?;
                Ok(Expr::Cast { kind, expr, data_type, array: false, format: None })
            }
            "CASE" => {
                parser.advance_token();
                parser.parse_case_expr()
            }
            "NOT" => {
                parser.advance_token();
                negation(parser)
            }
            "TABLE" if begins_query(parser, 2) || table_name(parser) => table_argument(parser),
            "EXISTS" if begins_query(parser, 2) => {
                parser.advance_token();
                parser.parse_exists_expr(false)
            }
            "STRUCT" => structure(parser, &word.value),
            "EXTRACT" => extract(parser),
            "TRIM" => trim(parser, word),
            "SUBSTRING" | "SUBSTR" => {
                with_words(parser, &word.value, &[Keyword::FROM, Keyword::FOR])
            }
            "OVERLAY" => {
                with_words(parser, "overlay", &[Keyword::PLACING, Keyword::FROM, Keyword::FOR])
            }
            "POSITION" => with_words(parser, "position", &[Keyword::IN]),
            _ => named(parser, word),
        }
    }
}

/// A column, a call, or `x -> …`.
fn named(parser: &mut Parser<'_>, word: Word) -> Result<Expr, ParserError> {
    let span = parser.next_token().span;
    let ident = Ident { value: word.value, quote_style: word.quote_style, span };
    match &parser.at(0).token {
        Token::LParen => parser.parse_function(ObjectName::from(vec![ident])),
        Token::Arrow => {
            parser.advance_token();
            lambda_body(parser, vec![ident])
        }
        _ => Ok(Expr::Identifier(ident)),
    }
}

/// `NOT …`, after the word.
fn negation(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let expr = parser.parse_subexpr(binding(Precedence::UnaryNot))?;
    Ok(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) })
}

/// `:name`.
fn parameter(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.advance_token();
    let name = parser.parse_identifier()?;
    Ok(Expr::value(Value::Placeholder(format!(":{}", name.value))))
}

/// The names of `(x, y) ->`, if that is what follows.
fn lambda_parameters(parser: &Parser<'_>) -> Option<usize> {
    let mut names = 0;
    loop {
        let Token::Word(_) = parser.at(1 + names * 2).token else { return None };
        names += 1;
        match parser.at(names * 2).token {
            Token::Comma => {}
            Token::RParen if parser.at(names * 2 + 1).token == Token::Arrow => return Some(names),
            _ => return None,
        }
    }
}

fn lambda(parser: &mut Parser<'_>, count: usize) -> Result<Expr, ParserError> {
    parser.advance_token();
    let mut names = Vec::with_capacity(count);
    for _ in 0..count {
        names.push(parser.parse_identifier()?);
        // The comma or, after the last name, the parenthesis.
        parser.advance_token();
    }
    parser.advance_token();
    lambda_body(parser, names)
}

fn lambda_body(parser: &mut Parser<'_>, names: Vec<Ident>) -> Result<Expr, ParserError> {
    let parameter = |name| LambdaFunctionParameter { name, data_type: None };
    Ok(Expr::Lambda(LambdaFunction {
        params: OneOrManyWithParens::Many(names.into_iter().map(parameter).collect()),
        body: Box::new(parser.parse_expr()?),
        syntax: LambdaSyntax::Arrow,
    }))
}

/// Skips a word and the parenthesis after it.
fn opening(parser: &mut Parser<'_>) {
    parser.advance_token();
    parser.advance_token();
}

fn closing(parser: &mut Parser<'_>) -> Result<(), ParserError> {
    parser.expect_token(&Token::RParen).map(drop)
}

/// Whether only a name is between the parentheses.
fn table_name(parser: &Parser<'_>) -> bool {
    let mut at = 2;
    loop {
        let Token::Word(_) = parser.at(at).token else { return false };
        match parser.at(at + 1).token {
            Token::Period => at += 2,
            ref next => return *next == Token::RParen,
        }
    }
}

/// `TABLE(query)` or `TABLE(name)`, and how its rows are partitioned: a call of [`TABLE_ARGUMENT`]
/// with the rows and whether one partition takes all, over a window.
fn table_argument(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    opening(parser);
    let rows = if begins_query(parser, 0) {
        Expr::Subquery(parser.parse_query()?)
    } else {
        let parts = parser.parse_object_name(false)?.0;
        Expr::CompoundIdentifier(
            parts.into_iter().filter_map(|part| part.as_ident().cloned()).collect(),
        )
    };
    closing(parser)?;
    let single = parser.take(&["WITH", "SINGLE", "PARTITION"]);
    let mut spec = ast::WindowSpec {
        window_name: None,
        partition_by: Vec::new(),
        order_by: Vec::new(),
        window_frame: None,
    };
    let by = |parser: &mut Parser<'_>, word: &str| parser.take(&[word, "BY"]);
    if !single && (by(parser, "PARTITION") || by(parser, "DISTRIBUTE")) {
        spec.partition_by = one_or_several(parser, Parser::parse_expr)?;
    }
    if (single || !spec.partition_by.is_empty()) && (by(parser, "ORDER") || by(parser, "SORT")) {
        spec.order_by = one_or_several(parser, Parser::parse_order_by_expr)?;
    }
    let single = Expr::value(Value::Boolean(single));
    let mut argument = call(TABLE_ARGUMENT, vec![rows, single]);
    if let Expr::Function(call) = &mut argument {
        call.over = Some(ast::WindowType::WindowSpec(spec));
    }
    Ok(argument)
}

/// One item, or several in parentheses: a comma without them separates arguments of the call.
fn one_or_several<'a, T>(
    parser: &mut Parser<'a>,
    item: impl Fn(&mut Parser<'a>) -> Result<T, ParserError>,
) -> Result<Vec<T>, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(vec![item(parser)?]);
    }
    let items = parser.parse_comma_separated(item)?;
    closing(parser)?;
    Ok(items)
}

/// `STRUCT(x AS a, y)`.
fn structure(parser: &mut Parser<'_>, name: &str) -> Result<Expr, ParserError> {
    opening(parser);
    if parser.consume_token(&Token::RParen) {
        return Ok(call(name, Vec::new()));
    }
    let fields = parser.parse_comma_separated(|p| {
        let value = p.parse_wildcard_expr()?;
        if !p.parse_keyword(Keyword::AS) {
            return Ok(value);
        }
        Ok(Expr::Named { expr: Box::new(value), name: p.parse_identifier()? })
    })?;
    closing(parser)?;
    Ok(call(name, fields))
}

/// `EXTRACT(unit FROM x)`.
fn extract(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    opening(parser);
    let unit = parser.parse_identifier()?.value;
    parser.expect_keyword(Keyword::FROM)?;
    let source = parser.parse_expr()?;
    closing(parser)?;
    Ok(call("extract", vec![Expr::value(Value::SingleQuotedString(unit)), source]))
}

/// `TRIM([BOTH | LEADING | TRAILING] [characters] FROM x)`; the functions take the characters
/// first.
fn trim(parser: &mut Parser<'_>, word: Word) -> Result<Expr, ParserError> {
    let name = match &parser.at(2).token {
        Token::Word(side) => match side.keyword {
            Keyword::LEADING => Some("ltrim"),
            Keyword::TRAILING => Some("rtrim"),
            Keyword::BOTH => Some("trim"),
            _ => None,
        },
        _ => None,
    };
    // `TRIM(both)` trims the column of that name.
    let name =
        name.filter(|_| parser.at(3).token != Token::RParen && parser.at(3).token != Token::Comma);
    opening(parser);
    if name.is_some() {
        parser.advance_token();
    }
    let mut args = Vec::new();
    if !parser.parse_keyword(Keyword::FROM) {
        args.push(parser.parse_expr()?);
        if name.is_none() && parser.at(0).token == Token::Comma {
            parser.advance_token();
            args.push(parser.parse_expr()?);
            closing(parser)?;
            return Ok(call(&word.value, args));
        }
        if !parser.parse_keyword(Keyword::FROM) {
            closing(parser)?;
            return Ok(call(name.unwrap_or(&word.value), args));
        }
    }
    args.push(parser.parse_expr()?);
    closing(parser)?;
    Ok(call(name.unwrap_or("trim"), args))
}

/// A call whose arguments may be separated by words: `SUBSTRING(x FROM 2 FOR 3)`.
fn with_words(parser: &mut Parser<'_>, name: &str, words: &[Keyword]) -> Result<Expr, ParserError> {
    opening(parser);
    let mut args = Vec::new();
    // Binds tighter than `IN`, which is a separator in `POSITION(x IN y)`.
    args.push(parser.parse_subexpr(binding(Precedence::Between))?);
    if parser.at(0).token == Token::Comma {
        while parser.consume_token(&Token::Comma) {
            args.push(parser.parse_expr()?);
        }
    } else {
        for word in words {
            if parser.parse_keyword(*word) {
                args.push(parser.parse_expr()?);
            }
        }
    }
    closing(parser)?;
    Ok(call(name, args))
}
