//! Workers without a task. Pure: the time comes in, and workers to end come out.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Workers without a task, the longest idle first.
#[derive(Debug)]
pub(super) struct Idle<W> {
    limit: usize,
    timeout: Duration,
    workers: VecDeque<Waiting<W>>,
}

#[derive(Debug)]
struct Waiting<W> {
    worker: W,
    /// Files that its earlier tasks used: it has imported from them.
    files: String,
    since: Instant,
}

impl<W> Idle<W> {
    pub(super) fn new(limit: usize, timeout: Duration) -> Self {
        Self { limit, timeout, workers: VecDeque::new() }
    }

    /// The worker that became idle last of those that used the same files.
    pub(super) fn take(&mut self, files: &str) -> Option<W> {
        let at = self.workers.iter().rposition(|waiting| waiting.files == files)?;
        self.workers.remove(at).map(|waiting| waiting.worker)
    }

    /// Adds a worker. Returns the one that is too many.
    pub(super) fn put(&mut self, worker: W, files: String, since: Instant) -> Option<W> {
        self.workers.push_back(Waiting { worker, files, since });
        let surplus = self.workers.len() > self.limit;
        surplus.then(|| self.workers.pop_front()).flatten().map(|waiting| waiting.worker)
    }

    /// When the next worker has been idle for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.workers.front().map(|waiting| waiting.since + self.timeout)
    }

    /// Takes out a worker that has been idle for too long.
    pub(super) fn expired(&mut self, now: Instant) -> Option<W> {
        let is_over = self.deadline().is_some_and(|deadline| deadline <= now);
        is_over.then(|| self.workers.pop_front()).flatten().map(|waiting| waiting.worker)
    }

    /// Takes out the workers that are no longer of use.
    pub(super) fn retain(&mut self, mut is_of_use: impl FnMut(&W) -> bool) {
        self.workers.retain(|waiting| is_of_use(&waiting.worker));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_with_the_same_files_is_taken_and_the_oldest_goes() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut idle = Idle::new(3, 60 * second);
        assert_eq!(idle.take("a"), None);
        for (at, (worker, files)) in (0..).zip([(1, "a"), (2, "a"), (3, "b")]) {
            assert_eq!(idle.put(worker, files.to_owned(), start + at * second), None);
        }
        assert_eq!(idle.put(4, "b".to_owned(), start + 3 * second), Some(1));
        assert_eq!((idle.take("a"), idle.take("a"), idle.take("b")), (Some(2), None, Some(4)));
        assert_eq!(idle.deadline(), Some(start + 62 * second));
        assert_eq!(idle.expired(start + 61 * second), None);
        assert_eq!(idle.expired(start + 62 * second), Some(3));
        assert_eq!(idle.deadline(), None);
    }
}
