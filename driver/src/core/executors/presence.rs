//! Whether an executor is still there: what was heard of it, whether it is to leave, and how it
//! ended.

use super::{Executor, Executors};
use crate::core::effect::Effect;
use crate::message::Connection;
use model::ExecutorId;
use model::executor::ToExecutor;
use std::collections::BTreeSet;
use std::time::Duration;

/// How an executor is there.
#[derive(Debug)]
pub(super) struct Presence {
    heard: Duration,
    /// Whether it is told to leave once it runs nothing.
    is_leaving: bool,
    /// Whether it was told.
    pub(super) was_released: bool,
    going: Option<Going>,
}

/// The stream of an executor has ended, or the manager says that it has: what is missing to the
/// whole story is awaited for a moment.
#[derive(Debug)]
struct Going {
    stream_ended: Option<String>,
    fact: Option<(String, bool)>,
    until: Duration,
}

impl Presence {
    pub(super) fn since(now: Duration) -> Self {
        Self { heard: now, is_leaving: false, was_released: false, going: None }
    }

    fn going(&mut self, until: Duration) -> &mut Going {
        self.going.get_or_insert(Going { stream_ended: None, fact: None, until })
    }
}

impl Executors {
    /// Whether that stream counts; if so, the executor was heard now.
    pub(crate) fn hears(&mut self, now: Duration, connection: Connection) -> bool {
        match self.live.get_mut(&connection.executor) {
            Some(executor) if executor.connection == connection => {
                executor.presence.heard = now;
                true
            }
            _ => false,
        }
    }

    /// Takes all executors for heard just now.
    pub(crate) fn reset_heartbeats(&mut self, now: Duration) {
        for executor in self.live.values_mut() {
            executor.presence.heard = now;
        }
    }

    /// Has an executor told to leave once it runs nothing.
    pub(crate) fn leave_when_idle(&mut self, id: ExecutorId) {
        if let Some(executor) = self.live.get_mut(&id) {
            // One that asks again has not heard that it may leave.
            (executor.presence.is_leaving, executor.presence.was_released) = (true, false);
        }
    }

    /// Tells the executors to leave that are to and run nothing, except those of which something is
    /// `awaited`.
    pub(crate) fn release_idle(
        &mut self,
        awaited: &BTreeSet<ExecutorId>,
        effects: &mut Vec<Effect>,
    ) {
        for (id, Executor { connection, desk, presence, .. }) in &mut self.live {
            if presence.is_leaving && desk.running.is_empty() && !awaited.contains(id) {
                (presence.is_leaving, presence.was_released) = (false, true);
                let reason = "it was told to end, and is idle".to_owned();
                let message = ToExecutor::Leave { reason, forget: false };
                effects.push(Effect::TellExecutor { connection: *connection, message });
            }
        }
    }

    /// The stream of an executor has ended; until then the manager may say why.
    pub(crate) fn stream_ended(&mut self, id: ExecutorId, until: Duration, reason: String) {
        if let Some(executor) = self.live.get_mut(&id) {
            executor.presence.going(until).stream_ended = Some(reason);
        }
    }

    /// The manager says that an executor has ended; until then what it has sent may still come.
    pub(crate) fn ended(
        &mut self,
        id: ExecutorId,
        until: Duration,
        reason: &str,
        app_caused: bool,
    ) {
        if let Some(executor) = self.live.get_mut(&id) {
            executor.presence.going(until).fact = Some((reason.to_owned(), app_caused));
        }
    }

    /// Those that are lost now, with whether the program caused it, and the reason.
    pub(crate) fn lost(&self, now: Duration) -> Vec<(ExecutorId, bool, String)> {
        let lost = |(id, executor): (&ExecutorId, &Executor)| {
            let Going { stream_ended, fact, until } = executor.presence.going.as_ref()?;
            let complete = stream_ended.is_some() && fact.is_some();
            if !complete && now < *until {
                return None;
            }
            let (reason, app_caused) = fact.clone().unwrap_or_default();
            let told = Some(reason).filter(|reason| !reason.is_empty());
            let reason = told.or_else(|| stream_ended.clone()).unwrap_or_default();
            Some((*id, app_caused, reason))
        };
        self.live.iter().filter_map(lost).collect()
    }

    /// Those of whom nothing was heard for that long.
    pub(crate) fn silent(&self, now: Duration, timeout: Duration) -> Vec<ExecutorId> {
        let silent =
            self.live.iter().filter(|(_, executor)| now >= executor.presence.heard + timeout);
        silent.map(|(id, _)| *id).collect()
    }

    /// When the next one is lost if nothing is heard of it.
    pub(crate) fn next_deadline(&self, timeout: Duration) -> Option<Duration> {
        let deadline = |executor: &Executor| {
            let Presence { heard, going, .. } = &executor.presence;
            going.as_ref().map_or(*heard + timeout, |going| going.until.min(*heard + timeout))
        };
        self.live.values().map(deadline).min()
    }
}
