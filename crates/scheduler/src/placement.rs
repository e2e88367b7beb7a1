//! Preferred placement of a task: near the volume that holds much of its input. Computed only for
//! stages small enough that this is cheaper than reading over the network.

use crate::scheduler::Scheduler;
use crate::shuffles::Shuffles;
use model::{MapOutput, ShuffleId, StageId, VolumeId};
use std::collections::BTreeMap;

/// From this number of maps or readers on, placement does not matter enough.
const MAX_PARTITIONS: usize = 1000;

/// A volume is preferred if it holds at least one part in this many of the task's input.
const MIN_SHARE: u64 = 5;

impl Scheduler {
    /// Computes where the inputs of a stage's tasks are, once they are complete.
    pub(crate) fn prefer_volumes(&mut self, id: StageId) {
        let Some(stage) = self.stages.get(id) else { return };
        let parents: Vec<(ShuffleId, bool)> = stage
            .parents
            .iter()
            .filter_map(|&parent| self.stages.get(parent))
            .filter_map(|parent| Some((parent.shuffle()?, parent.is_cache)))
            .collect();
        let preferred = preferred(&self.shuffles, &parents, stage.partitions() as usize);
        if let Some(stage) = self.stages.get_mut(id) {
            stage.tasks.prefer(preferred);
            stage.waits_for_executor = parents.iter().any(|(_, is_cache)| *is_cache);
        }
    }
}

/// For each reader, the volume that holds most of what it reads, if its share is large enough.
/// `parents` say whether they are cached partitions, of which each reader takes its own.
fn preferred(
    shuffles: &Shuffles,
    parents: &[(ShuffleId, bool)],
    readers: usize,
) -> Vec<Option<VolumeId>> {
    if readers >= MAX_PARTITIONS {
        return Vec::new();
    }
    let mut bytes_by_volume: BTreeMap<&VolumeId, Vec<u64>> = BTreeMap::new();
    for (parent, is_cache) in parents {
        for (maps, output) in shuffles.outputs(*parent).enumerate() {
            // The outputs of a parent that is read in another way (whole, or several blocks per
            // reader) say nothing about single readers.
            let Some(bytes) = read_of(output, *is_cache, readers).filter(|_| maps < MAX_PARTITIONS)
            else {
                return Vec::new();
            };
            let sums = bytes_by_volume.entry(&output.volume).or_insert_with(|| vec![0; readers]);
            for (reader, bytes) in bytes {
                sums[reader] = sums[reader].saturating_add(bytes);
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

/// How much of an output each reader takes; `None` if that is not known.
fn read_of(output: &MapOutput, is_cache: bool, readers: usize) -> Option<Vec<(usize, u64)>> {
    let blocks = &output.block_bytes;
    if is_cache {
        let reader = output.id.map as usize;
        return (reader < readers).then(|| vec![(reader, blocks.iter().sum())]);
    }
    (blocks.len() == readers).then(|| blocks.iter().copied().enumerate().collect())
}
