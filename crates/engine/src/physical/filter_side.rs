//! Semi and anti joins: a hash join enumerates all pairs of rows with equal keys, though the first
//! decides. If both sides repeat a few keys, these are almost all pairs of rows.

use arrow::row::{RowConverter, SortField};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, JoinType, Result};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use std::sync::Arc;

type Plan = Arc<dyn ExecutionPlan>;

/// Removes repeated rows of the side of which only the existence of a row matters: then each row of
/// the other side has few partners, whichever side is built. They are removed before and after the
/// exchange by partial aggregates, of which one that finds few repetitions lets its rows pass. Runs
/// after exchanges are added.
#[derive(Debug)]
pub(crate) struct DistinctFilterSides;

impl PhysicalOptimizerRule for DistinctFilterSides {
    fn optimize(&self, plan: Plan, _: &ConfigOptions) -> Result<Plan> {
        plan.transform_up(|plan| {
            let Some(join) = plan.downcast_ref::<HashJoinExec>() else {
                return Ok(Transformed::no(plan));
            };
            let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
            // All tasks share the table of what is broadcast: nothing may be between.
            let shared = *join.partition_mode() == PartitionMode::CollectLeft;
            let repeats = |side: &Plan| group_columns(side).is_none() && can_be_grouped(side);
            let sides = match filter_side(*join.join_type()) {
                JoinSide::Left if repeats(&left) => {
                    vec![without_repetitions(&left, shared)?, right]
                }
                JoinSide::Right if repeats(&right) => {
                    vec![left, without_repetitions(&right, false)?]
                }
                _ => return Ok(Transformed::no(plan)),
            };
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            Ok(Transformed::yes(plan.replace_children(sides, options)?))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "distinct_filter_sides"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The side of which no columns are in the result, only whether it has a row.
fn filter_side(kind: JoinType) -> JoinSide {
    match kind {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => JoinSide::Right,
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => JoinSide::Left,
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => JoinSide::None,
    }
}

fn can_be_grouped(plan: &Plan) -> bool {
    let fields = plan.schema();
    let fields = fields.fields().iter().map(|field| SortField::new(field.data_type().clone()));
    RowConverter::supports_fields(&fields.collect::<Vec<_>>())
}

/// If the rows are those of an aggregate, one for each group: the columns of the groups.
fn group_columns(plan: &Plan) -> Option<Vec<usize>> {
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let complete = *aggregate.mode() != AggregateMode::Partial;
        return complete.then(|| (0..aggregate.group_expr().num_group_exprs()).collect());
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let kept = projection.expr().iter().map(|item| item.expr.downcast_ref::<Column>());
        let kept: Vec<_> = kept.map(|column| column.map(Column::index)).collect();
        let groups = group_columns(projection.input())?;
        return groups.iter().map(|group| kept.iter().position(|k| *k == Some(*group))).collect();
    }
    group_columns(exchange_input(plan)?)
}

/// The input of an exchange that keeps the columns.
fn exchange_input(plan: &Plan) -> Option<&Plan> {
    let is_exchange = plan.is::<RepartitionExec>() || plan.is::<CoalescePartitionsExec>();
    plan.children().first().copied().filter(|_| is_exchange)
}

/// The side without the rows that a task repeats, before its exchange and, unless it is broadcast,
/// after it.
fn without_repetitions(side: &Plan, broadcast: bool) -> Result<Plan> {
    let Some(input) = exchange_input(side) else { return partial_groups(side) };
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    let exchange = Arc::clone(side).replace_children(vec![partial_groups(input)?], options)?;
    if broadcast { Ok(exchange) } else { partial_groups(&exchange) }
}

/// The rows grouped by all columns, as far as one task sees them.
fn partial_groups(input: &Plan) -> Result<Plan> {
    let schema = input.schema();
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        (Arc::new(Column::new(field.name(), index)) as Arc<dyn PhysicalExpr>, field.name().clone())
    });
    let groups = PhysicalGroupBy::new_single(columns.collect());
    let (input, mode) = (Arc::clone(input), AggregateMode::Partial);
    Ok(Arc::new(AggregateExec::try_new(mode, groups, Vec::new(), Vec::new(), input, schema)?))
}
