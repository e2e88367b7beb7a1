//! Executors, their slots, and the attempts that occupy them.

use crate::event::TaskProgress;
use model::{Attempt, ExecutorId, ProfileId, StageId, TaskId, VolumeId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A launched attempt whose end has not been reported. Its stage may be gone.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) executor: ExecutorId,
    pub(crate) host: Arc<str>,
    /// When it was launched.
    pub(crate) since: Duration,
    /// When it got its slots.
    pub(crate) started: Duration,
    /// Whether it waits at its executor for a slot.
    pub(crate) is_ahead: bool,
    /// Its stage's round at the launch.
    pub(crate) round: u32,
    profile: ProfileId,
    /// Slots that it takes.
    slots: u32,
    pub(crate) progress: TaskProgress,
    /// Volumes lost since the launch: its output there is lost too.
    pub(crate) lost_volumes: BTreeSet<VolumeId>,
}

#[derive(Debug)]
struct Executor {
    host: Arc<str>,
    profile: ProfileId,
    slots: u32,
    volumes: BTreeSet<VolumeId>,
    running: BTreeSet<Attempt>,
    /// Slots that these take.
    taken: u32,
    /// Those of them that wait for a slot, in their order. If there are any, no slot is free.
    ahead: VecDeque<Attempt>,
    /// When an attempt ended there, or began to wait although none did.
    stirred: Duration,
}

impl Executor {
    /// Slots for tasks. An executor without a volume to write to has none: its map tasks would fail
    /// at once, and so it would attract all of them.
    fn useful_slots(&self) -> u32 {
        if self.volumes.iter().all(VolumeId::is_foreign) { 0 } else { self.slots }
    }

    fn free(&self) -> u32 {
        self.useful_slots().saturating_sub(self.taken)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Executors {
    all: BTreeMap<ExecutorId, Executor>,
    /// Executors with free slots, most free slots first.
    free: BTreeSet<(Reverse<u32>, ExecutorId)>,
    flights: BTreeMap<Attempt, Flight>,
    /// Number of these by the kind of their executors and the slots that each takes.
    flights_by_slots: BTreeMap<(ProfileId, u32), u32>,
    mounts: BTreeMap<VolumeId, BTreeSet<ExecutorId>>,
    /// Volumes whose executor leaves, or has left; and since when nothing is there any more.
    leaving: BTreeMap<VolumeId, Option<Duration>>,
    /// Executors with attempts that wait for a slot.
    crowded: BTreeSet<ExecutorId>,
    /// Executors on which attempts have ended lately.
    ended: BTreeSet<ExecutorId>,
    /// Number of executors by host.
    hosts: BTreeMap<Arc<str>, usize>,
}

/// Number of executors considered when looking for one that mounts a preferred volume.
const LOCAL_CANDIDATES: usize = 8;

impl Executors {
    /// Adds an executor, or updates what is known of it.
    pub(crate) fn register(
        &mut self,
        now: Duration,
        (id, host, profile): (ExecutorId, String, ProfileId),
        (slots, volumes): (u32, BTreeSet<VolumeId>),
    ) {
        self.unmount(id);
        self.leave_host(id);
        let host: Arc<str> = host.into();
        *self.hosts.entry(Arc::clone(&host)).or_default() += 1;
        for volume in &volumes {
            self.mounts.entry(volume.clone()).or_default().insert(id);
        }
        let (none, running, ahead) = (BTreeSet::new(), BTreeSet::new(), VecDeque::new());
        let (of, slots_yet) = (Arc::clone(&host), 0);
        let new = Executor {
            host: of,
            profile,
            slots: slots_yet,
            volumes: none,
            running,
            taken: 0,
            ahead,
            stirred: Duration::ZERO,
        };
        self.all.entry(id).or_insert(new);
        self.change(id, |executor| {
            executor.host = host;
            executor.profile = profile;
            executor.slots = slots;
            executor.volumes = volumes;
        });
        self.give_slots(now, id);
    }

    /// Notes that these volumes will be out of reach.
    pub(crate) fn leave(&mut self, volumes: BTreeSet<VolumeId>) {
        self.leaving.extend(volumes.into_iter().map(|volume| (volume, None)));
    }

    /// Forgets volumes that have left once no attempt is in flight that may have read them.
    /// `holds`: whether outputs are registered that are on a volume.
    pub(crate) fn forget_left(&mut self, now: Duration, holds: impl Fn(&VolumeId) -> bool) {
        let (mounts, flights) = (&self.mounts, &self.flights);
        self.leaving.retain(|volume, empty_since| {
            let is_empty = !mounts.contains_key(volume) && !holds(volume);
            *empty_since = empty_since.or(Some(now)).filter(|_| is_empty);
            let may_be_read = |since| flights.values().any(|flight| flight.since <= since);
            empty_since.is_none_or(may_be_read)
        });
    }

    /// Whether a volume is, or soon will be, out of reach because its executor leaves.
    pub(crate) fn is_leaving(&self, volume: &VolumeId) -> bool {
        self.leaving.contains_key(volume)
    }

    /// Removes an executor, and returns its attempts in flight.
    pub(crate) fn remove(&mut self, id: ExecutorId) -> Vec<(Attempt, Flight)> {
        self.unmount(id);
        self.leave_host(id);
        let Some(executor) = self.all.remove(&id) else { return Vec::new() };
        self.free.remove(&(Reverse(executor.free()), id));
        self.crowded.remove(&id);
        self.ended.remove(&id);
        let running = executor.running.into_iter();
        running.filter_map(|attempt| Some((attempt, self.take_flight(attempt)?))).collect()
    }

    fn take_flight(&mut self, attempt: Attempt) -> Option<Flight> {
        let flight = self.flights.remove(&attempt)?;
        if let Some(count) = self.flights_by_slots.get_mut(&(flight.profile, flight.slots)) {
            *count -= 1;
        }
        Some(flight)
    }

    fn leave_host(&mut self, id: ExecutorId) {
        let Some(Executor { host, .. }) = self.all.get(&id) else { return };
        if let Some(count) = self.hosts.get_mut(host) {
            *count -= 1;
            if *count == 0 {
                self.hosts.remove(host);
            }
        }
    }

    /// Number of hosts with executors.
    pub(crate) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// The host of an executor that is there.
    pub(crate) fn host(&self, id: ExecutorId) -> &str {
        self.all.get(&id).map_or("", |executor| &executor.host)
    }

    /// The kind of an executor that is there.
    pub(crate) fn profile(&self, id: ExecutorId) -> ProfileId {
        self.all.get(&id).map(|executor| executor.profile).unwrap_or_default()
    }

    /// The executors of a host.
    pub(crate) fn on_host(&self, host: &str) -> impl Iterator<Item = ExecutorId> {
        self.all.iter().filter(move |(_, executor)| *executor.host == *host).map(|(id, _)| *id)
    }

    /// Whether an executor is there.
    pub(crate) fn is_known(&self, id: ExecutorId) -> bool {
        self.all.contains_key(&id)
    }

    /// The executors that get tasks, free or not.
    pub(crate) fn with_slots(&self) -> impl Iterator<Item = ExecutorId> {
        self.all.iter().filter(|(_, executor)| executor.useful_slots() > 0).map(|(id, _)| *id)
    }

    /// An executor of a kind that gets tasks and has none.
    pub(crate) fn idle(&self, profile: ProfileId) -> Option<ExecutorId> {
        self.of(profile).find(|id| self.all[id].running.is_empty())
    }

    /// The executors of a kind that get tasks, free or not.
    pub(crate) fn of(&self, profile: ProfileId) -> impl Iterator<Item = ExecutorId> {
        self.with_slots().filter(move |id| self.all[id].profile == profile)
    }

    /// The executors that mount a volume and get tasks.
    pub(crate) fn mounting(&self, volume: &VolumeId) -> impl Iterator<Item = ExecutorId> {
        let mounting = self.mounts.get(volume).into_iter().flatten().copied();
        mounting.filter(|id| self.all[id].useful_slots() > 0)
    }

    /// The executor that serves a volume of the application, if that is one.
    pub(crate) fn server(&self, volume: &VolumeId) -> Option<ExecutorId> {
        if volume.is_foreign() {
            return None; // who has no part in what becomes of it
        }
        let mounting = self.mounts.get(volume).filter(|mounting| mounting.len() == 1)?;
        mounting.first().copied()
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

    /// The executor with the most free slots of those that have that many and may be taken,
    /// preferring those that mount `preferred`.
    pub(crate) fn pick(
        &self,
        slots: u32,
        preferred: Option<&VolumeId>,
        may: impl Fn(ExecutorId) -> bool,
    ) -> Option<ExecutorId> {
        let free = self.free.iter().take_while(|(Reverse(free), _)| *free >= slots);
        let freest = free.map(|&(_, id)| id).find(|id| may(*id))?;
        let Some(mounting) = preferred.and_then(|volume| self.mounts.get(volume)) else {
            return Some(freest);
        };
        if mounting.contains(&freest) {
            return Some(freest);
        }
        let free_slots = |id: &ExecutorId| self.all.get(id).map_or(0, Executor::free);
        let local = mounting.iter().filter(|id| may(**id)).take(LOCAL_CANDIDATES);
        let local = local.max_by_key(|id| free_slots(id));
        Some(local.copied().filter(|id| free_slots(id) >= slots).unwrap_or(freest))
    }

    /// Whether any executor has a free slot.
    pub(crate) fn has_free_slots(&self) -> bool {
        !self.free.is_empty()
    }

    /// Tasks of so many slots for which executors that may be taken have free ones.
    pub(crate) fn free_room(&self, task_slots: u32, may: impl Fn(ExecutorId) -> bool) -> u32 {
        let free = self.free.iter().filter(|(_, id)| may(*id));
        free.fold(0, |sum, (Reverse(free), _)| sum.saturating_add(free / task_slots))
    }

    /// The same, whether their slots are free or not.
    pub(crate) fn room(&self, task_slots: u32, may: impl Fn(ExecutorId) -> bool) -> u32 {
        let slots = self.with_slots().filter(|id| may(*id)).map(|id| self.all[&id].slots);
        slots.fold(0, |sum, slots| sum.saturating_add(slots / task_slots))
    }

    /// Occupies slots with an attempt, or has it wait for one.
    pub(crate) fn start(
        &mut self,
        attempt: Attempt,
        executor: ExecutorId,
        (round, slots, since): (u32, u32, Duration),
        is_ahead: bool,
    ) {
        let lost_volumes = BTreeSet::new();
        let known = self.all.get(&executor);
        let host = known.map(|executor| Arc::clone(&executor.host)).unwrap_or_default();
        let profile = known.map(|executor| executor.profile).unwrap_or_default();
        let progress = TaskProgress::default();
        let flight = Flight {
            executor,
            host,
            since,
            started: since,
            is_ahead,
            round,
            profile,
            slots,
            progress,
            lost_volumes,
        };
        self.flights.insert(attempt, flight);
        *self.flights_by_slots.entry((profile, slots)).or_default() += 1;
        self.change(executor, |executor| {
            executor.running.insert(attempt);
            if !is_ahead {
                executor.taken += slots;
                return;
            }
            if executor.ahead.is_empty() {
                executor.stirred = since;
            }
            executor.ahead.push_back(attempt);
        });
        if is_ahead {
            self.crowded.insert(executor);
        }
    }

    /// Frees an attempt's slots for those that wait; `None` if it has already ended.
    pub(crate) fn end(&mut self, now: Duration, attempt: Attempt) -> Option<Flight> {
        let flight = self.take_flight(attempt)?;
        let id = flight.executor;
        self.change(id, |executor| {
            executor.running.remove(&attempt);
            executor.stirred = now;
            if flight.is_ahead {
                executor.ahead.retain(|waiting| *waiting != attempt);
            } else {
                executor.taken -= flight.slots;
            }
        });
        self.give_slots(now, id);
        self.ended.insert(id);
        Some(flight)
    }

    /// Gives free slots to those that wait for them.
    fn give_slots(&mut self, now: Duration, id: ExecutorId) {
        if !self.crowded.contains(&id) {
            return;
        }
        let mut started = Vec::new();
        self.change(id, |executor| {
            while executor.free() > 0
                && let Some(next) = executor.ahead.pop_front()
            {
                executor.taken += 1;
                started.push(next);
            }
        });
        for next in started {
            if let Some(flight) = self.flights.get_mut(&next) {
                (flight.is_ahead, flight.started) = (false, now);
            }
        }
        if self.waiting_at(id) == 0 {
            self.crowded.remove(&id);
        }
    }

    /// The executors on which attempts have ended since the last call.
    pub(crate) fn take_ended(&mut self) -> BTreeSet<ExecutorId> {
        std::mem::take(&mut self.ended)
    }

    /// Slots of an executor of which none is free; else 0.
    pub(crate) fn full_slots(&self, id: ExecutorId) -> u32 {
        let full = self.all.get(&id).filter(|executor| executor.free() == 0);
        full.map_or(0, Executor::useful_slots)
    }

    /// Number of attempts that wait at an executor for a slot.
    pub(crate) fn waiting_at(&self, id: ExecutorId) -> usize {
        self.all.get(&id).map_or(0, |executor| executor.ahead.len())
    }

    /// The executors with attempts that wait for a slot, and when an attempt last ended there.
    pub(crate) fn stirred(&self) -> impl Iterator<Item = (ExecutorId, Duration)> {
        self.crowded.iter().filter_map(|id| Some((*id, self.all.get(id)?.stirred)))
    }

    /// The attempts that wait at an executor for a slot, which will get none.
    pub(crate) fn give_back(&mut self, id: ExecutorId) -> VecDeque<Attempt> {
        self.crowded.remove(&id);
        self.all
            .get_mut(&id)
            .map(|executor| std::mem::take(&mut executor.ahead))
            .unwrap_or_default()
    }

    /// Notes how far an attempt is.
    pub(crate) fn note_progress(&mut self, attempt: Attempt, progress: TaskProgress) {
        if let Some(flight) = self.flights.get_mut(&attempt) {
            flight.progress = progress;
        }
    }

    /// The executor that an attempt runs on.
    pub(crate) fn executor_of(&self, attempt: Attempt) -> Option<ExecutorId> {
        Some(self.flights.get(&attempt)?.executor)
    }

    /// An attempt whose end has not been reported.
    pub(crate) fn flight(&self, attempt: Attempt) -> Option<&Flight> {
        self.flights.get(&attempt)
    }

    /// The executors that attempts run on.
    pub(crate) fn running(&self, attempts: impl Iterator<Item = Attempt>) -> Vec<ExecutorId> {
        attempts.filter_map(|attempt| self.executor_of(attempt)).collect()
    }

    /// A stage's attempts in flight.
    pub(crate) fn attempts_of(&self, stage: StageId) -> Vec<Attempt> {
        let bound = |n| Attempt { task: TaskId { stage, partition: n }, number: n };
        self.flights.range(bound(0)..=bound(u32::MAX)).map(|(&attempt, _)| attempt).collect()
    }

    /// An executor's attempts in flight.
    pub(crate) fn running_on(&self, id: ExecutorId) -> Vec<Attempt> {
        self.all.get(&id).into_iter().flat_map(|executor| &executor.running).copied().collect()
    }

    /// Number of attempts in flight on executors of a kind, by the slots that each takes.
    pub(crate) fn in_flight(&self, profile: ProfileId) -> impl Iterator<Item = (u32, u32)> {
        let flights = self.flights_by_slots.range((profile, 0)..=(profile, u32::MAX));
        flights.map(|(&(_, slots), &count)| (slots, count))
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
        let slots = self.flights_by_slots.iter().map(|((_, slots), count)| slots * count);
        let slots = slots.sum::<u32>();
        let taken = self.all.values().map(|executor| executor.taken).sum::<u32>();
        let ahead = self.flights.values().filter(|flight| flight.is_ahead);
        let taken = taken + ahead.map(|flight| flight.slots).sum::<u32>();
        let waits = |attempt: &Attempt| self.flights.get(attempt).is_some_and(|it| it.is_ahead);
        let waiting = |(id, executor): (&ExecutorId, &Executor)| {
            let is_full = executor.ahead.is_empty() || executor.free() == 0;
            is_full
                && executor.ahead.iter().all(waits)
                && self.crowded.contains(id) != executor.ahead.is_empty()
        };
        let are_waiting = self.all.iter().all(waiting);
        let is_free = |&(Reverse(free), id): &(Reverse<u32>, ExecutorId)| {
            self.all.get(&id).is_some_and(|executor| executor.free() == free)
        };
        let mounted = self.mounts.values().map(BTreeSet::len).sum::<usize>();
        let mounts = self.all.values().map(|executor| executor.volumes.len()).sum::<usize>();
        running == self.flights.len()
            && are_waiting
            && slots == taken
            && self.flights.iter().all(is_there)
            && has_free == self.free.len()
            && self.free.iter().all(is_free)
            && mounted == mounts
            && self.hosts.values().sum::<usize>() == self.all.len()
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
