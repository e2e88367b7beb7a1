//! The driver's shell as it is played here: it gathers messages into turns, carries the core's
//! effects out, and checks what they say.

use super::process::{Process, Step};
use super::program::MAPS_ALONE;
use super::world::{Driver, Mail, OUTBOX, TIMEOUT, Weather, World};
use driver::core::Effect;
use driver::message::{
    Answer, Connection, JobAnswer, JobState, JobStatus, Message, Question, StageStatus, Status,
};
use engine::ShuffleSizes;
use model::ShuffleId;
use model::executor::ToExecutor;
use rand::Rng;
use scheduler::JobFailure;
use std::time::Duration;

impl World {
    pub(crate) fn arrive(&mut self, message: Message) {
        self.inbox.push_back(message);
        if !std::mem::replace(&mut self.turn_is_due, true) {
            self.send(2, Mail::Turn);
        }
    }

    /// A turn of the driver. After it stood still, its timer may come before what others have said.
    pub(crate) fn turn(&mut self) -> Result<(), String> {
        let now = self.now;
        self.turn_is_due = false;
        self.promises.begin_turn(now);
        self.subject.wake(now);
        let was_frozen = self.driver_frozen > Duration::ZERO && now < self.driver_frozen + TIMEOUT;
        let all = self.inbox.len();
        let taken = if was_frozen { self.rng.random_range(0..=all) } else { all };
        for message in self.inbox.drain(..taken).collect::<Vec<_>>() {
            self.handle(message);
        }
        if !self.inbox.is_empty() && !std::mem::replace(&mut self.turn_is_due, true) {
            self.send(2, Mail::Turn);
        }
        loop {
            let effects = self.subject.settle(now);
            self.effects += effects.len() as u64;
            if self.trace && !effects.is_empty() {
                eprintln!("{now:?} {effects:#?}");
            }
            let said = &self.said;
            // What was sent a moment ago can still be on its way.
            let audible = |at: &Duration| {
                (now.saturating_sub(TIMEOUT / 2)..now.saturating_sub(TIMEOUT / 5)).contains(at)
            };
            let is_silent = |connection| !said[&connection].iter().any(audible);
            self.promises.check(&effects, is_silent)?;
            let mut failed = Vec::new();
            for effect in effects {
                self.perform(effect, &mut failed)?;
            }
            if failed.is_empty() || self.driver == Driver::Ended {
                return Ok(());
            }
            for message in failed {
                self.handle(message);
            }
        }
    }

    fn handle(&mut self, message: Message) {
        if self.trace {
            eprintln!("{:?} <- {message:?}", self.now);
        }
        match &message {
            Message::ExecutorSaid { connection, .. } => {
                self.tally.late += u64::from(!self.promises.links.contains_key(connection));
            }
            Message::ManagerSaid { serial, .. } => {
                let present = self.manager.stream.map(|(serial, _)| serial);
                self.tally.manager_late += u64::from(present != Some(*serial));
            }
            _ => {}
        }
        self.promises.hear(&message);
        self.subject.handle(self.now, message);
    }

    fn perform(&mut self, effect: Effect, failed: &mut Vec<Message>) -> Result<(), String> {
        match effect {
            Effect::Accept { connection } => {
                self.said.entry(connection).or_default().push(self.now);
            }
            Effect::Refuse { connection, .. } => {
                self.tally.refused += 1;
                let own = |process: &&Process| process.connection == connection;
                if self.processes.values().find(own).is_some() {
                    self.exit(connection.executor);
                }
            }
            Effect::TellExecutor { connection, message } => {
                if !self.tell_executor(connection, Some(message)) {
                    self.tally.stuck += 1;
                    failed.push(Message::ExecutorStuck { connection });
                }
            }
            Effect::CloseExecutor { connection } => {
                self.tell_executor(connection, None);
            }
            Effect::TellManager { serial, message } => match self.manager.stream {
                Some((present, _)) if present == serial => {
                    let within = self.latency();
                    self.send(within, Mail::ToManager(serial, message));
                }
                _ => failed.push(Message::ManagerClosed { serial }),
            },
            Effect::CloseManager { serial } => {
                if self.manager.stream.is_some_and(|(present, _)| present == serial) {
                    self.disconnect_manager(500);
                }
            }
            Effect::ShowProgress { operation, .. } => {
                if !self.watching.contains(&operation) {
                    failed.push(Message::Unwatch { operation });
                }
            }
            Effect::EndJob { ticket, end, accumulators } => {
                return self.end_job(ticket, &(end, accumulators));
            }
            Effect::Answer { ticket, answer } => {
                let question = self.questions.remove(&ticket).ok_or("an answer to no question")?;
                match (question, answer) {
                    (Question::Status, Answer::Status(status)) => self.status = Some(status),
                    (Question::Stored(cache), Answer::Stored(stored)) => {
                        return self.check_stored(cache, stored);
                    }
                    (Question::Sizes(shuffle), Answer::Sizes(sizes)) => {
                        return self.check_sizes(shuffle, &sizes);
                    }
                    _ => return Err("an answer to another question".to_owned()),
                }
            }
            Effect::WantEnd { .. } => return self.want_end(),
            Effect::Ended => self.driver = Driver::Ended,
        }
        Ok(())
    }

    /// Returns whether there was room.
    fn tell_executor(&mut self, connection: Connection, message: Option<ToExecutor>) -> bool {
        let Some(process) = self.processes.get_mut(&connection.executor) else { return true };
        if process.connection != connection {
            return true;
        }
        if message.is_some() && process.frozen.is_some() && process.unread.len() >= OUTBOX {
            return false;
        }
        process.unread.push_back(message);
        let within = self.latency();
        self.send_step(within, connection.executor, Step::Read);
        true
    }

    fn end_job(&mut self, ticket: u64, answer: &JobAnswer) -> Result<(), String> {
        let job = self.jobs.remove(&ticket).ok_or("a job is answered twice")?;
        self.promises.caches.answered(ticket);
        job.check(&self.program, answer, self.driver != Driver::Works)?;
        match &answer.0 {
            Ok(_) => {
                self.tally.finished += 1;
                self.tally.maps_alone += u64::from(job.is_of_maps());
            }
            Err(failed) => match &failed.failure {
                JobFailure::ResultTooLarge { .. } => self.tally.too_large += 1,
                JobFailure::Cancelled { .. } => self.tally.abandoned += 1,
                JobFailure::NotRepeatable { .. } => self.tally.failed += 1,
                JobFailure::StageOverdue { .. } => self.tally.overdue += 1,
                JobFailure::SingleAttemptFailed { .. } => self.tally.single_attempts_failed += 1,
                _ if self.weather == Weather::Quiet => {
                    return Err(format!("a job fails though nothing goes wrong: {failed:?}"));
                }
                _ => self.tally.failed += 1,
            },
        }
        Ok(())
    }

    /// The driver should end: because the manager is away for too long.
    fn want_end(&mut self) -> Result<(), String> {
        let back = |(_, since): (u64, Duration)| since + Duration::from_secs(3) < self.now;
        if self.without_manager.is_none() || self.manager.stream.is_some_and(back) {
            return Err("the driver wants to end, and its manager is there".to_owned());
        }
        self.tally.ended_early += 1;
        self.end(500);
        Ok(())
    }

    pub(crate) fn ask_status(&mut self) {
        let ticket = self.fresh();
        self.ask(ticket, Question::Status);
    }

    /// Asks for the sizes of some shuffle.
    pub(crate) fn ask_sizes(&mut self) {
        let ticket = self.fresh();
        let index = self.rng.random_range(0..self.program.stages.len());
        self.ask(ticket, Question::Sizes(self.program.stages[index].shuffle));
    }

    pub(crate) fn ask(&mut self, ticket: u64, question: Question) {
        self.questions.insert(ticket, question);
        self.send(0, Mail::Tell(Message::Asked { ticket, question }));
    }

    /// Each map output has one row.
    fn check_sizes(&mut self, shuffle: ShuffleId, sizes: &ShuffleSizes) -> Result<(), String> {
        let most = self.program.stages[self.program.index_of(shuffle)].partitions;
        if sizes.rows > u64::from(most) {
            return Err(format!("a shuffle of {most} rows holds {sizes:?}"));
        }
        self.tally.sizes += u64::from(sizes.rows > 0);
        Ok(())
    }

    /// What people see at rest: nothing runs.
    pub(crate) fn check_status(&self) -> Result<(), String> {
        let Status { jobs, executors, .. } = self.status.as_ref().ok_or("no answer")?;
        let runs = jobs.iter().any(|job| job.state == JobState::Running);
        if runs || executors.iter().any(|executor| executor.running_tasks > 0) {
            return Err(format!("something runs: {:?}", self.status));
        }
        // The tasks of a result stage add once each, however often they run.
        let added = |stage: &StageStatus| {
            let sums = stage.added.accumulators.iter().filter(|(id, _)| **id >= 0);
            sums.map(|(_, sums)| sums.total.updates).sum::<u64>()
        };
        let of_results = |job: &JobStatus| job.stages.last().map(|it| (added(it), it.tasks));
        let succeeded = jobs.iter().filter(|job| job.state == JobState::Succeeded);
        let succeeded = succeeded.filter(|job| *job.description != *MAPS_ALONE);
        match succeeded.filter_map(of_results).find(|(sum, tasks)| *sum != u64::from(*tasks)) {
            Some((sum, tasks)) => Err(format!("{tasks} tasks have added {sum} times")),
            None => Ok(()),
        }
    }
}
