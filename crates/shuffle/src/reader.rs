//! Reads map outputs. Promise: a returned block is what the requested attempt wrote, verified by
//! length and checksum on every read. Only `read_raw` returns unverified bytes, for a peer that
//! verifies them.

use crate::error::{Damage, FileError, ReadError};
use crate::manifest::{BlockSum, Manifest, OutputAttempt, TRAILER, read_trailer};
use crate::volume::Volume;
use model::{MapOutput, MapOutputId};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Length of the first read, at the end of the file: covers a whole small output, and the manifest
/// of nearly all others.
const TAIL: u64 = 64 << 10;

/// An open map output. It may be shared by threads.
#[derive(Debug)]
pub struct MapOutputReader {
    volume: Volume,
    path: PathBuf,
    manifest: Manifest,
    data: Data,
}

/// Location of the blocks.
#[derive(Debug)]
enum Data {
    /// In memory: the file is small, and the first read covers all of it.
    Memory(Vec<u8>),
    /// In the file.
    File(File),
}

impl MapOutputReader {
    /// Opens an attempt's output on a volume.
    pub fn open(volume: &Volume, wanted: &OutputAttempt) -> Result<Self, ReadError> {
        let missing = |found| {
            let path = volume.output_path(wanted.id);
            ReadError::Missing { wanted: Box::new(*wanted), path, found }
        };
        let reader = Self::open_any(volume, wanted.id)?.ok_or_else(|| missing(None))?;
        let found = OutputAttempt::from(reader.output());
        if found == *wanted { Ok(reader) } else { Err(missing(Some(Box::new(found)))) }
    }

    /// Opens the output in place, whoever wrote it; `None` if there is none.
    pub(crate) fn open_any(volume: &Volume, id: MapOutputId) -> Result<Option<Self>, ReadError> {
        let path = volume.output_path(id);
        let file = match volume.disk().open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => volume.at("open", &path, result)?,
        };
        let length = volume.at("inspect", &path, file.metadata())?.len();
        let (mut manifest, whole) =
            Source { volume, path: &path, file: &file }.read_manifest(length)?;
        let output = &mut manifest.output;
        if output.id != id || output.volume != *volume.own_id() {
            return Err(ReadError::Damaged { path, source: Damage::Place });
        }
        output.volume = volume.id().clone();
        let data = whole.map_or(Data::File(file), Data::Memory);
        Ok(Some(Self { volume: volume.clone(), path, manifest, data }))
    }

    /// The output's identity.
    pub fn output(&self) -> &MapOutput {
        &self.manifest.output
    }

    /// The output's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A reader's block, verified. Empty if nothing was written for that reader.
    pub fn read_block(&self, reader: u32) -> Result<Vec<u8>, ReadError> {
        let sum = self.block(reader)?;
        let block = self.read_raw(reader)?;
        if BlockSum::of(&block) != sum {
            return Err(self.damaged(Damage::Block { reader }));
        }
        Ok(block)
    }

    /// Length and checksum of a reader's block, from the manifest.
    pub fn block(&self, reader: u32) -> Result<BlockSum, ReadError> {
        self.manifest.block(reader).ok_or_else(|| self.damaged(Damage::NoSuchReader { reader }))
    }

    /// A reader's block as stored, unverified. The recipient compares it with
    /// [`block`](Self::block).
    pub fn read_raw(&self, reader: u32) -> Result<Vec<u8>, ReadError> {
        let length = self.block(reader)?.bytes;
        // The file is at least this long, so damage cannot inflate the allocation.
        let mut block = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let read = self.read_raw_at(reader, 0, &mut block)?;
        if read < block.len() {
            return Err(self.damaged(Damage::Cut { reader }));
        }
        Ok(block)
    }

    /// Fills `buffer` with a reader's block, unverified, from `offset` within the block; for
    /// serving a large block in pieces. Returns the number of bytes: less than the buffer's length
    /// only at the block's end.
    pub fn read_raw_at(
        &self,
        reader: u32,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, ReadError> {
        let mut skip = offset;
        let mut filled = 0_usize;
        for extent in self.manifest.extents(reader) {
            if skip >= extent.bytes {
                skip -= extent.bytes;
                continue;
            }
            let left = usize::try_from(extent.bytes - skip).unwrap_or(usize::MAX);
            let end = buffer.len().min(filled.saturating_add(left));
            if filled == end {
                break;
            }
            let read = self.fill(extent.offset + skip, &mut buffer[filled..end])?;
            if read < end - filled {
                return Err(self.damaged(Damage::Cut { reader }));
            }
            filled = end;
            skip = 0;
        }
        Ok(filled)
    }

    /// Reads every block and verifies the whole output.
    pub fn verify(&self) -> Result<(), ReadError> {
        (0..self.manifest.readers()).try_for_each(|reader| self.read_block(reader).map(drop))
    }

    fn fill(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let whole = match &self.data {
            Data::Memory(whole) => whole,
            Data::File(file) => {
                let source = Source { volume: &self.volume, path: &self.path, file };
                return Ok(source.fill(offset, buffer)?);
            }
        };
        let rest = usize::try_from(offset).ok().and_then(|at| whole.get(at..)).unwrap_or(&[]);
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn damaged(&self, source: Damage) -> ReadError {
        ReadError::Damaged { path: self.path.clone(), source }
    }

    /// Its approximate memory use, and its file descriptors.
    pub(crate) fn weight(&self) -> (usize, usize) {
        let (bytes, files) = match &self.data {
            Data::Memory(whole) => (whole.len(), 0),
            Data::File(_) => (0, 1),
        };
        (self.manifest.weight() + bytes, files)
    }
}

/// A file on a volume.
#[derive(Clone, Copy)]
struct Source<'a> {
    volume: &'a Volume,
    path: &'a Path,
    file: &'a File,
}

impl Source<'_> {
    /// Reads the manifest of a file of this length, and the data if the file is small.
    fn read_manifest(self, length: u64) -> Result<(Manifest, Option<Vec<u8>>), ReadError> {
        let damaged = |source| ReadError::Damaged { path: self.path.to_owned(), source };
        let mut tail = self.read(length.saturating_sub(TAIL), length.min(TAIL))?;
        let trailer = tail.last_chunk().ok_or(Damage::Trailer).and_then(read_trailer);
        let (manifest_bytes, crc) = trailer.map_err(damaged)?;
        let end_bytes = (manifest_bytes + TRAILER) as u64;
        if end_bytes > length {
            return Err(damaged(Damage::Length { expected: end_bytes, found: length }));
        }
        if end_bytes > tail.len() as u64 {
            tail = self.read(length - end_bytes, end_bytes)?;
        }
        let data_in_tail = tail.len() - manifest_bytes - TRAILER;
        let bytes = &tail[data_in_tail..][..manifest_bytes];
        if crc32fast::hash(bytes) != crc {
            return Err(damaged(Damage::ManifestChecksum));
        }
        let manifest = Manifest::decode(bytes).map_err(|e| damaged(e.into()))?;
        let expected = manifest.data_bytes().saturating_add(end_bytes);
        if expected != length {
            return Err(damaged(Damage::Length { expected, found: length }));
        }
        let small = length <= TAIL;
        tail.truncate(data_in_tail);
        Ok((manifest, small.then_some(tail)))
    }

    /// Reads this many bytes from `offset`.
    fn read(self, offset: u64, length: u64) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let read = self.fill(offset, &mut bytes)?;
        // The file has shrunk since: the missing bytes make the trailer or a checksum wrong.
        bytes.truncate(read);
        if (read as u64) < length {
            let source = Damage::Length { expected: offset + length, found: offset + read as u64 };
            return Err(ReadError::Damaged { path: self.path.to_owned(), source });
        }
        Ok(bytes)
    }

    /// Fills the buffer from `offset`, as far as the file goes.
    fn fill(self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = &mut buffer[filled..];
            match self.volume.disk().read_at(self.file, self.path, rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return self.volume.at("read", self.path, Err(e)),
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests;
