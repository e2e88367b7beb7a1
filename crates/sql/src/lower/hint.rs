//! Hints: `/*+ BROADCAST(t), REPARTITION(3, a) */`.

use crate::dialect::SparkDialect;
use crate::error::Parsed;
use crate::parser::{Cursor, Input};
use crate::tokens;
use plan::{Expr, HintArgument, Literal, Relation, RelationKind};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

/// Applies the hints of one comment to a relation, the first one outermost.
pub(super) fn apply(input: Relation, text: &str) -> Parsed<Relation> {
    let tokens = tokens::tokenize(text)?;
    let dialect = SparkDialect::for_tokens(tokens.len());
    let last = tokens.len().saturating_sub(1);
    let parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let mut hints = read(&mut Input { parser, dialect: &dialect, last, text })?;
    let mut relation = input;
    while let Some((name, parameters)) = hints.pop() {
        relation = RelationKind::Hint { input: relation, name, parameters }.into();
    }
    Ok(relation)
}

fn read(input: &mut Input<'_>) -> Parsed<Vec<(String, Vec<HintArgument>)>> {
    let mut hints = Vec::new();
    while input.parser.at(0).token != Token::EOF {
        let name = input.parser.ident()?;
        let mut parameters = Vec::new();
        if input.parser.consume_token(&Token::LParen) {
            while !input.parser.consume_token(&Token::RParen) {
                parameters.push(match input.expression()? {
                    Expr::Literal(Literal::Integer(number)) => HintArgument::Number(number.into()),
                    other => HintArgument::Expr(other),
                });
                if input.parser.at(0).token != Token::RParen {
                    input.parser.need_token(&Token::Comma)?;
                }
            }
        }
        hints.push((name, parameters));
        let _ = input.parser.consume_token(&Token::Comma);
    }
    Ok(hints)
}
