//! Second attempts of tasks that run much longer than the others of their stage: whichever attempt
//! finishes first counts.

use crate::ahead::LaunchAhead;
use crate::event::TaskProgress;
use crate::executors::Flight;
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
    /// Slots of one executor, if the stage does not say.
    pub executor_slots: u32,
    /// When a task that runs long is efficient nevertheless; `None` if none is.
    pub efficiency: Option<Efficiency>,
}

/// When a task that runs long gets no second attempt, because it does much
/// (`spark.speculation.efficiency.*`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Efficiency {
    /// It is efficient if it reads at least this part of the rows that those that finished have
    /// read in the same time.
    pub rate_multiplier: f64,
    /// But not if it runs this many times as long as others until they count as slow.
    pub long_run_factor: f64,
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
    /// The time of those that finished last, more or less.
    recent: Duration,
    /// What those have read that finished, and the time in which they did.
    read: TaskProgress,
}

impl Pace {
    pub(crate) fn of(tasks: u32) -> Self {
        Self { tasks, ..Self::default() }
    }

    /// A task has finished.
    pub(crate) fn note(&mut self, now: Duration, flight: &Flight) {
        let took = now.saturating_sub(flight.started);
        let before = if self.finished.is_empty() { took } else { self.recent };
        self.recent = (before * 7 + took) / 8;
        self.finished.push(took);
        let TaskProgress { rows, run } = flight.progress;
        self.read.rows = self.read.rows.saturating_add(rows);
        self.read.run = self.read.run.saturating_add(run);
    }

    /// Whether any task has finished.
    pub(crate) fn is_known(&self) -> bool {
        !self.finished.is_empty()
    }

    /// Whether its tasks take next to no time.
    pub(crate) fn is_brisk(&self, rules: &LaunchAhead) -> bool {
        self.finished.len() >= rules.finished && self.recent < rules.brisk
    }

    /// A task takes at least that long.
    pub(crate) fn is_not_brisk(&mut self, took: Duration) {
        self.recent = self.recent.max(took);
    }

    /// Whether it is known when a task is slow: from others of the stage, or from
    /// [`Speculation::duration_threshold`]. `slots`: tasks of the stage that one executor can run.
    fn known_by(&self, rules: &Speculation, slots: u32) -> Option<KnownBy> {
        let needed = (rules.quantile * f64::from(self.tasks)).floor().max(1.0);
        let finished = u32::try_from(self.finished.len()).unwrap_or(u32::MAX);
        match rules.duration_threshold {
            None if self.tasks == 1 => None,
            _ if f64::from(finished) >= needed => Some(KnownBy::Others),
            threshold => threshold.filter(|_| self.tasks <= slots).map(KnownBy::Rule),
        }
    }

    /// The time from which on a task is slow.
    fn slow_from(&self, rules: &Speculation, known_by: KnownBy) -> Option<Duration> {
        let slow_from = match known_by {
            KnownBy::Others => times(median(self.finished.clone())?, rules.multiplier),
            KnownBy::Rule(threshold) => threshold,
        };
        Some(slow_from.max(rules.min_runtime))
    }

    /// Whether a task has read so much that it may take longer than others.
    fn is_efficient(&self, rules: &Efficiency, progress: TaskProgress) -> bool {
        let own = rate(progress).unwrap_or(0.0);
        rate(self.read).is_some_and(|of_others| own >= of_others * rules.rate_multiplier)
    }
}

/// What tells when a task is slow.
#[derive(Debug, Clone, Copy)]
enum KnownBy {
    Others,
    Rule(Duration),
}

/// Rows per second, if anything was read.
fn rate(TaskProgress { rows, run }: TaskProgress) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
    let rows = rows as f64;
    (rows > 0.0 && !run.is_zero()).then(|| rows / run.as_secs_f64())
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
        let watched = |stage: &Stage| stage.may_copy() && stage.known_by(&rules).is_some();
        self.stages.iter().any(watched).then_some(self.speculating.next_check)
    }

    /// Finds the tasks that are to have a second attempt.
    pub(crate) fn speculate(&mut self, now: Duration) {
        let Some(rules) = self.speculating.rules else { return };
        if self.next_speculation().is_none_or(|due| now < due) {
            return;
        }
        self.speculating.next_check = now.saturating_add(rules.interval);
        let watched = self.stages.iter().filter(|stage| stage.may_copy());
        let slow = watched.flat_map(|stage| self.slow_attempts(now, stage, &rules));
        for attempt in slow.collect::<Vec<_>>() {
            self.copy(attempt);
        }
    }

    /// The attempts of a stage that are slow, and not for all that they have to read.
    fn slow_attempts(&self, now: Duration, stage: &Stage, rules: &Speculation) -> Vec<Attempt> {
        let known_by = stage.known_by(rules);
        let threshold = known_by.and_then(|by| Some((by, stage.pace.slow_from(rules, by)?)));
        let Some((known_by, slow_from)) = threshold else { return Vec::new() };
        let efficiency = match known_by {
            KnownBy::Others => rules.efficiency,
            KnownBy::Rule(_) => None,
        };
        let is_slow = |attempt: &Attempt| {
            let Some(flight) = self.executors.flight(*attempt) else { return false };
            let took = now.saturating_sub(flight.started);
            let may_go_on = efficiency.is_some_and(|efficiency| {
                took <= times(slow_from, efficiency.long_run_factor)
                    && stage.pace.is_efficient(&efficiency, flight.progress)
            });
            took >= slow_from && !may_go_on && !flight.is_ahead && self.is_current(*attempt)
        };
        self.executors.attempts_of(stage.id).into_iter().filter(is_slow).collect()
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
            let volume = stage.tasks.preferred(partition);
            Some((partition, self.executors.pick(stage.task_slots, volume, is_other)?))
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

    fn known_by(&self, rules: &Speculation) -> Option<KnownBy> {
        let slots = self.executor_slots.unwrap_or(rules.executor_slots);
        self.pace.known_by(rules, slots / self.task_slots)
    }
}
