//! Tasks and executors: placement of attempts, counting of their failures, and reports that are
//! accepted.

use super::*;

fn gives_up(job: u64, attempt: Attempt, failures: u32, failure: TaskFailure) -> Command {
    let executor = ExecutorId(0);
    failed(job, JobFailure::TaskFailed { attempt, failures, executor, failure })
}

#[test]
fn tasks_are_spread_evenly_and_never_exceed_the_slots() {
    check(vec![
        (up(0, 2), vec![]),
        (up(1, 3), vec![]),
        (
            submit(0, vec![result(9, &[])]),
            vec![
                launch(at(0, 0, 0), 1),
                launch(at(0, 1, 0), 0),
                launch(at(0, 2, 0), 1),
                launch(at(0, 3, 0), 0),
                launch(at(0, 4, 0), 1),
            ],
        ),
        (done(at(0, 3, 0)), vec![deliver(0, at(0, 3, 0)), launch(at(0, 5, 0), 0)]),
        // Registered again with one slot less: the next end fills nothing.
        (up(0, 1), vec![]),
        (done(at(0, 5, 0)), vec![deliver(0, at(0, 5, 0))]),
        (done(at(0, 1, 0)), vec![deliver(0, at(0, 1, 0)), launch(at(0, 6, 0), 0)]),
    ]);
}

#[test]
fn a_task_goes_where_most_of_its_input_lies() {
    let wrote = |partition, volume: u64, block_bytes: Vec<u64>| {
        let attempt = at(0, partition, 0);
        let volume = VolumeId(volume.to_string());
        Event::MapFinished {
            attempt,
            output: MapOutput { volume, block_bytes, ..output(1, attempt) },
        }
    };
    check(vec![
        (up(0, 2), vec![]),
        (up(1, 2), vec![]),
        (
            submit(0, vec![map(1, 2, &[]), result(2, &[0])]),
            vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)],
        ),
        (wrote(0, 0, vec![1, 90]), vec![]),
        (wrote(1, 1, vec![80, 10]), vec![launch(at(1, 0, 0), 1), launch(at(1, 1, 0), 0)]),
    ]);
}

#[test]
fn a_task_that_fails_four_times_fails_its_job_with_the_last_error() {
    check(vec![
        (up(0, 2), vec![]),
        (submit(0, vec![result(2, &[])]), vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)]),
        (fails(at(0, 0, 0), raised()), vec![launch(at(0, 0, 1), 0)]),
        (fails(at(0, 0, 0), raised()), vec![]),
        (fails(at(0, 0, 1), raised()), vec![launch(at(0, 0, 2), 0)]),
        (fails(at(0, 1, 0), raised()), vec![launch(at(0, 1, 1), 0)]),
        (fails(at(0, 0, 2), raised()), vec![launch(at(0, 0, 3), 0)]),
        (
            fails(at(0, 0, 3), raised()),
            vec![gives_up(0, at(0, 0, 3), 4, raised()), cancel(at(0, 1, 1), 0)],
        ),
    ]);
}

#[test]
fn a_map_task_that_fails_too_often_fails_every_job_that_waits_for_it_and_no_other() {
    let found = Event::MapOutputsFound { outputs: vec![output(2, at(1, 0, 0))] };
    check(vec![
        (found, vec![]),
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![]),
        (submit(1, vec![map(1, 1, &[]), map(2, 1, &[0]), result(1, &[1])]), vec![]),
        (submit(2, vec![map(1, 1, &[]), map(3, 1, &[0]), result(1, &[1])]), vec![]),
        (up(0, 1), vec![launch(at(0, 0, 0), 0)]),
        (
            fails(at(0, 0, 0), TaskFailure::Hopeless { message: String::new() }),
            vec![
                gives_up(0, at(0, 0, 0), 1, TaskFailure::Hopeless { message: String::new() }),
                gives_up(2, at(0, 0, 0), 1, TaskFailure::Hopeless { message: String::new() }),
                launch(at(3, 0, 0), 0),
            ],
        ),
    ]);
}

#[test]
fn executors_lost_for_other_reasons_never_exhaust_the_limit() {
    let mut script = vec![(submit(0, vec![result(1, &[])]), vec![])];
    for n in 0..9 {
        script.push((up(0, 1), vec![launch(at(0, 0, n), 0)]));
        script.push((down(0), vec![]));
    }
    check(script);
}

#[test]
fn crashes_caused_by_the_program_exhaust_the_limit() {
    let mut script = vec![(submit(0, vec![result(1, &[])]), vec![])];
    for n in 0..3 {
        script.push((up(0, 1), vec![launch(at(0, 0, n), 0)]));
        script.push((crash(0), vec![]));
    }
    script.push((up(0, 1), vec![launch(at(0, 0, 3), 0)]));
    let lost = TaskFailure::ExecutorLost { app_caused: true, reason: String::new() };
    script.push((crash(0), vec![gives_up(0, at(0, 0, 3), 4, lost)]));
    assert!(check(script).is_idle());
}

#[test]
fn killed_and_denied_attempts_do_not_count() {
    let mut script =
        vec![(up(0, 1), vec![]), (submit(0, vec![result(1, &[])]), vec![launch(at(0, 0, 0), 0)])];
    for n in 0..9 {
        let failure = if n % 2 == 0 { killed() } else { TaskFailure::CommitDenied };
        script.push((fails(at(0, 0, n), failure), vec![launch(at(0, 0, n + 1), 0)]));
    }
    check(script);
}

#[test]
fn a_job_waits_while_there_is_no_executor() {
    check(vec![
        (submit(0, vec![result(1, &[])]), vec![]),
        (up(0, 1), vec![launch(at(0, 0, 0), 0)]),
        (down(0), vec![]),
        (Event::Tick, vec![]),
        (up(1, 1), vec![launch(at(0, 0, 1), 1)]),
        (done(at(0, 0, 0)), vec![]),
        (done(at(0, 0, 1)), vec![deliver(0, at(0, 0, 1)), finished(0)]),
    ]);
}

#[test]
fn a_late_map_success_from_a_lost_executor_is_not_registered() {
    let scheduler = check(vec![
        (up(0, 1), vec![]),
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (down(0), vec![]),
        (wrote(1, at(0, 0, 0)), vec![]),
    ]);
    assert_eq!(scheduler.map_outputs(shuffle(1)).count(), 0);
}

#[test]
fn an_output_that_an_earlier_attempt_had_committed_counts() {
    let first = output(1, at(0, 0, 0));
    let scheduler = check(vec![
        (up(0, 1), vec![]),
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (down(0), vec![]),
        (up(1, 1), vec![launch(at(0, 0, 1), 1)]),
        (
            Event::MapFinished { attempt: at(0, 0, 1), output: first.clone() },
            vec![launch(at(1, 0, 0), 1)],
        ),
    ]);
    assert_eq!(scheduler.map_outputs(shuffle(1)).collect::<Vec<_>>(), [&first]);
    assert_eq!(scheduler.generation(shuffle(1)), 1);
}

#[test]
fn reports_of_unknown_attempts_change_nothing() {
    check(vec![
        (wrote(1, at(0, 0, 0)), vec![]),
        (done(at(4, 0, 0)), vec![]),
        (fails(at(5, 1, 0), raised()), vec![]),
        (down(3), vec![]),
        (volume_lost(3), vec![]),
        (cancelled(3), vec![]),
        (up(0, 1), vec![]),
        (submit(0, vec![result(1, &[])]), vec![launch(at(0, 0, 0), 0)]),
        (done(at(0, 0, 7)), vec![]),
        (done(at(0, 9, 0)), vec![]),
    ]);
}

#[test]
fn an_output_of_another_task_fails_the_job() {
    let message = "stage-0.0#0 reported the map output of another task".to_owned();
    let other = output(2, at(0, 0, 0));
    check(vec![
        (up(0, 1), vec![]),
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (
            Event::MapFinished { attempt: at(0, 0, 0), output: other },
            vec![gives_up(0, at(0, 0, 0), 1, TaskFailure::Hopeless { message })],
        ),
    ]);
}

#[test]
fn a_task_takes_as_many_slots_as_its_stage_says() {
    let wide = |partitions| StageShape { task_slots: 2, ..result(partitions, &[]) };
    check(vec![
        (up(0, 3), vec![]),
        (up(1, 2), vec![]),
        // A second one fits in neither of them.
        (submit(0, vec![wide(3)]), vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)]),
        // What is too little for it is enough for others.
        (submit(1, vec![result(2, &[])]), vec![launch(at(1, 0, 0), 0)]),
        (done(at(0, 1, 0)), vec![deliver(0, at(0, 1, 0)), launch(at(0, 2, 0), 1)]),
        (done(at(1, 0, 0)), vec![deliver(1, at(1, 0, 0)), launch(at(1, 1, 0), 0)]),
        (fails(at(0, 2, 0), raised()), vec![launch(at(0, 2, 1), 1)]),
        (done(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0))]),
        (down(1), vec![launch(at(0, 2, 2), 0)]),
        (done(at(0, 2, 2)), vec![deliver(0, at(0, 2, 2)), finished(0)]),
        (done(at(1, 1, 0)), vec![deliver(1, at(1, 1, 0)), finished(1)]),
    ]);
}

#[test]
fn a_barrier_of_wide_tasks_waits_for_all_of_its_slots() {
    let wide = StageShape { task_slots: 2, ..barrier(result(2, &[])) };
    check(vec![
        (up(0, 3), vec![]),
        (submit(0, vec![wide]), vec![]),
        (up(1, 2), vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)]),
    ]);
}

#[test]
fn a_task_that_fits_into_no_executor_fails_its_job() {
    let capacity = Some(Capacity { executors: None, slots: 2 });
    let mut scheduler = Scheduler::new(Epoch(1), Limits { capacity, ..Limits::default() });
    let wide = |task_slots| StageShape { task_slots, ..result(1, &[]) };
    let mut run = |event| scheduler.handle(Duration::ZERO, event);
    let failure = JobFailure::TaskTooLarge { stage: StageId(0), task_slots: 3, slots: 2 };
    assert!(run(submit(0, vec![wide(3)])).contains(&failed(0, failure)));
    run(submit(1, vec![wide(2)]));
    assert!(run(up(0, 2)).contains(&launch(at(1, 0, 0), 0)));
}

#[test]
fn a_stage_for_executors_of_a_kind_runs_on_no_others() {
    let other = ProfileId(1);
    let special = |partitions| StageShape { profile: other, ..result(partitions, &[]) };
    check(vec![
        (up(0, 2), vec![]),
        (submit(0, vec![special(2)]), vec![]),
        // Others do not wait behind it, and its executors are not for them.
        (submit(1, vec![result(3, &[])]), vec![launch(at(1, 0, 0), 0), launch(at(1, 1, 0), 0)]),
        (of_kind(other, up(1, 3)), vec![launch(at(0, 0, 0), 1), launch(at(0, 1, 0), 1)]),
        (fails(at(0, 0, 0), raised()), vec![launch(at(0, 0, 1), 1)]),
        (done(at(1, 0, 0)), vec![deliver(1, at(1, 0, 0)), launch(at(1, 2, 0), 0)]),
        // Lost work waits for another one of the kind.
        (down(1), vec![]),
        (done(at(1, 1, 0)), vec![deliver(1, at(1, 1, 0))]),
        (of_kind(other, up(2, 1)), vec![launch(at(0, 0, 2), 2)]),
    ]);
}

#[test]
fn a_task_fits_if_it_fits_into_an_executor_of_its_kind() {
    let capacity = Some(Capacity { executors: None, slots: 2 });
    let mut scheduler = Scheduler::new(Epoch(1), Limits { capacity, ..Limits::default() });
    let wide = |task_slots| StageShape {
        task_slots,
        profile: ProfileId(1),
        executor_slots: Some(4),
        ..result(1, &[])
    };
    let mut run = |event| scheduler.handle(Duration::ZERO, event);
    let failure = JobFailure::TaskTooLarge { stage: StageId(0), task_slots: 5, slots: 4 };
    assert!(run(submit(0, vec![wide(5)])).contains(&failed(0, failure)));
    run(submit(1, vec![wide(4)]));
    assert!(run(of_kind(ProfileId(1), up(0, 4))).contains(&launch(at(1, 0, 0), 0)));
}
