//! Applications that wait: for their next run, for a name that somebody else has, for the end of their time.

use super::*;

/// To a run that failed and waits for the next one.
fn failing() -> Scene {
    let again = json!({ "type": "OnFailure", "onFailureRetries": 3, "onFailureRetryInterval": 60 });
    let mut scene = Scene::running(json!({ "restartPolicy": again }));
    scene.driver(PodState::Ended(end(3, "Error")));
    scene.pass();
    assert_eq!(scene.state(), State::Failing);
    scene
}

#[test]
fn an_edit_is_heard_while_the_next_run_is_waited_for() {
    let mut scene = failing();
    scene.edit(|spec| spec.arguments = vec!["other".into()]);
    assert_eq!(short(&scene.pass()), ["-pi-driver"]);
    assert_eq!((scene.state(), scene.status().observed_generation), (State::Invalidating, Some(2)));
    scene.gone();
    scene.pass();
    // At once, and counted anew.
    assert_eq!((scene.state(), scene.status().execution_attempts), (State::Submitted, 0));
    assert!(scene.submission().ends_with("-2"));
}

#[test]
fn an_application_is_suspended_while_its_next_run_is_waited_for() {
    let mut scene = failing();
    scene.edit(|spec| spec.suspend = Some(true));
    assert_eq!(short(&scene.pass()), ["-pi-driver"]);
    assert_eq!(scene.state(), State::Suspending);
    scene.gone();
    scene.pass();
    assert_eq!(scene.state(), State::Suspended);
    scene.seconds += 1_000;
    assert!(short(&scene.pass()).is_empty());
    scene.edit(|spec| spec.suspend = Some(false));
    assert_eq!(short(&scene.pass()), ["+pi-driver"]);
    assert_eq!((scene.state(), scene.status().execution_attempts), (State::Submitted, 0));
}

#[test]
fn one_that_would_not_run_again_has_failed_whatever_is_said_then() {
    let mut scene = Scene::running(json!({}));
    scene.edit(|spec| spec.suspend = Some(true));
    scene.driver(PodState::Ended(end(3, "Error")));
    scene.pass();
    assert_eq!(scene.state(), State::Failed);
}

#[test]
fn what_waits_and_becomes_wrong_fails_with_both_reasons_and_runs_once_it_is_right() {
    let mut scene = failing();
    scene.edit(|spec| spec.main_application_file = Some("s3://bucket/a.py".into()));
    assert!(short(&scene.pass()).is_empty());
    assert_eq!(scene.state(), State::Failed);
    let error = scene.status().application_state.error_message.unwrap();
    assert!(error.starts_with("the driver ended with exit code 3 (Error): last line; "), "{error}");
    assert!(error.contains("spec.mainApplicationFile: "), "{error}");
    scene.edit(|spec| spec.main_application_file = Some("local:///b.py".into()));
    assert_eq!(short(&scene.pass()), ["-pi-driver"]);
    scene.gone();
    scene.pass();
    assert_eq!((scene.state(), scene.status().execution_attempts), (State::Submitted, 0));
}

#[test]
fn an_application_that_is_refused_is_deleted_when_its_time_is_over() {
    let wrong = json!({ "timeToLiveSeconds": 30, "mainApplicationFile": "s3://bucket/a.py" });
    let mut scene = scene(wrong);
    let pass = scene.pass();
    assert_eq!((scene.state(), pass.again), (State::Failed, Some(Duration::from_secs(30))));
    scene.seconds += 29;
    assert!(short(&scene.pass()).is_empty());
    scene.seconds += 1;
    assert_eq!(short(&scene.pass()), ["-application"]);

    // One that ended, too, whatever it was changed to since.
    let mut scene = Scene::running(json!({ "timeToLiveSeconds": 30 }));
    scene.driver(PodState::Ended(end(0, "Completed")));
    scene.pass();
    scene.edit(|spec| spec.main_application_file = None);
    scene.seconds += 30;
    assert_eq!(short(&scene.pass()), ["-application"]);
}

#[test]
fn a_secret_of_somebody_else_is_named_and_tried_again_until_its_name_is_free() {
    let mut scene = scene(json!({}));
    assert_eq!(short(&scene.pass()), ["+secret pi-token", "+pi-driver"]);
    scene.seen.secret_taken = Timestamp::from_second(scene.seconds).ok();
    let pass = scene.pass();
    assert!(short(&pass).is_empty());
    assert_eq!((scene.state(), pass.again), (State::Submitted, Some(Duration::from_secs(2))));
    for type_ in ["DriverReady", "Progressing"] {
        assert_eq!(condition(&scene.status(), type_), ("False".into(), "NameTaken".into()));
    }
    let status = scene.status();
    let ready = status.conditions.iter().find(|known| known.type_ == "DriverReady").unwrap();
    assert!(ready.message.contains("secret pi-token"), "{}", ready.message);
    let said: Vec<_> = pass.events.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(said, ["SparkDriverPending"]);
    // Said once; tried again and again.
    scene.seconds += 2;
    let pass = scene.pass();
    assert_eq!(short(&pass), ["+secret pi-token", "+pi-driver"]);
    assert!(pass.events.is_empty());
    scene.seen.secret_taken = None;
    scene.driver(PodState::Running);
    scene.pass();
    assert_eq!(scene.state(), State::Running);
    assert_eq!(condition(&scene.status(), "DriverReady"), ("True".into(), "Running".into()));

    // Who waits can be stopped.
    let mut scene = self::scene(json!({}));
    scene.pass();
    scene.seen.secret_taken = Timestamp::from_second(scene.seconds).ok();
    scene.edit(|spec| spec.suspend = Some(true));
    scene.pass();
    assert_eq!(scene.state(), State::Suspended);
    assert_eq!(condition(&scene.status(), "Suspended").0, "True");
}

#[test]
fn a_driver_whose_token_is_lost_runs_on_and_that_nobody_asks_it_is_said() {
    let mut scene = Scene::running(json!({}));
    scene.seen.token_lost = true;
    let pass = scene.pass();
    assert_eq!(scene.state(), State::Running);
    assert_eq!(condition(&scene.status(), "ExecutorsReady"), ("False".into(), "TokenLost".into()));
    assert_eq!(pass.events.len(), 1);
    assert!(scene.pass().events.is_empty());
}
