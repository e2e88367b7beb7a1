//! Preferred placement of a task: near the volume that holds much of its input. Computed only for
//! stages small enough that this is cheaper than reading over the network.

use crate::scheduler::Scheduler;
use crate::shuffles::Shuffles;
use crate::stage::Stage;
use model::{ShuffleId, StageId, VolumeId};
use std::collections::BTreeMap;

/// From this number of maps or readers on, placement does not matter enough.
const MAX_PARTITIONS: usize = 1000;

/// A volume is preferred if it holds at least one part in this many of the task's input.
const MIN_SHARE: u64 = 5;

impl Scheduler {
    /// Computes where the inputs of a stage's tasks are, once they are complete.
    pub(crate) fn prefer_volumes(&mut self, id: StageId) {
        let Some(stage) = self.stages.get(id) else { return };
        let parents = stage.parents.iter().filter_map(|&parent| self.stages.get(parent)?.shuffle());
        let preferred = preferred(&self.shuffles, parents, stage.partitions() as usize);
        if let Some(stage) = self.stages.get_mut(id) {
            stage.preferred = preferred;
        }
    }
}

/// For each reader, the volume that holds most of its blocks, if its share is large enough.
fn preferred(
    shuffles: &Shuffles,
    parents: impl Iterator<Item = ShuffleId>,
    readers: usize,
) -> Vec<Option<VolumeId>> {
    if readers >= MAX_PARTITIONS {
        return Vec::new();
    }
    let mut bytes_by_volume: BTreeMap<&VolumeId, Vec<u64>> = BTreeMap::new();
    for parent in parents {
        for (maps, output) in shuffles.outputs(parent).enumerate() {
            // The outputs of a parent that is read in another way (whole, or several blocks per
            // reader) say nothing about single readers.
            if maps >= MAX_PARTITIONS || output.block_bytes.len() != readers {
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
        (bytes > 0 && bytes >= total / MIN_SHARE).then(|| (*volume).clone())
    };
    (0..readers).map(best).collect()
}

impl Stage {
    /// The volume that this partition's task prefers.
    pub(crate) fn preferred_volume(&self, partition: u32) -> Option<&VolumeId> {
        self.preferred.get(partition as usize)?.as_ref()
    }
}
