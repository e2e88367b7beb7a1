//! What the program has asked to be stored: which shuffles hold the rows of which cache.
//!
//! A cache is known from the first job that stores or reads it. Its shuffles are ordinary ones, so
//! another cache may have the same; then they stay until both are given up.
//!
//! A cache that is given up never comes back: what is persisted again is another one. But jobs may
//! still name it, because the plan of a cache that was made of its rows stays as it was. What they
//! have to store of it goes when they are over.

use super::Core;
use crate::message::Stored;
use engine::ShuffleSizes;
use model::{CacheId, ShuffleId};
use scheduler::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// All caches.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    /// Those that are wanted, with their shuffles.
    wanted: BTreeMap<CacheId, BTreeSet<ShuffleId>>,
    /// Those that were given up, until the end of their session.
    given_up: BTreeSet<CacheId>,
}

impl Caches {
    /// Takes note of the caches of a job; returns the shuffles that only caches have which were
    /// given up.
    fn add(&mut self, kept: &[(CacheId, ShuffleId)]) -> BTreeSet<ShuffleId> {
        let mut useless = BTreeSet::new();
        for (cache, shuffle) in kept {
            if self.given_up.contains(cache) {
                useless.insert(*shuffle);
            } else {
                self.wanted.entry(*cache).or_default().insert(*shuffle);
            }
        }
        useless.retain(|shuffle| !self.is_wanted(*shuffle));
        useless
    }

    pub(super) fn is_wanted(&self, shuffle: ShuffleId) -> bool {
        self.wanted.values().any(|shuffles| shuffles.contains(&shuffle))
    }

    /// Gives up the caches that are chosen; returns the shuffles that no other has.
    fn remove(&mut self, chosen: impl Fn(CacheId) -> bool) -> BTreeSet<ShuffleId> {
        let gone = self.wanted.extract_if(.., |cache, _| chosen(*cache));
        let mut gone: BTreeSet<ShuffleId> = gone.flat_map(|(_, shuffles)| shuffles).collect();
        gone.retain(|shuffle| !self.is_wanted(*shuffle));
        gone
    }
}

impl Core {
    /// A job was submitted that has these caches in its plan.
    pub(super) fn note_caches(&mut self, now: Duration, kept: &[(CacheId, ShuffleId)]) {
        let useless = self.caches.add(kept);
        self.release(now, useless);
    }

    /// The program has given up a cache.
    pub(super) fn uncache(&mut self, now: Duration, cache: CacheId) {
        self.caches.given_up.insert(cache);
        let gone = self.caches.remove(|other| other == cache);
        self.release(now, gone);
    }

    /// A session has ended, and with it all its caches.
    pub(super) fn uncache_all(&mut self, now: Duration, session: u64) {
        self.caches.given_up.retain(|cache| cache.session != session);
        let gone = self.caches.remove(|cache| cache.session == session);
        self.release(now, gone);
    }

    pub(super) fn release(&mut self, now: Duration, shuffles: BTreeSet<ShuffleId>) {
        for shuffle in shuffles {
            self.apply(now, Event::ShuffleReleased { shuffle });
        }
    }

    /// What the known map outputs of a shuffle hold.
    pub(super) fn sizes(&self, shuffle: ShuffleId) -> ShuffleSizes {
        ShuffleSizes::of(self.scheduler.map_outputs(shuffle))
    }

    /// How much of a cache is stored.
    pub(super) fn stored(&self, cache: CacheId) -> Stored {
        let shuffles = self.caches.wanted.get(&cache).into_iter().flatten();
        let outputs = shuffles.flat_map(|shuffle| self.scheduler.map_outputs(*shuffle));
        let mut stored = Stored::default();
        for output in outputs {
            stored.partitions += 1;
            stored.bytes += output.block_bytes.iter().sum::<u64>();
        }
        stored
    }
}
