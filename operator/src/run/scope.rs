//! What passes over the applications and schedules of one namespace, or of all, share.

use super::api::Server;
use super::memory::Memories;
use super::metrics::Metrics;
use super::pods::{Key, Pods};
use crate::plan;
use crate::schedule::RefusedRun;
use crate::settings::Settings;
use crd::{ScheduledSparkApplication, SparkApplication};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::Resource;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::Store;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, watch};

/// An application as the watch shows it: one that cannot be read does not keep the others from being read.
pub(super) type Guarded = DeserializeGuard<SparkApplication>;
/// The same of a schedule.
pub(super) type GuardedSchedule = DeserializeGuard<ScheduledSparkApplication>;

/// What passes share.
#[derive(Debug)]
pub(super) struct Scope {
    /// The namespace; all, if there is none.
    pub(super) namespace: Option<String>,
    pub(super) server: Server,
    pub(super) settings: Arc<Settings>,
    pub(super) applications: Store<Guarded>,
    listed: watch::Sender<bool>,
    pub(super) pods: Pods,
    pub(super) memories: Memories,
    pub(super) metrics: Arc<Metrics>,
    refused_runs: Mutex<HashMap<String, RefusedRun>>,
    outbox: Outbox,
}

/// Where passes are asked for, and events are said.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Applications that a pass should look at.
    pub(super) applications: mpsc::UnboundedSender<Key>,
    /// Schedules, likewise.
    pub(super) schedules: mpsc::UnboundedSender<Key>,
    /// What people should hear of.
    pub(super) events: mpsc::Sender<(ObjectReference, plan::Event)>,
}

impl Scope {
    pub(super) fn new(
        server: Server,
        namespace: Option<String>,
        (settings, metrics): (Arc<Settings>, Arc<Metrics>),
        applications: Store<Guarded>,
        outbox: Outbox,
    ) -> Self {
        Self {
            namespace,
            server,
            settings,
            applications,
            listed: watch::Sender::new(false),
            pods: Pods::new(),
            memories: Memories::default(),
            metrics,
            refused_runs: Mutex::default(),
            outbox,
        }
    }

    /// All applications that there are were seen.
    pub(super) fn list_is_complete(&self) {
        self.listed.send_replace(true);
    }

    /// Waits for the first complete list of applications. The store's own waiting wakes only the last of several that wait, and the
    /// controller of applications is one of them.
    pub(super) async fn complete_list(&self) {
        // The sender is here, so waiting cannot fail.
        let _ = self.listed.subscribe().wait_for(|listed| *listed).await;
    }

    /// Asks for a pass over an application.
    pub(super) fn touch(&self, app: Key) {
        // Nobody listens only when the operator ends.
        let _ = self.outbox.applications.send(app);
    }

    /// Asks for a pass over a schedule.
    pub(super) fn touch_schedule(&self, schedule: Key) {
        let _ = self.outbox.schedules.send(schedule);
    }

    /// Says to people what happened to a resource.
    pub(super) fn publish(&self, resource: ObjectReference, event: plan::Event) {
        let plan::Event { warning, reason, message } = &event;
        let ObjectReference { namespace, name, kind, .. } = &resource;
        tracing::info!(namespace, name, kind, warning, reason, "{message}");
        if self.outbox.events.try_send((resource, event)).is_err() {
            tracing::debug!("an event was dropped: too many wait");
        }
    }

    /// What the API server refused of a schedule's runs, if it refuses them now.
    pub(super) fn refused_run(&self, schedule: &str) -> Option<RefusedRun> {
        self.refused_runs.lock().unwrap_or_else(PoisonError::into_inner).get(schedule).cloned()
    }

    /// It would not make a run, or made one again.
    pub(super) fn set_refused_run(&self, schedule: &str, refused: Option<RefusedRun>) {
        let mut known = self.refused_runs.lock().unwrap_or_else(PoisonError::into_inner);
        match refused {
            Some(refused) => known.insert(schedule.to_owned(), refused),
            None => known.remove(schedule),
        };
    }

    /// A client for a kind, here.
    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        api(self.server.client().clone(), self.namespace.as_deref())
    }
}

/// A client for a kind in a namespace, or in all.
pub(super) fn api<K>(client: Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}
