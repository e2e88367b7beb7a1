//! Order of inner joins: a small side that was filtered is joined before large ones meet.
//!
//! DataFusion joins in the order of the text. If two large tables are joined first, all of both is
//! distributed by key, and only then do the filters on small tables (a year, a brand) drop what
//! nobody wanted. Within one process a filter found at run time may still reach the scan; between
//! stages it cannot.

use super::hints::is_hint;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, JoinType, Result};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::joins::{HashJoinExec, HashJoinExecBuilder};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use std::sync::Arc;

type Plan = Arc<dyn ExecutionPlan>;
type Expr = Arc<dyn PhysicalExpr>;

/// Joins small filtered sides early (see the module). Runs before build sides are picked.
#[derive(Debug)]
pub(crate) struct FilteredSidesFirst;

impl PhysicalOptimizerRule for FilteredSidesFirst {
    fn optimize(&self, plan: Plan, config: &ConfigOptions) -> Result<Plan> {
        let sizes = Sizes::of(config);
        plan.transform_up(|plan| {
            let Some(join) = plan.downcast_ref::<HashJoinExec>().filter(|join| is_inner(join))
            else {
                return Ok(Transformed::no(plan));
            };
            let side = Side {
                plan: Arc::clone(join.right()),
                on: join.on().to_vec(),
                filter: join.filter().cloned(),
                join,
            };
            if !is_filtered(&side.plan)? || !sizes.is_small(&side.plan) {
                return Ok(Transformed::no(plan));
            }
            let early = sizes.join_early(join.left(), &side)?;
            Ok(early.map_or(Transformed::no(plan), Transformed::yes))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "filtered_sides_first"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A side to be joined earlier, and how it is joined with the plan that is looked at.
struct Side<'a> {
    plan: Plan,
    /// Pairs of keys: of the plan, and of the side.
    on: Vec<(Expr, Expr)>,
    /// Further condition; the plan is its left side.
    filter: Option<JoinFilter>,
    /// The join that it is taken from.
    join: &'a HashJoinExec,
}

/// The size up to which a side is broadcast.
struct Sizes {
    bytes: usize,
    rows: usize,
}

impl Sizes {
    fn of(config: &ConfigOptions) -> Self {
        let optimizer = &config.optimizer;
        let bytes = optimizer.hash_join_single_partition_threshold;
        Self { bytes, rows: optimizer.hash_join_single_partition_threshold_rows }
    }

    /// Whether a plan yields as few rows as can be broadcast, as far as is known.
    fn is_small(&self, plan: &Plan) -> bool {
        let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new());
        let Ok(statistics) = statistics else { return false };
        match (statistics.total_byte_size.get_value(), statistics.num_rows.get_value()) {
            (Some(bytes), _) => *bytes < self.bytes,
            (None, Some(rows)) => *rows < self.rows,
            (None, None) => false,
        }
    }

    /// The plan and the side, joined below a join of two large sides; the columns of the plan come
    /// first, then those of the side. `None` if there is no such join, or the side needs columns of
    /// both of its sides.
    fn join_early(&self, plan: &Plan, side: &Side<'_>) -> Result<Option<Plan>> {
        let Some((join, columns)) = join_below(plan) else { return Ok(None) };
        if join.children().into_iter().any(is_hint) {
            return Ok(None);
        }
        let of_left = join.left().schema().fields().len();
        let of_side = side.plan.schema().fields().len();
        let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
        if let Some(within) =
            side.moved(|column| Some(columns[column]).filter(|at| *at < of_left))?
        {
            let early = match self.join_early(&left, &within)? {
                Some(early) => early,
                None if !self.is_small(&right) => within.joined_to(left)?,
                None => return Ok(None),
            };
            let made = rebuilt(join, early, right)?;
            let places = columns.iter().map(|at| if *at < of_left { *at } else { at + of_side });
            let places = places.chain(of_left..of_left + of_side);
            return selected(made, plan, places).map(Some);
        }
        let of_right = |column: usize| columns[column].checked_sub(of_left);
        let Some(within) = side.moved(of_right)? else { return Ok(None) };
        let early = match self.join_early(&right, &within)? {
            Some(early) => early,
            None if !self.is_small(&left) && !self.is_small(&right) => within.joined_to(right)?,
            None => return Ok(None),
        };
        let made = rebuilt(join, left, early)?;
        let end = join.schema().fields().len();
        selected(made, plan, columns.into_iter().chain(end..end + of_side)).map(Some)
    }
}

impl Side<'_> {
    /// The side beside a part of the plan: `place` says where in the part a column of the plan is.
    /// `None` if it needs a column that is not there.
    fn moved(&self, place: impl Fn(usize) -> Option<usize>) -> Result<Option<Self>> {
        let mut on = Vec::with_capacity(self.on.len());
        for (of_plan, of_side) in &self.on {
            if collect_columns(of_plan).iter().any(|column| place(column.index()).is_none()) {
                return Ok(None);
            }
            let moved = Arc::clone(of_plan).transform_up(|expr| {
                let column = expr.downcast_ref::<Column>();
                let moved = column.and_then(|column| {
                    Some(Arc::new(Column::new(column.name(), place(column.index())?)) as Expr)
                });
                Ok(moved.map_or(Transformed::no(expr), Transformed::yes))
            });
            on.push((moved.data()?, Arc::clone(of_side)));
        }
        let filter = match &self.filter {
            None => None,
            Some(filter) => {
                let columns = filter.column_indices().iter().map(|column| match column.side {
                    JoinSide::Left => {
                        Some(ColumnIndex { index: place(column.index)?, ..column.clone() })
                    }
                    JoinSide::Right | JoinSide::None => Some(column.clone()),
                });
                let Some(columns) = columns.collect() else { return Ok(None) };
                let expression = Arc::clone(filter.expression());
                Some(JoinFilter::new(expression, columns, Arc::clone(filter.schema())))
            }
        };
        Ok(Some(Self { plan: Arc::clone(&self.plan), on, filter, join: self.join }))
    }

    fn joined_to(self, plan: Plan) -> Result<Plan> {
        joined_as(self.join, (plan, self.plan), self.on, self.filter)
    }
}

/// Whether it can be put elsewhere: it yields all columns of both sides, and all pairs.
fn is_inner(join: &HashJoinExec) -> bool {
    *join.join_type() == JoinType::Inner && !join.contains_projection() && join.fetch().is_none()
}

/// Whether rows of a plan were dropped by a filter.
fn is_filtered(plan: &Plan) -> Result<bool> {
    plan.exists(|node| Ok(node.is::<FilterExec>()))
}

/// The inner join whose columns a plan yields, and which of them.
fn join_below(plan: &Plan) -> Option<(&HashJoinExec, Vec<usize>)> {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        let columns = (0..join.schema().fields().len()).collect();
        return is_inner(join).then_some((join, columns));
    }
    let projection = plan.downcast_ref::<ProjectionExec>()?;
    let (join, below) = join_below(projection.input())?;
    let column = |expr: &Expr| Some(below[expr.downcast_ref::<Column>()?.index()]);
    let columns = projection.expr().iter().map(|projected| column(&projected.expr));
    Some((join, columns.collect::<Option<_>>()?))
}

/// The same join of other sides, whose first columns are those of before.
fn rebuilt(join: &HashJoinExec, left: Plan, right: Plan) -> Result<Plan> {
    joined_as(join, (left, right), join.on().to_vec(), join.filter().cloned())
}

/// An inner join in the way of another one.
fn joined_as(
    join: &HashJoinExec,
    (left, right): (Plan, Plan),
    on: Vec<(Expr, Expr)>,
    filter: Option<JoinFilter>,
) -> Result<Plan> {
    HashJoinExecBuilder::new(left, right, on, JoinType::Inner)
        .with_filter(filter)
        .with_partition_mode(*join.partition_mode())
        .with_null_equality(join.null_equality())
        .build_exec()
}

/// The columns of a join at these places: first those of `plan`, with their names.
fn selected(join: Plan, plan: &Plan, places: impl Iterator<Item = usize>) -> Result<Plan> {
    let (schema, named) = (join.schema(), plan.schema());
    let columns = places.enumerate().map(|(number, at)| {
        let column = Column::new(schema.field(at).name(), at);
        let name = named.fields().get(number).map_or(column.name(), |field| field.name());
        (Arc::new(column.clone()) as Expr, name.to_owned())
    });
    let columns: Vec<_> = columns.collect();
    Ok(Arc::new(ProjectionExec::try_new(columns, join)?))
}
