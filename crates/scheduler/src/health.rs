//! Executors and hosts that are excluded for all stages: tasks have failed there whose stages
//! completed elsewhere.

use crate::event::Command;
use crate::exclusion::{Exclusion, OnExecutor};
use crate::scheduler::Scheduler;
use model::{ExecutorId, StageId};
use std::collections::BTreeMap;
use std::time::Duration;

/// What excludes executors and hosts for all stages.
#[derive(Debug, Default)]
pub(crate) struct Health {
    pub(crate) rules: Option<Exclusion>,
    /// Tasks that failed on an executor, and until when that counts.
    failed: BTreeMap<ExecutorId, BTreeMap<(StageId, u64, u32), Duration>>,
    /// Excluded executors of a host, and until when; also those that are gone.
    executors: BTreeMap<String, BTreeMap<ExecutorId, Duration>>,
    hosts: BTreeMap<String, Duration>,
}

impl Health {
    pub(crate) fn new(rules: Option<Exclusion>) -> Self {
        Self { rules, ..Self::default() }
    }

    pub(crate) fn exclude(&self, executor: ExecutorId, host: &str) -> bool {
        let excluded = self.executors.get(host);
        self.hosts.contains_key(host) || excluded.is_some_and(|it| it.contains_key(&executor))
    }

    /// When an exclusion ends.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let executors = self.executors.values().flat_map(BTreeMap::values);
        executors.chain(self.hosts.values()).min().copied()
    }

    pub(crate) fn expire(&mut self, now: Duration) {
        for failed in self.failed.values_mut() {
            failed.retain(|_, until| *until > now);
        }
        self.failed.retain(|_, failed| !failed.is_empty());
        for excluded in self.executors.values_mut() {
            excluded.retain(|_, until| *until > now);
        }
        self.executors.retain(|_, excluded| !excluded.is_empty());
        self.hosts.retain(|_, until| *until > now);
    }

    /// Forgets what an executor that is gone has failed; that it was excluded may still speak
    /// against its host.
    pub(crate) fn remove(&mut self, executor: ExecutorId) {
        self.failed.remove(&executor);
    }

    /// Excludes an executor, and its host if that is one too many. Returns whether the executor is
    /// newly excluded, and whether the host is.
    fn add(&mut self, now: Duration, executor: ExecutorId, host: &str) -> (bool, bool) {
        let Some(rules) = self.rules else { return (false, false) };
        let until = now.saturating_add(rules.timeout);
        let excluded = self.executors.entry(host.to_owned()).or_default();
        if excluded.contains_key(&executor) {
            return (false, false);
        }
        excluded.insert(executor, until);
        let of_host = excluded.len() >= rules.executors_per_host && !self.hosts.contains_key(host);
        if of_host {
            self.hosts.insert(host.to_owned(), until);
        }
        (true, of_host)
    }

    /// Whether what it remembers is at least of use to somebody.
    pub(crate) fn is_sound(&self) -> bool {
        let failed = self.failed.values().all(|failed| !failed.is_empty());
        failed && self.executors.values().all(|excluded| !excluded.is_empty())
    }
}

impl Scheduler {
    /// A stage is complete: what failed on executors meanwhile speaks against these.
    pub(crate) fn judge_executors(&mut self, now: Duration, id: StageId) {
        let Some(rules) = self.health.rules else { return };
        let Some(stage) = self.stages.get_mut(id) else { return };
        let (failures, tried) = (std::mem::take(&mut stage.failures), stage.launches());
        for (executor, OnExecutor { host, failures, last }) in failures.by_executor {
            let until = last.saturating_add(rules.timeout);
            let failed = self.health.failed.entry(executor).or_default();
            failed.extend(failures.keys().map(|partition| ((id, tried, *partition), until)));
            failed.retain(|_, until| *until > now);
            if failed.len() >= rules.tasks_per_executor {
                self.health.failed.remove(&executor);
                self.exclude(now, (executor, &host), rules.replaces);
            } else if failed.is_empty() || !self.executors.is_known(executor) {
                self.health.failed.remove(&executor);
            }
        }
    }

    /// An output cannot be read, which is the fault of the executor that serves it, if that is one.
    pub(crate) fn judge_server(&mut self, now: Duration, executor: ExecutorId) {
        if let Some(rules) = self.health.rules.filter(|rules| rules.counts_fetch_failures) {
            let host = self.executors.host(executor).to_owned();
            self.exclude(now, (executor, &host), rules.replaces);
        }
    }

    fn exclude(&mut self, now: Duration, (executor, host): (ExecutorId, &str), replaces: bool) {
        let (is_new, of_host) = self.health.add(now, executor, host);
        if is_new && replaces {
            let all = self.executors.on_host(host).filter(|other| of_host || *other == executor);
            let reason = "tasks fail on it";
            let replace = |executor| Command::Replace { executor, reason: reason.to_owned() };
            self.agenda.commands.extend(all.map(replace));
        }
    }
}
