//! What the program asks for: map stages that its jobs share, and jobs over them.

use super::caches::cache_of;
use super::rows::{MadeOf, MapStage, Rows, expected, name_of, shuffle};
use arrow::datatypes::Schema;
use bytes::Bytes;
use driver::message::JobAnswer;
use engine::{JobPlan, StageOutput, StagePlan};
use model::{Fingerprint, ResourceProfile, ShuffleId};
use rand::Rng;
use rand::rngs::StdRng;
use scheduler::JobFailure;
use std::sync::Arc;
use std::time::Duration;

/// Tasks of a barrier stage: there are two executors at least, once nothing goes wrong.
const MOST_TOGETHER: u32 = 2;

/// The stages that jobs may contain.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) stages: Vec<MapStage>,
    /// How often each stage's cache was given up and its rows persisted again.
    pub(crate) generations: Vec<u64>,
    /// Whether jobs may have barrier stages.
    barriers: bool,
}

/// A job that was submitted.
#[derive(Debug)]
pub(crate) struct Job {
    /// The number that stands for its result stage in hashes.
    name: u64,
    /// Map stages that its result stage reads.
    reads: Vec<usize>,
    /// All map stages in it.
    map_stages: Vec<usize>,
    wanted: Vec<u32>,
    /// Whether the tasks of its result stage run all at once.
    barrier: bool,
    /// Whether the tasks of its result stage start at most once.
    pub(crate) single_attempt: bool,
    /// Whether the program has given it up.
    pub(crate) abandoned: bool,
}

/// Description of a job that wants the outputs of a map stage, and nothing else.
pub(crate) const MAPS_ALONE: &str = "maps alone";

impl Job {
    /// Whether it wants the outputs of a map stage, and nothing else.
    pub(crate) fn is_of_maps(&self) -> bool {
        self.reads.is_empty() && !self.map_stages.is_empty()
    }
}

impl Program {
    /// `barriers`: whether jobs may have barrier stages.
    pub(crate) fn new(rng: &mut StdRng, barriers: bool) -> Self {
        let any_random = rng.random_bool(0.4);
        let stages: Vec<MapStage> = (0..rng.random_range(2..5))
            .map(|index| {
                let partitions = any_partitions(rng);
                MapStage {
                    shuffle: shuffle(index),
                    partitions,
                    parents: (0..index).filter(|_| rng.random_bool(0.4)).collect(),
                    random: any_random && rng.random_bool(0.3),
                    barrier: barriers && partitions <= MOST_TOGETHER && rng.random_bool(0.2),
                    time_limit: rng
                        .random_bool(0.05)
                        .then(|| Duration::from_millis(rng.random_range(50..5000))),
                }
            })
            .collect();
        let generations = vec![0; stages.len()];
        Self { stages, generations, barriers }
    }

    pub(crate) fn index_of(&self, shuffle: ShuffleId) -> usize {
        let found = self.stages.iter().position(|stage| stage.shuffle == shuffle);
        found.expect("only known shuffles")
    }

    /// Whether another try of a task of the stage may have other rows: it is random, or something
    /// is that it reads.
    pub(crate) fn is_repeatable(&self, index: usize) -> bool {
        let stage = &self.stages[index];
        !stage.random && stage.parents.iter().all(|&parent| self.is_repeatable(parent))
    }

    /// Whether a task of the stage runs again only for its own sake.
    pub(crate) fn is_independent(&self, index: usize) -> bool {
        self.is_repeatable(index) && !self.stages[index].barrier
    }

    /// A job that reads some of the map stages, and wants some partitions of what it makes of them;
    /// or one that wants the outputs of a map stage and nothing else.
    /// `once`: whether it may be one of single attempts, which fail for whatever goes wrong.
    pub(crate) fn job(&self, rng: &mut StdRng, ticket: u64, once: bool) -> (Job, JobPlan) {
        let reads: Vec<usize> = (0..self.stages.len()).filter(|_| rng.random_bool(0.4)).collect();
        let mut map_stages = reads.clone();
        let mut next = 0;
        while next < map_stages.len() {
            map_stages.extend(self.stages[map_stages[next]].parents.clone());
            next += 1;
        }
        map_stages.sort_unstable();
        map_stages.dedup();
        let position = |stage: &usize| map_stages.binary_search(stage).expect("it is in the list");
        let map_plan = |&index: &usize| {
            let MapStage { shuffle, partitions, parents, random, barrier, time_limit } =
                &self.stages[index];
            StagePlan {
                output: StageOutput::Shuffle { readers: 1 },
                deterministic: !random,
                barrier: *barrier,
                time_limit: *time_limit,
                parents: parents.iter().map(position).collect(),
                ..stage(shuffle.0, name_of(index), *partitions)
            }
        };
        let mut stages: Vec<StagePlan> = map_stages.iter().map(map_plan).collect();
        let name = 1000 + ticket;
        // The program has asked for the rows of every other stage to be stored.
        let kept = map_stages.iter().filter(|index| *index % 2 == 0);
        let kept: Vec<_> = kept
            .map(|&index| (cache_of(index, self.generations[index]), self.stages[index].shuffle))
            .collect();
        let (single_attempt, abandoned) = (false, false);
        if !stages.is_empty() && rng.random_bool(0.15) {
            let (reads, wanted, barrier) = (Vec::new(), Vec::new(), false);
            let plan = JobPlan { stages, result_partitions: Vec::new(), single_attempt, kept };
            let job = Job { name, reads, map_stages, wanted, barrier, single_attempt, abandoned };
            return (job, plan);
        }
        let mut fingerprint = [0; 32];
        fingerprint[..8].copy_from_slice(&name.to_be_bytes());
        let partitions = any_partitions(rng);
        let parents = reads.iter().map(position).collect();
        let wanted: Vec<u32> = (0..partitions).filter(|_| rng.random_bool(0.8)).collect();
        let few = wanted.len() <= MOST_TOGETHER as usize;
        let barrier = self.barriers && few && rng.random_bool(0.1);
        let result = stage(Fingerprint(fingerprint), name, partitions);
        stages.push(StagePlan { parents, barrier, ..result });
        let single_attempt = once && rng.random_bool(0.15);
        let result_partitions = wanted.clone();
        let plan = JobPlan { stages, result_partitions, single_attempt, kept };
        (Job { name, reads, map_stages, wanted, barrier, single_attempt, abandoned }, plan)
    }
}

/// The number of a stage's tasks: mostly few, so that much happens to each.
fn any_partitions(rng: &mut StdRng) -> u32 {
    if rng.random_bool(0.1) { rng.random_range(8..15) } else { rng.random_range(1..6) }
}

fn stage(fingerprint: Fingerprint, name: u64, partitions: u32) -> StagePlan {
    StagePlan {
        fingerprint,
        template: Bytes::copy_from_slice(&name.to_be_bytes()),
        bindings: (0..partitions).map(|p| Bytes::copy_from_slice(&p.to_be_bytes())).collect(),
        parents: Vec::new(),
        output: StageOutput::Rows,
        deterministic: true,
        barrier: false,
        profile: ResourceProfile::default(),
        time_limit: None,
        schema: Arc::new(Schema::empty()),
        label: String::new(),
    }
}

impl Job {
    /// Whether its end is right: exactly the wanted rows, of one piece; or a failure for something
    /// that can have happened to it.
    pub(crate) fn check(
        &self,
        program: &Program,
        (end, accumulators): &JobAnswer,
        is_over: bool,
    ) -> Result<(), String> {
        // Map tasks add under a negative id: as often as they run.
        let added = accumulators.iter().filter(|update| update.id >= 0);
        let mut added: Vec<i64> = added.map(|update| update.id).collect();
        added.sort_unstable();
        match end {
            Ok(partitions) => {
                if !added.iter().copied().eq(self.wanted.iter().map(|of| i64::from(*of))) {
                    return Err(format!("partitions {added:?} have added to an accumulator"));
                }
                self.check_rows(program, partitions)
            }
            Err(failed) if self.can_fail_for(program, &failed.failure, is_over) => Ok(()),
            Err(failed) => Err(format!("a job fails without reason: {failed:?}")),
        }
    }

    fn check_rows(
        &self,
        program: &Program,
        partitions: &[driver::rows::Rows],
    ) -> Result<(), String> {
        if partitions.len() != self.wanted.len() {
            return Err("a finished job without all results".to_owned());
        }
        let mut all = Rows::default();
        for (rows, partition) in partitions.iter().zip(&self.wanted) {
            let rows = rows.in_memory().and_then(Rows::decode).ok_or("rows that are not whole")?;
            all.merge(&rows.made_of);
            if rows.mixed || all.mixed {
                return Err("a result of mixed data".to_owned());
            }
            let made_of: &MadeOf = &rows.made_of;
            let task = (self.name, *partition);
            if rows.value != expected(&program.stages, task, &self.reads, made_of) {
                return Err("a wrong result".to_owned());
            }
        }
        Ok(())
    }

    fn can_fail_for(&self, program: &Program, failure: &JobFailure, is_over: bool) -> bool {
        match failure {
            JobFailure::TaskFailed { failures, failure, .. } => {
                let hopeless = matches!(failure, model::TaskFailure::Hopeless { .. });
                *failures == 4 && failure.counts() && !hopeless
            }
            JobFailure::StageAborted { attempts, .. } => *attempts == 4,
            JobFailure::NotRepeatable { .. } => {
                self.map_stages.iter().any(|&index| program.stages[index].random)
            }
            JobFailure::Cancelled { .. } => self.abandoned || is_over,
            JobFailure::ResultTooLarge { bytes, limit } => bytes > limit,
            JobFailure::StageOverdue { limit, .. } => self
                .map_stages
                .iter()
                .any(|&index| program.stages[index].time_limit == Some(*limit)),
            JobFailure::BarrierFailed { .. } => self.barrier,
            JobFailure::SingleAttemptFailed { .. } => self.single_attempt,
            JobFailure::Unschedulable { failure, .. } => {
                failure.as_ref().is_none_or(model::TaskFailure::counts)
            }
            JobFailure::TooFewSlots { .. }
            | JobFailure::BarrierRefused { .. }
            | JobFailure::TaskTooLarge { .. }
            | JobFailure::Malformed { .. } => false,
        }
    }
}
