//! The promise that nothing runs again without need.
//!
//! A map task whose output was reported, and can be read as far as the core was told, runs no
//! second time. What counts as need:
//!
//! - the volume that the output lies on is lost, as the manager says;
//! - a reader reported just this output as missing, damaged or unreachable;
//! - a reader reported an output as unreachable on a volume that no executor mounts: then all on it
//!   are;
//! - the program has given up the cache that it was stored for;
//! - it was removed after it had lasted long enough.
//!
//! And a task of which an attempt is out runs no second time before that attempt has ended (failed,
//! was killed), its executor was lost before its report came, or it was cancelled; unless it is
//! slow: then a second attempt may run beside it, elsewhere. A result that was reported is never
//! computed again.
//!
//! Barrier stages run again as a whole. Map stages that are random, or read something that is, may
//! also be rolled back. What is a need
//! there is the scheduler's own simulation's business, which looks into it; here they are left out.

use super::promises::{Launched, Link};
use driver::message::Connection;
use model::executor::{Outcome, Registration, TaskEnd};
use model::{
    Attempt, BlockProblem, ExecutorId, MapOutput, MapOutputId, ShuffleId, StageId, TaskFailure,
    TaskId, Unreadable, VolumeId,
};
use scheduler::{Exclusion, LaunchAhead, LocalityWait, Speculation};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// When tasks get second attempts in this world.
pub(crate) const SPECULATION: Speculation = Speculation {
    interval: Duration::from_millis(100),
    multiplier: 2.0,
    quantile: 0.5,
    min_runtime: Duration::from_millis(200),
    duration_threshold: Some(Duration::from_millis(800)),
    executor_slots: 2,
    efficiency: None,
};

/// When tasks wait at executors in this world.
pub(crate) const AHEAD: LaunchAhead = LaunchAhead {
    brisk: Duration::from_millis(300),
    finished: 1,
    depth: 2,
    patience: Duration::from_millis(100),
};

/// How long tasks wait for a slot near their input.
pub(crate) const LOCALITY_WAIT: LocalityWait =
    LocalityWait { executor: Duration::from_millis(300), host: Duration::from_millis(300) };

/// When executors and hosts are excluded, in worlds in which they are.
pub(crate) const EXCLUSION: Exclusion = Exclusion {
    task_attempts_per_executor: 1,
    task_attempts_per_host: 2,
    stage_tasks_per_executor: 1,
    stage_executors_per_host: 2,
    tasks_per_executor: 1,
    executors_per_host: 2,
    timeout: Duration::from_secs(2),
    replaces: false,
    counts_fetch_failures: false,
    unschedulable_timeout: Duration::from_mins(1),
};

/// Whether an attempt runs so long that there may be a second one.
fn is_slow(first: &Out, now: Duration) -> bool {
    now >= first.since + SPECULATION.min_runtime
}

/// The first attempt whose output may count.
type Floor = (StageId, u32);

const NO_FLOOR: Floor = (StageId(0), 0);

/// What is known of what has run.
#[derive(Debug, Default)]
pub(crate) struct Reruns {
    /// Shuffles of stages that yield the same rows each time, and whose tasks run alone.
    pub(crate) repeatable: BTreeSet<ShuffleId>,
    /// Outputs that were reported and for which there is no need to write them again.
    outputs: BTreeMap<MapOutputId, MapOutput>,
    /// Above those for which there was a need.
    floors: BTreeMap<MapOutputId, Floor>,
    lost_volumes: BTreeSet<VolumeId>,
    /// The attempts of each task that are out.
    current: BTreeMap<TaskId, Vec<Out>>,
    yielded: BTreeMap<TaskId, Attempt>,
    written: BTreeSet<MapOutputId>,
    /// Map tasks that ran more than once.
    pub(crate) repeated: u64,
    /// Second attempts of slow tasks.
    pub(crate) copies: u64,
    /// Attempts that were told to stop: what they wrote nevertheless may count or not.
    pub(crate) cancelled: BTreeSet<Attempt>,
    /// Where tasks have failed.
    failed: BTreeMap<TaskId, BTreeSet<ExecutorId>>,
}

/// An attempt that is out.
#[derive(Debug)]
struct Out {
    attempt: Attempt,
    executor: ExecutorId,
    since: Duration,
}

impl Reruns {
    /// An attempt that was out has ended.
    pub(crate) fn note_end(&mut self, end: &TaskEnd, links: &BTreeMap<Connection, Link>) {
        let TaskEnd { attempt, outcome, .. } = end;
        let out = self.take(*attempt);
        let is_current = out.is_some();
        if let (Some(out), Outcome::Failed(failure)) = (out, outcome)
            && failure.counts()
        {
            self.failed.entry(attempt.task).or_default().insert(out.executor);
        }
        match outcome {
            Outcome::Wrote(output) => {
                self.offer(output);
                self.rule_out_redundant(output);
            }
            Outcome::Yielded(_) => {
                if is_current {
                    self.yielded.entry(attempt.task).or_insert(*attempt);
                }
            }
            Outcome::Failed(TaskFailure::FetchFailed { unreadable, .. }) => {
                self.note_unreadable(unreadable, links);
            }
            Outcome::Failed(_) => {}
        }
    }

    /// Forgets an attempt that was out, if it was.
    fn take(&mut self, attempt: Attempt) -> Option<Out> {
        let all = self.current.get_mut(&attempt.task)?;
        let at = all.iter().position(|out| out.attempt == attempt)?;
        Some(all.remove(at))
    }

    /// A task does not run where it failed. Stages that read something may begin anew, and then run
    /// anywhere: they are left out.
    pub(crate) fn check_exclusion(&self, launches: &[Launched]) -> Result<(), String> {
        let failed_there = |launched: &&Launched| {
            let failed = self.failed.get(&launched.attempt.task);
            launched.is_final && failed.is_some_and(|on| on.contains(&launched.executor))
        };
        match launches.iter().find(failed_there) {
            Some(Launched { attempt, .. }) => Err(format!("{attempt} runs where it failed")),
            None => Ok(()),
        }
    }

    /// What was written after another attempt's output counted does not come back.
    fn rule_out_redundant(&mut self, output: &MapOutput) {
        if self.outputs.get(&output.id).is_some_and(|first| first.attempt != output.attempt) {
            let floor = self.floors.entry(output.id).or_insert(NO_FLOOR);
            *floor = (*floor).max((output.attempt.task.stage, output.attempt.number + 1));
        }
    }

    fn note_unreadable(&mut self, unreadable: &[Unreadable], links: &BTreeMap<Connection, Link>) {
        let mounted = |volume: &VolumeId| links.values().any(|link| link.volumes.contains(volume));
        for Unreadable { output: id, written_by, volume, problem } in unreadable {
            let same = |it: &MapOutput| (it.attempt, &it.volume) == (*written_by, volume);
            if self.outputs.get(id).is_some_and(same) {
                self.need(*id);
            }
            if *problem == BlockProblem::Unreachable && !mounted(volume) {
                self.need_all_on(volume);
            }
        }
    }

    fn offer(&mut self, output: &MapOutput) {
        let rank = (output.attempt.task.stage, output.attempt.number);
        let outdated = self.floors.get(&output.id).is_some_and(|floor| rank < *floor);
        let stopped = self.cancelled.contains(&output.attempt);
        if !outdated && !stopped && !self.lost_volumes.contains(&output.volume) {
            self.outputs.entry(output.id).or_insert_with(|| output.clone());
        }
    }

    /// An output has a copy on another volume.
    pub(crate) fn note_moved(&mut self, copy: &MapOutput) {
        let is_lost = self.lost_volumes.contains(&copy.volume);
        let same = self.outputs.get_mut(&copy.id).filter(|it| it.attempt == copy.attempt);
        if let Some(output) = same.filter(|_| !is_lost) {
            *output = copy.clone();
        }
    }

    pub(crate) fn note_lost_volumes(&mut self, volumes: &[VolumeId]) {
        for volume in volumes {
            self.lost_volumes.insert(volume.clone());
            self.need_all_on(volume);
        }
    }

    /// The program has given up the outputs of these shuffles, and wants them again.
    pub(crate) fn note_given_up(&mut self, shuffles: &BTreeSet<ShuffleId>) {
        let of = self.outputs.keys().filter(|id| shuffles.contains(&id.shuffle));
        for id in of.copied().collect::<Vec<_>>() {
            self.need(id);
        }
    }

    /// An output is removed of which no job makes use. Returns whether it counted.
    pub(crate) fn note_removed(&mut self, id: MapOutputId, attempt: Attempt) -> bool {
        let counts = self.outputs.get(&id).is_some_and(|output| output.attempt == attempt);
        if counts {
            self.need(id);
        }
        counts
    }

    /// The outputs of these shuffles may be removed from volumes that nobody mounts.
    pub(crate) fn note_removed_unseen(
        &mut self,
        shuffles: &BTreeSet<ShuffleId>,
        mounted: &BTreeSet<&VolumeId>,
    ) {
        let is_unseen = |output: &&MapOutput| !mounted.contains(&output.volume);
        let of = self.outputs.values().filter(|output| shuffles.contains(&output.id.shuffle));
        for id in of.filter(is_unseen).map(|output| output.id).collect::<Vec<_>>() {
            self.need(id);
        }
    }

    /// The outputs on a volume for which there is no need to write them again.
    pub(crate) fn on_volume(&self, volume: &VolumeId) -> impl Iterator<Item = &MapOutput> {
        self.outputs.values().filter(move |output| output.volume == *volume)
    }

    pub(crate) fn is_lost(&self, volume: &VolumeId) -> bool {
        self.lost_volumes.contains(volume)
    }

    /// An executor brought outputs with it.
    pub(crate) fn note_found(&mut self, registration: &Registration) {
        let found = registration.volumes.iter().flat_map(|(_, outputs)| outputs);
        found.for_each(|output| self.offer(output));
    }

    /// Attempts do not count: they were cancelled, or lost with their executor. Their ends may have
    /// been heard in the same turn, after that was decided.
    pub(crate) fn drop_attempts<'a>(&mut self, attempts: impl Iterator<Item = &'a Attempt>) {
        for attempt in attempts {
            self.take(*attempt);
            if self.yielded.get(&attempt.task) == Some(attempt) {
                self.yielded.remove(&attempt.task);
            }
        }
    }

    fn need(&mut self, id: MapOutputId) {
        if let Some(output) = self.outputs.remove(&id) {
            let floor = self.floors.entry(id).or_insert(NO_FLOOR);
            *floor = (*floor).max((output.attempt.task.stage, output.attempt.number + 1));
        }
    }

    fn need_all_on(&mut self, volume: &VolumeId) {
        let on = self.outputs.values().filter(|output| output.volume == *volume);
        for id in on.map(|output| output.id).collect::<Vec<_>>() {
            self.need(id);
        }
    }

    /// Each launch of a turn is needed.
    pub(crate) fn check(&mut self, now: Duration, launches: &[Launched]) -> Result<(), String> {
        for Launched { attempt, executor, writes, cancelled, .. } in launches {
            // In the turn of its launch its output came from elsewhere, or its job ended.
            if *cancelled {
                continue;
            }
            let task = attempt.task;
            if self.yielded.contains_key(&task) {
                return Err(format!("{attempt} runs again though its result is there"));
            }
            let out = Out { attempt: *attempt, executor: *executor, since: now };
            let beside = self.current.entry(task).or_default();
            match beside.as_slice() {
                [] => {}
                [first] if first.executor != out.executor && is_slow(first, now) => {
                    self.copies += 1;
                }
                others => return Err(format!("{attempt} runs beside {others:?}")),
            }
            beside.push(out);
            let Some(shuffle) = *writes else { continue };
            let id = MapOutputId { shuffle, map: task.partition };
            if self.outputs.contains_key(&id) && self.repeatable.contains(&shuffle) {
                return Err(format!("{attempt} runs again without need: {:?}", self.outputs[&id]));
            }
            self.repeated += u64::from(!self.written.insert(id));
        }
        Ok(())
    }
}
