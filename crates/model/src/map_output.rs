//! What one map task wrote, as the driver knows it.

use crate::{Attempt, Epoch, ShuffleId, VolumeId};
use serde::{Deserialize, Serialize};

/// Which map output: a shuffle and the index of the map task, which is the partition index of its stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct MapOutputId {
    pub shuffle: ShuffleId,
    pub map: u32,
}

/// A committed map output: where it is and how big its blocks are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapOutput {
    /// Which one.
    pub id: MapOutputId,
    /// The attempt that wrote it. Only this attempt's bytes may be read.
    pub attempt: Attempt,
    /// Incarnation of the driver that launched that attempt.
    pub epoch: Epoch,
    /// Where it lies.
    pub volume: VolumeId,
    /// Bytes of each reader's block, in order of reader partition; 0 means that there is nothing to read.
    pub block_bytes: Vec<u64>,
    /// Rows in all blocks.
    pub rows: u64,
    /// Checksum over the rows that does not depend on their order: equal for two attempts that wrote the same rows.
    pub row_checksum: u64,
}
