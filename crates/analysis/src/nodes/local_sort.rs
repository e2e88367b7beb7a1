//! Logical node that sorts each partition separately, and its physical planner.

use arrow::compute::SortOptions;
use datafusion::catalog::Session;
use datafusion::common::{DFSchemaRef, Result};
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Sorts the rows of `input` within each partition: `sortWithinPartitions`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LocalSort {
    /// The rows to sort.
    pub input: LogicalPlan,
    /// Their order.
    pub order: Vec<Sort>,
}

impl PartialOrd for LocalSort {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input).filter(|o| *o != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for LocalSort {
    fn name(&self) -> &'static str {
        "LocalSort"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        self.order.iter().map(|key| key.expr.clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.order.iter().map(ToString::to_string).collect();
        write!(f, "LocalSort: {}", keys.join(", "))
    }

    fn with_exprs_and_inputs(
        &self,
        exprs: Vec<Expr>,
        mut inputs: Vec<LogicalPlan>,
    ) -> Result<Self> {
        let order = self.order.iter().zip(exprs).map(|(key, expr)| key.with_expr(expr)).collect();
        Ok(Self { input: inputs.swap_remove(0), order })
    }
}

/// Plans a `LocalSort`.
#[derive(Debug)]
pub struct LocalSortPlanner;

#[async_trait::async_trait]
impl ExtensionPlanner for LocalSortPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(node), [rows]) = (node.as_any().downcast_ref::<LocalSort>(), inputs) else {
            return Ok(None);
        };
        let mut keys = Vec::new();
        for key in &node.order {
            let schema = node.input.schema();
            let expr = planner.create_physical_expr(&key.expr, schema, session, context)?;
            let options = SortOptions { descending: !key.asc, nulls_first: key.nulls_first };
            keys.push(PhysicalSortExpr::new(expr, options));
        }
        let rows = Arc::clone(rows);
        Ok(Some(match LexOrdering::new(keys) {
            Some(order) => Arc::new(SortExec::new(order, rows).with_preserve_partitioning(true)),
            None => rows,
        }))
    }
}
