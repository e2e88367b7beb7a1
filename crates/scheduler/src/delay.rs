//! Delay scheduling: tasks wait for a slot where their input is, for a while.
//!
//! A stage begins with the nearest level that a pending task of it asks for, and goes on to the
//! next one when nothing at this level is left, or when it has waited there. The wait begins anew
//! whenever all free slots that it could use were used.

use crate::executors::Executors;
use crate::scheduler::Scheduler;
use crate::stage::Stage;
use model::{ExecutorId, StageId, VolumeId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How far from its input a task runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// On an executor that has it.
    #[default]
    Executor,
    /// On the host of one.
    Host,
    /// Wherever there is a slot.
    Any,
}

/// How long tasks wait (`spark.locality.wait.*`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LocalityWait {
    /// For an executor that holds a cached partition, before another one of its host is taken.
    pub executor: Duration,
    /// For a host that has the input, before any is taken.
    pub host: Duration,
}

/// How far a stage is.
#[derive(Debug, Default)]
pub(crate) struct Delay {
    level: Level,
    /// When it came to this level, or last used all free slots.
    since: Option<Duration>,
    /// When it goes on, if a slot is free that it does not take.
    pub(crate) until: Option<Duration>,
}

/// What the stages did with the free slots.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// The farthest level at which each stage launched a task.
    launched: BTreeMap<StageId, Level>,
    /// Stages that left a slot free that they could have used.
    declined: BTreeSet<StageId>,
}

impl Round {
    /// A stage has launched a task.
    pub(crate) fn note_launch(&mut self, id: StageId, level: Level) {
        let farthest = self.launched.entry(id).or_default();
        *farthest = level.max(*farthest);
    }
}

impl Scheduler {
    /// Has tasks wait for slots near their input.
    #[must_use]
    pub fn with_locality_wait(self, locality_wait: LocalityWait) -> Self {
        Self { locality_wait, ..self }
    }

    /// When a stage goes on to slots that are farther away.
    pub(crate) fn delay_deadline(&self) -> Option<Duration> {
        self.stages.iter().filter_map(|stage| stage.delay.until).min()
    }

    /// The next pending task of a stage that may be launched now, the executor for it, and how far
    /// that is.
    pub(crate) fn pick_near(
        &mut self,
        now: Duration,
        id: StageId,
    ) -> Option<(u32, ExecutorId, Level)> {
        if !self.stages.get(id)?.tasks.have_preferences() {
            let (partition, executor) = self.pick_pending(id)?;
            return Some((partition, executor, Level::Executor));
        }
        let allowed = self.allowed(now, id);
        let stage = self.stages.get(id)?;
        let near = self.pick_at(stage, Level::Executor);
        let host = || (allowed >= Level::Host).then(|| self.pick_at(stage, Level::Host))?;
        let any = || (allowed >= Level::Any).then(|| self.pick_at(stage, Level::Any))?;
        let free = || self.pick_unbound(stage).map(|found| (found, Level::Executor));
        near.map(|found| (found, Level::Executor))
            .or_else(|| host().map(|found| (found, Level::Host)))
            .or_else(free)
            .or_else(|| any().map(|found| (found, Level::Any)))
            .map(|((partition, executor), level)| (partition, executor, level))
    }

    /// The first task with a preference for which there is a free executor at that level.
    fn pick_at(&self, stage: &Stage, level: Level) -> Option<(u32, ExecutorId)> {
        self.first_of_volumes(stage, |volume, partition| {
            let volume = volume.filter(|volume| self.is_there(stage, partition, volume))?;
            let is_near = |executor| is_near(&self.executors, executor, volume, level);
            let may = |executor| is_near(executor) && self.may_run(stage, partition, executor);
            self.executors.pick(stage.task_slots, None, may)
        })
    }

    /// The first task without a preference for which there is a free executor.
    fn pick_unbound(&self, stage: &Stage) -> Option<(u32, ExecutorId)> {
        self.first_of_volumes(stage, |volume, partition| {
            let is_bound = volume.is_some_and(|volume| self.is_there(stage, partition, volume));
            let may = |executor| self.may_run(stage, partition, executor);
            self.executors.pick(stage.task_slots, None, may).filter(|_| !is_bound)
        })
    }

    /// The first pending task for which something is found. Of those that prefer the same volume
    /// one is asked for all if all may run on the same executors.
    fn first_of_volumes<T: Ord>(
        &self,
        stage: &Stage,
        find: impl Fn(Option<&VolumeId>, u32) -> Option<T>,
    ) -> Option<(u32, T)> {
        let of_volume = |(volume, pending): (Option<&VolumeId>, &BTreeSet<u32>)| {
            let mut pending = pending.iter().take(self.asked());
            pending.find_map(|&partition| Some((partition, find(volume, partition)?)))
        };
        stage.tasks.pending_by_volume().filter_map(of_volume).min()
    }

    /// Whether an executor is there that a task could wait for, because it mounts a volume.
    fn is_there(&self, stage: &Stage, partition: u32, volume: &VolumeId) -> bool {
        let mut mounting = self.executors.mounting(volume);
        mounting.any(|executor| self.may_run(stage, partition, executor))
    }

    /// The farthest level at which a stage may launch tasks with a preference now.
    fn allowed(&mut self, now: Duration, id: StageId) -> Level {
        loop {
            let Some(stage) = self.stages.get(id) else { return Level::Any };
            let Delay { level: before, since, .. } = stage.delay;
            let since = since.unwrap_or(now);
            let is_bound = |volume: Option<&VolumeId>, partition| {
                self.is_there(stage, partition, volume?).then_some(())
            };
            let has_more = || self.first_of_volumes(stage, is_bound).is_some();
            let (has_more, wait, next) = match before {
                Level::Executor => {
                    let has_more = stage.waits_for_executor && has_more();
                    (has_more, self.locality_wait.executor, Level::Host)
                }
                Level::Host => (has_more(), self.locality_wait.host, Level::Any),
                Level::Any => return Level::Any,
            };
            let over = now.saturating_sub(since) >= wait;
            let (level, since) = match (has_more, over) {
                (false, _) => (next, now),
                (true, true) => (next, since.saturating_add(wait)),
                (true, false) => (before, since),
            };
            let Some(stage) = self.stages.get_mut(id) else { return Level::Any };
            stage.delay = Delay { level, since: Some(since), until: None };
            if level == before {
                return level;
            }
        }
    }

    /// No stage waits until it has looked at the free slots.
    pub(crate) fn forget_waits(&mut self) {
        for stage in self.stages.iter_mut() {
            stage.delay.until = None;
        }
    }

    /// A stage has launched all that it may for now. Whether it waits, beside a slot that is free.
    pub(crate) fn note_wait(&mut self, round: &mut Round, id: StageId) {
        let Some(stage) = self.stages.get(id) else { return };
        if !stage.tasks.have_preferences() || self.pick_at(stage, Level::Any).is_none() {
            return;
        }
        round.declined.insert(id);
        let wait = match stage.delay.level {
            Level::Executor => self.locality_wait.executor,
            Level::Host | Level::Any => self.locality_wait.host,
        };
        if let Some(stage) = self.stages.get_mut(id) {
            stage.delay.until = stage.delay.since.map(|since| since.saturating_add(wait));
        }
    }

    /// The waits of stages that left no slot free begin anew, at the farthest level that they used.
    pub(crate) fn end_round(&mut self, now: Duration, round: Round) {
        for (id, level) in round.launched {
            if let Some(stage) = self.stages.get_mut(id).filter(|_| !round.declined.contains(&id)) {
                stage.delay = Delay { level, since: Some(now), until: None };
            }
        }
    }
}

/// Whether an executor has what is on a volume, or is as near to it as that level says.
fn is_near(executors: &Executors, executor: ExecutorId, volume: &VolumeId, level: Level) -> bool {
    match level {
        Level::Executor => executors.mounting(volume).any(|other| other == executor),
        Level::Host => {
            let host = executors.host(executor);
            executors.mounting(volume).any(|other| executors.host(other) == host)
        }
        Level::Any => true,
    }
}
