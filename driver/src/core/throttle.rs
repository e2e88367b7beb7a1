//! How often what people see is told: at most every 100 ms, and the last state always.

use std::time::Duration;
use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_millis(100);

/// When to tell next.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    changed: bool,
    told: Option<Instant>,
}

impl Throttle {
    /// There is something new.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// When it should be told.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.changed.then(|| self.told.map_or_else(Instant::now, |told| told + INTERVAL))
    }

    /// Whether it is to be told now; then it counts as told.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let due = self.changed && self.told.is_none_or(|told| now >= told + INTERVAL);
        if due {
            *self = Self { changed: false, told: Some(now) };
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_seldom_and_the_last_one_always() {
        let start = Instant::now();
        let mut throttle = Throttle::default();
        assert!(!throttle.take(start));
        throttle.touch();
        assert!(throttle.take(start));
        throttle.touch();
        assert!(!throttle.take(start + INTERVAL / 2));
        assert_eq!(throttle.due(), Some(start + INTERVAL));
        assert!(throttle.take(start + INTERVAL));
        assert_eq!(throttle.due(), None);
    }
}
