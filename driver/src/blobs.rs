//! Bytes that functions of programs refer to by their hash: values of broadcasts, large closures,
//! added files. A session's client sends them, executors fetch them; they go with the last session
//! that sent them.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The blobs of an application, by hash. Clones are the same store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blobs(Arc<Mutex<BTreeMap<String, Blob>>>);

#[derive(Debug)]
struct Blob {
    bytes: Bytes,
    /// Numbers of the sessions that sent it.
    owners: BTreeSet<u64>,
}

impl Blobs {
    /// Adds a blob of a session.
    pub(crate) fn add(&self, owner: u64, hash: &str, bytes: Bytes) {
        let mut blobs = self.lock();
        let new = || Blob { bytes, owners: BTreeSet::new() };
        blobs.entry(hash.to_owned()).or_insert_with(new).owners.insert(owner);
    }

    /// The bytes of a blob.
    pub(crate) fn get(&self, hash: &str) -> Option<Bytes> {
        self.lock().get(hash).map(|blob| blob.bytes.clone())
    }

    /// Gives a session what another has sent.
    pub(crate) fn share(&self, owner: u64, with: u64) {
        for blob in self.lock().values_mut() {
            if blob.owners.contains(&owner) {
                blob.owners.insert(with);
            }
        }
    }

    /// Drops what only this session has sent.
    pub(crate) fn forget(&self, owner: u64) {
        self.lock().retain(|_, blob| {
            blob.owners.remove(&owner);
            !blob.owners.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Blob>> {
        // Every change is a single operation, so a panic elsewhere leaves the map consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_goes_with_the_last_session_that_sent_it() {
        let blobs = Blobs::default();
        blobs.add(1, "a", Bytes::from_static(b"x"));
        blobs.add(2, "a", Bytes::from_static(b"x"));
        blobs.add(2, "b", Bytes::from_static(b"y"));
        blobs.forget(2);
        assert_eq!(blobs.get("a").as_deref(), Some(&b"x"[..]));
        assert_eq!(blobs.get("b"), None);
        blobs.share(1, 3);
        blobs.forget(1);
        assert_eq!(blobs.get("a").as_deref(), Some(&b"x"[..]));
        blobs.forget(3);
        assert_eq!(blobs.get("a"), None);
    }
}
