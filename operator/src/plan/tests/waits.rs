//! Applications that wait: for their next run, for a name held by another owner, for the end of
//! their time to live.

use super::*;

/// Advances to a failed run that waits for the next one.
fn failing() -> Scene {
    let again = json!({ "type": "OnFailure", "onFailureRetries": 3, "onFailureRetryInterval": 60 });
    let mut scene = Scene::running(json!({ "restartPolicy": again }));
    scene.driver(PodState::Ended(end(3, "Error")));
    scene.pass();
    assert_eq!(scene.state(), State::Failing);
    scene
}

#[test]
fn an_edit_takes_effect_while_the_next_run_is_pending() {
    let mut scene = failing();
    scene.edit(|spec| spec.arguments = vec!["other".into()]);
    assert_eq!(short(&scene.pass()), ["-pi-driver"]);
    assert_eq!((scene.state(), scene.status().observed_generation), (State::Invalidating, Some(2)));
    scene.gone();
    scene.pass();
    // At once, and with the counters reset.
    assert_eq!((scene.state(), scene.status().execution_attempts), (State::Submitted, 0));
    assert!(scene.submission().ends_with("-2"));
}

#[test]
fn an_application_can_be_suspended_while_its_next_run_is_pending() {
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
fn a_run_that_exhausted_its_retries_has_failed_whatever_is_edited_then() {
    let mut scene = Scene::running(json!({}));
    scene.edit(|spec| spec.suspend = Some(true));
    scene.driver(PodState::Ended(end(3, "Error")));
    scene.pass();
    assert_eq!(scene.state(), State::Failed);
}

#[test]
fn a_pending_rerun_made_invalid_fails_with_both_reasons_and_runs_once_corrected() {
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
fn a_refused_application_is_deleted_when_its_time_to_live_is_over() {
    let wrong = json!({ "timeToLiveSeconds": 30, "mainApplicationFile": "s3://bucket/a.py" });
    let mut scene = scene(wrong);
    let pass = scene.pass();
    assert_eq!((scene.state(), pass.requeue_after), (State::Failed, Some(Duration::from_secs(30))));
    scene.seconds += 29;
    assert!(short(&scene.pass()).is_empty());
    scene.seconds += 1;
    assert_eq!(short(&scene.pass()), ["-application"]);

    // So is an ended one, whatever it was changed to since.
    let mut scene = Scene::running(json!({ "timeToLiveSeconds": 30 }));
    scene.driver(PodState::Ended(end(0, "Completed")));
    scene.pass();
    scene.edit(|spec| spec.main_application_file = None);
    scene.seconds += 30;
    assert_eq!(short(&scene.pass()), ["-application"]);
}

#[test]
fn a_foreign_secret_is_reported_and_retried_until_its_name_is_free() {
    let mut scene = scene(json!({}));
    assert_eq!(short(&scene.pass()), ["+secret pi-token", "+pi-driver"]);
    scene.seen.secret_taken = Timestamp::from_second(scene.seconds).ok();
    let pass = scene.pass();
    assert!(short(&pass).is_empty());
    assert_eq!(
        (scene.state(), pass.requeue_after),
        (State::Submitted, Some(Duration::from_secs(2)))
    );
    for type_ in ["DriverReady", "Progressing"] {
        assert_eq!(condition(&scene.status(), type_), ("False".into(), "NameTaken".into()));
    }
    let status = scene.status();
    let ready = status.conditions.iter().find(|known| known.type_ == "DriverReady").unwrap();
    assert!(ready.message.contains("secret pi-token"), "{}", ready.message);
    let reasons: Vec<_> = pass.events.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(reasons, ["SparkDriverPending"]);
    // Published once; retried indefinitely.
    scene.seconds += 2;
    let pass = scene.pass();
    assert_eq!(short(&pass), ["+secret pi-token", "+pi-driver"]);
    assert!(pass.events.is_empty());
    scene.seen.secret_taken = None;
    scene.driver(PodState::Running);
    scene.pass();
    assert_eq!(scene.state(), State::Running);
    assert_eq!(condition(&scene.status(), "DriverReady"), ("True".into(), "Running".into()));

    // A waiting application can be suspended.
    let mut scene = self::scene(json!({}));
    scene.pass();
    scene.seen.secret_taken = Timestamp::from_second(scene.seconds).ok();
    scene.edit(|spec| spec.suspend = Some(true));
    scene.pass();
    assert_eq!(scene.state(), State::Suspended);
    assert_eq!(condition(&scene.status(), "Suspended").0, "True");
}

#[test]
fn a_driver_whose_token_is_lost_runs_on_and_that_is_reported() {
    let mut scene = Scene::running(json!({}));
    scene.seen.token_lost = true;
    let pass = scene.pass();
    assert_eq!(scene.state(), State::Running);
    assert_eq!(condition(&scene.status(), "ExecutorsReady"), ("False".into(), "TokenLost".into()));
    assert_eq!(pass.events.len(), 1);
    assert!(scene.pass().events.is_empty());
}
