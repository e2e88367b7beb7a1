//! The driver's missing objects, and the surplus pods.

use super::transitions::DELETION_POLL;
use super::{Change, Ending, Object, PassBuilder, after};
use crate::objects::{self, BuildContext};
use crate::observe::PodFacts;
use crd::State;
use kube::ResourceExt;

impl PassBuilder<'_> {
    /// Deletes drivers that should not exist and creates the one that should.
    pub(super) fn children(&mut self) {
        for driver in &self.seen.drivers {
            if driver.is_ending() || !self.may_stay(driver) {
                self.remove(driver);
            }
        }
        let is_missing = self.state() == State::Submitted
            && self.seen.drivers.is_empty()
            && self.status.driver_info.is_none();
        if is_missing && self.seen.name_taken {
            self.requeue_after(DELETION_POLL);
        } else if is_missing && self.is_time_for_the_secret() {
            self.make_driver();
        }
    }

    /// Whether to try creating the secret: after a foreign one was found in its place, only after a
    /// pause. Only the next attempt shows whether the name is free again.
    fn is_time_for_the_secret(&mut self) -> bool {
        self.seen.secret_taken.is_none_or(|at| self.is_due(after(at, DELETION_POLL)))
    }

    /// A driver stays while its submission is current and, once ended, as evidence until the next
    /// one is due.
    fn may_stay(&self, driver: &PodFacts) -> bool {
        let ended = driver.end().is_some();
        self.is_current(driver)
            && match self.state() {
                State::Submitted | State::Running | State::Unknown => true,
                State::Succeeding | State::Failing | State::Completed | State::Failed => ended,
                State::New
                | State::SubmissionFailed
                | State::PendingRerun
                | State::Invalidating
                | State::Suspending
                | State::Suspended
                | State::Resuming => false,
            }
    }

    /// Deletes a pod; by force if it is long overdue.
    pub(super) fn remove(&mut self, pod: &PodFacts) {
        let how = match pod.ends_by {
            None => Ending::Graceful,
            Some(by) if self.is_due(after(by, self.with.settings.removed_by_force_after)) => {
                Ending::Forced
            }
            Some(_) => return,
        };
        let (name, uid) = (pod.name.clone(), pod.uid.clone());
        self.pass.changes.push(Change::DeletePod { name, uid, how });
    }

    /// Creates the current submission's driver, after the objects it needs.
    fn make_driver(&mut self) {
        let (Some(valid), Some(submission)) = (self.app.validated(), self.submission()) else {
            return;
        };
        // The driver must come from the specification that was submitted.
        if submission.specification != self.app.specification {
            return;
        }
        let settings = self.with.settings;
        let context = BuildContext {
            app: self.app,
            valid,
            settings,
            submission: &submission,
            run: self.runs() + 1,
        };
        if !self.seen.token {
            let secret = objects::token_secret(self.app, (self.with.fresh)());
            self.create(Object::Secret(Box::new(secret)));
        }
        for claim in objects::driver_claims(&context) {
            if !self.seen.claims.contains(&claim.name_any()) {
                self.create(Object::Claim(Box::new(claim)));
            }
        }
        self.create(Object::Pod(Box::new(objects::driver_pod(&context))));
    }

    pub(super) fn create(&mut self, object: Object) {
        self.pass.changes.push(Change::Create(object));
    }
}
