//! Attempts that were stopped and compute nevertheless: they are told of, and in the end the
//! executor ends because of them.

use model::Attempt;
use model::launch::ReaperSettings;
use std::collections::BTreeMap;
use std::time::Duration;
use task::Gauge;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// Watches stopped attempts until they are over.
#[derive(Debug)]
pub(crate) struct Reaper {
    settings: Option<ReaperSettings>,
    stopped: BTreeMap<Attempt, Stopped>,
}

#[derive(Debug)]
struct Stopped {
    task: AbortHandle,
    gauge: Gauge,
    since: Instant,
}

impl Reaper {
    /// One that watches nothing without settings.
    pub(crate) fn new(settings: Option<ReaperSettings>) -> Self {
        Self { settings, stopped: BTreeMap::new() }
    }

    /// When to check, if ever. Must be called in a runtime.
    pub(crate) fn polls(&self) -> Option<Interval> {
        let every = Duration::from_millis(self.settings?.poll_ms.max(1));
        let mut polls = interval(every);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(polls)
    }

    /// An attempt was stopped.
    pub(crate) fn watch(&mut self, attempt: Attempt, task: AbortHandle, gauge: Gauge) {
        if self.settings.is_some() {
            self.stopped.insert(attempt, Stopped { task, gauge, since: Instant::now() });
        }
    }

    /// Tells of the attempts that still run. Returns why the executor is to end, if one does for
    /// too long.
    pub(crate) fn check(&mut self) -> Option<String> {
        let ReaperSettings { kill_ms, dump, poll_ms: _ } = self.settings?;
        self.stopped.retain(|_, stopped| !stopped.task.is_finished());
        let limit = kill_ms.map(Duration::from_millis);
        for (attempt, stopped) in &self.stopped {
            let elapsed = stopped.since.elapsed();
            tracing::warn!("killed {attempt} is still running after {} ms", elapsed.as_millis());
            if dump {
                tracing::warn!("{attempt} runs:\n{}", stopped.gauge.plan());
            }
            if let Some(limit) = limit.filter(|limit| elapsed >= *limit) {
                let limit = limit.as_millis();
                return Some(format!("killed {attempt} could not be stopped within {limit} ms"));
            }
        }
        None
    }
}

/// Waits for the next check; for ever without checks.
pub(crate) async fn next(polls: &mut Option<Interval>) {
    match polls {
        Some(polls) => drop(polls.tick().await),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{StageId, TaskId};
    use std::sync::mpsc;

    const ATTEMPT: Attempt =
        Attempt { task: TaskId { stage: StageId(1), partition: 2 }, number: 0 };

    fn reaper(kill_ms: Option<u64>) -> Reaper {
        Reaper::new(Some(ReaperSettings { poll_ms: 10, kill_ms, dump: true }))
    }

    /// A task that ignores that it is aborted, until the sender is dropped.
    fn stubborn() -> (AbortHandle, mpsc::Sender<()>) {
        let (end, ended) = mpsc::channel();
        let (started, begun) = mpsc::channel();
        let task = tokio::spawn(async move {
            started.send(()).unwrap();
            let _ = ended.recv();
        });
        begun.recv().unwrap();
        task.abort();
        (task.abort_handle(), end)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_that_does_not_stop_ends_the_executor_after_its_time() {
        let (task, end) = stubborn();
        let mut patient = reaper(None);
        patient.watch(ATTEMPT, task.clone(), Gauge::default());
        let mut reaper = reaper(Some(100));
        reaper.watch(ATTEMPT, task.clone(), Gauge::default());
        assert_eq!(reaper.check(), None);
        tokio::time::sleep(Duration::from_millis(110)).await;
        let why = reaper.check().unwrap();
        assert_eq!(why, format!("killed {ATTEMPT} could not be stopped within 100 ms"));
        assert_eq!((patient.check(), patient.stopped.len()), (None, 1));
        drop(end);
        while !task.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!((reaper.check(), patient.check()), (None, None));
        assert!(reaper.stopped.is_empty() && patient.stopped.is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn without_settings_nothing_is_watched() {
        let (task, _end) = stubborn();
        let mut reaper = Reaper::new(None);
        reaper.watch(ATTEMPT, task, Gauge::default());
        assert!(reaper.polls().is_none() && reaper.stopped.is_empty());
        assert_eq!(reaper.check(), None);
    }
}
