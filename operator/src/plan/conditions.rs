//! Conditions of an application: for `kubectl wait`, and for people who ask why.

use super::PassBuilder;
use crate::names;
use crate::objects;
use crate::observe::{PodState, Trouble};
use crd::{ConditionType, State};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Length limit of a condition's message, in bytes.
const MAX_MESSAGE_BYTES: usize = 32_768;

/// Condition reason: an object of another owner has a name that the application needs.
const NAME_TAKEN: &str = "NameTaken";

/// Condition reason: the API server does not do what the application needs.
const BLOCKED: &str = "Blocked";

/// Largest number of claims listed by name.
const MAX_NAMED: usize = 100;

impl PassBuilder<'_> {
    /// Updates the conditions to match the status.
    pub(super) fn conditions(&mut self) {
        self.accepted();
        self.driver_ready();
        self.executors_ready();
        let state = self.state();
        let error = self.status.application_state.error_message.clone().unwrap_or_default();
        let name = name_of(state);
        self.set(ConditionType::Succeeded, state == State::Completed, name, "");
        self.set(ConditionType::Failed, state == State::Failed, name, &error);
        self.set(ConditionType::Suspended, state == State::Suspended, name, "");
        self.progressing();
        self.shuffle_retained();
    }

    /// Whether it makes progress on its own: not when finished or suspended, nor while its driver
    /// cannot start or the API server refuses what it needs.
    fn progressing(&mut self) {
        let state = self.state();
        if let Some(why) = self.seen.obstacle.clone().filter(|_| !state.is_final()) {
            if !self.has(ConditionType::Progressing, BLOCKED) {
                self.event(true, "SparkApplicationBlocked", why.clone());
            }
            self.set(ConditionType::Progressing, false, BLOCKED, &why);
            return;
        }
        let trouble = self.driver().and_then(|driver| match &driver.state {
            PodState::Pending { trouble } => trouble.clone(),
            PodState::Running | PodState::Ended(_) | PodState::Unknown => None,
        });
        match trouble.filter(|_| self.is_live()) {
            _ if self.name_conflict().is_some() && !state.is_final() => {
                self.set(ConditionType::Progressing, false, NAME_TAKEN, "");
            }
            Some(trouble) => {
                self.set(ConditionType::Progressing, false, &trouble.reason, &trouble.message);
            }
            None => {
                let goes_on = !state.is_final() && state != State::Suspended;
                self.set(ConditionType::Progressing, goes_on, name_of(state), "");
            }
        }
    }

    /// Reports where data stays when the application is gone.
    fn shuffle_retained(&mut self) {
        let valid = self.app.validated().filter(|_| self.status.submission_id.is_some());
        let slots = u32::try_from(self.status.executors.slots).unwrap_or(0);
        let completed = self.state() == State::Completed;
        let ended = self.status.termination_time.as_ref().filter(|_| self.state().is_final());
        let end = (completed, ended.map(|ended| ended.0));
        let names = valid.map(|valid| objects::remaining(self.app, valid, slots, end));
        let names = names.unwrap_or_default();
        if names.is_empty() {
            self.unset(ConditionType::ShuffleRetained);
            return;
        }
        let more = match names.len().checked_sub(MAX_NAMED) {
            Some(more) if more > 0 => format!(" and {more} more"),
            _ => String::new(),
        };
        let first = &names[..names.len().min(MAX_NAMED)];
        let message = format!("data stays on {}{more}", first.join(", "));
        self.set(ConditionType::ShuffleRetained, true, "Retained", &message);
    }

    fn accepted(&mut self) {
        match self.app.problems() {
            Some(problems) => self.set(ConditionType::Accepted, false, "Invalid", &problems),
            None => self.set(ConditionType::Accepted, true, "Valid", ""),
        }
        let unsupported: Vec<_> = self.app.unsupported.iter().map(ToString::to_string).collect();
        let type_ = ConditionType::UnsupportedField;
        if unsupported.is_empty() {
            self.unset(type_);
        } else {
            let message = format!("fields without effect: {}", unsupported.join(", "));
            self.set(type_, true, "NotServed", &message);
        }
    }

    /// The foreign object that has a name this application needs.
    fn name_conflict(&self) -> Option<String> {
        if self.status.driver_info.is_some() {
            return None;
        }
        let (what, name, whose) = if self.seen.name_taken {
            ("pod", self.app.driver_name(), "driver")
        } else if self.seen.secret_taken.is_some() && self.is_live() {
            ("secret", names::token_secret(&self.app.name), "token")
        } else {
            return None;
        };
        Some(format!(
            "the {what} {name}, needed for this application's {whose}, has another owner; the application waits until the name is free"
        ))
    }

    fn driver_ready(&mut self) {
        let taken = self.name_conflict();
        let is_taken = taken.is_some();
        let state = self.driver().map(|driver| &driver.state);
        let (ready, reason, message) = match (taken, state) {
            (Some(message), _) => (false, NAME_TAKEN.to_owned(), message),
            (None, Some(PodState::Running)) if self.is_live() => {
                (true, "Running".to_owned(), String::new())
            }
            (None, Some(PodState::Pending { trouble: Some(trouble) })) => {
                (false, trouble.reason.clone(), trouble.message.clone())
            }
            (None, Some(PodState::Pending { trouble: None })) => {
                (false, "Pending".to_owned(), String::new())
            }
            (None, Some(PodState::Unknown)) => (false, "Unknown".to_owned(), String::new()),
            (None, Some(PodState::Ended(end))) => (false, end.reason.clone(), String::new()),
            (None, Some(PodState::Running) | None) => (false, "NotThere".to_owned(), String::new()),
        };
        let is_stuck = matches!(
            self.driver().map(|driver| &driver.state),
            Some(PodState::Pending { trouble: Some(_) })
        );
        let troubled = is_taken || is_stuck;
        if troubled && !self.has(ConditionType::DriverReady, &reason) {
            self.event(true, "SparkDriverPending", format!("{reason}: {message}"));
        }
        self.set(ConditionType::DriverReady, ready, &reason, &message);
    }

    fn executors_ready(&mut self) {
        let counts = self.status.executors;
        let trouble = self.seen.executors.values().find_map(|executor| match &executor.pod.state {
            PodState::Pending { trouble: Some(trouble) } if self.is_current(&executor.pod) => {
                Some((executor.pod.name.clone(), trouble.clone()))
            }
            _ => None,
        });
        let refused =
            self.seen.refused_executor.as_ref().filter(|_| counts.running < counts.desired);
        let refused = refused.map(|refused| {
            let trouble =
                Trouble { reason: refused.reason.clone(), message: refused.message.clone() };
            ("an executor".to_owned(), trouble)
        });
        let unasked = (self.seen.token_lost && self.is_live()).then(|| {
            let message = format!(
                "the secret {} is gone or has another owner now, and without its token the operator cannot reach the driver",
                names::token_secret(&self.app.name)
            );
            ("executors".to_owned(), Trouble { reason: "TokenLost".to_owned(), message })
        });
        let trouble = unasked.or(refused).or(trouble);
        let ready = counts.desired > 0 && counts.running >= counts.desired;
        match trouble {
            Some((pod, trouble)) => {
                let message = format!("{pod}: {}", trouble.message);
                if !self.has(ConditionType::ExecutorsReady, &trouble.reason) {
                    let message = format!("{pod}: {}: {}", trouble.reason, trouble.message);
                    self.event(true, "SparkExecutorPending", message);
                }
                self.set(ConditionType::ExecutorsReady, ready, &trouble.reason, &message);
            }
            None if counts.desired == 0 => {
                self.set(ConditionType::ExecutorsReady, false, "NoneWanted", "");
            }
            None => {
                let message = format!("{} of {} run", counts.running, counts.desired);
                let reason = if ready { "AllRunning" } else { "Missing" };
                self.set(ConditionType::ExecutorsReady, ready, reason, &message);
            }
        }
    }

    /// Whether a condition already has this reason. A failing image pull alternates between two.
    fn has(&self, type_: ConditionType, reason: &str) -> bool {
        let same = |known: &str| match (known, reason) {
            ("ErrImagePull", "ImagePullBackOff") | ("ImagePullBackOff", "ErrImagePull") => true,
            _ => known == condition_reason(reason),
        };
        let mut conditions = self.status.conditions.iter();
        conditions.any(|known| known.type_ == type_.as_str() && same(&known.reason))
    }

    fn unset(&mut self, type_: ConditionType) {
        self.status.conditions.retain(|condition| condition.type_ != type_.as_str());
    }

    /// Sets a condition.
    fn set(&mut self, type_: ConditionType, holds: bool, reason: &str, message: &str) {
        let status = if holds { "True" } else { "False" };
        let condition = Condition {
            type_: type_.as_str().to_owned(),
            status: status.to_owned(),
            reason: condition_reason(reason),
            message: message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)].to_owned(),
            observed_generation: Some(self.app.generation),
            last_transition_time: Time(self.with.now),
        };
        self.status.set_condition(condition);
    }
}

/// A reason in the form that conditions allow: letters and digits, starting with a letter.
fn condition_reason(reason: &str) -> String {
    let kept: String = reason.chars().filter(char::is_ascii_alphanumeric).collect();
    if kept.starts_with(|first: char| first.is_ascii_alphabetic()) {
        kept
    } else {
        format!("Reason{kept}")
    }
}

fn name_of(state: State) -> &'static str {
    match state {
        State::New => "New",
        State::Submitted => "Submitted",
        State::Running => "Running",
        State::Completed => "Completed",
        State::Failed => "Failed",
        State::SubmissionFailed => "SubmissionFailed",
        State::PendingRerun => "PendingRerun",
        State::Invalidating => "Invalidating",
        State::Succeeding => "Succeeding",
        State::Failing => "Failing",
        State::Suspending => "Suspending",
        State::Suspended => "Suspended",
        State::Resuming => "Resuming",
        State::Unknown => "Unknown",
    }
}
