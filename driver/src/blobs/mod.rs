//! Bytes that functions of programs refer to by their hash: values of broadcasts, large closures,
//! added files. A session's client sends them; they go with the last session that sent them, or
//! when that drops them. Executors get them in pieces, from here and from each other (`swarm`).

mod swarm;

pub(crate) use swarm::HolderId;

use bytes::Bytes;
use pb::to_holder::Message as To;
use proto::{BLOB_PIECE_BYTES, pb};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use swarm::{Delivery, Source, Swarm};
use tokio::sync::mpsc;

/// Blobs up to this size go to each executor from the driver: asking another one is not worth it.
const SMALL: usize = 64 << 10;

/// The blobs of an application, by hash. Clones are the same store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blobs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<String, Blob>,
    /// The executors that are connected.
    holders: BTreeMap<HolderId, Holder>,
    next: HolderId,
}

#[derive(Debug)]
struct Blob {
    bytes: Bytes,
    /// Numbers of the sessions that sent it.
    owners: BTreeSet<u64>,
    /// The executors that have it or want it.
    swarm: Swarm,
    /// Checksums of the pieces that executors got from each other.
    sums: BTreeMap<usize, u32>,
}

#[derive(Debug)]
struct Holder {
    block_address: String,
    /// At most a few pieces for each blob that it wants are in it.
    out: mpsc::UnboundedSender<pb::ToHolder>,
}

impl Blobs {
    /// Adds a blob of a session.
    fn add(&self, owner: u64, hash: &str, bytes: Bytes) {
        let mut state = self.lock();
        let blob = state.blobs.entry(hash.to_owned()).or_insert_with(|| Blob::new(bytes));
        blob.owners.insert(owner);
    }

    /// Gives a session what another has sent.
    fn share(&self, owner: u64, with: u64) {
        for blob in self.lock().blobs.values_mut() {
            if blob.owners.contains(&owner) {
                blob.owners.insert(with);
            }
        }
    }

    /// Drops what only this session has sent.
    fn forget(&self, owner: u64) {
        let mut state = self.lock();
        let hashes: Vec<String> = state.blobs.keys().cloned().collect();
        for hash in hashes {
            state.disown(owner, &hash);
        }
    }

    /// A session has no more use for a blob that it sent.
    fn destroy(&self, owner: u64, hash: &str) {
        self.lock().disown(owner, hash);
    }

    /// Drops a blob everywhere but here: whoever wants it later gets it again.
    fn unpersist(&self, hash: &str) {
        let mut state = self.lock();
        let Some(blob) = state.blobs.get_mut(hash) else { return };
        let pieces = pieces(&blob.bytes);
        let swarm = std::mem::replace(&mut blob.swarm, Swarm::new(pieces));
        state.tell_to_drop(hash, &swarm);
    }

    /// An executor connects. Returns its number, and what it is to be told from now on.
    pub(crate) fn connect(
        &self,
        hello: pb::HolderHello,
    ) -> (HolderId, mpsc::UnboundedReceiver<pb::ToHolder>) {
        let pb::HolderHello { block_address, hashes } = hello;
        let (out, told) = mpsc::unbounded_channel();
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        state.holders.insert(id, Holder { block_address, out });
        for hash in hashes {
            if state.blobs.contains_key(&hash) {
                state.change(&hash, |swarm| swarm.bring(id));
            } else {
                state.tell(id, To::Drop(hash));
            }
        }
        (id, told)
    }

    /// An executor wants a blob.
    pub(crate) fn want(&self, id: HolderId, hash: String) {
        let mut state = self.lock();
        let Some(blob) = state.blobs.get(&hash) else {
            return state.tell(id, To::Unknown(hash));
        };
        let bytes = blob.bytes.len();
        state.tell(id, To::Size(pb::BlobSize { hash: hash.clone(), bytes: bytes as u64 }));
        state.change(&hash, |swarm| match bytes {
            ..=SMALL => swarm.want_from_driver(id),
            _ => swarm.want(id),
        });
    }

    /// An executor has a piece.
    pub(crate) fn got(&self, id: HolderId, hash: &str, piece: usize) {
        self.lock().change(hash, |swarm| swarm.got(id, piece));
    }

    /// An executor was refused a piece by another one.
    pub(crate) fn refused(&self, id: HolderId, (hash, piece): (&str, usize), by: HolderId) {
        self.lock().change(hash, |swarm| swarm.refused(id, piece, by));
    }

    /// An executor has no longer what it had of a blob, and takes no more of it.
    pub(crate) fn gave_up(&self, id: HolderId, hash: &str) {
        self.lock().change(hash, |swarm| swarm.leave(id));
    }

    /// An executor is gone.
    pub(crate) fn disconnect(&self, id: HolderId) {
        let mut state = self.lock();
        state.holders.remove(&id);
        let hashes: Vec<String> = state.blobs.keys().cloned().collect();
        for hash in hashes {
            state.change(&hash, |swarm| swarm.leave(id));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves at worst a piece that nobody is sent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one session has sent. It goes with the last of the session and its jobs.
#[derive(Debug)]
pub(crate) struct SessionBlobs {
    store: Blobs,
    owner: u64,
}

impl SessionBlobs {
    pub(crate) fn new(store: Blobs, owner: u64) -> Self {
        Self { store, owner }
    }

    /// Adds a blob.
    pub(crate) fn add(&self, hash: &str, bytes: Bytes) {
        self.store.add(self.owner, hash, bytes);
    }

    /// Drops a blob: `forever`, or only what executors have of it.
    pub(crate) fn remove(&self, hash: &str, forever: bool) {
        if forever {
            self.store.destroy(self.owner, hash);
        } else {
            self.store.unpersist(hash);
        }
    }

    /// The same blobs, for another session.
    pub(crate) fn fork(&self, owner: u64) -> Self {
        self.store.share(self.owner, owner);
        Self::new(self.store.clone(), owner)
    }
}

impl Drop for SessionBlobs {
    fn drop(&mut self) {
        self.store.forget(self.owner);
    }
}

impl State {
    fn disown(&mut self, owner: u64, hash: &str) {
        let Some(blob) = self.blobs.get_mut(hash) else { return };
        if blob.owners.remove(&owner)
            && blob.owners.is_empty()
            && let Some(blob) = self.blobs.remove(hash)
        {
            self.tell_to_drop(hash, &blob.swarm);
        }
    }

    fn tell_to_drop(&self, hash: &str, swarm: &Swarm) {
        swarm.holders().for_each(|id| self.tell(id, To::Drop(hash.to_owned())));
    }

    /// Changes what is known of a blob's holders, and says what follows from it.
    fn change(&mut self, hash: &str, change: impl FnOnce(&mut Swarm) -> Vec<Delivery>) {
        let Self { blobs, holders, .. } = self;
        let Some(blob) = blobs.get_mut(hash) else { return };
        for Delivery { to, piece, from } in change(&mut blob.swarm) {
            let number = u32::try_from(piece).unwrap_or(u32::MAX);
            let name = Some(pb::PieceName { hash: hash.to_owned(), piece: number });
            let message = match from {
                Source::Driver => To::Piece(pb::PieceBytes { name, bytes: blob.piece(piece) }),
                Source::Holder(holder) => To::Elsewhere(pb::PieceElsewhere {
                    name,
                    holder,
                    block_address: holders
                        .get(&holder)
                        .map(|holder| holder.block_address.clone())
                        .unwrap_or_default(),
                    crc: blob.sum(piece),
                }),
            };
            tell(holders, to, message);
        }
    }

    fn tell(&self, id: HolderId, message: To) {
        tell(&self.holders, id, message);
    }
}

fn tell(holders: &BTreeMap<HolderId, Holder>, id: HolderId, message: To) {
    if let Some(holder) = holders.get(&id) {
        // If the stream is gone, the executor is about to be taken for gone.
        let _ = holder.out.send(pb::ToHolder { message: Some(message) });
    }
}

impl Blob {
    fn new(bytes: Bytes) -> Self {
        let swarm = Swarm::new(pieces(&bytes));
        Self { bytes, owners: BTreeSet::new(), swarm, sums: BTreeMap::new() }
    }

    fn piece(&self, piece: usize) -> Bytes {
        let from = piece * BLOB_PIECE_BYTES;
        self.bytes.slice(from..self.bytes.len().min(from + BLOB_PIECE_BYTES))
    }

    fn sum(&mut self, piece: usize) -> u32 {
        let bytes = self.piece(piece);
        *self.sums.entry(piece).or_insert_with(|| crc32fast::hash(&bytes))
    }
}

fn pieces(bytes: &Bytes) -> usize {
    bytes.len().div_ceil(BLOB_PIECE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Executor {
        id: HolderId,
        told: mpsc::UnboundedReceiver<pb::ToHolder>,
    }

    impl Executor {
        fn of(blobs: &Blobs, hashes: &[&str]) -> Self {
            let hashes = hashes.iter().map(|hash| (*hash).to_owned()).collect();
            let hello = pb::HolderHello { block_address: "h:1".to_owned(), hashes };
            let (id, told) = blobs.connect(hello);
            Self { id, told }
        }

        fn told(&mut self) -> Vec<String> {
            let messages = std::iter::from_fn(|| self.told.try_recv().ok()?.message);
            let text = |message| match message {
                To::Size(size) => format!("{} has {} bytes", size.hash, size.bytes),
                To::Piece(piece) => {
                    format!("{} {}", piece.name.unwrap().piece, piece.bytes.len())
                }
                To::Elsewhere(at) => format!("{} from {}", at.name.unwrap().piece, at.holder),
                To::Unknown(hash) => format!("no {hash}"),
                To::Drop(hash) => format!("drop {hash}"),
            };
            messages.map(text).collect()
        }
    }

    fn large() -> Bytes {
        vec![7; BLOB_PIECE_BYTES + 1].into()
    }

    #[test]
    fn a_blob_goes_with_the_last_session_that_sent_it() {
        let blobs = Blobs::default();
        let mut executor = Executor::of(&blobs, &[]);
        let session = |number| SessionBlobs::new(blobs.clone(), number);
        let (first, second) = (session(1), session(2));
        first.add("a", Bytes::from_static(b"x"));
        second.add("a", Bytes::from_static(b"x"));
        second.add("b", Bytes::from_static(b"yy"));
        blobs.want(executor.id, "a".to_owned());
        blobs.want(executor.id, "b".to_owned());
        assert_eq!(executor.told(), ["a has 1 bytes", "0 1", "b has 2 bytes", "0 2"]);
        drop(second);
        assert_eq!(executor.told(), ["drop b"]);
        let fork = first.fork(3);
        drop(first);
        assert_eq!(executor.told(), [""; 0]);
        fork.remove("a", true);
        assert_eq!(executor.told(), ["drop a"]);
        blobs.want(executor.id, "a".to_owned());
        assert_eq!(executor.told(), ["no a"]);
    }

    #[test]
    fn executors_get_large_blobs_from_each_other_and_small_ones_from_the_driver() {
        let blobs = Blobs::default();
        let mut executors = [Executor::of(&blobs, &[]), Executor::of(&blobs, &[])];
        blobs.add(1, "small", Bytes::from_static(b"x"));
        blobs.add(1, "large", large());
        for executor in &mut executors {
            blobs.want(executor.id, "small".to_owned());
            assert_eq!(executor.told(), ["small has 1 bytes", "0 1"]);
            blobs.want(executor.id, "large".to_owned());
        }
        let [first, second] = &mut executors;
        assert_eq!(first.told(), ["large has 4194305 bytes", "0 4194304", "1 1"]);
        assert_eq!(second.told(), ["large has 4194305 bytes"]);
        blobs.got(first.id, "large", 1);
        assert_eq!(second.told(), ["1 from 0"]);
        blobs.refused(second.id, ("large", 1), first.id);
        assert_eq!(second.told(), ["1 1"]);
        blobs.disconnect(first.id);
        assert_eq!(second.told(), ["0 4194304"]);
    }

    #[test]
    fn what_is_unpersisted_comes_again_and_what_is_brought_counts() {
        let blobs = Blobs::default();
        blobs.add(1, "a", large());
        let mut first = Executor::of(&blobs, &["a", "gone"]);
        assert_eq!(first.told(), ["drop gone"]);
        let mut second = Executor::of(&blobs, &[]);
        blobs.want(second.id, "a".to_owned());
        assert_eq!(second.told(), ["a has 4194305 bytes", "0 from 0", "1 from 0"]);
        blobs.unpersist("a");
        assert_eq!((first.told(), second.told()), (vec!["drop a".into()], vec!["drop a".into()]));
        blobs.want(second.id, "a".to_owned());
        assert_eq!(second.told(), ["a has 4194305 bytes", "0 4194304", "1 1"]);
    }
}
