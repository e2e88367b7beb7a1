//! The world around the scheduler: an obedient driver, executors, volumes, and mail between them
//! that is late, duplicated and reordered.

use crate::ahead;
use crate::broken::Subject;
use crate::bugs::Bug;
use crate::promises::Promises;
use crate::rows::{MapStage, Nature, Rows, name_of, shuffle};
use model::{
    Attempt, Epoch, ExecutorId, JobId, MapOutput, MapOutputId, ProfileId, ShuffleId, TaskFailure,
    VolumeId,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use scheduler::{Command, Event, JobShape, Stage, TaskProgress};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A map output on a volume.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) output: MapOutput,
    pub(crate) rows: Rows,
    pub(crate) damaged: bool,
}

/// The work of an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) attempt: Attempt,
    pub(crate) executor: ExecutorId,
    /// Index of the map stage; `None` for a result.
    pub(crate) map_stage: Option<usize>,
    pub(crate) job: JobId,
    /// Slots that it takes, and the kind of executors that it is for.
    pub(crate) slots: u32,
    pub(crate) profile: ProfileId,
    /// All map outputs that it reads, as the driver knew them at the launch.
    pub(crate) inputs: Vec<MapOutput>,
}

/// An executor process.
#[derive(Debug, Default)]
pub(crate) struct Executor {
    pub(crate) profile: ProfileId,
    pub(crate) slots: u32,
    pub(crate) volumes: BTreeSet<VolumeId>,
    /// Each with the slots that it takes.
    pub(crate) running: BTreeMap<Attempt, u32>,
    /// What has come and has no slots yet.
    pub(crate) waiting: VecDeque<Work>,
    pub(crate) seen: BTreeSet<Attempt>,
    pub(crate) cancelled: BTreeSet<Attempt>,
    /// Declared lost while it still exists.
    pub(crate) frozen: bool,
}

/// A message on its way.
#[derive(Debug, Clone)]
pub(crate) enum Mail {
    Tell(Event),
    Launch(Work),
    Cancel(Attempt, ExecutorId),
    End(Work),
    Delete(MapOutput),
    Gone(ExecutorId),
}

/// A job of the program.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) shape: JobShape,
    /// The map stage of each stage of the shape but the last.
    pub(crate) map_stages: Vec<usize>,
}

/// Number of occurrences of each fault and outcome.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) finished: u64,
    pub(crate) other_profiles: u64,
    pub(crate) ahead: u64,
    pub(crate) taken_back: u64,
    pub(crate) failed: u64,
    pub(crate) not_repeatable: u64,
    pub(crate) skipped: u64,
    pub(crate) fetch_failures: u64,
    /// Outputs for which there was a need to write them again: they could not be read, nobody
    /// mounts their volume, their volume is lost; they, or what they were made of, cannot be made
    /// again alone, was made again with other rows, or is of an earlier driver.
    pub(crate) needed_unreadable: u64,
    pub(crate) needed_out_of_reach: u64,
    pub(crate) needed_volume_lost: u64,
    pub(crate) needed_random: u64,
    pub(crate) needed_other_rows: u64,
    pub(crate) needed_earlier: u64,
    /// Files of outputs that did not count, and stood where others should.
    pub(crate) in_the_way: u64,
    /// Barrier stages that were launched, and outputs of them that were discarded with others.
    pub(crate) barriers: u64,
    pub(crate) needed_barrier: u64,
    /// Outputs that the program has given up.
    pub(crate) released: u64,
    /// Jobs that failed with a task of a barrier stage with results.
    pub(crate) barriers_failed: u64,
    /// Jobs that failed because their tasks are launched at most once.
    pub(crate) single_attempts_failed: u64,
    /// Map tasks that ran again after their output had counted.
    pub(crate) reruns: u64,
    /// Moments at which tasks waited for a slot near their input.
    pub(crate) waits: u64,
    /// Events of one epoch at which executors were there, but too few to start.
    pub(crate) held: u64,
    /// Executors that were replaced because a task could not run anywhere, and jobs that failed
    /// because it still could not.
    pub(crate) replaced: u64,
    pub(crate) unschedulable: u64,
    /// Second attempts of slow tasks, those that were the first to finish, and outputs of those
    /// that were not.
    pub(crate) copies: u64,
    pub(crate) copies_won: u64,
    pub(crate) redundant: u64,
    pub(crate) adopted: u64,
    pub(crate) restarts: u64,
    pub(crate) rotten: u64,
    pub(crate) events: u64,
}

/// The whole world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: StdRng,
    pub(crate) now: Duration,
    pub(crate) calm: bool,
    pub(crate) epoch: Epoch,
    pub(crate) subject: Subject,
    pub(crate) bug: Option<Bug>,
    /// Whether executors are excluded on which tasks fail.
    pub(crate) excludes: bool,
    pub(crate) stages: Vec<MapStage>,
    pub(crate) executors: BTreeMap<ExecutorId, Executor>,
    pub(crate) volumes: BTreeMap<VolumeId, BTreeMap<MapOutputId, File>>,
    pub(crate) mail: BTreeMap<(Duration, u64), Mail>,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) promises: Promises,
    pub(crate) tally: Tally,
    /// The last number that was used.
    pub(crate) counter: u64,
    /// Prints every event and command.
    trace: bool,
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let secrets = rng.random_bool(0.3);
        let stages = map_stages(&mut rng, secrets);
        let excludes = rng.random_bool(0.5);
        let mut world = Self {
            rng,
            now: Duration::ZERO,
            calm: false,
            epoch: Epoch(1),
            subject: Subject::new((Epoch(1), excludes), Duration::ZERO, bug),
            bug,
            excludes,
            stages,
            executors: BTreeMap::new(),
            volumes: BTreeMap::new(),
            mail: BTreeMap::new(),
            jobs: BTreeMap::new(),
            promises: Promises::default(),
            tally: Tally::default(),
            counter: 0,
            trace: std::env::var_os("TRACE").is_some(),
        };
        for _ in 0..world.rng.random_range(1..4) {
            world.add_executor();
        }
        world
    }

    /// An unused number above 0.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    /// Sends a message that arrives within this many milliseconds.
    pub(crate) fn send(&mut self, within: u64, mail: Mail) {
        let delay = Duration::from_millis(self.rng.random_range(0..=within));
        let key = (self.now + delay, self.fresh());
        self.mail.insert(key, mail);
    }

    /// Sends the scheduler an event, possibly twice, and usually soon.
    pub(crate) fn send_event(&mut self, event: Event) {
        let within = if self.chance(0.1) { 600 } else { 20 };
        if self.chance(0.1) {
            self.send(600, Mail::Tell(event.clone()));
        }
        self.send(within, Mail::Tell(event));
    }

    /// Lets the next thing happen. Returns whether there was one.
    pub(crate) fn step(&mut self) -> Result<bool, String> {
        let deadline = self.subject.next_deadline();
        let first = self.mail.keys().next().copied();
        match (deadline, first) {
            (None, None) => return Ok(false),
            (Some(deadline), first) if first.is_none_or(|(at, _)| deadline <= at) => {
                self.now = self.now.max(deadline);
                self.handle(Event::Tick)?;
            }
            (_, Some(key)) => {
                self.now = self.now.max(key.0);
                if let Some(mail) = self.mail.remove(&key) {
                    self.deliver(mail)?;
                }
            }
            (Some(_), None) => {}
        }
        Ok(true)
    }

    fn deliver(&mut self, mail: Mail) -> Result<(), String> {
        match mail {
            Mail::Tell(event) => return self.handle(event),
            Mail::Launch(work) => return self.launch(work),
            Mail::Cancel(attempt, executor) => {
                if let Some(executor) = self.executors.get_mut(&executor) {
                    executor.cancelled.insert(attempt);
                    let before = executor.waiting.len();
                    executor.waiting.retain(|work| work.attempt != attempt);
                    if executor.waiting.len() < before {
                        self.tally.taken_back += 1;
                        let failure = TaskFailure::Killed { reason: String::new() };
                        self.send_event(Event::TaskFailed { attempt, failure });
                    }
                }
            }
            Mail::End(work) => self.end(&work),
            Mail::Delete(output) => self.delete(&output),
            Mail::Gone(executor) => {
                self.executors.remove(&executor);
            }
        }
        Ok(())
    }

    /// Removes exactly that attempt's file.
    pub(crate) fn delete(&mut self, output: &MapOutput) {
        if let Some(files) = self.volumes.get_mut(&output.volume) {
            let same = |file: &File| {
                (file.output.epoch, file.output.attempt) == (output.epoch, output.attempt)
            };
            if files.get(&output.id).is_some_and(same) {
                files.remove(&output.id);
            }
        }
    }

    /// Gives the scheduler an event, checks its commands, and performs them.
    pub(crate) fn handle(&mut self, event: Event) -> Result<(), String> {
        self.tally.events += 1;
        self.promises.note(self.now, &event, self.epoch);
        let commands = self.subject.handle(self.now, event.clone());
        self.tally.copies_won += u64::from(cancels_other(&commands, &event));
        if self.trace {
            eprintln!("{:?} {event:?} => {commands:#?}", self.now);
        }
        let result = self.check(&commands);
        result.map_err(|error| format!("{error}\nafter {event:?}"))
    }

    fn check(&mut self, commands: &[Command]) -> Result<(), String> {
        self.subject.scheduler.audit()?;
        let known = (&self.subject.scheduler, self.stages.as_slice(), &self.jobs);
        self.promises.barriers.check_launches(commands, known, &mut self.tally)?;
        self.promises.reruns.failures.note_changes(commands);
        for command in commands {
            self.perform(command.clone()).map_err(|error| format!("{error}\nat {command:?}"))?;
        }
        self.promises.barriers.check_outputs(&self.subject.scheduler, &self.stages, self.epoch)?;
        self.promises.reruns.check_outputs(&self.subject.scheduler, &self.stages)?;
        if !self.excludes {
            let Promises { waits, reruns, .. } = &mut self.promises;
            waits.check(self.now, &self.subject.scheduler, |executor| reruns.taken(executor))?;
            self.tally.waits = waits.waited;
        }
        self.tally.held = self.promises.starts.held.max(self.tally.held);
        self.promises.check_released(&self.subject.scheduler, &self.jobs)?;
        let shuffles = self.stages.iter().map(|stage| stage.shuffle);
        self.promises.check_outputs(&self.subject.scheduler, shuffles)
    }

    fn perform(&mut self, command: Command) -> Result<(), String> {
        match command {
            Command::Launch { attempt, executor } => {
                let work = self.work(attempt, executor)?;
                let (scheduler, tally) = (&self.subject.scheduler, &mut self.tally);
                self.promises.check_launch(attempt, scheduler, &self.jobs)?;
                let launch = (attempt, executor, self.now);
                self.promises.reruns.check_launch(launch, scheduler, tally)?;
                self.check_ahead(attempt, executor)?;
                let scheduler = &self.subject.scheduler;
                let barrier = scheduler.stage(attempt.task.stage).is_none_or(Stage::is_barrier);
                if self.excludes && !barrier {
                    self.promises.reruns.failures.check_launch(attempt, executor)?;
                }
                self.send(10, Mail::Launch(work));
            }
            Command::Cancel { attempt, executor, .. } => {
                self.promises.reruns.note_cancel(attempt);
                self.send(30, Mail::Cancel(attempt, executor));
            }
            Command::Replace { executor, .. } => {
                self.promises.reruns.check_replace(executor)?;
                self.tally.replaced += 1;
                let profile = self.executors.remove(&executor).map(|executor| executor.profile);
                let reason = String::new();
                self.send_event(Event::ExecutorLost { executor, app_caused: false, reason });
                self.add_executor_of(profile.unwrap_or_default());
            }
            Command::Discard { output, reason } => {
                self.promises.note_discard(&output);
                self.promises.check_release(&output, reason, &self.jobs, &mut self.tally)?;
                let known = (&self.subject.scheduler, self.stages.as_slice(), self.epoch);
                let reruns = &mut self.promises.reruns;
                reruns.check_discard(&output, reason, known, &mut self.tally)?;
                self.send(100, Mail::Delete(output));
            }
            Command::DeliverResult { job, partition, attempt } => {
                let of = self.jobs.get(&job).ok_or("a result of no job")?;
                self.promises.check_delivery((job, of), partition, attempt, &self.stages)?;
            }
            Command::JobFinished { job } => {
                let of = self.jobs.get(&job).ok_or("the end of no job")?;
                self.promises.check_finished(job, of, &self.subject.scheduler)?;
                let skipped =
                    self.subject.scheduler.progress(job).into_iter().filter(|s| s.skipped);
                self.tally.skipped += skipped.count() as u64;
                self.tally.finished += 1;
            }
            Command::JobFailed { job, failure } => {
                let of = self.jobs.get(&job).ok_or("the failure of no job")?;
                self.promises.check_failed((job, of), &failure, (&self.stages, self.excludes))?;
                self.tally.failed += 1;
                let of_barrier = matches!(failure, scheduler::JobFailure::BarrierFailed { .. });
                self.tally.barriers_failed += u64::from(of_barrier);
                let single = matches!(failure, scheduler::JobFailure::SingleAttemptFailed { .. });
                self.tally.single_attempts_failed += u64::from(single);
                let nowhere = matches!(failure, scheduler::JobFailure::Unschedulable { .. });
                self.tally.unschedulable += u64::from(nowhere);
                let unrepeatable = matches!(failure, scheduler::JobFailure::NotRepeatable { .. });
                self.tally.not_repeatable += u64::from(unrepeatable);
            }
            Command::StageChanged { .. } => {}
        }
        Ok(())
    }

    /// A driver's data for a launch: the outputs that the scheduler has registered, which must be
    /// complete.
    fn work(&mut self, attempt: Attempt, executor: ExecutorId) -> Result<Work, String> {
        let scheduler = &self.subject.scheduler;
        let stage = scheduler.stage(attempt.task.stage).ok_or("a launch of no stage")?;
        let (job, _) = stage.jobs().next().ok_or("a stage of no job")?;
        let mut inputs = Vec::new();
        for &parent in stage.parents() {
            let parent = scheduler.stage(parent).ok_or("a parent that is not there")?;
            let before = inputs.len();
            let shuffle = parent.shuffle().ok_or("a parent that writes no shuffle")?;
            inputs.extend(scheduler.map_outputs(shuffle).cloned());
            if inputs.len() - before != parent.partitions() as usize {
                return Err("a launch without all map outputs that it reads".to_owned());
            }
        }
        inputs.sort_by_key(|input| input.id);
        let map_stage = stage.shuffle().map(|shuffle| index_of(&self.stages, shuffle));
        let shape = self.jobs.get(&job).and_then(|job| job.shape.stages.last());
        let (slots, profile) = match map_stage {
            Some(index) => (self.stages[index].task_slots, self.stages[index].profile),
            None => shape.map(|it| (it.task_slots, it.profile)).ok_or("a stage of no job")?,
        };
        Ok(Work { attempt, executor, map_stage, job, slots, profile, inputs })
    }

    fn launch(&mut self, work: Work) -> Result<(), String> {
        let Some(executor) = self.executors.get_mut(&work.executor).filter(|e| !e.frozen) else {
            // Its connection is closed: the driver notices now at the latest.
            let (executor, reason) = (work.executor, String::new());
            self.send_event(Event::ExecutorLost { executor, app_caused: false, reason });
            return Ok(());
        };
        if !executor.seen.insert(work.attempt) {
            return Err("an attempt launched twice".to_owned());
        }
        if executor.profile != work.profile {
            return Err("a task on an executor of another kind".to_owned());
        }
        self.tally.other_profiles += u64::from(work.profile != ProfileId::DEFAULT);
        let id = work.executor;
        executor.waiting.push_back(work);
        self.start_waiting(id);
        Ok(())
    }

    /// What has come first starts, as far as there are slots.
    fn start_waiting(&mut self, id: ExecutorId) {
        while let Some(executor) = self.executors.get_mut(&id)
            && let Some(next) = executor.waiting.front()
            && executor.running.values().sum::<u32>() + next.slots <= executor.slots
            && let Some(work) = executor.waiting.pop_front()
        {
            executor.running.insert(work.attempt, work.slots);
            let (attempt, run) = (work.attempt, Duration::from_millis(10));
            let progress = TaskProgress { rows: self.rng.random_range(0..100), run };
            self.send_event(Event::TaskProgressed { attempt, progress });
            let within = if self.chance(0.1) { 2000 } else { 150 };
            self.send(within, Mail::End(work));
        }
    }

    /// An executor gets more than it has slots for only of tasks that may wait there.
    fn check_ahead(&mut self, attempt: Attempt, id: ExecutorId) -> Result<(), String> {
        let Some(executor) = self.executors.get(&id) else { return Ok(()) };
        let stage = self.subject.scheduler.stage(attempt.task.stage);
        let stage = stage.ok_or("a launch of no stage")?;
        let taken = self.promises.reruns.taken_by_current(id);
        self.tally.ahead += u64::from(taken > executor.slots);
        ahead::check(id, stage, (taken, executor.slots))
    }

    /// Ends an attempt on its executor, with its report.
    fn end(&mut self, work: &Work) {
        let Some(executor) = self.executors.get_mut(&work.executor) else { return };
        executor.running.remove(&work.attempt);
        let cancelled = executor.cancelled.contains(&work.attempt);
        let attempt = work.attempt;
        let event = if cancelled && self.chance(0.7) {
            Event::TaskFailed { attempt, failure: TaskFailure::Killed { reason: String::new() } }
        } else {
            match self.run(work) {
                Ok(event) => event,
                Err(failure) => {
                    let fetch_failed = matches!(failure, TaskFailure::FetchFailed { .. });
                    self.tally.fetch_failures += u64::from(fetch_failed);
                    Event::TaskFailed { attempt, failure }
                }
            }
        };
        self.send_event(event);
        self.start_waiting(work.executor);
    }

    /// Starts an executor of any kind.
    pub(crate) fn add_executor(&mut self) {
        let profile = any_profile(&mut self.rng);
        self.add_executor_of(profile);
    }

    /// Starts an executor that mounts a volume of its own, and possibly others.
    pub(crate) fn add_executor_of(&mut self, profile: ProfileId) {
        let id = ExecutorId(self.fresh());
        let own = VolumeId(format!("volume-{}", id.0));
        self.volumes.insert(own.clone(), BTreeMap::new());
        let mut volumes = BTreeSet::from([own]);
        let others: Vec<VolumeId> = self.volumes.keys().cloned().collect();
        volumes.extend(others.into_iter().filter(|_| self.rng.random_bool(0.3)));
        // A task that takes two slots must not wait for ever for an executor of a rare kind.
        let least = if profile == ProfileId::DEFAULT { 1 } else { 2 };
        let slots = self.rng.random_range(least..4);
        let found = volumes.iter().filter_map(|volume| self.volumes.get(volume));
        let outputs = found.flat_map(BTreeMap::values).map(|file| file.output.clone()).collect();
        let executor = Executor { profile, slots, volumes: volumes.clone(), ..Executor::default() };
        self.executors.insert(id, executor);
        let host = host_of(id);
        self.send_event(Event::ExecutorRegistered { executor: id, host, profile, slots, volumes });
        self.send_event(Event::MapOutputsFound { outputs });
    }

    /// The name that stands for a job's result stage in hashes.
    pub(crate) fn result_name(job: JobId) -> u64 {
        1000 + job.0
    }

    pub(crate) fn stage_name(&self, work: &Work) -> u64 {
        work.map_stage.map_or(Self::result_name(work.job), |i| name_of(self.stages[i].shuffle))
    }
}

pub(crate) fn index_of(stages: &[MapStage], shuffle: ShuffleId) -> usize {
    stages.iter().position(|stage| stage.shuffle == shuffle).expect("only known shuffles")
}

/// Whether the end of an attempt makes others of its task unnecessary.
fn cancels_other(commands: &[Command], event: &Event) -> bool {
    let (Event::MapFinished { attempt, .. } | Event::ResultFinished { attempt, .. }) = event else {
        return false;
    };
    commands.iter().any(|command| match command {
        Command::Cancel { attempt: other, .. } => {
            other.task == attempt.task && other.number < attempt.number
        }
        _ => false,
    })
}

/// The host of an executor: there are few.
pub(crate) fn host_of(executor: ExecutorId) -> String {
    format!("host-{}", executor.0 % 3)
}

/// Slots that each task of a stage takes: mostly one.
pub(crate) fn any_slots(rng: &mut StdRng) -> u32 {
    if rng.random_bool(0.2) { 2 } else { 1 }
}

/// The number of a stage's tasks: mostly few, so that much happens to each.
pub(crate) fn any_partitions(rng: &mut StdRng, barrier: bool) -> u32 {
    let many = !barrier && rng.random_bool(0.1);
    if many { rng.random_range(8..15) } else { rng.random_range(1..6) }
}

/// The kind of executors that a stage is for, or that an executor is: mostly the usual one.
pub(crate) fn any_profile(rng: &mut StdRng) -> ProfileId {
    ProfileId(u32::from(rng.random_bool(0.15)))
}

fn map_stages(rng: &mut StdRng, secrets: bool) -> Vec<MapStage> {
    (0..rng.random_range(2..6))
        .map(|index| {
            let barrier = rng.random_bool(0.2);
            // A barrier needs all its slots at once, and there are few of another kind.
            let profile = if barrier { ProfileId::DEFAULT } else { any_profile(rng) };
            MapStage {
                shuffle: shuffle(index),
                partitions: any_partitions(rng, barrier),
                parents: (0..index).filter(|_| rng.random_bool(0.4)).collect(),
                nature: match rng.random_range(0..10) {
                    0..6 => Nature::Sure,
                    6..9 if secrets => Nature::Secret,
                    _ => Nature::Random,
                },
                barrier,
                task_slots: any_slots(rng),
                profile,
            }
        })
        .collect()
}
