//! Outputs that no job uses go after a time, or when there are too many. What goes is the
//! scheduler's decision; this asks it, at most once a second while anything happens.

use super::Core;
use scheduler::Retention;
use std::time::Duration;

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// The rules, and when to look next.
#[derive(Debug)]
pub(crate) struct Retained {
    rules: Retention,
    looked: Duration,
    due: Option<Duration>,
}

impl Retained {
    pub(crate) fn new(rules: Retention) -> Self {
        Self { rules, looked: Duration::ZERO, due: None }
    }

    /// Something has happened that may change what goes.
    pub(super) fn touch(&mut self) {
        let soon = self.looked + PAUSE;
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.due
    }
}

impl Core {
    /// Releases the outputs that have lasted long enough.
    pub(super) fn release_surplus(&mut self, now: Duration) {
        let Some(retained) = &mut self.retained else { return };
        if retained.due.is_none_or(|due| now < due) {
            return;
        }
        let is_kept = |shuffle| self.caches.is_wanted(shuffle);
        let surplus = self.scheduler.surplus(now, retained.rules, is_kept);
        retained.looked = now;
        self.release(now, surplus.shuffles);
        if let Some(retained) = &mut self.retained {
            retained.due = surplus.next;
        }
    }
}
