//! Scripts of applications' lives.

use super::*;
use crate::RestartPolicyType;
use crate::validate::Retry;
use k8s_openapi::jiff::Timestamp;

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).expect("a time"))
}

fn wanted(after: RestartPolicyType, retries: u32) -> Wanted {
    let retry = Retry { retries, interval: Duration::from_secs(5) };
    let restart = Restart { after, failure: retry, submission: retry };
    Wanted { suspend: false, restart, time_to_live: None }
}

/// Sees a driver, and pods if there is one.
fn sees(driver: Driver) -> Observed {
    let pods_left = driver != Absent;
    Observed { driver, pods_left, ..Observed::default() }
}

fn failed() -> Observed {
    sees(Driver::Failed("exit code 1".to_owned()))
}

/// A world with one application: second, what is seen, expected state, act, seconds to the next look.
type Script<'a> = &'a [(i64, Observed, State, Act, Option<u64>)];

fn check(name: &str, wanted: &Wanted, script: Script<'_>) -> SparkApplicationStatus {
    let mut status = SparkApplicationStatus::default();
    for (line, (second, seen, state, act, wake)) in script.iter().enumerate() {
        let submission = format!("s-{line}");
        let step = advance(&status, seen, wanted, &submission, &at(*second));
        let found = (step.status.application_state.state, step.act, step.wake);
        let expected = (*state, *act, wake.map(Duration::from_secs));
        assert_eq!(found, expected, "{name}, line {line}");
        status = step.status;
        if step.act == Submit {
            confirm_unless_refused(&mut status, script.get(line + 1));
        }
    }
    status
}

fn confirm_unless_refused(
    status: &mut SparkApplicationStatus,
    next: Option<&(i64, Observed, State, Act, Option<u64>)>,
) {
    if next.is_some_and(|(_, seen, ..)| seen.refusal.is_none() && seen.driver != Absent) {
        confirm(status, "pi-driver");
    }
}

use Act::{DeleteApplication, Keep, RemoveExecutors, RemovePods, Submit};
use Driver::{Absent, Pending, Running, Succeeded, Unknown};
use RestartPolicyType::{Always, Never, OnFailure};

#[test]
fn a_program_runs_and_ends() {
    let status = check(
        "well",
        &wanted(Never, 0),
        &[
            (0, sees(Absent), State::Submitted, Submit, None),
            (1, sees(Pending), State::Submitted, Keep, None),
            (2, sees(Running), State::Running, Keep, None),
            (3, sees(Unknown), State::Unknown, Keep, None),
            (4, sees(Running), State::Running, Keep, None),
            (9, sees(Succeeded), State::Completed, RemoveExecutors, None),
            (10, sees(Absent), State::Completed, RemoveExecutors, None),
        ],
    );
    assert_eq!((status.execution_attempts, status.submission_attempts), (1, 1));
    assert_eq!(status.termination_time, Some(at(9)));
    let status = check(
        "badly",
        &wanted(Never, 0),
        &[
            (0, sees(Absent), State::Submitted, Submit, None),
            (2, failed(), State::Failed, RemoveExecutors, None),
        ],
    );
    assert_eq!(status.application_state.error_message.as_deref(), Some("exit code 1"));
}

#[test]
fn three_retries_are_four_runs_and_the_wait_grows() {
    let mut script = Vec::new();
    let mut second = 0;
    for run in 1..=4_u32 {
        script.push((second, sees(Absent), State::Submitted, Submit, None));
        script.push((second + 1, sees(Running), State::Running, Keep, None));
        if run == 4 {
            script.push((second + 2, failed(), State::Failed, RemoveExecutors, None));
            break;
        }
        let wait = u64::from(run) * 5;
        script.push((second + 2, failed(), State::Failing, RemoveExecutors, Some(wait)));
        script.push((second + 3, failed(), State::Failing, RemoveExecutors, Some(wait - 1)));
        second += 2 + i64::from(run) * 5;
        script.push((second, failed(), State::PendingRerun, RemovePods, None));
        script.push((second + 1, failed(), State::PendingRerun, RemovePods, None));
        second += 2;
    }
    let status = check("retries", &wanted(OnFailure, 3), &script);
    assert_eq!(status.execution_attempts, 4);
}

#[test]
fn a_pod_that_cannot_be_made_is_tried_again_and_then_given_up() {
    let refused = || Observed { refusal: Some("forbidden".to_owned()), ..Observed::default() };
    let status = check(
        "refused",
        &wanted(OnFailure, 1),
        &[
            (0, sees(Absent), State::Submitted, Submit, None),
            (0, refused(), State::SubmissionFailed, RemoveExecutors, Some(5)),
            (4, sees(Absent), State::SubmissionFailed, RemoveExecutors, Some(1)),
            (5, sees(Absent), State::Submitted, Submit, None),
            (5, refused(), State::Failed, RemoveExecutors, None),
        ],
    );
    assert_eq!((status.submission_attempts, status.execution_attempts), (2, 1));
    assert_eq!(status.application_state.error_message.as_deref(), Some("forbidden"));
}

#[test]
fn an_operator_that_stopped_between_writing_and_making_makes_the_pod_later() {
    check(
        "between",
        &wanted(Never, 0),
        &[
            (0, sees(Absent), State::Submitted, Submit, None),
            (60, sees(Absent), State::Submitted, Submit, None),
            (61, sees(Running), State::Running, Keep, None),
        ],
    );
}

#[test]
fn a_driver_that_was_there_and_is_gone_failed() {
    check(
        "gone",
        &wanted(Never, 0),
        &[
            (0, sees(Absent), State::Submitted, Submit, None),
            (1, sees(Running), State::Running, Keep, None),
            (2, sees(Absent), State::Failed, RemoveExecutors, None),
        ],
    );
    let status = check(
        "gone while it waited",
        &wanted(Always, 0),
        &[
            (0, sees(Absent), State::Submitted, Submit, None),
            (1, sees(Pending), State::Submitted, Keep, None),
            (2, sees(Absent), State::Failing, RemoveExecutors, Some(5)),
            (7, sees(Absent), State::Submitted, Submit, None),
        ],
    );
    assert_eq!(status.submission_id.as_deref(), Some("s-3"));
}

#[test]
fn a_program_that_always_runs_begins_anew_when_its_pods_are_gone() {
    check(
        "always",
        &wanted(Always, 0),
        &[
            (0, sees(Absent), State::Submitted, Submit, None),
            (1, sees(Running), State::Running, Keep, None),
            (2, sees(Succeeded), State::PendingRerun, RemovePods, None),
            (
                3,
                Observed { pods_left: true, ..Observed::default() },
                State::PendingRerun,
                RemovePods,
                None,
            ),
            (4, sees(Absent), State::Submitted, Submit, None),
        ],
    );
}

#[test]
fn an_application_goes_when_its_time_is_over() {
    let wanted = Wanted { time_to_live: Some(Duration::from_secs(30)), ..wanted(Never, 0) };
    check(
        "time to live",
        &wanted,
        &[
            (0, sees(Absent), State::Submitted, Submit, None),
            (10, sees(Succeeded), State::Completed, RemoveExecutors, Some(30)),
            (39, sees(Succeeded), State::Completed, RemoveExecutors, Some(1)),
            (40, sees(Succeeded), State::Completed, DeleteApplication, None),
        ],
    );
}

#[test]
fn a_changed_specification_begins_anew_and_counts_anew() {
    let changed = |driver| Observed { is_outdated: true, ..sees(driver) };
    for driver in [Pending, Running, Succeeded, Unknown] {
        let status = check(
            "changed",
            &wanted(Never, 0),
            &[
                (0, sees(Absent), State::Submitted, Submit, None),
                (1, sees(driver.clone()), state_of(&driver), act_of(&driver), None),
                (2, changed(driver), State::Invalidating, RemovePods, None),
                (3, sees(Absent), State::Submitted, Submit, None),
            ],
        );
        assert_eq!(status.execution_attempts, 1);
    }
}

fn state_of(driver: &Driver) -> State {
    match driver {
        Running => State::Running,
        Succeeded => State::Completed,
        Unknown => State::Unknown,
        _ => State::Submitted,
    }
}

fn act_of(driver: &Driver) -> Act {
    if *driver == Succeeded { RemoveExecutors } else { Keep }
}

#[test]
fn a_suspended_application_has_no_pods_and_resumes() {
    let run = wanted(Never, 0);
    let halt = Wanted { suspend: true, ..run };
    let mut status = check(
        "begin",
        &run,
        &[
            (0, sees(Absent), State::Submitted, Submit, None),
            (1, sees(Running), State::Running, Keep, None),
        ],
    );
    let script = [
        (halt, sees(Running), State::Suspending, RemovePods),
        (halt, sees(Absent), State::Suspended, Keep),
        (halt, Observed { is_outdated: true, ..sees(Absent) }, State::Suspended, Keep),
        (run, sees(Absent), State::Submitted, Submit),
    ];
    for (line, (wanted, seen, state, act)) in script.iter().enumerate() {
        let step = advance(&status, seen, wanted, "again", &at(100));
        assert_eq!((step.status.application_state.state, step.act), (*state, *act), "line {line}");
        status = step.status;
    }
    check("never begun", &halt, &[(0, sees(Absent), State::Suspended, Keep, None)]);
    let mut ended = SparkApplicationStatus::default();
    ended.application_state.state = State::Completed;
    let step = advance(&ended, &sees(Absent), &halt, "x", &at(0));
    assert_eq!(step.status.application_state.state, State::Completed);
}

#[test]
fn from_every_state_whatever_is_seen_there_is_a_next_step() {
    let all = [
        State::New,
        State::Submitted,
        State::Running,
        State::Completed,
        State::Failed,
        State::SubmissionFailed,
        State::PendingRerun,
        State::Invalidating,
        State::Succeeding,
        State::Failing,
        State::Suspending,
        State::Suspended,
        State::Resuming,
        State::Unknown,
    ];
    let drivers = [Absent, Pending, Running, Succeeded, Unknown, Driver::Failed(String::new())];
    for state in all {
        for driver in &drivers {
            for bits in 0..64_u32 {
                let bit = |n: u32| bits & (1 << n) != 0;
                let mut status = SparkApplicationStatus::default();
                status.application_state.state = state;
                if bit(0) {
                    confirm(&mut status, "pi-driver");
                }
                let seen = Observed {
                    driver: driver.clone(),
                    pods_left: bit(1),
                    is_outdated: bit(2),
                    refusal: bit(3).then(String::new),
                };
                let policy = [Never, Always][usize::from(bit(4))];
                let wanted = Wanted { suspend: bit(5), ..wanted(policy, 0) };
                let step = advance(&status, &seen, &wanted, "next", &at(0));
                let after = step.status.application_state.state;
                if wanted.suspend {
                    assert!(step.act != Submit, "{state:?} {seen:?}");
                }
                if step.act == Submit {
                    assert_eq!(after, State::Submitted, "{state:?} {seen:?}");
                    assert!(state == State::Submitted || !seen.pods_left, "{state:?} {seen:?}");
                }
                // The same things seen again change nothing but what time changes.
                let again = advance(&step.status, &settled(&seen, &step), &wanted, "next", &at(0));
                assert_eq!(
                    again.status.application_state.state, after,
                    "{state:?} {seen:?} {wanted:?}"
                );
            }
        }
    }
}

/// What is seen after a step if the world did not move: what ended is written down, and a refusal is told once.
fn settled(seen: &Observed, step: &Step) -> Observed {
    let is_new = step.act == Submit;
    Observed {
        driver: if is_new { Absent } else { seen.driver.clone() },
        is_outdated: seen.is_outdated && step.status.application_state.state == State::Invalidating,
        refusal: None,
        ..seen.clone()
    }
}
