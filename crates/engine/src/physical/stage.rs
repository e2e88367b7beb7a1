//! Completion of a stage: encodes its plan, binds its tasks, and computes its identity.

use super::fingerprint::Identity;
use super::piece::Piece;
use crate::{JobPlan, StageOutput, StagePlan};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use errors::Exception;
use functions::spark_error;
use model::conf::{
    ADAPTIVE, BROADCAST_TIMEOUT, BlockCompression, Conf, IO_COMPRESSION, PROFILE_MERGE_CONFLICTS,
    SHUFFLE_COMPRESS, SHUFFLE_REUSE,
};
use model::{CacheId, Fingerprint, ResourceProfile, ShuffleId};
use plan::SparkError;
use prost::Message;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use task::codec::{self, Compression, Template};
use task::python::PythonExec;

/// The completed stages.
#[derive(Debug)]
pub(crate) struct Stages {
    done: Vec<StagePlan>,
    known: HashMap<Fingerprint, usize>,
    compression: Compression,
    /// Unique number, if reuse across jobs is disabled.
    job: Option<uuid::Uuid>,
    purpose: Purpose,
    /// How long a stage that is broadcast may take.
    broadcast_timeout: Option<Duration>,
    /// Whether a stage may have functions that ask for different numbers of cores.
    merges_profiles: bool,
    /// The caches met so far, with the stages that store their rows.
    kept: Vec<(CacheId, usize)>,
}

/// Number of this driver.
static DRIVER: LazyLock<uuid::Uuid> = LazyLock::new(uuid::Uuid::new_v4);

/// Whether functions in a plan may add to accumulators. These are a program's own: what another
/// program's tasks have added to theirs is lost, and so their outputs are of no use to this one.
fn adds_to_accumulators(plan: &Arc<dyn ExecutionPlan>) -> Result<bool, DataFusionError> {
    plan.exists(|node| {
        let python = node.downcast_ref::<PythonExec>();
        Ok(python.is_some_and(|python| python.spec().adds_to_accumulators()))
    })
}

/// Purpose of the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Execution: nondeterministic rows must not be mistaken for others.
    Run,
    /// Comparison: plans are equal if they are written the same, even if they draw random numbers.
    Compare,
}

impl Stages {
    pub(crate) fn new(conf: &Conf, purpose: Purpose) -> Result<Self, SparkError> {
        let own = purpose == Purpose::Run && !conf.get(&SHUFFLE_REUSE)?;
        let job = own.then(uuid::Uuid::new_v4);
        let compression = compression(conf)?;
        let adaptive = conf.get(&ADAPTIVE)?;
        let timeout = conf.get(&BROADCAST_TIMEOUT)?.limit();
        let broadcast_timeout = timeout.filter(|_| !adaptive);
        let merges_profiles = conf.get(&PROFILE_MERGE_CONFLICTS)?;
        let (done, known, kept) = (Vec::new(), HashMap::new(), Vec::new());
        Ok(Self {
            done,
            known,
            compression,
            job,
            purpose,
            broadcast_timeout,
            merges_profiles,
            kept,
        })
    }

    /// The shuffle that a stage writes.
    pub(crate) fn shuffle(&self, stage: usize) -> ShuffleId {
        self.done[stage].shuffle()
    }

    /// Adds a stage, or finds one that writes the same shuffle. The top node of a map stage's plan
    /// describes the routing; without one there is a single reader. `cache`: the number of the
    /// cache that it belongs to.
    pub(crate) fn add(
        &mut self,
        piece: Piece,
        output: StageOutput,
        cache: Option<uuid::Uuid>,
    ) -> Result<usize, SparkError> {
        let fail = |error: DataFusionError| spark_error(&error);
        let Piece { plan, tasks, parents, spread: _ } = piece;
        let readers = match output {
            StageOutput::Shuffle { readers } => Some(readers),
            StageOutput::Rows => None,
        };
        let message = codec::plan_message(Arc::clone(&plan)).map_err(|e| unencodable(&e))?;
        let encoded = message.encode_to_vec();
        let bindings: Vec<_> = tasks
            .iter()
            .map(|inputs| codec::encode_binding(inputs))
            .collect::<Result<_, _>>()
            .map_err(fail)?;
        let deterministic = is_deterministic(&plan).map_err(fail)?;
        let nonce = match self.purpose {
            Purpose::Run if !deterministic => Some(cache.unwrap_or_else(uuid::Uuid::new_v4)),
            Purpose::Run => {
                let own = adds_to_accumulators(&plan).map_err(fail)?.then_some(*DRIVER);
                self.job.map(|job| cache.unwrap_or(job)).or(own)
            }
            Purpose::Compare => None,
        };
        let identity = Identity { plan: &encoded, bindings: &bindings, readers, nonce };
        let fingerprint = identity.fingerprint();
        if let Some(stage) = self.known.get(&fingerprint).filter(|_| readers.is_some()) {
            return Ok(*stage);
        }
        task::check_round_trip(&plan, &message).map_err(|e| unencodable(&e))?;
        let inputs = parents.iter().map(|parent| self.shuffle(*parent)).collect();
        let tasks = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        let template = Template { readers, compression: self.compression, inputs, tasks };
        let template = codec::encode_template(&template, &encoded).map_err(fail)?;
        let label = label(&plan);
        let schema = plan.schema();
        self.done.push(StagePlan {
            fingerprint,
            template,
            bindings,
            parents,
            output,
            deterministic,
            barrier: is_barrier(&plan).map_err(fail)?,
            profile: self.profile(&plan)?,
            time_limit: None,
            schema,
            label,
        });
        self.known.insert(fingerprint, self.done.len() - 1);
        Ok(self.done.len() - 1)
    }

    /// What the functions of a plan ask for. They may ask for different things only if conflicts
    /// are to be merged.
    fn profile(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<ResourceProfile, SparkError> {
        let mut said = BTreeSet::new();
        plan.apply(|node| {
            said.extend(
                node.downcast_ref::<PythonExec>().iter().flat_map(|it| &it.spec().profiles),
            );
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(|error| spark_error(&error))?;
        if said.len() > 1 && !self.merges_profiles {
            let words = "Multiple ResourceProfiles specified in the RDDs for this stage, either \
                         resolve the conflicting ResourceProfiles yourself or enable \
                         spark.scheduler.resource.profileMergeConflicts so that Spark handles \
                         merging them itself.";
            return Err(SparkError::plain(Exception::IllegalArgument, words));
        }
        Ok(ResourceProfile::merged(&said).unwrap_or_default())
    }

    /// Limits the time of a stage whose rows are broadcast.
    pub(crate) fn broadcasts(&mut self, stage: usize) {
        self.done[stage].time_limit = self.broadcast_timeout;
    }

    /// Whether a stage, and all that it reads, yields the same rows each time.
    pub(crate) fn is_repeatable(&self, stage: usize) -> bool {
        let StagePlan { deterministic, parents, .. } = &self.done[stage];
        *deterministic && parents.iter().all(|parent| self.is_repeatable(*parent))
    }

    /// Notes that a stage stores the rows of a cache.
    pub(crate) fn keep(&mut self, cache: CacheId, stage: usize) {
        self.kept.push((cache, stage));
    }

    /// The job that a stage ends, with all that the stage reads. It wants all that it yields.
    pub(crate) fn job(&self, last: usize) -> JobPlan {
        let mut needed = BTreeSet::from([last]);
        let mut new = vec![last];
        while let Some(stage) = new.pop() {
            let parents = self.done[stage].parents.iter().copied();
            new.extend(parents.filter(|parent| needed.insert(*parent)));
        }
        let place: HashMap<usize, usize> = needed.iter().copied().zip(0..).collect();
        let stage = |stage: &usize| {
            let mut plan = self.done[*stage].clone();
            plan.parents.iter_mut().for_each(|parent| *parent = place[parent]);
            plan
        };
        let kept = self.kept.iter().filter(|(_, stage)| needed.contains(stage));
        let result_partitions = match &self.done[last].output {
            StageOutput::Shuffle { .. } => Vec::new(),
            StageOutput::Rows => (0..self.done[last].partitions()).collect(),
        };
        JobPlan {
            stages: needed.iter().map(stage).collect(),
            result_partitions,
            single_attempt: false,
            kept: kept.map(|(cache, stage)| (*cache, self.shuffle(*stage))).collect(),
        }
    }
}

fn compression(conf: &Conf) -> Result<Compression, SparkError> {
    if !conf.get(&SHUFFLE_COMPRESS)? {
        return Ok(Compression::None);
    }
    Ok(match conf.get(&IO_COMPRESSION)? {
        BlockCompression::Lz4 => Compression::Lz4,
        BlockCompression::Zstd => Compression::Zstd,
        BlockCompression::None => Compression::None,
    })
}

/// The error for a plan that cannot be encoded: it names the node, which the user can act on.
fn unencodable(error: &DataFusionError) -> SparkError {
    let text = error.to_string();
    let named = text
        .find("Plan: ")
        .map(|at| &text[at + "Plan: ".len()..])
        .and_then(|plan| plan.split(|c: char| !c.is_alphanumeric()).next())
        .filter(|name| !name.is_empty());
    match named {
        Some(name) => SparkError::unsupported(format!("{name} in a distributed plan")),
        None => spark_error(error),
    }
}

/// Whether a function of the plan needs all tasks at once.
fn is_barrier(plan: &Arc<dyn ExecutionPlan>) -> Result<bool, DataFusionError> {
    plan.exists(|node| {
        Ok(node.downcast_ref::<PythonExec>().is_some_and(|python| python.spec().barrier))
    })
}

/// Whether the plan has no volatile expressions and no Python functions that are.
pub(crate) fn is_deterministic(plan: &Arc<dyn ExecutionPlan>) -> Result<bool, DataFusionError> {
    Ok(!plan.exists(|node| Ok(!is_deterministic_node(node)?))?)
}

/// As `is_deterministic`, for a node without its inputs.
pub(crate) fn is_deterministic_node(
    node: &Arc<dyn ExecutionPlan>,
) -> Result<bool, DataFusionError> {
    let python = node.downcast_ref::<PythonExec>();
    let mut deterministic = python.is_none_or(|python| python.spec().is_deterministic());
    node.apply_expressions(&mut |root| {
        deterministic &= !is_volatile(root);
        Ok(if deterministic { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(deterministic)
}

/// The operators, from the leaves up, without duplicates.
fn label(plan: &Arc<dyn ExecutionPlan>) -> String {
    let mut names = Vec::new();
    add_names(plan, &mut names);
    if names.is_empty() { "Read".to_owned() } else { names.join(", ") }
}

fn add_names<'a>(plan: &'a Arc<dyn ExecutionPlan>, names: &mut Vec<&'a str>) {
    plan.children().into_iter().for_each(|child| add_names(child, names));
    let name = plan.name().trim_end_matches("Exec");
    let silent = ["Leaf", "Empty", "Cooperative", "Repartition"].contains(&name);
    if !silent && !names.contains(&name) {
        names.push(name);
    }
}
