//! State of each application between passes. All of it may be lost: a new operator learns it again.

use super::attach::{Attachment, Peer};
use super::backoff::Backoff;
use crate::observe::{Attached, Refused, RefusedExecutor};
use crate::plan::Fact;
use k8s_openapi::jiff::Timestamp;
use proto::Credentials;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
struct Memory {
    refused: Option<Refused>,
    refused_executor: Option<RefusedExecutor>,
    secret_taken: Option<Timestamp>,
    token_lost: bool,
    look: bool,
    backoff: Backoff,
    credentials: Option<Credentials>,
    attachment: Option<Attachment>,
}

/// What is kept of all applications, by uid.
#[derive(Debug, Default)]
pub(super) struct Memories(Mutex<HashMap<String, Memory>>);

impl Memories {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, uid: &str, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(self.lock().entry(uid.to_owned()).or_default())
    }

    /// Forgets an application; its stream closes.
    pub(super) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// Forgets all but these.
    pub(super) fn keep(&self, is_there: impl Fn(&str) -> bool) {
        self.lock().retain(|uid, _| is_there(uid));
    }

    /// How many streams to drivers are open.
    pub(super) fn attached(&self) -> usize {
        let memories = self.lock();
        let heard = memories.values().filter_map(|memory| memory.attachment.as_ref()?.heard());
        heard.filter(|heard| heard.ended.is_none()).count()
    }

    /// What its driver said and what the API server refused.
    pub(super) fn heard(&self, uid: &str) -> (Option<Attached>, Option<Refused>) {
        let memories = self.lock();
        memories.get(uid).map_or((None, None), |memory| {
            let attachment = memory.attachment.as_ref();
            (attachment.and_then(Attachment::heard), memory.refused.clone())
        })
    }

    /// The API server would not make the driver of a submission.
    pub(super) fn refused(&self, uid: &str, refused: Refused) {
        self.with(uid, |memory| memory.refused = Some(refused));
    }

    /// What the API server refused of executors, if it refuses them now.
    pub(super) fn refused_executor(&self, uid: &str) -> Option<RefusedExecutor> {
        self.lock().get(uid)?.refused_executor.clone()
    }

    /// The API server would not make an executor, or made one again.
    pub(super) fn set_refused_executor(&self, uid: &str, refused: Option<RefusedExecutor>) {
        self.with(uid, |memory| memory.refused_executor = refused);
    }

    /// When the API server said that the secret's name is taken, and whether the token of a driver that runs is lost.
    pub(super) fn of_secret(&self, uid: &str) -> (Option<Timestamp>, bool) {
        let memories = self.lock();
        memories.get(uid).map_or((None, false), |memory| (memory.secret_taken, memory.token_lost))
    }

    /// The name of the secret is taken since a moment, or was found free.
    pub(super) fn set_secret_taken(&self, uid: &str, at: Option<Timestamp>) {
        self.with(uid, |memory| memory.secret_taken = at);
    }

    /// The token of a driver that runs was looked for.
    pub(super) fn set_token_lost(&self, uid: &str, lost: bool) {
        self.with(uid, |memory| memory.token_lost = lost);
    }

    /// The next pass asks the API server, whatever the watch shows.
    pub(super) fn look(&self, uid: &str) {
        self.with(uid, |memory| memory.look = true);
    }

    /// Whether this pass is to ask the API server. Said once.
    pub(super) fn is_to_look(&self, uid: &str) -> bool {
        self.lock().get_mut(uid).is_some_and(|memory| std::mem::take(&mut memory.look))
    }

    /// A pass failed: how long to wait for the next.
    pub(super) fn failed(&self, uid: &str) -> Duration {
        self.with(uid, |memory| memory.backoff.failed())
    }

    /// A pass was carried out.
    pub(super) fn succeeded(&self, uid: &str) {
        if let Some(memory) = self.lock().get_mut(uid) {
            memory.backoff.reset();
        }
    }

    pub(super) fn credentials(&self, uid: &str) -> Option<Credentials> {
        self.lock().get(uid)?.credentials.clone()
    }

    pub(super) fn keep_credentials(&self, uid: &str, credentials: Credentials) {
        self.with(uid, |memory| memory.credentials = Some(credentials));
    }

    /// Whether there is a stream to this driver.
    pub(super) fn is_attached_to(&self, uid: &str, peer: &Peer) -> bool {
        let memories = self.lock();
        let attachment = memories.get(uid).and_then(|memory| memory.attachment.as_ref());
        attachment.is_some_and(|attachment| attachment.is_to(peer))
    }

    pub(super) fn attach(&self, uid: &str, attachment: Attachment) {
        self.with(uid, |memory| memory.attachment = Some(attachment));
    }

    pub(super) fn detach(&self, uid: &str) {
        if let Some(memory) = self.lock().get_mut(uid) {
            memory.attachment = None;
        }
    }

    /// Tells the driver what holds now, if there is a stream to it.
    pub(super) fn tell(&self, uid: &str, facts: BTreeMap<u64, Fact>) {
        if let Some(attachment) = self.lock().get(uid).and_then(|memory| memory.attachment.as_ref())
        {
            attachment.tell(facts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_asked_for_once() {
        let memories = Memories::default();
        assert!(!memories.is_to_look("a"));
        memories.look("a");
        assert!(memories.is_to_look("a") && !memories.is_to_look("a"));
    }
}
