//! Soft state of each application between passes. All of it may be lost: a new operator rebuilds
//! it.

use super::backoff::Backoff;
use super::driver_stream::{Attachment, Peer};
use crate::observe::{Attached, Refused, RefusedExecutor};
use crate::plan::{Bounds, Fact};
use k8s_openapi::jiff::Timestamp;
use proto::Credentials;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
struct SoftState {
    refused: Option<Refused>,
    refused_executor: Option<RefusedExecutor>,
    secret_taken: Option<Timestamp>,
    token_lost: bool,
    refresh: bool,
    backoff: Backoff,
    obstacle: Option<String>,
    credentials: Option<Credentials>,
    attachment: Option<Attachment>,
}

/// Soft state of all applications, by uid.
#[derive(Debug, Default)]
pub(super) struct SoftStates(Mutex<HashMap<String, SoftState>>);

impl SoftStates {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, SoftState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, uid: &str, act: impl FnOnce(&mut SoftState) -> T) -> T {
        act(self.lock().entry(uid.to_owned()).or_default())
    }

    /// Drops an application's state; its stream closes.
    pub(super) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// Drops the state of all applications but these.
    pub(super) fn keep(&self, is_there: impl Fn(&str) -> bool) {
        self.lock().retain(|uid, _| is_there(uid));
    }

    /// Number of open streams to drivers.
    pub(super) fn attached(&self) -> usize {
        let states = self.lock();
        let reports = states.values().filter_map(|state| state.attachment.as_ref()?.report());
        reports.filter(|report| report.ended.is_none()).count()
    }

    /// The driver's last report, and the API server's refusal of the driver.
    pub(super) fn reports(&self, uid: &str) -> (Option<Attached>, Option<Refused>) {
        let states = self.lock();
        states.get(uid).map_or((None, None), |state| {
            let attachment = state.attachment.as_ref();
            (attachment.and_then(Attachment::report), state.refused.clone())
        })
    }

    /// Remembers that the API server refused a submission's driver.
    pub(super) fn refused(&self, uid: &str, refused: Refused) {
        self.with(uid, |state| state.refused = Some(refused));
    }

    /// The API server's current refusal of executors, if any.
    pub(super) fn refused_executor(&self, uid: &str) -> Option<RefusedExecutor> {
        self.lock().get(uid)?.refused_executor.clone()
    }

    /// Remembers a refusal of executors; `None` once one was created again.
    pub(super) fn set_refused_executor(&self, uid: &str, refused: Option<RefusedExecutor>) {
        self.with(uid, |state| state.refused_executor = refused);
    }

    /// When the token secret's name was found taken, and whether a running driver's token is lost.
    pub(super) fn token_secret(&self, uid: &str) -> (Option<Timestamp>, bool) {
        let states = self.lock();
        states.get(uid).map_or((None, false), |state| (state.secret_taken, state.token_lost))
    }

    /// Remembers when the token secret's name was found taken; `None` once it is free.
    pub(super) fn set_secret_taken(&self, uid: &str, at: Option<Timestamp>) {
        self.with(uid, |state| state.secret_taken = at);
    }

    /// Remembers whether a running driver's token is lost.
    pub(super) fn set_token_lost(&self, uid: &str, lost: bool) {
        self.with(uid, |state| state.token_lost = lost);
    }

    /// Makes the next pass read the API server, whatever the watch shows.
    pub(super) fn request_refresh(&self, uid: &str) {
        self.with(uid, |state| state.refresh = true);
    }

    /// Whether this pass must read the API server. Resets the request.
    pub(super) fn take_refresh(&self, uid: &str) -> bool {
        self.lock().get_mut(uid).is_some_and(|state| std::mem::take(&mut state.refresh))
    }

    /// Counts a failed pass; returns how long to wait before the next. What repeats itself is an
    /// obstacle.
    pub(super) fn failed(&self, uid: &str, why: String) -> Duration {
        self.with(uid, |state| {
            let wait = state.backoff.failed();
            if state.backoff.failures() > 1 {
                state.obstacle = Some(why);
            }
            wait
        })
    }

    /// Why passes fail.
    pub(super) fn obstacle(&self, uid: &str) -> Option<String> {
        self.lock().get(uid)?.obstacle.clone()
    }

    /// Resets the back-off after a pass; returns whether that ended an obstacle.
    pub(super) fn succeeded(&self, uid: &str) -> bool {
        self.lock().get_mut(uid).is_some_and(|state| {
            state.backoff.reset();
            state.obstacle.take().is_some()
        })
    }

    pub(super) fn credentials(&self, uid: &str) -> Option<Credentials> {
        self.lock().get(uid)?.credentials.clone()
    }

    pub(super) fn keep_credentials(&self, uid: &str, credentials: Credentials) {
        self.with(uid, |state| state.credentials = Some(credentials));
    }

    /// Whether there is a stream to this driver.
    pub(super) fn is_attached_to(&self, uid: &str, peer: &Peer) -> bool {
        let states = self.lock();
        let attachment = states.get(uid).and_then(|state| state.attachment.as_ref());
        attachment.is_some_and(|attachment| attachment.is_to(peer))
    }

    pub(super) fn attach(&self, uid: &str, attachment: Attachment) {
        self.with(uid, |state| state.attachment = Some(attachment));
    }

    pub(super) fn detach(&self, uid: &str) {
        if let Some(state) = self.lock().get_mut(uid) {
            state.attachment = None;
        }
    }

    /// Sends the driver the current facts, if there is a stream to it.
    pub(super) fn send_facts(&self, uid: &str, facts: (Option<Bounds>, BTreeMap<u64, Fact>)) {
        if let Some(attachment) = self.lock().get(uid).and_then(|state| state.attachment.as_ref()) {
            attachment.send_facts(facts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_is_requested_once() {
        let states = SoftStates::default();
        assert!(!states.take_refresh("a"));
        states.request_refresh("a");
        assert!(states.take_refresh("a") && !states.take_refresh("a"));
    }
}
