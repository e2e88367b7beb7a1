//! Join hints in physical plans: a node above the side of a join, until joins have their
//! strategies.

use analysis::JoinStrategy;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, JoinType, NullEquality, Result, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::joins::{
    HashJoinExec, NestedLoopJoinExec, PartitionMode, SortMergeJoinExec,
};
use datafusion::physical_plan::projection::ProjectionExec;
use std::sync::Arc;

use super::build_side::yields_build_rows;
use super::marks::{Mark, mark, without_marks};

/// Gives joins the strategies of the hints on their sides, and drops the hints. Runs after the rule
/// that picks build sides by size.
#[derive(Debug)]
pub(crate) struct JoinHints;

impl PhysicalOptimizerRule for JoinHints {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !plan.exists(|node| Ok(is_hint(node)))? {
            return Ok(plan);
        }
        let plan = plan.transform_up(with_strategy).data()?;
        without_marks(plan, |mark| matches!(mark, Mark::Join(_)))
    }

    fn name(&self) -> &'static str {
        "join_hints"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether a node is a hint for a join above it.
pub(crate) fn is_hint(plan: &Arc<dyn ExecutionPlan>) -> bool {
    matches!(mark(plan), Some(Mark::Join(_)))
}

/// The hint on a side of a join.
fn hint(side: &Arc<dyn ExecutionPlan>) -> Option<JoinStrategy> {
    if let Some(Mark::Join(strategy)) = mark(side) {
        return Some(*strategy);
    }
    match side.children()[..] {
        [input] => hint(input),
        _ => None,
    }
}

fn with_strategy(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let made = if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        let hints = (hint(join.left()), hint(join.right()));
        match hints.0.into_iter().chain(hints.1).min() {
            Some(strategy) if !join.null_aware => hashed(join, strategy, hints)?,
            _ => None,
        }
    } else if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
        let broadcast = Some(JoinStrategy::Broadcast);
        let right = hint(join.left()) != broadcast && hint(join.right()) == broadcast;
        let swaps = right && !yields_build_rows(join.join_type().swap());
        swaps.then(|| join.swap_inputs()).transpose()?
    } else {
        None
    };
    Ok(made.map_or(Transformed::no(plan), Transformed::yes))
}

/// A join on equal keys with a strategy, where the strategy can compute it.
fn hashed(
    join: &HashJoinExec,
    strategy: JoinStrategy,
    (left, right): (Option<JoinStrategy>, Option<JoinStrategy>),
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let kind = *join.join_type();
    match strategy {
        JoinStrategy::Broadcast => {
            let mode = PartitionMode::CollectLeft;
            if left == Some(strategy) && !yields_build_rows(kind) {
                return Ok(Some(join.builder().with_partition_mode(mode).build_exec()?));
            }
            let swaps = right == Some(strategy) && !yields_build_rows(kind.swap());
            swaps.then(|| join.swap_inputs(mode)).transpose()
        }
        JoinStrategy::ShuffleHash => {
            let mode = PartitionMode::Partitioned;
            if left == Some(strategy) || !kind.supports_swap() {
                return Ok(Some(join.builder().with_partition_mode(mode).build_exec()?));
            }
            join.swap_inputs(mode).map(Some)
        }
        JoinStrategy::Merge => merged(join),
        JoinStrategy::ShuffleReplicateNl if kind == JoinType::Inner => nested(join),
        JoinStrategy::ShuffleReplicateNl => Ok(None),
    }
}

/// The same join of sorted sides, if its keys can be compared there.
fn merged(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let schema = join.left().schema();
    for (key, _) in join.on() {
        let data_type = key.data_type(&schema)?;
        let compared = data_type.is_integer()
            || matches!(
                data_type,
                DataType::Boolean | DataType::Utf8 | DataType::Binary | DataType::Date32
            )
            || matches!(data_type, DataType::Decimal128(..));
        if !compared {
            return Ok(None);
        }
    }
    let made = SortMergeJoinExec::try_new(
        Arc::clone(join.left()),
        Arc::clone(join.right()),
        join.on().to_vec(),
        join.filter().map(left_first).transpose()?,
        *join.join_type(),
        vec![SortOptions::default(); join.on().len()],
        join.null_equality(),
    )?;
    projected(join, Arc::new(made)).map(Some)
}

/// The filter with its arguments of the left side first: a merge join passes them in this order,
/// whatever the filter says.
fn left_first(filter: &JoinFilter) -> Result<JoinFilter> {
    let (left, right): (Vec<usize>, Vec<usize>) = (0..filter.column_indices().len())
        .partition(|at| filter.column_indices()[*at].side == JoinSide::Left);
    let order: Vec<usize> = left.into_iter().chain(right).collect();
    let moved = Arc::clone(filter.expression()).transform_up(|expr| {
        let Some(column) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
        let Some(at) = order.iter().position(|old| *old == column.index()) else {
            return internal_err!("a join filter has no argument {column}");
        };
        Ok(Transformed::yes(Arc::new(Column::new(column.name(), at)) as Arc<dyn PhysicalExpr>))
    })?;
    let columns = order.iter().map(|old| filter.column_indices()[*old].clone()).collect();
    let schema = filter.schema().project(&order)?;
    Ok(JoinFilter::new(moved.data, columns, Arc::new(schema)))
}

/// The same inner join as a test of all pairs, if its keys are columns.
fn nested(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (mut columns, mut fields) = (Vec::new(), Vec::new());
    if let Some(filter) = join.filter() {
        columns.extend_from_slice(filter.column_indices());
        fields.extend(filter.schema().fields().iter().cloned());
    }
    let mut condition = join.filter().map(|filter| Arc::clone(filter.expression()));
    let operator = match join.null_equality() {
        NullEquality::NullEqualsNothing => Operator::Eq,
        NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
    };
    let mut argument = |key: &Arc<dyn PhysicalExpr>, side: JoinSide| {
        let index = key.downcast_ref::<Column>()?.index();
        let of = if side == JoinSide::Left { join.left() } else { join.right() };
        let field = Arc::clone(&of.schema().fields()[index]);
        let made = Arc::new(Column::new(field.name(), fields.len())) as Arc<dyn PhysicalExpr>;
        columns.push(ColumnIndex { index, side });
        fields.push(field);
        Some(made)
    };
    for (left, right) in join.on() {
        let (Some(left), Some(right)) =
            (argument(left, JoinSide::Left), argument(right, JoinSide::Right))
        else {
            return Ok(None);
        };
        let equal = Arc::new(BinaryExpr::new(left, operator, right)) as Arc<dyn PhysicalExpr>;
        condition = Some(match condition {
            Some(before) => Arc::new(BinaryExpr::new(before, Operator::And, equal)),
            None => equal,
        });
    }
    let Some(condition) = condition else { return Ok(None) };
    let filter = JoinFilter::new(condition, columns, Arc::new(Schema::new(fields)));
    let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
    let made = NestedLoopJoinExec::try_new(left, right, Some(filter), &JoinType::Inner, None)?;
    projected(join, Arc::new(made)).map(Some)
}

/// What the join yields of its columns.
fn projected(join: &HashJoinExec, made: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(places) = &join.projection else { return Ok(made) };
    let schema = made.schema();
    let column = |place: &usize| {
        let name = schema.field(*place).name();
        (Arc::new(Column::new(name, *place)) as Arc<dyn PhysicalExpr>, name.clone())
    };
    let columns: Vec<_> = places.iter().map(column).collect();
    Ok(Arc::new(ProjectionExec::try_new(columns, made)?))
}
