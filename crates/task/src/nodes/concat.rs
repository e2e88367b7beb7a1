//! Concatenation of several inputs into one partition. In a template it has one child, of which a
//! task makes a copy for each partition that it reads (`coalesce`). It also gives the rows of a
//! branch the column names of its union.

use super::Equivalences;
use arrow::array::RecordBatchOptions;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, SendableRecordBatchStream,
};
use futures::{StreamExt, TryStreamExt, stream};
use std::fmt;
use std::sync::Arc;

/// A concatenation (see the module).
#[derive(Debug)]
pub struct ConcatExec {
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    equivalences: Equivalences,
    properties: Arc<PlanProperties>,
}

impl ConcatExec {
    /// Creates the node. The inputs have the types of `schema`.
    pub fn new(
        schema: SchemaRef,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
        equivalences: Equivalences,
    ) -> Self {
        let properties = equivalences.properties(schema, Partitioning::UnknownPartitioning(1));
        Self { inputs, equivalences, properties }
    }

    /// Equivalences that hold for the columns of all inputs.
    pub fn equivalences(&self) -> &Equivalences {
        &self.equivalences
    }
}

impl DisplayAs for ConcatExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConcatExec")
    }
}

impl ExecutionPlan for ConcatExec {
    fn name(&self) -> &'static str {
        "ConcatExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
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
        Ok(Arc::new(Self { inputs: children, equivalences, properties }))
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let named = Arc::clone(&schema);
        let rows = stream::iter(self.inputs.clone())
            .map(move |input| input.execute(0, Arc::clone(&context)))
            .try_flatten()
            .map(move |batch| rename(batch?, &named));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// Renames the columns to those of `schema`.
pub(crate) fn rename(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if Arc::ptr_eq(batch.schema_ref(), schema) || batch.schema_ref() == schema {
        return Ok(batch);
    }
    let rows = batch.num_rows();
    let (_, columns, _) = batch.into_parts();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
