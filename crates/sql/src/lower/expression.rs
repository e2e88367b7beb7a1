//! Expressions.

use super::{Lower, MAX_DEPTH};
use crate::error::{self, Parsed};
use crate::literal;
use plan::{CastMode, DataType, Expr, Literal, SubqueryKind};
use sqlparser::ast::{self, AccessExpr, BinaryOperator, CastKind, Subscript, UnaryOperator, Value};

/// Limit on a chain of one operator, other than `AND` and `OR`.
const MAX_CHAIN: usize = MAX_DEPTH;

impl Lower<'_> {
    pub(super) fn expr(&mut self, expr: ast::Expr) -> Parsed<Expr> {
        self.deeper(|this| this.any(expr))
    }

    fn boxed(&mut self, expr: ast::Expr) -> Parsed<Box<Expr>> {
        Ok(Box::new(self.expr(expr)?))
    }

    fn any(&mut self, expr: ast::Expr) -> Parsed<Expr> {
        match expr {
            ast::Expr::Nested(inner) => self.expr(*inner),
            ast::Expr::Identifier(name) => Ok(self.name(vec![name.value])),
            ast::Expr::CompoundIdentifier(names) => {
                Ok(self.name(names.into_iter().map(|n| n.value).collect()))
            }
            ast::Expr::CompoundFieldAccess { root, access_chain } => {
                self.access(*root, access_chain)
            }
            ast::Expr::Value(value) => self.value(value.value),
            ast::Expr::BinaryOp { left, op, right } => self.chain(*left, op, *right),
            ast::Expr::UnaryOp { op, expr } => self.unary(op, *expr),
            ast::Expr::Function(function) => self.call(function),
            ast::Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.map(|o| *o), conditions, else_result.map(|e| *e))
            }
            ast::Expr::Cast { kind, expr, data_type, .. } => self.cast(&kind, *expr, &data_type),
            ast::Expr::Lambda(lambda) => self.lambda(lambda),
            ast::Expr::Named { expr, name } => Ok(self.expr(*expr)?.alias(name.value)),
            ast::Expr::Tuple(values) if !values.is_empty() => {
                Ok(Expr::call("struct", self.exprs(values)?))
            }
            ast::Expr::Collate { expr, collation } => {
                let name = super::parts(collation)?.join(".");
                Ok(Expr::call("collate", vec![self.expr(*expr)?, Expr::string(name)]))
            }
            ast::Expr::Wildcard(_) => Ok(star(Vec::new())),
            ast::Expr::QualifiedWildcard(name, _) => Ok(star(super::parts(name)?)),
            other => self.predicate(other),
        }
    }

    /// Predicates.
    fn predicate(&mut self, expr: ast::Expr) -> Parsed<Expr> {
        match expr {
            ast::Expr::IsNull(e) | ast::Expr::IsUnknown(e) => self.unary_call("isnull", *e),
            ast::Expr::IsNotNull(e) | ast::Expr::IsNotUnknown(e) => {
                self.unary_call("isnotnull", *e)
            }
            ast::Expr::IsTrue(e) => self.same(*e, true),
            ast::Expr::IsFalse(e) => self.same(*e, false),
            ast::Expr::IsNotTrue(e) => Ok(not(self.same(*e, true)?)),
            ast::Expr::IsNotFalse(e) => Ok(not(self.same(*e, false)?)),
            ast::Expr::IsNotDistinctFrom(a, b) => self.binary_call("<=>", *a, *b),
            ast::Expr::IsDistinctFrom(a, b) => Ok(not(self.binary_call("<=>", *a, *b)?)),
            ast::Expr::Between { expr, negated, low, high } => {
                let args = self.exprs(vec![*expr, *low, *high])?;
                Ok(negate_if(negated, Expr::call("between", args)))
            }
            ast::Expr::InList { expr, list, negated } => self.in_list(*expr, list, negated),
            ast::Expr::InSubquery { expr, subquery, negated } => {
                self.in_query(*expr, *subquery, negated)
            }
            ast::Expr::Exists { subquery, negated } => {
                let query = Box::new(self.query(*subquery)?);
                Ok(negate_if(negated, Expr::Subquery { kind: SubqueryKind::Exists, query }))
            }
            ast::Expr::Subquery(query) => {
                let query = Box::new(self.query(*query)?);
                Ok(Expr::Subquery { kind: SubqueryKind::Scalar, query })
            }
            ast::Expr::Like { negated, expr, pattern, escape_char, .. } => {
                self.like("like", negated, [*expr, *pattern], escape_char)
            }
            ast::Expr::ILike { negated, expr, pattern, escape_char, .. } => {
                self.like("ilike", negated, [*expr, *pattern], escape_char)
            }
            ast::Expr::RLike { negated, expr, pattern, .. } => {
                self.like("rlike", negated, [*expr, *pattern], None)
            }
            other => Err(error::unsupported(format!("the expression {}", shortened(&other)))),
        }
    }

    /// A column, or a lambda parameter and its fields.
    fn name(&self, name: Vec<String>) -> Expr {
        let first = name.first().map_or("", String::as_str);
        let parameter = self.lambdas.iter().rev().flatten().find(|p| p.eq_ignore_ascii_case(first));
        match parameter {
            Some(parameter) => {
                let variable = Expr::LambdaVariable(parameter.clone());
                name.into_iter().skip(1).fold(variable, field_of)
            }
            None => Expr::Column { name, plan_id: None },
        }
    }

    /// `root.a[0].b`; the leading names are one column.
    fn access(&mut self, root: ast::Expr, chain: Vec<AccessExpr>) -> Parsed<Expr> {
        if chain.len() > MAX_CHAIN {
            return Err(error::too_complex());
        }
        let mut chain = chain.into_iter().peekable();
        let mut result = match root {
            ast::Expr::Identifier(first) => {
                let mut name = vec![first.value];
                while let Some(AccessExpr::Dot(ast::Expr::Identifier(next))) =
                    chain.next_if(|a| matches!(a, AccessExpr::Dot(ast::Expr::Identifier(_))))
                {
                    name.push(next.value);
                }
                self.name(name)
            }
            root => self.expr(root)?,
        };
        for access in chain {
            result = match access {
                AccessExpr::Dot(ast::Expr::Identifier(field)) => field_of(result, field.value),
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let extraction = self.boxed(index)?;
                    Expr::ExtractValue { child: Box::new(result), extraction }
                }
                AccessExpr::Dot(other) => {
                    return Err(error::unsupported(format!("the field {}", shortened(&other))));
                }
                AccessExpr::Subscript(Subscript::Slice { .. }) => {
                    return Err(error::unsupported("a slice"));
                }
            };
        }
        Ok(result)
    }

    fn value(&self, value: Value) -> Parsed<Expr> {
        let literal = match value {
            Value::Number(text, _) => literal::number(&text)?,
            Value::SingleQuotedString(text) => Literal::String(text),
            Value::HexStringLiteral(digits) => literal::binary(&digits)?,
            Value::Boolean(truth) => Literal::Boolean(truth),
            Value::Null => Literal::Null(DataType::Null),
            Value::Placeholder(name) => match name.split_at_checked(1) {
                Some((":" | "?", rest)) => return Ok(Expr::Parameter(rest.to_owned())),
                _ => self
                    .dialect
                    .kept_literal(&name)
                    .ok_or_else(|| error::unsupported(format!("the parameter {name}")))?,
            },
            other => return Err(error::unsupported(format!("the literal {other}"))),
        };
        Ok(Expr::Literal(literal))
    }

    fn unary(&mut self, op: UnaryOperator, expr: ast::Expr) -> Parsed<Expr> {
        match (op, expr) {
            // The sign is part of the literal, so that the smallest integers can be written.
            (
                UnaryOperator::Minus,
                ast::Expr::Value(ast::ValueWithSpan { value: Value::Number(text, _), .. }),
            ) => Ok(Expr::Literal(literal::number(&format!("-{text}"))?)),
            (UnaryOperator::Minus, expr) => self.unary_call("negative", expr),
            (UnaryOperator::Plus, expr) => self.unary_call("positive", expr),
            (UnaryOperator::Not | UnaryOperator::BangNot, expr) => Ok(not(self.expr(expr)?)),
            (UnaryOperator::BitwiseNot, expr) => self.unary_call("~", expr),
            (other, _) => Err(error::unsupported(format!("the operator {other}"))),
        }
    }

    /// A chain of operators whose left side is deep.
    fn chain(&mut self, left: ast::Expr, op: BinaryOperator, right: ast::Expr) -> Parsed<Expr> {
        let mut steps = vec![(op, right)];
        let mut first = left;
        loop {
            match first {
                ast::Expr::BinaryOp { left, op, right } => {
                    steps.push((op, *right));
                    first = *left;
                }
                other => {
                    first = other;
                    break;
                }
            }
        }
        let mut result = self.expr(first)?;
        let mut length = 0;
        let mut steps = steps.into_iter().rev().peekable();
        while let Some((op, right)) = steps.next() {
            if let BinaryOperator::And | BinaryOperator::Or = op {
                let mut operands = vec![result, self.expr(right)?];
                while let Some((_, right)) = steps.next_if(|(next, _)| *next == op) {
                    operands.push(self.expr(right)?);
                }
                result = balanced(if op == BinaryOperator::And { "and" } else { "or" }, operands);
            } else {
                length += 1;
                if length > MAX_CHAIN {
                    return Err(error::too_complex());
                }
                result = binary(&op, result, self.expr(right)?)?;
            }
        }
        Ok(result)
    }

    fn unary_call(&mut self, name: &str, expr: ast::Expr) -> Parsed<Expr> {
        Ok(Expr::call(name, vec![self.expr(expr)?]))
    }

    fn binary_call(&mut self, name: &str, a: ast::Expr, b: ast::Expr) -> Parsed<Expr> {
        Ok(Expr::call(name, vec![self.expr(a)?, self.expr(b)?]))
    }

    fn same(&mut self, expr: ast::Expr, truth: bool) -> Parsed<Expr> {
        let truth = Expr::Literal(Literal::Boolean(truth));
        Ok(Expr::call("<=>", vec![self.expr(expr)?, truth]))
    }

    fn in_list(&mut self, expr: ast::Expr, list: Vec<ast::Expr>, negated: bool) -> Parsed<Expr> {
        let list = match <[ast::Expr; 1]>::try_from(list) {
            Ok([ast::Expr::Subquery(query)]) => return self.in_query(expr, *query, negated),
            Ok([one]) => vec![one],
            Err(list) => list,
        };
        let mut args = vec![self.expr(expr)?];
        args.extend(self.exprs(list)?);
        Ok(negate_if(negated, Expr::call("in", args)))
    }

    fn in_query(&mut self, expr: ast::Expr, query: ast::Query, negated: bool) -> Parsed<Expr> {
        let values = match expr {
            ast::Expr::Tuple(values) => self.exprs(values)?,
            one => vec![self.expr(one)?],
        };
        let query = Box::new(self.query(query)?);
        Ok(negate_if(negated, Expr::Subquery { kind: SubqueryKind::In(values), query }))
    }

    fn like(
        &mut self,
        name: &str,
        negated: bool,
        operands: [ast::Expr; 2],
        escape: Option<ast::ValueWithSpan>,
    ) -> Parsed<Expr> {
        let mut args = self.exprs(operands.into())?;
        if let Some(escape) = escape {
            args.push(self.value(escape.value)?);
        }
        Ok(negate_if(negated, Expr::call(name, args)))
    }

    fn case(
        &mut self,
        operand: Option<ast::Expr>,
        conditions: Vec<ast::CaseWhen>,
        otherwise: Option<ast::Expr>,
    ) -> Parsed<Expr> {
        let operand = operand.map(|o| self.expr(o)).transpose()?;
        let mut args = Vec::with_capacity(conditions.len() * 2 + 1);
        for ast::CaseWhen { condition, result } in conditions {
            let condition = self.expr(condition)?;
            args.push(match &operand {
                Some(operand) => Expr::call("==", vec![operand.clone(), condition]),
                None => condition,
            });
            args.push(self.expr(result)?);
        }
        if let Some(otherwise) = otherwise {
            args.push(self.expr(otherwise)?);
        }
        Ok(Expr::call("when", args))
    }

    fn cast(&mut self, kind: &CastKind, expr: ast::Expr, to: &ast::DataType) -> Parsed<Expr> {
        let mode = match kind {
            CastKind::Cast | CastKind::DoubleColon => CastMode::Session,
            CastKind::TryCast | CastKind::SafeCast => CastMode::Try,
        };
        let unknown = || error::unsupported(format!("the type {to}"));
        let to = self.dialect.kept_type(&to.to_string()).ok_or_else(unknown)?;
        Ok(Expr::Cast { expr: self.boxed(expr)?, to, mode })
    }

    fn lambda(&mut self, lambda: ast::LambdaFunction) -> Parsed<Expr> {
        let parameters: Vec<String> = match lambda.params {
            ast::OneOrManyWithParens::One(one) => vec![one.name.value],
            ast::OneOrManyWithParens::Many(many) => {
                many.into_iter().map(|p| p.name.value).collect()
            }
        };
        self.lambdas.push(parameters.clone());
        let body = self.boxed(*lambda.body);
        self.lambdas.pop();
        Ok(Expr::Lambda { body: body?, parameters })
    }
}

/// `*` or `target.*`.
pub(super) fn star(target: Vec<String>) -> Expr {
    Expr::Star { target, except: Vec::new(), plan_id: None }
}

fn field_of(child: Expr, field: String) -> Expr {
    Expr::ExtractValue { child: Box::new(child), extraction: Box::new(Expr::string(field)) }
}

fn not(expr: Expr) -> Expr {
    Expr::call("not", vec![expr])
}

fn negate_if(negated: bool, expr: Expr) -> Expr {
    if negated { not(expr) } else { expr }
}

/// A tree of logarithmic depth that keeps the order of the operands.
fn balanced(name: &str, mut operands: Vec<Expr>) -> Expr {
    while operands.len() > 1 {
        let mut next = Vec::with_capacity(operands.len().div_ceil(2));
        let mut rest = operands.into_iter();
        while let Some(left) = rest.next() {
            next.push(match rest.next() {
                Some(right) => Expr::call(name, vec![left, right]),
                None => left,
            });
        }
        operands = next;
    }
    // A chain has at least two operands, so one is left.
    operands.pop().unwrap_or(Expr::Literal(Literal::Null(DataType::Boolean)))
}

fn binary(op: &BinaryOperator, left: Expr, right: Expr) -> Parsed<Expr> {
    let name = match op {
        BinaryOperator::NotEq => return Ok(not(Expr::call("==", vec![left, right]))),
        BinaryOperator::Plus => "+",
        BinaryOperator::Minus => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::Modulo => "%",
        BinaryOperator::MyIntegerDivide => "div",
        BinaryOperator::StringConcat => "||",
        BinaryOperator::Eq => "==",
        BinaryOperator::Spaceship => "<=>",
        BinaryOperator::Lt => "<",
        BinaryOperator::LtEq => "<=",
        BinaryOperator::Gt => ">",
        BinaryOperator::GtEq => ">=",
        BinaryOperator::BitwiseAnd => "&",
        BinaryOperator::BitwiseOr => "|",
        BinaryOperator::BitwiseXor => "^",
        BinaryOperator::PGBitwiseShiftLeft => "shiftleft",
        BinaryOperator::PGBitwiseShiftRight => "shiftright",
        other => return Err(error::unsupported(format!("the operator {other}"))),
    };
    Ok(Expr::call(name, vec![left, right]))
}

/// The text of an expression for a message.
fn shortened(expr: &ast::Expr) -> String {
    let text = expr.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
