//! The event loop: one owner of everything that is known of jobs, executors and the cluster manager. It takes one message at a time,
//! asks the scheduler, performs its commands, and waits for nobody: what it tells others goes into their boxes.
//!
//! Promises: work goes out once per turn and executor, in the order in which it was decided; a stage's plan once per executor; the
//! places of map outputs before the launches that read them.

mod executors;
mod jobs;
mod manager;
mod throttle;

use crate::master::Wanted;
use crate::message::{
    Connection, Ending, Fact, FromManager, JobFailed, Message, Outcome, Registration, Report,
    Status, TaskEnd, ToExecutor, ToManager,
};
use crate::settings::WithoutManager;
use bytes::Bytes;
use executors::Executors;
use jobs::Jobs;
use manager::Manager;
use model::{ApplicationId, Attempt, ExecutorId, JobId, MapOutput, TaskFailure, VolumeId};
use scheduler::{Command, Event, JobFailure, Scheduler};
use std::time::Duration;
use throttle::Throttle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Messages taken from the inbox in one turn.
const TURN: usize = 1024;

/// How long the manager gets to say why an executor's stream ended, before the loss counts without a reason.
const REASON_WAIT: Duration = Duration::from_secs(1);

/// What the event loop knows from the start.
#[derive(Debug)]
pub(crate) struct Rules {
    pub application: ApplicationId,
    pub name: String,
    pub connect_url: String,
    pub wanted: Wanted,
    pub without_manager: WithoutManager,
    /// Time between heartbeats of an executor.
    pub heartbeat: Duration,
    /// Silence after which an executor is lost.
    pub timeout: Duration,
    pub max_result_bytes: Option<u64>,
}

/// The event loop's state.
#[derive(Debug)]
pub(crate) struct Core {
    rules: Rules,
    scheduler: Scheduler,
    /// The scheduler's time begins here.
    began: Instant,
    jobs: Jobs,
    executors: Executors,
    manager: Manager,
    /// When what people see was last told.
    shown: Throttle,
    /// Rows of the attempt whose end is being handled.
    arrived: Option<(Attempt, Bytes)>,
    /// Why the driver should end, once it should.
    stop: watch::Sender<Option<String>>,
    /// How it ends, once it does, and who waits for that.
    ending: Option<(Ending, oneshot::Sender<()>)>,
}

impl Core {
    pub(crate) fn new(
        rules: Rules,
        scheduler: Scheduler,
        stop: watch::Sender<Option<String>>,
    ) -> Self {
        let now = Instant::now();
        Self {
            manager: Manager::new(rules.without_manager, now),
            rules,
            scheduler,
            began: now,
            jobs: Jobs::default(),
            executors: Executors::default(),
            shown: Throttle::default(),
            arrived: None,
            stop,
            ending: None,
        }
    }

    /// Runs until it is told to end.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        let mut turn = Vec::with_capacity(TURN);
        loop {
            let deadline = self.next_deadline();
            tokio::select! {
                biased;
                count = inbox.recv_many(&mut turn, TURN) => if count == 0 { return },
                () = until(deadline) => self.excuse_silence(deadline),
            }
            for message in turn.drain(..) {
                self.handle(Instant::now(), message);
            }
            self.settle(Instant::now());
            // A program can be over before its manager has attached, which is to learn how it ended.
            if let Some((ending, done)) = self.ending.take_if(|_| !self.manager.is_awaited()) {
                self.end(ending);
                // Whoever wanted the end may have stopped waiting for it.
                let _ = done.send(());
                return;
            }
        }
    }

    fn handle(&mut self, now: Instant, message: Message) {
        match message {
            Message::Submit(submission) => {
                let job = self.jobs.next_id();
                let shape = jobs::shape(&submission.plan);
                self.jobs.add(job, submission);
                self.apply(now, Event::JobSubmitted { job, shape });
                self.shown.touch();
            }
            Message::Abandon { ticket, reason } => {
                if let Some(job) = self.jobs.by_ticket(ticket) {
                    self.apply(now, Event::JobCancelled { job, reason });
                }
            }
            Message::ExecutorAttached { mut registration, outbox, answer } => {
                // It tells its cores; a task may take several.
                registration.slots = self.rules.wanted.slots_of(registration.slots);
                let accepted = self.executors.attach(now, &registration, outbox);
                if accepted.is_ok() {
                    self.on_executor_attached(now, registration);
                }
                // A caller that has gone is noticed by the end of its stream, which nobody opened: the outbox is closed.
                let _ = answer.send(accepted);
            }
            Message::ExecutorSaid { connection, report } => self.on_report(now, connection, report),
            Message::ManagerAttached { serial, outbox } => {
                self.manager.attach(serial, outbox);
                self.shown.touch();
            }
            Message::ManagerSaid { serial, fact } => self.on_manager(now, serial, fact),
            Message::StatusAsked { answer } => {
                // Whoever asked may have gone.
                let _ = answer.send(self.status());
            }
            Message::End { ending, done } => self.ending = Some((ending, done)),
        }
    }

    fn on_executor_attached(&mut self, now: Instant, registration: Registration) {
        let executor = registration.executor;
        tracing::info!(
            "{executor} on {} registered, {} slots",
            registration.host,
            registration.slots
        );
        self.executors.tell(
            executor,
            ToExecutor::Welcome { heartbeat: self.rules.heartbeat, timeout: self.rules.timeout },
        );
        let retired = self.executors.is_retired(executor);
        if retired {
            self.executors.let_go_when_idle(executor);
        }
        let slots = if retired { 0 } else { registration.slots };
        let (volumes, found): (Vec<_>, Vec<_>) = registration.volumes.into_iter().unzip();
        let outputs: Vec<MapOutput> = found.into_iter().flatten().collect();
        if !outputs.is_empty() {
            self.apply(now, Event::MapOutputsFound { outputs });
        }
        let volumes = volumes.into_iter().collect();
        self.apply(now, Event::ExecutorRegistered { executor, slots, volumes });
        self.shown.touch();
    }

    fn on_report(&mut self, now: Instant, connection: Connection, report: Report) {
        if !self.executors.hears(now, connection) {
            return;
        }
        let executor = connection.executor;
        match report {
            Report::Heartbeat => {}
            Report::Part { attempt, bytes } => {
                let result_bytes = self.executors.add_part(executor, attempt, &bytes);
                if self.rules.max_result_bytes.is_some_and(|limit| result_bytes > limit) {
                    // The scheduler fails the job; to gather more would only fill the memory.
                    self.executors.take_parts(executor, attempt);
                    self.apply(now, Event::ResultFinished { attempt, result_bytes });
                }
            }
            Report::Ends(ends) => {
                for end in ends {
                    self.on_task_end(now, executor, end);
                }
                self.shown.touch();
            }
            Report::Decommission { reason } => {
                self.retire(now, executor, &reason);
                self.executors.let_go_when_idle(executor);
            }
            Report::Closed { reason } => {
                let wait = if self.manager.is_attached() { REASON_WAIT } else { Duration::ZERO };
                self.executors.stream_ended(executor, now + wait, reason);
            }
        }
    }

    fn on_task_end(&mut self, now: Instant, executor: ExecutorId, end: TaskEnd) {
        let TaskEnd { attempt, outcome, metrics } = end;
        let parts = self.executors.take_parts(executor, attempt);
        let failed = matches!(&outcome, Outcome::Failed(failure) if !is_stopped(failure));
        self.executors.note_end(executor, attempt, failed);
        if let Some(stage) = self.scheduler.stage(attempt.task.stage) {
            self.jobs.note_metrics(stage, metrics);
        }
        match outcome {
            Outcome::Wrote(output) => self.apply(now, Event::MapFinished { attempt, output }),
            Outcome::Failed(failure) => {
                if failed {
                    tracing::warn!("{attempt} on {executor} failed: {failure}");
                }
                self.apply(now, Event::TaskFailed { attempt, failure });
            }
            Outcome::Yielded(last) => {
                let bytes = executors::joined(parts, last);
                let result_bytes = bytes.len() as u64;
                self.arrived = Some((attempt, bytes));
                self.apply(now, Event::ResultFinished { attempt, result_bytes });
                self.arrived = None;
            }
        }
    }

    fn on_manager(&mut self, now: Instant, serial: u64, fact: FromManager) {
        if !self.manager.hears(serial) {
            return;
        }
        match fact {
            FromManager::Closed => self.manager.detach(now),
            FromManager::Stop { reason } => self.want_end(reason),
            FromManager::Executors(facts) => {
                for (executor, fact) in &facts {
                    self.on_fact(now, *executor, fact);
                }
                self.manager.knows(facts.into_iter().map(|(executor, _)| executor));
            }
        }
    }

    fn on_fact(&mut self, now: Instant, executor: ExecutorId, fact: &Fact) {
        match fact {
            Fact::Starting | Fact::Running => {}
            Fact::Leaving { reason } => self.retire(now, executor, reason),
            Fact::Ended { reason, app_caused, lost_volumes } => {
                // First, so that nothing is launched to read what was there.
                for volume in lost_volumes {
                    self.lose_volume(now, volume);
                }
                if self.executors.is_gone(executor) {
                    self.manager.wish_again();
                } else if self.executors.is_unknown(executor) {
                    tracing::warn!("{executor} ended before it registered: {reason}");
                    self.executors.never_came(executor);
                } else {
                    self.executors.ended(executor, now + REASON_WAIT, reason, *app_caused);
                }
            }
        }
    }

    /// It ends soon: what it runs may finish, new tasks go elsewhere.
    fn retire(&mut self, now: Instant, executor: ExecutorId, reason: &str) {
        if !self.executors.retire(executor) {
            return;
        }
        tracing::info!("{executor} gets no new tasks, it will leave: {reason}");
        if let Some(volumes) = self.executors.volumes(executor) {
            self.apply(now, Event::ExecutorRegistered { executor, slots: 0, volumes });
        }
    }

    /// A volume is gone with all that it held.
    fn lose_volume(&mut self, now: Instant, volume: &VolumeId) {
        // Facts are told again and again.
        if self.executors.lose_volume(volume) {
            tracing::warn!("volume {volume} is lost");
            self.apply(now, Event::VolumeLost { volume: volume.clone() });
        }
    }

    fn want_end(&self, reason: String) {
        self.stop.send_if_modified(|stop| {
            let first = stop.is_none();
            stop.get_or_insert(reason);
            first
        });
    }

    /// Tells the scheduler, and does what it says.
    fn apply(&mut self, now: Instant, event: Event) {
        for command in self.scheduler.handle(now.duration_since(self.began), event) {
            self.perform(command);
        }
        self.executors.locate(&self.scheduler);
    }

    fn perform(&mut self, command: Command) {
        match command {
            Command::Launch { attempt, executor } => {
                let stage = self.scheduler.stage(attempt.task.stage);
                let planned = stage.and_then(|stage| self.jobs.planned(stage));
                let (plan, index) =
                    planned.expect("a launched stage belongs to a job that is not over");
                self.executors.launch(executor, attempt, (&plan, index));
            }
            Command::Cancel { attempt, executor, reason } => {
                self.executors.cancel(executor, attempt, reason);
            }
            Command::Discard { output, reason } => {
                let (map, shuffle) = (output.id.map, output.id.shuffle);
                tracing::debug!("map output {map} of shuffle {shuffle} is discarded: {reason:?}");
                self.executors.discard(&output);
            }
            Command::DeliverResult { job, partition, attempt } => {
                let bytes = self.arrived.take_if(|(arrived, _)| *arrived == attempt);
                let (_, bytes) = bytes.expect("a result is delivered when it arrives");
                self.jobs.deliver(job, partition, bytes);
            }
            Command::JobFinished { job } => self.finish(job, None),
            Command::JobFailed { job, failure } => self.finish(job, Some(failure)),
            Command::StageChanged { stage } => {
                if let Some(stage) = self.scheduler.stage(stage) {
                    self.jobs.log_if_complete(&self.scheduler, stage);
                }
                self.shown.touch();
            }
        }
    }

    fn finish(&mut self, job: JobId, failure: Option<JobFailure>) {
        let failed = failure.map(|failure| {
            let host = match &failure {
                JobFailure::TaskFailed { executor, .. } => self.executors.host(*executor),
                _ => None,
            };
            JobFailed { failure, host }
        });
        let progress = self.scheduler.progress(job);
        self.jobs.finish(job, &progress, failed);
        // What the executors keep of stages without a job is of no more use.
        self.executors.forget(|stage| self.scheduler.stage(stage).is_some());
        self.shown.touch();
    }

    fn next_deadline(&self) -> Option<Instant> {
        let scheduler = self.scheduler.next_deadline().map(|after| self.began + after);
        let silence = self.executors.next_deadline(self.rules.timeout);
        [scheduler, silence, self.manager.deadline(), self.shown.due()].into_iter().flatten().min()
    }

    /// If this process itself stood still, the silence of others proves nothing.
    fn excuse_silence(&mut self, meant: Option<Instant>) {
        let now = Instant::now();
        if meant.is_some_and(|meant| now > meant + self.rules.timeout / 4) {
            self.executors.hear_all(now);
        }
    }

    /// Does what is due, and sends what the turn has gathered.
    fn settle(&mut self, now: Instant) {
        if self.scheduler.next_deadline().is_some_and(|after| now >= self.began + after) {
            self.apply(now, Event::Tick);
        }
        for executor in self.executors.silent(now, self.rules.timeout) {
            let seconds = self.rules.timeout.as_secs_f64();
            let reason = format!("nothing was heard of it for {seconds} seconds");
            self.executors
                .tell(executor, ToExecutor::Leave { reason: reason.clone(), forget: false });
            self.lose(now, executor, false, reason);
        }
        for (executor, app_caused, reason) in self.executors.lost(now) {
            self.lose(now, executor, app_caused, reason);
        }
        for executor in self.executors.flush() {
            let reason = "it does not read its stream".to_owned();
            self.lose(now, executor, false, reason);
        }
        self.executors.let_go_the_idle();
        if let Some(reason) = self.manager.overdue(now) {
            self.want_end(reason);
        }
        self.tell_manager();
        if self.shown.take(now) {
            self.show();
        }
    }

    fn lose(&mut self, now: Instant, executor: ExecutorId, app_caused: bool, reason: String) {
        tracing::warn!("{executor} is lost: {reason}");
        self.executors.remove(executor);
        self.apply(now, Event::ExecutorLost { executor, app_caused, reason });
        self.shown.touch();
    }

    fn tell_manager(&mut self) {
        let Wanted { executors, cores, memory, task_cpus: _ } = self.rules.wanted;
        let release = self.manager.known().filter(|id| self.executors.is_gone(*id)).collect();
        let memory_bytes = memory.0;
        self.manager.wish(ToManager::Wish { executors, cores, memory_bytes, release });
    }

    /// Tells all who look how far things are.
    fn show(&mut self) {
        self.jobs.show_progress(&self.scheduler);
        if self.manager.is_attached() {
            let status = self.status();
            self.manager.tell(ToManager::Status(status));
        }
    }

    fn status(&self) -> Status {
        Status {
            application: self.rules.application.0.clone(),
            name: self.rules.name.clone(),
            jobs: self.jobs.status(&self.scheduler),
            executors: self.executors.status(),
            forgotten_jobs: self.jobs.forgotten(),
            connect_url: self.rules.connect_url.clone(),
        }
    }

    /// Cancels all jobs, sends all executors away and takes leave of the manager.
    fn end(&mut self, ending: Ending) {
        let now = Instant::now();
        let jobs: Vec<JobId> = self.scheduler.jobs().collect();
        for job in jobs {
            let reason = "the application ends".to_owned();
            self.apply(now, Event::JobCancelled { job, reason });
        }
        self.executors.flush();
        self.executors.leave("the application has ended", ending.forget);
        self.show();
        self.manager.tell(ToManager::Ended(ending));
    }
}

/// Whether an attempt ended because nobody needed it: not worth a word.
fn is_stopped(failure: &TaskFailure) -> bool {
    matches!(failure, TaskFailure::Killed { .. } | TaskFailure::CommitDenied)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
