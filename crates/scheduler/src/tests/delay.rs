//! Delay scheduling: tasks wait for a slot near their input, and how long.

use super::*;
use crate::LocalityWait;

const WAIT: LocalityWait =
    LocalityWait { executor: Duration::from_millis(500), host: Duration::from_millis(500) };

fn delay(script: Vec<(Event, Vec<Command>)>) -> Scheduler {
    check_with(|scheduler| scheduler.with_locality_wait(WAIT), script)
}

fn wrote_to(volume: &str, partition: u32, block_bytes: Vec<u64>) -> Event {
    let (attempt, volume) = (at(0, partition, 0), VolumeId(volume.to_owned()));
    let output = MapOutput { volume, block_bytes, ..output(1, attempt) };
    Event::MapFinished { attempt, output }
}

/// Two executors, and two readers whose input is on the first one.
fn two_readers((a, b): (&str, &str), cached: bool) -> Vec<(Event, Vec<Command>)> {
    let mut shape = shape(vec![map(1, 2, &[]), result(2, &[0])]);
    shape.cached.extend(cached.then(|| shuffle(1)));
    let bytes = if cached { vec![9] } else { vec![9, 9] };
    // A cached partition is read by one reader.
    let other = if cached { "spare 0" } else { "1" };
    let few = if cached { vec![9] } else { vec![1, 1] };
    vec![
        (up_on(a, 0, 1), vec![]),
        (up_on(b, 1, 1), vec![]),
        (
            Event::JobSubmitted { job: JobId(0), shape },
            vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)],
        ),
        (wrote_to("0", 0, bytes), vec![]),
        (wrote_to(other, 1, few), vec![launch(at(1, 0, 0), 0)]),
    ]
}

#[test]
fn a_task_waits_for_the_host_of_its_input_and_then_runs_anywhere() {
    let mut script = two_readers(("a", "b"), false);
    script.push((Event::Tick, vec![]));
    script.push((Event::Tick, vec![]));
    script.push((Event::Tick, vec![launch(at(1, 1, 0), 1)]));
    delay(script);
    let mut free_again = two_readers(("a", "b"), false);
    free_again.push((Event::Tick, vec![]));
    let near = vec![deliver(0, at(1, 0, 0)), launch(at(1, 1, 0), 0)];
    free_again.push((done(at(1, 0, 0)), near));
    delay(free_again);
}

#[test]
fn a_task_with_a_shuffle_for_input_does_not_wait_for_a_neighbour_on_the_same_host() {
    let mut script = two_readers(("a", "a"), false);
    let (_, launched) = script.last_mut().unwrap();
    launched.push(launch(at(1, 1, 0), 1));
    delay(script);
}

#[test]
fn a_task_with_a_cached_partition_waits_for_the_executor_and_then_for_the_host() {
    let mut neighbours = two_readers(("a", "a"), true);
    neighbours.push((Event::Tick, vec![]));
    neighbours.push((Event::Tick, vec![]));
    neighbours.push((Event::Tick, vec![launch(at(1, 1, 0), 1)]));
    delay(neighbours);
    let mut strangers = two_readers(("a", "b"), true);
    strangers.extend((0..4).map(|_| (Event::Tick, vec![])));
    strangers.push((Event::Tick, vec![launch(at(1, 1, 0), 1)]));
    delay(strangers);
}

#[test]
fn nobody_waits_who_prefers_nothing_or_what_is_not_there() {
    let both = || vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)];
    delay(vec![(up(0, 1), vec![]), (up(1, 1), vec![]), (submit(0, vec![result(2, &[])]), both())]);
    let mut script = two_readers(("a", "b"), false);
    // No executor mounts the volume any more, so that there is nothing to wait for.
    script.push((down(0), vec![launch(at(1, 0, 1), 1)]));
    delay(script);
}

#[test]
fn the_wait_begins_anew_when_all_free_slots_were_used_and_only_then() {
    let wrote = |volume, partition, bytes| wrote_to(volume, partition, vec![bytes; 3]);
    let start = |others: &[u64]| {
        let mut script = vec![
            (up(0, 2), vec![]),
            (
                submit(0, vec![map(1, 2, &[]), result(3, &[0])]),
                vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)],
            ),
            (wrote("0", 0, 9), vec![]),
            (up(0, 1), vec![]),
        ];
        script.extend(others.iter().map(|other| (up(*other, 1), vec![])));
        script.push((wrote("spare 0", 1, 1), vec![launch(at(1, 0, 0), 0)]));
        script.push((Event::Tick, vec![]));
        script.push((Event::Tick, vec![]));
        let next = vec![deliver(0, at(1, 0, 0)), launch(at(1, 1, 0), 0)];
        script.push((done(at(1, 0, 0)), next));
        script
    };
    let mut all_used = start(&[]);
    all_used.push((up(1, 1), vec![]));
    all_used.push((Event::Tick, vec![]));
    all_used.push((Event::Tick, vec![]));
    all_used.push((Event::Tick, vec![launch(at(1, 2, 0), 1)]));
    delay(all_used);
    // A slot elsewhere was free all the time.
    let mut one_left = start(&[1]);
    one_left.push((Event::Tick, vec![launch(at(1, 2, 0), 1)]));
    delay(one_left);
}
