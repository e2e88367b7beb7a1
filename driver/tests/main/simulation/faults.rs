//! What goes wrong, what the program asks for, and the calm after it.

use super::process::Process;
use super::program::MAPS_ALONE;
use super::world::{Driver, Mail, Stream, Weather, World};
use driver::message::{Connection, Ending, Message, Operation, Submission};
use model::executor::{Registration, Report};
use model::{ExecutorId, ProfileId};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long things go wrong.
const STORM: Duration = Duration::from_secs(15);

/// How long everything may take to come to its end once nothing goes wrong any more.
const CALM: Duration = Duration::from_mins(1);

impl World {
    /// Something happens that nobody ordered, or the program asks for something.
    pub(crate) fn disturb(&mut self) {
        if self.weather != Weather::Storm || self.driver != Driver::Works {
            return;
        }
        self.send(200, Mail::Disturb);
        match self.rng.random_range(0..100) {
            0..20 => self.submit(),
            30..33 => self.abandon(),
            33..37 => self.on_any(|world, id| world.kill(id, false)),
            37..39 => self.on_any(|world, id| world.kill(id, true)),
            39..49 => self.freeze_any(),
            49..53 => self.on_any(|world, id| {
                world.tally.decommissioned += 1;
                world.report(id, Report::Decommission { reason: String::new() });
            }),
            53..56 => self.on_any(Self::retire),
            56..61 => {
                let wait = if self.chance(0.15) { 10_000 } else { 2000 };
                self.disconnect_manager(wait);
            }
            61..63 => self.freeze_driver(),
            63..71 => self.damage(),
            71..76 => self.register_again(),
            76..80 => drop(self.watching.pop_first().inspect(|_| self.tally.unwatched += 1)),
            80..84 => self.ask_status(),
            84..87 => self.add_executor(),
            87..91 => self.uncache(),
            91..93 => self.ask_stored(),
            93 => self.ask_sizes(),
            94 if self.chance(0.02) => self.fenced = true,
            _ => {}
        }
    }

    pub(crate) fn submit(&mut self) {
        let ticket = self.fresh();
        let once = self.weather != Weather::Quiet;
        let (job, plan) = self.program.job(&mut self.rng, ticket, once);
        if plan.single_attempt {
            let stage = plan.stages.last().expect("a job has a result stage");
            self.single.insert(stage.template.clone());
        }
        let description = if job.is_of_maps() { MAPS_ALONE } else { "a job" };
        self.jobs.insert(ticket, job);
        // Some operations have several jobs.
        let last = self.watching.last().copied().filter(|_| self.rng.random_bool(0.3));
        let id = last.unwrap_or(ticket);
        let watched = last.is_some() || self.chance(0.5);
        if watched {
            self.watching.insert(id);
        }
        let operation = Operation {
            id,
            description: description.into(),
            properties: [("ticket".to_owned(), ticket.to_string())].into_iter().collect(),
            watched,
        };
        let submission = Submission { ticket, plan, operation };
        // The program is in the same process: at once and in order.
        self.send(0, Mail::Tell(Message::Submit(submission)));
    }

    fn abandon(&mut self) {
        if let Some((&ticket, job)) = self.jobs.iter_mut().next() {
            job.abandoned = true;
            let reason = "its result is not wanted".to_owned();
            self.send(0, Mail::Tell(Message::Abandon { ticket, reason }));
        }
    }

    /// Does something to one of those that have registered.
    fn on_any(&mut self, fault: impl FnOnce(&mut Self, ExecutorId)) {
        let there = |process: &&Process| self.promises.links.contains_key(&process.connection);
        let all: Vec<ExecutorId> =
            self.processes.values().filter(there).map(|p| p.connection.executor).collect();
        if !all.is_empty() {
            let index = self.rng.random_range(0..all.len());
            fault(self, all[index]);
        }
    }

    fn freeze_any(&mut self) {
        let until = self.now + Duration::from_millis(self.rng.random_range(100..12_000));
        self.on_any(|world, id| {
            // Preferably in the midst of something.
            let busiest =
                world.processes.values_mut().max_by_key(|process| process.tasks.running());
            match busiest.filter(|process| process.tasks.running() > 0) {
                Some(busiest) => busiest.frozen.get_or_insert(until),
                None => {
                    world.processes.get_mut(&id).expect("it is there").frozen.get_or_insert(until)
                }
            };
        });
    }

    fn freeze_driver(&mut self) {
        self.tally.driver_froze += 1;
        let ms = self.rng.random_range(500..15_000);
        self.driver_frozen = self.now + Duration::from_millis(ms);
    }

    /// Bytes flip in a file.
    fn damage(&mut self) {
        let files = self.volumes.values_mut().flat_map(BTreeMap::values_mut);
        let mut files: Vec<_> = files.collect();
        if !files.is_empty() {
            let index = self.rng.random_range(0..files.len());
            files[index].damaged = true;
            self.tally.damaged += 1;
        }
    }

    /// Somebody registers under an id that is, or was, another's.
    fn register_again(&mut self) {
        let known: Vec<Connection> = self.said.keys().copied().collect();
        if known.is_empty() {
            return;
        }
        let executor = known[self.rng.random_range(0..known.len())].executor;
        let serial = self.fresh();
        let registration = Registration {
            executor,
            host: String::new(),
            profile: ProfileId::DEFAULT,
            slots: 1,
            block_address: String::new(),
            volumes: Vec::new(),
            private: BTreeSet::new(),
        };
        let stream = Stream::Executor(Connection { executor, serial });
        self.say(stream, Message::ExecutorAttached { serial, registration });
    }

    /// Tells the driver to end, within that many milliseconds.
    pub(crate) fn end(&mut self, within: u64) {
        if self.driver == Driver::Works {
            self.driver = Driver::Ends;
            let ending = Ending { exit_code: 0, message: String::new(), forget: true };
            self.send(within, Mail::Tell(Message::End { ending }));
        }
    }

    /// Plays a whole life: a storm, then the calm, in which everything must come to its end; then
    /// the driver ends.
    pub(crate) fn play(&mut self) -> Result<(), String> {
        self.connect_manager();
        self.tick_manager();
        self.send(0, Mail::Disturb);
        self.run_until(STORM)?;
        if self.chance(0.8) {
            self.weather = Weather::Calm;
            self.come_to_rest()?;
        }
        if self.weather == Weather::Calm && self.driver == Driver::Works {
            // However much was damaged: what is lost is written again.
            self.weather = Weather::Quiet;
            for _ in 0..3 {
                self.submit();
            }
            self.come_to_rest()?;
        }
        self.end(0);
        let deadline = self.now + CALM;
        self.run_until(deadline)?;
        self.tally.reruns = self.promises.reruns.repeated;
        self.tally.replaced = self.promises.replaced;
        self.tally.copies = self.promises.reruns.copies;
        self.tally.outlasted = self.promises.retained.gone;
        self.tally.silent = self.promises.silent;
        self.tally.released = self.promises.allocation.released;
        self.tally.grown = self.promises.allocation.grown;
        if self.driver != Driver::Ended {
            return Err("it does not end".to_owned());
        }
        match self.jobs.keys().next() {
            Some(ticket) => Err(format!("{ticket} was never answered")),
            None => self.promises.check_all_left(),
        }
    }

    /// All jobs end, then nothing runs, and then nothing happens any more but heartbeats and facts.
    fn come_to_rest(&mut self) -> Result<(), String> {
        let deadline = self.now + CALM;
        while !self.jobs.is_empty() && self.driver != Driver::Ended {
            if self.now >= deadline {
                return Err(format!("it does not come to rest: {:?}", self.jobs));
            }
            let soon = self.now + Duration::from_secs(1);
            self.run_until(soon)?;
        }
        // Whoever was lost meanwhile is given up, and replaced.
        let settled = self.now.max(self.driver_frozen) + Duration::from_secs(15);
        self.run_until(settled)?;
        if self.driver != Driver::Works {
            return Ok(());
        }
        self.promises.check_rest()?;
        self.promises.check_allocation_at_rest()?;
        self.check_given_up()?;
        self.check_retained()?;
        if let Some(process) = self.processes.values().find(|p| p.tasks.running() > 0) {
            return Err(format!("{:?} still runs something", process.connection));
        }
        let before = (self.wakes, self.effects);
        let quiet = self.now + Duration::from_secs(3);
        self.run_until(quiet)?;
        // It only looks now and then whether it stands still.
        if self.effects > before.1 || self.wakes > before.0 + 5 {
            return Err("the core does not come to rest".to_owned());
        }
        self.ask_status();
        let answered = self.now + Duration::from_secs(1);
        self.run_until(answered)?;
        self.check_status()
    }
}
