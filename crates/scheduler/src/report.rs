//! Reports of executors about attempts. A report is accepted if its attempt is in flight, and
//! decides its task if the attempt is current.

use crate::event::{Command, DiscardReason, JobFailure};
use crate::executors::Flight;
use crate::scheduler::Scheduler;
use crate::shuffles::Offer;
use crate::stage::{Kind, Phase, Stage};
use model::{Attempt, MapOutput, MapOutputId, StageId, TaskFailure, TaskId};
use std::time::Duration;

impl Scheduler {
    pub(crate) fn on_map_finished(&mut self, now: Duration, attempt: Attempt, output: MapOutput) {
        let Some(flight) = self.executors.end(now, attempt) else { return };
        if !self.is_of(attempt, output.id) {
            let message = format!("{attempt} reported the map output of another task");
            self.fail_attempt(now, attempt, &flight, TaskFailure::Hopeless { message });
            return;
        }
        if flight.lost_volumes.contains(&output.volume) {
            self.retry(attempt);
            return;
        }
        let id = output.id;
        if self.is_current(attempt) {
            self.note_pace(now, attempt, &flight);
        }
        let is_taken = self.offer(now, output.clone());
        self.discard_released(id.shuffle);
        if is_taken {
            return;
        }
        if let Some(first) = self.shuffles.output(id) {
            if *first != output {
                self.discard_redundant(output);
            }
        } else {
            // The file is from an outdated attempt and occupies the place of this one's.
            let reason = DiscardReason::RolledBack;
            self.agenda.commands.push(Command::Discard { output, reason });
            if self.retry(attempt) {
                self.count_failure(now, (attempt, &flight), TaskFailure::CommitDenied);
                self.hold(attempt.task.stage, now);
            }
        }
    }

    pub(crate) fn on_result_finished(
        &mut self,
        now: Duration,
        attempt: Attempt,
        result_bytes: u64,
    ) {
        let Some(flight) = self.executors.end(now, attempt) else { return };
        if !self.is_current(attempt) {
            return;
        }
        self.note_pace(now, attempt, &flight);
        let Attempt { task, .. } = attempt;
        let Some(stage) = self.stages.get_mut(task.stage) else { return };
        let Kind::Result { job: id, .. } = stage.kind else { return };
        let Some(job) = self.jobs.live.get_mut(&id) else { return };
        job.result_bytes = job.result_bytes.saturating_add(result_bytes);
        let bytes = job.result_bytes;
        if let Some(limit) = self.limits.max_result_bytes.filter(|&limit| bytes > limit) {
            let failure = JobFailure::ResultTooLarge { bytes, limit };
            self.agenda.failures.push((id, failure));
            return;
        }
        let partition = task.partition;
        let others = stage.tasks.finish(partition);
        let complete = stage.is_complete();
        self.agenda.commands.push(Command::DeliverResult { job: id, partition, attempt });
        self.cancel_others(task, others);
        self.dequeue(task.stage);
        if complete {
            self.judge_executors(now, task.stage);
            self.end_job(id, None);
        }
    }

    pub(crate) fn on_task_failed(&mut self, now: Duration, attempt: Attempt, failure: TaskFailure) {
        if let Some(flight) = self.executors.end(now, attempt) {
            self.fail_attempt(now, attempt, &flight, failure);
        }
    }

    pub(crate) fn on_map_outputs_found(&mut self, now: Duration, outputs: Vec<MapOutput>) {
        for output in outputs {
            if self.shuffles.is_outdated(&output) {
                // Its file would stand where that of another attempt should: that one would run for
                // nothing. That of another application stands in nobody's way.
                if !output.volume.is_foreign() {
                    let reason = DiscardReason::RolledBack;
                    self.agenda.commands.push(Command::Discard { output, reason });
                }
            } else {
                let shuffle = output.id.shuffle;
                self.offer(now, output);
                self.discard_released(shuffle);
            }
        }
    }

    /// Registers an output if its map has none and it is not outdated. Returns whether it was
    /// registered.
    fn offer(&mut self, now: Duration, output: MapOutput) -> bool {
        let id = output.id;
        let stage = self.stages.writer(id.shuffle);
        if stage.and_then(|stage| self.stages.get(stage)?.task(id.map)).is_none() && stage.is_some()
        {
            return false; // the stage has no such partition
        }
        match self.shuffles.offer(output, now) {
            Offer::Present | Offer::Outdated => return false,
            Offer::Registered { same_rows: true } => {}
            Offer::Registered { same_rows: false } => self.roll_back_readers(id.shuffle),
        }
        if let Some(stage) = stage {
            self.finish_map(now, stage, id.map);
        }
        true
    }

    fn finish_map(&mut self, now: Duration, id: StageId, partition: u32) {
        let Some(stage) = self.stages.get_mut(id) else { return };
        let others = stage.tasks.finish(partition);
        let complete = stage.is_complete();
        self.cancel_others(TaskId { stage: id, partition }, others);
        self.dequeue(id);
        if complete {
            self.judge_executors(now, id);
            self.complete(id);
        }
    }

    /// Cancels attempts of a task of which another one was the first to succeed.
    fn cancel_others(&mut self, task: TaskId, others: Vec<u32>) {
        for number in others {
            self.cancel(Attempt { task, number }, "another attempt succeeded");
        }
    }

    fn note_pace(&mut self, now: Duration, attempt: Attempt, flight: &Flight) {
        if let Some(stage) = self.stages.get_mut(attempt.task.stage) {
            stage.pace.note(now, flight);
        }
    }

    /// Discards an output in whose place another one counts already: if that is lost, its task runs
    /// again as if this one had never been.
    fn discard_redundant(&mut self, output: MapOutput) {
        self.shuffles.rule_out(&output);
        self.agenda.commands.push(Command::Discard { output, reason: DiscardReason::Redundant });
    }

    /// Completes a map stage: its readers move on, and stages that only it needed can stop.
    fn complete(&mut self, id: StageId) {
        self.set_phase(id, Phase::Idle);
        let Some(stage) = self.stages.get_mut(id) else { return };
        stage.rounds.failed_in_a_row = 0;
        let parents = stage.parents.clone();
        if !stage.awaited_by.is_empty() {
            self.agenda.awaited.insert(id);
        }
        for child in stage.children.clone() {
            match self.stages.get(child).map(|child| child.phase) {
                Some(Phase::Waiting { missing: 1 }) => self.set_phase(child, Phase::Active),
                Some(Phase::Waiting { missing }) => {
                    self.set_phase(child, Phase::Waiting { missing: missing - 1 });
                }
                Some(Phase::Idle | Phase::Held { .. } | Phase::Active) | None => {}
            }
        }
        self.idle_unless_needed(parents);
    }

    /// Handles the unsuccessful end of an attempt.
    pub(crate) fn fail_attempt(
        &mut self,
        now: Duration,
        attempt: Attempt,
        flight: &Flight,
        failure: TaskFailure,
    ) {
        if !self.retry(attempt) {
            return;
        }
        if let Some(stage) = self.stages.get_mut(attempt.task.stage) {
            stage.tasks.note_failure();
            if stage.is_single_attempt() {
                let executor = flight.executor;
                let why = JobFailure::SingleAttemptFailed { attempt, executor, failure };
                self.fail_jobs(attempt.task.stage, &why);
                return;
            }
            let with_results = matches!(stage.kind, Kind::Result { .. }) && stage.barrier;
            if with_results && (failure.counts() || stage.done() > 0) {
                let why = JobFailure::BarrierFailed { attempt, failure };
                self.fail_jobs(attempt.task.stage, &why);
                return;
            }
        }
        match &failure {
            TaskFailure::FetchFailed { .. } => {
                let on = (flight.executor, flight.round);
                self.on_fetch_failed(now, attempt.task.stage, on, failure);
            }
            TaskFailure::Raised(_)
            | TaskFailure::Hopeless { .. }
            | TaskFailure::ExecutorLost { .. } => {
                if failure.counts() {
                    self.count_failure(now, (attempt, flight), failure);
                }
            }
            TaskFailure::Killed { .. } | TaskFailure::CommitDenied | TaskFailure::Fenced { .. } => {
            }
        }
    }

    /// Counts a failure against a task. Too many, or one that no retry can fix, fail the jobs that
    /// need it.
    fn count_failure(
        &mut self,
        now: Duration,
        (attempt, flight): (Attempt, &Flight),
        failure: TaskFailure,
    ) {
        let Attempt { task, .. } = attempt;
        if failure.counts() {
            let on = (flight.executor, &*flight.host);
            self.note_failure(now, (task.stage, task.partition), on, &failure);
        }
        let limit = self.limits.task_max_failures;
        let Some(stage) = self.stages.get_mut(task.stage) else { return };
        if stage.barrier && !matches!(failure, TaskFailure::Hopeless { .. }) {
            self.count_failed_round(task.stage, flight.round, failure);
            // Other tasks that end for the same reason, such as those of a lost executor, do not
            // count again.
            if let Some(stage) = self.stages.get_mut(task.stage) {
                stage.rounds.round = stage.rounds.round.max(flight.round + 1);
            }
            return;
        }
        let failures = stage.tasks.count_failure(task.partition, stage.rounds.round);
        let hopeless = matches!(failure, TaskFailure::Hopeless { .. });
        if hopeless || failures >= limit {
            // A job that does not wait for the task now may do so later.
            stage.tasks.forget_failures(task.partition);
            let why =
                JobFailure::TaskFailed { attempt, failures, executor: flight.executor, failure };
            self.fail_jobs(task.stage, &why);
        }
    }

    /// Whether a map output belongs to an attempt's task. If the stage is gone, only the partition
    /// can be compared.
    fn is_of(&self, attempt: Attempt, id: MapOutputId) -> bool {
        let shuffle = self.stages.get(attempt.task.stage).map(Stage::shuffle);
        attempt.task.partition == id.map && shuffle.is_none_or(|is| is == Some(id.shuffle))
    }
}
