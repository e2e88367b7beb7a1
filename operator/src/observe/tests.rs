//! Pod statuses and the snapshots taken from them.

use super::*;
use serde_json::{Value, json};

fn pod(status: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": "pi-driver", "uid": "u", "labels": { "firesteel.dev/submission-id": "s-1" } },
        "status": status,
    }))
    .unwrap()
}

fn read(status: Value) -> PodState {
    PodFacts::read(&pod(status), names::DRIVER_CONTAINER).state
}

fn ended(exit_code: Option<i32>, reason: &str, message: &str) -> PodState {
    PodState::Ended(End { exit_code, reason: reason.into(), message: message.into() })
}

fn trouble(reason: &str, message: &str) -> PodState {
    let trouble = Trouble { reason: reason.into(), message: message.into() };
    PodState::Pending { trouble: Some(trouble) }
}

fn spark(state: Value) -> Value {
    json!([{ "name": "spark-kubernetes-driver", "state": state }])
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_pod_has_the_state_of_its_spark_container() {
    let sidecar = json!({ "name": "istio-proxy", "state": { "running": {} } });
    let killed = json!({ "name": "spark-kubernetes-driver",
        "state": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } } });
    let disrupted = |reason| json!([{ "type": "DisruptionTarget", "status": "True", "reason": reason, "message": "m" }]);
    let exit =
        |code| json!({ "terminated": { "exitCode": code, "reason": "Error", "message": "boom" } });
    let cases = [
        ("nothing is known", json!({}), PodState::Pending { trouble: None }),
        (
            "it is being made",
            json!({ "phase": "Pending", "containerStatuses": spark(json!({ "waiting": { "reason": "ContainerCreating" } })) }),
            PodState::Pending { trouble: None },
        ),
        (
            "its image is not there",
            json!({ "phase": "Pending", "containerStatuses": spark(json!({ "waiting": { "reason": "ErrImagePull", "message": "no such image" } })) }),
            trouble("ErrImagePull", "no such image"),
        ),
        (
            "the image of an init container is not there",
            json!({ "phase": "Pending", "initContainerStatuses": [{ "name": "i", "state": { "waiting": { "reason": "ImagePullBackOff" } } }],
                "containerStatuses": spark(json!({ "waiting": { "reason": "PodInitializing" } })) }),
            trouble("ImagePullBackOff", ""),
        ),
        (
            "no node has room",
            json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes" }] }),
            trouble("Unschedulable", "0/3 nodes"),
        ),
        (
            "it runs",
            json!({ "phase": "Running", "containerStatuses": spark(json!({ "running": {} })) }),
            PodState::Running,
        ),
        (
            "the driver was killed and a sidecar runs on",
            json!({ "phase": "Running", "containerStatuses": [sidecar, killed] }),
            ended(Some(137), "OOMKilled", ""),
        ),
        (
            "it ended well",
            json!({ "phase": "Succeeded", "containerStatuses": spark(json!({ "terminated": { "exitCode": 0 } })) }),
            ended(Some(0), "Completed", ""),
        ),
        (
            "the program failed",
            json!({ "phase": "Failed", "containerStatuses": spark(exit(3)) }),
            ended(Some(3), "Error", "boom"),
        ),
        (
            "it was evicted before it started",
            json!({ "phase": "Failed", "reason": "Evicted", "message": "disk pressure" }),
            ended(None, "Evicted", "disk pressure"),
        ),
        (
            "it was preempted",
            json!({ "phase": "Failed", "conditions": disrupted("PreemptionByScheduler"), "containerStatuses": spark(json!({ "terminated": { "exitCode": 143, "reason": "Error" } })) }),
            ended(Some(143), "Preempted", "m"),
        ),
        (
            "its node was lost",
            json!({ "phase": "Failed", "conditions": disrupted("DeletionByTaintManager") }),
            ended(None, "NodeLost", "m"),
        ),
        (
            "it ended well while its node was drained",
            json!({ "phase": "Succeeded", "conditions": disrupted("EvictionByEvictionAPI"), "containerStatuses": spark(json!({ "terminated": { "exitCode": 0, "reason": "Completed" } })) }),
            ended(Some(0), "Completed", ""),
        ),
        (
            "an init container failed",
            json!({ "phase": "Failed", "initContainerStatuses": [{ "name": "fetch", "state": { "terminated": { "exitCode": 2 } } }] }),
            ended(None, "InitContainerFailed", "init container fetch ended with exit code 2"),
        ),
        ("its node does not answer", json!({ "phase": "Unknown" }), PodState::Unknown),
    ];
    for (name, status, expected) in cases {
        let mut status = status;
        for list in ["containerStatuses", "initContainerStatuses"] {
            for container in status[list].as_array_mut().into_iter().flatten() {
                container["image"] = json!("i");
                container["imageID"] = json!("");
                container["ready"] = json!(false);
                container["restartCount"] = json!(0);
            }
        }
        if status["containerStatuses"].is_null() {
            status.as_object_mut().unwrap().remove("containerStatuses");
        }
        if status["initContainerStatuses"].is_null() {
            status.as_object_mut().unwrap().remove("initContainerStatuses");
        }
        assert_eq!(read(status), expected, "{name}");
    }
}

#[test]
fn a_pod_whose_deletion_was_requested_did_not_fail_on_its_own() {
    let read = |state: Value, is_deleted: bool| {
        let container = json!({ "name": "spark-kubernetes-driver", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": { "terminated": state } });
        let mut pod = pod(json!({ "phase": "Failed", "containerStatuses": [container] }));
        let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH);
        pod.metadata.deletion_timestamp = is_deleted.then_some(time);
        PodFacts::read(&pod, names::DRIVER_CONTAINER).state
    };
    let killed = json!({ "exitCode": 143, "reason": "Error" });
    assert_eq!(read(killed.clone(), true), ended(Some(143), "Deleted", "the pod was deleted"));
    assert_eq!(read(killed, false), ended(Some(143), "Error", ""));
    let state = json!({ "exitCode": 137, "reason": "Error", "message": "last line" });
    assert_eq!(read(state, true), ended(Some(137), "Deleted", "last line"));
    for (code, reason) in [(1, "Error"), (137, "OOMKilled"), (0, "Completed")] {
        let state = json!({ "exitCode": code, "reason": reason });
        assert_eq!(read(state, true), ended(Some(code), reason, ""));
    }
}

#[test]
fn ends_are_told_apart_by_their_cause() {
    let end =
        |exit_code, reason: &str| End { exit_code, reason: reason.into(), message: String::new() };
    for (of, own) in [
        (end(Some(1), "Error"), true),
        (end(Some(137), "OOMKilled"), true),
        (end(Some(137), "Error"), false),
        (end(Some(143), "Error"), false),
        (end(Some(134), "Error"), true),
        (end(Some(139), "Error"), true),
        (end(Some(1), "Evicted"), false),
        (end(None, "NodeLost"), false),
        (end(Some(0), "Completed"), false),
    ] {
        assert_eq!(of.is_own_doing(), own, "{of:?}");
    }
}

#[test]
fn an_executor_has_a_number_and_a_slot() {
    let mut executor = pod(json!({ "phase": "Running" }));
    assert_eq!(ExecutorFacts::read(&executor), None);
    let labels = executor.metadata.labels.as_mut().unwrap();
    labels.insert(names::EXECUTOR_ID.into(), "7".into());
    labels.insert(names::SLOT.into(), "2".into());
    let (id, facts) = ExecutorFacts::read(&executor).unwrap();
    assert_eq!((id, facts.slot, facts.inactive, facts.is_living()), (7, 2, false, true));
    assert_eq!(facts.pod.submission, "s-1");
}
