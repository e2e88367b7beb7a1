//! The stages that wait for slots, and the deadlines of held ones.

use model::{JobId, StageId};
use std::collections::BTreeSet;
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    ready: BTreeSet<(JobId, StageId)>,
    held: BTreeSet<(Duration, StageId)>,
}

impl Queue {
    pub(crate) fn add(&mut self, job: JobId, stage: StageId) {
        self.ready.insert((job, stage));
    }

    pub(crate) fn remove(&mut self, job: JobId, stage: StageId) {
        self.ready.remove(&(job, stage));
    }

    /// The stages with tasks to launch, by job and stage.
    pub(crate) fn ready(&self) -> impl Iterator<Item = (JobId, StageId)> {
        self.ready.iter().copied()
    }

    pub(crate) fn hold(&mut self, stage: StageId, until: Duration) {
        self.held.insert((until, stage));
    }

    pub(crate) fn unhold(&mut self, stage: StageId, until: Duration) {
        self.held.remove(&(until, stage));
    }

    /// Removes and returns a stage whose deadline has passed.
    pub(crate) fn due(&mut self, now: Duration) -> Option<StageId> {
        let &(until, stage) = self.held.first()?;
        (until <= now).then(|| self.held.remove(&(until, stage)))?;
        Some(stage)
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.held.first().map(|&(until, _)| until)
    }

    pub(crate) fn is_ready(&self, job: JobId, stage: StageId) -> bool {
        self.ready.contains(&(job, stage))
    }

    pub(crate) fn is_held(&self, stage: StageId, until: Duration) -> bool {
        self.held.contains(&(until, stage))
    }

    /// Number of stages, active and held.
    pub(crate) fn len(&self) -> usize {
        self.ready.len() + self.held.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.held.is_empty()
    }
}
