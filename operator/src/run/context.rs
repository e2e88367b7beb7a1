//! State shared by the passes over the applications and schedules of one namespace, or of all.

use super::api::{Server, StatusWritten};
use super::metrics::Metrics;
use super::pods::{Key, Pods};
use super::soft_state::SoftStates;
use crate::plan;
use crate::schedule::RefusedRun;
use crate::settings::Settings;
use crd::{ScheduledSparkApplication, SparkApplication};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::Timestamp;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::reflector::Store;
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{SetOnce, mpsc};

/// An application from the watch; one that cannot be decoded does not block the others.
pub(super) type Guarded = DeserializeGuard<SparkApplication>;
/// A schedule from the watch, likewise.
pub(super) type GuardedSchedule = DeserializeGuard<ScheduledSparkApplication>;

/// Wait after a write over a stale version: the watch is about to show the newest one.
const STALE_WAIT: Duration = Duration::from_millis(100);

/// State shared by passes.
#[derive(Debug)]
pub(super) struct Context {
    /// The namespace; `None` for all.
    pub(super) namespace: Option<String>,
    pub(super) server: Server,
    pub(super) settings: Arc<Settings>,
    pub(super) applications: Store<Guarded>,
    listed: SetOnce<()>,
    pub(super) pods: Pods,
    pub(super) soft_states: SoftStates,
    pub(super) metrics: Arc<Metrics>,
    refused_runs: Mutex<HashMap<String, RefusedRun>>,
    outbox: Outbox,
}

/// Queues of resources to reconcile and of events to publish.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Applications to reconcile.
    pub(super) applications: mpsc::UnboundedSender<Key>,
    /// Schedules to reconcile.
    pub(super) schedules: mpsc::UnboundedSender<Key>,
    /// Kubernetes events to publish.
    pub(super) events: mpsc::Sender<(ObjectReference, plan::Event)>,
}

impl Context {
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
            listed: SetOnce::new(),
            pods: Pods::new(),
            soft_states: SoftStates::default(),
            metrics,
            refused_runs: Mutex::default(),
            outbox,
        }
    }

    /// Notes that all existing applications have been seen.
    pub(super) fn set_listed(&self) {
        // Later lists change nothing.
        let _ = self.listed.set(());
    }

    /// Waits for the first complete list of applications. The store's own wait wakes only the last
    /// of several waiters, one of which is the application controller.
    pub(super) async fn wait_until_listed(&self) {
        self.listed.wait().await;
    }

    /// Queues an application.
    pub(super) fn enqueue(&self, app: Key) {
        // Sending fails only while the operator shuts down.
        let _ = self.outbox.applications.send(app);
    }

    /// Queues a schedule.
    pub(super) fn enqueue_schedule(&self, schedule: Key) {
        let _ = self.outbox.schedules.send(schedule);
    }

    /// Writes a status before anything else is done. Returns an action if the pass must end here.
    pub(super) async fn write_first<K>(
        &self,
        resource: &K,
        status: &impl Serialize,
    ) -> Result<Option<Action>, kube::Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned,
    {
        Ok(match self.server.write_status(resource, status).await? {
            StatusWritten::Done => None,
            StatusWritten::Stale => Some(Action::requeue(STALE_WAIT)),
            // Its children go with it.
            StatusWritten::Gone => Some(Action::await_change()),
        })
    }

    /// Publishes and counts the events of a resource.
    pub(super) fn publish<K>(&self, resource: &K, events: Vec<plan::Event>)
    where
        K: Resource<DynamicType = ()>,
    {
        let age = resource.creation_timestamp();
        let age =
            age.and_then(|created| Timestamp::now().duration_since(created.0).try_into().ok());
        for event in events {
            self.metrics.record_event(&event.reason, age);
            self.enqueue_event(resource.object_ref(&()), event);
        }
    }

    fn enqueue_event(&self, resource: ObjectReference, event: plan::Event) {
        let plan::Event { warning, reason, message } = &event;
        let ObjectReference { namespace, name, kind, .. } = &resource;
        tracing::info!(namespace, name, kind, warning, reason, "{message}");
        if self.outbox.events.try_send((resource, event)).is_err() {
            tracing::debug!("dropped an event: the queue is full");
        }
    }

    /// The API server's current refusal of a schedule's run, if any.
    pub(super) fn refused_run(&self, schedule: &str) -> Option<RefusedRun> {
        self.refused_runs.lock().unwrap_or_else(PoisonError::into_inner).get(schedule).cloned()
    }

    /// Remembers a refusal of a run; `None` once one was created again.
    pub(super) fn set_refused_run(&self, schedule: &str, refused: Option<RefusedRun>) {
        let mut known = self.refused_runs.lock().unwrap_or_else(PoisonError::into_inner);
        match refused {
            Some(refused) => known.insert(schedule.to_owned(), refused),
            None => known.remove(schedule),
        };
    }

    /// A client for a kind in the namespace, or in all.
    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        api(self.server.client().clone(), self.namespace.as_deref())
    }
}

/// When to requeue: at once after a refusal or its end, which the next pass records.
pub(super) fn requeue(refused: bool, requeue_after: Option<Duration>) -> Action {
    match requeue_after {
        _ if refused => Action::requeue(Duration::ZERO),
        Some(wait) => Action::requeue(wait),
        None => Action::await_change(),
    }
}

/// A client for a kind in a namespace, or in all.
pub(super) fn api<K>(client: Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}
