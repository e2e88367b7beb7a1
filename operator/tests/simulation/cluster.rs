//! A small API server with a kubelet and a garbage collector. It keeps every version of every
//! object, so that a watch may show old ones.

use crd::{SparkApplication, SparkApplicationStatus};
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use operator::plan::Object;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// An object's versions: the time of each, and its content.
pub(crate) type Versions<T> = Vec<(u64, Option<T>)>;

/// Why the API server rejected a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    Conflict,
    Exists,
    Forbidden,
}

#[derive(Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) version: u64,
    pub(crate) seconds: i64,
    pub(crate) app: Versions<SparkApplication>,
    pub(crate) pods: BTreeMap<String, Versions<Pod>>,
    pub(crate) secrets: BTreeMap<String, String>,
    /// Claims and their owners.
    pub(crate) claims: BTreeMap<String, Option<String>>,
    uids: u64,
    /// Pods on a node that does not answer.
    pub(crate) stuck: BTreeSet<String>,
    /// Submissions of the drivers created, in order.
    pub(crate) runs: Vec<String>,
    /// Whether the next pod is refused.
    pub(crate) forbids: bool,
}

impl Cluster {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(1_000_000 + self.seconds).expect("a time")
    }

    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    pub(crate) fn app(&self) -> Option<&SparkApplication> {
        self.app.last().and_then(|(_, app)| app.as_ref())
    }

    pub(crate) fn put_app(&mut self, mut app: SparkApplication) {
        let version = self.next();
        app.metadata.resource_version = Some(version.to_string());
        self.app.push((version, Some(app)));
    }

    pub(crate) fn remove_app(&mut self) {
        let version = self.next();
        self.app.push((version, None));
    }

    /// Writes a status over one version.
    pub(crate) fn write_status(
        &mut self,
        over: Option<&str>,
        status: &SparkApplicationStatus,
    ) -> Result<(), Rejected> {
        let Some(mut app) = self.app().cloned() else { return Err(Rejected::Conflict) };
        if over.is_some() && app.metadata.resource_version.as_deref() != over {
            return Err(Rejected::Conflict);
        }
        if app.status.as_ref() != Some(status) {
            app.status = Some(status.clone());
            self.put_app(app);
        }
        Ok(())
    }

    pub(crate) fn pod(&self, name: &str) -> Option<&Pod> {
        self.pods.get(name)?.last()?.1.as_ref()
    }

    pub(crate) fn living(&self) -> Vec<Pod> {
        self.pods.values().filter_map(|versions| versions.last()?.1.clone()).collect()
    }

    pub(crate) fn of_role(&self, role: &str) -> Vec<Pod> {
        let mut pods = self.living();
        pods.retain(|pod| pod.labels().get("spark-role").is_some_and(|own| own == role));
        pods
    }

    fn put_pod(&mut self, mut pod: Pod) {
        let version = self.next();
        pod.metadata.resource_version = Some(version.to_string());
        self.pods.entry(pod.name_any()).or_default().push((version, Some(pod)));
    }

    pub(crate) fn remove_pod(&mut self, name: &str) {
        if self.pod(name).is_some() {
            let version = self.next();
            self.stuck.remove(name);
            self.pods.entry(name.to_owned()).or_default().push((version, None));
        }
    }

    pub(crate) fn create(&mut self, object: &Object) -> Result<(), Rejected> {
        match object {
            Object::Secret(secret) => {
                let owner = secret.owner_references()[0].uid.clone();
                self.secrets.entry(secret.name_any()).or_insert(owner);
                Ok(())
            }
            Object::Claim(claim) => {
                let owner = claim.owner_references().first().map(|owner| owner.uid.clone());
                self.claims.entry(claim.name_any()).or_insert(owner);
                Ok(())
            }
            Object::Pod(pod) if self.pod(&pod.name_any()).is_some() => Err(Rejected::Exists),
            Object::Pod(_) if std::mem::take(&mut self.forbids) => Err(Rejected::Forbidden),
            Object::Pod(pod) => {
                self.uids += 1;
                let mut pod = Pod::clone(pod);
                pod.metadata.uid = Some(format!("uid-{}", self.uids));
                pod.status =
                    Some(PodStatus { phase: Some("Pending".into()), ..PodStatus::default() });
                if pod.labels()["spark-role"] == "driver" {
                    let submission = pod.labels()["firesteel.dev/submission-id"].clone();
                    self.runs.push(submission);
                }
                self.put_pod(pod);
                Ok(())
            }
        }
    }

    /// Requests a pod's deletion.
    pub(crate) fn delete_pod(&mut self, name: &str, uid: Option<&str>, is_forced: bool) {
        let Some(mut pod) = self.pod(name).cloned() else { return };
        if uid.is_some() && pod.uid().as_deref() != uid {
            return;
        }
        if is_forced {
            self.remove_pod(name);
        } else if pod.metadata.deletion_timestamp.is_none() {
            pod.metadata.deletion_timestamp = Some(Time(self.now()));
            self.put_pod(pod);
        }
    }

    pub(crate) fn retire(&mut self, name: &str, uid: &str) {
        let Some(mut pod) = self.pod(name).cloned() else { return };
        if pod.uid().as_deref() == Some(uid) {
            pod.labels_mut().insert("spark-exec-inactive".into(), "true".into());
            self.put_pod(pod);
        }
    }

    /// Writes a pod's status as the kubelet would.
    pub(crate) fn report(&mut self, name: &str, exit_code: Option<i32>) {
        let Some(mut pod) = self.pod(name).cloned() else { return };
        let container = pod.spec.as_ref().expect("a pod has one").containers[0].name.clone();
        let (phase, state) = match exit_code {
            None => ("Running", json!({ "running": {} })),
            Some(0) => {
                ("Succeeded", json!({ "terminated": { "exitCode": 0, "reason": "Completed" } }))
            }
            Some(code) => {
                ("Failed", json!({ "terminated": { "exitCode": code, "reason": "Error" } }))
            }
        };
        let status = json!({
            "phase": phase, "podIP": "10.0.0.1",
            "containerStatuses": [{ "name": container, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state }],
        });
        pod.status = Some(serde_json::from_value(status).expect("a status"));
        self.put_pod(pod);
    }

    pub(crate) fn phase(pod: &Pod) -> &str {
        pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
    }

    pub(crate) fn is_running(pod: &Pod) -> bool {
        Self::phase(pod) == "Running"
    }

    pub(crate) fn has_ended(pod: &Pod) -> bool {
        matches!(Self::phase(pod), "Failed" | "Succeeded")
    }

    /// Removes objects whose owner is gone.
    pub(crate) fn collect_garbage(&mut self) {
        let uid = self.app().and_then(ResourceExt::uid);
        for pod in self.living() {
            if pod.owner_references().first().map(|owner| &owner.uid) != uid.as_ref() {
                self.delete_pod(&pod.name_any(), None, false);
            }
        }
        self.secrets.retain(|_, owner| Some(&*owner) == uid.as_ref());
        self.claims.retain(|_, owner| owner.is_none() || *owner == uid);
    }
}
