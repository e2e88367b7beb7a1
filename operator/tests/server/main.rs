//! The operator against a real API server, with the permissions that the chart grants and the
//! garbage collector running. Nodes and drivers are simulated: no container runs.
//!
//! The tests need a server of their own: `./dev e2e with-api cargo test -p crd -p operator --test
//! server -- --ignored`, which `./dev test` runs.

mod drivers;
mod kills;
mod manifests;
mod place;
mod waits;

use crd::{ScheduledSparkApplication, SparkApplication, State};
use drivers::Script;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kills::{Kill, Mode};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use place::{Place, application, eventually, state};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn a_program_runs_with_its_executors_and_leaves_nothing() {
    let place = Place::new("whole").await;
    let drivers = place.play(Script { executors: 2, exits: vec![0] });
    let operator = place.operator(None);
    place.create(&application("one", json!({}))).await;
    let app = place.until("one", State::Completed).await;
    let status = app.status.expect("a status");
    assert_eq!(
        (status.executors.made, status.executors.failed, status.execution_attempts),
        (2, 0, 1)
    );
    assert_eq!(status.progress.expect("progress").summary, "1/1 stages, 4/4 tasks");
    let runs = drivers.runs();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].executors, [0, 1].into(), "both were reported to the driver as running");
    eventually("executors go with the program", async || {
        place.pods("spark-role=executor").await.is_empty()
    })
    .await;
    assert_eq!(place.pods("spark-role=driver").await.len(), 1, "the driver stays as evidence");

    let delete = DeleteParams::default();
    place.applications().delete("one", &delete).await.expect("deleted");
    eventually("nothing is left", async || {
        let secrets = Api::<Secret>::namespaced(place.admin.clone(), &place.namespace);
        let secrets = secrets.list(&ListParams::default()).await.expect("secrets");
        place.pods("").await.is_empty() && secrets.items.is_empty()
    })
    .await;
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn an_operator_that_is_killed_at_any_write_runs_every_program_once() {
    for mode in [Mode::Before, Mode::After] {
        let place = Place::new(if mode == Mode::Before { "before" } else { "after" }).await;
        let drivers = place.play(Script { executors: 2, exits: vec![0] });
        for write in 0.. {
            let name = format!("app-{write}");
            let kill = Kill::at(write, mode);
            let first = place.operator(Some(&kill));
            place.create(&application(&name, json!({}))).await;
            tokio::select! {
                () = kill.done() => {}
                _ = place.until(&name, State::Completed) => {}
            }
            first.kill();
            let second = place.operator(None);
            let app = place.until(&name, State::Completed).await;
            let status = app.status.expect("a status");
            let runs = drivers.runs().into_iter().filter(|run| run.application == name).count();
            assert_eq!((runs, status.execution_attempts), (1, 1), "{mode:?} write {write}");
            eventually("executors go", async || place.pods("spark-role=executor").await.is_empty())
                .await;
            second.kill();
            if !kill.happened() {
                assert!(write > 8, "only {write} writes were seen");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn of_two_operators_one_leads_and_the_other_takes_over() {
    let place = Place::new("lease").await;
    let drivers = place.play(Script { executors: 1, exits: vec![0, 0] });
    let first = place.leased("first");
    place.create(&application("one", json!({}))).await;
    place.until("one", State::Completed).await;
    let second = place.leased("second");
    // Killed abruptly: its lease must expire.
    first.kill();
    place.create(&application("two", json!({}))).await;
    place.until("two", State::Completed).await;
    assert_eq!(drivers.runs().len(), 2);
    // Stopped by a signal, it releases its lease.
    second.stop().await;
    let third = place.leased("third");
    place.create(&application("three", json!({}))).await;
    place.until("three", State::Completed).await;
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn drivers_are_dialled_with_the_application_s_identity_where_it_asks_for_encryption() {
    let place = Place::new("tls").await;
    let drivers = place.play(Script { executors: 2, exits: vec![0] });
    let _operator = place.operator(None);
    let encrypted = json!({ "sparkConf": { "spark.ssl.rpc.enabled": "true" } });
    place.create(&application("secret", encrypted)).await;
    place.until("secret", State::Completed).await;
    // The driver ends only after two executors were reported over its stream.
    assert_eq!(drivers.runs().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn a_program_that_fails_runs_again_as_often_as_it_may() {
    let place = Place::new("again").await;
    let drivers = place.play(Script { executors: 1, exits: vec![3, 4, 0] });
    let _operator = place.operator(None);
    let again = json!({ "type": "OnFailure", "onFailureRetries": 2, "onFailureRetryInterval": 1 });
    place.create(&application("one", json!({ "restartPolicy": again }))).await;
    let status = place.until("one", State::Completed).await.status.expect("a status");
    let codes: Vec<_> = status.failures.iter().map(|failure| failure.exit_code).collect();
    assert_eq!((codes, status.execution_attempts), (vec![Some(3), Some(4)], 3));
    let epochs: Vec<_> = drivers.runs().into_iter().map(|run| run.epoch).collect();
    assert_eq!(epochs, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn refusals_are_reported_and_a_foreign_pod_is_waited_for() {
    let place = Place::new("refused").await;
    let _drivers = place.play(Script { executors: 0, exits: vec![0] });
    let _operator = place.operator(None);
    let account = json!({ "driver": { "serviceAccount": "nobody" } });
    place.create(&application("one", account)).await;
    let status = place.until("one", State::Failed).await.status.expect("a status");
    let message = status.application_state.error_message.expect("a message");
    assert!(message.contains("serviceaccount \"nobody\" not found"), "{message}");

    let pods: Api<Pod> = Api::namespaced(place.admin.clone(), &place.namespace);
    let foreign = json!({ "metadata": { "name": "two-driver" }, "spec": { "containers": [{ "name": "a", "image": "a:1" }] } });
    let foreign = serde_json::from_value(foreign).expect("a pod");
    pods.create(&PostParams::default(), &foreign).await.expect("created");
    place.create(&application("two", json!({}))).await;
    eventually("the condition", async || {
        let app = place.applications().get("two").await.expect("the application");
        let conditions = app.status.map(|status| status.conditions).unwrap_or_default();
        conditions.iter().any(|known| known.type_ == "DriverReady" && known.reason == "NameTaken")
    })
    .await;
    pods.delete("two-driver", &DeleteParams::default().grace_period(0)).await.expect("deleted");
    place.until("two", State::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn twenty_applications_at_once_all_end() {
    let place = Place::new("twenty").await;
    let drivers = place.play(Script { executors: 1, exits: vec![0] });
    let _operator = place.operator(None);
    for number in 0..20 {
        place.create(&application(&format!("app-{number}"), json!({}))).await;
    }
    eventually("all complete", async || {
        let all: Vec<SparkApplication> =
            place.applications().list(&ListParams::default()).await.expect("a list").items;
        all.iter().all(|app| state(app) == State::Completed)
    })
    .await;
    let mut names: Vec<_> = drivers.runs().into_iter().map(|run| run.application).collect();
    names.sort();
    names.dedup();
    assert_eq!((names.len(), drivers.runs().len()), (20, 20));
    let pods = place.pods("spark-role=driver").await;
    assert!(pods.iter().all(|pod| pod.owner_references().len() == 1));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn a_schedule_starts_programs_keeps_the_last_ones_and_takes_them_along() {
    let place = Place::new("schedule").await;
    let drivers = place.play(Script { executors: 0, exits: vec![0] });
    let _operator = place.operator(None);
    let schedules: Api<ScheduledSparkApplication> =
        Api::namespaced(place.admin.clone(), &place.namespace);
    let template = application("unused", json!({})).spec;
    let schedule = serde_json::from_value(json!({
        "apiVersion": "firesteel.dev/v1beta2", "kind": "ScheduledSparkApplication", "metadata": { "name": "often" },
        "spec": { "schedule": "@every 1s", "successfulRunHistoryLimit": 2, "concurrencyPolicy": "Forbid", "template": template },
    }))
    .expect("a schedule");
    schedules.create(&PostParams::default(), &schedule).await.expect("created");
    eventually("it runs again and again", async || drivers.runs().len() >= 4).await;
    let suspend = Patch::Merge(json!({ "spec": { "suspend": true } }));
    schedules.patch("often", &PatchParams::default(), &suspend).await.expect("suspended");
    let listed = || async {
        let all = place.applications().list(&ListParams::default()).await.expect("a list").items;
        all.into_iter().filter(|app| app.metadata.deletion_timestamp.is_none()).collect::<Vec<_>>()
    };
    eventually("the last two stay", async || {
        let all = listed().await;
        all.len() == 2 && all.iter().all(|app| state(app) == State::Completed)
    })
    .await;
    let status = schedules.get("often").await.expect("the schedule").status.expect("a status");
    let mut names: Vec<_> = listed().await.iter().map(ResourceExt::name_any).collect();
    names.sort();
    names.reverse();
    assert_eq!(status.past_successful_run_names, names);
    let runs = drivers.runs().into_iter().map(|run| run.application);
    let distinct: std::collections::BTreeSet<_> = runs.collect();
    assert_eq!(distinct.len(), drivers.runs().len(), "no run was made twice");

    schedules.delete("often", &DeleteParams::default()).await.expect("deleted");
    eventually("nothing is left", async || {
        listed().await.is_empty() && place.pods("").await.is_empty()
    })
    .await;
}
