//! The manifests that `crd` is tested with, against a real API server: its verdicts must agree.

use crate::place::Place;
use kube::api::{Api, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

const ACCEPTED: &str = include_str!("../../../crates/crd/tests/manifests/accepted.yaml");
const REFUSED: &str = include_str!("../../../crates/crd/tests/manifests/refused.yaml");

fn manifests(text: &str) -> impl Iterator<Item = Value> {
    text.split("\n---\n").map(|text| serde_saphyr::from_str(text).expect("YAML"))
}

/// The API server's answer to creating a manifest.
async fn answer(place: &Place, manifest: &Value) -> Result<(), String> {
    let kind = manifest["kind"].as_str().expect("a kind");
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("firesteel.dev", "v1beta2", kind));
    let api: Api<DynamicObject> =
        Api::namespaced_with(place.admin.clone(), &place.namespace, &resource);
    let object = serde_json::from_value(manifest.clone()).expect("an object");
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&dry, &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(message)) => Err(message.message),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server of its own: ./dev e2e with-api"]
async fn the_api_server_accepts_and_refuses_the_same_manifests() {
    let place = Place::new("manifests").await;
    for manifest in manifests(ACCEPTED) {
        assert_eq!(answer(&place, &manifest).await, Ok(()), "{}", manifest["metadata"]["name"]);
    }
    for manifest in manifests(REFUSED) {
        let metadata = &manifest["metadata"];
        let (name, annotations) = (&metadata["name"], &metadata["annotations"]);
        let field = annotations["refused"].as_str().expect("a field");
        match (answer(&place, &manifest).await, annotations["by"].as_str()) {
            (Ok(()), Some("reader")) => {}
            (Err(message), Some("both" | "server")) => {
                assert!(message.contains(field), "{name}: {field} is not named: {message}");
            }
            (answer, by) => panic!("{name} is for {by:?}, and the API server says {answer:?}"),
        }
    }
}
