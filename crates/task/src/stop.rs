//! Cancellation of tasks that compute without yielding. Dropping their future has no effect before
//! it yields, and a join may compute for minutes on one batch. Nodes check a flag instead: before
//! each batch from a leaf or a node that multiplies rows, and before each step of a nested-loop
//! join.

use super::ShuffleReadExec;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, SendableRecordBatchStream,
};
use futures::StreamExt;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stop flag of an attempt. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Makes the attempt fail at its next batch.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            // The end of the task has already been reported.
            return Err(DataFusionError::Execution("the task was stopped".to_owned()));
        }
        Ok(())
    }
}

/// The bound plan of a task, with checks of the stop flag inserted.
pub(crate) fn stoppable(
    plan: Arc<dyn ExecutionPlan>,
    stop: &Stop,
) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = plan.transform_up(|plan| {
        // What a broadcast yields is not this task's alone: no flag of its own may end it.
        if plan.downcast_ref::<ShuffleReadExec>().is_some_and(ShuffleReadExec::is_broadcast) {
            return Ok(Transformed::no(plan));
        }
        let multiplies = plan.children().is_empty()
            || plan.is::<HashJoinExec>()
            || plan.is::<SortMergeJoinExec>()
            || plan.is::<NestedLoopJoinExec>()
            || plan.is::<CrossJoinExec>()
            || plan.is::<UnnestExec>();
        if !multiplies {
            return Ok(Transformed::no(plan));
        }
        let input = match plan.downcast_ref::<NestedLoopJoinExec>() {
            Some(join) => stoppable_loop(join, stop)?,
            None => plan,
        };
        Ok(Transformed::yes(Arc::new(StopExec { input, stop: stop.clone() }) as _))
    })?;
    Ok(plan.data)
}

/// Checks the flag in the join filter: a nested-loop join evaluates it for a part of its rows at a
/// time.
fn stoppable_loop(join: &NestedLoopJoinExec, stop: &Stop) -> Result<Arc<dyn ExecutionPlan>> {
    let filter = join.filter().map(|filter| {
        let expr = StopExpr { expr: Arc::clone(filter.expression()), stop: stop.clone() };
        let columns = filter.column_indices().to_vec();
        JoinFilter::new(Arc::new(expr), columns, Arc::clone(filter.schema()))
    });
    let projection = join.projection().as_ref().map(|columns| columns.to_vec());
    let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
    Ok(Arc::new(NestedLoopJoinExec::try_new(left, right, filter, join.join_type(), projection)?))
}

/// Passes on the rows of its input until the task is stopped.
#[derive(Debug)]
struct StopExec {
    input: Arc<dyn ExecutionPlan>,
    stop: Stop,
}

impl DisplayAs for StopExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StopExec")
    }
}

impl ExecutionPlan for StopExec {
    fn name(&self) -> &'static str {
        "StopExec"
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
        Ok(Arc::new(Self { input: children.swap_remove(0), stop: self.stop.clone() }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let stop = self.stop.clone();
        let rows = rows.map(move |batch| stop.check().and(batch));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// An expression that fails once the task is stopped.
#[derive(Debug)]
struct StopExpr {
    expr: Arc<dyn PhysicalExpr>,
    stop: Stop,
}

impl PartialEq for StopExpr {
    fn eq(&self, other: &Self) -> bool {
        self.expr.as_ref() == other.expr.as_ref()
    }
}

impl Eq for StopExpr {}

impl Hash for StopExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expr.hash(state);
    }
}

impl fmt::Display for StopExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expr)
    }
}

impl PhysicalExpr for StopExpr {
    fn data_type(&self, input: &Schema) -> Result<arrow::datatypes::DataType> {
        self.expr.data_type(input)
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.expr.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.stop.check()?;
        self.expr.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.expr]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self { expr: children.swap_remove(0), stop: self.stop.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt_sql(f)
    }
}
