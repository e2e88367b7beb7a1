//! Second attempts of tasks that run much longer than the others of their stage: whichever attempt
//! finishes first counts.

use crate::scheduler::Scheduler;
use crate::stage::{Phase, Stage};
use model::{Attempt, ExecutorId, StageId};
use std::time::Duration;

/// When a task gets a second attempt (`spark.speculation.*`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speculation {
    /// Time between two checks.
    pub interval: Duration,
    /// A task is slow if it runs this many times as long as the median of those that finished.
    pub multiplier: f64,
    /// Part of a stage's tasks that have to finish before that is known.
    pub quantile: f64,
    /// No task is slow before it has run this long.
    pub min_runtime: Duration,
    /// Of stages with at most as many tasks as one executor has slots: a task is slow from this
    /// time on, even if no other one has finished.
    pub duration_threshold: Option<Duration>,
    /// Slots of one executor.
    pub executor_slots: u32,
}

/// The rules, if tasks get second attempts at all, and when they were last applied.
#[derive(Debug, Default)]
pub(crate) struct Speculating {
    rules: Option<Speculation>,
    next_check: Duration,
}

/// How long the tasks of a stage take, since it was last activated.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Number of tasks that it had to run.
    tasks: u32,
    finished: Vec<Duration>,
}

impl Pace {
    pub(crate) fn of(tasks: u32) -> Self {
        Self { tasks, finished: Vec::new() }
    }

    pub(crate) fn note(&mut self, took: Duration) {
        self.finished.push(took);
    }

    /// The time from which on a task is slow, if that is known.
    fn threshold(&self, rules: &Speculation) -> Option<Duration> {
        if self.tasks == 1 && rules.duration_threshold.is_none() {
            return None;
        }
        let needed = (rules.quantile * f64::from(self.tasks)).floor().max(1.0);
        let finished = u32::try_from(self.finished.len()).unwrap_or(u32::MAX);
        let slow_from = if f64::from(finished) >= needed {
            times(median(self.finished.clone())?, rules.multiplier)
        } else {
            rules.duration_threshold.filter(|_| self.tasks <= rules.executor_slots)?
        };
        Some(slow_from.max(rules.min_runtime))
    }
}

/// A time, however long, multiplied by any number.
fn times(time: Duration, factor: f64) -> Duration {
    let seconds = (time.as_secs_f64() * factor).max(0.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    let middle = times.len() / 2;
    (!times.is_empty()).then(|| *times.select_nth_unstable(middle).1)
}

impl Scheduler {
    /// Has slow tasks get second attempts.
    #[must_use]
    pub fn with_speculation(self, rules: Option<Speculation>) -> Self {
        let speculating = Speculating { rules, next_check: Duration::ZERO };
        Self { speculating, ..self }
    }

    /// When to look for slow tasks next, if there can be any.
    pub(crate) fn next_speculation(&self) -> Option<Duration> {
        let rules = self.speculating.rules?;
        let watched = |stage: &Stage| stage.may_copy() && stage.pace.threshold(&rules).is_some();
        self.stages.iter().any(watched).then_some(self.speculating.next_check)
    }

    /// Finds the tasks that are to have a second attempt.
    pub(crate) fn speculate(&mut self, now: Duration) {
        let Some(rules) = self.speculating.rules else { return };
        if self.next_speculation().is_none_or(|due| now < due) {
            return;
        }
        self.speculating.next_check = now.saturating_add(rules.interval);
        let slow_from = |stage: &Stage| {
            let threshold = stage.may_copy().then(|| stage.pace.threshold(&rules));
            Some((stage.id, threshold??))
        };
        for (id, threshold) in self.stages.iter().filter_map(slow_from).collect::<Vec<_>>() {
            for attempt in self.executors.attempts_of(id) {
                let since = self.executors.flight(attempt).map_or(now, |flight| flight.since);
                if self.is_current(attempt) && now.saturating_sub(since) >= threshold {
                    self.copy(attempt);
                }
            }
        }
    }

    fn copy(&mut self, attempt: Attempt) {
        let id = attempt.task.stage;
        if let Some(stage) = self.stages.get_mut(id) {
            stage.tasks.set_slow(attempt.task.partition);
            self.enqueue(id);
        }
    }

    /// A slow task and the executor for its second attempt: another one than it runs on, on another
    /// host if there is one.
    pub(crate) fn pick_copy(&self, stage: StageId) -> Option<(u32, ExecutorId)> {
        let stage = self.stages.get(stage)?;
        stage.tasks.slow().find_map(|partition| {
            let taken = self.executors.running(stage.attempts(partition));
            let several = self.executors.hosts() > 1;
            let beside = |id, other| {
                id == other || (several && self.executors.host(id) == self.executors.host(other))
            };
            let is_other = |id| {
                let far = !taken.iter().any(|other| beside(id, *other));
                far && self.may_run(stage, partition, id)
            };
            let executor = self.executors.pick(stage.preferred_volume(partition), is_other)?;
            Some((partition, executor))
        })
    }
}

impl Stage {
    /// Whether its tasks may have second attempts: they are no barrier, and what they do may be
    /// done twice.
    fn may_copy(&self) -> bool {
        let running = self.phase == Phase::Active && self.running() > 0;
        running && !self.barrier && !self.is_single_attempt()
    }
}
