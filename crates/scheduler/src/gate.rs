//! The start: tasks wait until enough executors are there, or for a while.

use crate::scheduler::Scheduler;
use std::time::Duration;

/// What the first tasks wait for (`spark.scheduler.minRegisteredResourcesRatio`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartGate {
    /// Executors that have to be there.
    pub executors: usize,
    /// When tasks are launched however many are there.
    pub until: Duration,
}

impl Scheduler {
    /// Has the first tasks wait for executors.
    #[must_use]
    pub fn with_start_gate(self, gate: Option<StartGate>) -> Self {
        Self { gate, ..self }
    }

    /// Whether tasks may be launched. Once they may, they may for ever.
    pub(crate) fn has_started(&mut self, now: Duration) -> bool {
        let executors = &self.executors;
        let is_over = |gate: &mut StartGate| {
            now >= gate.until || executors.with_slots().count() >= gate.executors
        };
        self.gate.take_if(is_over);
        self.gate.is_none()
    }

    /// When tasks that wait for the start are launched.
    pub(crate) fn start_deadline(&self) -> Option<Duration> {
        self.gate.filter(|_| !self.queue.is_empty()).map(|gate| gate.until)
    }
}
