//! Short lives by hand: that the checker itself takes note of things in their order.

use super::promises::Promises;
use super::rows::shuffle;
use bytes::Bytes;
use driver::core::Effect;
use driver::message::{Connection, Message};
use model::executor::{
    Launch, Outcome, Places, Registration, Report, TaskEnd, Template, ToExecutor, Work,
};
use model::{
    Attempt, BlockProblem, Epoch, ExecutorId, MapOutput, MapOutputId, ProfileId, Properties,
    StageId, TaskFailure, TaskId, TaskMetrics, Unreadable, VolumeId,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const MAP: StageId = StageId(0);
const READER: StageId = StageId(1);

fn attempt(stage: StageId, number: u32) -> Attempt {
    Attempt { task: TaskId { stage, partition: 0 }, number }
}

fn connection(executor: u64) -> Connection {
    Connection { executor: ExecutorId(executor), serial: executor }
}

/// The output of the only map, on the volume with that number.
fn output(number: u32, volume: u64) -> MapOutput {
    MapOutput {
        id: MapOutputId { shuffle: shuffle(0), map: 0 },
        attempt: attempt(MAP, number),
        epoch: Epoch(1),
        volume: VolumeId(volume.to_string()),
        block_bytes: vec![1],
        rows: 1,
        row_checksum: 7,
    }
}

/// An executor registers and brings its volume with what is on it.
fn attached(executor: u64, outputs: Vec<MapOutput>) -> Message {
    let registration = Registration {
        executor: ExecutorId(executor),
        host: String::new(),
        profile: ProfileId::DEFAULT,
        slots: 1,
        block_address: String::new(),
        volumes: vec![(VolumeId(executor.to_string()), outputs)],
        private: BTreeSet::new(),
    };
    Message::ExecutorAttached { serial: executor, registration }
}

fn ended(executor: u64, attempt: Attempt, outcome: Outcome) -> Message {
    let metrics = TaskMetrics::default();
    let end = TaskEnd { attempt, outcome, metrics, accumulators: Vec::new() };
    let report = Report::Ends(vec![end]);
    Message::ExecutorSaid { connection: connection(executor), report }
}

fn launched(executor: u64, attempt: Attempt, work: Work) -> Effect {
    let launches = vec![Launch { attempt, binding: Bytes::new(), hosts: None }];
    let message = ToExecutor::Work(Work { launches, ..work });
    Effect::TellExecutor { connection: connection(executor), message }
}

fn accepted(executor: u64) -> Effect {
    Effect::Accept { connection: connection(executor) }
}

fn template(stage: StageId) -> Work {
    let is_map = stage == MAP;
    let template = Template {
        stage,
        plan: Bytes::new(),
        slots: 1,
        writes: is_map.then(|| (shuffle(0), 1)),
        inputs: if is_map { Vec::new() } else { vec![shuffle(0)] },
        properties: Properties::default(),
    };
    Work { templates: vec![Arc::new(template)], ..Work::default() }
}

/// Of two outputs of a map the one counts that the driver hears of first, also in one turn.
#[test]
fn a_volume_that_comes_back_counts_before_a_report_of_the_same_turn() {
    let mut promises = Promises::default();
    promises.partitions.insert(shuffle(0), 1);
    promises.reruns.repeatable.insert(shuffle(0));
    let (old, new) = (output(0, 3), output(1, 2));
    let places = Places {
        shuffle: shuffle(0),
        generation: 1,
        outputs: vec![(Arc::new(old.clone()), Vec::new())],
    };
    let reads = Work { places: vec![Arc::new(places)], ..template(READER) };
    let unreadable = vec![Unreadable::new(&old, BlockProblem::Damaged)];
    let failure = TaskFailure::FetchFailed { unreadable, message: String::new() };
    let turns = [
        (vec![attached(2, Vec::new())], vec![accepted(2), launched(2, new.attempt, template(MAP))]),
        (
            vec![attached(3, vec![old]), ended(2, new.attempt, Outcome::Wrote(new))],
            vec![accepted(3), launched(3, attempt(READER, 0), reads)],
        ),
        (
            vec![ended(3, attempt(READER, 0), Outcome::Failed(failure))],
            vec![launched(2, attempt(MAP, 2), Work::default())],
        ),
    ];
    for (messages, effects) in turns {
        promises.begin_turn(Duration::ZERO);
        for message in &messages {
            promises.hear(message);
        }
        assert_eq!(promises.check(&effects, |_| false), Ok(()));
    }
}
