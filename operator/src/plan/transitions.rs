//! Transitions between the states of `sparkoperator.k8s.io`. A state is left because of the
//! observed world, never because of what woke the pass.

use super::{Change, PassBuilder, after};
use crate::names;
use crate::observe::{End, PodFacts, PodState, View};
use crate::submission::SubmissionId;
use crd::{DriverInfo, Failure, State};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use model::conf;
use std::fmt::Write as _;
use std::time::Duration;

/// Limit on the transitions of one pass. Exceeding it means a cycle.
const MAX_TRANSITIONS: usize = 16;

/// Interval of checks for pods that are being deleted.
pub(super) const DELETION_POLL: Duration = Duration::from_secs(2);

impl PassBuilder<'_> {
    /// Follows transitions until none applies.
    pub(super) fn advance(&mut self) {
        for _ in 0..MAX_TRANSITIONS {
            let Some(next) = self.next() else { break };
            self.go(next);
        }
        self.observe_generation();
    }

    /// The next state, if a transition applies.
    fn next(&mut self) -> Option<State> {
        match self.state() {
            State::New => self.leave_new(),
            State::Submitted | State::Running | State::Unknown => self.leave_live(),
            State::SubmissionFailed => self.leave_submission_failed(),
            State::Succeeding => Some(self.leave_succeeding()),
            State::Failing => self.leave_failing(),
            State::PendingRerun | State::Resuming => self.leave_waiting(),
            State::Invalidating => self.leave_invalidating(),
            State::Suspending => self.is_all_gone().then_some(State::Suspended),
            State::Suspended => (!self.app.suspended).then(|| {
                self.reset_counts();
                State::Resuming
            }),
            State::Completed | State::Failed => self.leave_final(),
        }
    }

    fn go(&mut self, next: State) {
        self.status.application_state.state = next;
        let error = self.status.application_state.error_message.clone().unwrap_or_default();
        let name = self.app.name.clone();
        let (warning, reason, message) = match next {
            State::Submitted => (false, "SparkApplicationSubmitted", "was submitted"),
            State::Running => (false, "SparkDriverRunning", "runs"),
            State::Completed => (false, "SparkApplicationCompleted", "completed"),
            State::Failed => (true, "SparkApplicationFailed", "failed"),
            State::SubmissionFailed => {
                (true, "SparkApplicationSubmissionFailed", "could not be submitted")
            }
            State::PendingRerun => (true, "SparkApplicationPendingRerun", "will run again"),
            State::Invalidating => {
                (false, "SparkApplicationInvalidating", "was changed and will run again")
            }
            State::Suspending => (false, "SparkApplicationSuspending", "is being suspended"),
            State::Suspended => (false, "SparkApplicationSuspended", "is suspended"),
            State::Resuming => (false, "SparkApplicationResuming", "is resumed"),
            State::Unknown => {
                (true, "SparkDriverUnknown", "has a driver whose node does not answer")
            }
            State::Failing => (true, "SparkDriverFailed", "has a driver that failed"),
            State::Succeeding => (false, "SparkDriverCompleted", "has a driver that completed"),
            State::New => return,
        };
        let failed = matches!(next, State::Failed | State::Failing | State::SubmissionFailed);
        let why = if failed && !error.is_empty() { format!(": {error}") } else { String::new() };
        self.event(warning, reason, format!("SparkApplication {name} {message}{why}"));
    }

    fn leave_new(&mut self) -> Option<State> {
        if let Some(problems) = self.app.problems() {
            return Some(self.refuse(problems));
        }
        if self.app.suspended {
            return Some(State::Suspended);
        }
        self.submit()
    }

    /// Fails an application whose specification cannot be run.
    fn refuse(&mut self, problems: String) -> State {
        self.status.application_state.error_message = Some(problems);
        self.status.termination_time = Some(Time(self.with.now));
        State::Failed
    }

    /// Decides on a submission. The driver is created only after this is recorded.
    fn submit(&mut self) -> Option<State> {
        if self.seen.name_taken {
            self.requeue_after(DELETION_POLL);
            return None;
        }
        let specification = self.app.specification.clone();
        let id = match self.submission() {
            Some(last) => last.next(specification),
            None => SubmissionId::first(specification),
        };
        let status = &mut self.status;
        status.submission_id = Some(id.to_string());
        status.last_submission_attempt_time = Some(Time(self.with.now));
        status.submission_attempts += 1;
        status.termination_time = None;
        status.driver_info = None;
        status.progress = None;
        status.spark_application_id = None;
        status.executors.failed_on_their_own = 0;
        status.application_state.error_message = None;
        status.observed_generation = Some(self.app.generation);
        Some(State::Submitted)
    }

    /// From a submission that should have a driver.
    fn leave_live(&mut self) -> Option<State> {
        match self.driver().cloned() {
            Some(driver) => {
                self.confirm(&driver);
                let lost = self.is_stuck(&driver).then(End::node_lost);
                if let Some(end) = driver.end().cloned().or(lost) {
                    return Some(self.driver_ended(&driver.name, end));
                }
                if let Some(end) = self.executors_failed() {
                    return Some(self.driver_ended(&driver.name, end));
                }
                self.stop_requested().or_else(|| self.as_the_driver_is(&driver))
            }
            None => match self.status.driver_info.clone().and_then(|info| info.pod_name) {
                Some(name) => self.without_driver(&name),
                None => self.before_driver(),
            },
        }
    }

    fn as_the_driver_is(&self, driver: &PodFacts) -> Option<State> {
        let state = match driver.state {
            PodState::Pending { .. } => return None,
            PodState::Running => State::Running,
            PodState::Unknown => State::Unknown,
            PodState::Ended(_) => return None,
        };
        (state != self.state()).then_some(state)
    }

    /// Records that the driver's pod was created: from now on its absence is a loss.
    fn confirm(&mut self, driver: &PodFacts) {
        if self.status.driver_info.is_none() {
            self.status.execution_attempts += 1;
        }
        let info = self.status.driver_info.get_or_insert_with(DriverInfo::default);
        info.pod_name = Some(driver.name.clone());
        let attached = self.seen.attached.as_ref();
        let attached = attached.filter(|attached| attached.submission == driver.submission);
        self.status.spark_application_id = Some(names::application_id(&self.app.uid));
        if let Some(progress) = attached.and_then(|attached| attached.progress.clone()) {
            self.status.progress = Some(progress);
        }
    }

    /// No pod, or none seen yet: it is being created.
    fn before_driver(&mut self) -> Option<State> {
        let refused = self.seen.refused.as_ref();
        let refused = refused
            .filter(|refused| Some(&refused.submission) == self.status.submission_id.as_ref());
        if let Some(refused) = refused {
            self.status.application_state.error_message = Some(refused.message.clone());
            self.status.termination_time = Some(Time(self.with.now));
            return Some(State::SubmissionFailed);
        }
        self.stop_requested()
    }

    /// The pod existed and, as far as the snapshot shows, is gone.
    fn without_driver(&mut self, name: &str) -> Option<State> {
        if self.seen.view == View::Cached {
            self.pass.refresh = true;
            return None;
        }
        let attached =
            self.seen.attached.as_ref().filter(|attached| {
                Some(&attached.submission) == self.status.submission_id.as_ref()
            });
        let end = attached.and_then(|attached| attached.ended.clone()).unwrap_or_else(End::deleted);
        Some(self.driver_ended(name, end))
    }

    fn driver_ended(&mut self, name: &str, end: End) -> State {
        self.status.termination_time = Some(Time(self.with.now));
        if end.is_success() {
            return State::Succeeding;
        }
        self.status.application_state.error_message = Some(describe(&end));
        self.status.record(Failure {
            name: name.to_owned(),
            attempt: self.status.execution_attempts,
            exit_code: end.exit_code,
            reason: end.reason,
            message: end.message,
            time: Some(Time(self.with.now)),
        });
        State::Failing
    }

    /// Failure of the run because too many executors failed on their own.
    fn executors_failed(&self) -> Option<End> {
        let valid = self.app.validated()?;
        let given = valid.settings.find(&conf::EXECUTOR_MAX_FAILURES).ok().flatten();
        let limit = given.unwrap_or_else(|| valid.executors.max.saturating_mul(2).max(3));
        // Executors ended from outside, or for unknown reasons, do not count towards the limit.
        let count = self.status.executors.failed_on_their_own;
        if u32::try_from(count).unwrap_or(0) <= limit {
            return None;
        }
        let driver = self.status.driver_info.as_ref().and_then(|info| info.pod_name.as_ref());
        let mut failures = self.status.failures.iter().rev();
        let last = failures.find(|failure| Some(&failure.name) != driver);
        let last =
            last.map(|last| format!("; the last, {}: {} {}", last.name, last.reason, last.message));
        let message = format!("{count} executors failed on their own{}", last.unwrap_or_default());
        let reason = "MaxNumExecutorFailures".to_owned();
        Some(End { exit_code: None, reason, message: message.trim_end().to_owned() })
    }

    /// The application is suspended, or its specification changed.
    fn stop_requested(&mut self) -> Option<State> {
        if self.app.suspended {
            return Some(State::Suspending);
        }
        self.is_changed().then(|| self.invalidate())
    }

    fn invalidate(&mut self) -> State {
        self.status.observed_generation = Some(self.app.generation);
        self.reset_counts();
        State::Invalidating
    }

    fn reset_counts(&mut self) {
        self.status.execution_attempts = 0;
        self.status.submission_attempts = 0;
    }

    /// Whether the submitted specification differs from the current one. The generation must differ
    /// as well as the hash, so that an operator version that hashes differently restarts nothing.
    fn is_changed(&self) -> bool {
        let edited = self.status.observed_generation.is_some_and(|seen| seen < self.app.generation);
        let submitted = self.submission().map(|id| id.specification);
        edited && self.app.valid.is_ok() && submitted.as_ref() != Some(&self.app.specification)
    }

    /// Reports the newest generation as observed, unless it is not acted upon yet.
    fn observe_generation(&mut self) {
        self.status.selector = Some(names::executor_selector(&self.app.name));
        let waits = self.is_live()
            || matches!(self.state(), State::Succeeding | State::Failing)
            || self.state().is_final();
        if !(waits && self.is_changed()) {
            self.status.observed_generation = Some(self.app.generation);
        }
    }

    fn leave_submission_failed(&mut self) -> Option<State> {
        if let Some(state) = self.stop_requested() {
            return Some(state);
        }
        let Some(valid) = self.app.validated() else { return Some(self.refuse_rerun()) };
        let attempts = u32::try_from(self.status.submission_attempts).unwrap_or(u32::MAX);
        let Some(wait) = valid.restart.wait_after_submission(attempts) else {
            return Some(State::Failed);
        };
        if self.is_due_after_submission(wait) && self.is_all_gone() { self.submit() } else { None }
    }

    /// The wait counts from the last submission, as in `sparkoperator.k8s.io`.
    fn is_due_after_submission(&mut self, wait: Duration) -> bool {
        let submitted = self.status.last_submission_attempt_time.as_ref();
        let submitted = submitted.map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        self.is_due(after(submitted, wait))
    }

    fn leave_succeeding(&mut self) -> State {
        let again = self.app.validated().is_some_and(|valid| valid.restart.again_after_success());
        if again {
            self.status.submission_attempts = 0;
            return State::PendingRerun;
        }
        State::Completed
    }

    /// Number of runs of the program so far.
    pub(super) fn runs(&self) -> u32 {
        u32::try_from(self.status.execution_attempts).unwrap_or(u32::MAX)
    }

    /// From a failed run. While it waits for the next one it can be suspended or changed like a
    /// running one.
    fn leave_failing(&mut self) -> Option<State> {
        let Some(valid) = self.app.validated() else { return Some(self.refuse_rerun()) };
        let Some(wait) = valid.restart.wait_after_failure(self.runs()) else {
            return Some(State::Failed);
        };
        if let Some(state) = self.stop_requested() {
            return Some(state);
        }
        self.is_due_after_submission(wait).then(|| {
            self.status.submission_attempts = 0;
            State::PendingRerun
        })
    }

    /// A failed program does not run again if its specification has become invalid.
    fn refuse_rerun(&mut self) -> State {
        let problems = self.app.problems().unwrap_or_default();
        let error = self.status.application_state.error_message.get_or_insert_default();
        let joint = if error.is_empty() { "" } else { "; " };
        let _ = write!(
            error,
            "{joint}it does not run again, because its new specification is refused: {problems}"
        );
        State::Failed
    }

    /// Reruns as soon as nothing of the last run is left.
    fn leave_waiting(&mut self) -> Option<State> {
        if self.app.suspended {
            return Some(State::Suspending);
        }
        if let Some(problems) = self.app.problems() {
            return Some(self.refuse(problems));
        }
        if self.is_all_gone() { self.submit() } else { None }
    }

    fn leave_invalidating(&mut self) -> Option<State> {
        if self.app.suspended {
            return Some(State::Suspending);
        }
        self.is_all_gone().then_some(State::PendingRerun)
    }

    fn leave_final(&mut self) -> Option<State> {
        if self.is_changed() {
            let never_ran = self.status.submission_id.is_none();
            let invalidated = self.invalidate();
            self.status.termination_time = None;
            return Some(if never_ran { State::New } else { invalidated });
        }
        let lives = self.app.time_to_live?;
        let ended = self.status.termination_time.as_ref()?.0;
        if self.is_due(after(ended, lives)) {
            self.pass.changes.push(Change::DeleteApplication);
        }
        None
    }

    /// Whether no driver or executor pod of any submission is left. A lagging watch must not lead
    /// to two drivers.
    fn is_all_gone(&mut self) -> bool {
        let executors = self.seen.executors.values();
        let left = executors.filter(|executor| executor.pod.end().is_none()).count();
        if left > 0 || !self.seen.drivers.is_empty() {
            self.requeue_after(DELETION_POLL);
            return false;
        }
        if self.seen.view == View::Cached {
            self.pass.refresh = true;
            return false;
        }
        true
    }
}

/// Describes a driver's end for people. Of a long message the tail is kept, because the reason is
/// there.
fn describe(end: &End) -> String {
    let code = end.exit_code.map(|code| format!(" with exit code {code}")).unwrap_or_default();
    let what = format!("the driver ended{code} ({})", end.reason);
    let message = end.message.trim();
    if message.is_empty() {
        return what;
    }
    let start = message.ceil_char_boundary(message.len().saturating_sub(crd::MESSAGE_BYTES));
    let cut = if start == 0 { "" } else { "… " };
    format!("{what}: {cut}{}", &message[start..])
}
