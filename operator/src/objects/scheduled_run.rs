//! The application that a schedule starts.

use crate::names;
use crate::schedule::ScheduledApplication;
use crd::{ScheduledSparkApplication, SparkApplication};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use std::collections::BTreeMap;

/// Labels and annotations by which other tools know the schedule; its runs are not theirs.
const TOOL_PREFIXES: &[&str] =
    &["kubectl.kubernetes.io/", "meta.helm.sh/", "argocd.argoproj.io/", "firesteel.dev/"];

/// The run that is due at an instant.
pub fn scheduled_run(schedule: &ScheduledApplication, due: Timestamp) -> SparkApplication {
    let mut labels = inherited(&schedule.labels);
    labels.insert(names::SCHEDULED_APP_NAME.to_owned(), schedule.name.clone());
    let mut annotations = inherited(&schedule.annotations);
    annotations.insert(names::SCHEDULED_FOR.to_owned(), due.to_string());
    let owner = OwnerReference {
        api_version: ScheduledSparkApplication::api_version(&()).into_owned(),
        kind: ScheduledSparkApplication::kind(&()).into_owned(),
        name: schedule.name.clone(),
        uid: schedule.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    SparkApplication {
        metadata: ObjectMeta {
            name: Some(crd::run_name(&schedule.name, due)),
            namespace: Some(schedule.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: schedule.template.clone(),
        status: None,
    }
}

fn inherited(given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let of_tool = |name: &str| TOOL_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    given.clone().into_iter().filter(|(name, _)| !of_tool(name)).collect()
}
