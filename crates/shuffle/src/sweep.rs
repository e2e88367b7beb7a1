//! Deletes damaged outputs, shuffles that are no longer needed, and leftovers of crashes. Promise:
//! everything else stays. An output in place is deleted only under the volume's lock and after
//! checking its attempt, so that a late request to discard one attempt's output cannot hit the next
//! attempt's.

use crate::error::{FileError, ReadError};
use crate::manifest::OutputAttempt;
use crate::reader::MapOutputReader;
use crate::volume::Volume;
use model::{MapOutput, MapOutputId, ShuffleId};
use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Result of a sweep.
#[derive(Debug, Default)]
pub struct Swept {
    /// Shuffles that were deleted.
    pub shuffles: Vec<ShuffleId>,
    /// Number of deleted leftovers of crashed writers and sweeps.
    pub leftovers: u64,
    /// Deletions that failed.
    pub failed: Vec<FileError>,
}

/// The output in a commit's way.
#[derive(Debug)]
pub(crate) enum InPlace {
    /// An intact output.
    Intact(MapOutput),
    /// None any more.
    Gone,
}

impl Volume {
    /// Inspects the output in place, and deletes a damaged one.
    pub(crate) fn inspect(&self, id: MapOutputId) -> Result<InPlace, FileError> {
        // Without the lock first: nearly always the output is intact, and reading it may take long.
        if let Some(output) = self.intact_output(id)? {
            return Ok(output);
        }
        let _lock = self.lock()?;
        if let Some(output) = self.intact_output(id)? {
            return Ok(output);
        }
        self.remove_if_there(&self.output_path(id))?;
        Ok(InPlace::Gone)
    }

    /// `None`: there is one, and it is damaged.
    fn intact_output(&self, id: MapOutputId) -> Result<Option<InPlace>, FileError> {
        let checked = MapOutputReader::open_any(self, id).and_then(|reader| {
            reader.map(|reader| reader.verify().map(|()| reader.output().clone())).transpose()
        });
        match checked {
            Ok(Some(output)) => Ok(Some(InPlace::Intact(output))),
            Ok(None) | Err(ReadError::Missing { .. }) => Ok(Some(InPlace::Gone)),
            Err(ReadError::Damaged { .. }) => Ok(None),
            Err(ReadError::File(e)) => Err(e),
        }
    }

    /// Deletes an output if it is still this attempt's or cannot be read. Returns whether it
    /// existed.
    pub fn remove(&self, output: &OutputAttempt) -> Result<bool, FileError> {
        let _lock = self.lock()?;
        match MapOutputReader::open_any(self, output.id) {
            Ok(Some(reader)) if OutputAttempt::from(reader.output()) != *output => Ok(false),
            Ok(None) => Ok(false),
            // Other reasons for a failed read (such as too many open files) do not blame the
            // output.
            Err(ReadError::File(e)) if !e.is_unreadable() => Err(e),
            // Unreadable: the output is useless and would block the next attempt.
            Ok(Some(_)) | Err(ReadError::Damaged { .. } | ReadError::File(_)) => {
                let was_there = self.remove_if_there(&self.output_path(output.id))?;
                // Fails if there are others, or writers.
                let _ = fs::remove_dir(self.shuffle_dir(output.id.shuffle));
                Ok(was_there)
            }
            Err(ReadError::Missing { .. }) => Ok(false),
        }
    }

    /// Deletes all outputs of a shuffle, in one step as seen by others. A task that is writing one
    /// fails.
    pub fn remove_shuffle(&self, shuffle: ShuffleId) -> Result<(), FileError> {
        let _lock = self.lock()?;
        let directory = self.shuffle_dir(shuffle);
        let trash = self.root().join(format!("{shuffle}.trash"));
        // Left over by a process that ended between the two steps below.
        self.remove_tree(&trash)?;
        match self.disk().rename(&directory, &trash) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => self.at("rename", &directory, Err(e)),
            Ok(()) => self.remove_tree(&trash),
        }
    }

    /// Deletes shuffles that are not in `keep`, and all leftovers, but only those untouched since
    /// `untouched_since`, so that work in progress stays. Failures do not end the sweep.
    pub fn sweep(
        &self,
        keep: &BTreeSet<ShuffleId>,
        untouched_since: SystemTime,
    ) -> Result<Swept, FileError> {
        let mut swept = Swept::default();
        for (shuffle, directory) in self.shuffles()? {
            let swept_one = if keep.contains(&shuffle) {
                self.sweep_leftovers(&directory, untouched_since, &mut swept)
            } else {
                self.sweep_shuffle(shuffle, untouched_since, &mut swept)
            };
            swept.failed.extend(swept_one.err());
        }
        for path in self.list(self.root())?.into_iter().filter(|path| has_suffix(path, "trash")) {
            match self.lock().and_then(|_lock| self.remove_tree(&path)) {
                Ok(()) => swept.leftovers += 1,
                Err(e) => swept.failed.push(e),
            }
        }
        Ok(swept)
    }

    fn sweep_shuffle(
        &self,
        shuffle: ShuffleId,
        untouched_since: SystemTime,
        swept: &mut Swept,
    ) -> Result<(), FileError> {
        let directory = self.shuffle_dir(shuffle);
        let mut paths = self.list(&directory)?;
        paths.push(directory);
        for path in &paths {
            if !self.is_older(path, untouched_since)? {
                return Ok(());
            }
        }
        self.remove_shuffle(shuffle)?;
        swept.shuffles.push(shuffle);
        Ok(())
    }

    fn sweep_leftovers(
        &self,
        directory: &Path,
        untouched_since: SystemTime,
        swept: &mut Swept,
    ) -> Result<(), FileError> {
        let temporary: Vec<PathBuf> =
            self.list(directory)?.into_iter().filter(|path| has_suffix(path, "tmp")).collect();
        for path in temporary {
            if self.is_older(&path, untouched_since)? && self.remove_if_there(&path)? {
                swept.leftovers += 1;
            }
        }
        Ok(())
    }

    /// Whether it was last changed before that time; also true if it is gone.
    fn is_older(&self, path: &Path, than: SystemTime) -> Result<bool, FileError> {
        match fs::symlink_metadata(path).and_then(|metadata: Metadata| metadata.modified()) {
            Ok(modified) => Ok(modified < than),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(e) => self.at("inspect", path, Err(e)),
        }
    }

    fn remove_tree(&self, path: &Path) -> Result<(), FileError> {
        match self.disk().remove_dir(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            // A foreign file under one of our names.
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
                self.remove_if_there(path).map(drop)
            }
            result => self.at("remove", path, result),
        }
    }
}

fn has_suffix(path: &Path, suffix: &str) -> bool {
    path.extension().is_some_and(|found| found == suffix)
}

#[cfg(test)]
mod tests;
