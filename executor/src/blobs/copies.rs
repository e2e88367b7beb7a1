//! Copies of blobs in files: filled piece by piece, mapped by workers when they are whole, and read
//! by other executors as far as they are there.

use proto::BLOB_PIECE_BYTES;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The copies of this executor, by hash.
#[derive(Debug)]
pub(crate) struct Copies {
    directory: PathBuf,
    /// Names are never used again: a process that knows a path finds that copy there, or nothing.
    numbers: AtomicU64,
    known: Mutex<BTreeMap<String, Arc<Copy>>>,
}

/// A copy of a blob.
#[derive(Debug)]
pub(crate) struct Copy {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// By piece.
    has: Mutex<Vec<bool>>,
}

/// Where a piece lies in its blob: its first byte, and its length in bytes.
fn place(piece: usize, bytes: u64) -> Option<(u64, usize)> {
    let from = (piece as u64).checked_mul(BLOB_PIECE_BYTES as u64)?;
    let length = bytes.checked_sub(from)?.min(BLOB_PIECE_BYTES as u64);
    (length > 0).then_some((from, usize::try_from(length).ok()?))
}

impl Copies {
    /// Keeps copies in `directory`.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, numbers: AtomicU64::default(), known: Mutex::default() }
    }

    /// An empty copy of a blob of this many bytes, in place of any other.
    pub(crate) fn create(&self, hash: &str, bytes: u64) -> io::Result<Arc<Copy>> {
        std::fs::create_dir_all(&self.directory)?;
        self.remove(hash);
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.join(format!("{hash}.{number}"));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        file.set_len(bytes)?;
        let pieces = bytes.div_ceil(BLOB_PIECE_BYTES as u64);
        let has = Mutex::new(vec![false; usize::try_from(pieces).map_err(io::Error::other)?]);
        let copy = Arc::new(Copy { path, file, bytes, has });
        self.lock().insert(hash.to_owned(), Arc::clone(&copy));
        Ok(copy)
    }

    /// The copy of a blob, whole or not.
    pub(crate) fn get(&self, hash: &str) -> Option<Arc<Copy>> {
        self.lock().get(hash).map(Arc::clone)
    }

    /// The hashes of the blobs that are here as a whole.
    pub(crate) fn whole(&self) -> Vec<String> {
        let known = self.lock();
        known.iter().filter(|(_, copy)| copy.is_whole()).map(|(hash, _)| hash.clone()).collect()
    }

    /// Removes a copy. Whoever has opened or mapped its file keeps it.
    pub(crate) fn remove(&self, hash: &str) {
        if let Some(copy) = self.lock().remove(hash)
            && let Err(error) = std::fs::remove_file(&copy.path)
        {
            tracing::warn!("{}: {error}", copy.path.display());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Copy>>> {
        // Every change is a single operation, so a panic elsewhere leaves the map consistent.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Copy {
    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether all pieces are there.
    pub(crate) fn is_whole(&self) -> bool {
        self.has().iter().all(|has| *has)
    }

    /// Number of its pieces.
    pub(crate) fn pieces(&self) -> u32 {
        u32::try_from(self.has().len()).unwrap_or(u32::MAX)
    }

    /// Length of a piece in bytes; `None` if the blob has no such piece.
    pub(crate) fn piece_bytes(&self, piece: usize) -> Option<usize> {
        place(piece, self.bytes).map(|(_, length)| length)
    }

    /// Stores a piece.
    pub(crate) fn write(&self, piece: usize, bytes: &[u8]) -> io::Result<()> {
        let Some((at, _)) = place(piece, self.bytes).filter(|(_, length)| *length == bytes.len())
        else {
            let problem = format!("piece {piece} has {} bytes", bytes.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        };
        self.file.write_all_at(bytes, at)?;
        self.has()[piece] = true;
        Ok(())
    }

    /// The bytes of a piece, if it is there.
    pub(crate) fn read(&self, piece: usize) -> io::Result<Option<Vec<u8>>> {
        let Some((at, length)) = place(piece, self.bytes).filter(|_| self.has()[piece]) else {
            return Ok(None);
        };
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(Some(bytes))
    }

    fn has(&self) -> MutexGuard<'_, Vec<bool>> {
        self.has.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_whole_when_all_pieces_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let copies = Copies::new(directory.path().join("blobs"));
        let bytes = BLOB_PIECE_BYTES as u64 + 3;
        let copy = copies.create("aa", bytes).unwrap();
        assert_eq!([0, 1, 2].map(|piece| copy.piece_bytes(piece)), [Some(4 << 20), Some(3), None]);
        copy.write(1, b"end").unwrap();
        assert_eq!(copy.read(1).unwrap().as_deref(), Some(&b"end"[..]));
        assert_eq!((copy.read(0).unwrap(), copy.read(2).unwrap()), (None, None));
        assert!(!copy.is_whole() && copies.whole().is_empty());
        for (piece, bytes) in [(0, &b"short"[..]), (2, b"x"), (usize::MAX, b"")] {
            assert!(copy.write(piece, bytes).is_err(), "{piece}");
        }
        copy.write(0, &vec![7; BLOB_PIECE_BYTES]).unwrap();
        assert!(copy.is_whole() && copies.whole() == ["aa"]);
        let stored = std::fs::read(copy.path()).unwrap();
        assert!(stored[..BLOB_PIECE_BYTES].iter().all(|byte| *byte == 7));
        assert_eq!(&stored[BLOB_PIECE_BYTES..], b"end");
    }

    #[test]
    fn an_empty_blob_is_whole_at_once_and_removed_ones_leave_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let copies = Copies::new(directory.path().to_owned());
        let first = copies.create("aa", 0).unwrap();
        let again = copies.create("aa", 1).unwrap();
        assert!(first.is_whole() && !again.is_whole());
        assert!(first.path() != again.path() && !first.path().exists());
        copies.remove("aa");
        copies.remove("aa");
        assert!(copies.get("aa").is_none() && !again.path().exists());
    }
}
