//! The cluster manager's stream: at most one at a time, and what was said over it.

use super::effect::Effect;
use crate::message::ToManager;
use crate::settings::WithoutManager;
use model::ExecutorId;
use std::collections::BTreeSet;
use std::time::Duration;

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
    Absent { since: Duration },
    Attached { serial: u64, wished: Option<ToManager> },
}

impl Manager {
    /// A manager that has not attached since the start.
    pub(crate) fn new(rule: WithoutManager) -> Self {
        let stream = Stream::Absent { since: Duration::ZERO };
        Self { rule, stream, came: false, known: BTreeSet::new() }
    }

    /// Takes a new stream in place of the one before.
    pub(crate) fn attach(&mut self, serial: u64, effects: &mut Vec<Effect>) {
        self.came = true;
        let present = match &self.stream {
            Stream::Absent { .. } => None,
            Stream::Attached { serial, .. } => Some(*serial),
        };
        if present.is_some_and(|present| present > serial) {
            effects.push(Effect::CloseManager { serial });
            return;
        }
        effects.extend(present.map(|serial| Effect::CloseManager { serial }));
        self.stream = Stream::Attached { serial, wished: None };
    }

    /// Drops a stream that has ended, or a manager does not read it: when it comes back it is told
    /// everything.
    pub(crate) fn detach(&mut self, now: Duration, serial: u64, effects: &mut Vec<Effect>) {
        if self.hears(serial) {
            effects.push(Effect::CloseManager { serial });
            self.stream = Stream::Absent { since: now };
        }
    }

    /// Counts an absence from now on, whenever it began.
    pub(crate) fn reset_absence(&mut self, now: Duration) {
        if let Stream::Absent { since } = &mut self.stream {
            *since = now;
        }
    }

    pub(crate) fn is_attached(&self) -> bool {
        matches!(self.stream, Stream::Attached { .. })
    }

    /// Whether one is about to attach for the first time: whoever started this driver, and would
    /// end it.
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
    pub(crate) fn wish(&mut self, wish: ToManager, effects: &mut Vec<Effect>) {
        let Stream::Attached { wished, .. } = &mut self.stream else { return };
        if wished.as_ref() != Some(&wish) {
            *wished = Some(wish.clone());
            self.tell(wish, effects);
        }
    }

    pub(crate) fn tell(&self, message: ToManager, effects: &mut Vec<Effect>) {
        if let Stream::Attached { serial, .. } = self.stream {
            effects.push(Effect::TellManager { serial, message });
        }
    }

    /// When its absence ends the driver.
    pub(crate) fn deadline(&self) -> Option<Duration> {
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
    pub(crate) fn overdue(&mut self, now: Duration) -> Option<String> {
        self.deadline().filter(|deadline| now >= *deadline)?;
        self.rule = WithoutManager::Continue;
        Some("the cluster manager is gone".to_owned())
    }
}
