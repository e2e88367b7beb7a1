//! Map outputs, as the driver knows them.

use crate::{Attempt, Epoch, ShuffleId, VolumeId};
use serde::{Deserialize, Serialize};

/// Identity of a map output: a shuffle and the index of the map task, which is its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct MapOutputId {
    pub shuffle: ShuffleId,
    pub map: u32,
}

/// A committed map output: its place and the sizes of its blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapOutput {
    /// Its identity.
    pub id: MapOutputId,
    /// The attempt that wrote it. Only this attempt's bytes may be read.
    pub attempt: Attempt,
    /// Incarnation of the driver that launched that attempt.
    pub epoch: Epoch,
    /// The volume that it is on.
    pub volume: VolumeId,
    /// Bytes of each reader's block, ordered by reader; 0 means that there is nothing to read.
    pub block_bytes: Vec<u64>,
    /// Number of rows in all blocks.
    pub rows: u64,
    /// Order-independent checksum of the rows: equal for two attempts that wrote the same rows.
    pub row_checksum: u64,
}
