//! Dynamic allocation, seen from outside: never more executors than there are tasks for, and none
//! sent away that is busy, or with which something would be lost that is still of use.

use super::promises::{Link, Promises};
use driver::AllocationRules;
use driver::core::Effect;
use driver::message::{Connection, Submission, ToManager};
use model::VolumeId;
use model::executor::ToExecutor;
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::time::Duration;

/// Slots of an executor, as the core assumes them.
const SLOTS: u32 = 2;

/// Rules of some lives: with times short enough for them.
pub(crate) fn rules(rng: &mut StdRng) -> Option<AllocationRules> {
    let min = rng.random_range(0..2);
    let rules = AllocationRules {
        initial: rng.random_range(min..4),
        min,
        max: rng.random_range(4..6),
        ratio: if rng.random_bool(0.3) { 0.5 } else { 1.0 },
        backlog_timeout: Duration::from_millis(300),
        sustained_backlog_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(700),
        cached_idle_timeout: rng.random_bool(0.3).then_some(Duration::from_secs(2)),
        shuffle_tracking: true,
        shuffle_timeout: rng.random_bool(0.5).then_some(Duration::from_secs(1)),
    };
    rng.random_bool(0.4).then_some(rules)
}

/// What is known of the number of executors.
#[derive(Debug, Default)]
pub(crate) struct Allocation {
    pub(crate) rules: Option<AllocationRules>,
    pub(crate) now: Duration,
    /// When an executor was last seen to have a task, or to come.
    active: BTreeMap<Connection, Duration>,
    /// The tasks of jobs without an answer.
    tasks: BTreeMap<u64, u32>,
    has_begun: bool,
    wished: Option<u32>,
    /// Executors that were sent away because they are idle.
    pub(crate) released: u64,
    /// Wishes for more executors than before.
    pub(crate) grown: u64,
}

impl Allocation {
    pub(crate) fn submitted(&mut self, submission: &Submission) {
        self.has_begun = true;
        let tasks = submission.plan.stages.iter().map(engine::StagePlan::partitions).sum();
        self.tasks.insert(submission.ticket, tasks);
    }

    pub(crate) fn note_active(&mut self, connection: Connection) {
        self.active.insert(connection, self.now);
    }
}

impl Promises {
    /// Jobs that are answered need nothing from now on.
    pub(crate) fn note_answers(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::EndJob { ticket, .. } = effect {
                self.caches.answered(*ticket);
                self.allocation.tasks.remove(ticket);
            }
        }
    }

    /// An executor that nobody else wants gone is sent away.
    pub(crate) fn check_release(&mut self, connection: Connection) -> Result<(), String> {
        let Some(rules) = self.allocation.rules else {
            return Err("an executor that is needed is sent away".to_owned());
        };
        let link = &self.links[&connection];
        if !link.in_flight.is_empty() {
            return Err("an executor is released that has tasks".to_owned());
        }
        let Some(timeout) = self.timeout(&rules, connection) else {
            let held = self.lost_with(connection).flat_map(|volume| self.reruns.on_volume(volume));
            let held: Vec<_> = held.filter(|output| !self.is_discarded(output)).collect();
            return Err(format!("an executor is released that holds what is needed: {held:?}"));
        };
        if self.allocation.now < self.allocation.active[&connection] + timeout {
            return Err("an executor is released too early".to_owned());
        }
        self.allocation.released += 1;
        Ok(())
    }

    /// How long it may be idle; `None` for ever.
    fn timeout(&self, rules: &AllocationRules, connection: Connection) -> Option<Duration> {
        let mut held = None;
        for volume in self.lost_with(connection) {
            for output in self.reruns.on_volume(volume).filter(|it| !self.is_discarded(it)) {
                let shuffle = output.id.shuffle;
                if self.caches.is_used(shuffle) {
                    return None;
                }
                let is_cached = self.caches.is_held(shuffle);
                let own = if is_cached { rules.cached_idle_timeout } else { rules.shuffle_timeout };
                held = held.max(Some(own?));
            }
        }
        held.or(Some(rules.idle_timeout))
    }

    /// Volumes that nobody can read any more if this executor goes.
    pub(crate) fn lost_with(&self, connection: Connection) -> impl Iterator<Item = &VolumeId> {
        let private = &self.registrations[&connection].private;
        let mounted = move |volume: &&VolumeId| {
            let mut others = self.staying().filter(|(other, _)| **other != connection);
            others.any(|(_, link)| link.volumes.contains(*volume))
        };
        let volumes = self.links[&connection].volumes.intersection(private);
        volumes.filter(move |volume| !mounted(volume))
    }

    /// Those that stay.
    pub(crate) fn staying(&self) -> impl Iterator<Item = (&Connection, &Link)> {
        let stays = |(connection, link): &(&Connection, &Link)| {
            !link.has_left && !self.retired.contains_key(&connection.executor)
        };
        self.links.iter().filter(stays)
    }

    /// After a turn, no more are wanted than there are tasks for, and at least the least number
    /// stays.
    pub(crate) fn check_number(&mut self, effects: &[Effect]) -> Result<(), String> {
        let Some(rules) = self.allocation.rules else { return Ok(()) };
        let wish = effects.iter().rev().find_map(|effect| match effect {
            Effect::TellManager { message: ToManager::Wish { executors, .. }, .. } => {
                Some(*executors)
            }
            _ => None,
        });
        if let Some(executors) = wish {
            let in_flight: usize = self.links.values().map(|link| link.in_flight.len()).sum();
            let in_flight = u32::try_from(in_flight).expect("few");
            let tasks = self.allocation.tasks.values().sum::<u32>() + in_flight;
            let begun = self.allocation.has_begun;
            let least = if begun { rules.min } else { rules.initial };
            if executors > least.max(tasks.div_ceil(SLOTS)).min(rules.max) {
                return Err(format!("{executors} executors are wanted for {tasks} tasks"));
            }
            let before = self.allocation.wished.replace(executors);
            self.allocation.grown += u64::from(before.is_some_and(|before| before < executors));
        }
        let goes_on = |connection: &Connection| {
            let retired = self.retired.contains_key(&connection.executor);
            !retired && self.links.contains_key(connection)
        };
        let is_release = |effect: &Effect| match effect {
            Effect::TellExecutor {
                connection,
                message: ToExecutor::Leave { forget: false, .. },
            } => goes_on(connection),
            _ => false,
        };
        let releases = effects.iter().any(is_release);
        if releases && self.staying().count() < rules.min as usize {
            return Err("fewer executors stay than the least number".to_owned());
        }
        Ok(())
    }

    /// At rest nobody stays that nothing holds, beyond the least number, which is all that is
    /// wanted.
    pub(crate) fn check_allocation_at_rest(&self) -> Result<(), String> {
        let Some(rules) = self.allocation.rules else { return Ok(()) };
        let wished = self.allocation.wished.filter(|_| self.manager.is_some());
        if wished.is_some_and(|wished| self.allocation.has_begun && wished != rules.min) {
            return Err(format!("{wished:?} executors are wanted for nothing"));
        }
        let useless =
            |(connection, _): &(&Connection, &Link)| self.timeout(&rules, **connection).is_some();
        let all = self.staying().count();
        if all > rules.min as usize && self.staying().any(|it| useless(&it)) {
            return Err(format!("{all} executors are kept for nothing"));
        }
        Ok(())
    }
}
