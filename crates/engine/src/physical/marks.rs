//! Nodes of physical plans that say something about their input while the plan is optimized, and
//! are dropped before it is cut: the hint of a join, and the barrier that nothing is pushed below.

use analysis::JoinStrategy;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, SendableRecordBatchStream, Statistics,
};
use std::fmt;
use std::sync::Arc;

/// What a `MarkExec` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A join of these rows shall use a strategy.
    Join(JoinStrategy),
    /// No filter may be pushed below: the values of these rows depend on the rows beside them.
    Barrier,
}

/// The rows of its input, with a mark.
#[derive(Debug)]
pub(crate) struct MarkExec {
    mark: Mark,
    input: Arc<dyn ExecutionPlan>,
}

impl MarkExec {
    /// Puts a mark above a plan.
    pub(crate) fn new(mark: Mark, input: Arc<dyn ExecutionPlan>) -> Self {
        Self { mark, input }
    }
}

impl DisplayAs for MarkExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mark {
            Mark::Join(strategy) => write!(f, "MarkExec: {}", strategy.name()),
            Mark::Barrier => f.write_str("MarkExec: barrier"),
        }
    }
}

impl ExecutionPlan for MarkExec {
    fn name(&self) -> &'static str {
        "MarkExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self { mark: self.mark, input: children.swap_remove(0) }))
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        internal_err!("marks are dropped before a plan runs")
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let Some(input) = inputs.first() else { return internal_err!("a mark has one input") };
        Ok(Arc::clone(input))
    }
}

/// The mark that a node is.
pub(crate) fn mark(plan: &Arc<dyn ExecutionPlan>) -> Option<&Mark> {
    plan.downcast_ref::<MarkExec>().map(|node| &node.mark)
}

/// The plan without the marks that `drops` names.
pub(crate) fn without_marks(
    plan: Arc<dyn ExecutionPlan>,
    drops: fn(&Mark) -> bool,
) -> Result<Arc<dyn ExecutionPlan>> {
    let dropped = plan.transform_up(|plan| {
        let node = plan.downcast_ref::<MarkExec>().filter(|node| drops(&node.mark));
        let input = node.map(|node| Arc::clone(&node.input));
        Ok(input.map_or(Transformed::no(plan), Transformed::yes))
    });
    dropped.data()
}

/// Drops the barriers. The last rule.
#[derive(Debug)]
pub(crate) struct DropBarriers;

impl PhysicalOptimizerRule for DropBarriers {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        without_marks(plan, |mark| *mark == Mark::Barrier)
    }

    fn name(&self) -> &'static str {
        "drop_barriers"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
