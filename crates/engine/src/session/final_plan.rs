//! How the rows of a cache were computed: the stages that the sizes of others led to.

use crate::physical::cut_job;
use crate::{JobPlan, RunJob, ShuffleSizes};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan};
use errors::Exception;
use functions::spark_error;
use model::conf::Conf;
use model::{CacheId, ShuffleId};
use plan::SparkError;
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::sync::Arc;
use task::codec;
use task::nodes::{LeafExec, LeafKind};

type Plan = Arc<dyn ExecutionPlan>;

/// The stages that stored a cache, with their plans.
pub(super) struct FinalPlan {
    /// By number: the shuffle that a stage writes, its plan and the number of its tasks.
    stages: Vec<(ShuffleId, Plan, u32)>,
    last: usize,
}

impl FinalPlan {
    /// The stages of the node of a cache in a physical plan; `None` if not all is stored.
    pub(super) async fn of(
        (plan, cache): (&Plan, CacheId),
        state: &SessionState,
        conf: &Conf,
        run: &dyn RunJob,
    ) -> Result<Option<Self>, SparkError> {
        if run.stored(cache).await?.0 == 0 {
            return Ok(None);
        }
        let done = Done(run);
        let Ok(job) = cut_job(Arc::clone(plan), state, conf, &done).await else {
            return Ok(None);
        };
        let Some((_, shuffle)) = job.kept.iter().find(|(kept, _)| *kept == cache) else {
            return Ok(None);
        };
        let last = job.stages.iter().position(|stage| stage.shuffle() == *shuffle);
        let Some(last) = last else { return Ok(None) };
        if run.sizes(*shuffle).await?.maps != job.stages[last].partitions() {
            return Ok(None);
        }
        let context = state.task_ctx();
        let stages = job.stages.iter().map(|stage| {
            let decoded = codec::decode_template(&stage.template, &context as &TaskContext);
            let (_, plan) = decoded.map_err(|error| spark_error(&error))?;
            Ok((stage.shuffle(), plan, stage.partitions()))
        });
        Ok(Some(Self { stages: stages.collect::<Result<_, SparkError>>()?, last }))
    }

    /// The text, indented by this many levels.
    pub(super) fn shown(&self, level: usize) -> impl Display + '_ {
        fmt::from_fn(move |f| {
            let mut shown = BTreeSet::new();
            self.stage(f, "ResultQueryStage", (self.last, level), &mut shown)
        })
    }

    fn stage(
        &self,
        f: &mut fmt::Formatter<'_>,
        title: &str,
        (number, level): (usize, usize),
        shown: &mut BTreeSet<usize>,
    ) -> fmt::Result {
        let (_, plan, tasks) = &self.stages[number];
        if !shown.insert(number) {
            return writeln!(f, "{:1$}ReusedExchange: {title} {number}", "", 2 * level);
        }
        writeln!(f, "{:1$}{title} {number}: {tasks} tasks", "", 2 * level)?;
        self.node(f, (plan, level + 1), shown)
    }

    fn node(
        &self,
        f: &mut fmt::Formatter<'_>,
        (plan, level): (&Plan, usize),
        shown: &mut BTreeSet<usize>,
    ) -> fmt::Result {
        if let Some(leaf) = plan.downcast_ref::<LeafExec>() {
            let number = match leaf.kind() {
                LeafKind::Blocks { shuffle, .. } => {
                    self.stages.iter().position(|(written, ..)| written == shuffle)
                }
                _ => None,
            };
            if let Some(number) = number {
                return self.stage(f, "ShuffleQueryStage", (number, level), shown);
            }
            if matches!(leaf.kind(), LeafKind::Source { .. }) {
                return self.node(f, (leaf.shape(), level), shown);
            }
        }
        write!(f, "{:1$}", "", 2 * level)?;
        plan.fmt_as(DisplayFormatType::Default, f)?;
        writeln!(f)?;
        if plan.is::<LeafExec>() {
            return Ok(());
        }
        plan.children().into_iter().try_for_each(|input| self.node(f, (input, level + 1), shown))
    }
}

/// Answers for jobs whose map outputs are there, and runs none.
struct Done<'a>(&'a dyn RunJob);

#[async_trait::async_trait]
impl RunJob for Done<'_> {
    async fn run(
        &self,
        job: JobPlan,
    ) -> Result<Vec<Vec<arrow::record_batch::RecordBatch>>, SparkError> {
        if let Some(last) = job.stages.last()
            && job.result_partitions.is_empty()
            && self.0.sizes(last.shuffle()).await?.maps == last.partitions()
        {
            return Ok(Vec::new());
        }
        Err(SparkError::plain(Exception::Spark, "the job has not run"))
    }

    fn detached(&self) -> Arc<dyn RunJob> {
        self.0.detached()
    }

    async fn application_status(&self) -> Result<String, SparkError> {
        self.0.application_status().await
    }

    async fn uncache(&self, cache: CacheId) -> Result<(), SparkError> {
        self.0.uncache(cache).await
    }

    async fn stored(&self, cache: CacheId) -> Result<(u64, u64), SparkError> {
        self.0.stored(cache).await
    }

    async fn sizes(&self, shuffle: ShuffleId) -> Result<ShuffleSizes, SparkError> {
        self.0.sizes(shuffle).await
    }

    fn slots(&self) -> u32 {
        self.0.slots()
    }
}
