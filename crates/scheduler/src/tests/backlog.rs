//! What is told of the tasks and of volumes, for an allocation of executors.

use super::*;
use crate::Backlog;

#[test]
fn tasks_count_from_when_they_could_be_launched_until_their_end() {
    let mut scheduler = Scheduler::new(Epoch(1), Limits::default());
    let mut after = |event| {
        scheduler.handle(Duration::ZERO, event);
        scheduler.backlog(ProfileId::DEFAULT, 2)
    };
    let backlog = |pending: u32, running: u32| {
        let executors = f64::from(pending + running) / 2.0;
        Backlog { pending, running, executors, unschedulable: 0 }
    };
    assert_eq!(after(submit(0, vec![map(0, 3, &[]), result(2, &[0])])), backlog(3, 0));
    assert_eq!(after(up(0, 2)), backlog(1, 2));
    assert_eq!(after(wrote(0, at(0, 0, 0))), backlog(0, 2));
    assert_eq!(after(wrote(0, at(0, 1, 0))), backlog(0, 1));
    assert_eq!(after(wrote(0, at(0, 2, 0))), backlog(0, 2));
    assert_eq!(after(cancelled(0)), backlog(0, 2));
}

#[test]
fn a_volume_is_known_by_the_shuffles_of_which_it_has_outputs() {
    let mut scheduler = Scheduler::new(Epoch(1), Limits::default());
    let mut run = |event| drop(scheduler.handle(Duration::ZERO, event));
    run(up(0, 1));
    run(submit(0, vec![map(0, 1, &[]), result(1, &[0])]));
    run(wrote(0, at(0, 0, 0)));
    let on = |scheduler: &Scheduler| {
        scheduler.shuffles_on(&VolumeId("0".to_owned())).collect::<Vec<_>>()
    };
    assert_eq!((on(&scheduler), scheduler.is_in_use(shuffle(0))), (vec![shuffle(0)], true));
    scheduler.handle(Duration::ZERO, cancelled(0));
    assert_eq!((on(&scheduler), scheduler.is_in_use(shuffle(0))), (vec![shuffle(0)], false));
    scheduler.handle(Duration::ZERO, volume_lost(0));
    assert_eq!(on(&scheduler), []);
}

#[test]
fn tasks_count_for_the_kind_of_executors_that_runs_them() {
    let mut scheduler = Scheduler::new(Epoch(1), Limits::default());
    let other = ProfileId(1);
    let special = StageShape { profile: other, task_slots: 2, ..result(3, &[]) };
    scheduler.handle(Duration::ZERO, submit(0, vec![special]));
    scheduler.handle(Duration::ZERO, submit(1, vec![result(4, &[])]));
    scheduler.handle(Duration::ZERO, of_kind(other, up(0, 2)));
    let backlog = |profile, slots| {
        let Backlog { pending, running, executors, .. } = scheduler.backlog(profile, slots);
        (pending, running, executors)
    };
    assert_eq!(backlog(other, 2), (2, 1, 3.0));
    assert_eq!(backlog(ProfileId::DEFAULT, 2), (4, 0, 2.0));
}
