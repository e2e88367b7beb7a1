//! What executors say.

use super::{Arrived, Core, Effect, REASON_WAIT};
use crate::message::Connection;
use crate::rows::Piece;
use model::executor::{Outcome, Registration, Report, TaskEnd, ToExecutor};
use model::{Attempt, ExecutorId, MapOutput, TaskFailure, TaskMetrics};
use scheduler::{Event, Stage, TaskProgress, TaskState};
use std::time::Duration;

impl Core {
    pub(super) fn on_executor_attached(
        &mut self,
        now: Duration,
        serial: u64,
        mut registration: Registration,
    ) {
        let executor = registration.executor;
        let connection = Connection { executor, serial };
        // It tells its cores; a task may take several.
        let cores = registration.slots;
        registration.slots = self.rules.wanted.slots_of(cores);
        let attached = self.kinds.check(registration.profile);
        let attached = attached.and_then(|()| self.executors.attach(now, serial, &registration));
        if let Err(refusal) = attached {
            self.effects.push(Effect::Refuse { connection, refusal });
            return;
        }
        let Registration { host, profile, slots, volumes, .. } = registration;
        tracing::info!("{executor} on {host} registered, {slots} slots");
        let welcome =
            ToExecutor::Welcome { heartbeat: self.rules.heartbeat, timeout: self.rules.timeout };
        self.effects.push(Effect::Accept { connection });
        self.executors.tell(executor, welcome, &mut self.effects);
        let retired = self.executors.is_retired(executor);
        if retired {
            self.executors.leave_when_idle(executor);
        }
        let slots = if retired { 0 } else { cores };
        let (volumes, found): (Vec<_>, Vec<_>) = volumes.into_iter().unzip();
        let outputs: Vec<MapOutput> = found.into_iter().flatten().collect();
        if !outputs.is_empty() {
            self.apply(now, Event::MapOutputsFound { outputs });
        }
        let volumes = volumes.into_iter().collect();
        self.apply(now, Event::ExecutorRegistered { executor, host, profile, slots, volumes });
        self.shown.touch();
    }

    pub(super) fn on_report(&mut self, now: Duration, connection: Connection, report: Report) {
        if !self.executors.hears(now, connection) {
            return;
        }
        let executor = connection.executor;
        match report {
            Report::Heartbeat { running_tasks: _, progress } => {
                for (attempt, metrics) in progress {
                    self.note_progress(now, attempt, metrics);
                }
            }
            Report::Part { attempt, bytes } => {
                self.on_piece(now, executor, (attempt, Piece::Free(bytes)));
            }
            Report::Ends(ends) => {
                for end in ends {
                    self.on_task_end(now, executor, end);
                }
                self.shown.touch();
            }
            Report::Barrier { attempt, message } => {
                self.on_barrier(now, executor, (attempt, message));
            }
            Report::Moved { output, copy } => self.on_moved(now, executor, (output, copy)),
            Report::Decommission { reason } => {
                self.retire(now, executor, &reason);
                self.executors.leave_when_idle(executor);
            }
        }
    }

    pub(super) fn on_yield(
        &mut self,
        now: Duration,
        connection: Connection,
        (attempt, piece): (Attempt, Piece),
    ) {
        if self.executors.hears(now, connection) {
            self.on_piece(now, connection.executor, (attempt, piece));
        }
    }

    fn on_piece(
        &mut self,
        now: Duration,
        executor: ExecutorId,
        (attempt, piece): (Attempt, Piece),
    ) {
        let result_bytes = self.executors.add_part(executor, attempt, piece);
        if self.rules.max_result_bytes.is_some_and(|limit| result_bytes > limit) {
            // The scheduler fails the job; nobody would read more.
            self.executors.take_parts(executor, attempt);
            self.apply(now, Event::ResultFinished { attempt, result_bytes });
        }
    }

    pub(super) fn on_executor_closed(
        &mut self,
        now: Duration,
        connection: Connection,
        reason: String,
    ) {
        if self.executors.hears(now, connection) {
            let wait = if self.manager.is_attached() { REASON_WAIT } else { Duration::ZERO };
            self.executors.stream_ended(connection.executor, now + wait, reason);
        }
    }

    pub(super) fn on_executor_stuck(&mut self, now: Duration, connection: Connection) {
        if self.executors.hears(now, connection) {
            let reason = "it does not read its stream".to_owned();
            self.lose(now, connection.executor, false, reason);
        }
    }

    fn on_task_end(&mut self, now: Duration, executor: ExecutorId, end: TaskEnd) {
        let TaskEnd { attempt, outcome, metrics, accumulators } = end;
        let parts = self.executors.take_parts(executor, attempt);
        let failed = matches!(&outcome, Outcome::Failed(failure) if !is_stopped(failure));
        self.executors.note_end(executor, attempt, failed);
        self.barriers.clear(attempt);
        if let Some(stage) = self.scheduler.stage(attempt.task.stage) {
            self.jobs.note_metrics(stage, metrics);
        }
        self.note_progress(now, attempt, metrics);
        match outcome {
            Outcome::Wrote(output) => {
                // By Spark's rule, a map task that runs again adds again; but not one of which
                // another attempt was first.
                let partition = attempt.task.partition;
                let is_first = |stage: &&Stage| stage.task(partition) != Some(TaskState::Done);
                if let Some(stage) = self.scheduler.stage(attempt.task.stage).filter(is_first) {
                    let task = (partition, executor);
                    self.jobs.accumulate(stage, task, &accumulators);
                }
                self.apply(now, Event::MapFinished { attempt, output });
            }
            Outcome::Failed(failure) => {
                if failed {
                    tracing::warn!("{attempt} on {executor} failed: {failure}");
                }
                if matches!(failure, TaskFailure::Fenced { .. }) {
                    // Nothing that it starts from now on can succeed.
                    self.want_end(failure.to_string());
                }
                self.apply(now, Event::TaskFailed { attempt, failure });
            }
            Outcome::Yielded(last) => {
                let mut rows = parts.unwrap_or_default();
                rows.push(Piece::Free(last));
                let result_bytes = rows.len();
                self.arrived = Some((attempt, Arrived { rows, executor, accumulators }));
                self.apply(now, Event::ResultFinished { attempt, result_bytes });
                self.arrived = None;
            }
        }
    }

    /// Tells the scheduler how far an attempt is, which launches nothing.
    fn note_progress(&mut self, now: Duration, attempt: Attempt, metrics: TaskMetrics) {
        let rows = metrics.input_rows.saturating_add(metrics.shuffle_read_rows);
        let progress = TaskProgress { rows, run: Duration::from_nanos(metrics.run_nanos) };
        let told = self.scheduler.handle(now, Event::TaskProgressed { attempt, progress });
        debug_assert!(told.is_empty(), "it commands nothing");
    }
}

/// Whether an attempt ended because nobody needed it: not worth a word.
fn is_stopped(failure: &TaskFailure) -> bool {
    matches!(failure, TaskFailure::Killed { .. } | TaskFailure::CommitDenied)
}
