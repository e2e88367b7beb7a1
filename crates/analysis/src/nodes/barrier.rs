//! Optimizer barrier around volatile expressions (`monotonically_increasing_id`,
//! `spark_partition_id`, `rand`), which depend on a row's partition. Otherwise the optimizer would
//! push a limit below such a projection, and the remaining rows would be numbered in the single
//! task that collects them; or it would push a volatile filter below an aggregate or a cache.

use crate::python::has_call;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchemaRef, JoinType, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Expr, Extension, Filter, Join, LogicalPlan, Projection, UserDefinedLogicalNodeCore,
};
use datafusion::optimizer::AnalyzerRule;
use std::fmt;
use std::sync::Arc;

/// A barrier: no limit or filter is pushed below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd)]
pub struct Barrier {
    input: LogicalPlan,
}

impl UserDefinedLogicalNodeCore for Barrier {
    fn name(&self) -> &'static str {
        "Barrier"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Barrier")
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { input: inputs.swap_remove(0) })
    }
}

/// Puts a barrier above the plan.
pub(crate) fn barrier(input: LogicalPlan) -> LogicalPlan {
    LogicalPlan::Extension(Extension { node: Arc::new(Barrier { input }) })
}

/// Whether a plan is a barrier.
pub fn is_barrier(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().is::<Barrier>(),
        _ => false,
    }
}

/// The column in which a condition is computed that stays where it is.
const CONDITION: &str = "#condition";

/// Puts a `Barrier` above each projection with volatile expressions, and makes filters that must
/// stay above their input such projections.
#[derive(Debug)]
pub struct AddBarriers;

impl AnalyzerRule for AddBarriers {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let guarded = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Projection(projection)
                if projection.expr.iter().any(Expr::is_volatile) =>
            {
                Ok(Transformed::yes(barrier(LogicalPlan::Projection(projection))))
            }
            LogicalPlan::Filter(filter) if stays(&filter.predicate)? => {
                Ok(Transformed::yes(filtered(filter.input, filter.predicate)?))
            }
            LogicalPlan::Join(join) if join.join_type == JoinType::Inner => volatile_join(join),
            plan => Ok(Transformed::no(plan)),
        })?;
        Ok(guarded.data)
    }

    fn name(&self) -> &'static str {
        "add_barriers"
    }
}

/// Whether a part of a condition must be computed where it stands. (Subqueries and references to an
/// outer query become joins.)
fn stays(condition: &Expr) -> Result<bool> {
    let is_joined = condition.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
        ))
    })?;
    Ok(!is_joined && split_conjunction(condition).into_iter().any(is_placeless))
}

/// Whether a part of a condition is computed where it stands: it differs from row to row without a
/// reason in its columns, or has none by which the optimizer could see where it belongs.
fn is_placeless(part: &Expr) -> bool {
    part.is_volatile() || (part.column_refs().is_empty() && has_call(part))
}

/// The rows for which a condition holds. As in Spark, only what precedes the first part that has to
/// stay may be computed below.
fn filtered(input: Arc<LogicalPlan>, condition: Expr) -> Result<LogicalPlan> {
    let mut before = split_conjunction_owned(condition);
    let first = before.iter().position(is_placeless).unwrap_or(before.len());
    let rest = conjunction(before.split_off(first));
    let columns: Vec<Expr> = input.schema().iter().map(Column::from).map(Expr::Column).collect();
    let mut plan = Arc::unwrap_or_clone(input);
    if let Some(before) = conjunction(before) {
        plan = LogicalPlan::Filter(Filter::try_new(before, Arc::new(plan))?);
    }
    let Some(rest) = rest else { return Ok(plan) };
    let mut computed = columns.clone();
    computed.push(rest.alias(CONDITION));
    let plan = LogicalPlan::Projection(Projection::try_new(computed, Arc::new(plan))?);
    let condition = Expr::Column(Column::new_unqualified(CONDITION));
    let plan = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(barrier(plan)))?);
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}

/// An inner join; what has to stay of its condition is computed for each pair.
fn volatile_join(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let condition = match join.filter.take() {
        Some(condition) if stays(&condition)? => condition,
        other => {
            join.filter = other;
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        }
    };
    let parts = split_conjunction_owned(condition).into_iter();
    let (above, inside): (Vec<Expr>, Vec<Expr>) = parts.partition(is_placeless);
    join.filter = conjunction(inside);
    let joined = Arc::new(LogicalPlan::Join(join));
    match conjunction(above) {
        Some(above) => Ok(Transformed::yes(filtered(joined, above)?)),
        None => Ok(Transformed::yes(Arc::unwrap_or_clone(joined))),
    }
}
