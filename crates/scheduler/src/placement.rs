//! Where a task would like to run: beside the volume that holds much of what it reads. Only for stages small enough that finding
//! out is cheaper than reading over the network.

use crate::scheduler::Scheduler;
use crate::shuffles::Shuffles;
use crate::stage::Stage;
use model::{ShuffleId, StageId, VolumeId};
use std::collections::BTreeMap;

/// From that many maps or readers on, placement does not matter enough.
const TOO_MANY: usize = 1000;

/// A volume is preferred if it holds at least one part in that many of what the task reads.
const SHARE: u64 = 5;

impl Scheduler {
    /// Looks up where the inputs of a stage's tasks lie, now that they are all there.
    pub(crate) fn prefer_volumes(&mut self, id: StageId) {
        let Some(stage) = self.stages.get(id) else { return };
        let parents = stage.parents.iter().filter_map(|&parent| self.stages.get(parent)?.shuffle());
        let preferred = preferred(&self.shuffles, parents, stage.partitions() as usize);
        if let Some(stage) = self.stages.get_mut(id) {
            stage.preferred = preferred;
        }
    }
}

/// For each reader, the volume that holds most of its blocks, if that is a large enough part.
fn preferred(
    shuffles: &Shuffles,
    parents: impl Iterator<Item = ShuffleId>,
    readers: usize,
) -> Vec<Option<VolumeId>> {
    if readers >= TOO_MANY {
        return Vec::new();
    }
    let mut bytes_by_volume: BTreeMap<&VolumeId, Vec<u64>> = BTreeMap::new();
    for parent in parents {
        for (maps, output) in shuffles.outputs(parent).enumerate() {
            // A parent that is read in another way (whole, or several blocks by one reader) tells nothing about single readers.
            if maps >= TOO_MANY || output.block_bytes.len() != readers {
                return Vec::new();
            }
            let sums = bytes_by_volume.entry(&output.volume).or_insert_with(|| vec![0; readers]);
            for (sum, bytes) in sums.iter_mut().zip(&output.block_bytes) {
                *sum = sum.saturating_add(*bytes);
            }
        }
    }
    if bytes_by_volume.len() < 2 {
        return Vec::new();
    }
    let best = |reader: usize| {
        let total = bytes_by_volume.values().fold(0_u64, |sum, v| sum.saturating_add(v[reader]));
        let (volume, sums) = bytes_by_volume.iter().max_by_key(|(_, sums)| sums[reader])?;
        let bytes = sums[reader];
        (bytes > 0 && bytes >= total / SHARE).then(|| (*volume).clone())
    };
    (0..readers).map(best).collect()
}

impl Stage {
    /// The volume that the task with this partition would like to be near.
    pub(crate) fn preferred_volume(&self, partition: u32) -> Option<&VolumeId> {
        self.preferred.get(partition as usize)?.as_ref()
    }
}
