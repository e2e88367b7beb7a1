//! Optimizer barrier around volatile expressions (`monotonically_increasing_id`,
//! `spark_partition_id`, `rand`), which depend on a row's partition. Otherwise the optimizer would
//! push a limit below such a projection, and the remaining rows would be numbered in the single
//! task that collects them.

use datafusion::catalog::Session;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchemaRef, Result};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use std::fmt;
use std::sync::Arc;

/// A barrier: no limit or filter is pushed below it. It disappears in the physical plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd)]
struct Barrier {
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

/// Puts a `Barrier` above each projection with volatile expressions.
#[derive(Debug)]
pub struct AddBarriers;

impl AnalyzerRule for AddBarriers {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let guarded = plan.transform_up_with_subqueries(|plan| match &plan {
            LogicalPlan::Projection(projection)
                if projection.expr.iter().any(Expr::is_volatile) =>
            {
                Ok(Transformed::yes(barrier(plan)))
            }
            _ => Ok(Transformed::no(plan)),
        })?;
        Ok(guarded.data)
    }

    fn name(&self) -> &'static str {
        "add_barriers"
    }
}

/// Drops barriers during physical planning.
#[derive(Debug)]
pub struct BarrierPlanner;

#[async_trait::async_trait]
impl ExtensionPlanner for BarrierPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let is_barrier = node.as_any().is::<Barrier>();
        Ok(inputs.first().filter(|_| is_barrier).map(Arc::clone))
    }
}
