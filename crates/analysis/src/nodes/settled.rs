//! Values that depend on the place of a row (`monotonically_increasing_id`, `spark_partition_id`, `rand`) are computed where the row lies. The
//! optimizer would move a limit below such a projection, and the rows that are left would be numbered in the one task that they were brought to.

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

/// The rows of `input`. No limit and no filter is moved below it; in the physical plan it is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd)]
struct Settled {
    input: LogicalPlan,
}

impl UserDefinedLogicalNodeCore for Settled {
    fn name(&self) -> &'static str {
        "Settled"
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
        f.write_str("Settled")
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { input: inputs.swap_remove(0) })
    }
}

/// The plan, with a barrier above it.
pub(crate) fn settled(input: LogicalPlan) -> LogicalPlan {
    LogicalPlan::Extension(Extension { node: Arc::new(Settled { input }) })
}

/// Whether a plan is such a barrier.
pub fn is_settled(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().is::<Settled>(),
        _ => false,
    }
}

/// Puts a `Settled` above each projection whose values depend on the place of a row.
#[derive(Debug)]
pub struct Settle;

impl AnalyzerRule for Settle {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let settled = plan.transform_up_with_subqueries(|plan| match &plan {
            LogicalPlan::Projection(projection)
                if projection.expr.iter().any(Expr::is_volatile) =>
            {
                Ok(Transformed::yes(settled(plan)))
            }
            _ => Ok(Transformed::no(plan)),
        })?;
        Ok(settled.data)
    }

    fn name(&self) -> &'static str {
        "settle"
    }
}

/// Leaves a `Settled` out.
#[derive(Debug)]
pub struct SettledPlanner;

#[async_trait::async_trait]
impl ExtensionPlanner for SettledPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let is_settled = node.as_any().is::<Settled>();
        Ok(inputs.first().filter(|_| is_settled).map(Arc::clone))
    }
}
