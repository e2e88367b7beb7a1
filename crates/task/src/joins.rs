//! Joins for a task whose memory does not suffice. A hash join holds its whole build side and cannot spill it; sorted inputs can be
//! spilled and merged. The same rows come out, in another order.

use arrow::compute::SortOptions;
use arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExprRef, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use std::sync::Arc;

type Plan = Arc<dyn ExecutionPlan>;

/// The bound plan of a task with sort-merge joins in place of its hash joins; `None` if there are none.
pub(crate) fn with_merge_joins(plan: Plan) -> Result<Option<Plan>> {
    let replaced = plan.transform_up(|plan| match plan.downcast_ref::<HashJoinExec>() {
        Some(join) if is_replaceable(join) => Ok(Transformed::yes(merge_join(join)?)),
        _ => Ok(Transformed::no(plan)),
    })?;
    Ok(replaced.transformed.then_some(replaced.data))
}

/// Not one that knows null (`NOT IN`): merging does not. Not one that ends early or whose order somebody above may rely on.
fn is_replaceable(join: &HashJoinExec) -> bool {
    !join.null_aware && join.fetch().is_none() && join.properties().output_ordering().is_none()
}

fn merge_join(join: &HashJoinExec) -> Result<Plan> {
    let (left, right): (Vec<_>, Vec<_>) = join.on().iter().cloned().unzip();
    let merged = SortMergeJoinExec::try_new(
        sorted(join.left(), left),
        sorted(join.right(), right),
        join.on().to_vec(),
        join.filter().map(with_nulls),
        *join.join_type(),
        vec![SortOptions::default(); join.on().len()],
        join.null_equality(),
    )?;
    let Some(columns) = &join.projection else { return Ok(Arc::new(merged)) };
    let schema = merged.schema();
    let column = |&index: &usize| {
        let name = schema.field(index).name();
        (Arc::new(Column::new(name, index)) as PhysicalExprRef, name.clone())
    };
    let columns: Vec<_> = columns.iter().map(column).collect();
    Ok(Arc::new(ProjectionExec::try_new(columns, Arc::new(merged))?))
}

/// A merge of an outer join evaluates its filter also for rows without a match, whose other side is null, whatever that side's schema says.
fn with_nulls(filter: &JoinFilter) -> JoinFilter {
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
