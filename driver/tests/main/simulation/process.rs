//! An executor process: the real state of its tasks, with threads, a volume and peers that are
//! played here.

use super::broken::Bug;
use super::rows::Rows;
use super::world::{File, Mail, Stream, Weather, World};
use bytes::Bytes;
use driver::message::{Connection, Message};
use executor::tasks::{Effect, Start, Tasks, split};
use model::executor::{
    AccumulatorUpdate, BarrierAnswer, Launch, Outcome, Registration, Report, TaskEnd, ToExecutor,
    Work,
};
use model::{
    Attempt, BlockProblem, Epoch, ExecutorId, MapOutput, MapOutputId, ProfileId, TaskFailure,
    TaskMetrics, Unreadable, VolumeId,
};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of rows that travel in one message.
const PART_BYTES: usize = 16;

/// An executor that lives.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) connection: Connection,
    slots: u32,
    /// Where it writes.
    pub(crate) own: VolumeId,
    /// Whether nobody can mount that once it has ended.
    pub(crate) private: bool,
    /// What it can read and serve.
    pub(crate) volumes: BTreeSet<VolumeId>,
    pub(crate) tasks: Tasks,
    /// What its threads are at.
    computing: BTreeMap<Attempt, Start>,
    started: BTreeSet<Attempt>,
    /// Attempts of barrier stages that have met all others.
    met: BTreeSet<Attempt>,
    reported: BTreeSet<Attempt>,
    addresses: BTreeMap<VolumeId, Vec<String>>,
    /// What it has not read yet; `None` is the end of its stream.
    pub(crate) unread: VecDeque<Option<ToExecutor>>,
    /// It stands still until then.
    pub(crate) frozen: Option<Duration>,
    ends: Vec<TaskEnd>,
}

/// Something that an executor does.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// It reads the next message.
    Read,
    /// A launch reaches it again.
    ReadAgain(Vec<Launch>),
    /// A thread has computed an attempt.
    Compute(Attempt),
    /// An end comes out of the channel of its threads.
    TakeEnd(Box<TaskEnd>),
    /// It sends the ends that have gathered.
    SendEnds,
    /// It copies a map output of an executor that leaves.
    Copy(Arc<MapOutput>),
    Heartbeat(Duration),
}

fn address(executor: ExecutorId) -> String {
    format!("host-{}:1", executor.0)
}

impl World {
    /// A process starts: it mounts its volumes and registers.
    pub(crate) fn start(&mut self, id: ExecutorId, own: VolumeId, volumes: BTreeSet<VolumeId>) {
        let connection = Connection { executor: id, serial: self.fresh() };
        let slots = self.rng.random_range(1..4);
        let private = self.chance(0.4);
        let inventory = |volume: &VolumeId| {
            let files = self.volumes.get(volume).into_iter().flat_map(BTreeMap::values);
            (volume.clone(), files.map(|file| file.output.clone()).collect())
        };
        let registration = Registration {
            executor: id,
            host: format!("host-{}", id.0),
            profile: ProfileId::DEFAULT,
            slots,
            block_address: address(id),
            volumes: std::iter::once(&own)
                .chain(volumes.iter().filter(|v| **v != own))
                .map(inventory)
                .collect(),
            private: private.then(|| own.clone()).into_iter().collect(),
        };
        let process = Process {
            connection,
            slots,
            own,
            private,
            volumes,
            tasks: Tasks::new(slots),
            computing: BTreeMap::new(),
            started: BTreeSet::new(),
            met: BTreeSet::new(),
            reported: BTreeSet::new(),
            addresses: BTreeMap::new(),
            unread: VecDeque::new(),
            frozen: None,
            ends: Vec::new(),
        };
        self.processes.insert(id, process);
        let serial = connection.serial;
        self.say(Stream::Executor(connection), Message::ExecutorAttached { serial, registration });
    }

    pub(crate) fn step_process(&mut self, id: ExecutorId, step: Step) -> Result<(), String> {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&id) else { return Ok(()) };
        if let Some(until) = process.frozen {
            if now < until {
                // What it computed comes out before it looks at what it was told.
                let reads = matches!(step, Step::Read);
                let after =
                    Duration::from_millis(if reads { self.rng.random_range(0..100) } else { 0 });
                let key = (until + after, self.fresh());
                self.mail.insert(key, Mail::Step(id, step));
                return Ok(());
            }
            process.frozen = None;
        }
        match step {
            Step::Read => match process.unread.pop_front() {
                None => {}
                Some(Some(ToExecutor::Work(work))) => return self.read_work(id, work),
                Some(Some(ToExecutor::Welcome { heartbeat, .. })) => {
                    self.send_step(0, id, Step::Heartbeat(heartbeat));
                }
                Some(Some(ToExecutor::Leave { .. }) | None) => self.exit(id),
            },
            Step::ReadAgain(launches) => return self.read_again(id, launches),
            Step::Compute(attempt) => {
                if let Some(start) = process.computing.remove(&attempt) {
                    if start.hosts.is_some() && !process.met.contains(&attempt) {
                        self.meet(id, start);
                        return Ok(());
                    }
                    let outcome = self.compute(id, &start)?;
                    let metrics = TaskMetrics { run_nanos: 1, ..TaskMetrics::default() };
                    let accumulators = added(attempt, &outcome);
                    let end = TaskEnd { attempt, outcome, metrics, accumulators };
                    self.send_step(0, id, Step::TakeEnd(Box::new(end)));
                }
            }
            Step::TakeEnd(end) => return self.take_end(id, *end),
            Step::SendEnds => self.send_ends(id),
            Step::Copy(output) => self.copy(id, &output),
            Step::Heartbeat(every) => {
                let running_tasks = u32::try_from(process.tasks.running()).expect("few");
                self.report(id, Report::Heartbeat { running_tasks, progress: Vec::new() });
                let key = (now + every, self.fresh());
                self.mail.insert(key, Mail::Step(id, Step::Heartbeat(every)));
            }
        }
        Ok(())
    }

    pub(crate) fn report(&mut self, id: ExecutorId, report: Report) {
        let Some(process) = self.processes.get(&id) else { return };
        let connection = process.connection;
        self.said.entry(connection).or_default().push(self.now);
        self.say(Stream::Executor(connection), Message::ExecutorSaid { connection, report });
    }

    fn read_work(&mut self, id: ExecutorId, work: Work) -> Result<(), String> {
        if !work.launches.is_empty() && work.forget.is_empty() && self.chance(0.1) {
            self.send_step(200, id, Step::ReadAgain(work.launches.clone()));
        }
        let Some(process) = self.processes.get_mut(&id) else { return Ok(()) };
        let effects = process.tasks.take(work);
        if process.tasks.running() > process.slots as usize {
            return Err(format!("{id} runs more tasks than it has slots"));
        }
        self.carry_out(id, effects)
    }

    /// A launch that arrives twice is run once; of stages that were forgotten meanwhile it is as
    /// good as unknown.
    fn read_again(&mut self, id: ExecutorId, launches: Vec<Launch>) -> Result<(), String> {
        self.tally.repeated_launches += 1;
        let bug = self.bug;
        let Some(process) = self.processes.get_mut(&id) else { return Ok(()) };
        let mut effects = process.tasks.take(Work { launches, ..Work::default() });
        effects.retain(|effect| !matches!(effect, Effect::Report(_)));
        if bug == Some(Bug::RepeatedLaunchesRun) {
            effects.extend(process.computing.values().cloned().map(Effect::Start));
        }
        self.carry_out(id, effects)
    }

    fn carry_out(&mut self, id: ExecutorId, effects: Vec<Effect>) -> Result<(), String> {
        for effect in effects {
            let Some(process) = self.processes.get_mut(&id) else { return Ok(()) };
            match effect {
                Effect::Locate(places) => {
                    let known = places.outputs.iter().map(|(o, at)| (o.volume.clone(), at.clone()));
                    process.addresses.extend(known);
                }
                Effect::Discard(output) => {
                    if process.volumes.contains(&output.volume) {
                        self.delete(&output);
                    }
                }
                Effect::Start(start) => {
                    let attempt = start.attempt;
                    if !process.started.insert(attempt) {
                        return Err(format!("{attempt} is started twice"));
                    }
                    let single = self.single.contains(&start.template.plan);
                    if single && !self.started_once.insert(attempt.task) {
                        return Err(format!("{attempt} starts, and its task has a single attempt"));
                    }
                    process.computing.insert(attempt, start);
                    let within = if self.chance(0.1) { 2000 } else { 100 };
                    self.send_step(within, id, Step::Compute(attempt));
                }
                Effect::Stop { attempt, reason } => {
                    // A thread that is about to be done may not notice any more.
                    let notices = self.chance(0.5);
                    let process = self.processes.get_mut(&id).expect("it is there");
                    if notices {
                        process.computing.remove(&attempt);
                    }
                    let outcome = Outcome::Failed(TaskFailure::Killed { reason });
                    let (metrics, accumulators) = (TaskMetrics::default(), Vec::new());
                    let end = TaskEnd { attempt, outcome, metrics, accumulators };
                    self.send_step(5, id, Step::TakeEnd(Box::new(end)));
                }
                Effect::Report(end) => self.report(id, Report::Ends(vec![end])),
                Effect::Forget(_) => {}
                Effect::Answer(answer) => self.go_on(id, answer)?,
                Effect::Move(output, addresses) => {
                    process.addresses.insert(output.volume.clone(), addresses);
                    self.send_step(300, id, Step::Copy(output));
                }
            }
        }
        Ok(())
    }

    /// An attempt waits for all others of its stage. Its thread does nothing until then.
    fn meet(&mut self, id: ExecutorId, start: Start) {
        let attempt = start.attempt;
        if self.weather == Weather::Storm && self.chance(0.03) {
            let outcome = Outcome::Failed(TaskFailure::raised("boom before the barrier"));
            let (metrics, accumulators) = (TaskMetrics::default(), Vec::new());
            let end = TaskEnd { attempt, outcome, metrics, accumulators };
            return self.send_step(0, id, Step::TakeEnd(Box::new(end)));
        }
        self.waiting.insert(attempt);
        let process = self.processes.get_mut(&id).expect("it is there");
        process.computing.insert(attempt, start);
        let message = Some(attempt.task.partition.to_string());
        self.report(id, Report::Barrier { attempt, message });
    }

    /// All others have come: each has asked, and sent the number of its partition.
    fn go_on(&mut self, id: ExecutorId, answer: BarrierAnswer) -> Result<(), String> {
        let BarrierAnswer { attempt, messages } = answer;
        let process = self.processes.get_mut(&id).expect("it is there");
        let Some(start) = process.computing.get(&attempt) else { return Ok(()) };
        if !self.waiting.contains(&attempt) || !process.met.insert(attempt) {
            return Err(format!("{attempt} is answered that has not asked"));
        }
        let messages = messages?;
        let hosts = start.hosts.as_ref().map_or(0, |hosts| hosts.len());
        let numbers: Vec<u32> = messages.iter().filter_map(|text| text.parse().ok()).collect();
        let stage = attempt.task.stage;
        let asked = |partition: &u32| {
            let mut waiting = self.waiting.iter().map(|attempt| attempt.task);
            waiting.any(|task| (task.stage, task.partition) == (stage, *partition))
        };
        if numbers.len() != hosts || !numbers.is_sorted() || !numbers.iter().all(asked) {
            return Err(format!("{attempt} of {hosts} goes on after {messages:?}"));
        }
        self.tally.met += 1;
        self.send_step(20, id, Step::Compute(attempt));
        Ok(())
    }

    fn take_end(&mut self, id: ExecutorId, end: TaskEnd) -> Result<(), String> {
        let bug = self.bug;
        let Some(process) = self.processes.get_mut(&id) else { return Ok(()) };
        let first = process.tasks.ended(end.clone());
        self.tally.second_ends += u64::from(first.is_none());
        let passed = first.or_else(|| (bug == Some(Bug::SecondEndsAreReported)).then_some(end));
        if let Some(end) = passed {
            process.ends.push(end);
            self.send_step(5, id, Step::SendEnds);
        }
        let process = self.processes.get_mut(&id).expect("it is there");
        let ready = process.tasks.ready();
        self.tally.waited_for_slots += ready.len() as u64;
        self.carry_out(id, ready.into_iter().map(Effect::Start).collect())
    }

    fn send_ends(&mut self, id: ExecutorId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let mut ends = std::mem::take(&mut process.ends);
        if ends.is_empty() {
            return;
        }
        for end in &ends {
            if !process.reported.insert(end.attempt) {
                self.fault = Some(format!("{} is reported twice", end.attempt));
            }
        }
        let parts: Vec<Report> = ends.iter_mut().flat_map(|end| split(end, PART_BYTES)).collect();
        self.tally.parts += parts.len() as u64;
        for part in parts {
            self.report(id, part);
        }
        self.report(id, Report::Ends(ends));
    }

    /// Runs an attempt to its end.
    fn compute(&mut self, id: ExecutorId, start: &Start) -> Result<Outcome, String> {
        let Start { attempt, template, binding, inputs, hosts: _ } = start;
        if number(binding) != u64::from(attempt.task.partition) {
            return Err(format!("{attempt} got the binding of another task"));
        }
        if self.weather == Weather::Storm && self.chance(0.03) {
            return Ok(Outcome::Failed(TaskFailure::raised("boom")));
        }
        let inputs = template.inputs.iter().flat_map(|shuffle| inputs[shuffle].iter());
        let inputs: Vec<MapOutput> = inputs.map(|output| MapOutput::clone(output)).collect();
        let inputs = match self.read_all(id, &inputs) {
            Ok(rows) => rows,
            Err(failure) => return Ok(Outcome::Failed(failure)),
        };
        let index = template.writes.map(|(shuffle, _)| self.program.index_of(shuffle));
        let random = index.is_some_and(|index| self.program.stages[index].random);
        let nonce = if random { self.fresh() } else { 0 };
        let rows = Rows::make(number(&template.plan), attempt.task.partition, nonce, &inputs);
        let Some((shuffle, _)) = template.writes else {
            return Ok(Outcome::Yielded(rows.encode()));
        };
        if self.fenced {
            return Ok(Outcome::Failed(TaskFailure::Fenced { fence: Epoch(2) }));
        }
        let output = MapOutput {
            id: MapOutputId { shuffle, map: attempt.task.partition },
            attempt: *attempt,
            epoch: Epoch(1),
            volume: self.processes[&id].own.clone(),
            block_bytes: vec![1],
            rows: 1,
            row_checksum: if random { 7 } else { rows.value },
        };
        Ok(Outcome::Wrote(self.commit(output, rows)))
    }

    /// The first commit wins: what stands there already is not replaced.
    fn commit(&mut self, output: MapOutput, rows: Rows) -> MapOutput {
        let files = self.volumes.entry(output.volume.clone()).or_default();
        let file = File { output: output.clone(), rows, damaged: false };
        let winner = files.entry(output.id).or_insert(file).output.clone();
        self.tally.adopted += u64::from(winner != output);
        winner
    }

    /// Copies an output to its own volume.
    fn copy(&mut self, id: ExecutorId, output: &MapOutput) {
        let volume = self.processes[&id].own.clone();
        let read = self.read(id, output);
        let copy = MapOutput { volume, ..output.clone() };
        let copy = match read {
            Ok(rows) => {
                let winner = self.commit(copy.clone(), rows);
                if winner == copy { Ok(copy) } else { Err("another attempt's is there".to_owned()) }
            }
            Err(problem) => Err(format!("{problem:?}")),
        };
        self.tally.moved += u64::from(copy.is_ok());
        self.tally.not_moved += u64::from(copy.is_err());
        self.report(id, Report::Moved { output: output.clone(), copy });
    }

    /// Reads everything, or names all that cannot be read.
    fn read_all(&mut self, id: ExecutorId, inputs: &[MapOutput]) -> Result<Vec<Rows>, TaskFailure> {
        let (mut rows, mut unreadable) = (Vec::new(), Vec::new());
        for input in inputs {
            match self.read(id, input) {
                Ok(read) => rows.push(read),
                Err(problem) => unreadable.push(Unreadable::new(input, problem)),
            }
        }
        if unreadable.is_empty() {
            return Ok(rows);
        }
        self.tally.fetch_failures += 1;
        Err(TaskFailure::FetchFailed { unreadable, message: String::new() })
    }

    /// Reads exactly that attempt's bytes, from its own mounts or from a peer that serves them, or
    /// says why not.
    fn read(&mut self, id: ExecutorId, input: &MapOutput) -> Result<Rows, BlockProblem> {
        if self.weather == Weather::Storm && self.chance(0.005) {
            return Err(BlockProblem::Unreachable);
        }
        let process = &self.processes[&id];
        let serves = |peer: &Process| peer.volumes.contains(&input.volume);
        let at = process.addresses.get(&input.volume).into_iter().flatten();
        let mut peers = at.filter_map(|at| {
            let peer = |peer: &&Process| address(peer.connection.executor) == *at;
            self.processes.values().find(peer)
        });
        if !serves(process) && !peers.any(|peer| serves(peer) && peer.frozen.is_none()) {
            return Err(BlockProblem::Unreachable);
        }
        let file = self.volumes.get(&input.volume).and_then(|files| files.get(&input.id));
        let file = file.ok_or(BlockProblem::Missing)?;
        if file.output.attempt != input.attempt {
            return Err(BlockProblem::Missing);
        }
        if file.damaged && self.subject.has(Bug::DamagedBlocksAreServed) {
            return Ok(Rows { value: !file.rows.value, ..file.rows.clone() });
        }
        if file.damaged { Err(BlockProblem::Damaged) } else { Ok(file.rows.clone()) }
    }
}

/// The number that a template or a binding holds.
fn number(bytes: &Bytes) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What a task adds to accumulators: a result task under the number of its partition.
fn added(attempt: Attempt, outcome: &Outcome) -> Vec<AccumulatorUpdate> {
    let id = match outcome {
        Outcome::Yielded(_) => i64::from(attempt.task.partition),
        Outcome::Wrote(_) => -1,
        Outcome::Failed(_) => return Vec::new(),
    };
    vec![AccumulatorUpdate { id, value: Bytes::new() }]
}
