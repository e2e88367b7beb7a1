//! The executors: their streams, what each was told already, what is to be told it this turn, and whether it is still there.

use crate::message::{
    Connection, ExecutorStatus, Launch, Located, Refusal, Registration, Stage, ToExecutor, Work,
};
use bytes::{Bytes, BytesMut};
use engine::{JobPlan, StageOutput};
use model::{Attempt, ExecutorId, MapOutput, ShuffleId, StageId, VolumeId};
use scheduler::Scheduler;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Lost executors that people are still shown.
const GONE_LISTED: usize = 100;

/// Shuffles whose map outputs' places are remembered between jobs.
const PLACES_KEPT: usize = 1000;

/// All executors.
#[derive(Debug, Default)]
pub(crate) struct Executors {
    live: BTreeMap<ExecutorId, Executor>,
    /// Those that were there or failed to come, and may not come back: ids are never given out twice.
    gone: BTreeSet<ExecutorId>,
    gone_listed: Vec<ExecutorStatus>,
    /// Those that will end soon, or have.
    retired: BTreeSet<ExecutorId>,
    lost_volumes: BTreeSet<VolumeId>,
    streams: u64,
    /// Changes when a volume may be served by others than before.
    mounts: u64,
    /// The places of map outputs as they were last told to anyone, each with a number of its own.
    generations: u64,
    located: BTreeMap<ShuffleId, Places>,
    /// Shuffles that launches of the event at hand read, by executor.
    wanted: BTreeSet<(ExecutorId, ShuffleId)>,
}

#[derive(Debug)]
struct Places {
    /// Generation of the outputs, and `Executors::mounts`, when these were gathered.
    of: (u64, u64),
    located: Arc<Located>,
}

#[derive(Debug)]
struct Executor {
    serial: u64,
    host: String,
    slots: u32,
    block_address: String,
    volumes: BTreeSet<VolumeId>,
    outbox: mpsc::Sender<ToExecutor>,
    told: Told,
    /// What it is told at the end of this turn.
    work: Work,
    tasks: Tasks,
    heard: Instant,
    /// It waits for being let go when it is idle.
    waits_to_leave: bool,
    going: Option<Going>,
}

/// What an executor was told already.
#[derive(Debug, Default)]
struct Told {
    /// Each with the shuffles that it reads.
    stages: BTreeMap<StageId, Vec<ShuffleId>>,
    /// Each with the number of the places that it knows.
    outputs: BTreeMap<ShuffleId, u64>,
}

#[derive(Debug, Default)]
struct Tasks {
    running: BTreeSet<Attempt>,
    finished: u64,
    failed: u64,
    /// Rows that came before the end of their attempt.
    parts: BTreeMap<Attempt, BytesMut>,
}

/// Its stream has ended, or the manager says that it has: what is missing to the whole story is awaited for a moment.
#[derive(Debug)]
struct Going {
    stream_ended: Option<String>,
    fact: Option<(String, bool)>,
    until: Instant,
}

impl Executors {
    /// Takes an executor in, unless its id is used up.
    pub(crate) fn attach(
        &mut self,
        now: Instant,
        registration: &Registration,
        outbox: mpsc::Sender<ToExecutor>,
    ) -> Result<Connection, Refusal> {
        let Registration { executor, host, slots, block_address, volumes } = registration;
        if self.gone.contains(executor) {
            return Err(Refusal(format!("{executor} was lost and may not come back")));
        }
        if self.live.contains_key(executor) {
            return Err(Refusal(format!("{executor} is there already")));
        }
        self.streams += 1;
        self.mounts += 1;
        let entry = Executor {
            serial: self.streams,
            host: host.clone(),
            slots: *slots,
            block_address: block_address.clone(),
            volumes: volumes.iter().map(|(volume, _)| volume.clone()).collect(),
            outbox,
            told: Told::default(),
            work: Work::default(),
            tasks: Tasks::default(),
            heard: now,
            waits_to_leave: false,
            going: None,
        };
        self.live.insert(*executor, entry);
        Ok(Connection { executor: *executor, serial: self.streams })
    }

    /// Whether that stream counts; if so, the executor was heard now.
    pub(crate) fn hears(&mut self, now: Instant, connection: Connection) -> bool {
        match self.live.get_mut(&connection.executor) {
            Some(executor) if executor.serial == connection.serial => {
                executor.heard = now;
                true
            }
            _ => false,
        }
    }

    /// All were heard just now.
    pub(crate) fn hear_all(&mut self, now: Instant) {
        for executor in self.live.values_mut() {
            executor.heard = now;
        }
    }

    /// Puts a launch into the executor's work, and the stage's plan if it does not have it.
    pub(crate) fn launch(
        &mut self,
        id: ExecutorId,
        attempt: Attempt,
        (plan, index): (&JobPlan, usize),
    ) {
        let Some(executor) = self.live.get_mut(&id) else { return };
        let planned = &plan.stages[index];
        let inputs = planned.parents.iter().map(|parent| plan.stages[*parent].shuffle());
        let stage = attempt.task.stage;
        if let Entry::Vacant(entry) = executor.told.stages.entry(stage) {
            let inputs: Vec<ShuffleId> = inputs.clone().collect();
            entry.insert(inputs.clone());
            let writes = match planned.output {
                StageOutput::Shuffle { readers } => Some((planned.shuffle(), readers)),
                StageOutput::Rows => None,
            };
            let template = planned.template.clone();
            executor.work.stages.push(Arc::new(Stage { id: stage, template, writes, inputs }));
        }
        let binding = planned.bindings[attempt.task.partition as usize].clone();
        executor.work.launches.push(Launch { attempt, binding });
        executor.tasks.running.insert(attempt);
        self.wanted.extend(inputs.map(|shuffle| (id, shuffle)));
    }

    /// Tells the places of the map outputs that the launches since the last call read, where they are not known or have changed.
    pub(crate) fn locate(&mut self, scheduler: &Scheduler) {
        for (id, shuffle) in std::mem::take(&mut self.wanted) {
            let of = (scheduler.generation(shuffle), self.mounts);
            if self.located.get(&shuffle).is_none_or(|places| places.of != of) {
                self.generations += 1;
                let generation = self.generations;
                let outputs = scheduler
                    .map_outputs(shuffle)
                    .map(|output| (output.clone(), self.addresses(&output.volume)))
                    .collect();
                let located = Arc::new(Located { shuffle, generation, outputs });
                self.located.insert(shuffle, Places { of, located });
            }
            let located = &self.located[&shuffle].located;
            let Some(executor) = self.live.get_mut(&id) else { continue };
            let told = executor.told.outputs.insert(shuffle, located.generation);
            if told != Some(located.generation) {
                executor.work.outputs.retain(|older| older.shuffle != shuffle);
                executor.work.outputs.push(Arc::clone(located));
            }
        }
    }

    fn addresses(&self, volume: &VolumeId) -> Vec<String> {
        let serving = self.live.values().filter(|executor| executor.volumes.contains(volume));
        serving.map(|executor| executor.block_address.clone()).collect()
    }

    pub(crate) fn cancel(&mut self, id: ExecutorId, attempt: Attempt, reason: String) {
        if let Some(executor) = self.live.get_mut(&id) {
            executor.work.cancels.push((attempt, reason));
        }
    }

    /// Tells all who mount its volume that a map output must not be used again.
    pub(crate) fn discard(&mut self, output: &MapOutput) {
        for executor in self.live.values_mut() {
            if executor.volumes.contains(&output.volume) {
                executor.work.discards.push(output.clone());
            }
        }
    }

    /// Tells all executors to forget the stages for which `needed` is false, and with them the places that only those read.
    pub(crate) fn forget(&mut self, needed: impl Fn(StageId) -> bool) {
        for executor in self.live.values_mut() {
            let Executor { told, work, .. } = executor;
            told.stages.retain(|stage, _| {
                let keep = needed(*stage);
                if !keep {
                    work.forget.push(*stage);
                }
                keep
            });
            let Told { stages, outputs } = told;
            let read: BTreeSet<ShuffleId> = stages.values().flatten().copied().collect();
            outputs.retain(|shuffle, _| read.contains(shuffle));
        }
        if self.located.len() > PLACES_KEPT {
            // They are gathered again for whoever needs them.
            self.located.clear();
            self.live.values_mut().for_each(|executor| executor.told.outputs.clear());
        }
    }

    /// Adds to the rows of an attempt, and returns how many bytes of it there are.
    pub(crate) fn add_part(&mut self, id: ExecutorId, attempt: Attempt, bytes: &Bytes) -> u64 {
        let Some(executor) = self.live.get_mut(&id) else { return 0 };
        // Rows of an attempt that does not run here would never be fetched.
        if !executor.tasks.running.contains(&attempt) {
            return 0;
        }
        let parts = executor.tasks.parts.entry(attempt).or_default();
        parts.extend_from_slice(bytes);
        parts.len() as u64
    }

    /// The rows of an attempt that came before its end.
    pub(crate) fn take_parts(&mut self, id: ExecutorId, attempt: Attempt) -> Option<BytesMut> {
        self.live.get_mut(&id)?.tasks.parts.remove(&attempt)
    }

    pub(crate) fn note_end(&mut self, id: ExecutorId, attempt: Attempt, failed: bool) {
        let Some(executor) = self.live.get_mut(&id) else { return };
        if executor.tasks.running.remove(&attempt) {
            let count =
                if failed { &mut executor.tasks.failed } else { &mut executor.tasks.finished };
            *count += 1;
        }
    }

    /// Sends each executor what has gathered. Returns those that do not read what they are sent.
    pub(crate) fn flush(&mut self) -> Vec<ExecutorId> {
        let mut stuck = Vec::new();
        for (id, executor) in &mut self.live {
            if executor.work.is_empty() {
                continue;
            }
            let work = std::mem::take(&mut executor.work);
            match executor.outbox.try_send(ToExecutor::Work(work)) {
                // One whose stream is closed is lost by the report that says so.
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                Err(mpsc::error::TrySendError::Full(_)) => stuck.push(*id),
            }
        }
        stuck
    }

    /// Tells an executor something beside its work. What cannot be told is noticed by `flush` or by the end of the stream.
    pub(crate) fn tell(&self, id: ExecutorId, told: ToExecutor) {
        if let Some(executor) = self.live.get(&id) {
            let _ = executor.outbox.try_send(told);
        }
    }

    /// It is told to leave once it runs nothing.
    pub(crate) fn let_go_when_idle(&mut self, id: ExecutorId) {
        if let Some(executor) = self.live.get_mut(&id) {
            executor.waits_to_leave = true;
        }
    }

    /// Tells those to leave that wait for it and run nothing.
    pub(crate) fn let_go_the_idle(&mut self) {
        for executor in self.live.values_mut() {
            if executor.waits_to_leave && executor.tasks.running.is_empty() {
                let reason = "it was told to end, and is idle".to_owned();
                // If there is no room, the next turn tries again.
                executor.waits_to_leave =
                    executor.outbox.try_send(ToExecutor::Leave { reason, forget: false }).is_err();
            }
        }
    }

    /// Sends all away.
    pub(crate) fn leave(&mut self, reason: &str, forget: bool) {
        for id in self.live.keys() {
            self.tell(*id, ToExecutor::Leave { reason: reason.to_owned(), forget });
        }
    }

    /// Its stream has ended; until then the manager may say why.
    pub(crate) fn stream_ended(&mut self, id: ExecutorId, until: Instant, reason: String) {
        if let Some(executor) = self.live.get_mut(&id) {
            let going =
                executor.going.get_or_insert(Going { stream_ended: None, fact: None, until });
            going.stream_ended = Some(reason);
        }
    }

    /// The manager says that it has ended; until then what it has sent may still come.
    pub(crate) fn ended(&mut self, id: ExecutorId, until: Instant, reason: &str, app_caused: bool) {
        if let Some(executor) = self.live.get_mut(&id) {
            let going =
                executor.going.get_or_insert(Going { stream_ended: None, fact: None, until });
            going.fact = Some((reason.to_owned(), app_caused));
        }
    }

    /// Those that are lost now, with whether the program caused it, and the reason.
    pub(crate) fn lost(&self, now: Instant) -> Vec<(ExecutorId, bool, String)> {
        let lost = |(id, executor): (&ExecutorId, &Executor)| {
            let Going { stream_ended, fact, until } = executor.going.as_ref()?;
            let complete = stream_ended.is_some() && fact.is_some();
            if !complete && now < *until {
                return None;
            }
            let (reason, app_caused) = fact.clone().unwrap_or_default();
            let told = Some(reason).filter(|reason| !reason.is_empty());
            let reason = told.or_else(|| stream_ended.clone()).unwrap_or_default();
            Some((*id, app_caused, reason))
        };
        self.live.iter().filter_map(lost).collect()
    }

    /// Those of whom nothing was heard for that long.
    pub(crate) fn silent(&self, now: Instant, timeout: Duration) -> Vec<ExecutorId> {
        let silent = self.live.iter().filter(|(_, executor)| now >= executor.heard + timeout);
        silent.map(|(id, _)| *id).collect()
    }

    /// When the next one is lost if nothing is heard of it.
    pub(crate) fn next_deadline(&self, timeout: Duration) -> Option<Instant> {
        let deadline = |executor: &Executor| {
            let silence = executor.heard + timeout;
            executor.going.as_ref().map_or(silence, |going| silence.min(going.until))
        };
        self.live.values().map(deadline).min()
    }

    /// It is lost: its id is used up.
    pub(crate) fn remove(&mut self, id: ExecutorId) {
        self.gone.insert(id);
        if let Some(executor) = self.live.remove(&id) {
            self.mounts += 1;
            if self.gone_listed.len() < GONE_LISTED {
                self.gone_listed.push(executor.status(id, false));
            }
        }
    }

    /// Notes that it will end soon. Returns whether that is new.
    pub(crate) fn retire(&mut self, id: ExecutorId) -> bool {
        self.retired.insert(id)
    }

    /// Whether it will end soon.
    pub(crate) fn is_retired(&self, id: ExecutorId) -> bool {
        self.retired.contains(&id)
    }

    /// The volumes that it mounts, if it is there.
    pub(crate) fn volumes(&self, id: ExecutorId) -> Option<BTreeSet<VolumeId>> {
        Some(self.live.get(&id)?.volumes.clone())
    }

    /// Notes that a volume is gone for ever. Returns whether that is new.
    pub(crate) fn lose_volume(&mut self, volume: &VolumeId) -> bool {
        if !self.lost_volumes.insert(volume.clone()) {
            return false;
        }
        for executor in self.live.values_mut() {
            executor.volumes.remove(volume);
        }
        self.mounts += 1;
        true
    }

    /// It ended before it came.
    pub(crate) fn never_came(&mut self, id: ExecutorId) {
        self.gone.insert(id);
    }

    /// Whether it was never heard of.
    pub(crate) fn is_unknown(&self, id: ExecutorId) -> bool {
        !self.gone.contains(&id) && !self.live.contains_key(&id)
    }

    /// Whether it was there, or should have come, and will not come back.
    pub(crate) fn is_gone(&self, id: ExecutorId) -> bool {
        self.gone.contains(&id)
    }

    pub(crate) fn host(&self, id: ExecutorId) -> Option<String> {
        let gone = || self.gone_listed.iter().find(|gone| gone.executor == id);
        let live = self.live.get(&id).map(|executor| executor.host.clone());
        live.or_else(|| Some(gone()?.host.clone()))
    }

    pub(crate) fn status(&self) -> Vec<ExecutorStatus> {
        let live = self.live.iter().map(|(id, executor)| executor.status(*id, true));
        let mut all: Vec<_> = self.gone_listed.iter().cloned().chain(live).collect();
        all.sort_by_key(|executor| executor.executor);
        all
    }
}

impl Executor {
    fn status(&self, id: ExecutorId, alive: bool) -> ExecutorStatus {
        let running = if alive { self.tasks.running.len() } else { 0 };
        ExecutorStatus {
            executor: id,
            host: self.host.clone(),
            slots: self.slots,
            running_tasks: u32::try_from(running).unwrap_or(u32::MAX),
            finished_tasks: self.tasks.finished,
            failed_tasks: self.tasks.failed,
            alive,
        }
    }
}

/// The parts of rows, put together.
pub(crate) fn joined(parts: Option<BytesMut>, last: Bytes) -> Bytes {
    match parts {
        None => last,
        Some(mut parts) => {
            parts.extend_from_slice(&last);
            parts.freeze()
        }
    }
}
