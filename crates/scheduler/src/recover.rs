//! What was there is lost: executors, volumes, map outputs. Their work is asked for again, and only theirs.

use crate::event::{Command, DiscardReason, JobFailure};
use crate::scheduler::Scheduler;
use crate::stage::{Kind, Phase, Stage};
use model::{
    Attempt, BlockProblem, ExecutorId, MapOutputId, StageId, TaskFailure, TaskId, Unreadable,
    VolumeId,
};
use std::collections::BTreeSet;
use std::time::Duration;

impl Scheduler {
    /// Its attempts are over. What it had written stays: that is on volumes.
    pub(crate) fn on_executor_lost(
        &mut self,
        now: Duration,
        executor: ExecutorId,
        app_caused: bool,
        reason: &str,
    ) {
        for (attempt, flight) in self.executors.remove(executor) {
            let failure = TaskFailure::ExecutorLost { app_caused, reason: reason.to_owned() };
            self.fail_attempt(now, attempt, &flight, failure);
        }
    }

    pub(crate) fn on_volume_lost(&mut self, volume: &VolumeId) {
        self.executors.lose_volume(volume);
        let outputs = self.shuffles.on_volume(volume);
        self.lose(each(outputs, DiscardReason::VolumeLost), None);
    }

    /// A task of `reader` could not read map outputs. Those of them that still count are lost, all at once: one by one they would use
    /// up the rounds of the stage. The stage's round failed if the attempt is of the current one, that is, was launched with what
    /// counts now.
    pub(crate) fn on_fetch_failed(
        &mut self,
        now: Duration,
        reader: StageId,
        round: u32,
        failure: TaskFailure,
    ) {
        let TaskFailure::FetchFailed { unreadable, .. } = &failure else { return };
        let until = now + self.limits.resubmit_wait;
        let lost = self.lost_with(unreadable);
        self.count_failed_round(reader, round, failure);
        self.lose(lost, Some(until));
        let Some(stage) = self.stages.get_mut(reader) else { return };
        if stage.rounds.round == round && stage.phase == Phase::Active {
            // Nothing was lost by that: the executor read what had not counted when the attempt was launched.
            stage.rounds.round += 1;
            self.set_phase(reader, Phase::Held { until });
        }
    }

    /// The outputs that are lost if these cannot be read.
    fn lost_with(&self, unreadable: &[Unreadable]) -> Vec<(MapOutputId, DiscardReason)> {
        let mut lost = Vec::new();
        let mut volumes = BTreeSet::new();
        for Unreadable { output: id, written_by, volume, problem } in unreadable {
            let output = self.shuffles.output(*id);
            if output.is_none_or(|o| (o.attempt, &o.volume) != (*written_by, volume)) {
                continue; // it was lost before, and has perhaps been written again
            }
            let reason = DiscardReason::Unreadable(*problem);
            let gone = *problem == BlockProblem::Unreachable && !self.executors.is_mounted(volume);
            if !gone {
                lost.push((*id, reason));
            } else if volumes.insert(volume) {
                // Nobody can serve the others on it either.
                lost.extend(each(self.shuffles.on_volume(volume), reason));
            }
        }
        lost
    }

    fn count_failed_round(&mut self, id: StageId, round: u32, failure: TaskFailure) {
        let limit = self.limits.stage_max_consecutive_attempts;
        let Some(stage) = self.stages.get_mut(id) else { return };
        if stage.rounds.round != round {
            return;
        }
        stage.rounds.failed_in_a_row += 1;
        let attempts = stage.rounds.failed_in_a_row;
        if attempts >= limit {
            stage.rounds.failed_in_a_row = 0; // a job that has it and does not wait for it may yet do so
            let why = JobFailure::StageAborted { stage: id, attempts, failure };
            self.fail_jobs(id, &why);
        }
    }

    /// Map outputs do not count any more. Their tasks run again if that is needed, from `hold` on. Of a stage that cannot be repeated
    /// only they do if it had not been complete: then nobody has read any of it.
    pub(crate) fn lose(
        &mut self,
        outputs: Vec<(MapOutputId, DiscardReason)>,
        hold: Option<Duration>,
    ) {
        for (id, reason) in outputs {
            let Some(output) = self.shuffles.discard(id) else { continue };
            self.agenda.commands.push(Command::Discard { output, reason });
            let Some(writer) = self.stages.writer(id.shuffle) else { continue };
            let Some(stage) = self.stages.get_mut(writer) else { continue };
            let was_complete = stage.is_complete();
            stage.tasks.reopen(id.map);
            if was_complete {
                self.become_incomplete(writer, hold);
            } else {
                self.enqueue(writer);
            }
        }
    }

    /// A map stage was complete and is not any more: those that read it wait, and if there are any, it runs.
    pub(crate) fn become_incomplete(&mut self, id: StageId, hold: Option<Duration>) {
        let Some(stage) = self.stages.get(id) else { return };
        self.agenda.changed.insert(id);
        for child in stage.children.clone() {
            let Some(child_stage) = self.stages.get_mut(child) else { continue };
            let missing = match child_stage.phase {
                Phase::Idle => continue,
                Phase::Waiting { missing } => missing + 1,
                Phase::Held { .. } | Phase::Active => {
                    child_stage.rounds.round += 1;
                    1
                }
            };
            self.set_phase(child, Phase::Waiting { missing });
            self.agenda.requests.push((id, hold));
        }
    }

    /// Holds a stage back for a moment, so that it does not try the same again and again at full speed.
    pub(crate) fn hold(&mut self, id: StageId, now: Duration) {
        if self.stages.get(id).is_some_and(|stage| stage.phase == Phase::Active) {
            self.set_phase(id, Phase::Held { until: now + self.limits.resubmit_wait });
        }
    }

    /// Whether an attempt is the one that its task waits for.
    pub(crate) fn is_current(&self, attempt: Attempt) -> bool {
        let Attempt { task: TaskId { stage, partition }, number } = attempt;
        self.stages.get(stage).is_some_and(|stage| stage.tasks.is_running(partition, number))
    }

    /// Puts the task of an attempt back, if its task waits for that attempt. Returns whether it did.
    pub(crate) fn retry(&mut self, attempt: Attempt) -> bool {
        let current = self.is_current(attempt);
        if let (true, Some(stage)) = (current, self.stages.get_mut(attempt.task.stage)) {
            stage.tasks.reopen(attempt.task.partition);
            self.enqueue(attempt.task.stage);
        }
        current
    }

    /// Stops the current attempts of a stage; their tasks are pending again.
    pub(crate) fn cancel_attempts(&mut self, id: StageId, reason: &str) {
        for attempt in self.executors.attempts_of(id) {
            if self.retry(attempt) {
                self.cancel(attempt, reason);
            }
        }
    }

    /// Tells an executor to stop an attempt that the task does not wait for any more.
    pub(crate) fn cancel(&mut self, attempt: Attempt, reason: &str) {
        if let Some(executor) = self.executors.whereabouts(attempt) {
            let reason = reason.to_owned();
            self.agenda.commands.push(Command::Cancel { attempt, executor, reason });
        }
    }

    /// Fails every job that waits for a stage.
    pub(crate) fn fail_jobs(&mut self, id: StageId, why: &JobFailure) {
        let mut stages = vec![id];
        let mut seen = BTreeSet::new();
        while let Some(id) = stages.pop() {
            let Some(stage) = self.stages.get(id).filter(|_| seen.insert(id)) else { continue };
            match stage.kind {
                Kind::Result { job } => {
                    self.agenda.failures.push((job, why.clone()));
                }
                Kind::Map { .. } => {
                    let requested = |child: &&StageId| {
                        self.stages.get(**child).is_some_and(Stage::is_requested)
                    };
                    stages.extend(stage.children.iter().filter(requested));
                }
            }
        }
    }
}

/// Outputs that are lost for the same reason.
pub(crate) fn each(
    outputs: Vec<MapOutputId>,
    reason: DiscardReason,
) -> Vec<(MapOutputId, DiscardReason)> {
    outputs.into_iter().map(|id| (id, reason)).collect()
}
