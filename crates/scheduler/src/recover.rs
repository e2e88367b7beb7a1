//! Recovery from lost executors, volumes and map outputs: only the lost work is done again.

use crate::event::{Command, DiscardReason, JobFailure};
use crate::scheduler::Scheduler;
use crate::stage::{Kind, Phase, Stage};
use model::{
    Attempt, BlockProblem, ExecutorId, MapOutputId, ShuffleId, StageId, TaskFailure, TaskId,
    Unreadable, VolumeId,
};
use std::collections::BTreeSet;
use std::time::Duration;

impl Scheduler {
    /// Ends the executor's attempts. Its outputs stay: they are on volumes.
    pub(crate) fn on_executor_lost(
        &mut self,
        now: Duration,
        executor: ExecutorId,
        app_caused: bool,
        reason: &str,
    ) {
        self.health.remove(executor);
        self.reach.remove(executor);
        for (attempt, flight) in self.executors.remove(executor) {
            // One that did not run has caused nothing.
            let app_caused = app_caused && !flight.is_ahead;
            let failure = TaskFailure::ExecutorLost { app_caused, reason: reason.to_owned() };
            self.fail_attempt(now, attempt, &flight, failure);
        }
    }

    pub(crate) fn on_volume_lost(&mut self, volume: &VolumeId) {
        self.executors.lose_volume(volume);
        let outputs = self.shuffles.on_volume(volume);
        self.lose(each(outputs, DiscardReason::VolumeLost), None);
    }

    /// Handles an attempt of `reader` that could not read map outputs. The named outputs that are
    /// still registered are lost all at once; one by one they would exhaust the stage's rounds. The
    /// failure counts against the stage only if the attempt is of the current round, that is, was
    /// launched with the outputs that are registered now. If it was the attempt's executor that
    /// others do not reach, it says nothing about the outputs.
    pub(crate) fn on_fetch_failed(
        &mut self,
        now: Duration,
        reader: StageId,
        (executor, round): (ExecutorId, u32),
        failure: TaskFailure,
    ) {
        let TaskFailure::FetchFailed { unreadable, .. } = &failure else { return };
        let is_barrier = self.stages.get(reader).is_some_and(|stage| stage.barrier);
        if !is_barrier && self.judge_reach(now, executor, unreadable) {
            return;
        }
        let until = now + self.limits.resubmit_wait;
        let lost = self.lost_with(unreadable);
        let servers = unreadable.iter().filter_map(|it| self.executors.server(&it.volume));
        for executor in servers.collect::<BTreeSet<_>>() {
            self.judge_server(now, executor);
        }
        // Each time, fewer are left of what other applications have made.
        let is_foreign = unreadable.iter().all(|it| it.volume.is_foreign());
        let is_leaving = self.limits.ignore_leaving && self.are_on_leaving_volumes(unreadable);
        let is_ignored = is_foreign || is_leaving;
        if !is_ignored {
            self.count_failed_round(reader, round, failure);
        }
        self.lose(lost, Some(until));
        let Some(stage) = self.stages.get_mut(reader) else { return };
        if stage.rounds.round == round && stage.phase == Phase::Active {
            // That lost nothing: the executor read outputs that were already outdated at the
            // launch.
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
                continue; // lost before, and perhaps already rewritten
            }
            let reason = DiscardReason::Unreadable(*problem);
            let gone = *problem == BlockProblem::Unreachable && !self.executors.is_mounted(volume);
            if !gone {
                lost.push((*id, reason));
            } else if volumes.insert(volume) {
                // Nothing can serve the other outputs on that volume either.
                lost.extend(each(self.shuffles.on_volume(volume), reason));
            }
        }
        lost
    }

    /// Counts a round of a stage that failed as a whole: with a fetch failure, or with any failure
    /// of a task of a barrier stage.
    pub(crate) fn count_failed_round(&mut self, id: StageId, round: u32, failure: TaskFailure) {
        let limit = self.limits.stage_max_consecutive_attempts;
        let Some(stage) = self.stages.get_mut(id) else { return };
        if stage.rounds.round != round {
            return;
        }
        stage.rounds.failed_in_a_row += 1;
        let attempts = stage.rounds.failed_in_a_row;
        if attempts >= limit {
            // A job that does not wait for the stage now may do so later.
            stage.rounds.failed_in_a_row = 0;
            let why = JobFailure::StageAborted { stage: id, attempts, failure };
            self.fail_jobs(id, &why);
        }
    }

    /// Discards map outputs. Their tasks run again if needed, from `hold` on. If a stage that
    /// cannot be repeated was incomplete, only these tasks run again: nothing has read its outputs
    /// yet.
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

    /// Discards the outputs of a shuffle that are no longer wanted. If a job has its stage, they go
    /// with that, so that nothing that is being read disappears.
    pub(crate) fn discard_released(&mut self, shuffle: ShuffleId) {
        if self.shuffles.is_released(shuffle) && self.stages.writer(shuffle).is_none() {
            let outputs = self.shuffles.outputs(shuffle).map(|output| output.id).collect();
            self.lose(each(outputs, DiscardReason::Released), None);
        }
    }

    /// Makes the readers of a stage that is no longer complete wait for it, and requests it if
    /// there are any.
    pub(crate) fn become_incomplete(&mut self, id: StageId, hold: Option<Duration>) {
        let Some(stage) = self.stages.get(id) else { return };
        self.agenda.changed.insert(id);
        if !stage.awaited_by.is_empty() {
            self.agenda.requests.push((id, hold));
        }
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

    /// Holds a stage back for a moment, so that it does not retry at full speed.
    pub(crate) fn hold(&mut self, id: StageId, now: Duration) {
        if self.stages.get(id).is_some_and(|stage| stage.phase == Phase::Active) {
            self.set_phase(id, Phase::Held { until: now + self.limits.resubmit_wait });
        }
    }

    /// Whether an attempt is one that its task waits for.
    pub(crate) fn is_current(&self, attempt: Attempt) -> bool {
        let Attempt { task: TaskId { stage, partition }, number } = attempt;
        self.stages.get(stage).is_some_and(|stage| stage.tasks.is_running(partition, number))
    }

    /// Ends a current attempt without success: its task is pending again, unless another attempt of
    /// it is current too. Returns whether the attempt was current.
    pub(crate) fn retry(&mut self, attempt: Attempt) -> bool {
        let Attempt { task: TaskId { stage: id, partition }, number } = attempt;
        let Some(stage) = self.stages.get_mut(id) else { return false };
        let current = stage.tasks.end(partition, number);
        if current {
            self.dequeue(id);
            self.enqueue(id);
        }
        current
    }

    /// Cancels the current attempts of a stage; their tasks are pending again.
    pub(crate) fn cancel_attempts(&mut self, id: StageId, reason: &str) {
        for attempt in self.executors.attempts_of(id) {
            if self.retry(attempt) {
                self.cancel(attempt, reason);
            }
        }
    }

    /// Cancels an attempt that its task no longer waits for.
    pub(crate) fn cancel(&mut self, attempt: Attempt, reason: &str) {
        if let Some(executor) = self.executors.executor_of(attempt) {
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
                Kind::Result { job, .. } => {
                    self.agenda.failures.push((job, why.clone()));
                }
                Kind::Map { .. } => {
                    let awaiting = stage.awaited_by.iter().map(|job| (*job, why.clone()));
                    self.agenda.failures.extend(awaiting);
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
