//! The core of the driver: one owner of everything that is known of jobs, executors and the cluster
//! manager. A pure state machine: messages and the time go in, effects come out. It asks the
//! scheduler, performs its commands, and waits for nobody; `event_loop` carries the effects out.
//!
//! A turn is [`Core::wake`], any number of [`Core::handle`], and [`Core::settle`], which returns
//! the effects of the turn. At [`Core::next_deadline`] a turn is due even without a message. The
//! time is that since the start.
//!
//! Promises: work goes out once per turn and executor, in the order in which it was decided; a
//! stage's template once per executor and job that it runs for; the places of map outputs before
//! the launches that read them; every submission is answered once; what an executor says over
//! another stream than its own is not heard.

mod allocation;
mod barriers;
mod caches;
mod commands;
mod effect;
mod executors;
mod facts;
mod jobs;
mod manager;
mod moves;
mod reports;
mod retention;
mod throttle;
mod time_limits;

pub use effect::Effect;
pub use moves::DecommissionRules;

use crate::allocation::AllocationRules;
use crate::master::Wanted;
use crate::message::{Answer, Ending, Message, Question, Status, ToManager};
use crate::rows::Rows;
use crate::settings::WithoutManager;
use allocation::Kinds;
use barriers::Barriers;
use caches::Caches;
use executors::Executors;
use jobs::Jobs;
use manager::Manager;
use model::executor::{AccumulatorUpdate, ToExecutor};
use model::{ApplicationId, Attempt, ExecutorId, JobId};
use moves::Moves;
use retention::Retained;
use scheduler::{Event, Retention, Scheduler};
use std::time::Duration;
use throttle::Throttle;
use time_limits::TimeLimits;

/// How long the manager gets to say why an executor's stream ended, before the loss counts without
/// a reason.
const REASON_WAIT: Duration = Duration::from_secs(1);

/// What the core knows from the start.
#[derive(Debug)]
pub struct Rules {
    pub application: ApplicationId,
    pub name: String,
    pub connect_url: String,
    pub wanted: Wanted,
    /// Rules by which the number of executors follows the tasks, if it does.
    pub allocation: Option<AllocationRules>,
    /// What is moved from executors that leave, if anything is.
    pub decommission: Option<DecommissionRules>,
    /// How long outputs stay that no job uses, if there is a limit.
    pub retention: Option<Retention>,
    pub without_manager: WithoutManager,
    /// Time between heartbeats of an executor.
    pub heartbeat: Duration,
    /// Silence after which an executor is lost.
    pub timeout: Duration,
    pub max_result_bytes: Option<u64>,
    /// How long an attempt may wait for the others of its barrier stage.
    pub barrier_timeout: Duration,
}

/// The core's state.
#[derive(Debug)]
pub struct Core {
    rules: Rules,
    scheduler: Scheduler,
    jobs: Jobs,
    executors: Executors,
    kinds: Kinds,
    moves: Moves,
    barriers: Barriers,
    time_limits: TimeLimits,
    caches: Caches,
    retained: Option<Retained>,
    manager: Manager,
    /// Time of the last turn.
    turned: Duration,
    /// When what people see was last told.
    shown: Throttle,
    /// What the attempt yielded whose end is being handled.
    arrived: Option<(Attempt, Arrived)>,
    /// Executors that others are to replace, and why.
    replaced: Vec<(ExecutorId, String)>,
    /// Whether it has said that the driver should end.
    wants_end: bool,
    /// How the driver ends, once it does.
    ending: Option<Ending>,
    /// What this turn has gathered.
    effects: Vec<Effect>,
}

/// What a result task yielded.
#[derive(Debug)]
struct Arrived {
    rows: Rows,
    executor: ExecutorId,
    accumulators: Vec<AccumulatorUpdate>,
}

impl Core {
    /// A core at the start of its time.
    pub fn new(rules: Rules, scheduler: Scheduler) -> Self {
        Self {
            manager: Manager::new(rules.without_manager),
            kinds: Kinds::new(rules.allocation),
            retained: rules.retention.map(Retained::new),
            rules,
            scheduler,
            jobs: Jobs::default(),
            executors: Executors::default(),
            moves: Moves::default(),
            barriers: Barriers::default(),
            time_limits: TimeLimits::default(),
            caches: Caches::default(),
            turned: Duration::ZERO,
            shown: Throttle::default(),
            arrived: None,
            replaced: Vec::new(),
            wants_end: false,
            ending: None,
            effects: Vec::new(),
        }
    }

    /// Begins a turn. If this process itself stood still, the silence of others proves nothing:
    /// what they said may not have been read yet.
    pub fn wake(&mut self, now: Duration) {
        if self.lookout().is_some_and(|due| now > due + self.rules.timeout / 8) {
            self.executors.reset_heartbeats(now);
            self.manager.reset_absence(now);
        }
        self.turned = now;
    }

    /// When a turn is due only to show that this process does not stand still, while somebody's
    /// silence would be taken for an end.
    fn lookout(&self) -> Option<Duration> {
        let listens = !self.executors.is_empty() || self.manager.deadline().is_some();
        listens.then(|| self.turned + self.rules.timeout / 8)
    }

    /// Takes one message.
    pub fn handle(&mut self, now: Duration, message: Message) {
        match message {
            Message::Submit(submission) => {
                let job = self.jobs.next_id();
                let pool = submission.operation.properties.pool();
                let shape = jobs::shape(&submission.plan, pool, self.rules.wanted, &mut self.kinds);
                let kept = submission.plan.kept.clone();
                self.jobs.add(job, submission);
                self.apply(now, Event::JobSubmitted { job, shape });
                self.note_caches(now, &kept);
                self.shown.touch();
            }
            Message::Abandon { ticket, reason } => {
                if let Some(job) = self.jobs.by_ticket(ticket) {
                    self.apply(now, Event::JobCancelled { job, reason });
                }
            }
            Message::Unwatch { operation } => self.jobs.unwatch(operation),
            Message::ExecutorAttached { serial, registration } => {
                self.on_executor_attached(now, serial, registration);
            }
            Message::ExecutorSaid { connection, report } => self.on_report(now, connection, report),
            Message::ExecutorYields { connection, attempt, piece } => {
                self.on_yield(now, connection, (attempt, piece));
            }
            Message::ExecutorClosed { connection, reason } => {
                self.on_executor_closed(now, connection, reason);
            }
            Message::ExecutorStuck { connection } => self.on_executor_stuck(now, connection),
            Message::ManagerAttached { serial } => {
                self.manager.attach(serial, &mut self.effects);
                self.shown.touch();
            }
            Message::ManagerSaid { serial, fact } => self.on_manager(now, serial, fact),
            Message::ManagerClosed { serial } => {
                self.manager.detach(now, serial, &mut self.effects);
            }
            Message::Asked { ticket, question } => {
                let answer = match question {
                    Question::Status => Answer::Status(self.status()),
                    Question::Stored(cache) => Answer::Stored(self.stored(cache)),
                    Question::Sizes(shuffle) => Answer::Sizes(self.sizes(shuffle)),
                };
                self.effects.push(Effect::Answer { ticket, answer });
            }
            Message::Uncache { cache } => self.uncache(now, cache),
            Message::SessionClosed { session } => self.uncache_all(now, session),
            Message::End { ending } => self.ending = Some(ending),
        }
    }

    /// When a turn is due, if no message comes before.
    pub fn next_deadline(&self) -> Option<Duration> {
        let scheduler = self.scheduler.next_deadline();
        let silence = self.executors.next_deadline(self.rules.timeout);
        let barriers = self.barriers.deadline(self.rules.barrier_timeout);
        let (manager, shown) = (self.manager.deadline(), self.shown.due());
        let limits = self.time_limits.deadline();
        let allocation = self.kinds.deadline();
        let retained = self.retained.as_ref().and_then(Retained::deadline);
        let own = [barriers, limits, allocation, retained];
        let deadlines = [scheduler, silence, manager, shown, self.lookout()].into_iter().chain(own);
        deadlines.flatten().min()
    }

    /// Ends a turn: does what is due, and returns what the turn has gathered.
    pub fn settle(&mut self, now: Duration) -> Vec<Effect> {
        if self.scheduler.next_deadline().is_some_and(|deadline| now >= deadline) {
            self.apply(now, Event::Tick);
        }
        for executor in self.executors.silent(now, self.rules.timeout) {
            let seconds = self.rules.timeout.as_secs_f64();
            let reason = format!("nothing was heard of it for {seconds} seconds");
            self.give_up(now, executor, reason);
        }
        for (executor, app_caused, reason) in self.executors.lost(now) {
            self.lose(now, executor, app_caused, reason);
        }
        self.give_up_barriers(now);
        self.fail_overdue(now);
        if let Some(reason) = self.manager.overdue(now) {
            self.want_end(reason);
        }
        // A program can be over before its manager has attached, which is to learn how it ended.
        let ending = self.ending.take_if(|_| !self.manager.is_awaited());
        if ending.is_some() {
            self.cancel_jobs(now);
        }
        while let Some((executor, reason)) = self.replaced.pop() {
            self.give_up(now, executor, reason);
        }
        self.release_surplus(now);
        self.allocate(now);
        self.move_outputs();
        self.executors.flush(&mut self.effects);
        self.executors.release_idle(&self.moves.awaited, &mut self.effects);
        self.tell_manager();
        if self.shown.take(now) || ending.is_some() {
            self.show();
        }
        if let Some(ending) = ending {
            self.end(ending);
        }
        std::mem::take(&mut self.effects)
    }

    /// Sends an executor away and counts it as lost.
    fn give_up(&mut self, now: Duration, executor: ExecutorId, reason: String) {
        let leave = ToExecutor::Leave { reason: reason.clone(), forget: false };
        self.executors.tell(executor, leave, &mut self.effects);
        self.lose(now, executor, false, reason);
    }

    fn lose(&mut self, now: Duration, executor: ExecutorId, app_caused: bool, reason: String) {
        if self.executors.is_retired(executor) {
            tracing::info!("{executor} has left: {reason}");
        } else {
            tracing::warn!("{executor} is lost: {reason}");
        }
        self.executors.remove(executor, &mut self.effects);
        self.barriers.lose(executor);
        self.apply(now, Event::ExecutorLost { executor, app_caused, reason });
        self.shown.touch();
    }

    fn want_end(&mut self, reason: String) {
        if !std::mem::replace(&mut self.wants_end, true) {
            self.effects.push(Effect::WantEnd { reason });
        }
    }

    fn tell_manager(&mut self) {
        let Wanted { executors, cores, memory, task_cpus: _ } = self.rules.wanted;
        let release = self.manager.known().filter(|id| self.executors.is_gone(*id)).collect();
        let memory_bytes = memory.0;
        let executors = self.kinds.target().unwrap_or(executors);
        let profiles = self.kinds.wishes();
        let wish = ToManager::Wish { executors, cores, memory_bytes, release, profiles };
        self.manager.wish(wish, &mut self.effects);
    }

    /// Tells all who look how far things are.
    fn show(&mut self) {
        self.jobs.show_progress(&self.scheduler, &mut self.effects);
        if self.manager.is_attached() {
            let status = ToManager::Status(self.status());
            self.manager.tell(status, &mut self.effects);
        }
    }

    fn status(&self) -> Status {
        Status {
            application: self.rules.application.0.clone(),
            name: self.rules.name.clone(),
            jobs: self.jobs.status(&self.scheduler),
            executors: self.executors.status(),
            executor_memory: self.rules.wanted.memory,
            forgotten_jobs: self.jobs.forgotten(),
            connect_url: self.rules.connect_url.clone(),
        }
    }

    fn cancel_jobs(&mut self, now: Duration) {
        let jobs: Vec<JobId> = self.scheduler.jobs().collect();
        for job in jobs {
            let reason = "the application ends".to_owned();
            self.apply(now, Event::JobCancelled { job, reason });
        }
    }

    /// Sends all executors away and takes leave of the manager.
    fn end(&mut self, ending: Ending) {
        self.executors.leave("the application has ended", ending.forget, &mut self.effects);
        self.manager.tell(ToManager::Ended(ending), &mut self.effects);
        self.effects.push(Effect::Ended);
    }
}
