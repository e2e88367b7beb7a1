//! Text of Parquet files that a task does not pass on as it is: that of which a filter leaves
//! little, or of which an aggregation keeps one value per group. It is read as views, and copied
//! behind them, so that no value is copied for nothing. Plans and fingerprints know nothing of it.

#[cfg(test)]
mod tests;

use arrow::datatypes::{FieldRef, Schema};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, PhysicalExprRef};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateInputMode};
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode};
use sources::views::{self, Viewed};
use std::collections::BTreeSet;
use std::sync::Arc;

type Plan = Arc<dyn ExecutionPlan>;

/// The bound plan of a task, in which filters and aggregations directly above scans get views.
pub(crate) fn with_text_views(plan: Plan) -> Result<Plan> {
    let replaced = plan.transform_down(|plan| {
        let viewed = match plan.downcast_ref::<AggregateExec>() {
            Some(aggregate) => grouped(aggregate)?,
            None if plan.is::<FilterExec>() => viewed(&plan, &BTreeSet::new())?,
            None => None,
        };
        let copied = viewed.map(|viewed| copied(viewed, &BTreeSet::new())).transpose()?;
        let copied = copied.map(|copied| copied.plan);
        Ok(match copied.filter(|copied| copied.schema() == plan.schema()) {
            Some(copied) => Transformed::new(copied, true, TreeNodeRecursion::Jump),
            None => Transformed::no(plan),
        })
    })?;
    Ok(replaced.data)
}

/// The plan with text in the place of all views but these.
fn copied(viewed: Viewed, kept: &BTreeSet<usize>) -> Result<Viewed> {
    let Viewed { plan, views } = viewed;
    if views.is_subset(kept) {
        return Ok(Viewed { plan, views });
    }
    let schema = plan.schema();
    let column = |(at, field): (usize, &FieldRef)| {
        let column: PhysicalExprRef = Arc::new(Column::new(field.name(), at));
        let is_copied = views.contains(&at) && !kept.contains(&at);
        let column = if is_copied { views::copy(column) } else { column };
        (column, field.name().clone())
    };
    let columns: Vec<_> = schema.fields().iter().enumerate().map(column).collect();
    let plan = Arc::new(ProjectionExec::try_new(columns, plan)?);
    Ok(Viewed { plan, views: views.intersection(kept).copied().collect() })
}

/// An aggregation of rows of a scan by text.
fn grouped(aggregate: &AggregateExec) -> Result<Option<Viewed>> {
    let groups = aggregate.group_expr();
    let is_first = aggregate.mode().input_mode() == AggregateInputMode::Raw;
    let is_plain = groups.is_single()
        && *aggregate.input_order_mode() == InputOrderMode::Linear
        && aggregate.limit_options().is_none()
        && aggregate.dynamic_expressions_produced().is_empty();
    if !is_first || !is_plain {
        return Ok(None);
    }
    let keys = groups.expr().iter().map(|(key, _)| key);
    let mut wanted: BTreeSet<usize> = keys.clone().filter_map(column).collect();
    let mut used = columns(keys.filter(|key| column(key).is_none()));
    for function in aggregate.aggr_expr() {
        let expressions = function.all_expressions();
        used.extend(columns(expressions.args.iter().chain(&expressions.order_by_exprs)));
    }
    used.extend(columns(aggregate.filter_expr().iter().flatten()));
    wanted.retain(|at| !used.contains(at));
    let Some(input) = viewed(aggregate.input(), &wanted)? else { return Ok(None) };
    let input = copied(input, &wanted)?;
    let schema = input.plan.schema();
    let plan = AggregateExec::try_new(
        *aggregate.mode(),
        groups.clone(),
        aggregate.aggr_expr().to_vec(),
        aggregate.filter_expr().to_vec(),
        input.plan,
        schema,
    )?;
    let keys = groups.expr().iter().enumerate();
    let keys = keys.filter(|(_, (key, _))| column(key).is_some_and(|at| input.views.contains(&at)));
    Ok(Some(Viewed { views: keys.map(|(at, _)| at).collect(), plan: Arc::new(plan) }))
}

fn column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expr.downcast_ref::<Column>().map(Column::index)
}

/// The columns that expressions refer to.
fn columns<'a>(exprs: impl Iterator<Item = &'a Arc<dyn PhysicalExpr>>) -> BTreeSet<usize> {
    exprs.flat_map(collect_columns).map(|column| column.index()).collect()
}

/// A chain of filters and projections above a scan, of which `wanted` columns may be views.
fn viewed(plan: &Plan, wanted: &BTreeSet<usize>) -> Result<Option<Viewed>> {
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        return filtered(filter, wanted);
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        return projected(projection, wanted);
    }
    if wanted.is_empty() { Ok(None) } else { views::scan(plan, wanted) }
}

fn filtered(filter: &FilterExec, wanted: &BTreeSet<usize>) -> Result<Option<Viewed>> {
    let input = filter.input();
    let place = |at: &usize| match filter.projection() {
        Some(projection) => projection.get(*at).copied(),
        None => Some(*at),
    };
    let compared = views::only_compared(filter.predicate(), &input.schema());
    let used = columns(std::iter::once(filter.predicate()));
    let mut below: BTreeSet<usize> =
        wanted.iter().filter_map(place).filter(|at| !used.contains(at)).collect();
    below.extend(compared);
    let Some(input) = viewed(input, &below)? else { return Ok(None) };
    let schema = input.plan.schema();
    let predicate = views::on_views(filter.predicate(), &input.views, &schema)?;
    let projection = filter.projection().as_ref().map(|columns| columns.to_vec());
    let is_view = |at: &usize| place(at).is_some_and(|at| input.views.contains(&at));
    let yielded = filter.schema().fields().len();
    let plan = FilterExecBuilder::new(predicate, input.plan)
        .apply_projection(projection)?
        .with_default_selectivity(filter.default_selectivity())
        .with_batch_size(filter.batch_size())
        .with_fetch(filter.fetch())
        .build()?;
    let views = (0..yielded).filter(is_view).collect();
    Ok(Some(Viewed { plan: Arc::new(plan), views }))
}

fn projected(projection: &ProjectionExec, wanted: &BTreeSet<usize>) -> Result<Option<Viewed>> {
    let exprs = projection.expr();
    let computed = exprs.iter().map(|projected| &projected.expr);
    let used = columns(computed.filter(|expr| column(expr).is_none()));
    let passed = wanted.iter().filter_map(|at| column(&exprs.get(*at)?.expr));
    let below: BTreeSet<usize> = passed.filter(|at| !used.contains(at)).collect();
    let Some(input) = viewed(projection.input(), &below)? else { return Ok(None) };
    let schema: &Schema = &input.plan.schema();
    let is_view = |expr| column(expr).is_some_and(|at| input.views.contains(&at));
    let mut views = BTreeSet::new();
    let mut kept = Vec::with_capacity(exprs.len());
    for (at, projected) in exprs.iter().enumerate() {
        let expr = if is_view(&projected.expr) {
            views.insert(at);
            Arc::clone(&projected.expr)
        } else {
            views::on_views(&projected.expr, &input.views, schema)?
        };
        kept.push((expr, projected.alias.clone()));
    }
    let plan = ProjectionExec::try_new(kept, input.plan)?;
    Ok(Some(Viewed { plan: Arc::new(plan), views }))
}
