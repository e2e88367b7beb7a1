//! The directory of an application beside those of others, on a volume that they share. A mark in
//! it says that the application lives; directories of dead ones are swept by those that live.
//!
//! Promises: a directory without a mark, or whose mark does not say how long it is to be kept, is
//! left alone. One is swept only if its mark is older than it says, and at least an hour, by the
//! clock of the file system, which also sets the own mark; and if the mark did not change while
//! this process renewed its own several times. So neither a clock that jumps, nor a machine that
//! stood still with all its processes, nor one process that does for less than an hour, makes a
//! living application look dead. A directory is renamed before it is deleted: who comes back to it
//! finds all of it, or nothing and knows.

use model::launch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Start of the name of an application's directory.
const PREFIX: &str = "firesteel-";
/// Extension of one that is being deleted.
const SWEPT: &str = "swept";
const MARK: &str = "alive";
/// Beats from one look for dead applications to the next.
const ROUND: u32 = 360;
/// Beats in which a mark must not change.
const WATCHED: u32 = 6;

/// The directory of a living application.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    mark: Vec<u8>,
    beats: u32,
    /// Directories that seem to be dead, and when they last gave a sign of life.
    suspects: BTreeMap<PathBuf, SystemTime>,
}

/// Content of a mark.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    /// Seconds without a sign of life after which the directory may be deleted; `None`: never.
    keep_seconds: Option<u64>,
}

impl Home {
    /// The directory at `path`, which is there; it may be deleted after `keep_seconds` without a
    /// sign of life.
    pub fn open(path: &Path, keep_seconds: Option<u64>) -> io::Result<Self> {
        let mark = serde_json::to_vec(&Mark { keep_seconds }).expect("a number is JSON");
        let home = Self { path: path.to_owned(), mark, beats: 0, suspects: BTreeMap::new() };
        home.touch()?;
        Ok(home)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that the application lives, and looks for dead ones now and then. To be called at
    /// regular intervals. Returns directories that nobody uses any more, to be deleted. Fails if
    /// the mark cannot be written: with `NotFound` if the own directory is gone.
    pub fn beat(&mut self) -> io::Result<Vec<PathBuf>> {
        let now = self.touch()?;
        let beat = self.beats % ROUND;
        self.beats = self.beats.wrapping_add(1);
        if beat == 0 {
            self.suspects = self.silent(now);
        } else if beat == WATCHED {
            return Ok(self.sweep(now));
        }
        Ok(Vec::new())
    }

    /// Removes the directory if nothing but the mark is in it.
    pub fn leave(path: &Path) {
        let is_mark =
            |entry: io::Result<fs::DirEntry>| entry.is_ok_and(|it| it.file_name() == MARK);
        if fs::read_dir(path).is_ok_and(|mut entries| entries.all(is_mark)) {
            let _ = fs::remove_file(path.join(MARK));
        }
        let _ = fs::remove_dir(path);
    }

    /// Renews the mark. Returns the time by the clock of the file system.
    fn touch(&self) -> io::Result<SystemTime> {
        // It is overwritten in place, which a full disk does not prevent.
        let path = self.path.join(MARK);
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.write_all(&self.mark)?;
        file.set_len(self.mark.len() as u64)?;
        file.metadata()?.modified()
    }

    /// Other applications' directories whose last sign of life is too long ago, with those that are
    /// being deleted already.
    fn silent(&self, now: SystemTime) -> BTreeMap<PathBuf, SystemTime> {
        let entries = self.path.parent().and_then(|parent| fs::read_dir(parent).ok());
        let directories = entries.into_iter().flatten().flatten().filter(|entry| {
            let name = entry.file_name();
            let is_ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX));
            is_ours && entry.file_type().is_ok_and(|found| found.is_dir())
        });
        let others = directories.map(|entry| entry.path()).filter(|path| *path != self.path);
        others
            .filter_map(|path| {
                let seen = if is_swept(&path) { Some(now) } else { overdue(&path, now) };
                Some((path, seen?))
            })
            .collect()
    }

    /// Renames the suspects that have given no sign since.
    fn sweep(&mut self, now: SystemTime) -> Vec<PathBuf> {
        let mut swept = Vec::new();
        for (path, seen) in std::mem::take(&mut self.suspects) {
            if is_swept(&path) {
                swept.push(path);
            } else if overdue(&path, now) == Some(seen) {
                let to = path.with_added_extension(SWEPT);
                // Else another process was faster, or may do what this one may not.
                if fs::rename(&path, &to).is_ok() {
                    swept.push(to);
                }
            }
        }
        swept
    }
}

fn is_swept(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == SWEPT)
}

/// When an application last gave a sign of life, if that is longer ago than its mark allows.
fn overdue(directory: &Path, now: SystemTime) -> Option<SystemTime> {
    // Opening it has a network file system ask its server for the time.
    let mut file = fs::File::open(directory.join(MARK)).ok()?;
    let seen = file.metadata().ok()?.modified().ok()?;
    let Mark { keep_seconds } = serde_json::from_reader(&mut file).ok()?;
    let keep = Duration::from_secs(keep_seconds?).max(launch::Home::LEAST_SILENCE);
    now.duration_since(seen).is_ok_and(|silence| silence > keep).then_some(seen)
}

#[cfg(test)]
mod tests;
