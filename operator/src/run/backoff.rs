//! Back-off before a failed pass is repeated.

use std::time::Duration;

/// Wait after the first failure; each further failure doubles it.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_mins(1);

/// Exponential back-off of one resource.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Failures in a row.
    failures: u32,
}

impl Backoff {
    /// Counts a failure and returns how long to wait before the next pass.
    pub(super) fn failed(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        FIRST.saturating_mul(1 << (self.failures - 1).min(20)).min(LONGEST)
    }

    /// Number of failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Resets the back-off after a successful pass.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_restart_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..12).map(|_| backoff.failed().as_millis()).collect();
        assert_eq!(waits[..4], [200, 400, 800, 1600]);
        assert_eq!(waits[9..], [60_000, 60_000, 60_000]);
        let later: Vec<Duration> = (0..40).map(|_| backoff.failed()).collect();
        assert_eq!(later.last(), Some(&LONGEST));
        backoff.reset();
        assert_eq!(backoff.failed(), FIRST);
    }
}
