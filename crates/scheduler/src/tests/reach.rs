//! Executors that do not reach each other: one of them is left out.

use super::*;

/// The output of an attempt on the volume of executor 1.
fn far(n: u8, attempt: Attempt) -> MapOutput {
    MapOutput { volume: VolumeId("1".to_owned()), ..output(n, attempt) }
}

fn unreachable(output: &MapOutput) -> TaskFailure {
    unreadable(std::slice::from_ref(output), BlockProblem::Unreachable)
}

fn discard_unreachable(output: MapOutput) -> Command {
    discard(output, DiscardReason::Unreadable(BlockProblem::Unreachable))
}

/// Two maps and two readers on two executors; the reader on executor 0 does not reach executor 1.
fn parted() -> Vec<(Event, Vec<Command>)> {
    let lost = far(1, at(0, 1, 0));
    vec![
        (up(0, 1), vec![]),
        (up(1, 1), vec![]),
        (
            submit(0, vec![map(1, 2, &[]), result(2, &[0])]),
            vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)],
        ),
        (wrote(1, at(0, 0, 0)), vec![]),
        (
            Event::MapFinished { attempt: at(0, 1, 0), output: lost.clone() },
            vec![launch(at(1, 0, 0), 0), launch(at(1, 1, 0), 1)],
        ),
        (
            fails(at(1, 0, 0), unreachable(&lost)),
            vec![cancel(at(1, 1, 0), 1), discard_unreachable(lost)],
        ),
    ]
}

#[test]
fn the_job_ends_without_the_executor_that_another_one_does_not_reach() {
    let mut script = parted();
    script.extend([
        (fails(at(1, 1, 0), killed()), vec![]),
        (Event::Tick, vec![launch(at(0, 1, 1), 0)]),
        (wrote(1, at(0, 1, 1)), vec![launch(at(1, 0, 1), 0)]),
        (done(at(1, 0, 1)), vec![deliver(0, at(1, 0, 1)), launch(at(1, 1, 1), 0)]),
        (done(at(1, 1, 1)), vec![deliver(0, at(1, 1, 1)), finished(0)]),
    ]);
    let scheduler = check(script);
    assert!(scheduler.is_out_of_reach(ExecutorId(1)) && !scheduler.is_out_of_reach(ExecutorId(0)));
}

#[test]
fn if_it_comes_back_and_cannot_read_it_is_left_out_again_and_nothing_is_lost() {
    let mut scheduler = check(parted());
    let mut handle = |now: u64, event| {
        let mut commands = scheduler.handle(Duration::from_secs(now), event);
        commands.retain(|command| !matches!(command, Command::StageChanged { .. }));
        (commands, scheduler.next_deadline(), scheduler.is_out_of_reach(ExecutorId(1)))
    };
    handle(1, fails(at(1, 1, 0), killed()));
    assert_eq!(handle(2, wrote(1, at(0, 1, 1))).0, [launch(at(1, 0, 1), 0)]);
    // Its time is over after 30 s.
    let (launched, _, avoided) = handle(31, Event::Tick);
    assert_eq!((launched, avoided), (vec![launch(at(1, 1, 1), 1)], false));
    let lost = unreachable(&output(1, at(0, 0, 0)));
    let (commands, deadline, avoided) = handle(40, fails(at(1, 1, 1), lost));
    assert_eq!((commands, avoided), (vec![], true));
    assert_eq!(deadline, Some(Duration::from_secs(40 + 60)), "twice as long");
    let (launched, ..) = handle(41, done(at(1, 0, 1)));
    assert_eq!(launched, [deliver(0, at(1, 0, 1)), launch(at(1, 1, 2), 0)]);
}

#[test]
fn if_the_others_are_lost_it_works_again() {
    let mut scheduler = check(parted());
    let now = Duration::from_secs(1);
    scheduler.handle(now, fails(at(1, 1, 0), killed()));
    assert!(scheduler.is_out_of_reach(ExecutorId(1)));
    let commands = scheduler.handle(now, down(0));
    assert!(commands.contains(&launch(at(0, 1, 2), 1)), "{commands:?}");
    assert!(!scheduler.is_out_of_reach(ExecutorId(1)));
}
