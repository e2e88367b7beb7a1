//! Reads from one volume and keeps recently read outputs open, because all readers of a stage read
//! the same map outputs. Promise: the cache is bounded, in memory and in file descriptors.

use crate::error::{FileError, ReadError};
use crate::manifest::OutputAttempt;
use crate::reader::MapOutputReader;
use crate::volume::Volume;
use model::ShuffleId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Limit on open file descriptors.
const MAX_FILES: usize = 256;

/// Limit on memory for manifests and small outputs, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// A volume and its open outputs. It may be shared by threads.
#[derive(Debug)]
pub struct VolumeReader {
    volume: Volume,
    cache: Mutex<Cache>,
}

impl VolumeReader {
    /// Reads from this volume.
    pub fn new(volume: Volume) -> Self {
        Self { volume, cache: Mutex::default() }
    }

    /// The volume.
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// An attempt's output, open.
    pub fn open(&self, wanted: &OutputAttempt) -> Result<Arc<MapOutputReader>, ReadError> {
        if let Some(reader) = self.cache().get(wanted) {
            return Ok(reader);
        }
        // Without the lock, so that others can read meanwhile. If two threads open the same output,
        // one reader stays.
        let reader = Arc::new(MapOutputReader::open(&self.volume, wanted)?);
        self.cache().put(*wanted, Arc::clone(&reader));
        Ok(reader)
    }

    /// A reader's block of an attempt's output, verified. After an error the output is reopened and
    /// read once more before the error counts.
    pub fn read_block(&self, wanted: &OutputAttempt, reader: u32) -> Result<Vec<u8>, ReadError> {
        match self.open(wanted).and_then(|output| output.read_block(reader)) {
            Err(ReadError::Damaged { .. } | ReadError::File(_)) => {
                self.cache().remove(wanted);
                self.open(wanted)?.read_block(reader)
            }
            result => result,
        }
    }

    /// Verifies every block of an attempt's output, likewise with one retry.
    pub fn verify(&self, wanted: &OutputAttempt) -> Result<(), ReadError> {
        match self.open(wanted).and_then(|output| output.verify()) {
            Err(ReadError::Damaged { .. } | ReadError::File(_)) => {
                self.cache().remove(wanted);
                self.open(wanted)?.verify()
            }
            result => result,
        }
    }

    /// Deletes an output from the volume if it is still this attempt's or cannot be read. Returns
    /// whether it existed. On a volume of another application it stays.
    pub fn remove(&self, output: &OutputAttempt) -> Result<bool, FileError> {
        self.cache().remove(output);
        if self.volume.id().is_foreign() { Ok(false) } else { self.volume.remove(output) }
    }

    /// Deletes all outputs of a shuffle from the volume.
    pub fn remove_shuffle(&self, shuffle: ShuffleId) -> Result<(), FileError> {
        self.cache().remove_shuffle(shuffle);
        self.volume.remove_shuffle(shuffle)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // A panic elsewhere leaves the cache usable: each of its steps is complete.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Open outputs, and when each was last used.
#[derive(Debug, Default)]
struct Cache {
    open: HashMap<OutputAttempt, (u64, Arc<MapOutputReader>)>,
    bytes: usize,
    files: usize,
    uses: u64,
}

impl Cache {
    fn get(&mut self, wanted: &OutputAttempt) -> Option<Arc<MapOutputReader>> {
        self.uses += 1;
        let (used, reader) = self.open.get_mut(wanted)?;
        *used = self.uses;
        Some(Arc::clone(reader))
    }

    fn put(&mut self, key: OutputAttempt, reader: Arc<MapOutputReader>) {
        self.remove(&key);
        let (bytes, files) = reader.weight();
        self.bytes += bytes;
        self.files += files;
        self.open.insert(key, (self.uses, reader));
        if self.files > MAX_FILES || self.bytes > MAX_BYTES {
            self.remove_older_half();
        }
    }

    fn remove(&mut self, key: &OutputAttempt) {
        if let Some((_, reader)) = self.open.remove(key) {
            let (bytes, files) = reader.weight();
            self.bytes -= bytes;
            self.files -= files;
        }
    }

    fn remove_shuffle(&mut self, shuffle: ShuffleId) {
        let keys: Vec<_> =
            self.open.keys().filter(|key| key.id.shuffle == shuffle).copied().collect();
        for key in keys {
            self.remove(&key);
        }
    }

    /// Half at a time, so that a scan over too many outputs does not sort for each of them.
    fn remove_older_half(&mut self) {
        let mut keys: Vec<_> = self.open.iter().map(|(key, (used, _))| (*used, *key)).collect();
        keys.sort_unstable();
        for (_, key) in &keys[..keys.len().div_ceil(2)] {
            self.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
