//! The cluster manager's stream: at most one at a time, and what was said over it.

use crate::message::ToManager;
use crate::settings::WithoutManager;
use model::ExecutorId;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What is known of the manager.
#[derive(Debug)]
pub(crate) struct Manager {
    rule: WithoutManager,
    stream: Stream,
    /// Whether there ever was one.
    came: bool,
    /// Executors in its last facts.
    known: BTreeSet<ExecutorId>,
}

#[derive(Debug)]
enum Stream {
    Absent { since: Instant },
    Attached { serial: u64, outbox: mpsc::Sender<ToManager>, wished: Option<ToManager> },
}

impl Manager {
    pub(crate) fn new(rule: WithoutManager, now: Instant) -> Self {
        let stream = Stream::Absent { since: now };
        Self { rule, stream, came: false, known: BTreeSet::new() }
    }

    /// A new stream takes the place of the one before.
    pub(crate) fn attach(&mut self, serial: u64, outbox: mpsc::Sender<ToManager>) {
        self.came = true;
        let newer = match &self.stream {
            Stream::Absent { .. } => true,
            Stream::Attached { serial: present, .. } => *present < serial,
        };
        if newer {
            self.stream = Stream::Attached { serial, outbox, wished: None };
        }
    }

    pub(crate) fn detach(&mut self, now: Instant) {
        self.stream = Stream::Absent { since: now };
    }

    pub(crate) fn is_attached(&self) -> bool {
        matches!(self.stream, Stream::Attached { .. })
    }

    /// Whether one is about to attach for the first time: whoever started this driver, and would end it.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.came && self.deadline().is_some()
    }

    /// Whether this stream is the one that counts.
    pub(crate) fn hears(&self, serial: u64) -> bool {
        matches!(self.stream, Stream::Attached { serial: present, .. } if present == serial)
    }

    /// The executors in its last facts: all that it knows.
    pub(crate) fn knows(&mut self, executors: impl Iterator<Item = ExecutorId>) {
        self.known = executors.collect();
    }

    pub(crate) fn known(&self) -> impl Iterator<Item = ExecutorId> {
        self.known.iter().copied()
    }

    /// It still speaks of executors whose end was told to it: it is told again.
    pub(crate) fn wish_again(&mut self) {
        if let Stream::Attached { wished, .. } = &mut self.stream {
            *wished = None;
        }
    }

    /// Tells it what is wanted, if that is not what it was told last.
    pub(crate) fn wish(&mut self, wish: ToManager) {
        let Stream::Attached { wished, .. } = &mut self.stream else { return };
        if wished.as_ref() != Some(&wish) {
            *wished = Some(wish.clone());
            self.tell(wish);
        }
    }

    /// One that does not read what it is told is held for gone: when it comes back it is told everything.
    pub(crate) fn tell(&mut self, told: ToManager) {
        let Stream::Attached { outbox, .. } = &self.stream else { return };
        if outbox.try_send(told).is_err() {
            tracing::warn!("the cluster manager does not read its stream");
            self.detach(Instant::now());
        }
    }

    /// When its absence ends the driver.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match (&self.stream, self.rule) {
            (Stream::Absent { since }, WithoutManager::EndAfterMs(ms)) => {
                Some(*since + Duration::from_millis(ms))
            }
            (Stream::Absent { .. }, WithoutManager::Continue) | (Stream::Attached { .. }, _) => {
                None
            }
        }
    }

    /// Whether its absence ends the driver now, and why. Said once.
    pub(crate) fn overdue(&mut self, now: Instant) -> Option<String> {
        self.deadline().filter(|deadline| now >= *deadline)?;
        self.rule = WithoutManager::Continue;
        Some("the cluster manager is gone".to_owned())
    }
}
