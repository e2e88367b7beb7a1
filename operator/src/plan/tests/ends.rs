//! Obstacles to a pod's start, ends of pods, and what follows from them.

use super::*;
use crate::observe::RefusedExecutor;

fn nowhere(reason: &str) -> End {
    End { exit_code: None, reason: reason.into(), message: "m".into() }
}

fn few(reason: &str) -> Value {
    json!({ "sparkConf": { "spark.executor.maxNumFailures": "2" }, "executor": { "instances": 1, "labels": { "why": reason } } })
}

#[test]
fn only_executors_that_fail_on_their_own_count_towards_the_limit() {
    let cases = [
        // how each of five executors ends, resulting state of the application
        (end(1, "Error"), State::Failed),
        (end(137, "OOMKilled"), State::Failed),
        (nowhere("InitContainerFailed"), State::Failed),
        (end(137, "Error"), State::Running),
        (end(143, "Evicted"), State::Running),
        (end(143, "Preempted"), State::Running),
        (nowhere("NodeLost"), State::Running),
        (nowhere("Deleted"), State::Running),
    ];
    for (how, expected) in cases {
        let mut scene = Scene::running(few(&how.reason));
        for id in 0..5 {
            scene.executor(id, PodState::Ended(how.clone()));
            scene.wish(1, &[]);
            scene.pass();
        }
        assert_eq!(scene.state(), expected, "{how:?}");
        let status = scene.status();
        if expected == State::Running {
            assert_eq!((status.executors.failed, status.failures.len()), (5, 5), "{how:?}");
        } else {
            let error = status.application_state.error_message.unwrap();
            assert!(
                error.contains("3 executors failed on their own; the last, pi-exec-2: "),
                "{error}"
            );
        }
    }
}

#[test]
fn each_end_counts_once_however_many_there_are_at_a_time() {
    let mut scene = Scene::running(json!({ "executor": { "instances": 60 } }));
    let many = i32::try_from(2 * crd::FAILURES_KEPT).unwrap();
    let ids: Vec<u64> = (0..many.unsigned_abs()).map(u64::from).collect();
    for &id in &ids {
        scene.executor(id, PodState::Ended(end(1, "Error")));
    }
    scene.wish(0, &[]);
    for _ in 0..3 {
        scene.pass();
        assert_eq!(scene.status().executors.failed, many);
    }
    scene.wish(0, &ids);
    scene.pass();
    scene.seen.executors.retain(|id, _| !ids.contains(id));
    scene.pass();
    let status = scene.status();
    assert_eq!((status.executors.failed, status.executors.completed), (many, 0));
    assert!(status.settled_executors.is_empty());
}

#[test]
fn executors_that_fail_to_start_are_replaced_after_a_backoff() {
    let mut scene = Scene::running(json!({ "executor": { "instances": 1 } }));
    scene.executor(0, PodState::Ended(nowhere("OutOfcpu")));
    scene.wish(1, &[]);
    let pass = scene.pass();
    assert_eq!((short(&pass), pass.requeue_after), (vec![], Some(Duration::from_secs(10))));
    scene.seconds += 10;
    assert_eq!(short(&scene.pass()), ["+pi-exec-1"]);
    // An executor that ran is replaced at once, and so is one whose node is gone.
    for how in [end(1, "Error"), nowhere("NodeLost"), nowhere("Deleted")] {
        let mut scene = Scene::running(json!({ "executor": { "instances": 1 } }));
        scene.executor(0, PodState::Ended(how.clone()));
        scene.wish(1, &[]);
        assert_eq!(short(&scene.pass()), ["+pi-exec-1"], "{how:?}");
    }
}

#[test]
fn executors_that_cannot_be_created_are_reported_and_retried_later() {
    let mut scene = Scene::running(json!({ "executor": { "instances": 1 } }));
    scene.wish(1, &[]);
    let at = Timestamp::from_second(scene.seconds).unwrap();
    scene.seen.refused_executor = Some(RefusedExecutor {
        reason: "FailedCreate".into(),
        message: "exceeded quota".into(),
        at,
    });
    let pass = scene.pass();
    assert_eq!((short(&pass), pass.requeue_after), (vec![], Some(Duration::from_secs(10))));
    assert_eq!(condition(&pass.status, "ExecutorsReady"), ("False".into(), "FailedCreate".into()));
    assert_eq!(pass.events[0].message, "an executor: FailedCreate: exceeded quota");
    assert!(scene.pass().events.is_empty(), "published once");
    scene.seconds += 10;
    assert_eq!(short(&scene.pass()), ["+pi-exec-0"]);
}

#[test]
fn the_end_of_a_pod_on_a_lost_node_is_recorded_before_its_removal() {
    let mut scene =
        Scene::running(json!({ "restartPolicy": { "type": "OnFailure", "onFailureRetries": 1 } }));
    scene.executor(0, PodState::Running);
    scene.wish(1, &[]);
    let ends_by = Timestamp::from_second(scene.seconds).ok();
    scene.seen.executors.get_mut(&0).unwrap().pod.ends_by = ends_by;
    let pass = scene.pass();
    assert!(matches!(pass.facts.unwrap()[&0], Fact::Leaving { .. }));
    scene.seconds += 60;
    let pass = scene.pass();
    assert_eq!(short(&pass), ["!pi-exec-0", "+pi-exec-1", "+pi-exec-2"]);
    let failure = scene.status().failures[0].clone();
    assert_eq!((failure.name.as_str(), failure.reason.as_str()), ("pi-exec-0", "NodeLost"));
    scene.executor(1, PodState::Unknown);
    scene.seen.drivers[0].ends_by = ends_by;
    scene.driver_is(PodState::Unknown);
    let pass = scene.pass();
    assert!(short(&pass).contains(&"!pi-driver".to_owned()));
    let failure = scene.status().failures.back().cloned().unwrap();
    assert_eq!((failure.name.as_str(), failure.reason.as_str()), ("pi-driver", "NodeLost"));
    assert_eq!(scene.state(), State::PendingRerun);
    // Its end is remembered once the pod is gone.
    scene.gone();
    scene.pass();
    assert_eq!(scene.state(), State::Submitted);
    assert_eq!(scene.status().failures.back(), Some(&failure));
}

#[test]
fn the_last_lines_of_a_drivers_message_are_kept() {
    let mut scene = Scene::running(json!({}));
    let message = format!("{}ValueError: the reason", "Traceback ü\n".repeat(1000));
    scene.driver(PodState::Ended(End { exit_code: Some(1), reason: "Error".into(), message }));
    scene.pass();
    let status = scene.status();
    let error = status.application_state.error_message.unwrap();
    assert!(error.starts_with("the driver ended with exit code 1 (Error): … "), "{error}");
    assert!(error.ends_with("ValueError: the reason") && error.len() < 1200, "{error}");
    assert!(status.failures[0].message.ends_with("ValueError: the reason"));
    assert_eq!(condition(&scene.status(), "DriverReady"), ("False".into(), "Error".into()));
}

#[test]
fn an_obstacle_to_a_drivers_start_is_reported_once_and_forgotten_when_it_is_gone() {
    let mut scene = scene(json!({}));
    scene.pass();
    assert_eq!(condition(&scene.status(), "Progressing"), ("True".into(), "Submitted".into()));
    let mut events = 0;
    for reason in ["ErrImagePull", "ImagePullBackOff", "ErrImagePull", "ImagePullBackOff"] {
        let trouble = Trouble { reason: reason.into(), message: "not found".into() };
        scene.driver(PodState::Pending { trouble: Some(trouble) });
        events += scene.pass().events.len();
        assert_eq!(condition(&scene.status(), "DriverReady"), ("False".into(), reason.into()));
        assert_eq!(condition(&scene.status(), "Progressing"), ("False".into(), reason.into()));
    }
    assert_eq!(events, 1);
    scene.driver(PodState::Running);
    scene.pass();
    assert_eq!(condition(&scene.status(), "Progressing"), ("True".into(), "Running".into()));
    scene.driver(PodState::Ended(end(0, "Completed")));
    scene.pass();
    assert_eq!(condition(&scene.status(), "Progressing"), ("False".into(), "Completed".into()));

    // The user may still change the specification.
    let mut stuck = self::scene(json!({}));
    stuck.pass();
    let trouble = Trouble { reason: "Unschedulable".into(), message: "0/3 nodes".into() };
    stuck.driver(PodState::Pending { trouble: Some(trouble) });
    stuck.pass();
    stuck.edit(|spec| spec.driver.pod.cores = Some(1));
    assert_eq!(short(&stuck.pass()), ["-pi-driver"]);
    assert_eq!(stuck.state(), State::Invalidating);
    stuck.edit(|spec| spec.suspend = Some(true));
    stuck.gone();
    stuck.pass();
    assert_eq!(condition(&stuck.status(), "Progressing"), ("False".into(), "Suspended".into()));
}

#[test]
fn an_application_that_is_being_deleted_is_left_alone_in_every_state() {
    let states = [
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
    for state in states {
        for gone in [false, true] {
            let mut scene = Scene::running(json!({ "timeToLiveSeconds": 1 }));
            scene.executor(0, PodState::Running);
            scene.wish(2, &[]);
            scene.resource.status.as_mut().unwrap().application_state.state = state;
            let now = Timestamp::from_second(scene.seconds).unwrap();
            scene.resource.metadata.deletion_timestamp =
                Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
            if gone {
                scene.gone();
            }
            scene.seconds += 1000;
            let before = scene.status();
            let pass = scene.try_pass();
            let is_quiet = pass.changes.is_empty() && pass.events.is_empty() && !pass.refresh;
            assert!(is_quiet && pass.facts.is_none() && pass.status == before, "{state:?}");
        }
    }
}
