//! A leaf of a template: the place of an input, which comes from the task's binding.

use super::Equivalences;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, SendableRecordBatchStream,
};
use model::ShuffleId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Kind of a leaf's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeafKind {
    /// Rows sent by the program, inside the binding.
    Rows,
    /// Numbers of a range.
    Range,
    /// Part of a source's scan; the child describes the scan.
    Source {
        /// The source's name.
        name: String,
        /// The specification shared by all tasks, as encoded by the source.
        spec: String,
    },
    /// Blocks of a shuffle.
    Blocks {
        /// The shuffle to read.
        shuffle: ShuffleId,
        /// Combination of the blocks.
        mode: ReadMode,
    },
}

/// Combination of the blocks of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadMode {
    /// Blocks are concatenated, ordered by map index.
    Gather,
    /// Each map output is a separate stream, to be merged by order.
    Ordered,
    /// Like `Gather`, but all tasks read the same rows, so an executor caches them.
    Broadcast,
}

/// A leaf (see the module). Its child provides the schema and, for a source, details of the scan.
#[derive(Debug, Clone)]
pub struct LeafExec {
    kind: LeafKind,
    shape: Arc<dyn ExecutionPlan>,
    equivalences: Equivalences,
    properties: Arc<PlanProperties>,
}

impl LeafExec {
    /// A leaf of the given kind, whose columns satisfy `equivalences`.
    pub fn new(kind: LeafKind, shape: Arc<dyn ExecutionPlan>, equivalences: Equivalences) -> Self {
        let properties =
            equivalences.properties(shape.schema(), Partitioning::UnknownPartitioning(1));
        Self { kind, shape, equivalences, properties }
    }

    /// Equivalences that hold for its columns.
    pub fn equivalences(&self) -> &Equivalences {
        &self.equivalences
    }

    /// Kind of its input.
    pub fn kind(&self) -> &LeafKind {
        &self.kind
    }

    /// The child that provides the schema and, for a source, details of the scan.
    pub fn shape(&self) -> &Arc<dyn ExecutionPlan> {
        &self.shape
    }

    /// The same leaf, shared by all tasks; `None` if it cannot be.
    pub fn broadcast(&self) -> Option<Self> {
        match &self.kind {
            LeafKind::Blocks { shuffle, mode: ReadMode::Gather | ReadMode::Broadcast } => {
                let kind = LeafKind::Blocks { shuffle: *shuffle, mode: ReadMode::Broadcast };
                Some(Self { kind, ..self.clone() })
            }
            _ => None,
        }
    }
}

impl DisplayAs for LeafExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            LeafKind::Blocks { shuffle, mode } => {
                let id = shuffle.to_string();
                write!(f, "LeafExec: {mode:?} of shuffle {}", &id[..8])
            }
            LeafKind::Source { name, .. } => write!(f, "LeafExec: {name}"),
            other => write!(f, "LeafExec: {other:?}"),
        }
    }
}

impl ExecutionPlan for LeafExec {
    fn name(&self) -> &'static str {
        "LeafExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.shape]
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
        let shape = children.swap_remove(0);
        Ok(Arc::new(Self::new(self.kind.clone(), shape, self.equivalences.clone())))
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Err(super::unbound(self.name()))
    }
}
