//! `FROM`: tables, subqueries, table functions, joins, samples, pivots.

use super::{Lower, parts, single};
use crate::error::{self, Parsed};
use crate::pivot_items;
use plan::{
    Aggregate, Expr, Grouping, Join, JoinCondition, JoinType, Literal, Pivot, Relation,
    RelationKind, Sample, Unpivot, UnpivotRow,
};
use sqlparser::ast::{
    self, JoinConstraint, JoinOperator, PivotValueSource, TableFactor, TableSampleKind,
    TableSampleUnit,
};

/// Limit on a chain of joins.
const MAX_CHAIN: usize = 1_000;

impl Lower<'_> {
    /// All tables of a `FROM`; those after a comma are joined without a condition.
    pub(super) fn from(&mut self, from: Vec<ast::TableWithJoins>) -> Parsed<Relation> {
        if from.iter().map(|t| t.joins.len() + 1).sum::<usize>() > MAX_CHAIN {
            return Err(error::too_complex());
        }
        let mut relation: Option<Relation> = None;
        for ast::TableWithJoins { relation: first, joins } in from {
            let mut tree = match relation {
                None => self.table(first)?,
                Some(left) => {
                    let factor = self.factor(first)?;
                    factor.joined(left, JoinType::Inner, JoinCondition::None)?
                }
            };
            for join in joins {
                tree = self.join(tree, join)?;
            }
            relation = Some(tree);
        }
        Ok(relation.unwrap_or_else(|| RelationKind::OneRow.into()))
    }

    fn join(&mut self, left: Relation, join: ast::Join) -> Parsed<Relation> {
        let (kind, constraint) = match join.join_operator {
            JoinOperator::Join(c) | JoinOperator::Inner(c) => (JoinType::Inner, c),
            JoinOperator::CrossJoin(JoinConstraint::None) => {
                (JoinType::Cross, JoinConstraint::None)
            }
            // With a condition it is an inner join, as in Spark.
            JoinOperator::CrossJoin(c) => (JoinType::Inner, c),
            JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (JoinType::LeftOuter, c),
            JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (JoinType::RightOuter, c),
            JoinOperator::FullOuter(c) => (JoinType::FullOuter, c),
            JoinOperator::Semi(c) | JoinOperator::LeftSemi(c) => (JoinType::LeftSemi, c),
            JoinOperator::Anti(c) | JoinOperator::LeftAnti(c) => (JoinType::LeftAnti, c),
            other => return Err(error::unsupported(format!("the join {}", join_name(&other)))),
        };
        let condition = match constraint {
            JoinConstraint::None => JoinCondition::None,
            JoinConstraint::Natural => JoinCondition::Natural,
            JoinConstraint::On(condition) => JoinCondition::On(self.expr(condition)?),
            JoinConstraint::Using(names) => {
                JoinCondition::Using(names.into_iter().map(single).collect::<Parsed<_>>()?)
            }
        };
        self.factor(join.relation)?.joined(left, kind, condition)
    }

    /// A table that does not see the tables to its left.
    fn table(&mut self, factor: TableFactor) -> Parsed<Relation> {
        let factor = self.factor(factor)?;
        if factor.lateral {
            return factor.joined(
                RelationKind::OneRow.into(),
                JoinType::Inner,
                JoinCondition::None,
            );
        }
        Ok(factor.relation)
    }

    fn factor(&mut self, factor: TableFactor) -> Parsed<Factor> {
        self.deeper(|this| this.any_factor(factor))
    }

    fn any_factor(&mut self, factor: TableFactor) -> Parsed<Factor> {
        let mut is_lateral = false;
        let relation = match factor {
            TableFactor::Table { name, alias, args, version, sample, .. } => {
                if version.is_some() {
                    return Err(error::unsupported("time travel (VERSION or TIMESTAMP AS OF)"));
                }
                let name = parts(name)?;
                let relation = match args {
                    Some(args) => self.table_function(name, args.args)?,
                    None => RelationKind::Table { name, options: Vec::new() }.into(),
                };
                aliased(self.sampled(relation, sample)?, alias)
            }
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                is_lateral = lateral;
                let relation = self.query(*subquery)?;
                aliased(self.sampled(relation, sample)?, alias)
            }
            TableFactor::Function { lateral, name, args, alias, .. } => {
                is_lateral = lateral;
                aliased(self.table_function(parts(name)?, args)?, alias)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                aliased(self.from(vec![*table_with_joins])?, alias)
            }
            TableFactor::Pivot {
                table,
                aggregate_functions,
                value_column,
                value_source,
                alias,
                ..
            } => {
                let input = self.table(*table)?;
                let pivot = self.pivot(value_column, value_source)?;
                aliased(self.pivoted(input, aggregate_functions, pivot)?, alias)
            }
            TableFactor::Unpivot { table, value, name, columns, null_inclusion, alias } => {
                let input = self.table(*table)?;
                let with_nulls = null_inclusion == Some(ast::NullInclusion::IncludeNulls);
                let unpivoted = self.unpivoted(input, (value, name.value, columns), with_nulls)?;
                aliased(unpivoted, alias)
            }
            _ => return Err(error::unsupported("this kind of table")),
        };
        Ok(Factor { relation, lateral: is_lateral })
    }

    fn table_function(
        &mut self,
        name: Vec<String>,
        args: Vec<ast::FunctionArg>,
    ) -> Parsed<Relation> {
        let name =
            name.into_iter().map(|part| ast::ObjectNamePart::Identifier(ast::Ident::new(part)));
        let list =
            ast::FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
        let function = ast::Function {
            name: ast::ObjectName(name.collect()),
            uses_odbc_syntax: false,
            parameters: ast::FunctionArguments::None,
            args: ast::FunctionArguments::List(list),
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        };
        match self.call(function)? {
            Expr::Function(call) => Ok(RelationKind::TableFunction(call).into()),
            _ => Err(error::unsupported("this table function")),
        }
    }

    /// `UNPIVOT (value FOR name IN (…))`. Rows of nulls only are dropped unless requested.
    fn unpivoted(
        &mut self,
        input: Relation,
        (value, variable_name, columns): (ast::Expr, String, Vec<ast::ExprWithAlias>),
        with_nulls: bool,
    ) -> Parsed<Relation> {
        let name = |expr| match expr {
            ast::Expr::Identifier(name) => Ok(name.value),
            _ => Err(error::invalid("The value columns of UNPIVOT are given by name.")),
        };
        let value_names = members(value).into_iter().map(name).collect::<Parsed<Vec<_>>>()?;
        let mut values = Vec::with_capacity(columns.len());
        for ast::ExprWithAlias { expr, alias } in columns {
            let columns = self.exprs(members(expr))?;
            if columns.len() != value_names.len() {
                return Err(error::unpivot_value_size_mismatch(&value_names));
            }
            values.push(UnpivotRow { columns, alias: alias.map(|alias| alias.value) });
        }
        let (ids, values, names) = (None, Some(values), value_names.clone());
        let unpivot = Unpivot { input, ids, values, variable_name, value_names };
        let relation: Relation = RelationKind::Unpivot(unpivot).into();
        if with_nulls {
            return Ok(relation);
        }
        let set = |name| Expr::call("isnotnull", vec![Expr::column(name)]);
        let any = names.into_iter().map(set).reduce(|a, b| Expr::call("or", vec![a, b]));
        Ok(match any {
            Some(condition) => RelationKind::Filter { input: relation, condition }.into(),
            None => relation,
        })
    }

    fn pivot(&mut self, columns: Vec<ast::Expr>, source: PivotValueSource) -> Parsed<Pivot> {
        let width = columns.len();
        let mut columns = self.exprs(columns)?;
        let column = match columns.pop() {
            Some(one) if columns.is_empty() => one,
            final_one => Expr::call("struct", columns.into_iter().chain(final_one).collect()),
        };
        let PivotValueSource::List(list) = source else {
            return Err(error::unsupported("PIVOT without a list of values"));
        };
        let mut values = Vec::with_capacity(list.len());
        for ast::ExprWithAlias { expr, alias } in list {
            let mut parts = self.exprs(if width == 1 { vec![expr] } else { members(expr) })?;
            if parts.len() != width {
                return Err(error::invalid(
                    "A PIVOT over several columns needs as many parts in each of its values.",
                ));
            }
            let value = match parts.pop() {
                Some(one) if parts.is_empty() => one,
                final_part => Expr::call("struct", parts.into_iter().chain(final_part).collect()),
            };
            values.push((value, alias.map(|a| a.value)));
        }
        Ok(Pivot { column, values })
    }

    fn pivoted(
        &mut self,
        input: Relation,
        functions: Vec<ast::ExprWithAlias>,
        pivot: Pivot,
    ) -> Parsed<Relation> {
        let mut expressions = Vec::with_capacity(functions.len());
        for ast::ExprWithAlias { expr, alias } in functions {
            let mut expr = self.expr(expr)?;
            if let Expr::Function(call) = &mut expr
                && call.name == pivot_items::ITEM
                && let Some(item) = call.args.pop()
            {
                expr = item;
            }
            expressions.push(match alias {
                Some(alias) => expr.alias(alias.value),
                None => expr,
            });
        }
        let (grouping, with_keys, having, pivot) = (Grouping::All, true, None, Some(pivot));
        let aggregate = Aggregate { input, grouping, expressions, with_keys, having, pivot };
        Ok(RelationKind::Aggregate(aggregate).into())
    }

    fn sampled(&mut self, input: Relation, sample: Option<TableSampleKind>) -> Parsed<Relation> {
        let Some(
            TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample),
        ) = sample
        else {
            return Ok(input);
        };
        let seed = match &sample.seed {
            Some(seed) => Some(seed.value.value.to_string().parse().map_err(|_| bad_sample())?),
            None => None,
        };
        let upper = match (sample.quantity, sample.bucket) {
            (Some(quantity), None) => match quantity.unit {
                Some(TableSampleUnit::Percent) => number(&self.expr(quantity.value)?)? / 100.0,
                Some(TableSampleUnit::Rows) => {
                    let limit = self.expr(quantity.value)?;
                    return Ok(RelationKind::Limit { input, limit }.into());
                }
                None => return Err(error::unsupported("TABLESAMPLE by bytes")),
            },
            (None, Some(bucket)) if bucket.on.is_none() => {
                let parse = |v: ast::Value| v.to_string().parse::<f64>().map_err(|_| bad_sample());
                parse(bucket.bucket.value)? / parse(bucket.total.value)?
            }
            _ => return Err(error::unsupported("TABLESAMPLE with BUCKET … ON")),
        };
        if !(0.0..=1.0).contains(&upper) {
            return Err(bad_sample());
        }
        Ok(RelationKind::Sample(Sample { input, lower: 0.0, upper, with_replacement: false, seed })
            .into())
    }
}

/// A table, and whether it sees the tables to its left.
struct Factor {
    relation: Relation,
    lateral: bool,
}

impl Factor {
    fn joined(self, left: Relation, kind: JoinType, condition: JoinCondition) -> Parsed<Relation> {
        let Self { relation: right, lateral } = self;
        if !lateral {
            return Ok(RelationKind::Join(Join { left, right, kind, condition }).into());
        }
        let condition = match condition {
            JoinCondition::None => None,
            JoinCondition::On(condition) => Some(condition),
            JoinCondition::Using(_) | JoinCondition::Natural => {
                return Err(error::unsupported("LATERAL with USING or NATURAL"));
            }
        };
        Ok(RelationKind::LateralJoin { left, right, kind, condition }.into())
    }
}

/// The members of a tuple, or the single expression.
fn members(expr: ast::Expr) -> Vec<ast::Expr> {
    match expr {
        ast::Expr::Tuple(members) => members,
        ast::Expr::Nested(inner) => vec![*inner],
        one => vec![one],
    }
}

fn aliased(input: Relation, alias: Option<ast::TableAlias>) -> Relation {
    match alias {
        Some(ast::TableAlias { name, columns, .. }) => {
            let columns = columns.into_iter().map(|c| c.name.value).collect();
            RelationKind::SubqueryAlias { input, alias: name.value, columns }.into()
        }
        None => input,
    }
}

fn bad_sample() -> plan::ParseError {
    error::invalid("The sample must be a number between 0 and 100 percent.")
}

fn number(expr: &Expr) -> Parsed<f64> {
    let text = match expr {
        Expr::Literal(Literal::Integer(n)) => n.to_string(),
        Expr::Literal(Literal::Long(n)) => n.to_string(),
        Expr::Literal(Literal::Double(n)) => n.to_string(),
        Expr::Literal(Literal::Decimal { unscaled, scale, .. }) => format!("{unscaled}e-{scale}"),
        _ => return Err(bad_sample()),
    };
    text.parse().map_err(|_| bad_sample())
}

/// The name of a join that only other databases have.
fn join_name(join: &JoinOperator) -> &'static str {
    match join {
        JoinOperator::RightSemi(_) => "RIGHT SEMI JOIN",
        JoinOperator::RightAnti(_) => "RIGHT ANTI JOIN",
        JoinOperator::CrossApply | JoinOperator::OuterApply => "APPLY",
        JoinOperator::AsOf { .. } => "ASOF JOIN",
        _ => "of this kind",
    }
}
