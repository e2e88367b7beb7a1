//! Writes as jobs: the rows are computed, each task passes its part to the sink, and the driver
//! commits what they wrote.

use crate::physical::plan_physical_job;
use crate::{RunJob, physical_plan};
use bytes::Bytes;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use model::conf::{Conf, DEFAULT_SOURCE};
use plan::{Field, SparkError, Write};
use sources::{Sink, WriteExec, WriteRequest};
use std::sync::Arc;
use tokio::runtime::Handle;

/// Writes rows to a sink. `rows` is the plan and its Spark schema; the target of `write` is a path,
/// or none if the source needs no location. Dropping the future aborts the write.
pub async fn write(
    state: &SessionState,
    conf: &Conf,
    jobs: &dyn RunJob,
    (rows, schema): (&LogicalPlan, &[Field]),
    write: &Write,
) -> Result<(), SparkError> {
    let default = conf.get(&DEFAULT_SOURCE)?;
    let source = sources::source(write.format.as_deref().unwrap_or(&default))?;
    let request = WriteRequest { write, schema, conf, runtime: state.runtime_env() };
    let Some(sink) = source.sink(request).await? else { return Ok(()) };
    let plan = physical_plan(state, rows, conf).await?;
    let plan = Arc::new(WriteExec::new(plan, source.name(), &sink.task()));
    let job = plan_physical_job(plan, state, conf, jobs).await?;
    sink.begin().await?;
    let mut pending = Pending(Some(Arc::from(sink)));
    let written = jobs.run(job).await;
    pending.end(written.map(|rows| sources::written(&rows))).await
}

/// A write in progress; it is aborted unless it is committed.
struct Pending(Option<Arc<dyn Sink>>);

impl Pending {
    /// Commits what the tasks wrote, or aborts.
    async fn end(&mut self, written: Result<Vec<Bytes>, SparkError>) -> Result<(), SparkError> {
        let Some(sink) = self.0.clone() else { return Ok(()) };
        let ended = match written {
            Ok(written) => sink.commit(&written).await,
            Err(error) => Err(error),
        };
        if ended.is_err() {
            sink.abort().await;
        }
        self.0 = None;
        ended
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let (Some(sink), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move { sink.abort().await });
        }
    }
}
