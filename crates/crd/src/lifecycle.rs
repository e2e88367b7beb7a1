//! The states of an application, and how one follows from another. The states and their order are those of `sparkoperator.k8s.io`.
//!
//! A step is a function of what was written down, what is seen, what is wanted, and the time. It may be taken again and again, by one
//! operator after another: what was written down before an act says that the act may have happened, and every act may be repeated. What
//! woke the operator is not asked.

use crate::status::{ApplicationState, DriverInfo, SparkApplicationStatus, State};
use crate::validate::Restart;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::SignedDuration;
use std::time::Duration;

/// What is seen of an application's pods. Only those of the current submission count, but for `pods_left`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The driver's pod.
    pub driver: Driver,
    /// Whether any pod of any submission is still there, those that are being deleted among them.
    pub pods_left: bool,
    /// Whether what runs was made from another specification; `suspend` and `timeToLiveSeconds` do not count.
    pub is_outdated: bool,
    /// Why the driver's pod could not be made, if that was just tried.
    pub refusal: Option<String>,
}

/// What is seen of the driver's pod. A pod whose Spark container ended has ended, whatever its other containers do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Driver {
    /// It is not there.
    #[default]
    Absent,
    /// It waits for a node, an image or its start.
    Pending,
    /// It runs.
    Running,
    /// The program ended well.
    Succeeded,
    /// The program failed, or its pod was taken away; with the reason.
    Failed(String),
    /// Its node does not answer.
    Unknown,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Whether nothing may run.
    pub suspend: bool,
    /// Whether and when the program runs again.
    pub restart: Restart,
    /// How long the application stays after its end.
    pub time_to_live: Option<Duration>,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing: what is there is right.
    Keep,
    /// The driver's pod is made, if it is not there.
    Submit,
    /// All pods are deleted.
    RemovePods,
    /// The executors are deleted; the driver's pod stays, for its log.
    RemoveExecutors,
    /// The application itself is deleted.
    DeleteApplication,
}

/// A step: what is written down first, and what is done then.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The status as it is now.
    pub status: SparkApplicationStatus,
    /// What is done.
    pub act: Act,
    /// When to look again even if nothing happens.
    pub wake: Option<Duration>,
}

/// Takes steps until there is something to do or to wait for. `submission` is the id of the next submission, should there be one.
pub fn advance(
    status: &SparkApplicationStatus,
    seen: &Observed,
    wanted: &Wanted,
    submission: &str,
    now: &Time,
) -> Step {
    let mut life = Life { status: status.clone(), seen: seen.clone(), wanted, submission, now };
    // No way through the states is longer than there are states; the bound only makes that sure.
    for _ in 0..16 {
        match life.step() {
            Next::Go(state) => life.go(state),
            Next::Rest(act, wake) => return Step { status: life.status, act, wake },
        }
    }
    Step { status: life.status, act: Act::Keep, wake: Some(Duration::from_secs(1)) }
}

enum Next {
    /// Another state, at once.
    Go(State),
    /// This state, for now.
    Rest(Act, Option<Duration>),
}

const REST: Next = Next::Rest(Act::Keep, None);

struct Life<'a> {
    status: SparkApplicationStatus,
    seen: Observed,
    wanted: &'a Wanted,
    submission: &'a str,
    now: &'a Time,
}

impl Life<'_> {
    fn state(&self) -> State {
        self.status.application_state.state
    }

    fn step(&mut self) -> Next {
        if let Some(state) = self.interrupted() {
            return Next::Go(state);
        }
        match self.state() {
            State::New if self.wanted.suspend => Next::Go(State::Suspended),
            // Pods of an application of the same name, which was deleted, may still be there.
            State::New => self.when_clear(State::Submitted),
            State::Submitted => self.submitted(),
            State::Running | State::Unknown => self.running(),
            State::Succeeding => Next::Go(if self.wanted.restart.again_after_success() {
                State::PendingRerun
            } else {
                State::Completed
            }),
            State::Failing => self.failing(),
            State::SubmissionFailed => self.submission_failed(),
            State::PendingRerun | State::Resuming => self.when_clear(State::Submitted),
            State::Invalidating => self.when_clear(State::PendingRerun),
            State::Suspending => self.when_clear(State::Suspended),
            State::Suspended if self.wanted.suspend => REST,
            State::Suspended => Next::Go(State::Resuming),
            State::Completed | State::Failed => self.ended(),
        }
    }

    /// What the specification interrupts, whatever the application does.
    fn interrupted(&self) -> Option<State> {
        let state = self.state();
        let is_live = !state.is_final() && state != State::New;
        let is_suspended = matches!(state, State::Suspending | State::Suspended);
        if self.wanted.suspend && is_live && !is_suspended {
            return Some(State::Suspending);
        }
        let is_clearing = matches!(
            state,
            State::New | State::PendingRerun | State::Invalidating | State::Resuming
        );
        (self.seen.is_outdated && !is_suspended && !is_clearing).then_some(State::Invalidating)
    }

    fn submitted(&mut self) -> Next {
        if let Some(refusal) = self.seen.refusal.take() {
            self.status.application_state.error_message = Some(refusal);
            return Next::Go(State::SubmissionFailed);
        }
        match &self.seen.driver {
            // It was never seen: whoever wrote that it is submitted may have stopped before it was.
            Driver::Absent if self.status.driver_info.is_none() => Next::Rest(Act::Submit, None),
            Driver::Pending => {
                self.status.driver_info.get_or_insert_default();
                REST
            }
            Driver::Absent
            | Driver::Running
            | Driver::Succeeded
            | Driver::Failed(_)
            | Driver::Unknown => self.running(),
        }
    }

    fn running(&mut self) -> Next {
        let (state, problem) = match self.seen.driver.clone() {
            Driver::Absent => (State::Failing, Some("driver pod not found".to_owned())),
            // A pod never goes back from running to waiting: this is what is still known of it.
            Driver::Pending => return REST,
            Driver::Running => (State::Running, None),
            Driver::Succeeded => (State::Succeeding, None),
            Driver::Failed(reason) => (State::Failing, Some(reason)),
            Driver::Unknown => (State::Unknown, None),
        };
        self.status.driver_info.get_or_insert_default();
        if problem.is_some() {
            self.status.application_state.error_message = problem;
        }
        if state == self.state() { REST } else { Next::Go(state) }
    }

    fn failing(&self) -> Next {
        let runs = u32::try_from(self.status.execution_attempts).unwrap_or(0);
        match self.wanted.restart.wait_after_failure(runs) {
            None => Next::Go(State::Failed),
            Some(wait) => {
                let last = self.status.termination_time.as_ref();
                self.after(last, wait, |_| Next::Go(State::PendingRerun))
            }
        }
    }

    fn submission_failed(&self) -> Next {
        let tries = u32::try_from(self.status.submission_attempts).unwrap_or(0);
        match self.wanted.restart.wait_after_submission(tries) {
            None => Next::Go(State::Failed),
            Some(wait) => {
                let last = self.status.last_submission_attempt_time.as_ref();
                self.after(last, wait, |life| life.when_clear(State::Submitted))
            }
        }
    }

    /// The next state as soon as no pods are left.
    fn when_clear(&self, next: State) -> Next {
        if self.seen.pods_left { Next::Rest(Act::RemovePods, None) } else { Next::Go(next) }
    }

    fn ended(&mut self) -> Next {
        let rest = |wake| Next::Rest(Act::RemoveExecutors, wake);
        // Without a time of its end it would be deleted at once.
        self.status.termination_time.get_or_insert_with(|| self.now.clone());
        let Some(stay) = self.wanted.time_to_live else { return rest(None) };
        match self.left(self.status.termination_time.as_ref(), stay) {
            None => Next::Rest(Act::DeleteApplication, None),
            left => rest(left),
        }
    }

    /// What `then` says once some time has passed since `since`; until then, rest.
    fn after(&self, since: Option<&Time>, wait: Duration, then: impl Fn(&Self) -> Next) -> Next {
        match self.left(since, wait) {
            None => then(self),
            // The executors of a run that failed have nothing to wait for.
            left => Next::Rest(Act::RemoveExecutors, left),
        }
    }

    /// How much of a time is left; nothing if it has passed, or nobody knows since when it goes.
    fn left(&self, since: Option<&Time>, time: Duration) -> Option<Duration> {
        let passed = self.now.0.duration_since(since?.0);
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        let left = time.saturating_sub(passed);
        Duration::try_from(left).ok().filter(|left| !left.is_zero())
    }

    /// Enters a state, and writes down what begins or ends with it.
    fn go(&mut self, state: State) {
        let before = self.state();
        let status = &mut self.status;
        match state {
            State::Submitted => {
                if matches!(before, State::PendingRerun | State::Resuming | State::New) {
                    status.submission_attempts = 0;
                    status.execution_attempts = status.execution_attempts.saturating_add(1);
                }
                status.submission_attempts = status.submission_attempts.saturating_add(1);
                status.submission_id = Some(self.submission.to_owned());
                status.last_submission_attempt_time = Some(self.now.clone());
                status.termination_time = None;
                status.driver_info = None;
                status.spark_application_id = None;
                status.progress = None;
                status.application_state = ApplicationState::default();
                // What was seen belongs to another submission.
                self.seen.driver = Driver::Absent;
                self.seen.refusal = None;
            }
            State::Invalidating | State::Suspended => {
                status.execution_attempts = 0;
                status.submission_attempts = 0;
                self.seen.is_outdated = false;
            }
            State::Succeeding | State::Failing => status.termination_time = Some(self.now.clone()),
            State::New
            | State::Running
            | State::Completed
            | State::Failed
            | State::SubmissionFailed
            | State::PendingRerun
            | State::Suspending
            | State::Resuming
            | State::Unknown => {}
        }
        if matches!(state, State::Running | State::Succeeding | State::Completed) {
            status.application_state.error_message = None;
        }
        status.application_state.state = state;
    }
}

/// Writes down that the driver's pod is there, so that its absence later means that it was lost.
pub fn confirm(status: &mut SparkApplicationStatus, pod: &str) {
    let info = status.driver_info.get_or_insert_with(DriverInfo::default);
    info.pod_name = Some(pod.to_owned());
}

#[cfg(test)]
mod tests;
