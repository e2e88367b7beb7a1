//! What a map output says about itself, as the end of its file: manifest, then trailer (length and checksum of the manifest, magic).
//! The data before it is a sequence of runs; each run holds one part of every reader's block, in order of readers. A writer that
//! never ran out of buffer wrote one run, so that a block is one extent.

use crate::codec::{BadBytes, Decoder, Encoder};
use crate::error::Damage;
use model::{Attempt, Epoch, Fingerprint, MapOutput, MapOutputId};
use model::{ShuffleId, StageId, TaskId, VolumeId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of the trailer.
pub(crate) const TRAILER: usize = 16;

/// Ends every file; the last byte is the version of the format.
const MAGIC: [u8; 8] = *b"fs-map\0\x01";

/// Longest names in a manifest. Longer ones are nobody's: they would be a sign of damage.
const MAX_NAME: usize = 4096;

/// What one attempt wrote for a map task. Two attempts' outputs are never exchanged for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OutputAttempt {
    /// Which map output.
    pub id: MapOutputId,
    /// Who wrote it.
    pub attempt: Attempt,
    /// Incarnation of the driver that launched that attempt.
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
    /// Bytes.
    pub bytes: u64,
    /// CRC-32 of all of them.
    pub crc: u32,
}

impl BlockSum {
    /// Those of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, crc: crc32fast::hash(bytes) }
    }
}

/// A stretch of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
}

/// All that a map output says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What it is, who wrote it, how big its blocks are.
    pub output: MapOutput,
    /// Hash of the schema of its rows.
    pub schema_hash: u64,
    /// What the writer wanted to be kept with it (contributions to accumulators).
    pub extra: Vec<u8>,
    /// Version of the engine that wrote it.
    pub engine: String,
    /// Where each run's part of each reader's block begins; one more number says where the run ends.
    starts: Vec<Vec<u64>>,
    /// Checksum of each reader's block.
    crcs: Vec<u32>,
}

impl Manifest {
    /// `runs` are the lengths of the parts (one run at least, unless there are no readers), `crcs` the checksums of the blocks;
    /// `output.block_bytes` is computed.
    pub(crate) fn new(output: MapOutput, runs: &[Vec<u64>], crcs: Vec<u32>) -> Self {
        let mut manifest = Self {
            output,
            schema_hash: 0,
            extra: vec![],
            engine: String::new(),
            starts: vec![],
            crcs,
        };
        manifest.lay_out(runs).expect("the lengths of what is in memory or on the disk have a sum");
        manifest
    }

    /// Number of readers.
    pub fn readers(&self) -> u32 {
        u32::try_from(self.crcs.len()).unwrap_or(u32::MAX)
    }

    /// Length and checksum of a reader's block, if there is such a reader.
    pub fn block(&self, reader: u32) -> Option<BlockSum> {
        let index = reader as usize;
        Some(BlockSum {
            bytes: *self.output.block_bytes.get(index)?,
            crc: self.crcs.get(index).copied()?,
        })
    }

    /// Where a reader's block lies in the file, in order. Empty parts are left out.
    pub fn extents(&self, reader: u32) -> impl Iterator<Item = Extent> {
        let index = reader as usize;
        let part = move |run: &Vec<u64>| {
            let (start, end) = (*run.get(index)?, *run.get(index + 1)?);
            (end > start).then_some(Extent { offset: start, bytes: end - start })
        };
        self.starts.iter().filter_map(part)
    }

    /// Bytes of all blocks.
    pub fn data_bytes(&self) -> u64 {
        self.starts.last().and_then(|run| run.last()).copied().unwrap_or(0)
    }

    /// Memory that it takes, about.
    pub(crate) fn weight(&self) -> usize {
        let per_reader = 8 * self.starts.len() + 12;
        per_reader * self.crcs.len() + self.extra.len() + size_of::<Self>()
    }

    /// Computes where everything lies; `None` if the lengths have no sum.
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

    /// Reads a manifest whose checksum was found to be right.
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

/// What the trailer says: bytes of the manifest before it, and their checksum.
pub(crate) fn read_trailer(trailer: &[u8; TRAILER]) -> Result<(usize, u32), Damage> {
    let mut input = Decoder(trailer);
    let length = input.u32("length")?;
    let crc = input.u32("checksum")?;
    if input.0 == MAGIC { Ok((length as usize, crc)) } else { Err(Damage::Trailer) }
}

/// A number of things of which each takes that many bytes at least, so that nothing is allocated for what cannot be there.
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
