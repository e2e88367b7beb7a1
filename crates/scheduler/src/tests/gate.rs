//! The start: what the first tasks wait for.

use super::*;
use crate::StartGate;

const START: Duration = Duration::from_millis(300);

fn start(executors: usize, script: Vec<(Event, Vec<Command>)>) -> Scheduler {
    let gate = StartGate { executors, until: START };
    check_with(|scheduler| scheduler.with_start_gate(Some(gate)), script)
}

#[test]
fn the_first_tasks_wait_for_enough_executors_and_later_ones_for_none() {
    let first = || vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)];
    start(
        2,
        vec![
            (submit(0, vec![result(2, &[])]), vec![]),
            (up(0, 1), vec![]),
            (up(1, 1), first()),
            (done(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0))]),
            (done(at(0, 1, 0)), vec![deliver(0, at(0, 1, 0)), finished(0)]),
            (down(1), vec![]),
            (submit(1, vec![result(1, &[])]), vec![launch(at(1, 0, 0), 0)]),
        ],
    );
    // An executor that gets no tasks does not count, and one that is gone neither.
    start(
        2,
        vec![
            (submit(0, vec![result(2, &[])]), vec![]),
            (up(0, 0), vec![]),
            (up(1, 1), vec![]),
            (down(1), vec![]),
            (up(2, 1), vec![]),
            (up(0, 1), vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 2)]),
        ],
    );
    start(
        0,
        vec![(up(0, 1), vec![]), (submit(0, vec![result(1, &[])]), vec![launch(at(0, 0, 0), 0)])],
    );
}

#[test]
fn the_first_tasks_do_not_wait_for_ever() {
    let script = vec![
        (up(0, 1), vec![]),
        (submit(0, vec![result(1, &[])]), vec![]),
        (Event::Tick, vec![]),
        (Event::Tick, vec![launch(at(0, 0, 0), 0)]),
    ];
    let waiting = start(2, script[..2].to_vec());
    assert_eq!(waiting.next_deadline(), Some(START));
    let started = start(2, script);
    assert_eq!(started.next_deadline(), None);
    assert_eq!(start(2, vec![(up(0, 1), vec![])]).next_deadline(), None, "nothing waits");
}
