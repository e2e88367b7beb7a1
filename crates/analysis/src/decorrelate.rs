//! Correlated subqueries. `DataFusion` turns them into joins with rules of its own, which are
//! correct for some shapes only: a predicate over a plain selection, and an aggregate that is null
//! over no rows. Every other subquery is computed for each tuple of outer values it uses, like a
//! lateral join, and joined with the rows that have these values.

use super::lateral::{Carrier, joined, used};
use super::scope::{Column, Scope};
use super::{Resolver, Result, error, reference};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr as DfExpr, Filter, Join, JoinType, Limit, LogicalPlan,
    Operator, Projection, Sort, Subquery, SubqueryAlias, lit,
};
use formats::types;
use std::sync::Arc;

impl Resolver<'_> {
    /// Rewrites a plan such that `DataFusion` computes all remaining subqueries correctly.
    #[recursive::recursive]
    pub(super) fn decorrelated(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        if !has_subquery(&plan)? {
            return Ok(plan);
        }
        let mut inputs = Vec::new();
        for input in plan.inputs() {
            inputs.push(self.decorrelated(input.clone())?);
        }
        let exprs = plan.expressions();
        let mut found: Vec<DfExpr> = Vec::new();
        for expr in &exprs {
            expr.apply(|node| {
                if subquery_of(node).is_some() && !found.contains(node) {
                    found.push(node.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        if found.is_empty() {
            return Ok(plan.with_new_exprs(exprs, inputs)?);
        }
        if let (LogicalPlan::Join(join), [left, right]) = (&plan, inputs.as_slice()) {
            return self.join_with_subqueries(join, (left, right), exprs, found);
        }
        let [input] = inputs.as_slice() else {
            return Err(error::unsupported("a subquery in this position"));
        };
        // As a value (not a condition), EXISTS needs a column, too.
        let as_condition = matches!(plan, LogicalPlan::Filter(_));
        let (input, known) = self.join_subqueries(input.clone(), found, as_condition)?;
        let exprs = exprs.into_iter().map(|expr| replaced(expr, &known));
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        let made = plan.with_new_exprs(exprs, vec![input])?;
        if made.schema().fields().len() == plan.schema().fields().len() {
            return Ok(made);
        }
        // Drop the columns added to the input.
        let columns = plan.schema().columns().into_iter().map(DfExpr::Column).collect();
        Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(made))?))
    }

    /// Moves subqueries in the condition of an inner join to a filter above it.
    fn join_with_subqueries(
        &mut self,
        join: &Join,
        (left, right): (&LogicalPlan, &LogicalPlan),
        exprs: Vec<DfExpr>,
        found: Vec<DfExpr>,
    ) -> Result<LogicalPlan> {
        if join.join_type != JoinType::Inner {
            return self.outer_join_with_subqueries(join, (left, right), exprs, found);
        }
        let filter = join.filter.clone().unwrap_or_else(|| lit(true));
        let (asked, others): (Vec<DfExpr>, Vec<DfExpr>) =
            split_conjunction(&filter).into_iter().cloned().partition(holds_subquery);
        if asked.is_empty() {
            return Err(error::unsupported("a subquery in the keys of a join"));
        }
        let joined = Join::try_new(
            Arc::new(left.clone()),
            Arc::new(right.clone()),
            join.on.clone(),
            conjunction(others),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?;
        let filter = conjunction(asked).unwrap_or_else(|| lit(true));
        self.decorrelated(super::relation::filter(LogicalPlan::Join(joined), filter)?)
    }

    /// Computes subqueries in the condition of an outer join next to the side whose columns they
    /// use.
    fn outer_join_with_subqueries(
        &mut self,
        join: &Join,
        (left, right): (&LogicalPlan, &LogicalPlan),
        exprs: Vec<DfExpr>,
        found: Vec<DfExpr>,
    ) -> Result<LogicalPlan> {
        let scope = scope_of(left)?;
        let mut of_left = Vec::new();
        let mut of_right = Vec::new();
        for expr in found {
            let plan = subquery_of(&expr).map(|subquery| subquery.subquery.as_ref());
            let is_left =
                plan.map(|plan| is_correlated_with(plan, &scope)).transpose()?.unwrap_or(false);
            if is_left { of_left.push(expr) } else { of_right.push(expr) }
        }
        let (with_left, known) = self.join_subqueries(left.clone(), of_left, false)?;
        let (with_right, more) = self.join_subqueries(right.clone(), of_right, false)?;
        let known: Vec<_> = known.into_iter().chain(more).collect();
        let exprs = exprs.into_iter().map(|expr| replaced(expr, &known));
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        let plan = LogicalPlan::Join(join.clone());
        let columns = plan.schema().columns().into_iter().map(DfExpr::Column).collect();
        let made = plan.with_new_exprs(exprs, vec![with_left, with_right])?;
        Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(made))?))
    }

    /// Joins the input with a column for each subquery that needs one; also returns each subquery's
    /// replacement.
    fn join_subqueries(
        &mut self,
        input: LogicalPlan,
        found: Vec<DfExpr>,
        as_condition: bool,
    ) -> Result<(LogicalPlan, Vec<(DfExpr, DfExpr)>)> {
        let scope = scope_of(&input)?;
        let (mut plan, mut known) = (input.clone(), Vec::new());
        for expr in found {
            let Some(subquery) = subquery_of(&expr) else { continue };
            let inner = self.decorrelated(subquery.subquery.as_ref().clone())?;
            let of_input = is_correlated_with(&inner, &scope)?;
            let value = match &expr {
                DfExpr::ScalarSubquery(_) if of_input && is_plain_scalar(&inner) => None,
                DfExpr::ScalarSubquery(_) if is_uncorrelated(&inner)? => {
                    known.push((expr, DfExpr::ScalarSubquery(self.single_row(inner)?)));
                    continue;
                }
                DfExpr::ScalarSubquery(_) => {
                    Some(self.join_value(&mut plan, (&input, &scope), inner.clone())?)
                }
                DfExpr::Exists(_)
                    if as_condition
                        && is_selection(&inner)
                        && (of_input || is_uncorrelated(&inner)?) =>
                {
                    None
                }
                DfExpr::Exists(exists) => {
                    let mark = self.join_mark(&mut plan, (&input, &scope), inner.clone())?;
                    Some(if exists.negated { mark.is_null() } else { mark.is_not_null() })
                }
                _ => None,
            };
            let value = value.map_or_else(|| with_subquery(&expr, inner), Ok)?;
            known.push((expr, value));
        }
        Ok((plan, known))
    }

    /// An uncorrelated subquery that fails if it has more than one row.
    fn single_row(&mut self, inner: LogicalPlan) -> Result<Subquery> {
        if at_most_one(&inner) {
            return super::subquery::subquery(inner);
        }
        let column = inner.schema().columns().into_iter().next().map(DfExpr::Column);
        let column = column.ok_or_else(|| error::unsupported("a subquery without columns"))?;
        let id = self.new_id();
        let value = functions::single_value().call(vec![column]).alias(id);
        let plan = Aggregate::try_new(Arc::new(inner), Vec::new(), vec![value])?;
        super::subquery::subquery(LogicalPlan::Aggregate(plan))
    }

    /// Joins the value of a subquery to each row; null where the subquery has no row.
    fn join_value(
        &mut self,
        plan: &mut LogicalPlan,
        (input, scope): (&LogicalPlan, &Scope),
        inner: LogicalPlan,
    ) -> Result<DfExpr> {
        let single = at_most_one(&inner);
        let column = inner.schema().columns().into_iter().next().map(DfExpr::Column);
        let column = column.ok_or_else(|| error::unsupported("a subquery without columns"))?;
        let value = self.new_id();
        let exprs = vec![column.alias(&value)];
        let inner = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(inner))?);
        let (mut right, keys, ids) = self.for_each_tuple((input, scope), &inner)?;
        let of_value = if single { value.clone() } else { self.new_id() };
        if !single {
            let tuple = ids.iter().map(|id| reference(id)).collect();
            let only = functions::single_value().call(vec![reference(&value)]).alias(&of_value);
            let only = Aggregate::try_new(Arc::new(right), tuple, vec![only])?;
            right = LogicalPlan::Aggregate(only);
        }
        let on = keys.iter().zip(&ids).map(|(key, id)| (reference(key), reference(id))).collect();
        *plan = joined((plan.clone(), right), on, None, JoinType::Left)?;
        Ok(reference(&of_value))
    }

    /// Joins a column that is not null in rows for which the subquery has rows.
    fn join_mark(
        &mut self,
        plan: &mut LogicalPlan,
        (input, scope): (&LogicalPlan, &Scope),
        inner: LogicalPlan,
    ) -> Result<DfExpr> {
        let mark = self.new_id();
        if is_uncorrelated(&inner)? {
            let one =
                Limit { skip: None, fetch: Some(Box::new(lit(1_i64))), input: Arc::new(inner) };
            let exprs = vec![lit(true).alias(&mark)];
            let right = Projection::try_new(exprs, Arc::new(LogicalPlan::Limit(one)))?;
            let right = LogicalPlan::Projection(right);
            *plan = joined((plan.clone(), right), Vec::new(), None, JoinType::Left)?;
            return Ok(reference(&mark));
        }
        let (right, keys, ids) = self.for_each_tuple((input, scope), &inner)?;
        let tuple = ids.iter().map(|id| reference(id)).collect();
        let right = Projection::try_new(tuple, Arc::new(right))?;
        let right = Distinct::All(Arc::new(LogicalPlan::Projection(right)));
        let exprs = ids.iter().map(|id| reference(id)).chain([lit(true).alias(&mark)]).collect();
        let right = Projection::try_new(exprs, Arc::new(LogicalPlan::Distinct(right)))?;
        let on = keys.iter().zip(&ids).map(|(key, id)| (reference(key), reference(id))).collect();
        *plan = joined((plan.clone(), LogicalPlan::Projection(right)), on, None, JoinType::Left)?;
        Ok(reference(&mark))
    }

    /// Computes a subquery for each tuple of outer values it uses. Also returns the columns of the
    /// input and their ids in the result.
    fn for_each_tuple(
        &mut self,
        (input, scope): (&LogicalPlan, &Scope),
        inner: &LogicalPlan,
    ) -> Result<(LogicalPlan, Vec<String>, Vec<String>)> {
        let outer = used(inner, scope)?;
        let keys: Vec<String> = outer.iter().map(|column| column.id.clone()).collect();
        let tuples = keys.iter().map(|key| reference(key)).collect();
        let tuples = Projection::try_new(tuples, Arc::new(input.clone()))?;
        let domain = Distinct::All(Arc::new(LogicalPlan::Projection(tuples)));
        let mut carrier = Carrier::new(self, LogicalPlan::Distinct(domain), outer);
        let (plan, ids) = carrier.carry(inner)?;
        Ok((plan, keys, ids))
    }
}

/// The columns of a plan, named by their ids.
fn scope_of(plan: &LogicalPlan) -> Result<Scope> {
    let column = |field: &arrow::datatypes::FieldRef| {
        Ok(Column {
            name: field.name().clone(),
            id: field.name().clone(),
            qualifier: Vec::new(),
            data_type: types::from_arrow(field.data_type())?,
            nullable: field.is_nullable(),
            metadata: None,
        })
    };
    Ok(Scope::new(plan.schema().fields().iter().map(column).collect::<Result<_>>()?))
}

fn subquery_of(expr: &DfExpr) -> Option<&Subquery> {
    match expr {
        DfExpr::ScalarSubquery(subquery) => Some(subquery),
        DfExpr::Exists(exists) => Some(&exists.subquery),
        DfExpr::InSubquery(within) => Some(&within.subquery),
        _ => None,
    }
}

/// The same expression over another plan.
fn with_subquery(expr: &DfExpr, plan: LogicalPlan) -> Result<DfExpr> {
    let plan = super::subquery::subquery(plan)?;
    Ok(match expr.clone() {
        DfExpr::ScalarSubquery(_) => DfExpr::ScalarSubquery(plan),
        DfExpr::Exists(mut exists) => {
            exists.subquery = plan;
            DfExpr::Exists(exists)
        }
        DfExpr::InSubquery(mut within) => {
            within.subquery = plan;
            DfExpr::InSubquery(within)
        }
        other => other,
    })
}

fn replaced(expr: DfExpr, known: &[(DfExpr, DfExpr)]) -> Result<DfExpr> {
    let replaced = expr.transform_down(|node| {
        Ok(match known.iter().find(|(old, _)| *old == node) {
            Some((_, new)) => Transformed::new(new.clone(), true, TreeNodeRecursion::Jump),
            None => Transformed::no(node),
        })
    })?;
    Ok(replaced.data)
}

fn holds_subquery(expr: &DfExpr) -> bool {
    let mut found = false;
    let walked = expr.apply(|node| {
        found |= subquery_of(node).is_some();
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.is_ok() && found
}

fn has_subquery(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            found |= holds_subquery(expr);
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(found)
}

fn holds_outer(expr: &DfExpr) -> bool {
    let mut found = false;
    let walked = expr.apply(|node| {
        found |= matches!(node, DfExpr::OuterReferenceColumn(..));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.is_ok() && found
}

/// The outer columns that a plan uses.
fn outer_columns(plan: &LogicalPlan) -> Result<Vec<String>> {
    let mut found = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|inner| {
                if let DfExpr::OuterReferenceColumn(_, column) = inner {
                    found.push(column.name().to_owned());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// Whether a plan is uncorrelated: it uses no outer columns.
fn is_uncorrelated(plan: &LogicalPlan) -> Result<bool> {
    Ok(outer_columns(plan)?.is_empty())
}

/// Whether a plan is correlated, and all outer columns it uses belong to one input.
fn is_correlated_with(plan: &LogicalPlan, scope: &Scope) -> Result<bool> {
    let used = outer_columns(plan)?;
    Ok(!used.is_empty() && used.iter().all(|id| scope.has_id(id)))
}

/// Whether a plan is a selection from uncorrelated rows: `DataFusion` can turn such a predicate
/// into a join.
pub(super) fn is_selection(plan: &LogicalPlan) -> bool {
    match plan {
        plan if is_uncorrelated(plan).unwrap_or(false) => true,
        LogicalPlan::Projection(Projection { expr, input, .. }) => {
            !expr.iter().any(holds_outer) && is_selection(input)
        }
        LogicalPlan::Filter(Filter { predicate, input, .. }) => {
            !holds_subquery(predicate) && is_selection(input)
        }
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. })
        | LogicalPlan::Sort(Sort { input, fetch: None, .. }) => is_selection(input),
        _ => false,
    }
}

/// Whether a plan is an aggregate over an equality selection, whose value is null over no rows.
fn is_plain_scalar(plan: &LogicalPlan) -> bool {
    let Some(name) = plan.schema().fields().first().map(|field| field.name()) else { return false };
    value_over_no_rows(plan, name).is_some_and(|value| value.is_null())
}

/// The value of a column over no rows, if the plan is an aggregate over an equality selection.
fn value_over_no_rows(plan: &LogicalPlan, name: &str) -> Option<ScalarValue> {
    let field = plan.schema().field_with_unqualified_name(name).ok()?;
    match plan {
        LogicalPlan::Projection(Projection { expr, input, .. }) => {
            let at = plan.schema().index_of_column_by_name(None, name)?;
            let value = expr.get(at)?.clone().unalias();
            if holds_outer(&value) {
                return None;
            }
            let folded = value.transform_down(|node| match &node {
                DfExpr::Column(column) => Ok(match value_over_no_rows(input, column.name()) {
                    Some(value) => Transformed::yes(DfExpr::Literal(value, None)),
                    None => Transformed::no(node),
                }),
                _ => Ok(Transformed::no(node)),
            });
            super::rows::constant(folded.ok()?.data)
        }
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => value_over_no_rows(input, name),
        LogicalPlan::Aggregate(Aggregate { input, group_expr, aggr_expr, .. })
            if group_expr.is_empty() && selects_by_equality(input) =>
        {
            let nullable = aggr_expr.iter().all(|function| match function.clone().unalias() {
                DfExpr::AggregateFunction(AggregateFunction { func, .. }) => func.is_nullable(),
                _ => false,
            });
            let is_null = nullable && !aggr_expr.iter().any(holds_outer);
            ScalarValue::try_from(field.data_type()).ok().filter(|_| is_null)
        }
        _ => None,
    }
}

fn selects_by_equality(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Filter(Filter { predicate, input, .. }) => {
            let by_equality = |part: &DfExpr| match part {
                part if !holds_outer(part) => !holds_subquery(part),
                DfExpr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
                    holds_outer(left) != holds_outer(right)
                }
                _ => false,
            };
            split_conjunction(predicate).into_iter().all(by_equality) && selects_by_equality(input)
        }
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
            is_selection(plan) && plan.inputs().into_iter().all(selects_by_equality)
        }
        plan => is_uncorrelated(plan).unwrap_or(false),
    }
}

/// Whether a plan provably has at most one row per tuple of outer values.
fn at_most_one(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(Projection { input, .. })
        | LogicalPlan::Filter(Filter { input, .. })
        | LogicalPlan::Sort(Sort { input, .. })
        | LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. })
        | LogicalPlan::Distinct(Distinct::All(input)) => at_most_one(input),
        LogicalPlan::Limit(Limit { fetch, input, .. }) => {
            let fetch = fetch.as_deref().and_then(|rows| super::rows::constant(rows.clone()));
            let fetch =
                fetch.and_then(|rows| rows.cast_to(&arrow::datatypes::DataType::Int64).ok());
            matches!(fetch, Some(ScalarValue::Int64(Some(..=1)))) || at_most_one(input)
        }
        LogicalPlan::EmptyRelation(_) => true,
        _ => false,
    }
}
