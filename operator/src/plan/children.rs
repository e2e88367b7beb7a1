//! Which of the driver's objects are missing, and which pods are there too many.

use super::transitions::GONE_AGAIN;
use super::{Change, Ending, Object, Passing, after};
use crate::objects::{self, Making};
use crate::observe::PodFacts;
use crd::State;
use kube::ResourceExt;

impl Passing<'_> {
    /// Removes drivers that should not be there, and makes the one that should.
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
            self.again(GONE_AGAIN);
        } else if is_missing && self.is_time_for_the_secret() {
            self.make_driver();
        }
    }

    /// Whether to try to make the secret: not a moment after another one was found in its place. That it is there no more, only the
    /// next try tells.
    fn is_time_for_the_secret(&mut self) -> bool {
        self.seen.secret_taken.is_none_or(|at| self.is_due(after(at, GONE_AGAIN)))
    }

    /// A driver stays while its submission counts, and, once it has ended, as evidence until the next one is due.
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

    /// Removes a pod; by force if it should be gone for long.
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

    /// Makes the driver of the submission, and before it what it needs.
    fn make_driver(&mut self) {
        let (Some(valid), Some(submission)) = (self.app.validated(), self.submission()) else {
            return;
        };
        // Never from another specification than the submission says.
        if submission.specification != self.app.specification {
            return;
        }
        let settings = self.with.settings;
        let making = Making {
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
        for claim in objects::driver_claims(&making) {
            if !self.seen.claims.contains(&claim.name_any()) {
                self.create(Object::Claim(Box::new(claim)));
            }
        }
        self.create(Object::Pod(Box::new(objects::driver_pod(&making))));
    }

    pub(super) fn create(&mut self, object: Object) {
        self.pass.changes.push(Change::Create(object));
    }
}
