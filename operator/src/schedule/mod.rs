//! One pass over one schedule: which run to create, and which ones to keep. Pure like a pass over
//! an application, and carried out in the same order: first the status, over the version that was
//! read and no other, then the changes.
//!
//! A run is named by the time it was due, so that a repeated pass names the same run. The decision
//! to create it is recorded before it is created; that it was seen is recorded too, and from then
//! on it is never created again, whoever deletes it. Of missed runs only the last one is created.

mod resource;

pub use resource::{RefusedRun, Run, Runs, ScheduledApplication};

use crate::objects;
use crate::observe::View;
use crate::plan::Event;
use crate::settings::Settings;
use crd::{
    ConcurrencyPolicy, ScheduleState, ScheduledSparkApplicationStatus, SparkApplication, State,
    ValidSchedule,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use std::time::Duration;

/// Interval of checks for a run that is being deleted.
const DELETION_POLL: Duration = Duration::from_secs(2);

/// Wait before a run that the API server refused is tried again.
const REFUSED_RETRY: Duration = Duration::from_secs(10);

/// A last run further in the future than this was created while the clock was wrong.
const MAX_CLOCK_SKEW: Duration = Duration::from_hours(24);

/// Limit on the ended runs listed in the status.
const MAX_NAMES: usize = 100;

/// Outcome of a pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SchedulePass {
    /// The status, to be written first if it differs from what was read or if there are changes.
    pub status: ScheduledSparkApplicationStatus,
    /// Changes to make afterwards, in this order.
    pub changes: Vec<ScheduleChange>,
    /// Kubernetes events to publish.
    pub events: Vec<Event>,
    /// When to requeue, if nothing happens earlier.
    pub requeue_after: Option<Duration>,
    /// Whether to list runs and pods live and repeat the pass, because a watch may lag behind.
    pub refresh: bool,
}

/// A change to a schedule's runs.
#[derive(Debug, Clone, PartialEq)]
pub enum ScheduleChange {
    /// Creates a run. An existing application of that name stays as it is.
    Create(Box<SparkApplication>),
    /// Deletes a run, if its uid still matches.
    Delete {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Version that it must still have, if any.
        version: Option<String>,
    },
}

/// Decides what follows from a snapshot.
pub fn pass(
    schedule: &ScheduledApplication,
    seen: &Runs,
    settings: &Settings,
    now: Timestamp,
) -> SchedulePass {
    let status = schedule.status.clone();
    if schedule.deleting {
        // All runs have the schedule as their owner and go with it.
        return SchedulePass { status, ..SchedulePass::default() };
    }
    let pass = SchedulePass::default();
    let mut builder = SchedulePassBuilder { schedule, seen, settings, now, status, pass };
    builder.confirm();
    match &schedule.valid {
        Ok(valid) => {
            builder.schedule(valid);
            builder.keep_history(valid);
        }
        Err(_) => builder.refuse(),
    }
    builder.finish()
}

/// A pass in progress.
struct SchedulePassBuilder<'a> {
    schedule: &'a ScheduledApplication,
    seen: &'a Runs,
    settings: &'a Settings,
    now: Timestamp,
    status: ScheduledSparkApplicationStatus,
    pass: SchedulePass,
}

impl SchedulePassBuilder<'_> {
    /// Records that the last run was created: from now on its absence is no reason to create it.
    fn confirm(&mut self) {
        if let Some(last) = &self.status.last_run_name {
            self.status.last_run_seen |= self.seen.runs.iter().any(|run| run.name == *last);
        }
    }

    /// Records why the specification is refused.
    fn refuse(&mut self) {
        self.status.schedule_state = ScheduleState::FailedValidation;
        self.status.next_run = None;
        self.set_reason("FailedValidation", self.schedule.problems().unwrap_or_default());
    }

    /// Creates the run that is due, if there is one and it may start.
    fn schedule(&mut self, valid: &ValidSchedule) {
        self.find_next(valid);
        self.status.schedule_state = ScheduleState::Scheduled;
        let Some(next) = self.status.next_run.as_ref().map(|time| time.0) else { return };
        let wait = Duration::try_from(next.duration_since(self.now)).unwrap_or_default();
        if valid.suspended {
            self.set_reason("Suspended", "the schedule is suspended".to_owned());
        } else if wait.is_zero() {
            self.start_run(valid, next);
        } else {
            self.requeue_after(wait);
            self.create_last();
        }
    }

    /// Determines when the next run is due. The time is found once and recorded; only a changed
    /// schedule changes it.
    fn find_next(&mut self, valid: &ValidSchedule) {
        let now = self.now;
        let last = self.status.last_run.as_ref().map(|time| time.0);
        let is_known = self.status.schedule.as_ref() == Some(&self.schedule.when);
        let after = |time: Timestamp| valid.schedule.next_after(time);
        let is_wrong = last.is_some_and(|last| {
            Duration::try_from(last.duration_since(now)).is_ok_and(|ahead| ahead > MAX_CLOCK_SKEW)
        });
        let next = match self.status.next_run.as_ref().map(|time| time.0) {
            Some(next) if is_known && !is_wrong => Some(next),
            // Never later than recorded, so that the run does come.
            Some(next) if is_known => after(now).map(|from_now| from_now.min(next)),
            // A new schedule counts from its creation, even if no operator ran then; a changed one
            // counts from now.
            _ if self.status.schedule_state == ScheduleState::New => {
                after(self.schedule.created.unwrap_or(now))
            }
            _ if is_wrong => after(now),
            // A clock that was set back must not repeat a run.
            _ => after(last.map_or(now, |last| last.max(now))),
        };
        self.status.next_run = next.map(Time);
        self.status.schedule = Some(self.schedule.when.clone());
    }

    /// Starts the run that is due.
    fn start_run(&mut self, valid: &ValidSchedule, next: Timestamp) {
        if !self.may_start(valid.concurrency) {
            return;
        }
        if self.seen.view == View::Cached {
            // A lagging watch may not show an existing run.
            self.pass.refresh = true;
            return;
        }
        let due = valid.schedule.last_due(next, self.now).unwrap_or(next);
        if due > next {
            let message = format!("missed runs since {next}; only the one due at {due} is started");
            self.event(true, "MissSchedule", message);
        }
        let name = crd::run_name(&self.schedule.name, due);
        self.event(false, "SuccessfulCreate", format!("starts SparkApplication {name}"));
        self.status.last_run = Some(Time(due));
        self.status.last_run_name = Some(name);
        self.status.last_run_seen = false;
        self.status.next_run = valid.schedule.next_after(due).map(Time);
        if let Some(next) = &self.status.next_run {
            self.requeue_after(
                Duration::try_from(next.0.duration_since(self.now)).unwrap_or_default(),
            );
        }
        self.create_last();
    }

    /// Whether the concurrency policy allows another run to start. `Replace` deletes the active
    /// runs first.
    fn may_start(&mut self, policy: ConcurrencyPolicy) -> bool {
        if policy == ConcurrencyPolicy::Allow {
            return true;
        }
        let active: Vec<&Run> = self.seen.runs.iter().filter(|run| !run.state.is_final()).collect();
        let staying: Vec<&Run> = active.iter().copied().filter(|run| !run.deleting).collect();
        let names = active.iter().map(|run| &run.name).chain(&self.seen.driven);
        let Some(name) = names.min().cloned() else { return true };
        if policy == ConcurrencyPolicy::Forbid && !active.is_empty() {
            self.set_reason("JobAlreadyActive", format!("SparkApplication {name} has not ended"));
            return false;
        }
        if staying.is_empty() {
            // No event announces that the last of its pods is gone.
            self.requeue_after(DELETION_POLL);
        } else if self.seen.view == View::Cached {
            // It may have ended already.
            self.pass.refresh = true;
            return false;
        }
        for run in staying {
            self.pass.changes.push(ScheduleChange::Delete {
                name: run.name.clone(),
                uid: run.uid.clone(),
                version: None,
            });
        }
        self.set_reason(
            "Stopping",
            format!("SparkApplication {name} is stopped before the next run starts"),
        );
        false
    }

    /// Creates the last run, if it was never seen.
    fn create_last(&mut self) {
        let pending = self.status.last_run_name.clone().filter(|_| !self.status.last_run_seen);
        let (Some(name), Some(due)) = (pending, self.status.last_run.clone()) else {
            self.status.reason = None;
            return;
        };
        if self.seen.others.contains(&name) {
            let message = format!(
                "SparkApplication {name} already exists and does not belong to this schedule"
            );
            self.set_reason("FailedCreate", message);
            return;
        }
        let refused = self.seen.refused.as_ref().filter(|refused| refused.name == name);
        if let Some(refused) = refused.cloned() {
            let passed = Duration::try_from(self.now.duration_since(refused.at));
            let wait = REFUSED_RETRY.saturating_sub(passed.unwrap_or_default());
            self.set_reason(
                "FailedCreate",
                format!("SparkApplication {name}: {}", refused.message),
            );
            if !wait.is_zero() {
                self.requeue_after(wait);
                return;
            }
        } else {
            self.status.reason = None;
        }
        let run = objects::scheduled_run(self.schedule, due.0);
        self.pass.changes.push(ScheduleChange::Create(Box::new(run)));
    }

    /// Keeps the newest of the ended runs.
    fn keep_history(&mut self, valid: &ValidSchedule) {
        self.status.past_successful_run_names = self.keep(State::Completed, valid.keep_successful);
        self.status.past_failed_run_names = self.keep(State::Failed, valid.keep_failed);
    }

    /// The newest runs that ended in a state; the others are deleted if their version still
    /// matches.
    fn keep(&mut self, state: State, most: usize) -> Vec<String> {
        let ended = self.seen.runs.iter().filter(|run| run.state == state && !run.deleting);
        let mut ended: Vec<&Run> = ended.collect();
        ended.sort_by(|a, b| (b.due, &b.name).cmp(&(a.due, &a.name)));
        for run in ended.iter().skip(most) {
            self.pass.changes.push(ScheduleChange::Delete {
                name: run.name.clone(),
                uid: run.uid.clone(),
                version: run.version.clone(),
            });
        }
        ended.iter().take(most.min(MAX_NAMES)).map(|run| run.name.clone()).collect()
    }

    /// Sets the reason why no run starts; the event is published once.
    fn set_reason(&mut self, event: &str, reason: String) {
        if self.status.reason.as_ref() != Some(&reason) {
            let warning = !matches!(event, "Suspended" | "Stopping");
            self.event(warning, event, reason.clone());
            self.status.reason = Some(reason);
        }
    }

    fn event(&mut self, warning: bool, reason: &str, message: String) {
        self.pass.events.push(Event { warning, reason: reason.to_owned(), message });
    }

    /// Requeues after this time at the latest.
    fn requeue_after(&mut self, wait: Duration) {
        let sooner = self.pass.requeue_after.is_none_or(|known| wait < known);
        if sooner {
            self.pass.requeue_after = Some(wait);
        }
    }

    fn finish(mut self) -> SchedulePass {
        self.requeue_after(self.settings.resync);
        self.status.observed_generation = Some(self.schedule.generation);
        self.pass.status = self.status;
        self.pass
    }
}

#[cfg(test)]
mod tests;
