//! The promise that no task waits for ever for a slot near its input.

use model::{ExecutorId, ProfileId, VolumeId};
use scheduler::{Event, LocalityWait, Scheduler, Stage, TaskState};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long tasks wait in this world.
pub(crate) const RULES: LocalityWait =
    LocalityWait { executor: Duration::from_millis(300), host: Duration::from_millis(300) };

/// More than all waits together, and the moment for which lost outputs are gathered.
const LIMIT: Duration = Duration::from_millis(1500);

/// The executors' slots, and since when one is free for a task that waits.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    executors: BTreeMap<ExecutorId, There>,
    since: Option<Duration>,
    /// Moments at which a task waited beside a free slot.
    pub(crate) waited: u64,
}

/// An executor that is there.
#[derive(Debug)]
struct There {
    profile: ProfileId,
    slots: u32,
    volumes: BTreeSet<VolumeId>,
}

impl Waits {
    pub(crate) fn note(&mut self, event: &Event) {
        match event {
            Event::ExecutorRegistered { executor, profile, slots, volumes, .. } => {
                let (profile, slots, volumes) = (*profile, *slots, volumes.clone());
                self.executors.insert(*executor, There { profile, slots, volumes });
            }
            Event::ExecutorLost { executor, .. } => drop(self.executors.remove(executor)),
            Event::VolumeLost { volume } => {
                for there in self.executors.values_mut() {
                    there.volumes.remove(volume);
                }
            }
            _ => {}
        }
    }

    /// Number of executors that get tasks.
    pub(crate) fn there(&self) -> usize {
        let gets = |there: &&There| there.slots > 0 && !there.volumes.is_empty();
        self.executors.values().filter(gets).count()
    }

    /// `taken` is the number of slots of an executor that attempts take.
    pub(crate) fn check(
        &mut self,
        now: Duration,
        scheduler: &Scheduler,
        taken: impl Fn(ExecutorId) -> u32,
    ) -> Result<(), String> {
        let useful = || self.executors.iter().filter(|(_, there)| !there.volumes.is_empty());
        let in_reach = || useful().filter(|(id, _)| !scheduler.is_out_of_reach(**id));
        if useful().next().is_some() && in_reach().next().is_none() {
            return Err("all executors are out of reach".to_owned());
        }
        let free = |profile: ProfileId| {
            let of = in_reach().filter(|(_, there)| there.profile == profile);
            of.map(|(id, there)| there.slots.saturating_sub(taken(*id))).max().unwrap_or(0)
        };
        let ids: BTreeSet<_> = scheduler.jobs().flat_map(|job| scheduler.job_stages(job)).collect();
        let stages: Vec<&Stage> = ids.into_iter().filter_map(|id| scheduler.stage(*id)).collect();
        // Slots are kept for a barrier.
        let barrier = stages.iter().any(|stage| stage.is_barrier() && stage.is_requested());
        let waits = stages
            .iter()
            .any(|stage| stage.task_slots() <= free(stage.profile()) && waits(scheduler, stage));
        if barrier || !waits {
            self.since = None;
            return Ok(());
        }
        self.waited += 1;
        let since = *self.since.get_or_insert(now);
        if now > since + LIMIT {
            return Err(format!("a task waits beside free slots since {since:?}"));
        }
        Ok(())
    }
}

fn waits(scheduler: &Scheduler, stage: &Stage) -> bool {
    let complete = |parent| scheduler.stage(parent).is_some_and(Stage::is_complete);
    let ready = stage.is_requested() && stage.parents().iter().all(|parent| complete(*parent));
    let pending = |partition| stage.task(partition) == Some(TaskState::Pending);
    ready && (0..stage.partitions()).any(pending)
}
