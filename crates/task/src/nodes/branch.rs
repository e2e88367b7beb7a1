//! A union in a template: each task runs exactly one of its branches.

use super::Equivalences;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, SendableRecordBatchStream,
};
use std::fmt;
use std::sync::Arc;

/// A union (see the module). The branches have the same types; the names are those of `schema`.
#[derive(Debug)]
pub struct BranchExec {
    branches: Vec<Arc<dyn ExecutionPlan>>,
    equivalences: Equivalences,
    properties: Arc<PlanProperties>,
}

impl BranchExec {
    /// Creates the node. Its last child only carries the schema and is not a branch: see
    /// [`ExecutionPlan::children`].
    pub fn new(
        branches: Vec<Arc<dyn ExecutionPlan>>,
        shape: Arc<dyn ExecutionPlan>,
        equivalences: Equivalences,
    ) -> Self {
        let properties =
            equivalences.properties(shape.schema(), Partitioning::UnknownPartitioning(1));
        Self { branches: branches.into_iter().chain([shape]).collect(), equivalences, properties }
    }

    /// Equivalences that hold for the columns of all branches.
    pub fn equivalences(&self) -> &Equivalences {
        &self.equivalences
    }

    /// A branch by index.
    pub fn branch(&self, number: usize) -> Option<&Arc<dyn ExecutionPlan>> {
        (number + 1 < self.branches.len()).then(|| &self.branches[number])
    }
}

impl DisplayAs for BranchExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BranchExec: one of {}", self.branches.len() - 1)
    }
}

impl ExecutionPlan for BranchExec {
    fn name(&self) -> &'static str {
        "BranchExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.branches.iter().collect()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (equivalences, properties) = (self.equivalences.clone(), Arc::clone(&self.properties));
        Ok(Arc::new(Self { branches: children, equivalences, properties }))
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Err(super::unbound(self.name()))
    }
}
