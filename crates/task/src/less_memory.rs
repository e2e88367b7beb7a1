//! The plan of a task that ran out of memory, with operators that spill in the place of those that
//! cannot: sort-merge joins for hash joins, which hold their whole build side, sorts of all rows
//! for those that hold their first rows, and aggregations of sorted rows, which hold a few groups,
//! for those that hold all. They yield the same rows, joins and aggregations in another order.

mod not_in;

use arrow::compute::SortOptions;
use arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExprRef, PhysicalSortExpr};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, InputOrderMode, ReplaceChildrenOptions,
};
use std::sync::Arc;

type Plan = Arc<dyn ExecutionPlan>;

/// The bound plan of a task with operators that spill; `None` if that makes no difference. Its
/// sorts are to be run with less memory, too.
pub(crate) fn with_less_memory(plan: Plan) -> Result<Option<Plan>> {
    let mut sorts = false;
    let replaced = plan.transform_up(|plan| {
        if let Some(sort) = plan.downcast_ref::<SortExec>() {
            sorts = true;
            return Ok(match sort.fetch() {
                Some(count) => Transformed::yes(limited_sort(sort, count)),
                None => Transformed::no(plan),
            });
        }
        if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
            return Ok(match sorted_groups(aggregate) {
                Some(input) => Transformed::yes(over_sorted(plan, input)?),
                None => Transformed::no(plan),
            });
        }
        match plan.downcast_ref::<HashJoinExec>() {
            Some(join) if !is_replaceable(join) => Ok(Transformed::no(plan)),
            Some(join) if join.null_aware => Ok(Transformed::yes(not_in::merged(join)?)),
            Some(join) => {
                let merged = merge_join(join, Arc::clone(join.left()))?;
                Ok(Transformed::yes(projected(merged, join)?))
            }
            None => Ok(Transformed::no(plan)),
        }
    })?;
    Ok((replaced.transformed || sorts).then_some(replaced.data))
}

/// The first rows in an order, from a sort of all.
fn limited_sort(sort: &SortExec, count: usize) -> Plan {
    let all = SortExec::new(sort.expr().clone(), Arc::clone(sort.input()))
        .with_preserve_partitioning(sort.preserve_partitioning());
    Arc::new(LocalLimitExec::new(Arc::new(all), count))
}

/// The input of an aggregation, sorted by its groups; `None` if the aggregation gets by without:
/// one of parts of the rows passes its groups on when it has no memory left.
fn sorted_groups(aggregate: &AggregateExec) -> Option<Plan> {
    let groups = aggregate.group_expr();
    let is_whole = !matches!(aggregate.mode(), AggregateMode::Partial);
    let is_held = is_whole && *aggregate.input_order_mode() == InputOrderMode::Linear;
    let fits = is_held && groups.is_single() && aggregate.limit_options().is_none();
    let keys = groups.expr().iter().map(|(key, _)| Arc::clone(key)).collect();
    fits.then(|| sorted(aggregate.input(), keys)).filter(|input| input.is::<SortExec>())
}

/// The aggregation of sorted rows.
fn over_sorted(aggregate: Plan, input: Plan) -> Result<Plan> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    aggregate.replace_children(vec![input], options)
}

/// Joins with a limit stay hash joins, and so do those whose order a parent may rely on.
fn is_replaceable(join: &HashJoinExec) -> bool {
    join.fetch().is_none() && join.properties().output_ordering().is_none()
}

/// The join without its projection, of this left side.
fn merge_join(join: &HashJoinExec, on_left: Plan) -> Result<Plan> {
    let (left, right): (Vec<_>, Vec<_>) = join.on().iter().cloned().unzip();
    let merged = SortMergeJoinExec::try_new(
        sorted(&on_left, left),
        sorted(join.right(), right),
        join.on().to_vec(),
        join.filter().map(with_nullable_columns),
        *join.join_type(),
        vec![SortOptions::default(); join.on().len()],
        join.null_equality(),
    )?;
    Ok(Arc::new(merged))
}

/// Of the columns of a join those that it yields.
fn projected(plan: Plan, join: &HashJoinExec) -> Result<Plan> {
    let Some(columns) = &join.projection else { return Ok(plan) };
    let schema = plan.schema();
    let column = |&index: &usize| {
        let name = schema.field(index).name();
        (Arc::new(Column::new(name, index)) as PhysicalExprRef, name.clone())
    };
    let columns: Vec<_> = columns.iter().map(column).collect();
    Ok(Arc::new(ProjectionExec::try_new(columns, plan)?))
}

/// Makes the filter's columns nullable: a sort-merge outer join evaluates its filter also for
/// unmatched rows, whose other side is null regardless of its schema.
fn with_nullable_columns(filter: &JoinFilter) -> JoinFilter {
    let fields = filter.schema().fields().iter();
    let nullable: Vec<_> = fields.map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let schema = Arc::new(Schema::new(nullable));
    JoinFilter::new(Arc::clone(filter.expression()), filter.column_indices().to_vec(), schema)
}

fn sorted(input: &Plan, keys: Vec<PhysicalExprRef>) -> Plan {
    let keys =
        keys.into_iter().map(|expr| PhysicalSortExpr { expr, options: SortOptions::default() });
    match LexOrdering::new(keys) {
        Some(order) => Arc::new(SortExec::new(order, Arc::clone(input))),
        None => Arc::clone(input),
    }
}
