//! Fallback joins for a task that runs out of memory. A hash join holds its whole build side and
//! cannot spill it; sort-merge joins can spill their sorted inputs. They yield the same rows in
//! another order.

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

/// The bound plan of a task with its hash joins replaced by sort-merge joins; `None` if it has
/// none.
pub(crate) fn with_merge_joins(plan: Plan) -> Result<Option<Plan>> {
    let replaced = plan.transform_up(|plan| match plan.downcast_ref::<HashJoinExec>() {
        Some(join) if is_replaceable(join) => Ok(Transformed::yes(merge_join(join)?)),
        _ => Ok(Transformed::no(plan)),
    })?;
    Ok(replaced.transformed.then_some(replaced.data))
}

/// Null-aware joins (`NOT IN`) stay hash joins: sort-merge has no null-aware mode. So do joins with
/// a limit, and those whose order a parent may rely on.
fn is_replaceable(join: &HashJoinExec) -> bool {
    !join.null_aware && join.fetch().is_none() && join.properties().output_ordering().is_none()
}

fn merge_join(join: &HashJoinExec) -> Result<Plan> {
    let (left, right): (Vec<_>, Vec<_>) = join.on().iter().cloned().unzip();
    let merged = SortMergeJoinExec::try_new(
        sorted(join.left(), left),
        sorted(join.right(), right),
        join.on().to_vec(),
        join.filter().map(with_nullable_columns),
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
