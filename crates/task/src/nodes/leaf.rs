//! A leaf of a template: the place where a task reads. What each task reads there is in its binding.

use super::Known;
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

/// What kind of input a leaf has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeafKind {
    /// Rows of the program, inside the binding.
    Rows,
    /// Numbers of a range.
    Range,
    /// A part of a scan of a source; the child is the shape of the scan.
    Source {
        /// The source's name.
        name: String,
        /// What all tasks share, in the source's words.
        spec: String,
    },
    /// Blocks of a shuffle.
    Blocks {
        /// Which shuffle.
        shuffle: ShuffleId,
        /// How.
        mode: ReadMode,
    },
}

/// How blocks are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadMode {
    /// One after the other, in order of the map index.
    Gather,
    /// Each map output is a stream of its own, to be merged by order.
    Ordered,
    /// As `Gather`; all tasks read the same, so that an executor keeps it.
    Broadcast,
}

/// See the module. Its child says the schema and, for a source, more of how it is read.
#[derive(Debug, Clone)]
pub struct LeafExec {
    kind: LeafKind,
    shape: Arc<dyn ExecutionPlan>,
    known: Known,
    properties: Arc<PlanProperties>,
}

impl LeafExec {
    /// A leaf of that kind, of whose rows that much is known.
    pub fn new(kind: LeafKind, shape: Arc<dyn ExecutionPlan>, known: Known) -> Self {
        let properties = known.properties(shape.schema(), Partitioning::UnknownPartitioning(1));
        Self { kind, shape, known, properties }
    }

    /// What is known of the columns that it reads.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// What it reads.
    pub fn kind(&self) -> &LeafKind {
        &self.kind
    }

    /// Its schema; for a source, more of how it is read.
    pub fn shape(&self) -> &Arc<dyn ExecutionPlan> {
        &self.shape
    }

    /// The same leaf, read by all tasks alike.
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
        Ok(Arc::new(Self::new(self.kind.clone(), shape, self.known.clone())))
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Err(super::unbound(self.name()))
    }
}
