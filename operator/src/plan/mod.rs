//! One pass over one application: from what is there to what is to be done. Pure; time and chance are arguments.
//!
//! The order in which its outcome is carried out is part of it. First the status is written, over the version that was read and no
//! other; if that fails, nothing else is done and the next pass begins anew. Then come the changes. If there are any, the status is
//! written even if it is the same: a pass over an old version must not change anything. So what was decided is known before it is
//! done, an end is written down before its evidence is deleted, and of two operators one goes on.

mod application;
mod children;
mod conditions;
mod executors;
mod transitions;

pub use application::Application;
pub use executors::Fact;

use crate::observe::{Observed, PodFacts};
use crate::settings::Settings;
use crate::submission::SubmissionId;
use crd::{SparkApplicationStatus, State};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use k8s_openapi::jiff::Timestamp;
use model::launch;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a pass looks at besides the application and its children.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Settings of the operator.
    pub settings: &'a Settings,
    /// The time.
    pub now: Timestamp,
    /// Makes secrets that nobody else has, should they be needed.
    pub fresh: fn() -> Secrets,
}

/// What an application's processes are given and nobody else has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The token, as its text.
    pub token: launch::Secret,
    /// The TLS identity, as its text; it is used if the application asks for encryption.
    pub identity: launch::Secret,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pass {
    /// The status, to be written first if it differs from what was read or if there are changes.
    pub status: SparkApplicationStatus,
    /// What is to be changed then, in this order.
    pub changes: Vec<Change>,
    /// The complete facts for the driver, if one is attached.
    pub tell: Option<BTreeMap<u64, Fact>>,
    /// What people should hear of.
    pub events: Vec<Event>,
    /// When to come again, if nothing happens before.
    pub again: Option<Duration>,
    /// Whether the children have to be asked of the API server, and the pass repeated, because a watch may be late.
    pub look: bool,
}

/// A change of the cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Makes an object. If there is one of its name already, that one stays as it is, and the next pass sees it.
    Create(Object),
    /// Removes a pod, if it is still this one.
    DeletePod {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Whether to wait for its node's word.
        how: Ending,
    },
    /// Marks an executor's pod as one whose end is written down.
    Retire {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
    /// Removes the application; its children go with it.
    DeleteApplication,
}

/// How a pod is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With its grace period.
    Graceful,
    /// At once: its node does not answer.
    Forced,
}

/// An object to make.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Object {
    Secret(Box<Secret>),
    Claim(Box<PersistentVolumeClaim>),
    Pod(Box<Pod>),
}

/// Something that people should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whether it is a bad thing.
    pub warning: bool,
    /// One word.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// What follows from what is seen.
pub fn pass(app: &Application, seen: &Observed, circumstances: Circumstances<'_>) -> Pass {
    let status = app.status.clone();
    if app.deleting {
        // All children have it as their owner and go with it.
        return Pass { status, ..Pass::default() };
    }
    let mut passing = Passing { app, seen, with: circumstances, status, pass: Pass::default() };
    passing.advance();
    passing.children();
    passing.executors();
    passing.conditions();
    passing.finish()
}

/// A pass on its way.
struct Passing<'a> {
    app: &'a Application,
    seen: &'a Observed,
    with: Circumstances<'a>,
    status: SparkApplicationStatus,
    pass: Pass,
}

impl Passing<'_> {
    fn state(&self) -> State {
        self.status.application_state.state
    }

    /// The submission that counts.
    fn submission(&self) -> Option<SubmissionId> {
        self.status.submission_id.as_deref()?.parse().ok()
    }

    fn is_current(&self, pod: &PodFacts) -> bool {
        self.status.submission_id.as_ref() == Some(&pod.submission)
    }

    /// The pod of the submission that counts.
    fn driver(&self) -> Option<&PodFacts> {
        self.seen.drivers.iter().find(|driver| self.is_current(driver))
    }

    /// Whether the submission that counts should have a driver.
    fn is_live(&self) -> bool {
        self.state().is_live()
    }

    /// Comes again after this time, or earlier.
    fn again(&mut self, wait: Duration) {
        let sooner = self.pass.again.is_none_or(|known| wait < known);
        if sooner {
            self.pass.again = Some(wait);
        }
    }

    /// Whether the time has come; if not, the pass comes again then.
    fn is_due(&mut self, time: Timestamp) -> bool {
        match Duration::try_from(time.duration_since(self.with.now)) {
            Ok(wait) if !wait.is_zero() => {
                self.again(wait);
                false
            }
            Ok(_) | Err(_) => true,
        }
    }

    /// Whether a pod should be gone for long, and its node does not say anything.
    fn is_stuck(&mut self, pod: &PodFacts) -> bool {
        let wait = self.with.settings.removed_by_force_after;
        pod.end().is_none() && pod.ends_by.is_some_and(|by| self.is_due(after(by, wait)))
    }

    fn event(&mut self, warning: bool, reason: &str, message: impl Into<String>) {
        let event = Event { warning, reason: reason.to_owned(), message: message.into() };
        self.pass.events.push(event);
    }

    fn finish(mut self) -> Pass {
        if !self.state().is_final() {
            self.again(self.with.settings.resync);
        }
        self.pass.status = self.status;
        self.pass
    }
}

/// A time and a wait.
fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
