//! One pass over one schedule: which run is to be made, and which are kept. Pure, as a pass over an application is, and carried out in the
//! same order: first the status, over the version that was read and no other, then the changes.
//!
//! A run is named by the time for which it is made, so that a pass that is repeated names the same run. That it is to be made is written
//! down before it is made; that it was seen is written down, too, and from then on it is never made again, whoever deletes it. Of runs
//! that were missed only the last one is made.

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

/// How soon to look again for a run that has to go.
const GONE_AGAIN: Duration = Duration::from_secs(2);

/// How soon a run that the API server would not make is tried again.
const REFUSED_AGAIN: Duration = Duration::from_secs(10);

/// A last run that lies further in the future was made when the clock was wrong.
const CLOCK_WAS_WRONG: Duration = Duration::from_hours(24);

/// Names of ended runs that the status lists at most.
const MOST_NAMES: usize = 100;

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SchedulePass {
    /// The status, to be written first if it differs from what was read or if there are changes.
    pub status: ScheduledSparkApplicationStatus,
    /// What is to be changed then, in this order.
    pub changes: Vec<ScheduleChange>,
    /// What people should hear of.
    pub events: Vec<Event>,
    /// When to come again, if nothing happens before.
    pub again: Option<Duration>,
    /// Whether runs and pods have to be asked of the API server, and the pass repeated, because a watch may be late.
    pub look: bool,
}

/// A change of a schedule's runs.
#[derive(Debug, Clone, PartialEq)]
pub enum ScheduleChange {
    /// Makes a run. If there is an application of its name already, that one stays as it is.
    Create(Box<SparkApplication>),
    /// Removes a run, if it is still this one.
    Delete {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Version that it must still have, if that matters.
        version: Option<String>,
    },
}

/// What follows from what is seen.
pub fn pass(
    schedule: &ScheduledApplication,
    seen: &Runs,
    settings: &Settings,
    now: Timestamp,
) -> SchedulePass {
    let status = schedule.status.clone();
    if schedule.deleting {
        // All runs have it as their owner and go with it.
        return SchedulePass { status, ..SchedulePass::default() };
    }
    let pass = SchedulePass::default();
    let mut passing = Scheduling { schedule, seen, settings, now, status, pass };
    passing.confirm();
    match &schedule.valid {
        Ok(valid) => {
            passing.schedule(valid);
            passing.keep_history(valid);
        }
        Err(_) => passing.refuse(),
    }
    passing.finish()
}

/// A pass on its way.
struct Scheduling<'a> {
    schedule: &'a ScheduledApplication,
    seen: &'a Runs,
    settings: &'a Settings,
    now: Timestamp,
    status: ScheduledSparkApplicationStatus,
    pass: SchedulePass,
}

impl Scheduling<'_> {
    /// Writes down that the last run was made: from now on its absence is no reason to make it.
    fn confirm(&mut self) {
        if let Some(last) = &self.status.last_run_name {
            self.status.last_run_seen |= self.seen.runs.iter().any(|run| run.name == *last);
        }
    }

    /// It cannot run as it is.
    fn refuse(&mut self) {
        self.status.schedule_state = ScheduleState::FailedValidation;
        self.status.next_run = None;
        self.because("FailedValidation", self.schedule.problems().unwrap_or_default());
    }

    /// Makes the run that is due, if there is one and it may start.
    fn schedule(&mut self, valid: &ValidSchedule) {
        self.find_next(valid);
        self.status.schedule_state = ScheduleState::Scheduled;
        let Some(next) = self.status.next_run.as_ref().map(|time| time.0) else { return };
        let wait = Duration::try_from(next.duration_since(self.now)).unwrap_or_default();
        if valid.suspended {
            self.because("Suspended", "it is suspended".to_owned());
        } else if wait.is_zero() {
            self.begin(valid, next);
        } else {
            self.again(wait);
            self.make_last();
        }
    }

    /// When the next run is due. It is found once and written down; only another schedule changes it.
    fn find_next(&mut self, valid: &ValidSchedule) {
        let now = self.now;
        let last = self.status.last_run.as_ref().map(|time| time.0);
        let is_known = self.status.schedule.as_ref() == Some(&self.schedule.when);
        let after = |time: Timestamp| valid.schedule.next_after(time);
        let is_wrong = last.is_some_and(|last| {
            Duration::try_from(last.duration_since(now)).is_ok_and(|ahead| ahead > CLOCK_WAS_WRONG)
        });
        let next = match self.status.next_run.as_ref().map(|time| time.0) {
            Some(next) if is_known && !is_wrong => Some(next),
            // Never later than it was, so that it comes.
            Some(next) if is_known => after(now).map(|from_now| from_now.min(next)),
            // A new schedule counts from its creation, also if nobody looked at it then; one that was changed counts from now.
            _ if self.status.schedule_state == ScheduleState::New => {
                after(self.schedule.created.unwrap_or(now))
            }
            _ if is_wrong => after(now),
            // A clock that went back is no reason to run again.
            _ => after(last.map_or(now, |last| last.max(now))),
        };
        self.status.next_run = next.map(Time);
        self.status.schedule = Some(self.schedule.when.clone());
    }

    /// A run is due.
    fn begin(&mut self, valid: &ValidSchedule, next: Timestamp) {
        if !self.may_begin(valid.concurrency) {
            return;
        }
        if self.seen.view == View::Cached {
            // A watch may be late, and not show a run that is there.
            self.pass.look = true;
            return;
        }
        let due = valid.schedule.last_due(next, self.now).unwrap_or(next);
        if due > next {
            let message = format!("runs from {next} on were missed; only that of {due} is made");
            self.event(true, "MissSchedule", message);
        }
        let name = crd::run_name(&self.schedule.name, due);
        self.event(false, "SuccessfulCreate", format!("starts SparkApplication {name}"));
        self.status.last_run = Some(Time(due));
        self.status.last_run_name = Some(name);
        self.status.last_run_seen = false;
        self.status.next_run = valid.schedule.next_after(due).map(Time);
        if let Some(next) = &self.status.next_run {
            self.again(Duration::try_from(next.0.duration_since(self.now)).unwrap_or_default());
        }
        self.make_last();
    }

    /// Whether the policy lets another run begin. If it says that runs are replaced, they go first.
    fn may_begin(&mut self, policy: ConcurrencyPolicy) -> bool {
        if policy == ConcurrencyPolicy::Allow {
            return true;
        }
        let active: Vec<&Run> = self.seen.runs.iter().filter(|run| !run.state.is_final()).collect();
        let staying: Vec<&Run> = active.iter().copied().filter(|run| !run.deleting).collect();
        let names = active.iter().map(|run| &run.name).chain(&self.seen.driven);
        let Some(name) = names.min().cloned() else { return true };
        if policy == ConcurrencyPolicy::Forbid && !active.is_empty() {
            self.because("JobAlreadyActive", format!("SparkApplication {name} has not ended"));
            return false;
        }
        if staying.is_empty() {
            // Nobody tells when the last of its pods is gone.
            self.again(GONE_AGAIN);
        } else if self.seen.view == View::Cached {
            // It may have ended.
            self.pass.look = true;
            return false;
        }
        for run in staying {
            self.pass.changes.push(ScheduleChange::Delete {
                name: run.name.clone(),
                uid: run.uid.clone(),
                version: None,
            });
        }
        self.because(
            "Stopping",
            format!("SparkApplication {name} ends before the next run begins"),
        );
        false
    }

    /// Makes the last run, if it was never seen.
    fn make_last(&mut self) {
        let pending = self.status.last_run_name.clone().filter(|_| !self.status.last_run_seen);
        let (Some(name), Some(due)) = (pending, self.status.last_run.clone()) else {
            self.status.reason = None;
            return;
        };
        if self.seen.others.contains(&name) {
            let message = format!("SparkApplication {name} is there and not of this schedule");
            self.because("FailedCreate", message);
            return;
        }
        let refused = self.seen.refused.as_ref().filter(|refused| refused.name == name);
        if let Some(refused) = refused.cloned() {
            let passed = Duration::try_from(self.now.duration_since(refused.at));
            let wait = REFUSED_AGAIN.saturating_sub(passed.unwrap_or_default());
            self.because("FailedCreate", format!("SparkApplication {name}: {}", refused.message));
            if !wait.is_zero() {
                self.again(wait);
                return;
            }
        } else {
            self.status.reason = None;
        }
        let run = objects::run(self.schedule, due.0);
        self.pass.changes.push(ScheduleChange::Create(Box::new(run)));
    }

    /// Keeps the newest of the runs that ended.
    fn keep_history(&mut self, valid: &ValidSchedule) {
        self.status.past_successful_run_names = self.keep(State::Completed, valid.keep_successful);
        self.status.past_failed_run_names = self.keep(State::Failed, valid.keep_failed);
    }

    /// The newest runs that ended in a state; the others go, if they are still as they were seen.
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
        ended.iter().take(most.min(MOST_NAMES)).map(|run| run.name.clone()).collect()
    }

    /// Why no run begins; people hear of it once.
    fn because(&mut self, event: &str, reason: String) {
        if self.status.reason.as_ref() != Some(&reason) {
            let warning = !matches!(event, "Suspended" | "Stopping");
            self.event(warning, event, reason.clone());
            self.status.reason = Some(reason);
        }
    }

    fn event(&mut self, warning: bool, reason: &str, message: String) {
        self.pass.events.push(Event { warning, reason: reason.to_owned(), message });
    }

    /// Comes again after this time, or earlier.
    fn again(&mut self, wait: Duration) {
        let sooner = self.pass.again.is_none_or(|known| wait < known);
        if sooner {
            self.pass.again = Some(wait);
        }
    }

    fn finish(mut self) -> SchedulePass {
        self.again(self.settings.resync);
        self.status.observed_generation = Some(self.schedule.generation);
        self.pass.status = self.status;
        self.pass
    }
}

#[cfg(test)]
mod tests;
