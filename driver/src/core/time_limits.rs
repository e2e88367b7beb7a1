//! Stages that broadcasts wait for, and how long they may take.

use super::Core;
use model::StageId;
use scheduler::{Event, Scheduler, Stage};
use std::collections::BTreeMap;
use std::time::Duration;

/// The limits of running stages.
#[derive(Debug, Default)]
pub(crate) struct TimeLimits(BTreeMap<StageId, Limit>);

#[derive(Debug, Clone, Copy)]
struct Limit {
    /// When the stage's first attempt was launched.
    since: Duration,
    limit: Duration,
}

impl Limit {
    fn end(self) -> Duration {
        self.since.saturating_add(self.limit)
    }
}

impl Core {
    /// Fails the jobs that wait for a stage whose time is over.
    pub(super) fn fail_overdue(&mut self, now: Duration) {
        while let Some((stage, limit)) = self.time_limits.take_overdue(now) {
            self.apply(now, Event::StageOverdue { stage, limit });
        }
    }
}

impl TimeLimits {
    /// A stage is launched; its time begins unless it runs already.
    pub(crate) fn begin(&mut self, stage: StageId, since: Duration, limit: Option<Duration>) {
        if let Some(limit) = limit {
            self.0.entry(stage).or_insert(Limit { since, limit });
        }
    }

    /// When the next stage is overdue.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.0.values().map(|limit| limit.end()).min()
    }

    fn take_overdue(&mut self, now: Duration) -> Option<(StageId, Duration)> {
        let (&stage, &limit) = self.0.iter().find(|(_, limit)| now >= limit.end())?;
        self.0.remove(&stage);
        Some((stage, limit.limit))
    }

    /// Forgets a stage that is complete.
    pub(crate) fn end(&mut self, stage: &Stage) {
        if stage.is_complete() {
            self.0.remove(&stage.id());
        }
    }

    /// Forgets the stages that are no longer known.
    pub(crate) fn forget(&mut self, scheduler: &Scheduler) {
        self.0.retain(|stage, _| scheduler.stage(*stage).is_some());
    }
}
