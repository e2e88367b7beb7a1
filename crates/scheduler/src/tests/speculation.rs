//! Second attempts of slow tasks: who gets one and where, and what becomes of the loser.

use super::*;
use crate::{Efficiency, Speculation, TaskProgress};

const RULES: Speculation = Speculation {
    interval: Duration::from_millis(100),
    multiplier: 3.0,
    quantile: 0.5,
    min_runtime: Duration::from_millis(100),
    duration_threshold: None,
    executor_slots: 2,
    efficiency: None,
};

fn speculate(script: Vec<(Event, Vec<Command>)>) -> Scheduler {
    check_with(|scheduler| scheduler.with_speculation(Some(RULES)), script)
}

/// A job of two tasks, of which the first one has finished.
fn one_of_two(stages: Vec<StageShape>) -> Vec<(Event, Vec<Command>)> {
    vec![
        (up(0, 1), vec![]),
        (up(1, 1), vec![]),
        (submit(0, stages), vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)]),
    ]
}

#[test]
fn a_slow_task_gets_one_copy_elsewhere_and_the_first_to_finish_wins() {
    let start = || {
        let mut script = one_of_two(vec![result(2, &[])]);
        script.push((done(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0))]));
        script.push((Event::Tick, vec![launch(at(0, 1, 1), 0)]));
        script.push((Event::Tick, vec![]));
        script
    };
    let mut copy_wins = start();
    copy_wins.extend([
        (done(at(0, 1, 1)), vec![deliver(0, at(0, 1, 1)), cancel(at(0, 1, 0), 1), finished(0)]),
        (done(at(0, 1, 0)), vec![]),
    ]);
    assert!(speculate(copy_wins).is_idle());
    let mut first_wins = start();
    first_wins.extend([
        (done(at(0, 1, 0)), vec![deliver(0, at(0, 1, 0)), cancel(at(0, 1, 1), 0), finished(0)]),
        (fails(at(0, 1, 1), killed()), vec![]),
    ]);
    assert!(speculate(first_wins).is_idle());
}

#[test]
fn a_copy_goes_to_another_host_if_there_is_one() {
    let submit = || submit(0, vec![result(2, &[])]);
    let first = || vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)];
    // On the only host, to another executor.
    speculate(vec![
        (up_on("a", 0, 1), vec![]),
        (up_on("a", 1, 1), vec![]),
        (submit(), first()),
        (done(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0))]),
        (Event::Tick, vec![launch(at(0, 1, 1), 0)]),
    ]);
    // A free slot beside the slow task is left alone, until another host has one.
    speculate(vec![
        (up_on("b", 0, 1), vec![]),
        (up_on("a", 1, 1), vec![]),
        (submit(), first()),
        (done(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0))]),
        (up_on("a", 2, 1), vec![]),
        (down(0), vec![]),
        (up_on("b", 3, 0), vec![]),
        (Event::Tick, vec![]),
        (up_on("b", 3, 1), vec![launch(at(0, 1, 1), 3)]),
    ]);
}

#[test]
fn the_failure_of_one_attempt_leaves_the_other_one_and_counts() {
    let mut script = one_of_two(vec![result(2, &[])]);
    script.extend([
        (done(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0))]),
        (Event::Tick, vec![launch(at(0, 1, 1), 0)]),
        (fails(at(0, 1, 0), raised()), vec![]),
        // The copy is alone now, and slow in its turn.
        (Event::Tick, vec![launch(at(0, 1, 2), 1)]),
        (fails(at(0, 1, 1), raised()), vec![]),
        (fails(at(0, 1, 2), raised()), vec![launch(at(0, 1, 3), 0)]),
        (
            fails(at(0, 1, 3), raised()),
            vec![failed(
                0,
                JobFailure::TaskFailed {
                    attempt: at(0, 1, 3),
                    failures: 4,
                    executor: ExecutorId(0),
                    failure: raised(),
                },
            )],
        ),
    ]);
    assert!(speculate(script).is_idle());
}

#[test]
fn the_output_of_the_loser_is_discarded_and_stays_out() {
    let winner = output(1, at(0, 1, 1));
    let loser = MapOutput { volume: VolumeId("1".to_owned()), ..output(1, at(0, 1, 0)) };
    let found = Event::MapOutputsFound { outputs: vec![winner.clone(), loser.clone()] };
    let redundant = discard(loser.clone(), DiscardReason::Redundant);
    let mut script = one_of_two(vec![map(1, 2, &[]), result(1, &[0])]);
    script.extend([
        (wrote(1, at(0, 0, 0)), vec![]),
        (Event::Tick, vec![launch(at(0, 1, 1), 0)]),
        (wrote(1, at(0, 1, 1)), vec![cancel(at(0, 1, 0), 1), launch(at(1, 0, 0), 0)]),
        (Event::MapFinished { attempt: at(0, 1, 0), output: loser.clone() }, vec![redundant]),
        // If both are found, what counts is not ruled out by it.
        (found, vec![discard(loser.clone(), DiscardReason::RolledBack)]),
        (done(at(1, 0, 0)), vec![deliver(0, at(1, 0, 0)), finished(0)]),
    ]);
    let scheduler = speculate(script);
    assert!(scheduler.map_outputs(shuffle(1)).any(|output| *output == winner));
}

#[test]
fn barriers_single_attempts_and_lone_tasks_get_no_copies() {
    let barrier_stage = vec![barrier(result(2, &[]))];
    let launches = || vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)];
    for submitted in [submit(0, barrier_stage), submit_once(0, vec![result(2, &[])])] {
        speculate(vec![
            (up(0, 1), vec![]),
            (up(1, 1), vec![]),
            (submitted, launches()),
            (done(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0))]),
            (Event::Tick, vec![]),
        ]);
    }
    let lone = || {
        vec![
            (up(0, 1), vec![]),
            (up(1, 1), vec![]),
            (submit(0, vec![result(1, &[])]), vec![launch(at(0, 0, 0), 0)]),
        ]
    };
    let mut never = lone();
    never.push((Event::Tick, vec![]));
    speculate(never);
    // Unless there is a time from which on a task is slow, whatever the others need.
    let threshold = Speculation { duration_threshold: Some(Duration::from_millis(300)), ..RULES };
    let mut slow = lone();
    slow.push((Event::Tick, vec![]));
    slow.push((Event::Tick, vec![launch(at(0, 0, 1), 1)]));
    check_with(|scheduler| scheduler.with_speculation(Some(threshold)), slow);
}

#[test]
fn no_task_is_slow_before_enough_others_have_finished() {
    let rules = Speculation { quantile: 0.9, ..RULES };
    let mut script = one_of_two(vec![result(3, &[])]);
    script.extend([
        (done(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0)), launch(at(0, 2, 0), 0)]),
        (Event::Tick, vec![]),
        (done(at(0, 2, 0)), vec![deliver(0, at(0, 2, 0))]),
        // The median is 201 ms by now, so that 603 make a task slow.
        (Event::Tick, vec![]),
        (Event::Tick, vec![]),
        (Event::Tick, vec![launch(at(0, 1, 1), 0)]),
    ]);
    check_with(|scheduler| scheduler.with_speculation(Some(rules)), script);
}

fn progressed(attempt: Attempt, rows: u64, millis: u64) -> (Event, Vec<Command>) {
    let progress = TaskProgress { rows, run: Duration::from_millis(millis) };
    (Event::TaskProgressed { attempt, progress }, vec![])
}

#[test]
fn a_task_that_has_much_to_read_gets_no_copy_until_it_takes_far_longer() {
    let efficiency = Some(Efficiency { rate_multiplier: 0.75, long_run_factor: 3.0 });
    let run = |rows: u64, rules: Speculation| {
        let mut script = one_of_two(vec![result(2, &[])]);
        script.extend([
            progressed(at(0, 0, 0), 100, 10),
            (done(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0))]),
            progressed(at(0, 1, 0), rows, 10),
        ]);
        let mut scheduler = check_with(|it| it.with_speculation(Some(rules)), script);
        let copied = |ms: &u64| {
            let commands = scheduler.handle(Duration::from_millis(*ms), Event::Tick);
            commands.contains(&launch(at(0, 1, 1), 0))
        };
        [110, 210, 310, 410].into_iter().find(copied)
    };
    let rules = Speculation { efficiency, ..RULES };
    assert_eq!(run(1000, RULES), Some(110), "who does not look copies");
    assert_eq!(run(76, rules), Some(310));
    assert_eq!(run(74, rules), Some(110));
    assert_eq!(run(0, rules), Some(110));
    let at_once = Some(Duration::from_millis(100));
    let needs_all = Speculation { quantile: 1.0, duration_threshold: at_once, ..rules };
    assert_eq!(run(1000, needs_all), Some(110), "the rule is a rule");
}

#[test]
fn where_nothing_is_read_no_task_is_efficient() {
    let efficiency = Some(Efficiency { rate_multiplier: 0.75, long_run_factor: 100.0 });
    let mut script = one_of_two(vec![result(2, &[])]);
    script.push((done(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0))]));
    script.push((Event::Tick, vec![launch(at(0, 1, 1), 0)]));
    let rules = Speculation { efficiency, ..RULES };
    check_with(|scheduler| scheduler.with_speculation(Some(rules)), script);
}
