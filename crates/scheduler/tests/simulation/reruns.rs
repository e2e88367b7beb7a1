//! The promise that nothing runs again without need.
//!
//! A map task whose output was reported runs no second time while that output counts, and an output
//! stops counting only by a `Discard` for which there is a need:
//!
//! - its volume is lost;
//! - a reader that was out has just reported it as missing, damaged or unreachable;
//! - such a reader has reported another output as unreachable, and no executor mounts the volume
//!   that both lie on;
//! - it is of a random stage, or was made of one, and of that stage an output is missing: it can
//!   only be made again as a whole;
//! - it is of a barrier stage, of which an output is missing: its tasks only run together;
//! - it was made of an output that has just been written again with other rows;
//! - it was made of a random stage under an earlier driver: nobody can tell now of which rows.
//!
//! A task of which an attempt is out runs no second time before that attempt was reported as ended,
//! its executor was lost, or it was cancelled; unless that attempt is slow (`copies`). What an
//! attempt reports that was not cancelled is taken, unless its volume was lost meanwhile.

use crate::copies::{self, Beside};
use crate::failures::Failures;
use crate::rows::{MapStage, Nature};
use crate::world::{Tally, index_of};
use model::{
    Attempt, BlockProblem, Epoch, ExecutorId, MapOutput, MapOutputId, ShuffleId, TaskFailure,
    Unreadable, VolumeId,
};
use scheduler::{DiscardReason, Event, Scheduler};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An attempt that is out.
#[derive(Debug)]
struct Flight {
    executor: ExecutorId,
    /// Slots that it takes.
    slots: u32,
    since: Duration,
    is_cancelled: bool,
    lost_volumes: BTreeSet<VolumeId>,
}

/// What is known of what has run.
#[derive(Debug, Default)]
pub(crate) struct Reruns {
    flights: BTreeMap<Attempt, Flight>,
    mounts: BTreeMap<ExecutorId, BTreeSet<VolumeId>>,
    /// Outputs that counted before the event at hand.
    counted: BTreeMap<MapOutputId, MapOutput>,
    /// Row checksum of each map's last output.
    checksums: BTreeMap<MapOutputId, u64>,
    written: BTreeSet<MapOutputId>,
    pub(crate) failures: Failures,
    /// Of the event at hand: what it is, whether its attempt was cancelled or reports another's
    /// output, what a reader reported in it, what it must have registered, what was discarded, and
    /// which shuffles lost something that was not rolled back.
    event: Option<Event>,
    is_cancelled: bool,
    is_adopted: bool,
    unreadable: Vec<Unreadable>,
    owed: Option<MapOutputId>,
    discarded: BTreeSet<MapOutputId>,
    incomplete: BTreeSet<ShuffleId>,
}

impl Reruns {
    /// Takes note of an event before the scheduler sees it.
    pub(crate) fn note(&mut self, event: &Event, epoch: Epoch) {
        self.unreadable.clear();
        self.owed = None;
        self.discarded.clear();
        self.incomplete.clear();
        self.event = Some(event.clone());
        self.is_adopted = false;
        match event {
            Event::ExecutorRegistered { executor, volumes, .. } => {
                self.mounts.insert(*executor, volumes.clone());
            }
            Event::ExecutorLost { executor, app_caused, .. } => {
                self.mounts.remove(executor);
                let reason = String::new();
                let failure = TaskFailure::ExecutorLost { app_caused: *app_caused, reason };
                let lost = |_: &Attempt, flight: &mut Flight| flight.executor == *executor;
                for (attempt, flight) in self.flights.extract_if(.., lost) {
                    if !flight.is_cancelled {
                        self.failures.note(attempt.task, *executor, &failure);
                    }
                }
            }
            Event::VolumeLost { volume } => {
                for volumes in self.mounts.values_mut() {
                    volumes.remove(volume);
                }
                for flight in self.flights.values_mut() {
                    flight.lost_volumes.insert(volume.clone());
                }
            }
            Event::MapFinished { attempt, output } => {
                let flight = self.flights.remove(attempt);
                self.is_adopted = (output.attempt, output.epoch) != (*attempt, epoch);
                self.is_cancelled = flight.as_ref().is_some_and(|flight| flight.is_cancelled);
                if let Some(flight) =
                    flight.as_ref().filter(|it| self.is_adopted && !it.is_cancelled)
                {
                    let (task, denied) = (attempt.task, TaskFailure::CommitDenied);
                    self.failures.note(task, flight.executor, &denied);
                }
                let counts = |flight: &Flight| {
                    let is_there = !flight.lost_volumes.contains(&output.volume);
                    !flight.is_cancelled && is_there && !self.is_adopted
                };
                self.owed = flight.filter(counts).map(|_| output.id);
            }
            Event::TaskFailed { attempt, failure } => {
                let flight = self.flights.remove(attempt);
                if let Some(flight) = flight.as_ref().filter(|flight| !flight.is_cancelled) {
                    self.failures.note(attempt.task, flight.executor, failure);
                }
                let was_out = flight.is_some();
                if let (true, TaskFailure::FetchFailed { unreadable, .. }) = (was_out, failure) {
                    self.unreadable.clone_from(unreadable);
                }
            }
            Event::ResultFinished { attempt, .. } => drop(self.flights.remove(attempt)),
            Event::MapOutputsFound { .. }
            | Event::VolumesLeave { .. }
            | Event::MapOutputMoved { .. }
            | Event::ShuffleReleased { .. }
            | Event::JobSubmitted { .. }
            | Event::JobCancelled { .. }
            | Event::StageOverdue { .. }
            | Event::TaskProgressed { .. }
            | Event::Tick => {}
        }
    }

    /// Attempts of an executor that are out.
    pub(crate) fn taken(&self, executor: ExecutorId) -> u32 {
        let on = self.flights.values().filter(|flight| flight.executor == executor);
        on.map(|flight| flight.slots).sum()
    }

    /// Slots of the attempts of an executor that are out and not cancelled.
    pub(crate) fn taken_by_current(&self, executor: ExecutorId) -> u32 {
        let on = self.flights.values().filter(|flight| flight.executor == executor);
        on.filter(|flight| !flight.is_cancelled).map(|flight| flight.slots).sum()
    }

    /// An executor may be replaced that has nothing to do.
    pub(crate) fn check_replace(&self, executor: ExecutorId) -> Result<(), String> {
        match self.flights.iter().find(|(_, flight)| flight.executor == executor) {
            Some((attempt, _)) => Err(format!("an executor is replaced that runs {attempt}")),
            None => Ok(()),
        }
    }

    pub(crate) fn note_cancel(&mut self, attempt: Attempt) {
        if let Some(flight) = self.flights.get_mut(&attempt) {
            flight.is_cancelled = true;
        }
    }

    /// There is a need to have an output written again.
    pub(crate) fn check_discard(
        &mut self,
        output: &MapOutput,
        reason: DiscardReason,
        (scheduler, stages, epoch): (&Scheduler, &[MapStage], Epoch),
        tally: &mut Tally,
    ) -> Result<(), String> {
        self.discarded.insert(output.id);
        let names = |named: &Unreadable| {
            let same = (named.output, named.written_by) == (output.id, output.attempt);
            same && DiscardReason::Unreadable(named.problem) == reason
        };
        let need = match reason {
            DiscardReason::Unreadable(_) if self.unreadable.iter().any(names) => {
                Some(&mut tally.needed_unreadable)
            }
            DiscardReason::Unreadable(BlockProblem::Unreachable) => {
                self.is_out_of_reach(&output.volume).then_some(&mut tally.needed_out_of_reach)
            }
            DiscardReason::Unreadable(BlockProblem::Missing | BlockProblem::Damaged) => None,
            DiscardReason::VolumeLost => {
                let volume = output.volume.clone();
                let is_lost = self.event == Some(Event::VolumeLost { volume });
                is_lost.then_some(&mut tally.needed_volume_lost)
            }
            DiscardReason::RolledBack => {
                return self.check_roll_back(output, (scheduler, stages, epoch), tally);
            }
            DiscardReason::BarrierBroken => {
                let stage = &stages[index_of(stages, output.id.shuffle)];
                let needed = self.is_incomplete(stage) || self.is_of_several_drivers(stage);
                let needed = stage.barrier && needed;
                needed.then_some(&mut tally.needed_barrier)
            }
            DiscardReason::OutOfRange => None,
            DiscardReason::Redundant => {
                let first = self.counted.get(&output.id);
                if first.is_none_or(|first| first == output) || !self.brings(output) {
                    return Err("an output is discarded that is alone".to_owned());
                }
                tally.redundant += 1;
                self.discarded.remove(&output.id);
                return Ok(());
            }
            // `Promises::check_release` has seen that nobody uses it.
            DiscardReason::Released => {
                self.incomplete.insert(output.id.shuffle);
                return Ok(());
            }
        };
        self.incomplete.insert(output.id.shuffle);
        *need.ok_or("an output is discarded without need")? += 1;
        Ok(())
    }

    fn is_out_of_reach(&self, volume: &VolumeId) -> bool {
        let unreachable = |named: &Unreadable| {
            named.problem == BlockProblem::Unreachable && named.volume == *volume
        };
        let mounted = self.mounts.values().any(|volumes| volumes.contains(volume));
        !mounted && self.unreadable.iter().any(unreachable)
    }

    fn check_roll_back(
        &self,
        output: &MapOutput,
        (scheduler, stages, epoch): (&Scheduler, &[MapStage], Epoch),
        tally: &mut Tally,
    ) -> Result<(), String> {
        let counted = self.counted.get(&output.id) == Some(output);
        if !counted && self.brings(output) {
            // Nothing is lost by that: it did not count, and would be in the way.
            tally.in_the_way += 1;
            return Ok(());
        }
        let above = ancestors(stages, index_of(stages, output.id.shuffle));
        let random = |index: &&usize| stages[**index].nature == Nature::Random;
        let missing = |index: &usize| self.is_incomplete(&stages[*index]);
        let of_random = above.iter().filter(random).any(missing);
        let of_other_rows =
            above[1..].iter().any(|&index| self.has_other_rows(scheduler, &stages[index]));
        let of_earlier = output.epoch < epoch && above[1..].iter().any(|index| random(&index));
        let need = if of_random {
            &mut tally.needed_random
        } else if of_other_rows {
            &mut tally.needed_other_rows
        } else if of_earlier {
            &mut tally.needed_earlier
        } else {
            return Err("an output is rolled back without need".to_owned());
        };
        *need += 1;
        Ok(())
    }

    /// Whether the event at hand names an output: as found, or as what an attempt met in place of
    /// its own.
    fn brings(&self, output: &MapOutput) -> bool {
        match &self.event {
            Some(Event::MapOutputsFound { outputs }) => outputs.contains(output),
            Some(Event::MapFinished { output: met, .. }) => {
                met == output && (self.is_adopted || self.is_cancelled)
            }
            _ => false,
        }
    }

    /// Whether an output of a stage was missing before the event, or was lost by it.
    fn is_incomplete(&self, stage: &MapStage) -> bool {
        let shuffle = stage.shuffle;
        let is_there = |map| self.counted.contains_key(&MapOutputId { shuffle, map });
        self.incomplete.contains(&shuffle) || !(0..stage.partitions).all(is_there)
    }

    /// Whether the outputs of a stage that were there before the event are not of one driver.
    fn is_of_several_drivers(&self, stage: &MapStage) -> bool {
        let output = |map| self.counted.get(&MapOutputId { shuffle: stage.shuffle, map });
        let epochs = (0..stage.partitions).filter_map(output).map(|output| output.epoch);
        epochs.collect::<BTreeSet<_>>().len() > 1
    }

    fn has_other_rows(&self, scheduler: &Scheduler, stage: &MapStage) -> bool {
        // One that has just come may be discarded by the same event: with its barrier, or because
        // the program has given it up.
        let reported = match &self.event {
            Some(Event::MapFinished { output, .. }) => std::slice::from_ref(output),
            Some(Event::MapOutputsFound { outputs }) => outputs,
            _ => &[],
        };
        let reported = reported.iter().filter(|output| output.id.shuffle == stage.shuffle);
        scheduler.map_outputs(stage.shuffle).chain(reported).any(|output| {
            let before = self.checksums.get(&output.id);
            before.is_some_and(|checksum| *checksum != output.row_checksum)
        })
    }

    /// There is a need to run a task, and nobody else is at it.
    pub(crate) fn check_launch(
        &mut self,
        (attempt, executor, now): (Attempt, ExecutorId, Duration),
        scheduler: &Scheduler,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let of_task = |(other, flight): &(&Attempt, &Flight)| {
            other.task == attempt.task && !flight.is_cancelled
        };
        let beside: Vec<Beside> = self
            .flights
            .iter()
            .filter(of_task)
            .map(|(&attempt, &Flight { executor, since, .. })| Beside { attempt, executor, since })
            .collect();
        if !beside.is_empty() {
            let executors = self.mounts.keys().copied();
            copies::check((attempt, executor, now), &beside, executors, scheduler)?;
            tally.copies += 1;
        }
        let stage = scheduler.stage(attempt.task.stage).ok_or("a launch of no stage")?;
        if let Some(shuffle) = stage.shuffle() {
            let id = MapOutputId { shuffle, map: attempt.task.partition };
            if scheduler.map_outputs(shuffle).any(|output| output.id == id) {
                return Err(format!("{attempt} runs though its output is there"));
            }
            tally.reruns += u64::from(self.written.contains(&id));
        }
        let lost_volumes = BTreeSet::new();
        let slots = stage.task_slots();
        let flight = Flight { executor, slots, since: now, is_cancelled: false, lost_volumes };
        self.flights.insert(attempt, flight);
        Ok(())
    }

    /// What counted still does, unless it was discarded; and what was reported does.
    pub(crate) fn check_outputs(
        &mut self,
        scheduler: &Scheduler,
        stages: &[MapStage],
    ) -> Result<(), String> {
        let now = stages.iter().flat_map(|stage| scheduler.map_outputs(stage.shuffle));
        let now: BTreeMap<MapOutputId, MapOutput> = now.map(|o| (o.id, o.clone())).collect();
        let stays = |id: &MapOutputId| now.contains_key(id) || self.discarded.contains(id);
        if let Some(id) = self.counted.keys().find(|id| !stays(id)) {
            return Err(format!("{id:?} is forgotten"));
        }
        if let Some(id) = self.owed.filter(|id| !stays(id)) {
            return Err(format!("{id:?} was written, and does not count"));
        }
        self.checksums.extend(now.values().map(|output| (output.id, output.row_checksum)));
        self.written.extend(now.keys());
        self.counted = now;
        Ok(())
    }
}

/// A stage and all that it reads, directly or not.
fn ancestors(stages: &[MapStage], index: usize) -> Vec<usize> {
    let mut all = vec![index];
    let mut next = 0;
    while next < all.len() {
        all.extend(&stages[all[next]].parents);
        next += 1;
    }
    all
}
