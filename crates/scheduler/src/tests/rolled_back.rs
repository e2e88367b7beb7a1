//! Stages that do not yield the same rows again: nothing is ever made from two of their runs.

use super::*;

/// One random map stage of two tasks, a map stage that reads it, and a result that reads that. All
/// map outputs are there; the result's two tasks run.
fn random_then_sure() -> Vec<(Event, Vec<Command>)> {
    vec![
        (up(0, 2), vec![]),
        (
            submit(0, vec![random_map(1, 2, &[]), map(2, 1, &[0]), result(2, &[1])]),
            vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)],
        ),
        (wrote(1, at(0, 0, 0)), vec![]),
        (wrote(1, at(0, 1, 0)), vec![launch(at(1, 0, 0), 0)]),
        (wrote(2, at(1, 0, 0)), vec![launch(at(2, 0, 0), 0), launch(at(2, 1, 0), 0)]),
    ]
}

fn rolled_back(n: u8, attempt: Attempt) -> Command {
    discard(output(n, attempt), DiscardReason::RolledBack)
}

fn not_repeatable(job: u64, stage: u64) -> Command {
    failed(job, JobFailure::NotRepeatable { stage: StageId(stage) })
}

#[test]
fn a_random_stage_that_loses_an_output_runs_whole_again_with_all_that_read_it() {
    let mut script = random_then_sure();
    script.extend([
        (
            fails(at(2, 0, 0), damaged(&output(2, at(1, 0, 0)))),
            vec![discard_damaged(2, at(1, 0, 0))],
        ),
        (Event::Tick, vec![launch(at(1, 0, 1), 0)]),
        (
            fails(at(1, 0, 1), damaged(&output(1, at(0, 1, 0)))),
            vec![
                discard_damaged(1, at(0, 1, 0)),
                rolled_back(1, at(0, 0, 0)),
                // It had read rows that cannot be reproduced.
                cancel(at(2, 1, 0), 0),
            ],
        ),
        (fails(at(2, 1, 0), killed()), vec![]),
        (Event::Tick, vec![launch(at(0, 0, 1), 0), launch(at(0, 1, 1), 0)]),
        (wrote(1, at(0, 0, 1)), vec![]),
        (wrote(1, at(0, 1, 1)), vec![launch(at(1, 0, 2), 0)]),
        (wrote(2, at(1, 0, 2)), vec![launch(at(2, 0, 1), 0), launch(at(2, 1, 1), 0)]),
    ]);
    check(script);
}

#[test]
fn a_random_stage_that_must_run_again_after_a_result_was_delivered_fails_the_job() {
    let mut script = random_then_sure();
    script.extend([
        (done(at(2, 1, 0)), vec![deliver(0, at(2, 1, 0))]),
        (
            volume_lost(0),
            vec![
                discard(output(1, at(0, 0, 0)), DiscardReason::VolumeLost),
                discard(output(1, at(0, 1, 0)), DiscardReason::VolumeLost),
                discard(output(2, at(1, 0, 0)), DiscardReason::VolumeLost),
                not_repeatable(0, 0),
                cancel(at(2, 0, 0), 0),
            ],
        ),
    ]);
    check(script);
}

#[test]
fn a_random_stage_that_nobody_has_to_read_again_may_lose_outputs() {
    let mut script = random_then_sure();
    script.extend([
        (
            fails(at(2, 1, 0), damaged(&output(1, at(0, 1, 0)))),
            vec![discard_damaged(1, at(0, 1, 0))],
        ),
        // The result reads only the second stage, which is complete.
        (Event::Tick, vec![launch(at(2, 1, 1), 0)]),
        (done(at(2, 0, 0)), vec![deliver(0, at(2, 0, 0))]),
        (done(at(2, 1, 1)), vec![deliver(0, at(2, 1, 1)), finished(0)]),
    ]);
    check(script);
}

#[test]
fn a_running_random_stage_that_nobody_has_read_writes_only_what_was_lost() {
    check(vec![
        (up(0, 1), vec![]),
        (submit(0, vec![random_map(1, 2, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(0, 1, 0), 0)]),
        (volume_lost(0), vec![discard(output(1, at(0, 0, 0)), DiscardReason::VolumeLost)]),
        (fails(at(0, 1, 0), killed()), vec![launch(at(0, 0, 1), 0)]),
    ]);
}

#[test]
fn a_partly_complete_random_stage_is_not_reused() {
    let script = vec![
        (up(0, 2), vec![]),
        (
            submit(0, vec![random_map(1, 2, &[]), result(1, &[0])]),
            vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)],
        ),
        (wrote(1, at(0, 0, 0)), vec![]),
        (
            cancelled(0),
            vec![
                failed(0, JobFailure::Cancelled { reason: String::new() }),
                cancel(at(0, 1, 0), 0),
            ],
        ),
        (
            submit(1, vec![random_map(1, 2, &[]), result(1, &[0])]),
            vec![rolled_back(1, at(0, 0, 0)), launch(at(2, 0, 0), 0)],
        ),
        // The cancelled attempt had committed: its output is from the previous run.
        (wrote(1, at(0, 1, 0)), vec![rolled_back(1, at(0, 1, 0)), launch(at(2, 1, 0), 0)]),
        (wrote(1, at(2, 0, 0)), vec![]),
        (wrote(1, at(2, 1, 0)), vec![launch(at(3, 0, 0), 0)]),
    ];
    check(script);
}

#[test]
fn after_a_restart_a_complete_random_stage_is_reused_but_nothing_made_from_it() {
    let earlier = |n, map| MapOutput { epoch: Epoch(0), ..output(n, at(5, map, 0)) };
    let sure = earlier(2, 0);
    check(vec![
        (up(0, 1), vec![]),
        (
            Event::MapOutputsFound { outputs: vec![earlier(1, 0), earlier(1, 1), sure.clone()] },
            vec![],
        ),
        (
            submit(0, vec![random_map(1, 2, &[]), map(2, 1, &[0]), result(1, &[1])]),
            vec![discard(sure.clone(), DiscardReason::RolledBack), launch(at(1, 0, 0), 0)],
        ),
        // Nor is it when found late, or in place of the one to be committed.
        (
            Event::MapOutputsFound { outputs: vec![sure.clone()] },
            vec![discard(sure.clone(), DiscardReason::RolledBack)],
        ),
        (
            Event::MapFinished { attempt: at(1, 0, 0), output: sure.clone() },
            vec![discard(sure, DiscardReason::RolledBack)],
        ),
        (Event::Tick, vec![launch(at(1, 0, 1), 0)]),
        (wrote(2, at(1, 0, 1)), vec![launch(at(2, 0, 0), 0)]),
    ]);
}

#[test]
fn what_an_earlier_job_made_from_a_random_stage_is_discarded_when_that_runs_again() {
    let mut script = random_then_sure();
    script.extend([
        (done(at(2, 0, 0)), vec![deliver(0, at(2, 0, 0))]),
        (done(at(2, 1, 0)), vec![deliver(0, at(2, 1, 0)), finished(0)]),
        (submit(1, vec![random_map(1, 2, &[]), result(1, &[0])]), vec![launch(at(4, 0, 0), 0)]),
        (
            fails(at(4, 0, 0), damaged(&output(1, at(0, 0, 0)))),
            vec![
                discard_damaged(1, at(0, 0, 0)),
                rolled_back(1, at(0, 1, 0)),
                rolled_back(2, at(1, 0, 0)),
            ],
        ),
    ]);
    check(script);
}

/// A stage declared deterministic whose second map is rewritten with other rows, with a result that
/// had read it.
fn other_rows(delivered: bool) -> Vec<(Event, Vec<Command>)> {
    let other = MapOutput { row_checksum: 8, ..output(1, at(0, 1, 1)) };
    let mut script = vec![
        (up(0, 3), vec![]),
        (
            submit(0, vec![map(1, 2, &[]), result(3, &[0])]),
            vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)],
        ),
        (wrote(1, at(0, 0, 0)), vec![]),
        (
            wrote(1, at(0, 1, 0)),
            vec![launch(at(1, 0, 0), 0), launch(at(1, 1, 0), 0), launch(at(1, 2, 0), 0)],
        ),
        (
            fails(at(1, 0, 0), damaged(&output(1, at(0, 1, 0)))),
            vec![discard_damaged(1, at(0, 1, 0))],
        ),
        (Event::Tick, vec![launch(at(0, 1, 1), 0)]),
    ];
    if delivered {
        script.push((done(at(1, 1, 0)), vec![deliver(0, at(1, 1, 0))]));
    }
    let expected = if delivered {
        vec![not_repeatable(0, 0), cancel(at(1, 2, 0), 0)]
    } else {
        vec![cancel(at(1, 1, 0), 0), cancel(at(1, 2, 0), 0), launch(at(1, 0, 1), 0)]
    };
    script.push((Event::MapFinished { attempt: at(0, 1, 1), output: other }, expected));
    script
}

#[test]
fn other_rows_than_before_start_the_readers_over() {
    let mut script = other_rows(false);
    script.extend([
        // Late: it had read the earlier rows.
        (done(at(1, 1, 0)), vec![launch(at(1, 1, 1), 0)]),
        (fails(at(1, 2, 0), killed()), vec![launch(at(1, 2, 1), 0)]),
    ]);
    check(script);
}

#[test]
fn other_rows_than_before_fail_a_job_that_has_a_result_already() {
    check(other_rows(true));
}

#[test]
fn the_same_rows_as_before_start_nothing_over() {
    let mut script = other_rows(false);
    script.pop();
    script.push((wrote(1, at(0, 1, 1)), vec![launch(at(1, 0, 1), 0)]));
    script.push((done(at(1, 1, 0)), vec![deliver(0, at(1, 1, 0))]));
    check(script);
}
