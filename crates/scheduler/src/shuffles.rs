//! Known shuffles: registered map outputs, and which ones must never count again. Outlives jobs,
//! which is what makes stages skippable.

use crate::event::{DiscardReason, StageShape};
use model::{Attempt, Epoch, MapOutput, MapOutputId, ShuffleId, StageId, VolumeId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The first attempt, in launch order, whose output may count.
type Floor = (Epoch, StageId, u32);

const NO_FLOOR: Floor = (Epoch(0), StageId(0), 0);

/// The lowest floor above outputs of other applications.
const NO_FOREIGN: Floor = (Epoch(0), StageId(0), 1);

/// The place of an output's attempt in launch order. Epochs and attempts of another application
/// mean nothing here: its outputs come before all others.
fn rank(output: &MapOutput) -> Floor {
    if output.volume.is_foreign() {
        return NO_FLOOR;
    }
    (output.epoch, output.attempt.task.stage, output.attempt.number)
}

/// The floor that rules out an output's attempt and all before it.
fn after(output: &MapOutput) -> Floor {
    let (epoch, stage, number) = rank(output);
    (epoch, stage, number + 1)
}

#[derive(Debug)]
struct Slot {
    output: Option<MapOutput>,
    /// Row checksum of the last output, kept when the output is lost: the next one has to match it.
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
    /// Whether its stage, or one upstream, may yield other rows when it runs again.
    unrepeatable: bool,
    /// Whether its outputs are no longer wanted.
    released: bool,
    /// When a job last had its stage, or an output came.
    used: Duration,
}

impl Default for Shuffle {
    fn default() -> Self {
        Self {
            slots: BTreeMap::new(),
            floor: NO_FLOOR,
            generation: 0,
            readers: BTreeSet::new(),
            unrepeatable: false,
            released: false,
            used: Duration::ZERO,
        }
    }
}

/// Outcome of offering an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Registered. `same_rows`: whether its rows equal those of the map's previous output, if there
    /// was one.
    Registered { same_rows: bool },
    /// The map already has an output.
    Present,
    /// Its attempt is outdated.
    Outdated,
}

type OnVolumes = BTreeMap<VolumeId, BTreeMap<ShuffleId, Held>>;

/// What a volume holds of a shuffle.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    outputs: u32,
    bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Shuffles {
    all: BTreeMap<ShuffleId, Shuffle>,
    /// What each volume holds.
    on_volumes: OnVolumes,
}

impl Shuffles {
    /// Declares that a stage reading `parents` writes `shuffle`. Returns outputs that must not be
    /// used: those of an earlier driver that were made from rows that cannot be reproduced, because
    /// nobody can tell whether they match the current ones, and those of a barrier stage that an
    /// earlier driver did not complete; and why not. What another application has made counts as of
    /// an earlier driver, and must not be used for a stage whose rows nobody can reproduce.
    pub(crate) fn declare(
        &mut self,
        shuffle: ShuffleId,
        stage: &StageShape,
        parents: &[ShuffleId],
        epoch: Epoch,
    ) -> (Vec<MapOutputId>, DiscardReason) {
        let mut unrepeatable_input = false;
        for parent in parents {
            let parent = self.all.entry(*parent).or_default();
            parent.readers.insert(shuffle);
            unrepeatable_input |= parent.unrepeatable;
        }
        let declared = self.all.entry(shuffle).or_default();
        declared.unrepeatable |= unrepeatable_input || !stage.deterministic;
        // What one driver left of a barrier stage does not go with what another one left.
        let outputs = || declared.slots.values().filter_map(|slot| slot.output.as_ref());
        let origin = |it: &MapOutput| (it.epoch, it.volume.is_foreign().then(|| it.volume.clone()));
        let origins: BTreeSet<_> = outputs().map(origin).collect();
        let is_whole = outputs().count() == stage.partitions as usize && origins.len() == 1;
        let unsure = unrepeatable_input || (stage.barrier && !is_whole);
        let floor = match (unsure, declared.unrepeatable) {
            (true, _) => (epoch, StageId(0), 0),
            (false, true) => NO_FOREIGN,
            (false, false) => NO_FLOOR,
        };
        let earlier = outputs().filter(|output| rank(output) < floor);
        let earlier = earlier.map(|output| output.id).collect();
        declared.floor = declared.floor.max(floor);
        let reason = if unsure && !unrepeatable_input {
            DiscardReason::BarrierBroken
        } else {
            DiscardReason::RolledBack
        };
        (earlier, reason)
    }

    /// Whether outputs are wanted has changed.
    pub(crate) fn set_released(&mut self, shuffle: ShuffleId, released: bool) {
        match self.all.get_mut(&shuffle) {
            Some(shuffle) => shuffle.released = released,
            None if released => self.all.entry(shuffle).or_default().released = true,
            None => {}
        }
    }

    /// All shuffles whose outputs are no longer wanted.
    pub(crate) fn released(&self) -> impl Iterator<Item = ShuffleId> {
        self.all.iter().filter(|(_, shuffle)| shuffle.released).map(|(id, _)| *id)
    }

    /// Whether the outputs of a shuffle are no longer wanted.
    pub(crate) fn is_released(&self, shuffle: ShuffleId) -> bool {
        self.all.get(&shuffle).is_some_and(|shuffle| shuffle.released)
    }

    /// A job that had the stage is over.
    pub(crate) fn note_use(&mut self, shuffle: ShuffleId, now: Duration) {
        if let Some(shuffle) = self.all.get_mut(&shuffle) {
            shuffle.used = now;
        }
    }

    /// When a shuffle was last used.
    pub(crate) fn last_use(&self, shuffle: ShuffleId) -> Duration {
        self.all.get(&shuffle).map_or(Duration::ZERO, |shuffle| shuffle.used)
    }

    /// The shuffles that have outputs of this application, and when each was last used.
    pub(crate) fn used(&self) -> impl Iterator<Item = (ShuffleId, Duration)> {
        let all = self.all.iter();
        let is_own = |slot: &Slot| slot.output.as_ref().is_some_and(|it| !it.volume.is_foreign());
        let there = all.filter(move |(_, it)| it.slots.values().any(is_own));
        there.map(|(id, shuffle)| (*id, shuffle.used))
    }

    /// For each own volume, the shuffles of which outputs are on it, and their bytes there.
    pub(crate) fn bytes_on_volumes(&self) -> impl Iterator<Item = Vec<(ShuffleId, u64)>> {
        let own = self.on_volumes.iter().filter(|(volume, _)| !volume.is_foreign());
        own.map(|(_, on)| on.iter().map(|(shuffle, held)| (*shuffle, held.bytes)).collect())
    }

    pub(crate) fn offer(&mut self, output: MapOutput, now: Duration) -> Offer {
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
        shuffle.generation += 1;
        shuffle.used = now;
        count_on(&mut self.on_volumes, &output);
        slot.output = Some(output);
        Offer::Registered { same_rows }
    }

    /// Whether an output does not count and is of an attempt before those whose outputs may.
    pub(crate) fn is_outdated(&self, output: &MapOutput) -> bool {
        let Some(shuffle) = self.all.get(&output.id.shuffle) else { return false };
        let slot = shuffle.slots.get(&output.id.map);
        if slot.is_some_and(|slot| slot.output.as_ref() == Some(output)) {
            return false;
        }
        rank(output) < slot.map_or(NO_FLOOR, |slot| slot.floor).max(shuffle.floor)
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

    /// Replaces an output by its copy on another volume.
    pub(crate) fn relocate(&mut self, copy: MapOutput) {
        let Some(shuffle) = self.all.get_mut(&copy.id.shuffle) else { return };
        let slot = shuffle.slots.get_mut(&copy.id.map).and_then(|slot| slot.output.as_mut());
        let Some(output) = slot else { return };
        shuffle.generation += 1;
        count_off(&mut self.on_volumes, output);
        count_on(&mut self.on_volumes, &copy);
        *output = copy;
    }

    /// The maps whose outputs are on a volume.
    pub(crate) fn on_volume(&self, volume: &VolumeId) -> Vec<MapOutputId> {
        let slots = self.all.values().flat_map(|shuffle| shuffle.slots.values());
        slots
            .filter_map(|slot| slot.output.as_ref())
            .filter(|output| output.volume == *volume)
            .map(|output| output.id)
            .collect()
    }

    /// The shuffles of which outputs are on a volume.
    pub(crate) fn on(&self, volume: &VolumeId) -> impl Iterator<Item = ShuffleId> {
        self.on_volumes.get(volume).into_iter().flat_map(|on| on.keys().copied())
    }

    /// Discards an output, and rules out every attempt up to the one that wrote it.
    pub(crate) fn discard(&mut self, id: MapOutputId) -> Option<MapOutput> {
        let shuffle = self.all.get_mut(&id.shuffle)?;
        let slot = shuffle.slots.get_mut(&id.map)?;
        let output = slot.output.take()?;
        slot.floor = slot.floor.max(after(&output));
        shuffle.generation += 1;
        count_off(&mut self.on_volumes, &output);
        Some(output)
    }

    /// Rules out every attempt up to the one that wrote an output; what counts stays.
    pub(crate) fn rule_out(&mut self, output: &MapOutput) {
        let shuffle = self.all.entry(output.id.shuffle).or_default();
        let slot = shuffle.slots.entry(output.id.map).or_default();
        slot.floor = slot.floor.max(after(output));
    }

    /// Discards all outputs of a shuffle and their row checksums. Only attempts of stages from
    /// `next` on may count.
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
        for output in &discarded {
            count_off(&mut self.on_volumes, output);
        }
        shuffle.generation += u64::from(!discarded.is_empty());
        discarded
    }

    /// Rules out every attempt of a map before this one.
    pub(crate) fn raise_floor(&mut self, id: MapOutputId, epoch: Epoch, first: Attempt) {
        let slot = self.all.entry(id.shuffle).or_default().slots.entry(id.map).or_default();
        slot.floor = slot.floor.max((epoch, first.task.stage, first.number));
    }

    pub(crate) fn readers(&self, shuffle: ShuffleId) -> impl Iterator<Item = ShuffleId> {
        self.all.get(&shuffle).into_iter().flat_map(|shuffle| shuffle.readers.iter().copied())
    }

    /// Whether what is counted by volume agrees with the outputs.
    pub(crate) fn is_sound(&self) -> bool {
        let mut counted = OnVolumes::new();
        let slots = self.all.values().flat_map(|shuffle| shuffle.slots.values());
        slots.filter_map(|slot| slot.output.as_ref()).for_each(|it| count_on(&mut counted, it));
        counted == self.on_volumes
    }

    pub(crate) fn generation(&self, shuffle: ShuffleId) -> u64 {
        self.all.get(&shuffle).map_or(0, |shuffle| shuffle.generation)
    }
}

fn bytes(output: &MapOutput) -> u64 {
    output.block_bytes.iter().sum()
}

fn count_on(volumes: &mut OnVolumes, output: &MapOutput) {
    let on = volumes.entry(output.volume.clone()).or_default();
    let held = on.entry(output.id.shuffle).or_default();
    held.outputs += 1;
    held.bytes += bytes(output);
}

fn count_off(volumes: &mut OnVolumes, output: &MapOutput) {
    let Some(on) = volumes.get_mut(&output.volume) else { return };
    if let Some(held) = on.get_mut(&output.id.shuffle) {
        held.outputs -= 1;
        held.bytes -= bytes(output);
        if held.outputs == 0 {
            on.remove(&output.id.shuffle);
        }
    }
    if on.is_empty() {
        volumes.remove(&output.volume);
    }
}
