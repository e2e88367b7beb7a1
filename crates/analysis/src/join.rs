//! Joins.

use super::facts::both;
use super::scope::{Column, Found, Scope};
use super::typed::Typed;
use super::{Resolved, Resolver, Result, error};
use datafusion::common::{JoinConstraint, NullEquality};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{
    Expr as DfExpr, Join as DfJoin, JoinType as DfJoinType, LogicalPlan, Operator, Projection,
};
use errors::condition;
use plan::{Join, JoinCondition, JoinType};
use std::sync::Arc;

impl Resolver<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Result<Resolved> {
        let (left, right) =
            both(self, |this| this.relation(&join.left), |this| this.relation(&join.right))?;
        match &join.condition {
            JoinCondition::None => self.join_on((left, right), join.kind, None),
            JoinCondition::On(condition) => self.join_on((left, right), join.kind, Some(condition)),
            JoinCondition::Using(names) => self.join_using((left, right), join.kind, names),
            JoinCondition::Natural => {
                let shared: Vec<String> = left
                    .scope
                    .columns
                    .iter()
                    .filter(|l| {
                        right.scope.columns.iter().any(|r| self.context.same(&l.name, &r.name))
                    })
                    .map(|column| column.name.clone())
                    .collect();
                self.join_using((left, right), join.kind, &shared)
            }
        }
    }

    fn join_on(
        &mut self,
        (left, right): (Resolved, Resolved),
        kind: JoinType,
        condition: Option<&plan::Expr>,
    ) -> Result<Resolved> {
        let both = combined(&left.scope, &right.scope);
        let condition = self.join_condition(condition, &both)?;
        let mut right = right;
        if kind == JoinType::Cross && !self.context.flag(&model::conf::CROSS_JOIN)? {
            // Marks an explicit cross join, so that the check for implicit ones lets it pass.
            right.plan = crate::nodes::barrier(right.plan);
        }
        let plan = joined((left.plan, &left.scope), (right.plan, &right.scope), kind, condition)?;
        let scope = self.join_scope(left.scope, right.scope, kind);
        Ok(Resolved::new(plan, scope))
    }

    /// Resolves the condition of a join, over the columns of both sides.
    pub(super) fn join_condition(
        &mut self,
        condition: Option<&plan::Expr>,
        both: &Scope,
    ) -> Result<Option<DfExpr>> {
        let Some(condition) = condition else { return Ok(None) };
        let parsed = self.parsed(std::slice::from_ref(condition))?;
        let condition = self.expression(&parsed[0], super::column::Names::of(both))?;
        if condition.data_type == plan::DataType::Boolean {
            return Ok(Some(condition.expr));
        }
        let (shown, found) = (format!("\"{}\"", condition.name), condition.data_type.sql());
        let message = format!(
            "The join condition {shown} has the invalid type \"{found}\", expected \"BOOLEAN\"."
        );
        let parameters = [("joinCondition", shown.as_str()), ("conditionType", &found)];
        Err(error::analysis(condition::JOIN_CONDITION_IS_NOT_BOOLEAN_TYPE, message, &parameters))
    }

    fn join_using(
        &mut self,
        (left, right): (Resolved, Resolved),
        kind: JoinType,
        names: &[String],
    ) -> Result<Resolved> {
        let mut pairs: Vec<(Column, Column)> = Vec::new();
        let mut condition: Option<DfExpr> = None;
        for name in names {
            let (l, r) = self.using_pair(name, &left.scope, &right.scope)?;
            let (lt, rt) = (super::column::of_column(&l), super::column::of_column(&r));
            let equal = self.scalar("=", vec![lt, rt])?;
            condition = Some(match condition {
                None => equal.expr,
                Some(before) => before.and(equal.expr),
            });
            pairs.push((l, r));
        }
        let plan = joined((left.plan, &left.scope), (right.plan, &right.scope), kind, condition)?;
        let scope = self.join_scope(left.scope.clone(), right.scope.clone(), kind);
        if matches!(kind, JoinType::LeftSemi | JoinType::LeftAnti) {
            return Ok(Resolved::new(plan, scope));
        }
        self.using_columns(Resolved::new(plan, scope), &pairs, kind)
    }

    /// The keys once, then the other columns; the other side's keys stay hidden.
    fn using_columns(
        &mut self,
        joined: Resolved,
        pairs: &[(Column, Column)],
        kind: JoinType,
    ) -> Result<Resolved> {
        let now = |column: &Column, scope: &Scope| {
            scope
                .all()
                .find(|known| known.id == column.id)
                .cloned()
                .unwrap_or_else(|| column.clone())
        };
        let mut plan = joined.plan;
        let mut keys: Vec<Column> = Vec::new();
        let mut hidden: Vec<Column> = joined.scope.hidden.clone();
        let mut exprs = super::aggregate::unique(joined.scope.all());
        let before = exprs.len();
        for (left, right) in pairs {
            let (left, right) = (now(left, &joined.scope), now(right, &joined.scope));
            match kind {
                JoinType::RightOuter => {
                    hidden.push(left);
                    keys.push(right);
                }
                JoinType::FullOuter => {
                    let values =
                        vec![super::column::of_column(&left), super::column::of_column(&right)];
                    let both: Typed = self.scalar("coalesce", values)?;
                    let nullable = left.nullable && right.nullable;
                    let column = self.new_column(&left.name, both.data_type, nullable);
                    exprs.push(both.expr.alias(&column.id));
                    hidden.extend([left, right]);
                    keys.push(column);
                }
                _ => {
                    hidden.push(right);
                    keys.push(left);
                }
            }
        }
        if exprs.len() > before {
            plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        }
        let is_key = |column: &Column| {
            pairs.iter().any(|(left, right)| left.id == column.id || right.id == column.id)
        };
        let rest = joined.scope.columns.iter().filter(|column| !is_key(column)).cloned();
        let columns = keys.into_iter().chain(rest).collect();
        let scope = Scope { columns, hidden, frames: joined.scope.frames, ..Scope::default() };
        Ok(Resolved::new(plan, scope))
    }

    /// The columns with the same name on both sides.
    pub(super) fn using_pair(
        &self,
        name: &str,
        left: &Scope,
        right: &Scope,
    ) -> Result<(Column, Column)> {
        Ok((self.using_column(name, left, "left")?, self.using_column(name, right, "right")?))
    }

    fn using_column(&self, name: &str, scope: &Scope, side: &str) -> Result<Column> {
        let parts = [name.to_owned()];
        match scope.find(&parts, self.context.case_sensitive) {
            Found::One(column, []) => Ok(column.clone()),
            Found::Many(found) => {
                let list: Vec<_> = found.iter().map(|column| column.qualified()).collect();
                Err(error::ambiguous(&parts, &list))
            }
            _ => {
                let shown = plan::quote_name(name);
                let columns: Vec<_> =
                    scope.columns.iter().map(|c| plan::quote_name(&c.name)).collect();
                let list = format!("[{}]", columns.join(", "));
                Err(error::analysis(
                    condition::UNRESOLVED_USING_COLUMN_FOR_JOIN,
                    format!(
                        "USING column {shown} cannot be resolved on the {side} side of the join. The {side}-side columns: {list}."
                    ),
                    &[("colName", &shown), ("side", side), ("suggestion", &list)],
                ))
            }
        }
    }

    /// The columns of a join, nullable where a side may be missing.
    pub(super) fn join_scope(&mut self, left: Scope, right: Scope, kind: JoinType) -> Scope {
        if matches!(kind, JoinType::LeftSemi | JoinType::LeftAnti) {
            return left;
        }
        let mut both = combined(&left, &right);
        let nullable_left = matches!(kind, JoinType::RightOuter | JoinType::FullOuter);
        let nullable_right = matches!(kind, JoinType::LeftOuter | JoinType::FullOuter);
        for column in both.columns.iter_mut().chain(&mut both.hidden) {
            let may_miss = if left.has_id(&column.id) { nullable_left } else { nullable_right };
            if may_miss && !column.nullable {
                column.nullable = true;
                self.types.declare(column);
            }
        }
        both
    }
}

/// The columns of both sides.
pub(super) fn combined(left: &Scope, right: &Scope) -> Scope {
    let chain = |a: &[Column], b: &[Column]| a.iter().chain(b).cloned().collect();
    Scope {
        columns: chain(&left.columns, &right.columns),
        hidden: chain(&left.hidden, &right.hidden),
        metadata: chain(&left.metadata, &right.metadata),
        frames: left.frames.iter().chain(&right.frames).cloned().collect(),
    }
}

/// A join that has the equalities between its sides as keys and the other conditions as a filter.
fn joined(
    (left, left_scope): (LogicalPlan, &Scope),
    (right, right_scope): (LogicalPlan, &Scope),
    kind: JoinType,
    condition: Option<DfExpr>,
) -> Result<LogicalPlan> {
    let kind = match kind {
        JoinType::Inner | JoinType::Cross => DfJoinType::Inner,
        JoinType::LeftOuter => DfJoinType::Left,
        JoinType::RightOuter => DfJoinType::Right,
        JoinType::FullOuter => DfJoinType::Full,
        JoinType::LeftSemi => DfJoinType::LeftSemi,
        JoinType::LeftAnti => DfJoinType::LeftAnti,
    };
    let mut keys = Vec::new();
    let mut rest: Option<DfExpr> = None;
    let conjuncts = condition.map(split_conjunction_owned).unwrap_or_default();
    for conjunct in conjuncts {
        if let Some(key) = key_of(&conjunct, left_scope, right_scope) {
            keys.push(key);
        } else {
            rest = Some(match rest {
                None => conjunct,
                Some(before) => before.and(conjunct),
            });
        }
    }
    let (left, right) = (Arc::new(left), Arc::new(right));
    let join = DfJoin::try_new(
        left,
        right,
        keys,
        rest,
        kind,
        JoinConstraint::On,
        NullEquality::NullEqualsNothing,
        false,
    )?;
    Ok(LogicalPlan::Join(join))
}

/// The operands of an equality between the two inputs.
fn key_of(condition: &DfExpr, left: &Scope, right: &Scope) -> Option<(DfExpr, DfExpr)> {
    let DfExpr::BinaryExpr(binary) = condition else { return None };
    if binary.op != Operator::Eq {
        return None;
    }
    let within = |expr: &DfExpr, scope: &Scope| {
        let columns = expr.column_refs();
        !columns.is_empty() && columns.iter().all(|column| scope.has_id(column.name()))
    };
    let (a, b) = (binary.left.as_ref(), binary.right.as_ref());
    if has_subquery(a) || has_subquery(b) {
        return None;
    }
    if within(a, left) && within(b, right) {
        Some((a.clone(), b.clone()))
    } else if within(a, right) && within(b, left) {
        Some((b.clone(), a.clone()))
    } else {
        None
    }
}

fn has_subquery(expr: &DfExpr) -> bool {
    expr.contains_scalar_subquery()
}
