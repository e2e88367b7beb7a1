//! `sqlparser`'s syntax tree to `plan`. Whatever the tree can express but Spark's grammar cannot is
//! refused here.
//!
//! Depth is bounded: chains of operators are walked in loops, `AND` and `OR` become balanced trees,
//! and everything else stops at `MAX_DEPTH`.

mod call;
mod expression;
mod from;
mod group;
mod hint;
mod query;
mod select;

use crate::dialect::SparkDialect;
use crate::error::{self, Parsed};
use crate::parser::Input;
use plan::{Expr, Relation};
use sqlparser::ast;

/// Limit on the depth of a plan.
const MAX_DEPTH: usize = 400;

/// A query.
pub(crate) fn query(dialect: &SparkDialect, query: ast::Query) -> Parsed<Relation> {
    Lower::new(dialect).query(query)
}

/// An expression without alias.
pub(crate) fn expression(dialect: &SparkDialect, expr: ast::Expr) -> Parsed<Expr> {
    Lower::new(dialect).expr(expr)
}

/// An expression of a select list: possibly with an alias, possibly a star.
pub(crate) fn named_expression(input: &mut Input<'_>) -> Parsed<Expr> {
    let item = input.parser.parse_select_item().map_err(|e| input.failure(&e))?;
    Lower::new(input.dialect).select_item(item)
}

/// The state of one lowering: the names in scope.
struct Lower<'a> {
    dialect: &'a SparkDialect,
    depth: usize,
    /// Parameters of the enclosing lambdas, innermost last.
    lambdas: Vec<Vec<String>>,
    /// Named windows of the enclosing queries, innermost last.
    windows: Vec<Vec<ast::NamedWindowDefinition>>,
}

impl<'a> Lower<'a> {
    fn new(dialect: &'a SparkDialect) -> Self {
        Self { dialect, depth: 0, lambdas: Vec::new(), windows: Vec::new() }
    }

    /// Runs one level deeper.
    fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(error::too_complex());
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    fn exprs(&mut self, exprs: Vec<ast::Expr>) -> Parsed<Vec<Expr>> {
        exprs.into_iter().map(|e| self.expr(e)).collect()
    }
}

/// The parts of a name.
fn parts(name: ast::ObjectName) -> Parsed<Vec<String>> {
    let part = |part| match part {
        ast::ObjectNamePart::Identifier(ident) => Ok(ident.value),
        ast::ObjectNamePart::Function(_) => {
            Err(error::unsupported("a name computed by a function"))
        }
    };
    name.0.into_iter().map(part).collect()
}

/// A name that must have one part.
fn single(name: ast::ObjectName) -> Parsed<String> {
    match <[String; 1]>::try_from(parts(name)?) {
        Ok([name]) => Ok(name),
        Err(parts) => {
            Err(error::invalid(format!("The name `{}` must have one part.", parts.join("."))))
        }
    }
}
