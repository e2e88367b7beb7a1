//! The scheduler's promises, checked at every command and after every event.

use crate::barriers::Barriers;
use crate::broken::outputs;
use crate::reruns::Reruns;
use crate::rows::{MapStage, Nature, Rows, expected};
use crate::starts::Starts;
use crate::waits::Waits;
use crate::world::{Job, Tally, World};
use model::{
    Attempt, Epoch, JobId, MapOutput, MapOutputId, ShuffleId, StageId, TaskFailure, TaskId,
};
use rand::Rng;
use rand::rngs::StdRng;
use scheduler::{DiscardReason, Event, JobFailure, Scheduler, StartGate};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

type Outputs = Vec<(u32, Epoch, Attempt)>;

/// The past, as far as it constrains the future.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// Jobs that have not ended, with what was delivered: the partitions, and what all of them are
    /// made from.
    live: BTreeMap<JobId, (BTreeSet<u32>, Rows)>,
    /// Jobs that have come to the scheduler.
    come: BTreeSet<JobId>,
    cancelled: BTreeSet<JobId>,
    overdue: BTreeSet<StageId>,
    pub(crate) reruns: Reruns,
    pub(crate) waits: Waits,
    pub(crate) starts: Starts,
    pub(crate) barriers: Barriers,
    /// Tasks of single attempts that were launched.
    launched_once: BTreeSet<TaskId>,
    /// Shuffles that the program has given up, and not used since.
    released: BTreeSet<ShuffleId>,
    /// Results that attempts computed.
    results: BTreeMap<Attempt, Rows>,
    seen: BTreeMap<ShuffleId, (u64, Outputs)>,
    discarded: BTreeSet<(MapOutputId, Epoch, Attempt)>,
}

impl Promises {
    /// At the start of an epoch.
    pub(crate) fn new(gate: Option<StartGate>) -> Self {
        Self { starts: Starts::new(gate), ..Self::default() }
    }

    pub(crate) fn note(&mut self, now: Duration, event: &Event, epoch: Epoch) {
        match event {
            Event::JobCancelled { job, .. } => drop(self.cancelled.insert(*job)),
            Event::ShuffleReleased { shuffle } => drop(self.released.insert(*shuffle)),
            Event::JobSubmitted { job, shape } => {
                self.come.insert(*job);
                for shuffle in shape.stages.iter().filter_map(|stage| stage.shuffle) {
                    self.released.remove(&shuffle);
                }
            }
            Event::StageOverdue { stage, .. } => drop(self.overdue.insert(*stage)),
            _ => {}
        }
        self.waits.note(event);
        self.starts.note(now, self.waits.there());
        self.reruns.note(event, epoch);
    }

    pub(crate) fn note_submitted(&mut self, job: JobId) {
        self.live.insert(job, Default::default());
    }

    pub(crate) fn note_result(&mut self, attempt: Attempt, rows: Rows) {
        self.results.insert(attempt, rows);
    }

    pub(crate) fn any_live(&self, rng: &mut StdRng) -> Option<JobId> {
        self.live.keys().nth(rng.random_range(0..self.live.len().max(1))).copied()
    }

    fn is_used(&self, shuffle: ShuffleId, jobs: &BTreeMap<JobId, Job>) -> bool {
        let has = |job: &Job| job.shape.stages.iter().any(|stage| stage.shuffle == Some(shuffle));
        let come = self.live.keys().filter(|id| self.come.contains(id));
        come.filter_map(|id| jobs.get(id)).any(has)
    }

    /// What the program has given up goes only once no job uses it.
    pub(crate) fn check_release(
        &self,
        output: &MapOutput,
        reason: DiscardReason,
        jobs: &BTreeMap<JobId, Job>,
        tally: &mut Tally,
    ) -> Result<(), String> {
        if reason != DiscardReason::Released {
            return Ok(());
        }
        tally.released += 1;
        let shuffle = output.id.shuffle;
        if !self.released.contains(&shuffle) || self.is_used(shuffle, jobs) {
            return Err("an output is taken away that somebody uses".to_owned());
        }
        Ok(())
    }

    /// What the program has given up, and no job uses, is gone.
    pub(crate) fn check_released(
        &self,
        scheduler: &Scheduler,
        jobs: &BTreeMap<JobId, Job>,
    ) -> Result<(), String> {
        let mut unused = self.released.iter().filter(|shuffle| !self.is_used(**shuffle, jobs));
        match unused.find(|shuffle| scheduler.map_outputs(**shuffle).next().is_some()) {
            Some(shuffle) => Err(format!("{shuffle} was given up and is still there")),
            None => Ok(()),
        }
    }

    /// An output that is discarded must not come back.
    pub(crate) fn note_discard(&mut self, output: &MapOutput) {
        self.discarded.insert((output.id, output.epoch, output.attempt));
    }

    /// Nothing is launched before the start, and a task of a job of single attempts at most once.
    pub(crate) fn check_launch(
        &mut self,
        attempt: Attempt,
        scheduler: &Scheduler,
        jobs: &BTreeMap<JobId, Job>,
    ) -> Result<(), String> {
        self.starts.check_launch(attempt)?;
        let stage = scheduler.stage(attempt.task.stage).filter(|stage| stage.shuffle().is_none());
        let job = stage.and_then(|stage| stage.jobs().next()).and_then(|(job, _)| jobs.get(&job));
        let single = job.is_some_and(|job| job.shape.single_attempt);
        if single && !self.launched_once.insert(attempt.task) {
            return Err("a task is launched again that has a single attempt".to_owned());
        }
        Ok(())
    }

    /// A delivered result is wanted, was computed by that attempt, is delivered once, is correct,
    /// and is consistent with the others of its job.
    pub(crate) fn check_delivery(
        &mut self,
        (id, job): (JobId, &Job),
        partition: u32,
        attempt: Attempt,
        stages: &[MapStage],
    ) -> Result<(), String> {
        let rows = self.results.get(&attempt).ok_or("a result that was never computed")?;
        let (delivered, all) = self.live.get_mut(&id).ok_or("a result of a job that is over")?;
        if !job.shape.result_partitions.contains(&partition) {
            return Err("a result that is not wanted".to_owned());
        }
        if attempt.task.partition != partition || !delivered.insert(partition) {
            return Err("a result of another partition, or a second time".to_owned());
        }
        all.merge(&rows.made_of);
        if rows.mixed || all.mixed {
            return Err("a result of mixed data".to_owned());
        }
        let result = job.shape.stages.last().ok_or("a job without stages")?;
        let parents: Vec<usize> = result.parents.iter().map(|&p| job.map_stages[p]).collect();
        let name = World::result_name(id);
        if rows.value != expected(stages, (name, partition), &parents, &rows.made_of) {
            return Err("a wrong result".to_owned());
        }
        Ok(())
    }

    /// A job has all that it wanted: results, or the outputs of its last stage.
    pub(crate) fn check_finished(
        &mut self,
        id: JobId,
        job: &Job,
        scheduler: &Scheduler,
    ) -> Result<(), String> {
        let (delivered, _) = self.live.remove(&id).ok_or("a job that ends twice")?;
        let wanted: BTreeSet<u32> = job.shape.result_partitions.iter().copied().collect();
        if delivered != wanted {
            return Err("a finished job without all results".to_owned());
        }
        let last = job.shape.stages.last().ok_or("a job without stages")?;
        let wanted = last.shuffle.filter(|shuffle| !self.released.contains(shuffle));
        match wanted {
            Some(shuffle) if outputs(scheduler, shuffle).len() < last.partitions as usize => {
                Err("a finished job without all outputs".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// A job fails only for a reason that can have occurred.
    pub(crate) fn check_failed(
        &mut self,
        (id, job): (JobId, &Job),
        failure: &JobFailure,
        (stages, excludes): (&[MapStage], bool),
    ) -> Result<(), String> {
        let (delivered, _) = self.live.remove(&id).ok_or("a job that ends twice")?;
        let sure = |&&index: &&usize| stages[index].nature == Nature::Sure;
        let justified = match failure {
            JobFailure::TaskFailed { attempt, failures, failure, .. } => {
                let reported = self.reruns.failures.has(attempt.task, *failures);
                *failures == 4 && failure.counts() && reported
            }
            JobFailure::StageAborted { attempts, .. } => *attempts == 4,
            JobFailure::NotRepeatable { .. } => {
                job.map_stages.iter().filter(sure).count() < job.map_stages.len()
            }
            JobFailure::BarrierFailed { failure, .. } => {
                let of_barrier = job.shape.stages.last().is_some_and(|stage| stage.barrier);
                of_barrier && (failure.counts() || !delivered.is_empty())
            }
            JobFailure::SingleAttemptFailed { .. } => job.shape.single_attempt,
            JobFailure::Cancelled { .. } => self.cancelled.contains(&id),
            JobFailure::StageOverdue { stage, .. } => self.overdue.contains(stage),
            JobFailure::Unschedulable { failure, .. } => {
                excludes && failure.as_ref().is_none_or(TaskFailure::counts)
            }
            JobFailure::ResultTooLarge { .. }
            | JobFailure::TooFewSlots { .. }
            | JobFailure::BarrierRefused { .. }
            | JobFailure::TaskTooLarge { .. }
            | JobFailure::Malformed { .. } => false,
        };
        if justified { Ok(()) } else { Err("a job fails without reason".to_owned()) }
    }

    /// Each map has at most one output and none that was discarded, and every change is a new
    /// generation.
    pub(crate) fn check_outputs(
        &mut self,
        scheduler: &Scheduler,
        shuffles: impl Iterator<Item = ShuffleId>,
    ) -> Result<(), String> {
        for shuffle in shuffles {
            let (generation, now) = (scheduler.generation(shuffle), outputs(scheduler, shuffle));
            if !now.is_sorted_by(|a, b| a.0 < b.0) {
                return Err("two outputs of one map, or out of order".to_owned());
            }
            let is_discarded = |&(map, epoch, attempt): &(u32, Epoch, Attempt)| {
                self.discarded.contains(&(MapOutputId { shuffle, map }, epoch, attempt))
            };
            if now.iter().any(is_discarded) {
                return Err("an output that was discarded is back".to_owned());
            }
            if let Some((before, then)) = self.seen.get(&shuffle)
                && (generation < *before || (generation == *before && now != *then))
            {
                return Err("outputs change, their generation does not".to_owned());
            }
            self.seen.insert(shuffle, (generation, now));
        }
        Ok(())
    }

    /// In the end every job has ended, and nothing is left of it.
    pub(crate) fn check_rest(&self, scheduler: &Scheduler) -> Result<(), String> {
        if let Some(job) = self.live.keys().next() {
            return Err(format!("{job} never ends: {scheduler:?}"));
        }
        if scheduler.is_idle() { Ok(()) } else { Err("something is left behind".to_owned()) }
    }
}
