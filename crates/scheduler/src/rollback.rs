//! Rollback, because mixed data is a wrong answer: when a stage that may yield other rows runs
//! again, everything made from its earlier rows is discarded too. A job that has already delivered
//! such a result fails.

use crate::event::{Command, DiscardReason, JobFailure};
use crate::scheduler::Scheduler;
use crate::stage::Kind;
use model::{Attempt, JobId, MapOutputId, ShuffleId, StageId, TaskId};
use std::collections::BTreeSet;

impl Scheduler {
    /// Discards all outputs of a stage, and everything made from them.
    pub(crate) fn roll_back(&mut self, shuffle: ShuffleId) {
        self.restart(shuffle);
        self.roll_back_readers(shuffle);
    }

    /// Discards everything made from a shuffle: one of its outputs has other rows than before.
    pub(crate) fn roll_back_readers(&mut self, origin: ShuffleId) {
        let mut seen = BTreeSet::from([origin]);
        let mut reading = vec![origin];
        while let Some(shuffle) = reading.pop() {
            self.restart_results(shuffle, origin);
            for reader in self.shuffles.readers(shuffle).collect::<Vec<_>>() {
                if seen.insert(reader) {
                    self.restart(reader);
                    reading.push(reader);
                }
            }
        }
    }

    /// Has all tasks of a barrier stage run again: those that have succeeded have met tasks that
    /// did not. What was made of its outputs stays; another run yields the same rows.
    pub(crate) fn restart_barrier(&mut self, id: StageId) {
        let Some(stage) = self.stages.get_mut(id) else { return };
        stage.rounds.round += 1;
        let why = "another task of its barrier stage has to run again";
        match stage.kind {
            // Its jobs fail if it has results.
            Kind::Result { .. } => self.cancel_attempts(id, why),
            Kind::Map { shuffle, .. } => {
                let outputs: Vec<_> = self.shuffles.outputs(shuffle).map(|it| it.id).collect();
                for output in outputs.into_iter().filter_map(|id| self.shuffles.discard(id)) {
                    let reason = DiscardReason::BarrierBroken;
                    self.agenda.commands.push(Command::Discard { output, reason });
                }
                self.reopen_all(id, shuffle, why);
            }
        }
        self.agenda.broken.remove(&id);
    }

    /// Discards a stage's outputs, including those that its running attempts are about to commit.
    fn restart(&mut self, shuffle: ShuffleId) {
        let writer = self.stages.writer(shuffle);
        let first_stage = writer.unwrap_or(self.stages.next_id());
        for output in self.shuffles.discard_all(shuffle, (self.epoch, first_stage)) {
            let reason = DiscardReason::RolledBack;
            self.agenda.commands.push(Command::Discard { output, reason });
        }
        if let Some(id) = writer {
            self.reopen_all(id, shuffle, "its input or output was rolled back");
        }
    }

    /// Has all tasks of a map stage run again, whose outputs are discarded.
    fn reopen_all(&mut self, id: StageId, shuffle: ShuffleId, why: &str) {
        self.cancel_attempts(id, why);
        let Some(stage) = self.stages.get_mut(id) else { return };
        let was_complete = stage.is_complete();
        for map in 0..stage.partitions() {
            let number = stage.tasks.next_number(map);
            let first = Attempt { task: TaskId { stage: id, partition: map }, number };
            self.shuffles.raise_floor(MapOutputId { shuffle, map }, self.epoch, first);
            stage.tasks.reopen(map);
        }
        if stage.is_complete() {
            return; // a stage without partitions
        }
        if was_complete {
            self.become_incomplete(id, None);
        } else {
            self.enqueue(id);
        }
    }

    /// Restarts the result stages that read a shuffle. A job fails that has delivered a result, or
    /// whose tasks are launched at most once and have been.
    fn restart_results(&mut self, shuffle: ShuffleId, origin: ShuffleId) {
        let Some(stage) = self.stages.writer(shuffle).and_then(|id| self.stages.get(id)) else {
            return;
        };
        let blamed = self.stages.writer(origin).unwrap_or(stage.id);
        let results: Vec<(StageId, JobId, bool)> = stage
            .children
            .iter()
            .filter_map(|&child| self.stages.get(child))
            .filter_map(|child| match child.kind {
                Kind::Result { job, single_attempt } => {
                    let is_final = child.done() > 0 || (single_attempt && child.launches() > 0);
                    Some((child.id, job, is_final))
                }
                Kind::Map { .. } => None,
            })
            .collect();
        for (id, job, is_final) in results {
            if is_final {
                self.agenda.failures.push((job, JobFailure::NotRepeatable { stage: blamed }));
            } else {
                self.cancel_attempts(id, "its input was rolled back");
            }
        }
    }
}
