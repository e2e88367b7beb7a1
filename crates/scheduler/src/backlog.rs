//! What an allocation of executors needs to know: how much there is to run, and what an executor's
//! volume holds.

use crate::scheduler::Scheduler;
use crate::stage::{Phase, Stage};
use model::{ShuffleId, VolumeId};

/// The tasks that could occupy slots now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Tasks that could be launched if there were slots.
    pub pending: u32,
    /// Attempts in flight, whoever waits for them.
    pub running: u32,
    /// Stages with a task that may not run on any of the executors.
    pub unschedulable: u32,
}

impl Scheduler {
    /// The tasks that wait for slots, and those that have one.
    pub fn backlog(&self) -> Backlog {
        let active = self.stages.iter().filter(|stage| stage.phase == Phase::Active);
        let pending = active.map(|stage| stage.tasks.pending()).fold(0, u32::saturating_add);
        let running = u32::try_from(self.executors.in_flight()).unwrap_or(u32::MAX);
        let waits = |stage: &&Stage| stage.failures.unschedulable_until.is_some();
        let unschedulable = u32::try_from(self.stages.iter().filter(waits).count());
        Backlog { pending, running, unschedulable: unschedulable.unwrap_or(u32::MAX) }
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
