//! What an allocation of executors needs to know: how much there is to run, and what an executor's
//! volume holds.

use crate::scheduler::Scheduler;
use crate::stage::{Phase, Stage};
use model::{ProfileId, ShuffleId, VolumeId};
use std::collections::BTreeMap;

/// The tasks that could occupy slots now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Backlog {
    /// Tasks that could be launched if there were slots.
    pub pending: u32,
    /// Attempts in flight, whoever waits for them.
    pub running: u32,
    /// Executors that would give all of these slots.
    pub executors: f64,
    /// Stages with a task that may not run on any of the executors.
    pub unschedulable: u32,
}

impl Scheduler {
    /// The tasks that wait for slots of a kind of executors, and those that have some; `slots` are
    /// those of one of these.
    pub fn backlog(&self, profile: ProfileId, slots: u32) -> Backlog {
        let stages = || self.stages.iter().filter(|stage| stage.profile == profile);
        let active = stages().filter(|stage| stage.phase == Phase::Active);
        let waiting = active.map(|stage| (stage.task_slots, stage.tasks.pending()));
        let waiting: Vec<(u32, u32)> = waiting.collect();
        let count = |sum: u32, (_, tasks)| sum.saturating_add(tasks);
        let pending = waiting.iter().copied().fold(0, count);
        let running = self.executors.in_flight(profile).fold(0, count);
        let share = |(each, tasks): (u32, u32)| f64::from(tasks) / f64::from((slots / each).max(1));
        let mut all: BTreeMap<u32, u32> = self.executors.in_flight(profile).collect();
        for (each, tasks) in waiting {
            let sum = all.entry(each).or_default();
            *sum = sum.saturating_add(tasks);
        }
        let executors = all.into_iter().map(share).sum();
        let waits = |stage: &&Stage| stage.failures.unschedulable_until.is_some();
        let unschedulable = u32::try_from(stages().filter(waits).count());
        let unschedulable = unschedulable.unwrap_or(u32::MAX);
        Backlog { pending, running, executors, unschedulable }
    }

    /// The shuffles of which registered outputs are on a volume.
    pub fn shuffles_on(&self, volume: &VolumeId) -> impl Iterator<Item = ShuffleId> {
        self.shuffles.on(volume)
    }

    /// Whether a job that has not ended has the stage that writes a shuffle.
    pub fn is_in_use(&self, shuffle: ShuffleId) -> bool {
        self.stages.writer(shuffle).is_some()
    }
}
