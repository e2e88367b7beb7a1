//! Nearest-match joins: each left row with the first right row in an order that depends on both.

use super::column::Names;
use super::facts::both;
use super::typed::Typed;
use super::{Resolved, Resolver, Result, error};
use datafusion::logical_expr::expr::Sort as SortKey;
use datafusion::logical_expr::{Expr as DfExpr, Limit, LogicalPlan, Sort, lit};
use errors::condition;
use plan::{AsOfDirection, AsOfJoin, DataType, Expr, JoinCondition, NearestByJoin};
use std::sync::Arc;

impl Resolver<'_> {
    pub(super) fn as_of_join(&mut self, join: &AsOfJoin) -> Result<Resolved> {
        let (left, right) =
            both(self, |this| this.relation(&join.left), |this| this.relation(&join.right))?;
        let right = self.exact(right)?;
        let l = self.expression(&join.left_as_of, Names::of(&left.scope))?;
        let l = Typed { expr: self.outer_expr(l.expr)?, ..l };
        let r = self.expression(&join.right_as_of, Names::of(&right.scope))?;
        let (order, distance) = self.as_of_order(join, &l, &r)?;
        let mut conditions = order;
        if let Some(tolerance) = &join.tolerance {
            conditions.extend(self.within_tolerance(tolerance, join.direction, (&l, &r))?);
        }
        match &join.condition {
            JoinCondition::None | JoinCondition::Natural => {}
            JoinCondition::Using(names) => {
                for name in names {
                    let (a, b) = self.using_pair(name, &left.scope, &right.scope)?;
                    let (a, b) = (super::column::of_column(&a), super::column::of_column(&b));
                    let a = Typed { expr: self.outer_expr(a.expr)?, ..a };
                    conditions.push(self.scalar("=", vec![a, b])?.expr);
                }
            }
            JoinCondition::On(condition) => {
                let both = super::join::combined(&left.scope, &right.scope);
                if let Some(condition) = self.join_condition(Some(condition), &both)? {
                    conditions.push(self.left_outer(condition, &left)?);
                }
            }
        }
        let key = SortKey::new(distance.expr, true, false);
        let right = first_rows(right, conditions, key, 1)?;
        self.applied(left, right, join.kind, None)
    }

    /// The conditions on the side of the right key, and its distance from the left key.
    fn as_of_order(
        &mut self,
        join: &AsOfJoin,
        l: &Typed,
        r: &Typed,
    ) -> Result<(Vec<DfExpr>, Typed)> {
        let both = || vec![l.clone(), r.clone()];
        let operator = match (join.direction, join.allow_exact_matches) {
            (AsOfDirection::Backward, true) => Some(">="),
            (AsOfDirection::Backward, false) => Some(">"),
            (AsOfDirection::Forward, true) => Some("<="),
            (AsOfDirection::Forward, false) => Some("<"),
            (AsOfDirection::Nearest, true) => None,
            (AsOfDirection::Nearest, false) => Some("=="),
        };
        let mut conditions = Vec::new();
        if let Some(operator) = operator {
            let order = self.scalar(operator, both())?;
            let order = if operator == "==" { self.scalar("not", vec![order])? } else { order };
            conditions.push(order.expr);
        } else {
            // A null key matches nothing.
            conditions.push(l.expr.clone().is_not_null());
            conditions.push(r.expr.clone().is_not_null());
        }
        let back = self.scalar("-", both())?;
        let distance = match join.direction {
            AsOfDirection::Backward => back,
            AsOfDirection::Forward => self.scalar("-", vec![r.clone(), l.clone()])?,
            AsOfDirection::Nearest => {
                let ahead = self.scalar("-", vec![r.clone(), l.clone()])?;
                let later = self.scalar(">", both())?;
                self.scalar("if", vec![later, back, ahead])?
            }
        };
        Ok((conditions, distance))
    }

    fn within_tolerance(
        &mut self,
        tolerance: &Expr,
        direction: AsOfDirection,
        (l, r): (&Typed, &Typed),
    ) -> Result<Vec<DfExpr>> {
        let nothing = super::Scope::default();
        let tolerance = self.expression(tolerance, Names::of(&nothing)).map_err(|stop| {
            if !error::is_unresolved_column(&stop) {
                return stop;
            }
            let message = "Invalid as-of join. The input argument `tolerance` must be a constant.";
            error::analysis(condition::AS_OF_JOIN_TOLERANCE_IS_UNFOLDABLE, message, &[])
        })?;
        let value = super::rows::constant(tolerance.expr.clone());
        let zero = value
            .as_ref()
            .and_then(|v| datafusion::common::ScalarValue::new_zero(&v.data_type()).ok());
        if let (Some(value), Some(zero)) = (&value, &zero)
            && value < zero
        {
            let message =
                "Invalid as-of join. The input argument `tolerance` must be non-negative.";
            return Err(error::analysis(
                condition::AS_OF_JOIN_TOLERANCE_IS_NON_NEGATIVE,
                message,
                &[],
            ));
        }
        let mut conditions = Vec::new();
        if direction != AsOfDirection::Forward {
            let least = self.scalar("-", vec![l.clone(), tolerance.clone()])?;
            conditions.push(self.scalar(">=", vec![r.clone(), least])?.expr);
        }
        if direction != AsOfDirection::Backward {
            let most = self.scalar("+", vec![l.clone(), tolerance])?;
            conditions.push(self.scalar("<=", vec![r.clone(), most])?.expr);
        }
        Ok(conditions)
    }

    pub(super) fn nearest_by_join(&mut self, join: &NearestByJoin) -> Result<Resolved> {
        let (left, right) =
            both(self, |this| this.relation(&join.left), |this| this.relation(&join.right))?;
        let right = self.exact(right)?;
        let both = super::join::combined(&left.scope, &right.scope);
        let ranking = self.expression(&join.ranking, Names::of(&both))?;
        if matches!(ranking.data_type, DataType::Map { .. }) {
            let shown = format!("\"{}\"", ranking.data_type.sql());
            let message = format!(
                "Invalid nearest-by join. The ranking expression has the type {shown}, which cannot be ordered."
            );
            let class = condition::NEAREST_BY_JOIN_NON_ORDERABLE_RANKING_EXPRESSION;
            return Err(error::analysis(class, message, &[("type", &shown)]));
        }
        let ranking = self.left_outer(ranking.expr, &left)?;
        let known = ranking.clone().is_not_null();
        let key = SortKey::new(ranking, !join.largest_first, false);
        let right = first_rows(right, vec![known], key, join.results.into())?;
        self.applied(left, right, join.kind, None)
    }

    /// Turns an expression over both sides into one over the right side, with the left side as
    /// outer scope.
    fn left_outer(&mut self, expr: DfExpr, left: &Resolved) -> Result<DfExpr> {
        use datafusion::common::tree_node::{Transformed, TreeNode};
        let outer = expr.transform_down(|node| match &node {
            DfExpr::Column(column) if left.scope.has_id(column.name()) => {
                let outer = self.outer_expr(node).map_err(|_| {
                    datafusion::common::internal_datafusion_err!("a column has no type")
                })?;
                Ok(Transformed::yes(outer))
            }
            _ => Ok(Transformed::no(node)),
        })?;
        Ok(outer.data)
    }
}

/// The first rows, in an order, that satisfy conditions.
fn first_rows(
    right: Resolved,
    conditions: Vec<DfExpr>,
    key: SortKey,
    count: i64,
) -> Result<Resolved> {
    let mut plan = right.plan;
    if let Some(condition) = datafusion::logical_expr::utils::conjunction(conditions) {
        plan = super::relation::filter(plan, condition)?;
    }
    let sort = Sort { expr: vec![key], input: Arc::new(plan), fetch: None };
    let fetch = Some(Box::new(lit(count)));
    let input = Arc::new(LogicalPlan::Sort(sort));
    let plan = LogicalPlan::Limit(Limit { skip: None, fetch, input });
    Ok(Resolved::new(plan, right.scope))
}
