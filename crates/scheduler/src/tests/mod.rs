//! Scripts of events and expected commands. Each file has the rules of one subject.

mod ahead;
mod backlog;
mod barriers;
mod delay;
mod exclusion;
mod foreign;
mod gate;
mod jobs;
mod lost;
mod moved;
mod pools;
mod reach;
mod released;
mod retention;
mod rolled_back;
mod single_attempts;
mod speculation;
mod tasks;

use crate::{
    Capacity, Command, DiscardReason, Event, JobFailure, JobShape, Limits, Scheduler,
    StageProgress, StageShape,
};
use model::{
    Attempt, BlockProblem, Epoch, ExecutorId, Fingerprint, JobId, MapOutput, MapOutputId,
    ProfileId, ShuffleId, StageId, TaskFailure, TaskId, Unreadable, VolumeId,
};
use std::time::Duration;

/// Runs a script against a fresh scheduler: after each event, exactly these commands. Stage changes
/// are left out, and texts for people are blanked. A tick comes 200 ms after the previous event,
/// everything else one millisecond.
fn check(script: Vec<(Event, Vec<Command>)>) -> Scheduler {
    check_with(|scheduler| scheduler, script)
}

/// The same with a scheduler that has more rules.
fn check_with(
    rules: impl FnOnce(Scheduler) -> Scheduler,
    script: Vec<(Event, Vec<Command>)>,
) -> Scheduler {
    let limits = Limits { max_result_bytes: Some(100), ..Limits::default() };
    let mut scheduler = rules(Scheduler::new(Epoch(1), limits));
    let mut now = Duration::ZERO;
    for (row, (event, expected)) in script.into_iter().enumerate() {
        now += Duration::from_millis(if event == Event::Tick { 200 } else { 1 });
        let text = format!("{event:?}");
        let commands: Vec<Command> = scheduler
            .handle(now, event)
            .into_iter()
            .filter(|command| !matches!(command, Command::StageChanged { .. }))
            .map(without_text)
            .collect();
        assert_eq!(commands, expected, "row {row}: {text}");
        assert_eq!(scheduler.audit(), Ok(()), "row {row}: {text}");
    }
    scheduler
}

fn without_text(command: Command) -> Command {
    match command {
        Command::Cancel { attempt, executor, .. } => cancel(attempt, executor.0),
        Command::Replace { executor, .. } => replace(executor.0),
        other => other,
    }
}

// Shapes.

fn shuffle(n: u8) -> ShuffleId {
    ShuffleId(Fingerprint([n; 32]))
}

fn map(n: u8, partitions: u32, parents: &[usize]) -> StageShape {
    let parents = parents.to_vec();
    let shuffle = Some(shuffle(n));
    let (deterministic, barrier, task_slots) = (true, false, 1);
    StageShape {
        shuffle,
        partitions,
        parents,
        deterministic,
        barrier,
        task_slots,
        profile: ProfileId::DEFAULT,
        executor_slots: None,
    }
}

fn random_map(n: u8, partitions: u32, parents: &[usize]) -> StageShape {
    StageShape { deterministic: false, ..map(n, partitions, parents) }
}

fn result(partitions: u32, parents: &[usize]) -> StageShape {
    StageShape { shuffle: None, ..map(0, partitions, parents) }
}

/// The same stage, all of whose tasks run at once.
fn barrier(stage: StageShape) -> StageShape {
    StageShape { barrier: true, ..stage }
}

/// Submits a job that wants all partitions of its last stage.
fn submit(job: u64, stages: Vec<StageShape>) -> Event {
    Event::JobSubmitted { job: JobId(job), shape: shape(stages) }
}

/// The same, and its tasks are launched at most once.
fn submit_once(job: u64, stages: Vec<StageShape>) -> Event {
    let shape = JobShape { single_attempt: true, ..shape(stages) };
    Event::JobSubmitted { job: JobId(job), shape }
}

/// Submits a job that wants the map outputs of its last stage.
fn submit_maps(job: u64, stages: Vec<StageShape>) -> Event {
    let shape = JobShape { stages, ..JobShape::default() };
    Event::JobSubmitted { job: JobId(job), shape }
}

fn shape(stages: Vec<StageShape>) -> JobShape {
    let partitions = stages.last().map_or(0, |stage| stage.partitions);
    JobShape { stages, result_partitions: (0..partitions).collect(), ..JobShape::default() }
}

// Events.

/// An executor on a host of its own, that mounts the volume with its number, and another one that
/// is never lost.
fn up(executor: u64, slots: u32) -> Event {
    up_on(&executor.to_string(), executor, slots)
}

/// An executor of a kind.
fn of_kind(kind: ProfileId, event: Event) -> Event {
    match event {
        Event::ExecutorRegistered { executor, host, slots, volumes, .. } => {
            Event::ExecutorRegistered { executor, host, profile: kind, slots, volumes }
        }
        other => other,
    }
}

/// The same, on a host with others.
fn up_on(host: &str, executor: u64, slots: u32) -> Event {
    let volumes = [VolumeId(executor.to_string()), VolumeId(format!("spare {executor}"))].into();
    let host = host.to_owned();
    let (executor, profile) = (ExecutorId(executor), ProfileId::DEFAULT);
    Event::ExecutorRegistered { executor, host, profile, slots, volumes }
}

fn down(executor: u64) -> Event {
    let reason = String::new();
    Event::ExecutorLost { executor: ExecutorId(executor), app_caused: false, reason }
}

fn crash(executor: u64) -> Event {
    let reason = String::new();
    Event::ExecutorLost { executor: ExecutorId(executor), app_caused: true, reason }
}

fn volume_lost(volume: u64) -> Event {
    Event::VolumeLost { volume: VolumeId(volume.to_string()) }
}

fn cancelled(job: u64) -> Event {
    Event::JobCancelled { job: JobId(job), reason: String::new() }
}

fn at(stage: u64, partition: u32, number: u32) -> Attempt {
    Attempt { task: TaskId { stage: StageId(stage), partition }, number }
}

/// The output that an attempt writes for shuffle `n`, on volume 0.
fn output(n: u8, attempt: Attempt) -> MapOutput {
    MapOutput {
        id: MapOutputId { shuffle: shuffle(n), map: attempt.task.partition },
        attempt,
        epoch: Epoch(1),
        volume: VolumeId("0".to_owned()),
        block_bytes: Vec::new(),
        rows: 1,
        row_checksum: 7,
    }
}

fn wrote(n: u8, attempt: Attempt) -> Event {
    Event::MapFinished { attempt, output: output(n, attempt) }
}

fn done(attempt: Attempt) -> Event {
    Event::ResultFinished { attempt, result_bytes: 10 }
}

fn fails(attempt: Attempt, failure: TaskFailure) -> Event {
    Event::TaskFailed { attempt, failure }
}

fn raised() -> TaskFailure {
    TaskFailure::raised("boom".to_owned())
}

fn killed() -> TaskFailure {
    TaskFailure::Killed { reason: String::new() }
}

fn damaged(output: &MapOutput) -> TaskFailure {
    unreadable(std::slice::from_ref(output), BlockProblem::Damaged)
}

fn unreadable(outputs: &[MapOutput], problem: BlockProblem) -> TaskFailure {
    let unreadable = outputs.iter().map(|output| Unreadable::new(output, problem)).collect();
    TaskFailure::FetchFailed { unreadable, message: String::new() }
}

// Commands.

fn launch(attempt: Attempt, executor: u64) -> Command {
    Command::Launch { attempt, executor: ExecutorId(executor) }
}

fn cancel(attempt: Attempt, executor: u64) -> Command {
    Command::Cancel { attempt, executor: ExecutorId(executor), reason: String::new() }
}

fn replace(executor: u64) -> Command {
    Command::Replace { executor: ExecutorId(executor), reason: String::new() }
}

fn discard(output: MapOutput, reason: DiscardReason) -> Command {
    Command::Discard { output, reason }
}

fn discard_damaged(n: u8, attempt: Attempt) -> Command {
    discard(output(n, attempt), DiscardReason::Unreadable(BlockProblem::Damaged))
}

fn deliver(job: u64, attempt: Attempt) -> Command {
    Command::DeliverResult { job: JobId(job), partition: attempt.task.partition, attempt }
}

fn finished(job: u64) -> Command {
    Command::JobFinished { job: JobId(job) }
}

fn failed(job: u64, failure: JobFailure) -> Command {
    Command::JobFailed { job: JobId(job), failure }
}

/// Tasks done and wanted of each stage of a job, and whether it was skipped.
fn progress(scheduler: &Scheduler, job: u64) -> Vec<(u32, u32, bool)> {
    let stages = scheduler.progress(JobId(job)).into_iter();
    stages.map(|StageProgress { done, tasks, skipped, .. }| (done, tasks, skipped)).collect()
}
