//! What the scheduler is told and what it commands.

use super::Core;
use crate::message::JobFailed;
use model::JobId;
use scheduler::{Command, Event, JobFailure};
use std::time::Duration;

impl Core {
    /// Tells the scheduler, and does what it says.
    pub(super) fn apply(&mut self, now: Duration, event: Event) {
        for command in self.scheduler.handle(now, event) {
            self.perform(command);
        }
        self.executors.locate(&self.scheduler);
    }

    fn perform(&mut self, command: Command) {
        match command {
            Command::Launch { attempt, executor } => {
                let stage = self.scheduler.stage(attempt.task.stage);
                let planned = stage.and_then(|stage| self.jobs.planned(stage));
                let planned = planned.expect("a launched stage belongs to a job that is not over");
                self.executors.launch(executor, attempt, &planned);
            }
            Command::Cancel { attempt, executor, reason } => {
                self.executors.cancel(executor, attempt, reason);
            }
            Command::Discard { output, reason } => {
                let (map, shuffle) = (output.id.map, output.id.shuffle);
                tracing::debug!("map output {map} of shuffle {shuffle} is discarded: {reason:?}");
                self.executors.discard(&output);
            }
            Command::DeliverResult { job, partition, attempt } => {
                let arrived = self.arrived.take_if(|(arrived, _)| *arrived == attempt);
                let (_, arrived) = arrived.expect("a result is delivered when it arrives");
                self.jobs.deliver(job, partition, arrived);
            }
            Command::JobFinished { job } => self.finish(job, None),
            Command::JobFailed { job, failure } => self.finish(job, Some(failure)),
            Command::StageChanged { stage } => {
                if let Some(stage) = self.scheduler.stage(stage) {
                    self.jobs.log_if_complete(&self.scheduler, stage);
                }
                self.shown.touch();
            }
        }
    }

    fn finish(&mut self, job: JobId, failure: Option<JobFailure>) {
        let failed = failure.map(|failure| {
            let host = match &failure {
                JobFailure::TaskFailed { executor, .. } => self.executors.host(*executor),
                _ => None,
            };
            JobFailed { failure, host }
        });
        let progress = self.scheduler.progress(job);
        self.jobs.finish(job, &progress, failed, &mut self.effects);
        // What the executors keep of stages without a job is of no more use.
        self.executors.forget(|stage| self.scheduler.stage(stage).is_some());
        self.shown.touch();
    }
}
