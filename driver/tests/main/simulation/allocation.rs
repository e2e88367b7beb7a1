//! Dynamic allocation, seen from outside: never more executors than there are tasks for, and none
//! sent away that is busy, or with which something would be lost that is still of use.

use super::promises::{Link, Promises};
use driver::AllocationRules;
use driver::core::{DecommissionRules, Effect};
use driver::message::{Connection, Submission, ToManager};
use model::executor::ToExecutor;
use model::{Attempt, MapOutput, MapOutputId, VolumeId};
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Slots of an executor, as the core assumes them.
const SLOTS: u32 = 2;

/// What is moved in some lives.
pub(crate) fn decommission(rng: &mut StdRng) -> Option<DecommissionRules> {
    let (shuffles, caches) = (rng.random_bool(0.8), rng.random_bool(0.8));
    rng.random_bool(0.6).then_some(DecommissionRules { shuffles, caches })
}

/// Rules of some lives: with times short enough for them.
pub(crate) fn rules(
    rng: &mut StdRng,
    decommission: Option<DecommissionRules>,
) -> Option<AllocationRules> {
    let moves = decommission.is_some_and(|rules| rules.shuffles);
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
        shuffle_tracking: !moves || rng.random_bool(0.5),
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
    /// What is moved from executors that leave, if anything is.
    pub(crate) decommission: Option<DecommissionRules>,
    /// Volumes from which outputs are moved: their executors will leave.
    moved_from: BTreeSet<VolumeId>,
    /// Executors that are sent away in this turn.
    leaving: BTreeSet<Connection>,
    /// All outputs that were ever said to be on a volume.
    reported: BTreeMap<VolumeId, Vec<MapOutput>>,
    /// Outputs that could not be moved.
    not_moved: BTreeSet<(VolumeId, MapOutputId, Attempt)>,
    /// Executors that were sent away because they are idle.
    pub(crate) released: u64,
    /// Wishes for more executors than before.
    pub(crate) grown: u64,
}

impl Allocation {
    pub(crate) fn submitted(&mut self, submission: &Submission) {
        let tasks = submission.plan.stages.iter().map(engine::StagePlan::partitions).sum();
        self.tasks.insert(submission.ticket, tasks);
    }

    pub(crate) fn note_moves(&mut self, moves: &[(Arc<MapOutput>, Vec<String>)]) {
        self.moved_from.extend(moves.iter().map(|(output, _)| output.volume.clone()));
    }

    pub(crate) fn note_output(&mut self, output: &MapOutput) {
        self.reported.entry(output.volume.clone()).or_default().push(output.clone());
    }

    pub(crate) fn note_launch(&mut self, connection: Connection) {
        self.has_begun = true;
        self.note_active(connection);
    }

    pub(crate) fn note_active(&mut self, connection: Connection) {
        self.active.insert(connection, self.now);
    }
}

impl Promises {
    /// Jobs that are answered need nothing from now on, and executors that leave are of no use.
    pub(crate) fn note_ends(&mut self, effects: &[Effect]) {
        self.allocation.leaving.clear();
        for effect in effects {
            match effect {
                Effect::EndJob { ticket, .. } => {
                    let used = self.caches.answered(*ticket);
                    self.retained.note_use(&used, self.now);
                    self.allocation.tasks.remove(ticket);
                }
                Effect::TellExecutor { connection, message: ToExecutor::Leave { .. } } => {
                    self.allocation.leaving.insert(*connection);
                }
                _ => {}
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
        self.allocation.released += 1;
        if self.is_moving(&connection) {
            return Ok(());
        }
        let Some(timeout) = self.timeout(&rules, connection) else {
            let held = self.lost_with(connection).flat_map(|volume| self.reruns.on_volume(volume));
            let held: Vec<_> = held.filter(|output| !self.is_discarded(output)).collect();
            return Err(format!("an executor is released that holds what is needed: {held:?}"));
        };
        if self.allocation.now < self.allocation.active[&connection] + timeout {
            return Err("an executor is released too early".to_owned());
        }
        Ok(())
    }

    /// An executor has copied an output, or could not.
    pub(crate) fn hear_moved(
        &mut self,
        connection: Connection,
        (output, copy): (&MapOutput, Option<&MapOutput>),
    ) {
        let Some(link) = self.links.get(&connection) else { return };
        if let Some(copy) = copy.filter(|copy| link.volumes.contains(&copy.volume)) {
            self.allocation.note_output(copy);
            self.reruns.note_moved(copy);
            self.caches.moved(copy);
        } else {
            let key = (output.volume.clone(), output.id, output.attempt);
            self.allocation.not_moved.insert(key);
        }
    }

    /// Nobody leaves with outputs that others could have.
    pub(crate) fn check_moved(&self, connection: Connection) -> Result<(), String> {
        let Some(rules) = self.allocation.decommission else { return Ok(()) };
        let mut others = self.staying().filter(|(other, _)| **other != connection);
        if !others.any(|(_, link)| !link.volumes.is_empty()) {
            return Ok(());
        }
        for volume in self.lost_with(connection) {
            for output in self.reruns.on_volume(volume).filter(|it| !self.is_discarded(it)) {
                let is_cached = self.caches.is_held(output.id.shuffle);
                let is_asked_for = if is_cached { rules.caches } else { rules.shuffles };
                let key = (output.volume.clone(), output.id, output.attempt);
                if is_asked_for && !self.allocation.not_moved.contains(&key) {
                    return Err(format!("an executor leaves with {output:?}"));
                }
            }
        }
        Ok(())
    }

    /// How long it may be idle; `None` for ever.
    fn timeout(&self, rules: &AllocationRules, connection: Connection) -> Option<Duration> {
        let mut held = None;
        for volume in self.lost_with(connection) {
            for output in self.reruns.on_volume(volume).filter(|it| !self.is_discarded(it)) {
                let shuffle = output.id.shuffle;
                let is_cached = self.caches.is_held(shuffle);
                if rules.shuffle_tracking && self.caches.is_used(shuffle) {
                    return None;
                }
                if !rules.shuffle_tracking && !is_cached {
                    continue;
                }
                let own = if is_cached { rules.cached_idle_timeout } else { rules.shuffle_timeout };
                held = held.max(Some(own?));
            }
        }
        held.or(Some(rules.idle_timeout))
    }

    /// Volumes that are lost with this executor.
    fn lost_with(&self, connection: Connection) -> impl Iterator<Item = &VolumeId> {
        let private = &self.registrations[&connection].private;
        self.links[&connection].volumes.intersection(private)
    }

    /// Whether what is on the executor's volume is moved: it was released before.
    fn is_moving(&self, connection: &Connection) -> bool {
        let private = &self.registrations[connection].private;
        !private.is_disjoint(&self.allocation.moved_from)
    }

    /// Those that stay.
    pub(crate) fn staying(&self) -> impl Iterator<Item = (&Connection, &Link)> {
        let stays = |(connection, link): &(&Connection, &Link)| {
            let leaves = link.has_left || self.allocation.leaving.contains(connection);
            let retired = self.retired.contains_key(&connection.executor);
            !leaves && !retired && !self.is_moving(connection)
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
            // Tasks that may not run where they failed want other executors besides.
            let besides = if self.excludes { tasks } else { 0 };
            if executors > least.max(tasks.div_ceil(SLOTS) + besides).min(rules.max) {
                return Err(format!("{executors} executors are wanted for {tasks} tasks"));
            }
            let before = self.allocation.wished.replace(executors);
            self.allocation.grown += u64::from(before.is_some_and(|before| before < executors));
        }
        // One whose outputs were moved first was released when there were more.
        let goes_on = |connection: &Connection| {
            let retired = self.retired.contains_key(&connection.executor);
            !retired && self.links.contains_key(connection) && !self.is_moving(connection)
        };
        let is_release = |effect: &Effect| match effect {
            Effect::TellExecutor {
                connection,
                message: ToExecutor::Leave { forget: false, .. },
            } => goes_on(connection),
            _ => false,
        };
        // Executors that are replaced because of failures on them are sent away in the same way.
        let is_known = !self.excludes && !effects.contains(&Effect::Ended);
        let releases = is_known && effects.iter().any(is_release);
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
        // What counts on it is the scheduler's business: nothing can that was never there.
        let is_empty = |volume: &VolumeId| {
            let mut all = self.allocation.reported.get(volume).into_iter().flatten();
            all.all(|output| self.is_discarded(output))
        };
        let useless =
            |(connection, _): &(&Connection, &Link)| self.lost_with(**connection).all(is_empty);
        let all = self.staying().count();
        if all > rules.min as usize && self.staying().any(|it| useless(&it)) {
            return Err(format!("{all} executors are kept for nothing"));
        }
        Ok(())
    }
}
