//! Executors and hosts on which tasks fail, and tasks that may not run anywhere.

use super::*;
use crate::Exclusion;

const RULES: Exclusion = Exclusion {
    task_attempts_per_executor: 1,
    task_attempts_per_host: 2,
    stage_tasks_per_executor: 2,
    stage_executors_per_host: 2,
    tasks_per_executor: 2,
    executors_per_host: 2,
    timeout: Duration::from_secs(1),
    replaces: false,
    counts_fetch_failures: false,
    unschedulable_timeout: Duration::from_millis(300),
};

fn exclude(rules: Exclusion, script: Vec<(Event, Vec<Command>)>) -> Scheduler {
    check_with(|scheduler| scheduler.with_exclusion(Some(rules)), script)
}

fn one_task() -> Event {
    submit(0, vec![result(1, &[])])
}

fn unschedulable(partition: u32, failure: Option<TaskFailure>) -> Command {
    failed(0, JobFailure::Unschedulable { stage: StageId(0), partition, failure })
}

#[test]
fn a_task_avoids_the_executor_on_which_it_failed_and_then_the_host() {
    let script = vec![
        (up_on("a", 0, 1), vec![]),
        (up_on("a", 1, 1), vec![]),
        (up_on("a", 2, 1), vec![]),
        (one_task(), vec![launch(at(0, 0, 0), 0)]),
        (fails(at(0, 0, 0), raised()), vec![launch(at(0, 0, 1), 1)]),
        // A third executor of that host is no better.
        (fails(at(0, 0, 1), raised()), vec![replace(0)]),
        (up_on("b", 3, 1), vec![launch(at(0, 0, 2), 3)]),
        (done(at(0, 0, 2)), vec![deliver(0, at(0, 0, 2)), finished(0)]),
    ];
    assert!(exclude(RULES, script).is_idle());
}

#[test]
fn a_task_that_may_not_run_anywhere_waits_for_an_executor_and_then_fails_its_job() {
    let start = || {
        vec![
            (up(0, 1), vec![]),
            (one_task(), vec![launch(at(0, 0, 0), 0)]),
            (fails(at(0, 0, 0), raised()), vec![replace(0)]),
            (Event::Tick, vec![]),
        ]
    };
    let mut nobody = start();
    nobody.push((Event::Tick, vec![unschedulable(0, Some(raised()))]));
    assert!(exclude(RULES, nobody).is_idle());
    // The one in its place takes the task.
    let mut replaced = start();
    replaced.push((down(0), vec![]));
    replaced.push((up(1, 1), vec![launch(at(0, 0, 1), 1)]));
    replaced.push((Event::Tick, vec![]));
    replaced.push((Event::Tick, vec![]));
    exclude(RULES, replaced);
}

#[test]
fn without_an_idle_executor_there_is_nothing_to_wait_for() {
    let script = vec![
        (up(0, 2), vec![]),
        (submit(0, vec![result(2, &[])]), vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)]),
        (
            fails(at(0, 1, 0), raised()),
            vec![unschedulable(1, Some(raised())), cancel(at(0, 0, 0), 0)],
        ),
    ];
    exclude(RULES, script);
}

#[test]
fn where_executors_come_with_the_tasks_another_one_is_waited_for() {
    let limits = Limits { dynamic: true, ..Limits::default() };
    let mut scheduler = Scheduler::new(Epoch(1), limits).with_exclusion(Some(RULES));
    let mut handle = |ms, event| {
        let commands = scheduler.handle(Duration::from_millis(ms), event).into_iter();
        let told = commands.filter(|it| !matches!(it, Command::StageChanged { .. }));
        (told.collect::<Vec<_>>(), scheduler.backlog(ProfileId::DEFAULT, 1).unschedulable)
    };
    handle(0, up(0, 2));
    let tasks = submit(0, vec![result(2, &[])]);
    assert_eq!(handle(0, tasks).0, [launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)]);
    // The other task keeps the executor busy.
    assert_eq!(handle(1, fails(at(0, 0, 0), raised())), (vec![], 1));
    assert_eq!(handle(2, up(1, 1)), (vec![launch(at(0, 0, 1), 1)], 0));
}

#[test]
fn failures_of_two_tasks_exclude_an_executor_for_their_stage_only() {
    let both = vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)];
    let script = vec![
        (up(0, 2), vec![]),
        (submit(0, vec![result(3, &[])]), both),
        (up(1, 1), vec![launch(at(0, 2, 0), 1)]),
        (fails(at(0, 0, 0), raised()), vec![]),
        (fails(at(0, 1, 0), raised()), vec![]),
        // The third task has not failed there.
        (fails(at(0, 2, 0), raised()), vec![launch(at(0, 0, 1), 1)]),
        (submit(1, vec![result(1, &[])]), vec![launch(at(1, 0, 0), 0)]),
    ];
    exclude(RULES, script);
}

#[test]
fn what_failed_elsewhere_than_it_succeeded_excludes_for_all_stages_until_it_is_forgotten() {
    let rules = Exclusion { stage_tasks_per_executor: 3, replaces: true, ..RULES };
    let both = vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 0)];
    let script = vec![
        (up(0, 2), vec![]),
        (submit(0, vec![result(2, &[])]), both),
        (up(1, 2), vec![]),
        (fails(at(0, 0, 0), raised()), vec![launch(at(0, 0, 1), 1)]),
        (fails(at(0, 1, 0), raised()), vec![launch(at(0, 1, 1), 1)]),
        (done(at(0, 0, 1)), vec![deliver(0, at(0, 0, 1))]),
        (done(at(0, 1, 1)), vec![deliver(0, at(0, 1, 1)), replace(0), finished(0)]),
        (submit(1, vec![result(3, &[])]), vec![launch(at(1, 0, 0), 1), launch(at(1, 1, 0), 1)]),
        (Event::Tick, vec![]),
        (Event::Tick, vec![]),
        (Event::Tick, vec![]),
        (Event::Tick, vec![]),
        (Event::Tick, vec![launch(at(1, 2, 0), 0)]),
    ];
    exclude(rules, script);
}

#[test]
fn two_excluded_executors_exclude_their_host_and_barriers_respect_that() {
    let rules = Exclusion { tasks_per_executor: 1, stage_executors_per_host: 9, ..RULES };
    let script = vec![
        (up_on("a", 0, 1), vec![]),
        (up_on("a", 1, 1), vec![]),
        (submit(0, vec![result(2, &[])]), vec![launch(at(0, 0, 0), 0), launch(at(0, 1, 0), 1)]),
        (up_on("b", 2, 1), vec![]),
        (fails(at(0, 0, 0), raised()), vec![launch(at(0, 0, 1), 2)]),
        (fails(at(0, 1, 0), raised()), vec![launch(at(0, 1, 1), 0)]),
        (done(at(0, 0, 1)), vec![deliver(0, at(0, 0, 1))]),
        (done(at(0, 1, 1)), vec![deliver(0, at(0, 1, 1)), finished(0)]),
        (up_on("a", 3, 1), vec![]),
        // Of four slots three are on the excluded host.
        (submit(1, vec![barrier(result(2, &[]))]), vec![]),
        (up_on("b", 4, 1), vec![launch(at(1, 0, 0), 2), launch(at(1, 1, 0), 4)]),
    ];
    exclude(rules, script);
}

#[test]
fn an_executor_whose_outputs_cannot_be_read_is_excluded_if_that_is_asked_for() {
    let rules = Exclusion { counts_fetch_failures: true, ..RULES };
    let lost = output(1, at(0, 0, 0));
    let unreachable = damaged(&lost);
    let script = vec![
        (up(0, 1), vec![]),
        (submit(0, vec![map(1, 1, &[]), result(1, &[0])]), vec![launch(at(0, 0, 0), 0)]),
        (up(1, 1), vec![]),
        (wrote(1, at(0, 0, 0)), vec![launch(at(1, 0, 0), 0)]),
        (fails(at(1, 0, 0), unreachable), vec![discard_damaged(1, at(0, 0, 0))]),
        (Event::Tick, vec![launch(at(0, 0, 1), 1)]),
    ];
    exclude(rules, script);
}
