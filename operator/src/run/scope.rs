//! What passes over the applications and schedules of one namespace, or of all, share.

use super::api::{Server, StatusWritten};
use super::memory::Memories;
use super::metrics::Metrics;
use super::pods::{Key, Pods};
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

/// An application as the watch shows it: one that cannot be read does not keep the others from being read.
pub(super) type Guarded = DeserializeGuard<SparkApplication>;
/// The same of a schedule.
pub(super) type GuardedSchedule = DeserializeGuard<ScheduledSparkApplication>;

/// After a write over an old version: the watch will show the new one any moment.
const STALE_WAIT: Duration = Duration::from_millis(100);

/// What passes share.
#[derive(Debug)]
pub(super) struct Scope {
    /// The namespace; all, if there is none.
    pub(super) namespace: Option<String>,
    pub(super) server: Server,
    pub(super) settings: Arc<Settings>,
    pub(super) applications: Store<Guarded>,
    listed: SetOnce<()>,
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
            listed: SetOnce::new(),
            pods: Pods::new(),
            memories: Memories::default(),
            metrics,
            refused_runs: Mutex::default(),
            outbox,
        }
    }

    /// All applications that there are were seen.
    pub(super) fn list_is_complete(&self) {
        // Later lists say nothing new.
        let _ = self.listed.set(());
    }

    /// Waits for the first complete list of applications. The store's own waiting wakes only the last of several that wait, and the
    /// controller of applications is one of them.
    pub(super) async fn complete_list(&self) {
        self.listed.wait().await;
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

    /// Writes a status, before anything else is done. If it is not for this pass to write, what to do instead of the rest of the pass.
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
            // What belongs to it goes with it.
            StatusWritten::Gone => Some(Action::await_change()),
        })
    }

    /// Says to people what happened to a resource, and counts it.
    pub(super) fn say<K>(&self, resource: &K, events: Vec<plan::Event>)
    where
        K: Resource<DynamicType = ()>,
    {
        let age = resource.creation_timestamp();
        let age =
            age.and_then(|created| Timestamp::now().duration_since(created.0).try_into().ok());
        for event in events {
            self.metrics.happened(&event.reason, age);
            self.publish(resource.object_ref(&()), event);
        }
    }

    fn publish(&self, resource: ObjectReference, event: plan::Event) {
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
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        api(self.server.client().clone(), self.namespace.as_deref())
    }
}

/// When the next pass comes: at once if something was refused, which the next pass writes down.
pub(super) fn come_again(refused: bool, again: Option<Duration>) -> Action {
    match again {
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
