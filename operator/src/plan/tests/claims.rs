//! Claims and their life.

use super::*;
use crate::objects;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};

const VOLUME: &str = "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1";

/// A manifest whose executors have claims, with further settings.
fn manifest(claim: &str, size: Option<&str>, more: Value) -> Value {
    let mut conf = json!({
        format!("{VOLUME}.mount.path"): "/data", format!("{VOLUME}.options.claimName"): claim,
        format!("{VOLUME}.label.team"): "a",
    });
    if let Some(size) = size {
        conf[format!("{VOLUME}.options.sizeLimit")] = json!(size);
    }
    for (name, value) in more.as_object().unwrap() {
        conf[name] = value.clone();
    }
    json!({ "sparkConf": conf, "executor": { "instances": 1 } })
}

fn made(pass: &Pass) -> (Vec<PersistentVolumeClaim>, Option<Pod>) {
    let mut claims = Vec::new();
    let mut pod = None;
    for change in &pass.changes {
        match change {
            Change::Create(Object::Claim(claim)) => claims.push((**claim).clone()),
            Change::Create(Object::Pod(made)) => pod = Some((**made).clone()),
            _ => {}
        }
    }
    (claims, pod)
}

fn retained(status: &SparkApplicationStatus) -> Option<String> {
    let found = status.conditions.iter().find(|known| known.type_ == "ShuffleRetained");
    found.map(|found| found.message.clone())
}

#[test]
fn a_claim_goes_with_its_pod_or_with_the_application_or_stays() {
    let own = "pi-exec-slot-0-spark-local-dir-1";
    let cases = [
        // settings, name of the created claim, whether it has an owner
        (manifest("OnDemand", Some("1Gi"), json!({})), Some((own, true))),
        (
            manifest(
                "OnDemand",
                Some("1Gi"),
                json!({ "firesteel.kubernetes.claims.retain": "never" }),
            ),
            Some((own, true)),
        ),
        (
            manifest(
                "OnDemand",
                Some("1Gi"),
                json!({ "firesteel.kubernetes.claims.retain": "always" }),
            ),
            Some((own, false)),
        ),
        (
            manifest(
                "OnDemand",
                Some("1Gi"),
                json!({ "spark.kubernetes.driver.ownPersistentVolumeClaim": "false" }),
            ),
            None,
        ),
        (
            manifest(
                "OnDemand",
                Some("1Gi"),
                json!({ "spark.kubernetes.driver.reusePersistentVolumeClaim": "false" }),
            ),
            None,
        ),
        (
            manifest("OnDemand", Some("1Gi"), json!({ "firesteel.shuffle.retain": "always" })),
            Some((own, false)),
        ),
        // It is there for the next run, until the application is deleted.
        (
            manifest("OnDemand", Some("1Gi"), json!({ "firesteel.shuffle.retain": "onFailure" })),
            Some((own, true)),
        ),
        // A claim shared by all executors belongs to none of them alone.
        (
            manifest(
                "ours",
                Some("1Gi"),
                json!({ "spark.kubernetes.driver.ownPersistentVolumeClaim": "false" }),
            ),
            Some(("ours", true)),
        ),
        // An existing claim is neither created nor deleted.
        (manifest("theirs", None, json!({ "firesteel.kubernetes.claims.retain": "always" })), None),
    ];
    for (spec, expected) in cases {
        let mut scene = Scene::running(spec.clone());
        scene.wish(1, &[]);
        let (claims, pod) = made(&scene.pass());
        let found = claims.first().map(|claim| {
            let labels = claim.metadata.labels.clone().unwrap();
            let has_owner = claim.metadata.owner_references.is_some();
            assert_eq!(
                (labels["team"].as_str(), labels.contains_key("firesteel.dev/retained")),
                ("a", !has_owner)
            );
            (claim.metadata.name.clone().unwrap(), has_owner)
        });
        let expected = expected.map(|(name, has_owner)| (name.to_owned(), has_owner));
        assert_eq!((claims.len(), found), (usize::from(expected.is_some()), expected), "{spec}");
        assert!(pod.is_some());
    }
}

#[test]
fn a_claim_that_goes_with_its_pod_is_made_by_kubernetes_and_lost_with_it() {
    let own = json!({ "spark.kubernetes.driver.ownPersistentVolumeClaim": "false" });
    let mut scene = Scene::running(manifest("OnDemand", Some("1Gi"), own));
    scene.wish(1, &[]);
    let (_, pod) = made(&scene.pass());
    let volumes = serde_json::to_value(&pod.unwrap().spec.unwrap().volumes).unwrap();
    let template = &volumes[0]["ephemeral"]["volumeClaimTemplate"];
    assert_eq!(template["spec"]["resources"]["requests"]["storage"], "1Gi");
    assert_eq!(template["metadata"]["labels"]["firesteel.dev/app-name"], "pi");
    scene.executor(0, PodState::Ended(end(1, "Error")));
    let facts = scene.pass().facts.unwrap();
    assert!(
        matches!(&facts[&0], Fact::Ended { lost_volumes, .. } if *lost_volumes == ["executor-0"])
    );
}

#[test]
fn places_where_data_stays_are_reported_by_name() {
    let always = || json!({ "firesteel.kubernetes.claims.retain": "always" });
    let mut spec = manifest("OnDemand", Some("1Gi"), always());
    spec["executor"] = json!({ "instances": 2 });
    let mut scene = Scene::running(spec);
    assert_eq!(retained(&scene.status()), None, "there are none yet");
    scene.wish(2, &[]);
    scene.pass();
    let expected = "data stays on claim pi-exec-slot-0-spark-local-dir-1, claim pi-exec-slot-1-spark-local-dir-1";
    assert_eq!(retained(&scene.status()).as_deref(), Some(expected));
    // From the status alone: also when the executors are gone.
    scene.driver(PodState::Ended(end(0, "Completed")));
    scene.pass();
    scene.gone();
    scene.pass();
    assert_eq!(
        (scene.state(), retained(&scene.status()).as_deref()),
        (State::Completed, Some(expected))
    );
    let cases = [
        (manifest("OnDemand", Some("1Gi"), json!({})), None),
        (
            manifest("theirs", None, json!({})),
            Some("data stays on claim theirs (until 24h after its end)"),
        ),
        (
            json!({
                "volumes": [{ "name": "spark-local-dir-1", "hostPath": { "path": "/mnt" } }],
                "executor": { "volumeMounts": [{ "name": "spark-local-dir-1", "mountPath": "/data" }] },
            }),
            Some("data stays on directory /mnt of nodes (until 24h after its end)"),
        ),
    ];
    for (spec, expected) in cases {
        let mut scene = Scene::running(spec.clone());
        scene.wish(1, &[]);
        scene.pass();
        assert_eq!(retained(&scene.status()).as_deref(), expected, "{spec}");
    }
}

#[test]
fn what_stays_on_the_volume_of_another_owner_is_reported_until_it_may_be_deleted() {
    let conf = |more: Value| manifest("theirs", None, more);
    let cases = [
        // settings, exit code of the program, what is reported after it
        (conf(json!({})), 0, None),
        (conf(json!({})), 1, Some("claim theirs (until 1970-01-13T13:46:40Z)")),
        (
            conf(
                json!({ "firesteel.shuffle.retain": "onFailure", "firesteel.shuffle.retain.time": "1m" }),
            ),
            1,
            Some("claim theirs (until 1970-01-12T14:46:40Z)"),
        ),
        (conf(json!({ "firesteel.shuffle.retain": "onFailure" })), 1, Some("claim theirs")),
        (conf(json!({ "firesteel.shuffle.retain": "onFailure" })), 0, None),
        (conf(json!({ "firesteel.shuffle.retain": "always" })), 0, Some("claim theirs")),
    ];
    for (spec, exit_code, expected) in cases {
        let mut scene = Scene::running(spec.clone());
        scene.wish(1, &[]);
        scene.pass();
        scene.driver(PodState::Ended(end(exit_code, "Completed")));
        scene.pass();
        scene.gone();
        scene.pass();
        let expected = expected.map(|place| format!("data stays on {place}"));
        assert_eq!(retained(&scene.status()), expected, "{spec} {exit_code}");
    }
}

#[test]
fn contradictory_fields_are_refused() {
    let cases = [
        (
            json!({ "firesteel.kubernetes.claims.retain": "always", "spark.kubernetes.driver.ownPersistentVolumeClaim": "false" }),
            "spec.sparkConf[firesteel.kubernetes.claims.retain]: is `always`, but spark.kubernetes.driver.ownPersistentVolumeClaim is false",
        ),
        (
            json!({ "firesteel.kubernetes.claims.retain": "sometimes" }),
            "spec.sparkConf[firesteel.kubernetes.claims.retain]: `sometimes` is neither `never` nor `always`",
        ),
        (
            json!({ "firesteel.shuffle.retain": "onFailure", "spark.kubernetes.driver.reusePersistentVolumeClaim": "false" }),
            "spec.sparkConf[firesteel.shuffle.retain]: is `onFailure`, but spark.kubernetes.driver.reusePersistentVolumeClaim is false",
        ),
        (
            json!({ "firesteel.shuffle.retain": "never", "firesteel.kubernetes.claims.retain": "always" }),
            "spec.sparkConf[firesteel.kubernetes.claims.retain]: is another name of firesteel.shuffle.retain, which has another value",
        ),
        (
            json!({ "firesteel.shuffle.retain": "sometimes" }),
            "spec.sparkConf[firesteel.shuffle.retain]: `sometimes` It should be one of 'never, onFailure, always'",
        ),
        (
            json!({ "spark.kubernetes.driver.reusePersistentVolumeClaim": "maybe" }),
            "spec.sparkConf[spark.kubernetes.driver.reusePersistentVolumeClaim]: `maybe` is neither true nor false",
        ),
    ];
    for (more, expected) in cases {
        let scene = scene(manifest("OnDemand", Some("1Gi"), more));
        let app = Application::read(&scene.resource, &scene.settings);
        assert!(app.unsupported.is_empty());
        let problems = app.valid.unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].to_string().starts_with(expected), "{problems:?}");
    }
    // The check looks only at claims that are created per pod.
    let app = scene(manifest(
        "OnDemand",
        Some("1Gi"),
        json!({ "firesteel.kubernetes.claims.retain": "always" }),
    ));
    let app = Application::read(&app.resource, &app.settings);
    assert_eq!(objects::remaining(&app, app.validated().unwrap(), 0, (false, None)), [""; 0]);
}

#[test]
fn an_executor_waits_for_the_claims_of_the_one_that_it_replaces() {
    let with_claims = manifest("OnDemand", Some("1Gi"), json!({}));
    let without = json!({ "executor": { "instances": 1 } });
    for (spec, waits) in [(with_claims, true), (without, false)] {
        let mut scene = Scene::running(spec);
        scene.executor(0, PodState::Running);
        scene.wish(1, &[]);
        scene.pass();
        scene.seen.executors.get_mut(&0).unwrap().pod.ends_by =
            Some(Timestamp::from_second(scene.seconds + 30).unwrap());
        let (_, pod) = made(&scene.pass());
        assert_eq!(pod.is_none(), waits);
        scene.seen.executors.clear();
        scene.seen.attached.as_mut().unwrap().reported = [0].into();
        let (_, pod) = made(&scene.pass());
        if waits {
            let labels = pod.expect("the next one").metadata.labels.expect("labels");
            assert_eq!(labels[names::SLOT], "0");
        }
    }
}

#[test]
fn claims_go_from_one_executor_to_the_next() {
    let key = |end: &str| {
        format!("spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1.{end}")
    };
    let mut scene = Scene::running(json!({ "sparkConf": {
        key("mount.path"): "/data", key("options.claimName"): "OnDemand", key("options.sizeLimit"): "5Gi",
    } }));
    scene.wish(2, &[]);
    let claim = |slot: u32| format!("pi-exec-slot-{slot}-spark-local-dir-1");
    assert_eq!(
        short(&scene.pass()),
        [
            format!("+claim {}", claim(0)),
            "+pi-exec-0".into(),
            format!("+claim {}", claim(1)),
            "+pi-exec-1".into()
        ]
    );
    scene.seen.claims = [claim(0), claim(1)].into();
    scene.executor(0, PodState::Ended(end(1, "Error")));
    scene.executor(1, PodState::Running);
    let pass = scene.pass();
    assert_eq!(short(&pass), ["+pi-exec-2"]);
    let Change::Create(object) = &pass.changes[0] else { panic!("{pass:?}") };
    let Object::Pod(pod) = object else { panic!("{pass:?}") };
    assert_eq!(pod.metadata.labels.as_ref().unwrap()[names::SLOT], "0");
    // The data on it is not lost.
    assert!(
        matches!(&pass.facts.unwrap()[&0], Fact::Ended { lost_volumes, .. } if lost_volumes.is_empty())
    );
}
