//! Outputs that another application has made: used as if they were of an earlier driver, and last.

use super::*;

/// What task `map` of an application called `from` has written for shuffle `n`, in a late attempt
/// of a later epoch than the own one.
fn of(from: &str, n: u8, map: u32) -> MapOutput {
    let volume = VolumeId(format!("{from}/0"));
    MapOutput { epoch: Epoch(7), volume, block_bytes: vec![10], ..output(n, at(50, map, 3)) }
}

fn found(outputs: &[MapOutput]) -> (Event, Vec<Command>) {
    (Event::MapOutputsFound { outputs: outputs.to_vec() }, vec![])
}

/// An executor that mounts a volume of its application, and those of others.
fn mounts(executor: u64, others: &[&str]) -> Event {
    let others = others.iter().map(|other| VolumeId(format!("{other}/0")));
    let volumes = others.chain([VolumeId(executor.to_string())]).collect();
    let (executor, host) = (ExecutorId(executor), executor.to_string());
    let profile = ProfileId::DEFAULT;
    Event::ExecutorRegistered { executor, host, profile, slots: 2, volumes }
}

fn lost(output: &MapOutput, problem: BlockProblem) -> TaskFailure {
    let unreadable = vec![Unreadable::new(output, problem)];
    TaskFailure::FetchFailed { unreadable, message: String::new() }
}

#[test]
fn a_stage_that_another_application_has_run_is_skipped() {
    let scheduler = check(vec![
        found(&[of("a", 1, 0), of("b", 1, 1)]),
        (mounts(0, &["a", "b"]), vec![]),
        (submit(0, vec![map(1, 2, &[]), result(1, &[0])]), vec![launch(at(1, 0, 0), 0)]),
        (done(at(1, 0, 0)), vec![deliver(0, at(1, 0, 0)), finished(0)]),
    ]);
    assert_eq!(scheduler.map_outputs(shuffle(1)).count(), 2);
}

#[test]
fn own_outputs_come_before_those_of_others() {
    let own = MapOutput { epoch: Epoch(0), ..output(1, at(9, 0, 0)) };
    let scheduler = check(vec![found(&[own.clone(), of("a", 1, 0)])]);
    assert_eq!(scheduler.map_outputs(shuffle(1)).collect::<Vec<_>>(), [&own]);
}

#[test]
fn what_vanished_is_made_by_an_own_attempt_and_does_not_come_back() {
    let gone = of("a", 1, 0);
    check(vec![
        found(std::slice::from_ref(&gone)),
        (mounts(0, &["a"]), vec![]),
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(1, 0, 0), 0)]),
        (
            fails(at(1, 0, 0), lost(&gone, BlockProblem::Missing)),
            vec![discard(gone.clone(), DiscardReason::Unreadable(BlockProblem::Missing))],
        ),
        found(&[gone]),
        (Event::Tick, vec![launch(at(0, 0, 0), 0)]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 1), 0)]),
        (done(at(1, 0, 1)), vec![deliver(0, at(1, 0, 1)), finished(0)]),
    ]);
}

#[test]
fn however_many_vanish_one_by_one_no_job_fails_for_it() {
    let outputs: Vec<MapOutput> = (0..9).map(|map| of("a", 1, map)).collect();
    let mut script = vec![
        found(&outputs),
        (mounts(0, &["a"]), vec![]),
        (submit(0, vec![map(1, 9, &[]), result(1, &[0])]), vec![launch(at(1, 0, 0), 0)]),
    ];
    for (try_, gone) in (0..).zip(outputs) {
        let (reader, writer) = (at(1, 0, try_), at(0, gone.id.map, 0));
        script.extend([
            (
                fails(reader, lost(&gone, BlockProblem::Missing)),
                vec![discard(gone, DiscardReason::Unreadable(BlockProblem::Missing))],
            ),
            (Event::Tick, vec![launch(writer, 0)]),
            (wrote(1, writer), vec![launch(at(1, 0, try_ + 1), 0)]),
        ]);
    }
    check(script);
}

#[test]
fn rows_that_nobody_can_reproduce_are_not_taken_from_others() {
    let rolled_back = |from, n| discard(of(from, n, 0), DiscardReason::RolledBack);
    check(vec![
        found(&[of("a", 1, 0), of("a", 2, 0)]),
        (mounts(0, &["a"]), vec![]),
        (
            submit(0, vec![random_map(1, 1, &[]), map(2, 1, &[0]), result(1, &[1])]),
            vec![rolled_back("a", 1), rolled_back("a", 2), launch(at(0, 0, 0), 0)],
        ),
        // Nor when they are found late.
        found(&[of("b", 1, 0), of("b", 2, 0)]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 0)]),
    ]);
}

#[test]
fn a_barrier_stage_is_taken_from_one_application_and_whole() {
    let stages = || vec![barrier(map(1, 2, &[])), result(1, &[0])];
    let both = |from: [&str; 2]| {
        let outputs = [of(from[0], 1, 0), of(from[1], 1, 1)];
        (found(&outputs), outputs.map(|it| discard(it, DiscardReason::BarrierBroken)))
    };
    let (whole, _) = both(["a", "a"]);
    let up = || (mounts(0, &["a", "b"]), vec![]);
    check(vec![whole, up(), (submit(0, stages()), vec![launch(at(1, 0, 0), 0)])]);
    let (mixed, broken) = both(["a", "b"]);
    let again = [launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)];
    check(vec![mixed, up(), (submit(0, stages()), [broken, again].concat())]);
}

#[test]
fn retention_leaves_out_what_others_have() {
    let now = Duration::from_hours(9);
    let scheduler = check(vec![found(&[of("a", 1, 0)]), (mounts(0, &["a"]), vec![])]);
    let (time, least) = (Some(Duration::from_secs(1)), Duration::ZERO);
    for rules in [
        crate::Retention { time, bytes: None, least },
        crate::Retention { time: None, bytes: Some(1), least },
    ] {
        assert!(scheduler.surplus(now, rules, |_| false).shuffles.is_empty());
    }
}

#[test]
fn an_executor_that_has_only_volumes_of_others_gets_no_tasks() {
    check(vec![
        (mounts(0, &["a"]), vec![]),
        (volume_lost(0), vec![]),
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![]),
    ]);
}
