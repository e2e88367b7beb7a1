//! `format("noop")`: rows are computed and dropped.

use crate::{ReadRequest, Sink, Source, SourceTable, Split, TaskSink, WriteRequest};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::common::{Result as PlanResult, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use plan::SparkError;
use std::sync::Arc;

/// The source (see the module).
#[derive(Debug)]
pub(crate) struct Noop;

#[async_trait::async_trait]
impl Source for Noop {
    fn name(&self) -> &'static str {
        "noop"
    }

    async fn open(&self, _: ReadRequest<'_>) -> Result<SourceTable, SparkError> {
        Err(SparkError::unsupported("reading the data source `noop`"))
    }

    fn split(&self, _: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<Split>> {
        Ok(None)
    }

    fn bind(
        &self,
        _: &str,
        _: &Arc<dyn ExecutionPlan>,
        _: &Bytes,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        internal_err!("noop cannot be scanned")
    }

    async fn sink(&self, _: WriteRequest<'_>) -> Result<Option<Box<dyn Sink>>, SparkError> {
        Ok(Some(Box::new(Dropped)))
    }

    fn task_sink(&self, _: &str, _: SchemaRef, _: &TaskContext) -> PlanResult<Box<dyn TaskSink>> {
        Ok(Box::new(Dropped))
    }
}

/// A sink that drops all rows.
#[derive(Debug)]
struct Dropped;

#[async_trait::async_trait]
impl Sink for Dropped {
    fn task(&self) -> String {
        String::new()
    }

    async fn begin(&self) -> Result<(), SparkError> {
        Ok(())
    }

    async fn commit(&self, _: &[Bytes]) -> Result<(), SparkError> {
        Ok(())
    }

    async fn abort(&self) {}
}

impl TaskSink for Dropped {
    fn write(&mut self, _: &RecordBatch) -> PlanResult<()> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> PlanResult<Bytes> {
        Ok(Bytes::new())
    }
}
