//! Seeded simulation of a volume: concurrent commits, zombies, processes that end between any two
//! file operations, full disks, damaged files, deletions, sweeps and power cuts, over real files.
//! `World::observe` checks what must hold.
//!
//! A simulation is as good as its world: the last tests break a rule and expect a failure.

mod faulty;

use faulty::{Incident, Platter, Process, files_in};
use model::{ApplicationId, Attempt, ByteSize, Epoch, Fingerprint, MapOutputId};
use model::{ShuffleId, StageId, TaskId, VolumeId};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use shuffle::{
    Committed, Durability, FileError, MapOutputReader, MapOutputWriter, OutputAttempt, ReadError,
    Summary, Swept, Volume, VolumeReader, WriteError, WriterOptions,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const STEPS: u32 = 50;
const READERS: u32 = 3;

/// A rule broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// Commits replace what is in place.
    ReplacingRename,
    /// Readers do not compare checksums.
    UncheckedReads,
    /// Nothing is synced, yet it is expected to survive a power cut.
    NoSync,
    /// A removal does not check the output's attempt.
    BlindRemoval,
    /// Commits do not look at the fence.
    UnfencedCommits,
    /// A sweep removes what it was told to keep.
    BlindSweep,
    /// A reader takes whatever attempt's output is in place.
    AnyAttemptReads,
}

/// An action of a process.
#[derive(Debug, Clone)]
enum Action {
    Commit(OutputAttempt),
    Remove(OutputAttempt),
    RemoveShuffle(ShuffleId),
    Sweep(BTreeSet<ShuffleId>),
    RaiseFence(Epoch),
}

#[derive(Debug)]
enum Outcome {
    Committed(Result<Committed, WriteError>),
    Removed(Result<bool, FileError>),
    Swept(Result<Swept, FileError>),
    Done(Result<(), FileError>),
}

/// A broken promise.
type Violation = String;

struct World {
    directory: TempDir,
    platter: Arc<Platter>,
    chance: StdRng,
    flaw: Flaw,
    durability: Durability,
    epoch: Epoch,
    next_attempt: u32,
    started: Vec<OutputAttempt>,
    /// Outputs in place for ever, unless removed or damaged.
    claimed: BTreeMap<MapOutputId, OutputAttempt>,
    /// Those of them that survive a power cut.
    durable: BTreeSet<OutputAttempt>,
    /// All outputs that were ever in place.
    seen: BTreeSet<OutputAttempt>,
    /// The fence must not fall below this.
    fence: Epoch,
    /// Outputs in place when their file was damaged.
    damaged: BTreeMap<MapOutputId, OutputAttempt>,
    /// An executor that lives through it all.
    reader: VolumeReader,
}

fn application() -> ApplicationId {
    ApplicationId("app".to_owned())
}

/// The blocks that an attempt writes: unlike any other's.
fn blocks_of(output: &OutputAttempt) -> Vec<Vec<u8>> {
    let seed = u64::from(output.attempt.number) << 8 | u64::from(output.id.map);
    let mut chance = StdRng::seed_from_u64(seed);
    let block = |_| {
        // Sometimes more than a reader caches.
        let longest = if chance.random_bool(0.03) { 90_000 } else { 40 };
        let mut block = vec![0; chance.random_range(0..longest)];
        chance.fill_bytes(&mut block);
        block
    };
    (0..READERS).map(block).collect()
}

fn commit(
    volume: &Volume,
    output: OutputAttempt,
    durability: Durability,
) -> Result<Committed, WriteError> {
    let buffer = ByteSize(u64::from(output.attempt.number % 3) * 30);
    let options = WriterOptions { durability, buffer, ..WriterOptions::default() };
    let mut writer = MapOutputWriter::new(volume, output, READERS, options);
    let blocks = blocks_of(&output);
    for half in 0..2 {
        for (reader, block) in (0..).zip(&blocks) {
            let (first, second) = block.split_at(block.len() / 2);
            writer.append(reader, [first, second][half].to_vec())?;
        }
    }
    writer.commit(Summary::default())
}

fn perform(volume: &Volume, action: &Action, durability: Durability, flaw: Flaw) -> Outcome {
    // Late enough for everything to be old.
    let now = SystemTime::now() + Duration::from_hours(1);
    match action {
        Action::Commit(output) => Outcome::Committed(commit(volume, *output, durability)),
        Action::Remove(output) if flaw == Flaw::BlindRemoval => {
            let path = path_of(volume.root(), output.id);
            Outcome::Removed(Ok(fs::remove_file(path).is_ok()))
        }
        Action::Remove(output) => Outcome::Removed(volume.remove(output)),
        Action::Sweep(_) if flaw == Flaw::BlindSweep => {
            Outcome::Swept(volume.sweep(&BTreeSet::new(), now))
        }
        Action::RemoveShuffle(shuffle) => Outcome::Done(volume.remove_shuffle(*shuffle)),
        Action::Sweep(keep) => Outcome::Swept(volume.sweep(keep, now)),
        Action::RaiseFence(epoch) => Outcome::Done(volume.raise_fence(*epoch)),
    }
}

fn path_of(root: &std::path::Path, id: MapOutputId) -> PathBuf {
    root.join(id.shuffle.to_string()).join(format!("{}.out", id.map))
}

impl World {
    fn new(seed: u64, flaw: Flaw) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let directory = tempfile::tempdir().expect("there is room for a directory");
        let platter = Arc::default();
        let durability = if chance.random() { Durability::Machine } else { Durability::Process };
        let root = directory.path().join("volume");
        let id = VolumeId("v".to_owned());
        // The first processes end while creating the volume.
        for operations in 0..chance.random_range(0..10) {
            let process = Process::new(&root, &platter).then(operations, Incident::Crash);
            let _ = Volume::create_on(&root, id.clone(), application(), Arc::new(process));
        }
        let process = Arc::new(Process::new(&root, &platter));
        let volume = Volume::create_on(&root, id, application(), process)
            .expect("what processes left behind is no obstacle");
        Self {
            directory,
            platter,
            chance,
            flaw,
            durability,
            epoch: Epoch(1),
            next_attempt: 0,
            started: Vec::new(),
            claimed: BTreeMap::new(),
            durable: BTreeSet::new(),
            seen: BTreeSet::new(),
            fence: Epoch(0),
            damaged: BTreeMap::new(),
            reader: VolumeReader::new(volume),
        }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("volume")
    }

    fn process(&self) -> Process {
        let mut process = Process::new(&self.root(), &self.platter);
        process.replacing = self.flaw == Flaw::ReplacingRename;
        process.unfenced = self.flaw == Flaw::UnfencedCommits;
        process
    }

    fn step(&mut self) -> Result<(), Violation> {
        match self.chance.random_range(0..20) {
            0 => self.cut_power(),
            1..=3 => self.damage(),
            _ => self.act()?,
        }
        self.observe(&BTreeSet::new())
    }

    /// A process does something, possibly with an incident or others beside it.
    fn act(&mut self) -> Result<(), Violation> {
        let action = self.any_action();
        let beside = self.chance.random_bool(0.4).then(|| self.any_action_beside(&action));
        let durability =
            if self.flaw == Flaw::NoSync { Durability::Process } else { self.durability };
        let outcome_beside = Arc::new(Mutex::new(None));
        let mut calm = beside.is_none();
        let incident = match &beside {
            Some(beside) => {
                let (process, application) = (Arc::new(self.process()), application());
                let volume = Volume::open_on(&self.root(), application, process)
                    .map_err(|e| e.to_string())?;
                let (beside, flaw) = (beside.clone(), self.flaw);
                let outcome = Arc::clone(&outcome_beside);
                Some(Incident::Meanwhile(Box::new(move || {
                    let done = perform(&volume, &beside, durability, flaw);
                    *outcome.lock().expect("no thread panics") = Some(done);
                })))
            }
            None if self.chance.random_bool(0.4) => {
                calm = false;
                Some(match self.chance.random_range(0..3) {
                    0 => Incident::Fail(ErrorKind::StorageFull),
                    _ => Incident::Crash,
                })
            }
            None => None,
        };
        let mut process = self.process();
        if let Some(incident) = incident {
            // Opening the volume takes three operations.
            let operations = if matches!(action, Action::Commit(_)) { 20 } else { 5 };
            process = process.then(3 + self.chance.random_range(0..operations), incident);
        }
        let fence = self.reader.volume().fence().map_err(|e| e.to_string())?;
        let volume = Volume::open_on(&self.root(), application(), Arc::new(process))
            .map_err(|e| e.to_string())?;
        let outcome = perform(&volume, &action, durability, self.flaw);
        drop(volume);
        let mut done = vec![(action, outcome)];
        if let Some((beside, outcome)) =
            beside.zip(outcome_beside.lock().expect("no thread panics").take())
        {
            done.insert(0, (beside, outcome));
        }
        self.judge(&done, fence, calm)
    }

    fn any_action(&mut self) -> Action {
        match self.chance.random_range(0..20) {
            0..=1 => Action::RemoveShuffle(self.any_shuffle()),
            2 => Action::Sweep(BTreeSet::from([self.any_shuffle()])),
            11 => Action::Sweep((0..2).map(|n| ShuffleId(Fingerprint([n; 32]))).collect()),
            3 => {
                self.epoch.0 += 1;
                Action::RaiseFence(self.epoch)
            }
            4..=6 if !self.started.is_empty() => {
                let last = self.started.len().min(12);
                let index = self.started.len() - 1 - self.chance.random_range(0..last);
                Action::Remove(self.started[index])
            }
            7..=8 if !self.claimed.is_empty() => {
                let index = self.chance.random_range(0..self.claimed.len());
                Action::Remove(*self.claimed.values().nth(index).expect("it is in range"))
            }
            9..=10 if !self.damaged.is_empty() => {
                let index = self.chance.random_range(0..self.damaged.len());
                Action::Remove(*self.damaged.values().nth(index).expect("it is in range"))
            }
            _ => Action::Commit(self.new_attempt()),
        }
    }

    /// Often about the same map output.
    fn any_action_beside(&mut self, action: &Action) -> Action {
        match (action, self.any_action()) {
            (Action::Commit(same) | Action::Remove(same), Action::Commit(mut output))
                if self.chance.random_bool(0.7) =>
            {
                self.started.retain(|started| *started != output);
                output.id = same.id;
                output.attempt.task.partition = same.id.map;
                self.started.push(output);
                Action::Commit(output)
            }
            (_, other) => other,
        }
    }

    fn any_shuffle(&mut self) -> ShuffleId {
        ShuffleId(Fingerprint([self.chance.random_range(0..2); 32]))
    }

    /// An attempt of the current driver, or of an earlier one.
    fn new_attempt(&mut self) -> OutputAttempt {
        let map = self.chance.random_range(0..2);
        let id = MapOutputId { shuffle: self.any_shuffle(), map };
        let task = TaskId { stage: StageId(0), partition: map };
        let attempt = Attempt { task, number: self.next_attempt };
        self.next_attempt += 1;
        let back = u64::from(self.chance.random_bool(0.2));
        let output = OutputAttempt { id, attempt, epoch: Epoch(self.epoch.0.max(1 + back) - back) };
        self.started.push(output);
        output
    }

    /// Compares the results of processes with what is allowed. The fence is the one from before.
    fn judge(
        &mut self,
        done: &[(Action, Outcome)],
        fence: Epoch,
        calm: bool,
    ) -> Result<(), Violation> {
        let may_go = |by: &&OutputAttempt| done.iter().any(|(action, _)| may_remove(action, by));
        let loose: BTreeSet<_> = self.claimed.values().filter(may_go).copied().collect();
        for (action, outcome) in done {
            let failed = match outcome {
                Outcome::Committed(Ok(committed)) => {
                    let Action::Commit(output) = action else { continue };
                    if output.epoch < fence {
                        return Err(format!("{output} committed behind the fence {fence}"));
                    }
                    let winner = judge_commit(output, committed)?;
                    if !may_go(&&winner) {
                        self.claim(winner, &loose)?;
                    }
                    None
                }
                Outcome::Committed(Err(WriteError::Fenced { epoch, fence, .. }))
                    if epoch < fence =>
                {
                    None
                }
                Outcome::Committed(Err(e)) => Some(e.to_string()),
                Outcome::Removed(Ok(true)) if calm => {
                    // It was that attempt's, or could not be read.
                    let Action::Remove(output) = action else { continue };
                    self.damaged.remove(&output.id);
                    self.claimed.remove(&output.id);
                    let path = path_of(&self.root(), output.id);
                    path.exists().then(|| "it is still there".to_owned())
                }
                Outcome::Removed(result) => result.as_ref().err().map(ToString::to_string),
                Outcome::Swept(Ok(swept)) if calm => {
                    self.judge_sweep(swept)?;
                    None
                }
                Outcome::Swept(result) => result.as_ref().err().map(ToString::to_string),
                Outcome::Done(Ok(())) => {
                    if let Action::RaiseFence(epoch) = action {
                        self.fence = self.fence.max(*epoch);
                    }
                    None
                }
                Outcome::Done(result) => result.as_ref().err().map(ToString::to_string),
            };
            if let Some(failed) = failed.filter(|_| calm) {
                return Err(format!("{action:?} failed for no reason: {failed}"));
            }
        }
        self.observe(&loose)?;
        self.claimed.values().try_for_each(|claimed| {
            if self.seen.insert(*claimed) && claimed.epoch < fence {
                return Err(format!("{claimed} came in from behind the fence {fence}"));
            }
            Ok(())
        })
    }

    /// An attempt learned that this output is in place, and nothing has removed it.
    fn claim(
        &mut self,
        winner: OutputAttempt,
        loose: &BTreeSet<OutputAttempt>,
    ) -> Result<(), Violation> {
        if let Some(before) = self.claimed.insert(winner.id, winner)
            && before != winner
            && !loose.contains(&before)
        {
            return Err(format!("{before} had committed, and now {winner} has"));
        }
        self.damaged.remove(&winner.id);
        self.durable.insert(winner);
        Ok(())
    }

    fn judge_sweep(&self, swept: &Swept) -> Result<(), Violation> {
        let left = files_in(&self.root()).into_iter().find(|path| {
            let name = path.to_string_lossy();
            name.contains(".trash") || (name.ends_with(".tmp") && !name.contains("/volume."))
        });
        match (left, swept.failed.first()) {
            (Some(path), _) => Err(format!("a sweep left {}", path.display())),
            (_, Some(e)) => Err(format!("a sweep failed for no reason: {e}")),
            (None, None) => Ok(()),
        }
    }

    /// Every file is what some attempt wrote; everything committed is still there; nothing else can
    /// be read.
    fn observe(&mut self, loose: &BTreeSet<OutputAttempt>) -> Result<(), Violation> {
        let volume = Volume::open(&self.root(), application()).map_err(|e| e.to_string())?;
        if volume.fence().map_err(|e| e.to_string())? < self.fence {
            return Err(format!("the fence was {}", self.fence));
        }
        let inventory = volume.scan().map_err(|e| e.to_string())?;
        for e in &inventory.damaged {
            let ReadError::Damaged { path, .. } = e else { return Err(e.to_string()) };
            if !self.damaged.keys().any(|id| path_of(volume.root(), *id) == *path) {
                return Err(format!("undamaged, but {e}"));
            }
        }
        let found: BTreeMap<_, _> =
            inventory.outputs.iter().map(|o| (o.id, OutputAttempt::from(o))).collect();
        self.damaged.retain(|id, by| match found.get(id) {
            Some(now) => now == by,
            None => path_of(volume.root(), *id).exists(),
        });
        for (id, by) in &self.claimed {
            if found.get(id) != Some(by) && !loose.contains(by) {
                return Err(format!("{by} had committed, and now {:?} is there", found.get(id)));
            }
        }
        self.claimed = found.into_iter().filter(|(id, _)| !self.damaged.contains_key(id)).collect();
        let wanted: Vec<_> =
            self.started.iter().rev().take(12).chain(self.claimed.values()).copied().collect();
        wanted.iter().try_for_each(|output| self.read(&volume, output))
    }

    /// An attempt's output reads as written, and every claimed output can be read.
    fn read(&self, volume: &Volume, wanted: &OutputAttempt) -> Result<(), Violation> {
        let blocks = blocks_of(wanted);
        let claimed = self.claimed.get(&wanted.id) == Some(wanted);
        let in_place = self.claimed.get(&wanted.id).filter(|_| self.flaw == Flaw::AnyAttemptReads);
        let fresh = MapOutputReader::open(volume, in_place.unwrap_or(wanted));
        if let Err(e) = &fresh
            && claimed
        {
            return Err(format!("{wanted} is in place, and yet {e}"));
        }
        for (n, block) in (0..).zip(&blocks) {
            let fresh = fresh.as_ref().ok().map(|output| match self.flaw {
                Flaw::UncheckedReads => output.read_raw(n),
                _ => output.read_block(n),
            });
            for read in fresh.into_iter().chain([self.reader.read_block(wanted, n)]) {
                match read {
                    Ok(bytes) if bytes != *block => {
                        return Err(format!("block {n} of {wanted} has other bytes"));
                    }
                    Err(e) if claimed => return Err(format!("{wanted} is in place, and yet {e}")),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Changes or truncates the bytes of an output.
    fn damage(&mut self) {
        let Some((id, by)) = self.claimed.iter().next_back().map(|(id, by)| (*id, *by)) else {
            return;
        };
        let path = path_of(&self.root(), id);
        let mut bytes = fs::read(&path).expect("it is in place");
        let at = self.chance.random_range(0..bytes.len());
        match self.chance.random_range(0..5) {
            0 => bytes.truncate(at),
            1 => bytes.clear(),
            _ => bytes[at] ^= 1 << self.chance.random_range(0..8),
        }
        fs::write(&path, bytes).expect("it can be written");
        self.claimed.remove(&id);
        self.damaged.insert(id, by);
    }

    /// Ends all processes; unsynced data may be lost.
    fn cut_power(&mut self) {
        self.platter.cut_power(&self.root(), &mut self.chance);
        let volume = Volume::open(&self.root(), application()).expect("its identity is durable");
        self.reader = VolumeReader::new(volume);
        let durability = self.durability;
        let durable = &self.durable;
        let lost = |by: &OutputAttempt| durability == Durability::Process || !durable.contains(by);
        let lost: Vec<_> = self.claimed.values().filter(|by| lost(by)).copied().collect();
        for by in lost {
            self.claimed.remove(&by.id);
            self.damaged.insert(by.id, by);
        }
    }
}

/// The winner, as reported to the attempt.
fn judge_commit(output: &OutputAttempt, committed: &Committed) -> Result<OutputAttempt, Violation> {
    let (Committed::Won(winner) | Committed::Lost(winner)) = committed;
    let winner = OutputAttempt::from(winner);
    if matches!(committed, Committed::Won(_)) == (winner == *output) {
        return Ok(winner);
    }
    Err(format!("{output} got the wrong winner {winner}"))
}

/// Whether an action may remove an output in place.
fn may_remove(action: &Action, claimed: &OutputAttempt) -> bool {
    match action {
        Action::Commit(_) | Action::RaiseFence(_) => false,
        Action::Remove(output) => output == claimed,
        Action::RemoveShuffle(shuffle) => claimed.id.shuffle == *shuffle,
        Action::Sweep(keep) => !keep.contains(&claimed.id.shuffle),
    }
}

fn run(seed: u64, flaw: Flaw) -> Result<(), Violation> {
    let mut world = World::new(seed, flaw);
    (0..STEPS).try_for_each(|step| world.step().map_err(|e| format!("step {step}: {e}")))
}

/// To run one seed: `SEED=n`. To run many: `SEEDS=n`.
fn seeds() -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse().ok());
    match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds) => 0..seeds.unwrap_or(60),
    }
}

#[test]
fn committed_outputs_stay_and_read_as_written() {
    for seed in seeds() {
        run(seed, Flaw::None).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

#[test]
fn every_broken_rule_is_noticed() {
    for (flaw, message) in [
        (Flaw::ReplacingRename, "had committed, and now"),
        (Flaw::UncheckedReads, "has other bytes"),
        (Flaw::NoSync, "had committed, and now"),
        (Flaw::BlindRemoval, "had committed, and now"),
        (Flaw::UnfencedCommits, "committed behind the fence"),
        (Flaw::BlindSweep, "had committed, and now"),
        (Flaw::AnyAttemptReads, "has other bytes"),
    ] {
        let noticed = (0..200).find_map(|seed| run(seed, flaw).err());
        let noticed = noticed.unwrap_or_else(|| panic!("{flaw:?} is not noticed"));
        assert!(noticed.contains(message), "{flaw:?} is noticed otherwise: {noticed}");
    }
}
