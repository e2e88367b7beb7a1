//! A disk on which processes end between any two operations, operations fail, others interfere, and
//! the power is cut.

use rand::Rng;
use rand::rngs::StdRng;
use shuffle::{Disk, RealDisk};
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// An incident at some operation of a process.
pub(crate) enum Incident {
    /// The process ends before the operation (in the middle of it, if it is a write).
    Crash,
    /// The operation fails (a write after half of its bytes).
    Fail(io::ErrorKind),
    /// Others do something before the operation.
    Meanwhile(Box<dyn FnOnce() + Send>),
}

/// One process's view of the disk.
pub(crate) struct Process {
    root: PathBuf,
    platter: Arc<Platter>,
    /// The flaw for testing the simulation: a rename that replaces.
    pub(crate) replacing: bool,
    /// Another: no fence is found.
    pub(crate) unfenced: bool,
    state: Mutex<State>,
}

enum State {
    Calm,
    /// The incident follows after this many operations.
    Until(u32, Incident),
    Dead,
}

/// State of the disk that would not survive a power cut.
#[derive(Debug, Default)]
pub(crate) struct Platter {
    /// Files by inode.
    bytes: Mutex<BTreeSet<u64>>,
    /// Changed names, oldest first.
    names: Mutex<Vec<Change>>,
}

#[derive(Debug)]
enum Change {
    Created(PathBuf),
    CreatedDir(PathBuf),
    Renamed { from: PathBuf, to: PathBuf },
}

impl Process {
    pub(crate) fn new(root: &Path, platter: &Arc<Platter>) -> Self {
        let platter = Arc::clone(platter);
        Self {
            root: root.to_owned(),
            platter,
            replacing: false,
            unfenced: false,
            state: Mutex::new(State::Calm),
        }
    }

    /// Schedules the incident after this many operations.
    pub(crate) fn then(self, operations: u32, incident: Incident) -> Self {
        *self.state.lock().expect("no operation panics") = State::Until(operations, incident);
        self
    }

    /// Counts an operation; the incident may happen at it.
    fn step(&self) -> io::Result<()> {
        let mut state = self.state.lock().expect("no operation panics");
        match std::mem::replace(&mut *state, State::Calm) {
            State::Calm => Ok(()),
            State::Until(0, Incident::Crash) | State::Dead => {
                *state = State::Dead;
                Err(io::Error::other("the process has ended"))
            }
            State::Until(0, Incident::Fail(kind)) => Err(kind.into()),
            State::Until(0, Incident::Meanwhile(others)) => {
                if self.is_locked() {
                    // The others would wait for the lock.
                    *state = State::Until(0, Incident::Meanwhile(others));
                } else {
                    drop(state);
                    others();
                }
                Ok(())
            }
            State::Until(n, incident) => {
                *state = State::Until(n - 1, incident);
                Ok(())
            }
        }
    }

    fn is_locked(&self) -> bool {
        let lock = OpenOptions::new().write(true).open(self.root.join("volume.lock"));
        lock.is_ok_and(|file| file.try_lock().is_err())
    }

    fn note(&self, change: Change) {
        self.platter.names.lock().expect("no operation panics").push(change);
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").finish_non_exhaustive()
    }
}

impl Disk for Process {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.step()?;
        let file = RealDisk.create(path)?;
        self.note(Change::Created(path.to_owned()));
        Ok(file)
    }

    fn write(&self, file: &File, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.platter.bytes.lock().expect("no operation panics").insert(file.metadata()?.ino());
        let step = self.step();
        let length = if step.is_err() { bytes.len() / 2 } else { bytes.len() };
        RealDisk.write(file, path, &bytes[..length])?;
        step
    }

    fn sync(&self, file: &File, _path: &Path) -> io::Result<()> {
        self.step()?;
        self.platter.bytes.lock().expect("no operation panics").remove(&file.metadata()?.ino());
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let mut names = self.platter.names.lock().expect("no operation panics");
        names.retain(|change| change.path().parent() != Some(path));
        Ok(())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        if self.replacing { RealDisk.rename(from, to) } else { RealDisk.rename_new(from, to) }?;
        self.note(Change::Renamed { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.remove_dir(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.create_dir(path)?;
        self.note(Change::CreatedDir(path.to_owned()));
        Ok(())
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        self.step()?;
        if self.unfenced && path.ends_with("volume.fence") {
            return Err(io::ErrorKind::NotFound.into());
        }
        RealDisk.open(path)
    }

    fn read_at(&self, file: &File, path: &Path, buf: &mut [u8], at: u64) -> io::Result<usize> {
        self.step()?;
        RealDisk.read_at(file, path, buf, at)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.step()?;
        RealDisk.list(path)
    }
}

impl Change {
    fn path(&self) -> &Path {
        match self {
            Self::Created(path) | Self::CreatedDir(path) | Self::Renamed { to: path, .. } => path,
        }
    }

    fn undo(self) {
        // Whatever was removed since is gone anyway.
        let _ = match self {
            Self::Created(path) => fs::remove_file(path),
            Self::CreatedDir(path) => fs::remove_dir_all(path),
            Self::Renamed { from, to } => fs::rename(to, from),
        };
    }
}

impl Platter {
    /// Files lose bytes that were not synced; of the unsynced changes of names only the first few
    /// remain.
    pub(crate) fn cut_power(&self, root: &Path, chance: &mut StdRng) {
        let mut names = self.names.lock().expect("no operation panics");
        let kept = chance.random_range(0..=names.len());
        for change in names.drain(..).skip(kept).collect::<Vec<_>>().into_iter().rev() {
            change.undo();
        }
        let bytes = std::mem::take(&mut *self.bytes.lock().expect("no operation panics"));
        for path in files_in(root) {
            let length = fs::metadata(&path).map(|found| (found.ino(), found.len()));
            let Ok((inode, length)) = length else { continue };
            if !bytes.contains(&inode) || chance.random_bool(0.3) {
                continue;
            }
            let file = OpenOptions::new().write(true).open(&path).expect("it is ours");
            let survives = chance.random_range(0..=length);
            file.set_len(survives).expect("it can be cut");
            if chance.random() {
                // The file system had recorded the length, but not the bytes.
                file.set_len(length).expect("it can be made longer");
            }
        }
    }
}

/// All files below a directory.
pub(crate) fn files_in(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten() {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() { files.extend(files_in(&path)) } else { files.push(path) }
    }
    files
}
