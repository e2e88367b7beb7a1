//! Tasks that wait at executors.

use super::*;
use crate::LaunchAhead;

const AHEAD: LaunchAhead = LaunchAhead {
    brisk: Duration::from_millis(5),
    finished: 2,
    depth: 2,
    patience: Duration::from_millis(50),
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Two executors with a slot each, and a job of brisk tasks of which two have finished, at 2 ms.
struct Scene(Scheduler);

impl Scene {
    fn new(tasks: u32) -> Self {
        let scheduler = Scheduler::new(Epoch(1), Limits::default());
        let mut scene = Self(scheduler.with_launch_ahead(Some(AHEAD)));
        for executor in [0, 1] {
            scene.at(0, up(executor, 1));
        }
        let first = [launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)];
        assert_eq!(scene.at(0, submit(0, vec![result(tasks, &[])])), first);
        let next = [deliver(0, at(0, 0, 0)), launch(at(0, 2, 0), 0)];
        assert_eq!(scene.at(1, done(at(0, 0, 0))), next, "one says little");
        scene
    }

    fn at(&mut self, time: u64, event: Event) -> Vec<Command> {
        let commands = self.0.handle(ms(time), event);
        self.0.audit().unwrap();
        let commands = commands.into_iter().map(without_text);
        commands.filter(|command| !matches!(command, Command::StageChanged { .. })).collect()
    }
}

#[test]
fn brisk_tasks_wait_where_one_has_ended() {
    let mut scene = Scene::new(30);
    let expected = [
        deliver(0, at(0, 1, 0)),
        launch(at(0, 3, 0), 1),
        launch(at(0, 4, 0), 1),
        launch(at(0, 5, 0), 1),
    ];
    assert_eq!(scene.at(2, done(at(0, 1, 0))), expected);
    // The first of them has the slot now, and another one waits in its place.
    let expected = [deliver(0, at(0, 3, 0)), launch(at(0, 6, 0), 1)];
    assert_eq!(scene.at(3, done(at(0, 3, 0))), expected);
    let expected = [deliver(0, at(0, 4, 0)), launch(at(0, 7, 0), 1)];
    assert_eq!(scene.at(4, done(at(0, 4, 0))), expected);
    // A loss costs one that waits as little as one that runs; and it has caused nothing.
    let lost = scene.at(5, crash(1));
    assert_eq!(lost, [], "no slot is free");
    assert_eq!(scene.0.stage(StageId(0)).unwrap().failed(), 3);
}

#[test]
fn the_last_tasks_are_shared_out() {
    let mut scene = Scene::new(7);
    // Four are left, for two executors.
    let expected = [deliver(0, at(0, 1, 0)), launch(at(0, 3, 0), 1)];
    assert_eq!(scene.at(2, done(at(0, 1, 0))), expected);
    let expected = [deliver(0, at(0, 2, 0)), launch(at(0, 4, 0), 0)];
    assert_eq!(scene.at(2, done(at(0, 2, 0))), expected);
}

#[test]
fn tasks_that_wait_for_a_long_one_are_taken_back() {
    let mut scene = Scene::new(30);
    scene.at(2, done(at(0, 1, 0)));
    assert_eq!(scene.0.next_deadline(), Some(ms(52)));
    assert_eq!(scene.at(51, Event::Tick), []);
    // Another executor gets them, and none waits any more.
    assert_eq!(scene.at(52, Event::Tick), [cancel(at(0, 4, 0), 1), cancel(at(0, 5, 0), 1)]);
    assert_eq!(scene.0.next_deadline(), None);
    let expected = [deliver(0, at(0, 2, 0)), launch(at(0, 4, 1), 0)];
    assert_eq!(scene.at(53, done(at(0, 2, 0))), expected);
    let killed = || TaskFailure::Killed { reason: String::new() };
    for task in [4, 5] {
        assert_eq!(scene.at(54, fails(at(0, task, 0), killed())), []);
    }
    let expected = [deliver(0, at(0, 3, 0)), launch(at(0, 5, 1), 1)];
    assert_eq!(scene.at(60, done(at(0, 3, 0))), expected);
}

#[test]
fn no_task_waits_at_an_executor_where_others_want_its_slots() {
    let mut scene = Scene::new(30);
    assert_eq!(scene.at(1, submit(1, vec![result(1, &[])])), []);
    let expected = [deliver(0, at(0, 1, 0)), launch(at(0, 3, 0), 1)];
    assert_eq!(scene.at(2, done(at(0, 1, 0))), expected);
}
