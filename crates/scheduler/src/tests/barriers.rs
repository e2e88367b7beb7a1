//! Barrier stages: all tasks at once, and again together.

use super::*;

/// A barrier stage of two maps and its reader.
fn two_maps() -> Event {
    submit(0, vec![barrier(map(1, 2, &[])), result(1, &[0])])
}

fn both(number: u32) -> Vec<Command> {
    vec![launch(at(0, 0, number), 0), launch(at(0, 1, number), 0)]
}

fn broken(attempt: Attempt) -> Command {
    discard(output(1, attempt), DiscardReason::BarrierBroken)
}

#[test]
fn all_tasks_are_launched_together_or_none() {
    check(vec![
        (up(0, 1), vec![]),
        (submit(0, vec![barrier(result(2, &[]))]), vec![]),
        // There are too few slots: others go on.
        (submit(1, vec![result(2, &[])]), vec![launch(at(1, 0, 0), 0)]),
        // There are enough, but not free: nobody else gets those that are.
        (up(1, 1), vec![]),
        (
            done(at(1, 0, 0)),
            vec![deliver(1, at(1, 0, 0)), launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)],
        ),
        (done(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0)), launch(at(1, 1, 0), 0)]),
        (done(at(0, 1, 0)), vec![deliver(0, at(0, 1, 0)), finished(0)]),
    ]);
}

#[test]
fn a_task_that_fails_takes_its_peers_with_it_and_all_run_again() {
    check(vec![
        (up(0, 2), vec![]),
        (two_maps(), both(0)),
        (wrote(1, at(0, 0, 0)), vec![]),
        // The first has its output, which is discarded; the second is not waited for.
        (fails(at(0, 1, 0), raised()), [vec![broken(at(0, 0, 0))], both(1)].concat()),
        (fails(at(0, 0, 1), raised()), vec![cancel(at(0, 1, 1), 0)]),
        // The slot of the cancelled attempt is free again. What it wrote nevertheless is of no use.
        (
            wrote(1, at(0, 1, 1)),
            [vec![discard(output(1, at(0, 1, 1)), DiscardReason::RolledBack)], both(2)].concat(),
        ),
        (wrote(1, at(0, 1, 2)), vec![]),
        (wrote(1, at(0, 0, 2)), vec![launch(at(1, 0, 0), 0)]),
        (done(at(1, 0, 0)), vec![deliver(0, at(1, 0, 0)), finished(0)]),
    ]);
}

#[test]
fn a_crash_fails_one_try_however_many_tasks_it_takes() {
    let tasks = |number, executor| -> Vec<Command> {
        (0..4).map(|partition| launch(at(0, partition, number), executor)).collect()
    };
    check(vec![
        (up(0, 4), vec![]),
        (submit(0, vec![barrier(map(1, 4, &[])), result(1, &[0])]), tasks(0, 0)),
        (crash(0), vec![]),
        (up(1, 4), tasks(1, 1)),
    ]);
}

#[test]
fn four_failed_tries_fail_the_job() {
    let mut script = vec![(up(0, 4), vec![]), (two_maps(), both(0))];
    for number in 0..3 {
        let again = [vec![cancel(at(0, 1, number), 0)], both(number + 1)].concat();
        script.push((fails(at(0, 0, number), raised()), again));
        script.push((fails(at(0, 1, number), killed()), vec![]));
    }
    let (stage, attempts, failure) = (StageId(0), 4, raised());
    script.push((
        fails(at(0, 0, 3), raised()),
        vec![
            failed(0, JobFailure::StageAborted { stage, attempts, failure }),
            cancel(at(0, 1, 3), 0),
        ],
    ));
    check(script);
}

#[test]
fn one_with_results_fails_its_job_unless_nothing_is_delivered_and_nobody_is_to_blame() {
    let tasks = || vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)];
    let lost = || TaskFailure::ExecutorLost { app_caused: false, reason: String::new() };
    check(vec![
        (up(0, 1), vec![]),
        (up(1, 1), vec![]),
        (submit(0, vec![barrier(result(2, &[]))]), tasks()),
        (up(2, 1), vec![]),
        (down(0), vec![cancel(at(0, 1, 0), 1)]),
        (fails(at(0, 1, 0), killed()), vec![launch(at(0, 0, 1), 1), launch(at(0, 1, 1), 2)]),
        (done(at(0, 0, 1)), vec![deliver(0, at(0, 0, 1))]),
        (
            fails(at(0, 1, 1), lost()),
            vec![failed(0, JobFailure::BarrierFailed { attempt: at(0, 1, 1), failure: lost() })],
        ),
    ]);
}

#[test]
fn an_output_that_is_lost_costs_all_of_them_but_not_what_was_made_of_them() {
    check(vec![
        (up(0, 2), vec![]),
        (submit(0, vec![barrier(map(1, 2, &[])), map(2, 1, &[0]), result(1, &[0, 1])]), both(0)),
        (wrote(1, at(0, 0, 0)), vec![]),
        (wrote(1, at(0, 1, 0)), vec![launch(at(1, 0, 0), 0)]),
        (wrote(2, at(1, 0, 0)), vec![launch(at(2, 0, 0), 0)]),
        (
            fails(at(2, 0, 0), damaged(&output(1, at(0, 1, 0)))),
            vec![discard_damaged(1, at(0, 1, 0)), broken(at(0, 0, 0))],
        ),
        (Event::Tick, both(1)),
        (wrote(1, at(0, 0, 1)), vec![]),
        (wrote(1, at(0, 1, 1)), vec![launch(at(2, 0, 1), 0)]),
        (done(at(2, 0, 1)), vec![deliver(0, at(2, 0, 1)), finished(0)]),
    ]);
}

#[test]
fn outputs_of_another_try_that_are_found_do_not_count() {
    let found = |map| Event::MapOutputsFound { outputs: vec![earlier(map)] };
    check(vec![
        (found(0), vec![]),
        (two_maps(), vec![discard(earlier(0), DiscardReason::BarrierBroken)]),
        (up(0, 2), both(0)),
        (found(1), vec![discard(earlier(1), DiscardReason::RolledBack)]),
        (wrote(1, at(0, 0, 0)), vec![]),
        (wrote(1, at(0, 1, 0)), vec![launch(at(1, 0, 0), 0)]),
    ]);
}

/// An output that an earlier driver has left.
fn earlier(map: u32) -> MapOutput {
    MapOutput { epoch: Epoch(0), ..output(1, at(7, map, 3)) }
}

#[test]
fn a_stage_that_can_never_run_fails_its_job() {
    let mut scheduler = Scheduler::new(
        Epoch(1),
        Limits { capacity: Some(Capacity { executors: Some(1), slots: 2 }), ..Limits::default() },
    );
    scheduler.handle(Duration::ZERO, up(0, 2));
    let mut run = |job, tasks| {
        let event = submit(job, vec![barrier(result(tasks, &[]))]);
        let commands = scheduler.handle(Duration::ZERO, event).into_iter();
        commands.filter(|it| !matches!(it, Command::StageChanged { .. })).collect::<Vec<_>>()
    };
    let failure = JobFailure::TooFewSlots { stage: StageId(0), tasks: 3, slots: 2 };
    assert_eq!(run(0, 3), [failed(0, failure)]);
    assert_eq!(run(1, 2), [launch(at(1, 0, 0), 0), launch(at(1, 1, 0), 0)]);
}

#[test]
fn barrier_stages_are_refused_where_executors_come_and_go() {
    let limits = Limits { dynamic: true, ..Limits::default() };
    let mut scheduler = Scheduler::new(Epoch(1), limits);
    scheduler.handle(Duration::ZERO, up(0, 2));
    let mut run = |job, stage| {
        let commands = scheduler.handle(Duration::ZERO, submit(job, vec![stage])).into_iter();
        commands.filter(|it| !matches!(it, Command::StageChanged { .. })).collect::<Vec<_>>()
    };
    let failure = JobFailure::BarrierRefused { stage: StageId(0) };
    assert_eq!(run(0, barrier(result(1, &[]))), [failed(0, failure)]);
    assert_eq!(run(1, result(1, &[])), [launch(at(1, 0, 0), 0)]);
}
