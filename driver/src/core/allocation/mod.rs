//! Dynamic allocation: which number of executors is asked of the cluster manager, and which of them
//! are released. What is decided is in `policy`, which is told what is there; this gathers it.

mod policy;

pub(crate) use policy::Allocation;

use super::Core;
use model::ExecutorId;
use policy::{Hold, Load};
use std::time::Duration;

impl Core {
    /// Adapts the number of executors to the tasks that there are.
    pub(super) fn allocate(&mut self, now: Duration) {
        let Some(mut allocation) = self.allocation.take() else { return };
        let staying: Vec<(ExecutorId, bool)> = self.executors.staying().collect();
        let there = u32::try_from(staying.len()).unwrap_or(u32::MAX);
        let backlog = self.scheduler.backlog(self.rules.wanted.cores);
        allocation.follow(now, Load { backlog, there });
        allocation.note_idle(now, &staying);
        let tracks_shuffles = allocation.tracks_shuffles();
        let holds = |id| self.hold(id, tracks_shuffles);
        for executor in allocation.surplus(now, there, holds) {
            self.retire(now, executor, "it is idle, and fewer executors are wanted");
            self.executors.leave_when_idle(executor);
        }
        self.allocation = Some(allocation);
    }

    /// What would be lost with an executor.
    fn hold(&self, executor: ExecutorId, tracks_shuffles: bool) -> Hold {
        let mut hold = Hold::default();
        for volume in self.executors.volumes_lost_with(executor) {
            for shuffle in self.scheduler.shuffles_on(&volume) {
                if self.caches.is_wanted(shuffle) {
                    hold.cached = true;
                } else if tracks_shuffles {
                    hold.shuffled = true;
                }
                hold.in_use |= tracks_shuffles && self.scheduler.is_in_use(shuffle);
            }
        }
        hold
    }
}
