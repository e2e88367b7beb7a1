//! Outputs that the program has given up: they go, but not while a job has their stage.

use super::*;

fn released(n: u8) -> Event {
    Event::ShuffleReleased { shuffle: shuffle(n) }
}

fn given_up(attempt: Attempt) -> Command {
    discard(output(1, attempt), DiscardReason::Released)
}

/// A job of one map and one reader that has finished.
fn finished_job() -> Vec<(Event, Vec<Command>)> {
    vec![
        (up(0, 1), vec![]),
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 0)]),
        (done(at(1, 0, 0)), vec![deliver(0, at(1, 0, 0)), finished(0)]),
    ]
}

#[test]
fn what_no_job_uses_goes_at_once_and_is_written_again_when_it_is_wanted() {
    let mut script = finished_job();
    script.extend([
        (released(1), vec![given_up(at(0, 0, 0))]),
        (released(1), vec![]),
        (submit(1, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(2, 0, 0), 0)]),
        (wrote(1, at(2, 0, 0)), vec![launch(at(3, 0, 0), 0)]),
        (done(at(3, 0, 0)), vec![deliver(1, at(3, 0, 0)), finished(1)]),
    ]);
    let scheduler = check(script);
    assert_eq!(scheduler.map_outputs(shuffle(1)).count(), 1);
}

#[test]
fn what_a_job_uses_goes_with_the_last_one_that_does() {
    let (one, other) = (at(1, 0, 0), at(2, 0, 0));
    check(vec![
        (up(0, 2), vec![]),
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (submit(1, vec![map(1, 1, &[]), result(1, &[0])]), vec![]),
        (released(1), vec![]),
        (wrote(1, at(0, 0, 0)), vec![launch(one, 0), launch(other, 0)]),
        (done(one), vec![deliver(0, one), finished(0)]),
        (done(other), vec![deliver(1, other), finished(1), given_up(at(0, 0, 0))]),
    ]);
}

#[test]
fn a_job_that_wants_it_again_keeps_it() {
    let mut script = finished_job();
    script.extend([
        (submit(1, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(3, 0, 0), 0)]),
        (released(1), vec![]),
        (submit(2, vec![map(1, 1, &[]), result(1, &[0])]), vec![]),
        (done(at(3, 0, 0)), vec![deliver(1, at(3, 0, 0)), finished(1), launch(at(4, 0, 0), 0)]),
        (done(at(4, 0, 0)), vec![deliver(2, at(4, 0, 0)), finished(2)]),
    ]);
    assert_eq!(check(script).map_outputs(shuffle(1)).count(), 1);
}

#[test]
fn what_comes_after_its_job_is_over_goes_too() {
    check(vec![
        (up(0, 1), vec![]),
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (
            cancelled(0),
            vec![
                failed(0, JobFailure::Cancelled { reason: String::new() }),
                cancel(at(0, 0, 0), 0),
            ],
        ),
        (released(1), vec![]),
        // It was about to commit when it was cancelled.
        (wrote(1, at(0, 0, 0)), vec![given_up(at(0, 0, 0))]),
        // Another volume comes back with what an earlier driver stored.
        (
            Event::MapOutputsFound {
                outputs: vec![MapOutput { epoch: Epoch(0), ..output(1, at(0, 1, 0)) }],
            },
            vec![discard(
                MapOutput { epoch: Epoch(0), ..output(1, at(0, 1, 0)) },
                DiscardReason::Released,
            )],
        ),
    ]);
}
