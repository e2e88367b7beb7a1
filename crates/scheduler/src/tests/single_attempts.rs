//! Jobs whose tasks are launched at most once.

use super::*;

fn fails_once(attempt: Attempt, executor: u64, failure: TaskFailure) -> Command {
    let executor = ExecutorId(executor);
    failed(0, JobFailure::SingleAttemptFailed { attempt, executor, failure })
}

#[test]
fn no_failure_is_tried_again() {
    let lost = || TaskFailure::ExecutorLost { app_caused: false, reason: String::new() };
    let unreadable = || damaged(&output(9, at(9, 0, 0)));
    for failure in [raised(), killed(), lost(), TaskFailure::CommitDenied, unreadable()] {
        check(vec![
            (up(0, 2), vec![]),
            (submit_once(0, vec![result(1, &[])]), vec![launch(at(0, 0, 0), 0)]),
            (fails(at(0, 0, 0), failure.clone()), vec![fails_once(at(0, 0, 0), 0, failure)]),
            (Event::Tick, vec![]),
        ]);
    }
}

#[test]
fn a_task_whose_executor_is_lost_does_not_run_on_another() {
    let lost = TaskFailure::ExecutorLost { app_caused: false, reason: String::new() };
    check(vec![
        (up(0, 1), vec![]),
        (submit_once(0, vec![result(2, &[])]), vec![launch(at(0, 0, 0), 0)]),
        (up(1, 1), vec![launch(at(0, 1, 0), 1)]),
        (down(0), vec![fails_once(at(0, 0, 0), 0, lost), cancel(at(0, 1, 0), 1)]),
        (up(2, 2), vec![]),
        // It was done all the same, and nobody wants it any more.
        (done(at(0, 1, 0)), vec![]),
    ]);
}

#[test]
fn its_map_stages_are_tried_again_before_it_starts() {
    check(vec![
        (up(0, 1), vec![]),
        (submit_once(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (fails(at(0, 0, 0), raised()), vec![launch(at(0, 0, 1), 0)]),
        (wrote(1, at(0, 0, 1)), vec![launch(at(1, 0, 0), 0)]),
        (done(at(1, 0, 0)), vec![deliver(0, at(1, 0, 0)), finished(0)]),
    ]);
}

#[test]
fn an_input_that_has_to_be_made_again_fails_the_job_once_a_task_was_launched() {
    let lost = |partition| discard(output(1, at(0, partition, 0)), DiscardReason::VolumeLost);
    check(vec![
        (up(0, 2), vec![]),
        (
            submit_once(0, vec![random_map(1, 2, &[]), result(1, &[0])]),
            vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)],
        ),
        (wrote(1, at(0, 0, 0)), vec![]),
        (wrote(1, at(0, 1, 0)), vec![launch(at(1, 0, 0), 0)]),
        (
            volume_lost(0),
            vec![
                lost(0),
                lost(1),
                failed(0, JobFailure::NotRepeatable { stage: StageId(0) }),
                cancel(at(1, 0, 0), 0),
            ],
        ),
    ]);
}
