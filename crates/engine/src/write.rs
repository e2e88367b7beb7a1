//! A write as a job: the rows are computed, each task hands its part to the sink, and the driver
//! commits what they wrote.

use crate::physical::plan_physical_job;
use crate::{RunJob, physical_plan, plan_job};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use model::conf::{Conf, DEFAULT_SOURCE};
use plan::{Field, SparkError, Write};
use sources::files::{FileWrite, WriteExec};
use std::sync::Arc;

/// Writes rows as files. `rows` is the plan and Spark's schema of it; the target of `write` is a
/// path or none (`noop`).
pub async fn write(
    state: &SessionState,
    conf: &Conf,
    jobs: &dyn RunJob,
    (rows, schema): (&LogicalPlan, &[Field]),
    write: &Write,
) -> Result<(), SparkError> {
    let default = conf.get(&DEFAULT_SOURCE)?;
    if write.format.as_deref().unwrap_or(&default).eq_ignore_ascii_case("noop") {
        let job = plan_job(state, rows, conf, jobs).await?;
        return jobs.run(job).await.map(drop);
    }
    let Some(files) = FileWrite::new(write, schema, conf)? else { return Ok(()) };
    let plan = physical_plan(state, rows, conf).await?;
    let plan = Arc::new(WriteExec::new(plan, files.task().clone()));
    let job = plan_physical_job(plan, conf, jobs).await?;
    files.begin()?;
    let written = jobs.run(job).await;
    let finish = move || match written {
        Ok(written) => files.commit(&written),
        Err(error) => {
            files.abort();
            Err(error)
        }
    };
    let stopped = |_| SparkError::internal("the process is stopping");
    tokio::task::spawn_blocking(finish).await.map_err(stopped)?
}
