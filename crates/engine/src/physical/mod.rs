//! Physical planning: DataFusion's optimizer under our session profile, then a cut at every
//! exchange.
//!
//! A task computes exactly one partition of one stage. It gets a copy of the stage's plan in which
//! every node has one partition and every leaf is bound to the task's input; nothing in it depends
//! on other tasks. The rules of `cut` follow from that.

mod adaptive;
mod build_side;
mod cartesian;
mod cut;
mod distinct;
mod exchange;
mod filter_side;
mod fingerprint;
mod floating_keys;
mod hints;
mod join_order;
mod leaf;
mod marks;
mod piece;
mod planner;
mod profile;
mod python;
mod ranges;
mod sorts;
mod stage;
mod stored;

pub(crate) use adaptive::initial_partitions;
pub(crate) use exchange::{is_shuffle, kept};
pub use profile::session_state;
use ranges::{KnownBounds, Sampler};
use sorts::Reader;
use stage::Purpose;
pub(crate) use stored::StoredTable;

use crate::{JobPlan, RunJob};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use functions::spark_error;
use model::Fingerprint;
use model::conf::Conf;
use plan::SparkError;
use std::sync::Arc;

/// The optimized logical plan.
pub fn optimized_plan(
    state: &SessionState,
    plan: &LogicalPlan,
    conf: &Conf,
) -> Result<LogicalPlan, SparkError> {
    profile::configured(state, conf)?.optimize(plan).map_err(|error| spark_error(&error))
}

/// The physical plan, before it is cut.
pub async fn physical_plan(
    state: &SessionState,
    plan: &LogicalPlan,
    conf: &Conf,
) -> Result<Arc<dyn ExecutionPlan>, SparkError> {
    let state = profile::configured(state, conf)?;
    let plan = state.optimize(plan).map_err(|error| spark_error(&error))?;
    if !conf.get(&model::conf::CROSS_JOIN)? {
        cartesian::check(&plan)?;
    }
    let planned = state.query_planner().create_physical_plan(&plan, &state).await;
    planned.map_err(|error| spark_error(&error))
}

/// Plans the stages that compute a plan, the last of which yields its rows. `jobs` runs preparatory
/// jobs, for the bounds of range partitionings.
pub async fn plan_job(
    state: &SessionState,
    plan: &LogicalPlan,
    conf: &Conf,
    jobs: &dyn RunJob,
) -> Result<JobPlan, SparkError> {
    let plan = physical_plan(state, plan, conf).await?;
    plan_physical_job(plan, state, conf, jobs).await
}

/// The number of partitions of a plan's rows: what their stage would have tasks. If that depends
/// on the sizes of map stages, these run.
pub async fn count_partitions(
    state: &SessionState,
    plan: &LogicalPlan,
    conf: &Conf,
    jobs: &dyn RunJob,
) -> Result<usize, SparkError> {
    let plan = physical_plan(state, plan, conf).await?;
    let most = initial_partitions(conf)? as usize;
    let plan = sorts::spread(plan, Reader::Partitions(most), most)?;
    Ok(cut_job(plan, state, conf, jobs).await?.result_partitions.len())
}

/// The physical plan with the bounds of its ranges, so that it is the same in all jobs.
pub(crate) async fn fixed_plan(
    state: &SessionState,
    plan: &LogicalPlan,
    conf: &Conf,
    jobs: &dyn RunJob,
) -> Result<Arc<dyn ExecutionPlan>, SparkError> {
    let plan = physical_plan(state, plan, conf).await?;
    sampler(state, conf, jobs).with_bounds(plan).await
}

/// Cuts a physical plan into stages whose rows the client gets.
pub(crate) async fn plan_physical_job(
    plan: Arc<dyn ExecutionPlan>,
    state: &SessionState,
    conf: &Conf,
    jobs: &dyn RunJob,
) -> Result<JobPlan, SparkError> {
    let plan = sorts::spread(plan, Reader::Client, initial_partitions(conf)? as usize)?;
    cut_job(plan, state, conf, jobs).await
}

/// Cuts a physical plan into stages as it is, with the bounds of its ranges.
pub(crate) async fn cut_job(
    plan: Arc<dyn ExecutionPlan>,
    state: &SessionState,
    conf: &Conf,
    jobs: &dyn RunJob,
) -> Result<JobPlan, SparkError> {
    let plan = sampler(state, conf, jobs).with_bounds(plan).await?;
    cut::cut(&plan, conf, Purpose::Run, jobs).await
}

/// The identity of a plan's rows. Two plans with equal identities compute the same, from the same
/// inputs.
pub(crate) async fn plan_identity(
    state: &SessionState,
    plan: &LogicalPlan,
    conf: &Conf,
    jobs: &dyn RunJob,
) -> Result<Fingerprint, SparkError> {
    let plan = physical_plan(state, plan, conf).await?;
    let plan = sampler(state, conf, jobs).with_bounds(plan).await?;
    let job = cut::cut(&plan, conf, Purpose::Compare, jobs).await?;
    let result = job.stages.last().expect("a job has a result stage");
    Ok(result.fingerprint)
}

fn sampler<'a>(state: &SessionState, conf: &'a Conf, jobs: &'a dyn RunJob) -> Sampler<'a> {
    let known = state.config().get_extension::<KnownBounds>().unwrap_or_default();
    Sampler { conf, jobs, known }
}
