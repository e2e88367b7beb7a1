//! Numbers of executors and their ids, and the handling of those that end.

use super::*;

#[test]
fn an_executor_that_no_watch_shows_yet_is_not_created_a_second_time() {
    let mut scene = Scene::running(json!({}));
    scene.wish(2, &[]);
    let pass = scene.pass();
    assert_eq!(short(&pass), ["+pi-exec-0", "+pi-exec-1"]);
    let facts = pass.facts.expect("facts");
    assert_eq!(facts, BTreeMap::from([(0, Fact::Starting), (1, Fact::Starting)]));
    // The second one is seen first.
    scene.seen.attached.as_mut().unwrap().reported = facts.into_keys().collect();
    scene.executor(1, PodState::Running);
    scene.seen.view = View::Cached;
    let pass = scene.try_pass();
    assert!(pass.refresh && short(&pass).is_empty(), "{pass:?}");
}

#[test]
fn executors_are_counted_once_however_often_their_end_is_seen() {
    let bounds = json!({ "enabled": true, "minExecutors": 0, "maxExecutors": 3 });
    let mut scene = Scene::running(json!({ "dynamicAllocation": bounds, "executor": {} }));
    for id in [0, 1] {
        scene.executor(id, PodState::Running);
    }
    scene.wish(2, &[]);
    scene.pass();
    scene.wish(1, &[1]);
    for _ in 0..3 {
        // The watch lags behind: the deleted pod still seems to run.
        assert_eq!(short(&scene.pass()), ["-pi-exec-1"]);
    }
    assert_eq!(scene.status().executors.completed, 0);
    scene.seen.executors.remove(&1);
    scene.pass();
    let counts = scene.status().executors;
    assert_eq!((counts.made, counts.completed, counts.failed), (2, 1, 0));
}

#[test]
fn there_are_as_many_executors_as_the_driver_wants_within_the_bounds() {
    let dynamic = json!({ "dynamicAllocation": { "enabled": true, "minExecutors": 1, "maxExecutors": 3 }, "executor": {} });
    let cases = [
        // specification, wanted, existing, changes
        (json!({}), 2, vec![], vec!["+pi-exec-0", "+pi-exec-1"]),
        (json!({}), 2, vec![0, 1], vec![]),
        (json!({}), 9, vec![0], vec!["+pi-exec-1"]),
        (dynamic.clone(), 0, vec![], vec!["+pi-exec-0"]),
        (dynamic.clone(), 9, vec![4], vec!["+pi-exec-5", "+pi-exec-6"]),
        // The driver decides which surplus executors go.
        (dynamic, 1, vec![0, 1, 2], vec![]),
    ];
    for (spec, wished, there, expected) in cases {
        let mut scene = Scene::running(spec.clone());
        for id in there {
            scene.executor(id, PodState::Running);
        }
        assert!(short(&scene.pass()).is_empty(), "nothing before the driver says so");
        scene.wish(wished, &[]);
        assert_eq!(short(&scene.pass()), expected, "{spec} {wished}");
    }
}

#[test]
fn an_executor_that_ended_is_reported_recorded_and_replaced() {
    let mut scene = Scene::running(json!({}));
    scene.executor(0, PodState::Running);
    scene.executor(1, PodState::Ended(end(137, "OOMKilled")));
    scene.wish(2, &[]);
    let pass = scene.pass();
    assert_eq!(short(&pass), ["+pi-exec-2"]);
    let facts = pass.facts.unwrap();
    assert_eq!(facts[&0], Fact::Running);
    let lost_volumes = vec!["executor-1".to_owned()];
    assert_eq!(facts[&1], Fact::Ended { end: end(137, "OOMKilled"), lost_volumes });
    let status = scene.status();
    assert_eq!((status.executors.failed, status.failures.len()), (1, 1));
    assert_eq!(status.failures[0].reason, "OOMKilled");
    scene.executor(2, PodState::Pending { trouble: None });
    // Recorded once, and the pod is deleted once the driver has seen its end.
    assert!(short(&scene.pass()).is_empty());
    assert_eq!(scene.status().executors.failed, 1);
    scene.wish(2, &[1]);
    let pass = scene.pass();
    assert_eq!(short(&pass), ["-pi-exec-1"]);
    assert!(!pass.facts.unwrap().contains_key(&1));
    assert_eq!((scene.status().executors.running, scene.status().executors.pending), (1, 1));
}

#[test]
fn an_ended_executor_is_kept_if_the_manifest_says_so() {
    let mut scene =
        Scene::running(json!({ "executor": { "instances": 1, "deleteOnTermination": false } }));
    scene.executor(0, PodState::Ended(end(1, "Error")));
    scene.wish(1, &[0]);
    assert_eq!(short(&scene.pass()), ["~pi-exec-0", "+pi-exec-1"]);
    scene.seen.executors.get_mut(&0).unwrap().inactive = true;
    scene.executor(1, PodState::Running);
    assert!(short(&scene.pass()).is_empty());
    // A kept pod does not keep the program from running again.
    scene.driver(PodState::Ended(end(0, "Completed")));
    assert_eq!(short(&scene.pass()), ["-pi-exec-1"]);
}

#[test]
fn an_executor_that_the_driver_releases_is_deleted() {
    let mut scene = Scene::running(json!({}));
    scene.executor(0, PodState::Running);
    scene.executor(1, PodState::Running);
    scene.wish(2, &[1]);
    let pass = scene.pass();
    assert_eq!(short(&pass), ["-pi-exec-1", "+pi-exec-2"]);
    scene.seen.executors.get_mut(&1).unwrap().pod.ends_by =
        Timestamp::from_second(scene.seconds + 30).ok();
    scene.executor(2, PodState::Running);
    let pass = scene.pass();
    assert!(short(&pass).is_empty());
    assert!(matches!(pass.facts.unwrap()[&1], Fact::Leaving { .. }));
}

#[test]
fn an_executor_whose_pod_was_deleted_is_reported_and_replaced() {
    let mut scene = Scene::running(json!({}));
    scene.executor(0, PodState::Running);
    scene.wish(2, &[]);
    let attached = scene.seen.attached.as_mut().unwrap();
    (attached.reported, attached.executors) = ([0, 1].into(), [(0, true), (1, true)].into());
    scene.seen.view = View::Cached;
    let hasty = scene.try_pass();
    assert!(hasty.refresh, "a watch may be late");
    let pass = scene.pass();
    assert_eq!(short(&pass), ["+pi-exec-2"]);
    assert!(matches!(&pass.facts.unwrap()[&1], Fact::Ended { end, .. } if end.reason == "Deleted"));
    assert_eq!(scene.status().failures[0].name, "pi-exec-1");
    // An executor that never reached the driver is replaced, and nothing has failed.
    scene.executor(2, PodState::Running);
    scene.wish(2, &[1]);
    scene.seen.attached.as_mut().unwrap().reported = [0, 2, 3].into();
    scene.executor(0, PodState::Ended(end(0, "Completed")));
    let pass = scene.pass();
    assert_eq!((short(&pass), scene.status().failures.len()), (vec!["+pi-exec-4".to_owned()], 1));
    assert!(matches!(pass.facts.unwrap()[&3], Fact::Ended { .. }));
}

#[test]
fn executor_numbers_are_never_reused() {
    let mut scene = Scene::running(json!({ "executor": { "instances": 1 } }));
    let mut given = std::collections::BTreeSet::new();
    for _ in 0..20 {
        scene.seen.attached = None;
        scene.wish(1, &[]);
        let made = short(&scene.pass());
        assert_eq!(made.len(), 1);
        assert!(given.insert(made[0].clone()), "{made:?} of {given:?}");
        let id = made[0].rsplit('-').next().unwrap().parse().unwrap();
        scene.executor(id, PodState::Ended(end(0, "Completed")));
        scene.wish(0, &[id]);
        assert_eq!(short(&scene.pass()).first(), Some(&format!("-pi-exec-{id}")));
        // Nothing remembers it: the pod is gone, and the operator has restarted.
        scene.seen.executors.clear();
    }
}

#[test]
fn too_many_failed_executors_fail_the_application() {
    let mut scene = Scene::running(
        json!({ "sparkConf": { "spark.executor.maxNumFailures": "2" }, "executor": { "instances": 1 } }),
    );
    for id in 0..3 {
        scene.executor(id, PodState::Ended(end(1, "Error")));
        scene.wish(1, &[]);
        scene.pass();
    }
    let pass = scene.pass();
    assert_eq!(scene.state(), State::Failed);
    assert!(short(&pass).contains(&"-pi-driver".to_owned()));
    let error = scene.status().application_state.error_message.unwrap();
    assert!(error.contains("3 executors failed on their own"), "{error}");
}
