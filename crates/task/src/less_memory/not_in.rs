//! `NOT IN` by merging sorted rows. A merge does not know that a null among the rows of the list
//! leaves no row, and that an empty list leaves all, so the list is read once before.

use super::{Plan, merge_join, projected};
use arrow::array::Array;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::IsNotNullExpr;
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, EmptyRecordBatchStream, ExecutionPlan, SendableRecordBatchStream,
};
use futures::{TryStreamExt, stream};
use std::fmt;
use std::sync::Arc;

/// The same rows as those of a null-aware join.
pub(super) fn merged(join: &HashJoinExec) -> Result<Plan> {
    let [(left, right)] = join.on() else {
        return internal_err!("a null-aware join has more than one key");
    };
    let known = Arc::new(IsNotNullExpr::new(Arc::clone(left)));
    let known = Arc::new(FilterExec::try_new(known, Arc::clone(join.left()))?);
    let merged = projected(merge_join(join, known)?, join)?;
    Ok(Arc::new(NotInExec {
        properties: Arc::clone(merged.properties()),
        merged,
        all: projected(Arc::clone(join.left()), join)?,
        list: Arc::clone(join.right()),
        value: Arc::clone(right),
    }))
}

/// The rows that are not in a list (see the module).
#[derive(Debug)]
struct NotInExec {
    /// If the list has values and no null.
    merged: Plan,
    /// If it is empty.
    all: Plan,
    list: Plan,
    value: Arc<dyn PhysicalExpr>,
    properties: Arc<PlanProperties>,
}

/// What is in a list.
#[derive(Debug, PartialEq)]
enum Contents {
    Nothing,
    Values,
    Null,
}

impl DisplayAs for NotInExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotInExec")
    }
}

impl ExecutionPlan for NotInExec {
    fn name(&self) -> &'static str {
        "NotInExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Plan> {
        vec![&self.merged, &self.all, &self.list]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        f(&self.value)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Plan>) -> Result<Plan> {
        let Ok([merged, all, list]) = <[Plan; 3]>::try_from(children) else {
            return internal_err!("NotInExec has three inputs");
        };
        let (value, properties) = (Arc::clone(&self.value), Arc::clone(&self.properties));
        Ok(Arc::new(Self { merged, all, list, value, properties }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let list = self.list.execute(partition, Arc::clone(&context))?;
        let (value, schema) = (Arc::clone(&self.value), self.schema());
        let (merged, all) = (Arc::clone(&self.merged), Arc::clone(&self.all));
        let rows = async move {
            match contents(list, value).await? {
                Contents::Nothing => all.execute(partition, context),
                Contents::Values => merged.execute(partition, context),
                Contents::Null => Ok(Box::pin(EmptyRecordBatchStream::new(all.schema())) as _),
            }
        };
        let rows = stream::once(rows).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

async fn contents(
    mut list: SendableRecordBatchStream,
    value: Arc<dyn PhysicalExpr>,
) -> Result<Contents> {
    let mut found = Contents::Nothing;
    while let Some(batch) = list.try_next().await? {
        let values = value.evaluate(&batch)?.into_array(batch.num_rows())?;
        if values.logical_null_count() > 0 {
            return Ok(Contents::Null);
        }
        if batch.num_rows() > 0 {
            found = Contents::Values;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
