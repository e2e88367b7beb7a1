//! What is known of shuffles: which map outputs exist, and which must never count again. Outlives the jobs: this is what makes a
//! stage skippable.

use crate::event::StageShape;
use model::{Attempt, Epoch, MapOutput, MapOutputId, ShuffleId, StageId, VolumeId};
use std::collections::{BTreeMap, BTreeSet};

/// The first attempt, in the order in which attempts are launched, whose output may count.
type Floor = (Epoch, StageId, u32);

const NO_FLOOR: Floor = (Epoch(0), StageId(0), 0);

fn rank(output: &MapOutput) -> Floor {
    (output.epoch, output.attempt.task.stage, output.attempt.number)
}

#[derive(Debug)]
struct Slot {
    output: Option<MapOutput>,
    /// Row checksum of the last output, kept when the output is lost: the next one has to equal it.
    checksum: Option<u64>,
    floor: Floor,
}

impl Default for Slot {
    fn default() -> Self {
        Self { output: None, checksum: None, floor: NO_FLOOR }
    }
}

#[derive(Debug)]
struct Shuffle {
    slots: BTreeMap<u32, Slot>,
    floor: Floor,
    generation: u64,
    /// Shuffles written by stages that read this one.
    readers: BTreeSet<ShuffleId>,
    /// Whether its stage, or one before it, may yield other rows when it runs again.
    unrepeatable: bool,
}

impl Default for Shuffle {
    fn default() -> Self {
        Self {
            slots: BTreeMap::new(),
            floor: NO_FLOOR,
            generation: 0,
            readers: BTreeSet::new(),
            unrepeatable: false,
        }
    }
}

/// What became of an output that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It counts now. `same_rows`: it has the rows of the output that was there before, if there was one.
    Registered { same_rows: bool },
    /// The map has an output already.
    Present,
    /// It is of an attempt whose output must not count.
    Outdated,
}

#[derive(Debug, Default)]
pub(crate) struct Shuffles {
    all: BTreeMap<ShuffleId, Shuffle>,
}

impl Shuffles {
    /// Notes that a stage which reads `parents` writes `shuffle`. Returns the outputs that must not be used: those of an earlier
    /// driver, if they were made of rows that cannot be made again. Nobody can tell now if what they were made of is what is there.
    pub(crate) fn declare(
        &mut self,
        shuffle: ShuffleId,
        stage: &StageShape,
        parents: &[ShuffleId],
        epoch: Epoch,
    ) -> Vec<MapOutputId> {
        let mut unrepeatable_input = false;
        for parent in parents {
            let parent = self.all.entry(*parent).or_default();
            parent.readers.insert(shuffle);
            unrepeatable_input |= parent.unrepeatable;
        }
        let declared = self.all.entry(shuffle).or_default();
        declared.unrepeatable |= unrepeatable_input || !stage.deterministic;
        if unrepeatable_input {
            declared.floor = declared.floor.max((epoch, StageId(0), 0));
        }
        let outputs = declared.slots.values().filter_map(|slot| slot.output.as_ref());
        let earlier = outputs.filter(|output| unrepeatable_input && output.epoch < epoch);
        earlier.map(|output| output.id).collect()
    }

    pub(crate) fn offer(&mut self, output: MapOutput) -> Offer {
        let shuffle = self.all.entry(output.id.shuffle).or_default();
        let slot = shuffle.slots.entry(output.id.map).or_default();
        if slot.output.is_some() {
            return Offer::Present;
        }
        if rank(&output) < slot.floor.max(shuffle.floor) {
            return Offer::Outdated;
        }
        let before = slot.checksum.replace(output.row_checksum);
        let same_rows = before.is_none_or(|checksum| checksum == output.row_checksum);
        slot.output = Some(output);
        shuffle.generation += 1;
        Offer::Registered { same_rows }
    }

    pub(crate) fn output(&self, id: MapOutputId) -> Option<&MapOutput> {
        self.all.get(&id.shuffle)?.slots.get(&id.map)?.output.as_ref()
    }

    pub(crate) fn outputs(&self, shuffle: ShuffleId) -> impl Iterator<Item = &MapOutput> {
        self.all
            .get(&shuffle)
            .into_iter()
            .flat_map(|shuffle| shuffle.slots.values())
            .filter_map(|slot| slot.output.as_ref())
    }

    /// The maps whose outputs lie on a volume.
    pub(crate) fn on_volume(&self, volume: &VolumeId) -> Vec<MapOutputId> {
        let slots = self.all.values().flat_map(|shuffle| shuffle.slots.values());
        slots
            .filter_map(|slot| slot.output.as_ref())
            .filter(|output| output.volume == *volume)
            .map(|output| output.id)
            .collect()
    }

    /// The output does not count any more, and neither will any from attempts up to the one that wrote it.
    pub(crate) fn discard(&mut self, id: MapOutputId) -> Option<MapOutput> {
        let shuffle = self.all.get_mut(&id.shuffle)?;
        let slot = shuffle.slots.get_mut(&id.map)?;
        let output = slot.output.take()?;
        let (epoch, stage, number) = rank(&output);
        slot.floor = slot.floor.max((epoch, stage, number + 1));
        shuffle.generation += 1;
        Some(output)
    }

    /// Discards all outputs of a shuffle and forgets what rows they had. Only attempts of stages from `next` on count.
    pub(crate) fn discard_all(
        &mut self,
        shuffle: ShuffleId,
        next: (Epoch, StageId),
    ) -> Vec<MapOutput> {
        let Some(shuffle) = self.all.get_mut(&shuffle) else { return Vec::new() };
        shuffle.floor = shuffle.floor.max((next.0, next.1, 0));
        let mut discarded = Vec::new();
        for slot in shuffle.slots.values_mut() {
            slot.checksum = None;
            discarded.extend(slot.output.take());
        }
        shuffle.generation += u64::from(!discarded.is_empty());
        discarded
    }

    /// No attempt before this one counts for its map.
    pub(crate) fn raise_floor(&mut self, id: MapOutputId, epoch: Epoch, first: Attempt) {
        let slot = self.all.entry(id.shuffle).or_default().slots.entry(id.map).or_default();
        slot.floor = slot.floor.max((epoch, first.task.stage, first.number));
    }

    pub(crate) fn readers(&self, shuffle: ShuffleId) -> impl Iterator<Item = ShuffleId> {
        self.all.get(&shuffle).into_iter().flat_map(|shuffle| shuffle.readers.iter().copied())
    }

    pub(crate) fn generation(&self, shuffle: ShuffleId) -> u64 {
        self.all.get(&shuffle).map_or(0, |shuffle| shuffle.generation)
    }
}
