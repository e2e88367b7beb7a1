//! Executors, their slots, and the attempts that occupy them.

use model::{Attempt, ExecutorId, StageId, TaskId, VolumeId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A launched attempt whose end has not been reported. Its stage may be gone.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) executor: ExecutorId,
    /// Its stage's round at the launch.
    pub(crate) round: u32,
    /// Volumes lost since the launch: its output there is lost too.
    pub(crate) lost_volumes: BTreeSet<VolumeId>,
}

#[derive(Debug, Default)]
struct Executor {
    slots: u32,
    volumes: BTreeSet<VolumeId>,
    running: BTreeSet<Attempt>,
}

impl Executor {
    /// Free slots. An executor without volumes has none: its map tasks would fail at once, and so
    /// it would attract all of them.
    fn free(&self) -> u32 {
        let slots = if self.volumes.is_empty() { 0 } else { self.slots };
        slots.saturating_sub(u32::try_from(self.running.len()).unwrap_or(u32::MAX))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Executors {
    all: BTreeMap<ExecutorId, Executor>,
    /// Executors with free slots, most free slots first.
    free: BTreeSet<(Reverse<u32>, ExecutorId)>,
    flights: BTreeMap<Attempt, Flight>,
    mounts: BTreeMap<VolumeId, BTreeSet<ExecutorId>>,
    /// Volumes whose executor leaves, or has left.
    leaving: BTreeSet<VolumeId>,
}

/// Number of executors considered when looking for one that mounts a preferred volume.
const LOCAL_CANDIDATES: usize = 8;

impl Executors {
    /// Adds an executor, or updates its slots and volumes.
    pub(crate) fn register(&mut self, id: ExecutorId, slots: u32, volumes: BTreeSet<VolumeId>) {
        self.unmount(id);
        for volume in &volumes {
            self.mounts.entry(volume.clone()).or_default().insert(id);
        }
        self.all.entry(id).or_default();
        self.change(id, |executor| {
            executor.slots = slots;
            executor.volumes = volumes;
        });
    }

    /// Notes that these volumes will be out of reach.
    pub(crate) fn leave(&mut self, volumes: BTreeSet<VolumeId>) {
        self.leaving.extend(volumes);
    }

    /// Whether a volume is, or soon will be, out of reach because its executor leaves.
    pub(crate) fn is_leaving(&self, volume: &VolumeId) -> bool {
        self.leaving.contains(volume)
    }

    /// Removes an executor, and returns its attempts in flight.
    pub(crate) fn remove(&mut self, id: ExecutorId) -> Vec<(Attempt, Flight)> {
        self.unmount(id);
        let Some(executor) = self.all.remove(&id) else { return Vec::new() };
        self.free.remove(&(Reverse(executor.free()), id));
        let running = executor.running.into_iter();
        running.filter_map(|attempt| Some((attempt, self.flights.remove(&attempt)?))).collect()
    }

    fn unmount(&mut self, id: ExecutorId) {
        let Some(executor) = self.all.get(&id) else { return };
        for volume in &executor.volumes {
            if let Some(mounting) = self.mounts.get_mut(volume) {
                mounting.remove(&id);
                if mounting.is_empty() {
                    self.mounts.remove(volume);
                }
            }
        }
    }

    /// Whether an executor can read and serve the volume.
    pub(crate) fn is_mounted(&self, volume: &VolumeId) -> bool {
        self.mounts.contains_key(volume)
    }

    /// Marks each attempt in flight with the lost volume.
    pub(crate) fn lose_volume(&mut self, volume: &VolumeId) {
        for flight in self.flights.values_mut() {
            flight.lost_volumes.insert(volume.clone());
        }
        for executor in self.mounts.remove(volume).into_iter().flatten() {
            self.change(executor, |executor| {
                executor.volumes.remove(volume);
            });
        }
    }

    /// The executor with the most free slots, preferring those that mount `preferred`.
    pub(crate) fn pick(&self, preferred: Option<&VolumeId>) -> Option<ExecutorId> {
        let &(_, freest) = self.free.first()?;
        let Some(mounting) = preferred.and_then(|volume| self.mounts.get(volume)) else {
            return Some(freest);
        };
        if mounting.contains(&freest) {
            return Some(freest);
        }
        let free_slots = |id: &ExecutorId| self.all.get(id).map_or(0, Executor::free);
        let local = mounting.iter().take(LOCAL_CANDIDATES).max_by_key(|id| free_slots(id));
        Some(local.copied().filter(|id| free_slots(id) > 0).unwrap_or(freest))
    }

    /// Whether any executor has a free slot.
    pub(crate) fn has_free_slots(&self) -> bool {
        !self.free.is_empty()
    }

    /// Free slots of all executors.
    pub(crate) fn free_slots(&self) -> u32 {
        self.free.iter().fold(0, |sum, (Reverse(free), _)| sum.saturating_add(*free))
    }

    /// Slots of all executors that get tasks, free or not.
    pub(crate) fn slots(&self) -> u32 {
        let useful = self.all.values().filter(|executor| !executor.volumes.is_empty());
        useful.fold(0, |sum, executor| sum.saturating_add(executor.slots))
    }

    /// Occupies a slot with an attempt.
    pub(crate) fn start(&mut self, attempt: Attempt, executor: ExecutorId, round: u32) {
        self.flights.insert(attempt, Flight { executor, round, lost_volumes: BTreeSet::new() });
        self.change(executor, |executor| {
            executor.running.insert(attempt);
        });
    }

    /// Frees an attempt's slot; `None` if it has already ended.
    pub(crate) fn end(&mut self, attempt: Attempt) -> Option<Flight> {
        let flight = self.flights.remove(&attempt)?;
        self.change(flight.executor, |executor| {
            executor.running.remove(&attempt);
        });
        Some(flight)
    }

    /// The executor that an attempt runs on.
    pub(crate) fn executor_of(&self, attempt: Attempt) -> Option<ExecutorId> {
        Some(self.flights.get(&attempt)?.executor)
    }

    /// A stage's attempts in flight.
    pub(crate) fn attempts_of(&self, stage: StageId) -> Vec<Attempt> {
        let bound = |n| Attempt { task: TaskId { stage, partition: n }, number: n };
        self.flights.range(bound(0)..=bound(u32::MAX)).map(|(&attempt, _)| attempt).collect()
    }

    /// Number of attempts in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.flights.is_empty() && self.all.values().all(|executor| executor.running.is_empty())
    }

    /// Whether slots, attempts and mounts are consistent.
    pub(crate) fn is_sound(&self) -> bool {
        let running = self.all.values().map(|executor| executor.running.len()).sum::<usize>();
        let has_free = self.all.values().filter(|executor| executor.free() > 0).count();
        let is_there = |(attempt, flight): (&Attempt, &Flight)| {
            self.all.get(&flight.executor).is_some_and(|e| e.running.contains(attempt))
        };
        let is_free = |&(Reverse(free), id): &(Reverse<u32>, ExecutorId)| {
            self.all.get(&id).is_some_and(|executor| executor.free() == free)
        };
        let mounted = self.mounts.values().map(BTreeSet::len).sum::<usize>();
        let mounts = self.all.values().map(|executor| executor.volumes.len()).sum::<usize>();
        running == self.flights.len()
            && self.flights.iter().all(is_there)
            && has_free == self.free.len()
            && self.free.iter().all(is_free)
            && mounted == mounts
    }

    /// Changes an executor and keeps the order by free slots.
    fn change(&mut self, id: ExecutorId, change: impl FnOnce(&mut Executor)) {
        let Some(executor) = self.all.get_mut(&id) else { return };
        let before = executor.free();
        change(executor);
        let after = executor.free();
        if before == after && self.free.contains(&(Reverse(after), id)) {
            return;
        }
        self.free.remove(&(Reverse(before), id));
        if after > 0 {
            self.free.insert((Reverse(after), id));
        }
    }
}
