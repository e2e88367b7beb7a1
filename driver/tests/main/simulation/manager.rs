//! The cluster manager: starts executors, sees them end, and tells the driver all that it knows,
//! again and again.

use super::process::Process;
use super::world::{Mail, Stream, Weather, World};
use driver::message::{Fact, FromManager, Message, ToManager};
use model::{ExecutorId, VolumeId};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time between two tellings.
const EVERY: Duration = Duration::from_millis(200);

/// Executors that one life may see.
const STARTED: usize = 30;

/// What the manager knows.
#[derive(Debug, Default)]
pub(crate) struct Manager {
    /// Its stream, while it has one, and since when.
    pub(crate) stream: Option<(u64, Duration)>,
    executors: BTreeMap<ExecutorId, Fact>,
    wanted: usize,
    started: usize,
}

impl World {
    pub(crate) fn connect_manager(&mut self) {
        if self.manager.stream.is_none() {
            let serial = self.fresh();
            self.manager.stream = Some((serial, self.now));
            self.say(Stream::Manager(serial), Message::ManagerAttached { serial });
            self.tell_facts();
        }
    }

    /// The stream breaks: what was on its way may be lost, and the driver hears of it at some time.
    pub(crate) fn disconnect_manager(&mut self, for_ms: u64) {
        let Some((serial, _)) = self.manager.stream.take() else { return };
        self.tally.manager_disconnects += 1;
        self.cut(Stream::Manager(serial));
        self.say(Stream::Manager(serial), Message::ManagerClosed { serial });
        self.send(for_ms, Mail::ConnectManager);
    }

    fn tell_facts(&mut self) {
        let Some((serial, _)) = self.manager.stream else { return };
        let facts: Vec<(ExecutorId, Fact)> =
            self.manager.executors.iter().map(|(id, fact)| (*id, fact.clone())).collect();
        let times = if self.chance(0.1) { 2 } else { 1 };
        for _ in 0..times {
            let fact = FromManager::Executors(facts.clone());
            self.say(Stream::Manager(serial), Message::ManagerSaid { serial, fact });
        }
    }

    /// Tells what it knows and starts what is missing.
    pub(crate) fn tick_manager(&mut self) {
        let key = (self.now + EVERY, self.fresh());
        self.mail.insert(key, Mail::TickManager);
        if self.manager.stream.is_none() {
            return;
        }
        self.tell_facts();
        let alive = |fact: &&Fact| !matches!(fact, Fact::Ended { .. } | Fact::Leaving { .. });
        let alive = self.manager.executors.values().filter(alive).count();
        for _ in alive..self.manager.wanted {
            self.add_executor();
        }
    }

    /// A place for an executor. Its process comes a little later.
    pub(crate) fn add_executor(&mut self) {
        if self.manager.started >= STARTED && self.weather == Weather::Storm {
            return;
        }
        self.manager.started += 1;
        let id = ExecutorId(self.fresh());
        self.manager.executors.insert(id, Fact::Starting);
        self.send(300, Mail::Start(id));
    }

    pub(crate) fn start_executor(&mut self, id: ExecutorId) {
        if self.manager.executors.get(&id) != Some(&Fact::Starting) {
            return;
        }
        if self.weather == Weather::Storm && self.chance(0.05) {
            self.tally.not_started += 1;
            self.note_end(id, Vec::new());
            return;
        }
        self.manager.executors.insert(id, Fact::Running);
        let orphan =
            Some(()).filter(|()| self.rng.random_bool(0.6)).and_then(|()| self.orphans.pop_first());
        self.tally.inherited_volumes += u64::from(orphan.is_some());
        let own = orphan.unwrap_or_else(|| VolumeId(format!("volume-{}", id.0)));
        self.volumes.entry(own.clone()).or_default();
        let others: Vec<VolumeId> = self.volumes.keys().cloned().collect();
        let mut volumes: BTreeSet<VolumeId> =
            others.into_iter().filter(|_| self.rng.random_bool(0.15)).collect();
        volumes.insert(own.clone());
        self.start(id, own, volumes);
    }

    pub(crate) fn wish(&mut self, serial: u64, message: ToManager) {
        if self.manager.stream.is_none_or(|(present, _)| present != serial) {
            return;
        }
        if let ToManager::Wish { executors, release, .. } = message {
            self.manager.wanted = executors as usize;
            let ended = |fact: &Fact| matches!(fact, Fact::Ended { .. });
            self.manager.executors.retain(|id, fact| !(ended(fact) && release.contains(id)));
        }
    }

    /// An executor is to leave; after a while it has to.
    pub(crate) fn retire(&mut self, id: ExecutorId) {
        self.tally.retired += 1;
        self.manager.executors.insert(id, Fact::Leaving { reason: String::new() });
        self.send(4000, Mail::Kill(id));
    }

    /// A process has ended in good order.
    pub(crate) fn exit(&mut self, id: ExecutorId) {
        if let Some(process) = self.processes.remove(&id) {
            let stream = Stream::Executor(process.connection);
            let connection = process.connection;
            self.say(stream, Message::ExecutorClosed { connection, reason: String::new() });
            self.bury(process);
        }
    }

    /// A process has died. Its stream breaks, which the driver may not even notice.
    pub(crate) fn kill(&mut self, id: ExecutorId, silently: bool) {
        if let Some(process) = self.processes.remove(&id) {
            self.tally.killed += 1;
            let connection = process.connection;
            self.cut(Stream::Executor(connection));
            if !silently {
                let reason = "killed".to_owned();
                let stream = Stream::Executor(connection);
                self.say(stream, Message::ExecutorClosed { connection, reason });
            }
            self.bury(process);
        }
    }

    /// What becomes of the volume of a process that is gone; the manager sees it a little later.
    fn bury(&mut self, process: Process) {
        let Process { connection, own, private, .. } = process;
        let mut lost = Vec::new();
        if private || self.chance(0.1) {
            self.tally.lost_volumes += 1;
            self.volumes.remove(&own);
            for other in self.processes.values_mut() {
                other.volumes.remove(&own);
            }
            lost.push(own);
        } else {
            self.orphans.insert(own);
        }
        self.send(1500, Mail::Bury(connection.executor, lost));
    }

    pub(crate) fn note_end(&mut self, id: ExecutorId, lost_volumes: Vec<VolumeId>) {
        let app_caused = self.chance(0.1);
        let fact = Fact::Ended { reason: String::new(), app_caused, lost_volumes };
        self.manager.executors.insert(id, fact);
        self.tell_facts();
    }
}
