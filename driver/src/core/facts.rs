//! What the cluster manager says.

use super::{Core, REASON_WAIT};
use crate::message::{Fact, FromManager};
use model::{ExecutorId, VolumeId};
use scheduler::Event;
use std::time::Duration;

impl Core {
    pub(super) fn on_manager(&mut self, now: Duration, serial: u64, fact: FromManager) {
        if !self.manager.hears(serial) {
            return;
        }
        match fact {
            FromManager::Stop { reason } => self.want_end(reason),
            FromManager::Bounds { min, max } => self.kinds.bound(min, max),
            FromManager::Executors(facts) => {
                for (executor, fact) in &facts {
                    self.on_fact(now, *executor, fact);
                }
                self.manager.knows(facts.into_iter().map(|(executor, _)| executor));
            }
        }
    }

    fn on_fact(&mut self, now: Duration, executor: ExecutorId, fact: &Fact) {
        match fact {
            Fact::Starting | Fact::Running => {}
            Fact::Leaving { reason } => self.retire(now, executor, reason),
            Fact::Ended { reason, app_caused, lost_volumes } => {
                // First, so that nothing is launched to read what was there.
                for volume in lost_volumes {
                    self.lose_volume(now, volume);
                }
                if self.executors.is_gone(executor) {
                    self.manager.wish_again();
                } else if self.executors.is_unknown(executor) {
                    tracing::warn!("{executor} ended before it registered: {reason}");
                    self.executors.not_started(executor);
                } else {
                    self.executors.ended(executor, now + REASON_WAIT, reason, *app_caused);
                }
            }
        }
    }

    /// An executor ends soon: what it runs may finish, new tasks go elsewhere.
    pub(super) fn retire(&mut self, now: Duration, executor: ExecutorId, reason: &str) {
        if !self.executors.retire(executor) {
            return;
        }
        tracing::info!("{executor} gets no new tasks, it will leave: {reason}");
        let leaving = self.executors.volumes_lost_with(executor);
        if !leaving.is_empty() {
            let volumes = leaving.into_iter().collect();
            self.apply(now, Event::VolumesLeave { volumes });
        }
        let host = self.executors.host(executor);
        if let Some((host, volumes)) = host.zip(self.executors.volumes(executor)) {
            let profile = self.executors.profile(executor);
            let event = Event::ExecutorRegistered { executor, host, profile, slots: 0, volumes };
            self.apply(now, event);
        }
    }

    /// A volume is gone with all that it held.
    fn lose_volume(&mut self, now: Duration, volume: &VolumeId) {
        // Facts are told again and again.
        if self.executors.lose_volume(volume) {
            tracing::warn!("volume {volume} is lost");
            self.apply(now, Event::VolumeLost { volume: volume.clone() });
        }
    }
}
