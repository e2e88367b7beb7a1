//! Writes one map output. Promises: nothing is visible before `commit`, everything afterwards; a
//! commit never replaces another attempt's; a dropped writer leaves nothing behind. A small output
//! costs one file, one write and one rename.

use crate::error::{FileError, WriteError};
use crate::manifest::{Manifest, OutputAttempt};
use crate::sweep::InPlace;
use crate::volume::Volume;
use model::{ByteSize, MapOutput};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Size at which gathered parts are written.
const GATHER: usize = 1 << 20;

/// Parts from this size on are written directly.
const DIRECT: usize = 128 << 10;

/// Attempts to put a file in place while other outputs come and go.
const COMMIT_TRIES: u32 = 8;

/// Attempts to find a free temporary name: one for each leftover of the same attempt.
const NAME_TRIES: u32 = 64;

/// Durability of a committed output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The end of processes. After a power cut a checksum may be wrong, and the output is
    /// rewritten.
    #[default]
    Process,
    /// A power cut: bytes are forced to the disk before the commit counts.
    Machine,
}

/// Options for writing map outputs.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// Their durability.
    pub durability: Durability,
    /// Bytes that one writer buffers before it writes a run.
    pub buffer: ByteSize,
    /// Version of the engine, recorded in the manifest.
    pub engine: String,
}

impl Default for WriterOptions {
    fn default() -> Self {
        let engine = env!("CARGO_PKG_VERSION").to_owned();
        Self { durability: Durability::Process, buffer: ByteSize::mib(64), engine }
    }
}

/// Facts about an output that are known once everything is appended.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Number of rows in all blocks.
    pub rows: u64,
    /// Checksum of the rows, [`RowChecksum`](crate::RowChecksum).
    pub row_checksum: u64,
    /// Hash of the rows' schema.
    pub schema_hash: u64,
    /// Opaque data to store with the output (contributions to accumulators).
    pub extra: Vec<u8>,
}

/// The output in place after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// This attempt's.
    Won(MapOutput),
    /// Another attempt's, which committed first. This attempt's was deleted.
    Lost(MapOutput),
}

impl Committed {
    /// The output in place, whoever wrote it.
    pub fn into_output(self) -> MapOutput {
        match self {
            Self::Won(output) | Self::Lost(output) => output,
        }
    }
}

/// A map output being written.
#[derive(Debug)]
pub struct MapOutputWriter {
    volume: Volume,
    output: OutputAttempt,
    options: WriterOptions,
    parts: Vec<Part>,
    /// Number of bytes in `parts`.
    buffered: usize,
    /// Lengths of the parts already in the file.
    runs: Vec<Vec<u64>>,
    /// The file, once there is one.
    file: Option<Temporary>,
}

/// The buffered part of a reader's block, and the checksum of the whole block so far.
#[derive(Debug, Default)]
struct Part {
    chunks: Vec<Vec<u8>>,
    crc: Option<crc32fast::Hasher>,
}

impl MapOutputWriter {
    /// Starts an output with a block for each of `readers`. Writes nothing yet.
    pub fn new(
        volume: &Volume,
        output: OutputAttempt,
        readers: u32,
        options: WriterOptions,
    ) -> Self {
        let parts = (0..readers).map(|_| Part::default()).collect();
        let volume = volume.clone();
        Self { volume, output, options, parts, buffered: 0, runs: vec![], file: None }
    }

    /// Appends bytes to a reader's block. Readers may come in any order.
    pub fn append(&mut self, reader: u32, bytes: Vec<u8>) -> Result<(), WriteError> {
        let Some(part) = self.parts.get_mut(reader as usize) else {
            let readers = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
            return Err(WriteError::NoSuchReader { reader, readers });
        };
        if bytes.is_empty() {
            return Ok(());
        }
        part.crc.get_or_insert_default().update(&bytes);
        self.buffered += bytes.len();
        part.chunks.push(bytes);
        if self.buffered as u64 > self.options.buffer.0 { self.write_run() } else { Ok(()) }
    }

    /// Number of buffered bytes.
    pub fn buffered_bytes(&self) -> usize {
        self.buffered
    }

    /// Writes what is buffered, if anything is.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        if self.buffered > 0 { self.write_run() } else { Ok(()) }
    }

    /// Finishes the output and puts it in place, unless another attempt has done so before.
    pub fn commit(mut self, summary: Summary) -> Result<Committed, WriteError> {
        if self.buffered > 0 || (self.runs.is_empty() && !self.parts.is_empty()) {
            self.write_run()?;
        }
        let manifest = self.manifest(summary);
        let mut file = self.take_file()?;
        file.put(manifest.encode())?;
        file.flush()?;
        if self.options.durability == Durability::Machine {
            file.sync()?;
        }
        self.check_fence()?;
        let committed = self.put_in_place(file, manifest.output)?;
        if self.options.durability == Durability::Machine {
            // Also after losing: the winner may not have got this far, and this report makes its
            // output count.
            self.sync_names()?;
        }
        Ok(committed)
    }

    /// Writes the buffer to the end of the file, ordered by reader.
    fn write_run(&mut self) -> Result<(), WriteError> {
        let mut file = self.take_file()?;
        let mut run = Vec::with_capacity(self.parts.len());
        for part in &mut self.parts {
            run.push(part.chunks.iter().map(|chunk| chunk.len() as u64).sum());
            for chunk in part.chunks.drain(..) {
                file.put(chunk)?;
            }
        }
        self.buffered = 0;
        self.runs.push(run);
        self.file = Some(file);
        Ok(())
    }

    fn manifest(&mut self, summary: Summary) -> Manifest {
        let Summary { rows, row_checksum, schema_hash, extra } = summary;
        let OutputAttempt { id, attempt, epoch } = self.output;
        let volume = self.volume.id().clone();
        let output =
            MapOutput { id, attempt, epoch, volume, block_bytes: vec![], rows, row_checksum };
        let crc = |part: Part| part.crc.map_or(0, crc32fast::Hasher::finalize);
        let crcs = std::mem::take(&mut self.parts).into_iter().map(crc).collect();
        let mut manifest = Manifest::new(output, &self.runs, crcs);
        manifest.schema_hash = schema_hash;
        manifest.extra = extra;
        manifest.engine.clone_from(&self.options.engine);
        manifest
    }

    fn take_file(&mut self) -> Result<Temporary, WriteError> {
        match self.file.take() {
            Some(file) => Ok(file),
            None => Temporary::create(&self.volume, &self.output),
        }
    }

    fn check_fence(&self) -> Result<(), WriteError> {
        let (epoch, fence) = (self.output.epoch, self.volume.fence()?);
        if epoch < fence {
            let volume = self.volume.id().clone();
            return Err(WriteError::Fenced { volume, epoch, fence });
        }
        Ok(())
    }

    /// Renames the file to its final name, or finds out whose file has that name.
    fn put_in_place(&self, file: Temporary, ours: MapOutput) -> Result<Committed, WriteError> {
        let path = self.volume.output_path(self.output.id);
        for _ in 0..COMMIT_TRIES {
            match self.volume.disk().rename_new(&file.path, &path) {
                Ok(()) => {
                    file.keep();
                    return Ok(Committed::Won(ours));
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    return Err(FileError::new("rename", &file.path, self.volume.id(), e).into());
                }
            }
            // A damaged winner would win against every replacement, for ever.
            match self.volume.inspect(self.output.id)? {
                InPlace::Intact(winner) if OutputAttempt::from(&winner) == self.output => {
                    // Ours, from a rename whose answer was lost or a repeated launch: the output in
                    // place counts.
                    return Ok(Committed::Won(winner));
                }
                InPlace::Intact(winner) => return Ok(Committed::Lost(winner)),
                InPlace::Gone => {}
            }
        }
        Err(WriteError::Contended(path))
    }

    fn sync_names(&self) -> Result<(), WriteError> {
        let (volume, directory) = (&self.volume, self.volume.shuffle_dir(self.output.id.shuffle));
        volume.at("sync", &directory, volume.disk().sync_dir(&directory))?;
        volume.at("sync", volume.root(), volume.disk().sync_dir(volume.root()))?;
        Ok(())
    }
}

/// A file under a temporary name. Deleted on drop.
#[derive(Debug)]
struct Temporary {
    volume: Volume,
    path: PathBuf,
    file: File,
    /// Bytes not written yet: many small parts become one write.
    gathered: Vec<u8>,
    kept: bool,
}

impl Temporary {
    /// Creates the file, and its directory if it is the first of its shuffle.
    fn create(volume: &Volume, output: &OutputAttempt) -> Result<Self, WriteError> {
        let (mut turn, mut made) = (0, 0);
        loop {
            let path = volume.temporary_path(output, turn);
            match volume.disk().create(&path) {
                Ok(file) => {
                    let volume = volume.clone();
                    return Ok(Self { volume, path, file, gathered: Vec::new(), kept: false });
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && turn < NAME_TRIES => {
                    turn += 1;
                }
                // The directory goes with the last output in it, so it may have to be made again.
                Err(e) if e.kind() == io::ErrorKind::NotFound && made < NAME_TRIES => {
                    make_directory(volume, &volume.shuffle_dir(output.id.shuffle))?;
                    made += 1;
                }
                Err(e) => return Err(FileError::new("create", &path, volume.id(), e).into()),
            }
        }
    }

    /// Appends bytes.
    fn put(&mut self, bytes: Vec<u8>) -> Result<(), FileError> {
        if self.gathered.len() + bytes.len() > GATHER || bytes.len() >= DIRECT {
            self.flush()?;
        }
        if bytes.len() >= DIRECT {
            return self.write(&bytes);
        }
        self.gathered.extend_from_slice(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), FileError> {
        let gathered = std::mem::take(&mut self.gathered);
        if gathered.is_empty() { Ok(()) } else { self.write(&gathered) }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), FileError> {
        let result = self.volume.disk().write(&self.file, &self.path, bytes);
        self.volume.at("write", &self.path, result)
    }

    fn sync(&self) -> Result<(), FileError> {
        self.volume.at("sync", &self.path, self.volume.disk().sync(&self.file, &self.path))
    }

    /// The file has its final name: nothing is to be deleted.
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // If this fails too, the sweep finds the file.
            let _ = self.volume.disk().remove(&self.path);
        }
    }
}

fn make_directory(volume: &Volume, path: &Path) -> Result<(), FileError> {
    match volume.disk().create_dir(path) {
        // Another task of the stage was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => volume.at("create directory", path, result),
    }
}

#[cfg(test)]
mod tests;
