//! The promise that nothing runs again without need.
//!
//! A map task whose output was reported, and can be read as far as the core was told, runs no
//! second time. What counts as need:
//!
//! - the volume that the output lies on is lost, as the manager says;
//! - a reader reported just this output as missing, damaged or unreachable;
//! - a reader reported an output as unreachable on a volume that no executor mounts: then all on it
//!   are;
//! - the program has given up the cache that it was stored for.
//!
//! And a task of which an attempt is out runs no second time before that attempt has ended (failed,
//! was killed), its executor was lost before its report came, or it was cancelled. A result that
//! was reported is never computed again.
//!
//! Barrier stages run again as a whole. Map stages that are random, or read something that is, may
//! also be rolled back. What is a need
//! there is the scheduler's own simulation's business, which looks into it; here they are left out.

use super::promises::{Launched, Link};
use driver::message::Connection;
use model::executor::{Outcome, Registration, TaskEnd};
use model::{
    Attempt, BlockProblem, MapOutput, MapOutputId, ShuffleId, StageId, TaskFailure, TaskId,
    Unreadable, VolumeId,
};
use std::collections::{BTreeMap, BTreeSet};

/// The first attempt whose output may count.
type Floor = (StageId, u32);

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
    /// The attempt of each task that is out.
    current: BTreeMap<TaskId, Attempt>,
    yielded: BTreeMap<TaskId, Attempt>,
    written: BTreeSet<MapOutputId>,
    /// Map tasks that ran more than once.
    pub(crate) repeated: u64,
}

impl Reruns {
    /// An attempt that was out has ended.
    pub(crate) fn note_end(&mut self, end: &TaskEnd, links: &BTreeMap<Connection, Link>) {
        let TaskEnd { attempt, outcome, .. } = end;
        let is_current = self.current.get(&attempt.task) == Some(attempt);
        if is_current {
            self.current.remove(&attempt.task);
        }
        match outcome {
            Outcome::Wrote(output) => self.offer(output),
            Outcome::Yielded(_) => {
                if is_current {
                    self.yielded.insert(attempt.task, *attempt);
                }
            }
            Outcome::Failed(TaskFailure::FetchFailed { unreadable, .. }) => {
                self.note_unreadable(unreadable, links);
            }
            Outcome::Failed(_) => {}
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
        if !outdated && !self.lost_volumes.contains(&output.volume) {
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
            for known in [&mut self.current, &mut self.yielded] {
                if known.get(&attempt.task) == Some(attempt) {
                    known.remove(&attempt.task);
                }
            }
        }
    }

    fn need(&mut self, id: MapOutputId) {
        if let Some(output) = self.outputs.remove(&id) {
            self.floors.insert(id, (output.attempt.task.stage, output.attempt.number + 1));
        }
    }

    fn need_all_on(&mut self, volume: &VolumeId) {
        let on = self.outputs.values().filter(|output| output.volume == *volume);
        for id in on.map(|output| output.id).collect::<Vec<_>>() {
            self.need(id);
        }
    }

    /// Each launch of a turn is needed.
    pub(crate) fn check(&mut self, launches: &[Launched]) -> Result<(), String> {
        for Launched { attempt, writes, cancelled } in launches {
            // In the turn of its launch its output came from elsewhere, or its job ended.
            if *cancelled {
                continue;
            }
            let task = attempt.task;
            if self.yielded.contains_key(&task) {
                return Err(format!("{attempt} runs again though its result is there"));
            }
            if let Some(other) = self.current.insert(task, *attempt) {
                return Err(format!("{attempt} runs beside {other}"));
            }
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
