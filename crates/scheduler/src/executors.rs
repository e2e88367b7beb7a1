//! Executors, their slots, and the attempts that occupy them.

use model::{Attempt, ExecutorId, StageId, TaskId, VolumeId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// An attempt that was launched and has not been heard of since. It may be of a stage that is gone.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) executor: ExecutorId,
    /// Round of its stage when it was launched.
    pub(crate) round: u32,
    /// Volumes that were lost since: what it wrote there is lost too.
    pub(crate) lost_volumes: BTreeSet<VolumeId>,
}

#[derive(Debug, Default)]
struct Executor {
    slots: u32,
    volumes: BTreeSet<VolumeId>,
    running: BTreeSet<Attempt>,
}

impl Executor {
    /// Room for tasks. One that has no volume (left) has none: its map tasks would fail at once, and so it would draw all of them.
    fn free(&self) -> u32 {
        let slots = if self.volumes.is_empty() { 0 } else { self.slots };
        slots.saturating_sub(u32::try_from(self.running.len()).unwrap_or(u32::MAX))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Executors {
    all: BTreeMap<ExecutorId, Executor>,
    /// Those with free slots, most free slots first.
    free: BTreeSet<(Reverse<u32>, ExecutorId)>,
    flights: BTreeMap<Attempt, Flight>,
    mounts: BTreeMap<VolumeId, BTreeSet<ExecutorId>>,
}

/// How many executors are looked at for one that mounts a preferred volume.
const LOCAL_CANDIDATES: usize = 8;

impl Executors {
    /// Adds an executor, or updates what is known of it.
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

    /// Removes an executor, and returns the attempts that it ran.
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

    /// Notes on each attempt in flight that the volume is gone.
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

    /// The executor with the most free slots; one that mounts `preferred`, if one of those has any.
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

    /// An attempt takes a slot.
    pub(crate) fn start(&mut self, attempt: Attempt, executor: ExecutorId, round: u32) {
        self.flights.insert(attempt, Flight { executor, round, lost_volumes: BTreeSet::new() });
        self.change(executor, |executor| {
            executor.running.insert(attempt);
        });
    }

    /// An attempt gives its slot back. `None` if it had ended already.
    pub(crate) fn end(&mut self, attempt: Attempt) -> Option<Flight> {
        let flight = self.flights.remove(&attempt)?;
        self.change(flight.executor, |executor| {
            executor.running.remove(&attempt);
        });
        Some(flight)
    }

    /// Where an attempt runs.
    pub(crate) fn whereabouts(&self, attempt: Attempt) -> Option<ExecutorId> {
        Some(self.flights.get(&attempt)?.executor)
    }

    /// The attempts of a stage that have not been heard of since their launch.
    pub(crate) fn attempts_of(&self, stage: StageId) -> Vec<Attempt> {
        let bound = |n| Attempt { task: TaskId { stage, partition: n }, number: n };
        self.flights.range(bound(0)..=bound(u32::MAX)).map(|(&attempt, _)| attempt).collect()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.flights.is_empty() && self.all.values().all(|executor| executor.running.is_empty())
    }

    /// Whether slots, attempts and mounts agree with each other.
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
