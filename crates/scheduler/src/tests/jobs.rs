//! Jobs and stages: what runs, what is skipped, in which order, and what is left at the end.

use super::*;
use crate::TaskState;

#[test]
fn a_job_of_no_partitions_finishes_at_once() {
    let scheduler =
        check(vec![(submit(0, vec![map(1, 2, &[]), result(0, &[0])]), vec![finished(0)])]);
    assert!(scheduler.is_idle());
    assert_eq!(progress(&scheduler, 0), [(0, 2, true), (0, 0, true)]);
}

#[test]
fn a_job_may_want_map_outputs_alone() {
    let scheduler = check(vec![
        (up(0, 4), vec![]),
        (submit_maps(0, vec![map(1, 1, &[]), map(2, 2, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 0), launch(at(1, 1, 0), 0)]),
        (wrote(2, at(1, 0, 0)), vec![]),
        (wrote(2, at(1, 1, 0)), vec![finished(0)]),
        (submit_maps(1, vec![map(1, 1, &[]), map(2, 2, &[0])]), vec![finished(1)]),
        (
            submit(2, vec![map(1, 1, &[]), map(2, 2, &[0]), result(1, &[1])]),
            vec![launch(at(6, 0, 0), 0)],
        ),
        (done(at(6, 0, 0)), vec![deliver(2, at(6, 0, 0)), finished(2)]),
    ]);
    assert!(scheduler.is_idle());
}

#[test]
fn a_map_stage_that_fails_fails_the_jobs_that_want_its_outputs() {
    let limit = Duration::from_secs(9);
    let failure = JobFailure::StageOverdue { stage: StageId(0), limit };
    let scheduler = check(vec![
        (up(0, 1), vec![]),
        (submit_maps(0, vec![map(1, 1, &[])]), vec![launch(at(0, 0, 0), 0)]),
        (submit_maps(1, vec![map(1, 1, &[])]), vec![]),
        (
            Event::StageOverdue { stage: StageId(0), limit },
            vec![failed(1, failure.clone()), failed(0, failure), cancel(at(0, 0, 0), 0)],
        ),
    ]);
    assert_eq!(scheduler.jobs().count(), 0);
}

#[test]
fn a_result_is_delivered_once_for_each_wanted_partition() {
    let shape = JobShape { result_partitions: vec![7, 2, 2], ..shape(vec![result(9, &[])]) };
    let scheduler = check(vec![
        (up(0, 4), vec![]),
        (
            Event::JobSubmitted { job: JobId(0), shape },
            vec![launch(at(0, 2, 0), 0), launch(at(0, 7, 0), 0)],
        ),
        (done(at(0, 7, 0)), vec![deliver(0, at(0, 7, 0))]),
        (done(at(0, 7, 0)), vec![]),
        (done(at(0, 3, 0)), vec![]),
        (done(at(0, 2, 0)), vec![deliver(0, at(0, 2, 0)), finished(0)]),
    ]);
    assert!(scheduler.is_idle());
}

#[test]
fn a_stage_that_takes_too_long_fails_the_jobs_that_wait_for_it() {
    let limit = Duration::from_secs(9);
    let overdue = |stage| Event::StageOverdue { stage: StageId(stage), limit };
    let failure = JobFailure::StageOverdue { stage: StageId(1), limit };
    let scheduler = check(vec![
        (submit(0, vec![map(1, 1, &[]), map(2, 1, &[]), result(1, &[0, 1])]), vec![]),
        (submit(1, vec![map(1, 1, &[]), result(1, &[0])]), vec![]),
        (up(0, 2), vec![launch(at(0, 0, 0), 0), launch(at(1, 0, 0), 0)]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(3, 0, 0), 0)]),
        (overdue(0), vec![]),
        (overdue(7), vec![]),
        (overdue(1), vec![failed(0, failure), cancel(at(1, 0, 0), 0)]),
        (done(at(3, 0, 0)), vec![deliver(1, at(3, 0, 0)), finished(1)]),
    ]);
    assert_eq!(scheduler.jobs().count(), 0);
}

#[test]
fn a_stage_starts_when_all_its_inputs_are_complete() {
    check(vec![
        (submit(0, vec![map(1, 2, &[]), map(2, 1, &[]), result(1, &[0, 1])]), vec![]),
        (up(0, 4), vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0), launch(at(1, 0, 0), 0)]),
        (wrote(1, at(0, 1, 0)), vec![]),
        (wrote(2, at(1, 0, 0)), vec![]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(2, 0, 0), 0)]),
        (done(at(2, 0, 0)), vec![deliver(0, at(2, 0, 0)), finished(0)]),
    ]);
}

#[test]
fn parents_have_lower_ids_and_a_diamond_has_each_map_stage_once() {
    let diamond = vec![
        map(1, 1, &[]),
        map(2, 1, &[0]),
        map(3, 1, &[0]),
        map(2, 1, &[0]),
        result(1, &[1, 2, 3]),
    ];
    let scheduler = check(vec![(submit(0, diamond), vec![])]);
    assert_eq!(scheduler.job_stages(JobId(0)), [0, 1, 2, 1, 3].map(StageId));
    let last = scheduler.stage(StageId(3)).unwrap();
    assert_eq!(last.parents(), [1, 2].map(StageId));
}

#[test]
fn an_action_run_again_skips_its_map_stages() {
    let shape = || vec![map(1, 1, &[]), map(2, 1, &[0]), result(1, &[1])];
    let scheduler = check(vec![
        (up(0, 1), vec![]),
        (submit(0, shape()), vec![launch(at(0, 0, 0), 0)]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 0)]),
        (wrote(2, at(1, 0, 0)), vec![launch(at(2, 0, 0), 0)]),
        (done(at(2, 0, 0)), vec![deliver(0, at(2, 0, 0)), finished(0)]),
        (submit(1, shape()), vec![launch(at(5, 0, 0), 0)]),
        (done(at(5, 0, 0)), vec![deliver(1, at(5, 0, 0)), finished(1)]),
    ]);
    assert_eq!(progress(&scheduler, 1), [(1, 1, true), (1, 1, true), (1, 1, false)]);
    assert!(scheduler.is_idle());
}

#[test]
fn a_partly_complete_stage_runs_only_what_is_missing() {
    let found = Event::MapOutputsFound { outputs: vec![output(1, at(0, 1, 0))] };
    let scheduler = check(vec![
        (up(0, 4), vec![]),
        (found, vec![]),
        (
            submit(0, vec![map(1, 3, &[]), result(1, &[0])]),
            vec![launch(at(0, 0, 0), 0), launch(at(0, 2, 0), 0)],
        ),
    ]);
    assert_eq!(progress(&scheduler, 0), [(1, 3, false), (0, 1, false)]);
    assert_eq!(scheduler.stage(StageId(0)).unwrap().task(1), Some(TaskState::Done));
}

#[test]
fn the_inputs_of_a_skipped_stage_do_not_run_either() {
    let found = Event::MapOutputsFound { outputs: vec![output(2, at(1, 0, 0))] };
    let scheduler = check(vec![
        (up(0, 1), vec![]),
        (found, vec![]),
        (
            submit(0, vec![map(1, 3, &[]), map(2, 1, &[0]), result(1, &[1])]),
            vec![launch(at(2, 0, 0), 0)],
        ),
    ]);
    assert_eq!(progress(&scheduler, 0), [(0, 3, true), (1, 1, true), (0, 1, false)]);
}

#[test]
fn a_stage_whose_outputs_are_found_before_it_was_launched_is_skipped() {
    // As after a driver restart: the job comes before the executors, which know what is on their
    // volumes.
    let outputs = vec![output(2, at(1, 0, 0)), output(2, at(1, 1, 0))];
    let scheduler = check(vec![
        (submit(0, vec![map(1, 3, &[]), map(2, 2, &[0]), result(1, &[1])]), vec![]),
        (Event::MapOutputsFound { outputs }, vec![]),
        (up(0, 1), vec![launch(at(2, 0, 0), 0)]),
    ]);
    assert_eq!(progress(&scheduler, 0), [(0, 3, true), (2, 2, true), (0, 1, false)]);
}

#[test]
fn a_stage_that_runs_or_waits_is_not_skipped() {
    let shape = || vec![map(1, 1, &[]), map(2, 1, &[0]), result(1, &[1])];
    let scheduler = check(vec![
        (submit(0, shape()), vec![]),
        (up(0, 1), vec![launch(at(0, 0, 0), 0)]),
        // It joins while the only task of the first stage runs.
        (submit(1, shape()), vec![]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 0)]),
    ]);
    for job in 0..2 {
        assert_eq!(progress(&scheduler, job), [(1, 1, false), (0, 1, false), (0, 1, false)]);
    }
}

#[test]
fn outputs_found_while_their_tasks_run_end_them() {
    let outputs = vec![output(1, at(0, 0, 0)), output(1, at(0, 9, 0))];
    let old = outputs.into_iter().map(|o| MapOutput { epoch: Epoch(0), ..o }).collect();
    check(vec![
        (up(0, 2), vec![]),
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (
            Event::MapOutputsFound { outputs: old },
            vec![cancel(at(0, 0, 0), 0), launch(at(1, 0, 0), 0)],
        ),
    ]);
}

#[test]
fn found_outputs_beyond_the_last_partition_are_discarded() {
    let beyond = output(1, at(0, 5, 0));
    check(vec![
        (Event::MapOutputsFound { outputs: vec![beyond.clone()] }, vec![]),
        (
            submit(0, vec![map(1, 1, &[]), result(1, &[0])]),
            vec![discard(beyond, DiscardReason::OutOfRange)],
        ),
    ]);
}

#[test]
fn an_older_job_gets_free_slots_first() {
    check(vec![
        (up(0, 1), vec![]),
        (submit(0, vec![result(2, &[])]), vec![launch(at(0, 0, 0), 0)]),
        (submit(1, vec![result(1, &[])]), vec![]),
        (done(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0)), launch(at(0, 1, 0), 0)]),
        (fails(at(0, 1, 0), raised()), vec![launch(at(0, 1, 1), 0)]),
        (done(at(0, 1, 1)), vec![deliver(0, at(0, 1, 1)), finished(0), launch(at(1, 0, 0), 0)]),
    ]);
}

#[test]
fn a_later_job_gets_what_an_earlier_one_cannot_use() {
    check(vec![
        (up(0, 2), vec![]),
        (submit(0, vec![map(1, 1, &[]), result(2, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (submit(1, vec![result(2, &[])]), vec![launch(at(2, 0, 0), 0)]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 0)]),
    ]);
}

#[test]
fn a_stage_of_two_jobs_runs_once_and_outlives_the_first() {
    let scheduler = check(vec![
        (up(0, 1), vec![]),
        (submit(0, vec![map(1, 2, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (submit(1, vec![map(9, 0, &[]), map(1, 2, &[]), result(1, &[1])]), vec![]),
        (cancelled(0), vec![failed(0, JobFailure::Cancelled { reason: String::new() })]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(0, 1, 0), 0)]),
        (wrote(1, at(0, 1, 0)), vec![launch(at(3, 0, 0), 0)]),
    ]);
    let stage = scheduler.stage(StageId(0)).unwrap();
    assert_eq!(stage.jobs().collect::<Vec<_>>(), [(JobId(1), 1)]);
    assert_eq!(stage.shuffle(), Some(shuffle(1)));
}

#[test]
fn a_cancelled_job_stops_its_attempts_and_keeps_their_slots_until_they_end() {
    let scheduler = check(vec![
        (up(0, 2), vec![]),
        (
            submit(0, vec![map(1, 2, &[]), result(1, &[0])]),
            vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)],
        ),
        (
            cancelled(0),
            vec![
                failed(0, JobFailure::Cancelled { reason: String::new() }),
                cancel(at(0, 0, 0), 0),
                cancel(at(0, 1, 0), 0),
            ],
        ),
        (submit(1, vec![result(2, &[])]), vec![]),
        (fails(at(0, 0, 0), killed()), vec![launch(at(2, 0, 0), 0)]),
        (wrote(1, at(0, 1, 0)), vec![launch(at(2, 1, 0), 0)]),
        (cancelled(0), vec![]),
        (
            cancelled(1),
            vec![
                failed(1, JobFailure::Cancelled { reason: String::new() }),
                cancel(at(2, 0, 0), 0),
                cancel(at(2, 1, 0), 0),
            ],
        ),
        (done(at(2, 0, 0)), vec![]),
        (down(0), vec![]),
    ]);
    assert!(scheduler.is_idle());
    // An output written before the attempt could be stopped is available to the next job.
    assert_eq!(scheduler.map_outputs(shuffle(1)).count(), 1);
}

#[test]
fn a_stage_that_nothing_waits_for_any_more_stops() {
    // The result's last partition arrives while its input is being rewritten.
    let lost = output(1, at(0, 0, 0));
    check(vec![
        (up(0, 3), vec![]),
        (
            submit(0, vec![map(1, 1, &[]), map(2, 1, &[0]), result(1, &[1])]),
            vec![launch(at(0, 0, 0), 0)],
        ),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 0)]),
        (volume_lost(0), vec![discard(lost, DiscardReason::VolumeLost), launch(at(0, 0, 1), 0)]),
        (
            Event::MapFinished {
                attempt: at(1, 0, 0),
                output: MapOutput { volume: VolumeId("1".to_owned()), ..output(2, at(1, 0, 0)) },
            },
            vec![cancel(at(0, 0, 1), 0), launch(at(2, 0, 0), 0)],
        ),
    ]);
}

#[test]
fn results_over_the_limit_fail_the_job_but_map_outputs_do_not_count() {
    let big = |attempt| Event::ResultFinished { attempt, result_bytes: 60 };
    check(vec![
        (up(0, 2), vec![]),
        (submit(0, vec![result(3, &[])]), vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)]),
        (big(at(0, 0, 0)), vec![deliver(0, at(0, 0, 0)), launch(at(0, 2, 0), 0)]),
        (
            big(at(0, 1, 0)),
            vec![
                failed(0, JobFailure::ResultTooLarge { bytes: 120, limit: 100 }),
                cancel(at(0, 2, 0), 0),
            ],
        ),
    ]);
}

#[test]
fn a_shape_that_contradicts_itself_fails_its_job_only() {
    let submit_wanting = |job, stages, result_partitions| Event::JobSubmitted {
        job: JobId(job),
        shape: JobShape { stages, result_partitions, ..JobShape::default() },
    };
    let malformed = |job, problem: &str| {
        vec![failed(job, JobFailure::Malformed { problem: problem.to_owned() })]
    };
    let stranger = format!("stage 0 differs from the known writer of shuffle {}", shuffle(1));
    check(vec![
        (submit(0, vec![]), malformed(0, "the job has no stage")),
        (
            submit(1, vec![map(1, 1, &[])]),
            malformed(1, "the last stage writes a shuffle, so it has no results"),
        ),
        (
            submit(2, vec![result(1, &[]), result(1, &[])]),
            malformed(2, "stage 0 writes no shuffle and is not the last"),
        ),
        (
            submit(3, vec![result(1, &[0])]),
            malformed(3, "stage 0 reads stage 0, which is not before it"),
        ),
        (
            submit_wanting(4, vec![result(1, &[])], vec![1]),
            malformed(4, "the result stage has no partition 1"),
        ),
        (submit(5, vec![map(1, 1, &[]), result(1, &[0])]), vec![]),
        (submit(6, vec![map(1, 2, &[]), result(1, &[0])]), malformed(6, &stranger)),
        (up(0, 1), vec![launch(at(0, 0, 0), 0)]),
    ]);
}

#[test]
fn a_job_that_is_submitted_twice_runs_once() {
    let job = || submit(3, vec![result(1, &[])]);
    check(vec![
        (up(0, 2), vec![]),
        (job(), vec![launch(at(0, 0, 0), 0)]),
        (job(), vec![]),
        (done(at(0, 0, 0)), vec![deliver(3, at(0, 0, 0)), finished(3)]),
        (job(), vec![]),
    ]);
}

#[test]
fn a_change_of_a_stage_is_reported_once_per_event() {
    let mut scheduler = Scheduler::new(Epoch(1), Limits::default());
    let mut changes = |event| {
        let commands = scheduler.handle(Duration::ZERO, event).into_iter();
        let stage = |command| match command {
            Command::StageChanged { stage } => Some(stage.0),
            _ => None,
        };
        commands.filter_map(stage).collect::<Vec<_>>()
    };
    assert_eq!(changes(submit(0, vec![map(1, 2, &[]), result(1, &[0])])), [0, 1]);
    assert_eq!(changes(up(0, 2)), []);
    assert_eq!(changes(wrote(1, at(0, 0, 0))), []);
    assert_eq!(changes(wrote(1, at(0, 1, 0))), [0, 1]);
    assert_eq!(changes(done(at(1, 0, 0))), [0, 1]);
}

#[test]
fn a_hundred_thousand_tasks_complete() {
    const MAPS: u32 = 50_000;
    let mut scheduler = Scheduler::new(Epoch(1), Limits::default());
    let mut events: Vec<Event> = (0..50).map(|executor| up(executor, 8)).collect();
    events.push(submit(0, vec![map(1, MAPS, &[]), result(MAPS, &[0])]));
    let (mut delivered, mut finished_jobs) = (0, 0);
    while let Some(event) = events.pop() {
        for command in scheduler.handle(Duration::ZERO, event) {
            match command {
                Command::Launch { attempt, .. } if attempt.task.stage == StageId(0) => {
                    events.push(wrote(1, attempt));
                }
                Command::Launch { attempt, .. } => {
                    events.push(Event::ResultFinished { attempt, result_bytes: 1 });
                }
                Command::DeliverResult { .. } => delivered += 1,
                Command::JobFinished { .. } => finished_jobs += 1,
                _ => {}
            }
        }
    }
    assert_eq!((delivered, finished_jobs), (MAPS, 1));
    assert!(scheduler.is_idle());
}

#[test]
fn outputs_that_are_wanted_and_rolled_back_at_once_are_written_again() {
    let spare = |output: MapOutput| MapOutput { volume: VolumeId("spare 0".to_owned()), ..output };
    let made = spare(output(2, at(1, 0, 0)));
    let other = MapOutput { row_checksum: 8, ..spare(output(1, at(0, 0, 1))) };
    let found = Event::MapOutputsFound { outputs: vec![made.clone(), other] };
    let scheduler = check(vec![
        (up(0, 4), vec![]),
        (submit_maps(0, vec![map(1, 1, &[]), map(2, 1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 0)]),
        (
            volume_lost(0),
            vec![
                discard(output(1, at(0, 0, 0)), DiscardReason::VolumeLost),
                launch(at(0, 0, 1), 0),
            ],
        ),
        (
            found,
            vec![
                cancel(at(1, 0, 0), 0),
                cancel(at(0, 0, 1), 0),
                discard(made, DiscardReason::RolledBack),
                launch(at(1, 0, 1), 0),
            ],
        ),
        (wrote(2, at(1, 0, 1)), vec![finished(0)]),
    ]);
    assert_eq!(scheduler.jobs().count(), 0);
}
