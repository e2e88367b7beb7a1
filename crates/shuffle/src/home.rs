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

use crate::volume::Volume;
use model::conf::Name;
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
const MARK: &str = launch::Home::MARK;
/// Beats from one look for dead applications to the next.
const ROUND: u32 = 360;
/// Beats in which a mark must not change.
const WATCHED: u32 = 6;

/// The directory of a living application.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    mark: Vec<u8>,
    group: Option<Name>,
    beats: u32,
    /// Directories that seem to be dead, and when they last gave a sign of life.
    suspects: BTreeMap<PathBuf, SystemTime>,
}

/// Content of a mark.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    /// Seconds without a sign of life after which the directory may be deleted; `None`: never.
    keep_seconds: Option<u64>,
    /// The applications that may read what is here; none if there is no group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<Name>,
}

impl Home {
    /// The directory of an application, which is there.
    pub fn open(launch::Home { path, keep_seconds, group }: &launch::Home) -> io::Result<Self> {
        let mark = Mark { keep_seconds: *keep_seconds, group: group.clone() };
        let mark = serde_json::to_vec(&mark).expect("a number and a name are JSON");
        let (path, group) = (path.clone(), group.clone());
        let home = Self { path, mark, group, beats: 0, suspects: BTreeMap::new() };
        home.touch()?;
        Ok(home)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The volumes of the other applications of its group beside it, whether they live or not. One
    /// that cannot be opened is left out.
    pub fn shared_volumes(&self) -> Vec<Volume> {
        let of_group = |path: &PathBuf| {
            let group = read_mark(path).and_then(|(_, mark)| mark.group);
            group.is_some() && group == self.group && !is_swept(path)
        };
        let siblings = self.siblings().into_iter().filter(of_group);
        let roots = siblings.flat_map(|path| directories(&path));
        roots.filter_map(|root| Volume::open_foreign(&root).ok()).collect()
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
        let others = self.siblings().into_iter();
        others
            .filter_map(|path| {
                let seen = if is_swept(&path) { Some(now) } else { overdue(&path, now) };
                Some((path, seen?))
            })
            .collect()
    }

    /// Other applications' directories.
    fn siblings(&self) -> Vec<PathBuf> {
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            *path != self.path && name.is_some_and(|name| name.starts_with(PREFIX))
        };
        let beside = self.path.parent().map(directories).unwrap_or_default();
        beside.into_iter().filter(is_ours).collect()
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

/// The directories in a directory, without links.
fn directories(path: &Path) -> Vec<PathBuf> {
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|found| found.is_dir());
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(is_directory).map(|entry| entry.path()).collect()
}

/// When an application last gave a sign of life, and its mark.
fn read_mark(directory: &Path) -> Option<(SystemTime, Mark)> {
    // Opening it has a network file system ask its server for the time.
    let mut file = fs::File::open(directory.join(MARK)).ok()?;
    let seen = file.metadata().ok()?.modified().ok()?;
    Some((seen, serde_json::from_reader(&mut file).ok()?))
}

/// When an application last gave a sign of life, if that is longer ago than its mark allows.
fn overdue(directory: &Path, now: SystemTime) -> Option<SystemTime> {
    let (seen, Mark { keep_seconds, group: _ }) = read_mark(directory)?;
    let keep = Duration::from_secs(keep_seconds?).max(launch::Home::LEAST_SILENCE);
    now.duration_since(seen).is_ok_and(|silence| silence > keep).then_some(seen)
}

#[cfg(test)]
mod tests;
