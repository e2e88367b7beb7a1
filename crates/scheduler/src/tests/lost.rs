//! Lost outputs, volumes and executors: only what was lost runs again.

use super::*;

/// Two maps, two readers, both maps done, both readers running.
fn two_by_two() -> Vec<(Event, Vec<Command>)> {
    vec![
        (up(0, 2), vec![]),
        (
            submit(0, vec![map(1, 2, &[]), result(2, &[0])]),
            vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)],
        ),
        (wrote(1, at(0, 0, 0)), vec![]),
        (wrote(1, at(0, 1, 0)), vec![launch(at(1, 0, 0), 0), launch(at(1, 1, 0), 0)]),
    ]
}

#[test]
fn after_a_fetch_failure_only_the_lost_map_and_the_unfinished_readers_run() {
    let lost = output(1, at(0, 1, 0));
    let mut script = two_by_two();
    script.extend([
        (done(at(1, 1, 0)), vec![deliver(0, at(1, 1, 0))]),
        (fails(at(1, 0, 0), damaged(&lost)), vec![discard_damaged(1, at(0, 1, 0))]),
        (Event::Tick, vec![launch(at(0, 1, 1), 0)]),
        (wrote(1, at(0, 1, 1)), vec![launch(at(1, 0, 1), 0)]),
        (done(at(1, 0, 1)), vec![deliver(0, at(1, 0, 1)), finished(0)]),
    ]);
    assert!(check(script).is_idle());
}

#[test]
fn the_lost_map_runs_after_200_ms_without_a_tick_of_its_own() {
    let mut scheduler = check(two_by_two());
    let lost = damaged(&output(1, at(0, 1, 0)));
    let start = Duration::from_secs(1);
    assert_eq!(scheduler.next_deadline(), None);
    scheduler.handle(start, fails(at(1, 0, 0), lost));
    let due = start + Duration::from_millis(200);
    assert_eq!(scheduler.next_deadline(), Some(due));
    let early = due.checked_sub(Duration::from_nanos(1)).unwrap();
    assert_eq!(scheduler.handle(early, Event::Tick), []);
    let commands = scheduler.handle(due, done(at(1, 1, 0)));
    assert!(commands.contains(&launch(at(0, 1, 1), 0)), "{commands:?}");
    assert_eq!(scheduler.next_deadline(), None);
}

/// One map and one reader that meets `failures` fetch failures, starting at attempt `first`.
fn reader_fails(first: u32, failures: u32) -> Vec<(Event, Vec<Command>)> {
    let mut script = Vec::new();
    for n in first..first + failures {
        script.extend([
            (
                fails(at(1, 0, n), damaged(&output(1, at(0, 0, n)))),
                vec![discard_damaged(1, at(0, 0, n))],
            ),
            (Event::Tick, vec![launch(at(0, 0, n + 1), 0)]),
            (wrote(1, at(0, 0, n + 1)), vec![launch(at(1, 0, n + 1), 0)]),
        ]);
    }
    script
}

fn one_by_one() -> Vec<(Event, Vec<Command>)> {
    vec![
        (up(0, 1), vec![]),
        (
            submit(0, vec![map(1, 1, &[]), map(2, 1, &[0]), result(1, &[1])]),
            vec![launch(at(0, 0, 0), 0)],
        ),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 0)]),
    ]
}

fn aborted(stage: u64, failure: TaskFailure) -> Command {
    failed(0, JobFailure::StageAborted { stage: StageId(stage), attempts: 4, failure })
}

#[test]
fn four_fetch_failures_of_a_stage_in_a_row_fail_the_job() {
    let mut script = one_by_one();
    script.extend(reader_fails(0, 3));
    let lost = output(1, at(0, 0, 3));
    script.push((
        fails(at(1, 0, 3), damaged(&lost)),
        vec![discard_damaged(1, at(0, 0, 3)), aborted(1, damaged(&lost))],
    ));
    assert!(check(script).is_idle());
}

#[test]
fn three_a_success_and_three_more_do_not() {
    let mut script = one_by_one();
    script.extend(reader_fails(0, 3));
    script.extend([
        (wrote(2, at(1, 0, 3)), vec![launch(at(2, 0, 0), 0)]),
        (
            fails(at(2, 0, 0), damaged(&output(2, at(1, 0, 3)))),
            vec![discard_damaged(2, at(1, 0, 3))],
        ),
        (Event::Tick, vec![launch(at(1, 0, 4), 0)]),
        (
            fails(at(1, 0, 4), damaged(&output(1, at(0, 0, 3)))),
            vec![discard_damaged(1, at(0, 0, 3))],
        ),
        (Event::Tick, vec![launch(at(0, 0, 4), 0)]),
        (wrote(1, at(0, 0, 4)), vec![launch(at(1, 0, 5), 0)]),
        (wrote(2, at(1, 0, 5)), vec![launch(at(2, 0, 1), 0)]),
        (done(at(2, 0, 1)), vec![deliver(0, at(2, 0, 1)), finished(0)]),
    ]);
    check(script);
}

#[test]
fn fetch_failures_of_different_stages_do_not_add_up() {
    let mut script = one_by_one();
    script.extend(reader_fails(0, 3));
    script.push((wrote(2, at(1, 0, 3)), vec![launch(at(2, 0, 0), 0)]));
    for n in 0..3 {
        script.extend([
            (
                fails(at(2, 0, n), damaged(&output(2, at(1, 0, n + 3)))),
                vec![discard_damaged(2, at(1, 0, n + 3))],
            ),
            (Event::Tick, vec![launch(at(1, 0, n + 4), 0)]),
            (wrote(2, at(1, 0, n + 4)), vec![launch(at(2, 0, n + 1), 0)]),
        ]);
    }
    check(script);
}

#[test]
fn many_fetch_failures_at_once_are_one_round_including_late_ones() {
    let first = damaged(&output(1, at(0, 0, 0)));
    let second = damaged(&output(1, at(0, 1, 0)));
    let mut script = vec![
        (up(0, 5), vec![]),
        (
            submit(0, vec![map(1, 2, &[]), result(5, &[0])]),
            vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)],
        ),
        (wrote(1, at(0, 0, 0)), vec![]),
        (wrote(1, at(0, 1, 0)), (0..5).map(|p| launch(at(1, p, 0), 0)).collect()),
        (fails(at(1, 0, 0), first.clone()), vec![discard_damaged(1, at(0, 0, 0))]),
        (fails(at(1, 1, 0), first.clone()), vec![]),
        (fails(at(1, 2, 0), second), vec![discard_damaged(1, at(0, 1, 0))]),
        (Event::Tick, vec![launch(at(0, 0, 1), 0), launch(at(0, 1, 1), 0)]),
        (wrote(1, at(0, 1, 1)), vec![]),
        // Late: before and after the stage has started again. Neither loses the new output.
        (fails(at(1, 3, 0), first.clone()), vec![]),
        (wrote(1, at(0, 0, 1)), (0..4).map(|p| launch(at(1, p, 1), 0)).collect()),
        (fails(at(1, 4, 0), first), vec![launch(at(1, 4, 1), 0)]),
    ];
    // All of that was one round: three more are allowed, the fourth in a row is not.
    for n in 1..4 {
        let lost = output(1, at(0, 0, n));
        let mut expected = vec![discard_damaged(1, at(0, 0, n))];
        if n == 3 {
            expected.push(aborted(1, damaged(&lost)));
            expected.extend((0..4).map(|p| cancel(at(1, p, 1), 0)));
            script.push((fails(at(1, 4, n), damaged(&lost)), expected));
            break;
        }
        script.extend([
            (fails(at(1, 4, n), damaged(&lost)), expected),
            (Event::Tick, vec![launch(at(0, 0, n + 1), 0)]),
            (wrote(1, at(0, 0, n + 1)), vec![launch(at(1, 4, n + 1), 0)]),
        ]);
    }
    assert!(!check(script).is_idle(), "the cancelled attempts have not ended");
}

#[test]
fn all_outputs_that_a_reader_names_are_lost_at_once_and_are_one_round() {
    let maps = 0..6;
    let lost = |n| maps.clone().map(|map| output(1, at(0, map, n))).collect::<Vec<_>>();
    let discards = |n| maps.clone().map(|map| discard_damaged(1, at(0, map, n))).collect();
    let launches = |n| maps.clone().map(|map| launch(at(0, map, n), 0)).collect::<Vec<_>>();
    let mut script =
        vec![(up(0, 6), vec![]), (submit(0, vec![map(1, 6, &[]), result(1, &[0])]), launches(0))];
    for n in 0..4 {
        script.extend(maps.clone().map(|map| {
            let reads = map == 5;
            (wrote(1, at(0, map, n)), if reads { vec![launch(at(1, 0, n), 0)] } else { vec![] })
        }));
        if n < 3 {
            let failure = unreadable(&lost(n), BlockProblem::Damaged);
            script.push((fails(at(1, 0, n), failure), discards(n)));
            script.push((Event::Tick, launches(n + 1)));
        }
    }
    script.push((done(at(1, 0, 3)), vec![deliver(0, at(1, 0, 3)), finished(0)]));
    assert!(check(script).is_idle());
}

#[test]
fn of_the_outputs_that_a_reader_names_only_those_that_count_are_lost() {
    let first = output(1, at(0, 0, 0));
    let both = [first.clone(), output(1, at(0, 1, 0))];
    let mut script = two_by_two();
    script.extend([
        (fails(at(1, 0, 0), damaged(&first)), vec![discard_damaged(1, at(0, 0, 0))]),
        (Event::Tick, vec![launch(at(0, 0, 1), 0)]),
        (wrote(1, at(0, 0, 1)), vec![launch(at(1, 0, 1), 0)]),
        // From the previous round: one output it names has been rewritten, the other was not known
        // to be lost.
        (
            fails(at(1, 1, 0), unreadable(&both, BlockProblem::Missing)),
            vec![discard(both[1].clone(), DiscardReason::Unreadable(BlockProblem::Missing))],
        ),
        (Event::Tick, vec![launch(at(0, 1, 1), 0)]),
        (done(at(1, 0, 1)), vec![deliver(0, at(1, 0, 1))]),
        (wrote(1, at(0, 1, 1)), vec![launch(at(1, 1, 1), 0)]),
    ]);
    check(script);
}

#[test]
fn a_reader_of_two_shuffles_can_lose_outputs_of_both_at_once() {
    let (left, right) = (output(1, at(0, 0, 0)), output(2, at(1, 0, 0)));
    check(vec![
        (up(0, 2), vec![]),
        (
            submit(0, vec![map(1, 1, &[]), map(2, 1, &[]), result(1, &[0, 1])]),
            vec![launch(at(0, 0, 0), 0), launch(at(1, 0, 0), 0)],
        ),
        (wrote(1, at(0, 0, 0)), vec![]),
        (wrote(2, at(1, 0, 0)), vec![launch(at(2, 0, 0), 0)]),
        (
            fails(at(2, 0, 0), unreadable(&[left, right], BlockProblem::Damaged)),
            vec![discard_damaged(1, at(0, 0, 0)), discard_damaged(2, at(1, 0, 0))],
        ),
        (Event::Tick, vec![launch(at(0, 0, 1), 0), launch(at(1, 0, 1), 0)]),
        (wrote(2, at(1, 0, 1)), vec![]),
        (wrote(1, at(0, 0, 1)), vec![launch(at(2, 0, 1), 0)]),
        (done(at(2, 0, 1)), vec![deliver(0, at(2, 0, 1)), finished(0)]),
    ]);
}

#[test]
fn a_reader_that_keeps_asking_for_outdated_outputs_is_held_and_finally_fails() {
    let stranger = damaged(&output(1, at(7, 0, 0)));
    let mut script = one_by_one();
    for n in 0..3 {
        script.push((fails(at(1, 0, n), stranger.clone()), vec![]));
        script.push((Event::Tick, vec![launch(at(1, 0, n + 1), 0)]));
    }
    script.push((fails(at(1, 0, 3), stranger.clone()), vec![aborted(1, stranger)]));
    check(script);
}

#[test]
fn a_success_of_the_round_before_still_counts() {
    let mut script = two_by_two();
    let lost = output(1, at(0, 1, 0));
    script.extend([
        (fails(at(1, 0, 0), damaged(&lost)), vec![discard_damaged(1, at(0, 1, 0))]),
        (done(at(1, 1, 0)), vec![deliver(0, at(1, 1, 0))]),
        (Event::Tick, vec![launch(at(0, 1, 1), 0)]),
        (wrote(1, at(0, 1, 1)), vec![launch(at(1, 0, 1), 0)]),
    ]);
    check(script);
}

#[test]
fn losing_an_executor_keeps_outputs_but_losing_a_volume_drops_them_in_one_step() {
    let mut script = two_by_two();
    script.extend([
        (down(0), vec![]),
        (up(1, 2), vec![launch(at(1, 0, 1), 1), launch(at(1, 1, 1), 1)]),
        (
            volume_lost(0),
            vec![
                discard(output(1, at(0, 0, 0)), DiscardReason::VolumeLost),
                discard(output(1, at(0, 1, 0)), DiscardReason::VolumeLost),
            ],
        ),
        // The readers notice, which is no news.
        (fails(at(1, 0, 1), damaged(&output(1, at(0, 0, 0)))), vec![launch(at(0, 0, 1), 1)]),
        (fails(at(1, 1, 1), damaged(&output(1, at(0, 0, 0)))), vec![launch(at(0, 1, 1), 1)]),
    ]);
    check(script);
}

#[test]
fn a_child_does_not_start_while_an_output_is_lost_in_the_middle() {
    check(vec![
        (up(0, 1), vec![]),
        (submit(0, vec![map(1, 2, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(0, 1, 0), 0)]),
        (volume_lost(0), vec![discard(output(1, at(0, 0, 0)), DiscardReason::VolumeLost)]),
        (
            Event::MapFinished {
                attempt: at(0, 1, 0),
                output: MapOutput { volume: VolumeId("1".to_owned()), ..output(1, at(0, 1, 0)) },
            },
            vec![launch(at(0, 0, 1), 0)],
        ),
        (wrote(1, at(0, 0, 1)), vec![launch(at(1, 0, 0), 0)]),
    ]);
}

#[test]
fn an_output_written_to_a_volume_before_it_was_lost_is_not_registered() {
    check(vec![
        (up(0, 1), vec![]),
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (volume_lost(0), vec![]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(0, 0, 1), 0)]),
        // It was written after the loss, so the volume is back.
        (wrote(1, at(0, 0, 1)), vec![launch(at(1, 0, 0), 0)]),
    ]);
}

#[test]
fn outputs_on_an_unmounted_volume_are_lost_together_once_one_is_unreachable() {
    let unreachable = unreadable(&[output(1, at(0, 0, 0))], BlockProblem::Unreachable);
    let gone = DiscardReason::Unreadable(BlockProblem::Unreachable);
    // While an executor mounts the volume, only that one output is lost.
    let mut script = two_by_two();
    script.push((
        fails(at(1, 0, 0), unreachable.clone()),
        vec![discard(output(1, at(0, 0, 0)), gone)],
    ));
    check(script);

    let mut script = two_by_two();
    script.extend([
        (down(0), vec![]),
        (up(1, 2), vec![launch(at(1, 0, 1), 1), launch(at(1, 1, 1), 1)]),
        (
            fails(at(1, 0, 1), unreachable),
            vec![discard(output(1, at(0, 0, 0)), gone), discard(output(1, at(0, 1, 0)), gone)],
        ),
    ]);
    check(script);
}

#[test]
fn a_discarded_output_does_not_come_back() {
    let lost = output(1, at(0, 1, 0));
    let older = MapOutput { epoch: Epoch(0), ..output(1, at(9, 1, 3)) };
    let mut script = two_by_two();
    script.extend([
        (fails(at(1, 0, 0), damaged(&lost)), vec![discard_damaged(1, at(0, 1, 0))]),
        (wrote(1, at(0, 1, 0)), vec![]),
        // As on a volume that nobody mounted when it was discarded.
        (
            Event::MapOutputsFound { outputs: vec![lost.clone(), older.clone()] },
            vec![
                discard(lost.clone(), DiscardReason::RolledBack),
                discard(older, DiscardReason::RolledBack),
            ],
        ),
        (Event::Tick, vec![launch(at(0, 1, 1), 0)]),
        // Its file was still there, so nothing else could be committed.
        (
            Event::MapFinished { attempt: at(0, 1, 1), output: lost.clone() },
            vec![discard(lost, DiscardReason::RolledBack)],
        ),
        (Event::Tick, vec![launch(at(0, 1, 2), 0)]),
        (wrote(1, at(0, 1, 2)), vec![launch(at(1, 0, 1), 0)]),
    ]);
    check(script);
}

#[test]
fn a_file_that_cannot_be_removed_fails_the_job_after_four_tries() {
    let lost = output(1, at(0, 1, 0));
    let mut script = two_by_two();
    script.extend([
        (done(at(1, 1, 0)), vec![deliver(0, at(1, 1, 0))]),
        (fails(at(1, 0, 0), damaged(&lost)), vec![discard_damaged(1, at(0, 1, 0))]),
    ]);
    for n in 1..=4 {
        script.push((Event::Tick, vec![launch(at(0, 1, n), 0)]));
        let mut expected = vec![discard(lost.clone(), DiscardReason::RolledBack)];
        if n == 4 {
            let failure = TaskFailure::CommitDenied;
            let (attempt, executor) = (at(0, 1, 4), ExecutorId(0));
            expected.push(failed(
                0,
                JobFailure::TaskFailed { attempt, failures: 4, executor, failure },
            ));
        }
        script.push((Event::MapFinished { attempt: at(0, 1, n), output: lost.clone() }, expected));
    }
    assert!(check(script).is_idle());
}

#[test]
fn a_loss_that_shows_in_a_later_job_is_repaired_by_that_job() {
    let mut script = two_by_two();
    let shape = || vec![map(1, 2, &[]), result(2, &[0])];
    script.extend([
        (done(at(1, 0, 0)), vec![deliver(0, at(1, 0, 0))]),
        (done(at(1, 1, 0)), vec![deliver(0, at(1, 1, 0)), finished(0)]),
        (submit(1, shape()), vec![launch(at(3, 0, 0), 0), launch(at(3, 1, 0), 0)]),
        (
            fails(at(3, 0, 0), damaged(&output(1, at(0, 0, 0)))),
            vec![discard_damaged(1, at(0, 0, 0))],
        ),
        (Event::Tick, vec![launch(at(2, 0, 0), 0)]),
        (wrote(1, at(2, 0, 0)), vec![launch(at(3, 0, 1), 0)]),
    ]);
    check(script);
}

#[test]
fn outputs_lost_between_jobs_are_rewritten_before_their_readers_run() {
    let mut script = two_by_two();
    script.extend([
        (done(at(1, 0, 0)), vec![deliver(0, at(1, 0, 0))]),
        (done(at(1, 1, 0)), vec![deliver(0, at(1, 1, 0)), finished(0)]),
        (
            volume_lost(0),
            vec![
                discard(output(1, at(0, 0, 0)), DiscardReason::VolumeLost),
                discard(output(1, at(0, 1, 0)), DiscardReason::VolumeLost),
            ],
        ),
        (
            submit(1, vec![map(1, 2, &[]), result(2, &[0])]),
            vec![launch(at(2, 0, 0), 0), launch(at(2, 1, 0), 0)],
        ),
    ]);
    check(script);
}

#[test]
fn an_executor_that_has_nowhere_to_write_gets_no_tasks() {
    let up_without = |volumes: &[u64]| Event::ExecutorRegistered {
        host: String::new(),
        executor: ExecutorId(0),
        profile: ProfileId::DEFAULT,
        slots: 1,
        volumes: volumes.iter().map(|volume| VolumeId(volume.to_string())).collect(),
    };
    check(vec![
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![]),
        (up_without(&[]), vec![]),
        (up_without(&[0]), vec![launch(at(0, 0, 0), 0)]),
        (volume_lost(0), vec![]),
        (fails(at(0, 0, 0), killed()), vec![]),
        (up_without(&[1]), vec![launch(at(0, 0, 1), 0)]),
    ]);
}

#[test]
fn a_stage_that_failed_one_job_starts_counting_anew_for_another() {
    let found = Event::MapOutputsFound { outputs: vec![output(3, at(9, 0, 0))] };
    let reading = |n| vec![map(1, 1, &[]), map(2, 1, &[0]), map(n, 1, &[1]), result(1, &[2])];
    let mut script = vec![
        (up(0, 1), vec![]),
        (found, vec![]),
        (submit(0, reading(4)), vec![launch(at(0, 0, 0), 0)]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 0)]),
    ];
    script.extend(reader_fails(0, 3));
    let (lost, read) = (output(1, at(0, 0, 3)), output(3, at(9, 0, 0)));
    script.extend([
        // It has the failing stage too, but does not wait for it: its own inputs are complete.
        (submit(1, reading(3)), vec![]),
        (
            fails(at(1, 0, 3), damaged(&lost)),
            vec![
                discard_damaged(1, at(0, 0, 3)),
                aborted(1, damaged(&lost)),
                launch(at(5, 0, 0), 0),
            ],
        ),
        (fails(at(5, 0, 0), damaged(&read)), vec![discard_damaged(3, at(9, 0, 0))]),
        (Event::Tick, vec![launch(at(0, 0, 4), 0)]),
        (wrote(1, at(0, 0, 4)), vec![launch(at(1, 0, 4), 0)]),
        (
            fails(at(1, 0, 4), damaged(&output(1, at(0, 0, 4)))),
            vec![discard_damaged(1, at(0, 0, 4))],
        ),
    ]);
    check(script);
}
