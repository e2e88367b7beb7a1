//! How often what people see is told: at most every 100 ms, and the last state always.

use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(100);

/// When to tell next.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    changed: bool,
    told: Option<Duration>,
}

impl Throttle {
    /// There is something new.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// When it should be told.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.changed.then(|| self.told.map_or(Duration::ZERO, |told| told + INTERVAL))
    }

    /// Whether it is to be told now; then it counts as told.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let due = self.due().is_some_and(|due| now >= due);
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
        let start = Duration::from_secs(7);
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
