//! Attempts that wait for the others of their barrier stage: each is answered when all have asked.

use super::Core;
use crate::core::executors::Executors;
use model::executor::BarrierAnswer;
use model::{Attempt, ExecutorId, StageId};
use scheduler::{Scheduler, Stage};
use std::collections::BTreeMap;
use std::time::Duration;

/// All waits.
#[derive(Debug, Default)]
pub(crate) struct Barriers(BTreeMap<StageId, Wait>);

/// The wait of a stage.
#[derive(Debug, Default)]
struct Wait {
    /// By partition.
    asked: BTreeMap<u32, Ask>,
    /// When the first one asked.
    since: Duration,
    /// How often all have come together.
    rounds: u32,
}

#[derive(Debug)]
struct Ask {
    attempt: Attempt,
    executor: ExecutorId,
    message: Option<String>,
}

impl Core {
    /// An attempt waits for the others of its stage.
    pub(super) fn on_barrier(
        &mut self,
        now: Duration,
        executor: ExecutorId,
        (attempt, message): (Attempt, Option<String>),
    ) {
        // One that is no longer wanted is about to be stopped.
        let Some(stage) = self.scheduler.stage(attempt.task.stage) else { return };
        if !is_current(stage, attempt) {
            return;
        }
        if !stage.is_barrier() {
            let messages = Err("it is no task of a barrier stage".to_owned());
            return self.executors.answer(executor, BarrierAnswer { attempt, messages });
        }
        let wait = self.barriers.0.entry(stage.id()).or_default();
        wait.asked.retain(|_, ask| is_current(stage, ask.attempt));
        if wait.asked.is_empty() {
            wait.since = now;
        }
        wait.asked.insert(attempt.task.partition, Ask { attempt, executor, message });
        if wait.asked.len() == stage.tasks() as usize {
            wait.rounds += 1;
            let asked = std::mem::take(&mut wait.asked);
            answer(&mut self.executors, asked, together);
        }
    }

    /// Answers those for whose peers it has become too late.
    pub(super) fn give_up_barriers(&mut self, now: Duration) {
        let timeout = self.rules.barrier_timeout;
        for (stage, wait) in &mut self.barriers.0 {
            if !wait.asked.is_empty() && now >= wait.since.saturating_add(timeout) {
                let message = format!(
                    "The coordinator didn't get all barrier sync requests for barrier epoch {} from Stage {} (Attempt 0) within {} second(s).",
                    wait.rounds,
                    stage.0,
                    timeout.as_secs()
                );
                let asked = std::mem::take(&mut wait.asked);
                answer(&mut self.executors, asked, |_| Err(message));
            }
        }
    }
}

impl Barriers {
    /// When the next wait has lasted too long.
    pub(crate) fn deadline(&self, timeout: Duration) -> Option<Duration> {
        let waiting = self.0.values().filter(|wait| !wait.asked.is_empty());
        waiting.map(|wait| wait.since.saturating_add(timeout)).min()
    }

    /// Forgets an attempt that has ended.
    pub(crate) fn clear(&mut self, attempt: Attempt) {
        let asked = self.0.get_mut(&attempt.task.stage).map(|wait| &mut wait.asked);
        let same = |ask: &Ask| ask.attempt == attempt;
        if let Some(asked) = asked
            && asked.get(&attempt.task.partition).is_some_and(same)
        {
            asked.remove(&attempt.task.partition);
        }
    }

    /// Forgets the attempts of an executor.
    pub(crate) fn lose(&mut self, executor: ExecutorId) {
        for wait in self.0.values_mut() {
            wait.asked.retain(|_, ask| ask.executor != executor);
        }
    }

    /// Forgets the stages that are no longer known.
    pub(crate) fn forget(&mut self, scheduler: &Scheduler) {
        self.0.retain(|stage, _| scheduler.stage(*stage).is_some());
    }
}

fn is_current(stage: &Stage, attempt: Attempt) -> bool {
    stage.attempts(attempt.task.partition).any(|running| running == attempt)
}

/// The messages of all, if all have asked for the same.
fn together(asked: &BTreeMap<u32, Ask>) -> Result<Vec<String>, String> {
    let messages: Vec<String> = asked.values().filter_map(|ask| ask.message.clone()).collect();
    if messages.is_empty() || messages.len() == asked.len() {
        return Ok(messages);
    }
    Err("Different barrier sync types found: some tasks call barrier(), others allGather()"
        .to_owned())
}

fn answer(
    executors: &mut Executors,
    asked: BTreeMap<u32, Ask>,
    messages: impl FnOnce(&BTreeMap<u32, Ask>) -> Result<Vec<String>, String>,
) {
    let messages = messages(&asked);
    for Ask { attempt, executor, message: _ } in asked.into_values() {
        executors.answer(executor, BarrierAnswer { attempt, messages: messages.clone() });
    }
}
