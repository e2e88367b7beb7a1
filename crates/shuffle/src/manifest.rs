//! The description at the end of a map output's file: manifest, then trailer (length and checksum
//! of the manifest, magic). The data before it is a sequence of runs; each run holds one part of
//! every reader's block, ordered by reader. A writer that never exceeded its buffer wrote one run,
//! so that each block is one extent.

use crate::codec::{BadBytes, Decoder, Encoder};
use crate::error::Damage;
use model::{Attempt, Epoch, Fingerprint, MapOutput, MapOutputId};
use model::{ShuffleId, StageId, TaskId, VolumeId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Length of the trailer.
pub(crate) const TRAILER: usize = 16;

/// The end of every file; the last byte is the version of the format.
const MAGIC: [u8; 8] = *b"fs-map\0\x01";

/// Limit on names in a manifest; a longer one is a sign of damage.
const MAX_NAME: usize = 4096;

/// One attempt's output for a map task. Outputs of different attempts are never mistaken for each
/// other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OutputAttempt {
    /// The map output.
    pub id: MapOutputId,
    /// The attempt that wrote it.
    pub attempt: Attempt,
    /// Incarnation of the driver that launched the attempt.
    pub epoch: Epoch,
}

impl From<&MapOutput> for OutputAttempt {
    fn from(output: &MapOutput) -> Self {
        Self { id: output.id, attempt: output.attempt, epoch: output.epoch }
    }
}

impl fmt::Display for OutputAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "map output {} of {} ({})", self.id.map, self.attempt, self.epoch)
    }
}

/// Length and checksum of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockSum {
    /// Length in bytes.
    pub bytes: u64,
    /// CRC-32 of all bytes.
    pub crc: u32,
}

impl BlockSum {
    /// Length and checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, crc: crc32fast::hash(bytes) }
    }
}

/// A contiguous part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Its first byte.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The description of a map output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its identity, the attempt that wrote it, and the sizes of its blocks.
    pub output: MapOutput,
    /// Hash of the schema of its rows.
    pub schema_hash: u64,
    /// Opaque data stored by the writer (contributions to accumulators).
    pub extra: Vec<u8>,
    /// Version of the engine that wrote it.
    pub engine: String,
    /// For each run, the start of each reader's part and, last, the run's end.
    starts: Vec<Vec<u64>>,
    /// Checksum of each reader's block.
    crcs: Vec<u32>,
}

impl Manifest {
    /// `runs` are the lengths of the parts (at least one run, unless there are no readers), `crcs`
    /// the checksums of the blocks; `output.block_bytes` is computed.
    pub(crate) fn new(output: MapOutput, runs: &[Vec<u64>], crcs: Vec<u32>) -> Self {
        let mut manifest = Self {
            output,
            schema_hash: 0,
            extra: vec![],
            engine: String::new(),
            starts: vec![],
            crcs,
        };
        manifest.lay_out(runs).expect("lengths of data in memory or on disk do not overflow");
        manifest
    }

    /// Number of readers.
    pub fn readers(&self) -> u32 {
        u32::try_from(self.crcs.len()).unwrap_or(u32::MAX)
    }

    /// Length and checksum of a reader's block, if the reader exists.
    pub fn block(&self, reader: u32) -> Option<BlockSum> {
        let index = reader as usize;
        Some(BlockSum {
            bytes: *self.output.block_bytes.get(index)?,
            crc: self.crcs.get(index).copied()?,
        })
    }

    /// The extents of a reader's block in the file, in order, without empty ones.
    pub fn extents(&self, reader: u32) -> impl Iterator<Item = Extent> {
        let index = reader as usize;
        let part = move |run: &Vec<u64>| {
            let (start, end) = (*run.get(index)?, *run.get(index + 1)?);
            (end > start).then_some(Extent { offset: start, bytes: end - start })
        };
        self.starts.iter().filter_map(part)
    }

    /// Total length of all blocks.
    pub fn data_bytes(&self) -> u64 {
        self.starts.last().and_then(|run| run.last()).copied().unwrap_or(0)
    }

    /// Its approximate memory use.
    pub(crate) fn weight(&self) -> usize {
        let per_reader = 8 * self.starts.len() + 12;
        per_reader * self.crcs.len() + self.extra.len() + size_of::<Self>()
    }

    /// Computes the position of every part; `None` if the sum of lengths overflows.
    fn lay_out(&mut self, runs: &[Vec<u64>]) -> Option<()> {
        let mut end = 0_u64;
        let mut block_bytes = vec![0_u64; self.crcs.len()];
        for run in runs {
            let mut starts = Vec::with_capacity(run.len() + 1);
            starts.push(end);
            for (bytes, block) in run.iter().zip(&mut block_bytes) {
                end = end.checked_add(*bytes)?;
                *block += bytes;
                starts.push(end);
            }
            self.starts.push(starts);
        }
        self.output.block_bytes = block_bytes;
        Some(())
    }

    /// Manifest and trailer, as they end the file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder(Vec::with_capacity(256 + 8 * self.crcs.len()));
        put_attempt(&mut out, &(&self.output).into());
        out.bytes(self.output.volume.0.as_bytes());
        out.u64(self.output.rows);
        out.u64(self.output.row_checksum);
        out.u64(self.schema_hash);
        out.bytes(self.engine.as_bytes());
        out.bytes(&self.extra);
        out.varint(self.crcs.len() as u64);
        out.varint(self.starts.len() as u64);
        for run in &self.starts {
            run.windows(2).for_each(|part| out.varint(part[1] - part[0]));
        }
        for (crc, bytes) in self.crcs.iter().zip(&self.output.block_bytes) {
            if *bytes > 0 {
                out.u32(*crc);
            }
        }
        let crc = crc32fast::hash(&out.0);
        out.u32(u32::try_from(out.0.len()).unwrap_or(u32::MAX));
        out.u32(crc);
        out.raw(&MAGIC);
        out.0
    }

    /// Decodes a manifest whose checksum has been verified.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadBytes> {
        let mut input = Decoder(bytes);
        let OutputAttempt { id, attempt, epoch } = take_attempt(&mut input)?;
        let volume = VolumeId(input.text(MAX_NAME, "volume")?);
        let rows = input.u64("rows")?;
        let row_checksum = input.u64("row_checksum")?;
        let schema_hash = input.u64("schema_hash")?;
        let engine = input.text(MAX_NAME, "engine")?;
        let extra = input.bytes(usize::MAX, "extra")?.to_vec();
        let readers = take_count(&mut input, 1, "readers")?;
        let run_count = take_count(&mut input, readers, "runs")?;
        let mut runs = Vec::new();
        for _ in 0..run_count {
            let mut run = Vec::with_capacity(readers);
            for _ in 0..readers {
                run.push(input.varint("length")?);
            }
            runs.push(run);
        }
        let output =
            MapOutput { id, attempt, epoch, volume, block_bytes: vec![], rows, row_checksum };
        let crcs = vec![0; readers];
        let mut manifest = Self { output, schema_hash, extra, engine, starts: vec![], crcs };
        manifest.lay_out(&runs).ok_or(BadBytes("length"))?;
        for (crc, bytes) in manifest.crcs.iter_mut().zip(&manifest.output.block_bytes) {
            if *bytes > 0 {
                *crc = input.u32("crc")?;
            }
        }
        input.finish()?;
        Ok(manifest)
    }
}

/// The trailer's content: length and checksum of the manifest before it.
pub(crate) fn read_trailer(trailer: &[u8; TRAILER]) -> Result<(usize, u32), Damage> {
    let mut input = Decoder(trailer);
    let length = input.u32("length")?;
    let crc = input.u32("checksum")?;
    if input.0 == MAGIC { Ok((length as usize, crc)) } else { Err(Damage::Trailer) }
}

/// A count of items of at least the given size each, so that nothing is allocated for items that
/// cannot exist.
fn take_count(
    input: &mut Decoder<'_>,
    bytes_each: usize,
    field: &'static str,
) -> Result<usize, BadBytes> {
    let count = usize::try_from(input.varint(field)?).map_err(|_| BadBytes(field))?;
    let fits = match bytes_each {
        0 => count == 0,
        _ => count <= input.0.len() / bytes_each,
    };
    if fits { Ok(count) } else { Err(BadBytes(field)) }
}

pub(crate) fn put_attempt(out: &mut Encoder, output: &OutputAttempt) {
    let OutputAttempt { id: MapOutputId { shuffle: ShuffleId(fingerprint), map }, attempt, epoch } =
        output;
    let Attempt { task: TaskId { stage, partition }, number } = attempt;
    out.raw(&fingerprint.0);
    out.u32(*map);
    out.u64(stage.0);
    out.u32(*partition);
    out.u32(*number);
    out.u64(epoch.0);
}

pub(crate) fn take_attempt(input: &mut Decoder<'_>) -> Result<OutputAttempt, BadBytes> {
    let shuffle = ShuffleId(Fingerprint(input.array("fingerprint")?));
    let id = MapOutputId { shuffle, map: input.u32("map")? };
    let task = TaskId { stage: StageId(input.u64("stage")?), partition: input.u32("partition")? };
    let attempt = Attempt { task, number: input.u32("number")? };
    Ok(OutputAttempt { id, attempt, epoch: Epoch(input.u64("epoch")?) })
}

#[cfg(test)]
mod tests;
