//! One pass over one application: from a snapshot to the work to do. Pure; time and randomness are
//! arguments.
//!
//! The order in which the outcome is carried out is part of the contract. The status is written
//! first, over the version that was read and no other; if that fails, nothing else is done and the
//! next pass starts afresh. The changes follow. If there are any, the status is written even if it
//! is unchanged: a pass over a stale version must not change anything. So every decision is
//! recorded before it takes effect, every end before its evidence is deleted, and of two operators
//! only one proceeds.

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

/// Inputs of a pass besides the application and its children.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Settings of the operator.
    pub settings: &'a Settings,
    /// The time.
    pub now: Timestamp,
    /// Generates fresh secrets, should they be needed.
    pub fresh: fn() -> Secrets,
}

/// Secrets shared by an application's processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The token, as text.
    pub token: launch::Secret,
    /// The TLS identity, as text; used if the application asks for encryption.
    pub identity: launch::Secret,
}

/// The least and the largest number of executors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub min: u32,
    /// The largest.
    pub max: u32,
}

/// Outcome of a pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pass {
    /// The status, to be written first if it differs from the one read or if there are changes.
    pub status: SparkApplicationStatus,
    /// Changes to make afterwards, in this order.
    pub changes: Vec<Change>,
    /// The complete set of facts for the driver, if one is attached.
    pub facts: Option<BTreeMap<u64, Fact>>,
    /// The bounds of dynamic allocation, which it is told, too: they may change while it runs.
    pub bounds: Option<Bounds>,
    /// Kubernetes events to publish.
    pub events: Vec<Event>,
    /// When to requeue, if nothing happens earlier.
    pub requeue_after: Option<Duration>,
    /// Whether to list the children live and repeat the pass, because a watch may lag behind.
    pub refresh: bool,
}

/// A change to the cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Creates an object. An existing object of that name stays as it is, and the next pass sees
    /// it.
    Create(Object),
    /// Deletes a pod, if its uid still matches.
    DeletePod {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Whether to wait for the node's confirmation.
        how: Ending,
    },
    /// Marks an executor's pod as recorded.
    Retire {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
    /// Deletes the application, and with it its children.
    DeleteApplication,
}

/// Mode of a pod's deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With its grace period.
    Graceful,
    /// At once: its node does not answer.
    Forced,
}

/// An object to create.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Object {
    Secret(Box<Secret>),
    Claim(Box<PersistentVolumeClaim>),
    Pod(Box<Pod>),
}

/// A Kubernetes event to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whether it is a warning.
    pub warning: bool,
    /// One word.
    pub reason: String,
    /// Message for people.
    pub message: String,
}

/// Decides what follows from a snapshot.
pub fn pass(app: &Application, seen: &Observed, circumstances: Circumstances<'_>) -> Pass {
    let status = app.status.clone();
    if app.deleting {
        // All children have the application as their owner and go with it.
        return Pass { status, ..Pass::default() };
    }
    let mut builder = PassBuilder { app, seen, with: circumstances, status, pass: Pass::default() };
    builder.advance();
    builder.children();
    builder.executors();
    builder.conditions();
    builder.finish()
}

/// A pass in progress.
struct PassBuilder<'a> {
    app: &'a Application,
    seen: &'a Observed,
    with: Circumstances<'a>,
    status: SparkApplicationStatus,
    pass: Pass,
}

impl PassBuilder<'_> {
    fn state(&self) -> State {
        self.status.application_state.state
    }

    /// The current submission.
    fn submission(&self) -> Option<SubmissionId> {
        self.status.submission_id.as_deref()?.parse().ok()
    }

    fn is_current(&self, pod: &PodFacts) -> bool {
        self.status.submission_id.as_ref() == Some(&pod.submission)
    }

    /// The current submission's pod.
    fn driver(&self) -> Option<&PodFacts> {
        self.seen.drivers.iter().find(|driver| self.is_current(driver))
    }

    /// Whether the current submission should have a driver.
    fn is_live(&self) -> bool {
        self.state().is_live()
    }

    /// Requeues after this time at the latest.
    fn requeue_after(&mut self, wait: Duration) {
        let sooner = self.pass.requeue_after.is_none_or(|known| wait < known);
        if sooner {
            self.pass.requeue_after = Some(wait);
        }
    }

    /// Whether a time has come; if not, the pass is requeued for it.
    fn is_due(&mut self, time: Timestamp) -> bool {
        match Duration::try_from(time.duration_since(self.with.now)) {
            Ok(wait) if !wait.is_zero() => {
                self.requeue_after(wait);
                false
            }
            Ok(_) | Err(_) => true,
        }
    }

    /// Whether a pod's deletion is long overdue and its node does not report.
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
            self.requeue_after(self.with.settings.resync);
        }
        self.pass.status = self.status;
        self.pass
    }
}

/// A time plus a duration.
fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
