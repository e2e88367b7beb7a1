//! What the scheduler is told and what it commands.

use super::Core;
use super::retention::Retained;
use crate::message::JobFailed;
use model::{JobId, StageId};
use scheduler::{Command, Event, JobFailure, Stage};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

impl Core {
    /// Tells the scheduler, and does what it says.
    pub(super) fn apply(&mut self, now: Duration, event: Event) {
        let commands = self.scheduler.handle(now, event);
        let hosts = self.hosts(&commands);
        for command in commands {
            self.perform(now, command, &hosts);
        }
        self.executors.locate(&self.scheduler);
        self.retained.iter_mut().for_each(Retained::touch);
    }

    /// The hosts of the barrier stages that are launched: each with all its tasks.
    fn hosts(&self, commands: &[Command]) -> BTreeMap<StageId, Arc<[String]>> {
        let mut hosts: BTreeMap<StageId, Vec<String>> = BTreeMap::new();
        for command in commands {
            let Command::Launch { attempt, executor } = command else { continue };
            let id = attempt.task.stage;
            if self.scheduler.stage(id).is_some_and(Stage::is_barrier) {
                hosts.entry(id).or_default().push(self.executors.address(*executor));
            }
        }
        hosts.into_iter().map(|(stage, hosts)| (stage, hosts.into())).collect()
    }

    fn perform(
        &mut self,
        now: Duration,
        command: Command,
        hosts: &BTreeMap<StageId, Arc<[String]>>,
    ) {
        match command {
            Command::Launch { attempt, executor } => {
                let stage = self.scheduler.stage(attempt.task.stage);
                let slots = stage.map_or(1, Stage::task_slots);
                let planned = stage.and_then(|stage| self.jobs.planned(stage));
                let planned = planned.expect("a launched stage belongs to a job that is not over");
                let limit = planned.stage().time_limit;
                self.time_limits.begin(attempt.task.stage, now, limit);
                let hosts = hosts.get(&attempt.task.stage).cloned();
                self.executors.launch(executor, (attempt, slots, hosts), planned);
            }
            Command::Cancel { attempt, executor, reason } => {
                self.executors.cancel(executor, attempt, reason);
            }
            Command::Replace { executor, reason } => {
                self.replaced.push((executor, reason));
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
                    self.time_limits.end(stage);
                }
                self.shown.touch();
            }
        }
    }

    fn finish(&mut self, job: JobId, failure: Option<JobFailure>) {
        let failed = failure.map(|failure| {
            let host = match &failure {
                JobFailure::TaskFailed { executor, .. }
                | JobFailure::SingleAttemptFailed { executor, .. } => {
                    self.executors.host(*executor)
                }
                _ => None,
            };
            JobFailed { failure, host, done: Vec::new() }
        });
        let progress = self.scheduler.progress(job);
        self.jobs.finish(job, &progress, failed, &mut self.effects);
        // What the executors keep of stages without a job is of no more use.
        self.executors.forget(|stage| self.scheduler.stage(stage).is_some());
        self.barriers.forget(&self.scheduler);
        self.time_limits.forget(&self.scheduler);
        self.shown.touch();
    }
}
