//! The world around the core: a clock, a shell that carries effects out, executors, volumes, a
//! manager, and streams between them that are slow and break.

use super::allocation;
use super::broken::{Bug, Subject};
use super::manager::Manager;
use super::process::{Process, Step};
use super::program::{Job, Program};
use super::promises::Promises;
use super::retention;
use super::rows::Rows;
use super::tally::Tally;
use bytes::Bytes;
use driver::AllocationRules;
use driver::Wanted;
use driver::WithoutManager;
use driver::core::{DecommissionRules, Rules};
use driver::message::{Connection, Message, Question, Status};
use model::{
    ApplicationId, Attempt, ByteSize, ExecutorId, MapOutput, MapOutputId, TaskId, VolumeId,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use scheduler::Retention;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

/// Silence after which an executor is lost.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Things that may happen in one stretch.
const STEPS: usize = 100_000;

/// Messages that an executor may leave unread.
pub(crate) const OUTBOX: usize = 5;

/// A map output on a volume.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) output: MapOutput,
    pub(crate) rows: Rows,
    pub(crate) damaged: bool,
}

/// A way to the driver, in which nothing overtakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    Executor(Connection),
    Manager(u64),
}

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Mail {
    /// The next message of a stream arrives at the driver.
    Arrive(Stream),
    /// The program tells the driver something.
    Tell(Message),
    /// The driver gets to its messages.
    Turn,
    Step(ExecutorId, Step),
    Start(ExecutorId),
    Kill(ExecutorId),
    Bury(ExecutorId, Vec<VolumeId>),
    ConnectManager,
    TickManager,
    ToManager(u64, driver::message::ToManager),
    Disturb,
}

/// What may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Storm,
    /// Nothing more, but not everything that went wrong before has been found out.
    Calm,
    /// Nothing.
    Quiet,
}

/// How far the driver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    Works,
    /// It was told to end.
    Ends,
    Ended,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: StdRng,
    pub(crate) now: Duration,
    pub(crate) weather: Weather,
    pub(crate) bug: Option<Bug>,
    pub(crate) subject: Subject,
    pub(crate) program: Program,
    pub(crate) mail: BTreeMap<(Duration, u64), Mail>,
    /// What is on its way to the driver.
    up: BTreeMap<Stream, VecDeque<Message>>,
    /// What the driver has received and not looked at.
    pub(crate) inbox: VecDeque<Message>,
    pub(crate) turn_is_due: bool,
    /// The driver stands still until then.
    pub(crate) driver_frozen: Duration,
    pub(crate) processes: BTreeMap<ExecutorId, Process>,
    pub(crate) volumes: BTreeMap<VolumeId, BTreeMap<MapOutputId, File>>,
    /// Whether a newer driver has taken over the volumes.
    pub(crate) fenced: bool,
    /// Volumes that have outlived their executor.
    pub(crate) orphans: BTreeSet<VolumeId>,
    pub(crate) manager: Manager,
    pub(crate) jobs: BTreeMap<u64, Job>,
    pub(crate) watching: BTreeSet<u64>,
    pub(crate) questions: BTreeMap<u64, Question>,
    pub(crate) status: Option<Status>,
    /// When executors sent something.
    pub(crate) said: BTreeMap<Connection, Vec<Duration>>,
    /// Attempts of barrier stages that have asked for the others.
    pub(crate) waiting: BTreeSet<Attempt>,
    pub(crate) promises: Promises,
    /// Templates of stages whose tasks start at most once, and those that have started.
    pub(crate) single: BTreeSet<Bytes>,
    pub(crate) started_once: BTreeSet<TaskId>,
    /// What somebody noticed who could not say so.
    pub(crate) fault: Option<String>,
    pub(crate) driver: Driver,
    /// What the core does of its own accord.
    pub(crate) wakes: u64,
    pub(crate) effects: u64,
    pub(crate) without_manager: Option<Duration>,
    pub(crate) tally: Tally,
    counter: u64,
    pub(crate) trace: bool,
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let decommission = allocation::decommission(&mut rng);
        let allocation = allocation::rules(&mut rng, decommission);
        let program = Program::new(&mut rng, allocation.is_none());
        let without_manager = rng.random_bool(0.3).then_some(Duration::from_secs(3));
        let max_result_bytes = rng.random_bool(0.1).then_some(60);
        let limits = (without_manager, max_result_bytes);
        let retention = retention::rules(&mut rng);
        let rules = rules(limits, (allocation, decommission, retention));
        let excludes = rng.random_bool(0.5);
        let mut promises = Promises::default();
        promises.allocation.rules = allocation;
        promises.allocation.decommission = decommission;
        promises.retained.rules = retention;
        promises.excludes = excludes;
        for (index, stage) in program.stages.iter().enumerate() {
            promises.partitions.insert(stage.shuffle, stage.partitions as usize);
            if program.is_independent(index) {
                promises.reruns.repeatable.insert(stage.shuffle);
            }
        }
        Self {
            rng,
            now: Duration::ZERO,
            weather: Weather::Storm,
            bug,
            subject: Subject::new(rules, excludes, bug),
            program,
            mail: BTreeMap::new(),
            up: BTreeMap::new(),
            inbox: VecDeque::new(),
            turn_is_due: false,
            driver_frozen: Duration::ZERO,
            processes: BTreeMap::new(),
            volumes: BTreeMap::new(),
            fenced: false,
            orphans: BTreeSet::new(),
            manager: Manager::default(),
            jobs: BTreeMap::new(),
            watching: BTreeSet::new(),
            questions: BTreeMap::new(),
            status: None,
            said: BTreeMap::new(),
            waiting: BTreeSet::new(),
            single: BTreeSet::new(),
            started_once: BTreeSet::new(),
            promises,
            fault: None,
            driver: Driver::Works,
            wakes: 0,
            effects: 0,
            without_manager,
            tally: Tally::default(),
            counter: 0,
            trace: std::env::var_os("TRACE").is_some(),
        }
    }

    /// A number that was not used before, above 0.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    /// Has something happen within that many milliseconds.
    pub(crate) fn send(&mut self, within: u64, mail: Mail) {
        let delay = Duration::from_micros(self.rng.random_range(0..=within * 1000));
        let key = (self.now + delay, self.fresh());
        self.mail.insert(key, mail);
    }

    pub(crate) fn send_step(&mut self, within: u64, executor: ExecutorId, step: Step) {
        self.send(within, Mail::Step(executor, step));
    }

    pub(crate) fn latency(&mut self) -> u64 {
        if self.chance(0.1) { 500 } else { 20 }
    }

    /// Puts a message into a stream to the driver.
    pub(crate) fn say(&mut self, stream: Stream, message: Message) {
        self.up.entry(stream).or_default().push_back(message);
        let within = self.latency();
        self.send(within, Mail::Arrive(stream));
    }

    /// A stream breaks: the tail of what is on its way is lost.
    pub(crate) fn cut(&mut self, stream: Stream) {
        let queue = self.up.entry(stream).or_default();
        let kept = self.rng.random_range(0..=queue.len());
        self.tally.cut += u64::from(kept < queue.len());
        let lost = queue.split_off(kept).len();
        if let Stream::Executor(connection) = stream
            && let Some(said) = self.said.get_mut(&connection)
        {
            said.truncate(said.len().saturating_sub(lost));
        }
    }

    /// Removes exactly that attempt's file.
    pub(crate) fn delete(&mut self, output: &MapOutput) {
        if let Some(files) = self.volumes.get_mut(&output.volume)
            && files.get(&output.id).is_some_and(|file| file.output.attempt == output.attempt)
        {
            files.remove(&output.id);
        }
    }

    /// Lets everything happen until then.
    pub(crate) fn run_until(&mut self, until: Duration) -> Result<(), String> {
        for _ in 0..STEPS {
            if self.driver == Driver::Ended {
                return Ok(());
            }
            let next = self.mail.keys().next().map_or(Duration::MAX, |(at, _)| *at);
            let deadline = self.subject.next_deadline().unwrap_or(Duration::MAX);
            let wake = deadline.max(self.driver_frozen).max(self.now);
            if next.min(wake) > until {
                self.now = until;
                return Ok(());
            }
            if wake <= next {
                self.now = wake;
                self.wakes += 1;
                self.turn()?;
            } else if let Some(((at, _), mail)) = self.mail.pop_first() {
                self.now = self.now.max(at);
                self.deliver(mail)?;
            }
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
        }
        Err("time stands still".to_owned())
    }

    fn deliver(&mut self, mail: Mail) -> Result<(), String> {
        match mail {
            Mail::Arrive(stream) => {
                if let Some(message) = self.up.get_mut(&stream).and_then(VecDeque::pop_front) {
                    self.arrive(message);
                }
            }
            Mail::Tell(message) => self.arrive(message),
            Mail::Turn if self.now < self.driver_frozen => {
                let key = (self.driver_frozen, self.fresh());
                self.mail.insert(key, Mail::Turn);
            }
            Mail::Turn => return self.turn(),
            Mail::Step(executor, step) => return self.step_process(executor, step),
            Mail::Start(executor) => self.start_executor(executor),
            Mail::Kill(executor) => self.kill(executor, false),
            Mail::Bury(executor, lost) => self.note_end(executor, lost),
            Mail::ConnectManager => self.connect_manager(),
            Mail::TickManager => self.tick_manager(),
            Mail::ToManager(serial, message) => self.wish(serial, message),
            Mail::Disturb => self.disturb(),
        }
        Ok(())
    }
}

fn rules(
    (without_manager, max_result_bytes): (Option<Duration>, Option<u64>),
    (allocation, decommission, retention): (
        Option<AllocationRules>,
        Option<DecommissionRules>,
        Option<Retention>,
    ),
) -> Rules {
    let ms = without_manager.map(|wait| u64::try_from(wait.as_millis()).expect("a short wait"));
    Rules {
        application: ApplicationId("app".into()),
        name: "simulation".to_owned(),
        connect_url: String::new(),
        wanted: Wanted { executors: 3, cores: 2, task_cpus: NonZeroU32::MIN, memory: ByteSize(1) },
        allocation,
        decommission,
        retention,
        without_manager: ms.map_or(WithoutManager::Continue, WithoutManager::EndAfterMs),
        heartbeat: Duration::from_secs(1),
        timeout: TIMEOUT,
        max_result_bytes,
        barrier_timeout: Duration::from_hours(1),
    }
}
