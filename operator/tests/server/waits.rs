//! Applications that are stopped, changed or deleted while they wait.

use crate::drivers::Script;
use crate::place::{Place, application, eventually};
use crd::{SparkApplication, State};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

async fn edit(place: &Place, name: &str, spec: Value) {
    let change = Patch::Merge(json!({ "spec": spec }));
    place.applications().patch(name, &PatchParams::default(), &change).await.expect("patched");
}

fn condition(app: &SparkApplication, type_: &str) -> (String, String) {
    let conditions = app.status.iter().flat_map(|status| &status.conditions);
    let mut found = conditions.filter(|known| known.type_ == type_);
    found.next().map(|known| (known.reason.clone(), known.message.clone())).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn a_pending_rerun_is_suspended_and_changed_at_once() {
    let place = Place::new("waits").await;
    let drivers = place.play(Script { executors: 0, exits: vec![3, 0] });
    let _operator = place.operator(None);
    let again =
        json!({ "type": "OnFailure", "onFailureRetries": 9, "onFailureRetryInterval": 3600 });
    for name in ["suspended", "changed"] {
        place.create(&application(name, json!({ "restartPolicy": again }))).await;
        place.until(name, State::Failing).await;
    }
    edit(&place, "suspended", json!({ "suspend": true })).await;
    place.until("suspended", State::Suspended).await;
    edit(&place, "suspended", json!({ "suspend": false })).await;
    edit(&place, "changed", json!({ "arguments": ["other"] })).await;
    for name in ["suspended", "changed"] {
        let status = place.until(name, State::Completed).await.status.expect("a status");
        assert_eq!(status.execution_attempts, 1, "the counter was reset");
    }
    assert_eq!(drivers.runs().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn a_refused_application_is_deleted_when_its_time_to_live_is_over() {
    let place = Place::new("refused-ttl").await;
    let _operator = place.operator(None);
    let wrong =
        json!({ "timeToLiveSeconds": 1, "driver": { "affinity": { "nodeAffinity": "near" } } });
    place.create(&application("one", wrong)).await;
    eventually("it is gone", async || {
        place.applications().get_opt("one").await.expect("an answer").is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn a_foreign_secret_is_reported_and_waited_for() {
    let place = Place::new("secret").await;
    let _drivers = place.play(Script { executors: 0, exits: vec![0] });
    let _operator = place.operator(None);
    let secrets: Api<Secret> = Api::namespaced(place.admin.clone(), &place.namespace);
    let foreign = serde_json::from_value(json!({ "metadata": { "name": "one-token" } }));
    let foreign = foreign.expect("a secret");
    secrets.create(&PostParams::default(), &foreign).await.expect("created");
    place.create(&application("one", json!({}))).await;
    eventually("the condition", async || {
        let app = place.applications().get("one").await.expect("the application");
        let (reason, message) = condition(&app, "DriverReady");
        reason == "NameTaken" && message.contains("secret one-token")
    })
    .await;
    assert!(place.pods("spark-role=driver").await.is_empty());
    secrets.delete("one-token", &DeleteParams::default()).await.expect("deleted");
    place.until("one", State::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn long_arguments_and_chosen_names_are_in_the_pods() {
    let place = Place::new("long").await;
    // It never gets as many as it wants, and so runs on.
    let _drivers = place.play(Script { executors: 3, exits: vec![0] });
    let _operator = place.operator(None);
    let wanted = json!({
        "arguments": vec!["x".repeat(20_000); 8],
        "sparkConf": {
            "spark.kubernetes.driver.pod.name": "the-driver",
            "spark.kubernetes.executor.podNamePrefix": "workers",
        },
    });
    place.create(&application("one", wanted)).await;
    eventually("executors are named so", async || {
        let pods = place.pods("spark-role=executor").await;
        let mut names: Vec<_> = pods.iter().map(ResourceExt::name_any).collect();
        names.sort();
        names == ["workers-exec-0", "workers-exec-1"]
    })
    .await;
    let drivers = place.pods("spark-role=driver").await;
    assert_eq!(drivers[0].name_any(), "the-driver");
    let bytes = drivers[0].spec.iter().flat_map(|spec| &spec.containers);
    let bytes = bytes.flat_map(|container| container.env.iter().flatten());
    let bytes = bytes.filter_map(|variable| variable.value.as_ref()).map(String::len);
    assert!(bytes.clone().sum::<usize>() > 160_000 && bytes.max() < Some(100_000));
}
