//! Outputs that are moved from executors that leave.

use super::*;

/// The output of an attempt of shuffle 1, copied to volume 1.
fn copy(attempt: Attempt) -> MapOutput {
    MapOutput { volume: VolumeId("1".into()), ..output(1, attempt) }
}

fn moved(attempt: Attempt) -> Event {
    Event::MapOutputMoved { copy: copy(attempt) }
}

fn leaves(volume: u64) -> Event {
    Event::VolumesLeave { volumes: [VolumeId(volume.to_string())].into() }
}

fn two_stages() -> Event {
    submit(0, vec![map(1, 1, &[]), result(1, &[0])])
}

#[test]
fn a_copy_is_read_instead_and_survives_the_volume() {
    let scheduler = check(vec![
        (up(0, 1), vec![]),
        (two_stages(), vec![launch(at(0, 0, 0), 0)]),
        (up(1, 2), vec![]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 1)]),
        (leaves(0), vec![]),
        (moved(at(0, 0, 0)), vec![]),
        (volume_lost(0), vec![]),
        (down(0), vec![]),
        (done(at(1, 0, 0)), vec![deliver(0, at(1, 0, 0)), finished(0)]),
    ]);
    let outputs: Vec<_> = scheduler.map_outputs(shuffle(1)).cloned().collect();
    assert_eq!(outputs, [copy(at(0, 0, 0))]);
    let on = |volume: &str| scheduler.outputs_on(&VolumeId(volume.into())).count();
    assert_eq!((on("0"), on("1"), scheduler.generation(shuffle(1))), (0, 1, 2));
}

#[test]
fn a_copy_of_what_does_not_count_any_more_is_discarded() {
    let stale = discard(copy(at(0, 0, 0)), DiscardReason::RolledBack);
    check(vec![
        (up(0, 1), vec![]),
        (up(1, 0), vec![]),
        (two_stages(), vec![launch(at(0, 0, 0), 0)]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 0)]),
        (
            fails(at(1, 0, 0), damaged(&output(1, at(0, 0, 0)))),
            vec![discard_damaged(1, at(0, 0, 0))],
        ),
        (moved(at(0, 0, 0)), vec![stale.clone()]),
        (Event::Tick, vec![launch(at(0, 0, 1), 0)]),
        (wrote(1, at(0, 0, 1)), vec![launch(at(1, 0, 1), 0)]),
        (moved(at(0, 0, 0)), vec![stale]),
        // One on a volume that nobody mounts is none.
        (down(1), vec![]),
        (moved(at(0, 0, 1)), vec![]),
    ]);
}

#[test]
fn failures_to_read_from_who_leaves_do_not_count() {
    let unreachable = || unreadable(&[output(1, at(0, 0, 0))], BlockProblem::Unreachable);
    let run = |limits: Limits| {
        let mut scheduler = Scheduler::new(Epoch(1), limits);
        let mut now = Duration::ZERO;
        let mut handle = |event| {
            now += Duration::from_millis(300);
            scheduler.handle(now, event)
        };
        for event in [up(0, 1), two_stages(), wrote(1, at(0, 0, 0)), up(1, 1), leaves(0)] {
            handle(event);
        }
        handle(moved(at(0, 0, 0)));
        let mut failed = 0;
        for number in 0..6 {
            let commands = handle(fails(at(1, 0, number), unreachable()));
            failed += commands.iter().filter(|it| matches!(it, Command::JobFailed { .. })).count();
            handle(Event::Tick);
        }
        failed
    };
    assert_eq!(run(Limits::default()), 0);
    assert_eq!(run(Limits { ignore_leaving: false, ..Limits::default() }), 1);
}

#[test]
fn volumes_that_have_left_are_forgotten_once_nobody_can_have_read_them() {
    let unreachable = unreadable(&[output(1, at(0, 0, 0))], BlockProblem::Unreachable);
    let left = |scheduler: &Scheduler| scheduler.executors.is_leaving(&VolumeId("0".into()));
    let start = || {
        vec![
            (up(1, 1), vec![]),
            (submit(0, vec![result(1, &[])]), vec![launch(at(0, 0, 0), 1)]),
            (up(0, 1), vec![]),
            (submit(1, vec![result(1, &[])]), vec![launch(at(1, 0, 0), 0)]),
            (leaves(0), vec![]),
            (done(at(1, 0, 0)), vec![deliver(1, at(1, 0, 0)), finished(1)]),
            (down(0), vec![]),
            (submit(2, vec![result(0, &[])]), vec![finished(2)]),
        ]
    };
    // An attempt is still there that was launched before it left.
    assert!(left(&check(start())));
    let mut script = start();
    script.extend([
        (fails(at(0, 0, 0), unreachable), vec![]),
        (Event::Tick, vec![launch(at(0, 0, 1), 1)]),
        (submit(3, vec![result(0, &[])]), vec![finished(3)]),
    ]);
    assert!(!left(&check(script)));
}
