//! The file operations that this crate uses, behind one trait, so that a test can make any of them
//! fail or end the process there.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// File operations of a volume. The default methods are the real ones; tests override some.
///
/// # Expected flow
///
/// [`Volume`](crate::Volume) calls these methods, from several threads and processes at once.
///
/// - A commit: [`create`](Self::create) under a temporary name (after
///   [`create_dir`](Self::create_dir) for the first output of a shuffle), [`write`](Self::write)
///   any number of times, then [`rename_new`](Self::rename_new) to the final name. With
///   [`Durability::Machine`](crate::Durability::Machine), [`sync`](Self::sync) comes before the
///   rename and [`sync_dir`](Self::sync_dir) on both directories after it. A commit that fails
///   calls [`remove`](Self::remove) on the temporary name.
/// - A read: [`open`](Self::open), then [`read_at`](Self::read_at) at any offset.
/// - A deletion: [`remove`](Self::remove) an output, or [`rename`](Self::rename) a shuffle's
///   directory and then [`remove_dir`](Self::remove_dir). The caller holds the volume's lock.
///
/// # Guarantees that callers rely on
///
/// - `create` and `rename_new` never replace anything: of several callers exactly one succeeds, the
///   others get [`io::ErrorKind::AlreadyExists`]. First-commit-wins rests on this alone.
/// - Renames are atomic: other processes see either the old name or the new one, with all bytes
///   written before.
/// - After `sync` a file's bytes, and after `sync_dir` a directory's names, survive a power cut.
///   Without them both may be lost, even after a rename.
///
/// # Assumptions
///
/// - Temporary and final names are on one file system. Hard links suffice for `rename_new` where
///   the file system has no rename that refuses to replace.
/// - An open file stays readable after `remove`.
///
/// # Errors
///
/// The kind is significant: `AlreadyExists` (another process was faster), `NotFound` (deleted
/// meanwhile), `StorageFull`, `QuotaExceeded` and `FileTooLarge` (the volume is full; others may
/// have room), and the system's `EIO` (the medium cannot return the bytes). All other kinds are
/// reported as they are. A `write` that fails may have written some of the bytes; the file is then
/// never renamed.
///
/// # Caveats
///
/// An operation whose error is reported may nevertheless have taken effect, for example a rename
/// over NFS whose answer was lost. Callers look at what is in place afterwards instead of trusting
/// the error. Locks are taken outside this trait: they end with the process and leave nothing on
/// the disk.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Creates a file that does not exist yet.
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    /// Appends all bytes to a file made by `create`. `path` is its name.
    fn write(&self, mut file: &File, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let _ = path;
        file.write_all(bytes)
    }

    /// Forces a file's bytes to the disk.
    fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        let _ = path;
        file.sync_all()
    }

    /// Forces the names in a directory to the disk.
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Renames a file; fails with `AlreadyExists` if the new name is taken.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        rename_new(from, to)
    }

    /// Renames a file or directory, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Removes a directory and its contents.
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    /// Creates a directory in an existing one.
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    /// Reads up to `buffer.len()` bytes from `offset`. `path` is the file's name.
    fn read_at(
        &self,
        file: &File,
        path: &Path,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        let _ = path;
        file.read_at(buffer, offset)
    }

    /// Lists a directory.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
    }
}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}

/// The same, of which nothing is changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadOnly;

const NO_CHANGE: io::ErrorKind = io::ErrorKind::ReadOnlyFilesystem;

impl Disk for ReadOnly {
    fn create(&self, _: &Path) -> io::Result<File> {
        Err(NO_CHANGE.into())
    }

    fn rename_new(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(NO_CHANGE.into())
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(NO_CHANGE.into())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(NO_CHANGE.into())
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        Err(NO_CHANGE.into())
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Err(NO_CHANGE.into())
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some network and overlay file systems do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => link_new(from, to),
        result => Ok(result?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    link_new(from, to)
}

/// Hard links do not replace either. If the process ends between the two steps, the old name is
/// swept later.
fn link_new(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_stays_with_its_file() {
        for rename in [rename_new, link_new] {
            let dir = tempfile::tempdir().unwrap();
            let [a, b, to] = ["a", "b", "to"].map(|name| dir.path().join(name));
            fs::write(&a, "a").unwrap();
            fs::write(&b, "b").unwrap();
            rename(&a, &to).unwrap();
            assert_eq!(rename(&b, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&to).unwrap(), b"a");
            assert!(!a.exists() && b.exists(), "the loser keeps its name");
            let gone = rename(&a, &dir.path().join("c")).unwrap_err();
            assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        }
    }
}
