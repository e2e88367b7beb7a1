//! Queries around their selects: `WITH`, set operations, `ORDER BY` and its relatives, `LIMIT`.

use super::select::Arrangement;
use super::{Lower, call};
use crate::error::{self, Parsed};
use plan::{Expr, Relation, RelationKind, SetOperation, SetOperator, SortOrder};
use sqlparser::ast::{self, LimitClause, OrderByKind, SetExpr, SetQuantifier};

/// Limit on a chain of set operations.
const MAX_CHAIN: usize = 1_000;

impl Lower<'_> {
    pub(super) fn query(&mut self, query: ast::Query) -> Parsed<Relation> {
        self.deeper(|this| this.whole_query(query))
    }

    fn whole_query(&mut self, query: ast::Query) -> Parsed<Relation> {
        let ast::Query { with, body, order_by, limit_clause, fetch, locks, for_clause, .. } = query;
        if fetch.is_some() {
            return Err(error::unsupported("FETCH"));
        }
        if !locks.is_empty() || for_clause.is_some() {
            return Err(error::unsupported("FOR after a query"));
        }
        let named = with.map(|with| self.named_queries(with)).transpose()?;
        let (input, arrangement) = self.body(*body)?;
        let mut relation = arrangement.apply(input);
        if let Some(order_by) = order_by {
            let order = self.order_by(order_by)?;
            relation = RelationKind::Sort { input: relation, order, global: true }.into();
        }
        if let Some(clause) = limit_clause {
            relation = self.limited(relation, clause)?;
        }
        Ok(match named {
            Some((named, recursive)) => {
                RelationKind::With { input: relation, named, recursive }.into()
            }
            None => relation,
        })
    }

    fn named_queries(&mut self, with: ast::With) -> Parsed<(Vec<(String, Relation)>, bool)> {
        let mut named = Vec::with_capacity(with.cte_tables.len());
        for cte in with.cte_tables {
            let query = self.query(*cte.query)?;
            let name = cte.alias.name.value;
            let columns: Vec<String> =
                cte.alias.columns.into_iter().map(|c| c.name.value).collect();
            let query = if columns.is_empty() {
                query
            } else {
                RelationKind::SubqueryAlias { input: query, alias: name.clone(), columns }.into()
            };
            named.push((name, query));
        }
        Ok((named, with.recursive))
    }

    fn order_by(&mut self, order_by: ast::OrderBy) -> Parsed<Vec<SortOrder>> {
        match order_by.kind {
            OrderByKind::Expressions(orders) => self.orders(orders),
            // A column named `ALL`, as in Spark's parser; only the engine knows whether there is
            // one.
            OrderByKind::All(options) => Ok(vec![SortOrder {
                expr: Expr::column("ALL"),
                ascending: options.asc != Some(false),
                nulls: call::null_order(options.nulls_first),
            }]),
        }
    }

    fn limited(&mut self, input: Relation, clause: LimitClause) -> Parsed<Relation> {
        let (limit, offset) = match clause {
            LimitClause::LimitOffset { limit, offset, limit_by } if limit_by.is_empty() => {
                (limit, offset.map(|o| o.value))
            }
            LimitClause::LimitOffset { .. } => return Err(error::unsupported("LIMIT BY")),
            LimitClause::OffsetCommaLimit { .. } => {
                return Err(error::unsupported("LIMIT with a comma"));
            }
        };
        let mut relation = input;
        if let Some(offset) = offset {
            let offset = self.expr(offset)?;
            relation = RelationKind::Offset { input: relation, offset }.into();
        }
        if let Some(limit) = limit {
            let limit = self.expr(limit)?;
            relation = RelationKind::Limit { input: relation, limit }.into();
        }
        Ok(relation)
    }

    /// The body of a query. `SORT BY` and its relatives, which `sqlparser` attaches to the last
    /// select, are returned separately.
    fn body(&mut self, body: SetExpr) -> Parsed<(Relation, Arrangement)> {
        let mut steps = Vec::new();
        let mut first = body;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = first {
            steps.push((op, set_quantifier, *right));
            first = *left;
        }
        if steps.len() > MAX_CHAIN {
            return Err(error::too_complex());
        }
        let (mut relation, mut arrangement) = self.leaf(first)?;
        for (op, quantifier, right) in steps.into_iter().rev() {
            if !arrangement.is_empty() {
                return Err(error::invalid(
                    "SORT BY, CLUSTER BY and DISTRIBUTE BY must follow the last query of a set operation.",
                ));
            }
            let (right, right_arrangement) = self.deeper(|this| this.body(right))?;
            relation = set_operation(relation, op, quantifier, right);
            arrangement = right_arrangement;
        }
        Ok((relation, arrangement))
    }

    fn leaf(&mut self, leaf: SetExpr) -> Parsed<(Relation, Arrangement)> {
        let relation = match leaf {
            SetExpr::Select(select) => return self.select(*select),
            SetExpr::Query(query) => self.query(*query)?,
            SetExpr::Values(values) => {
                let rows: Parsed<Vec<_>> =
                    values.rows.into_iter().map(|row| self.exprs(row.content)).collect();
                RelationKind::Values { rows: rows? }.into()
            }
            SetExpr::Table(table) => {
                let name = [table.schema_name, table.table_name].into_iter().flatten().collect();
                RelationKind::Table { name, options: Vec::new() }.into()
            }
            SetExpr::SetOperation { .. } => self.deeper(|this| this.body(leaf))?.0,
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return Err(error::unsupported("a command within a query"));
            }
        };
        Ok((relation, Arrangement::default()))
    }
}

fn set_operation(
    left: Relation,
    op: ast::SetOperator,
    quantifier: SetQuantifier,
    right: Relation,
) -> Relation {
    let operator = match op {
        ast::SetOperator::Union => SetOperator::Union,
        ast::SetOperator::Intersect => SetOperator::Intersect,
        ast::SetOperator::Except | ast::SetOperator::Minus => SetOperator::Except,
    };
    let (all, by_name) = match quantifier {
        SetQuantifier::All => (true, false),
        SetQuantifier::AllByName => (true, true),
        SetQuantifier::ByName | SetQuantifier::DistinctByName => (false, true),
        SetQuantifier::Distinct | SetQuantifier::None => (false, false),
    };
    let operation =
        SetOperation { left, right, operator, all, by_name, allow_missing_columns: false };
    RelationKind::SetOperation(operation).into()
}
