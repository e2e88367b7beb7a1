//! The operator's work in one namespace, or in all: two watches, the queue of applications to look at, and what passes share.

use super::api::Server;
use super::application::Error;
use super::memory::Memories;
use super::metrics::Metrics;
use super::pods::{self, Key, Pods};
use crate::names;
use crate::plan;
use crate::settings::Settings;
use crd::SparkApplication;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::events::{self, EventType, Recorder};
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{PredicateConfig, WatchStreamExt};
use kube::{Client, Resource, ResourceExt};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// A resource as the watch shows it: one that cannot be read does not keep the others from being read.
pub(super) type Guarded = DeserializeGuard<SparkApplication>;

/// Events that wait to be published; more are dropped, because people can do without.
const EVENTS: usize = 1024;
/// Events that are on their way at once.
const PUBLISHED: usize = 8;
/// Bytes of an event's text that an API server takes.
const NOTE: usize = 1024;

/// What passes over the applications of one namespace, or of all, share.
#[derive(Debug)]
pub(super) struct Scope {
    /// The namespace; all, if there is none.
    namespace: Option<String>,
    pub(super) server: Server,
    pub(super) settings: Arc<Settings>,
    pub(super) pods: Pods,
    pub(super) memories: Memories,
    pub(super) metrics: Arc<Metrics>,
    touched: mpsc::UnboundedSender<Key>,
    events: mpsc::Sender<(ObjectReference, plan::Event)>,
}

/// A scope that is to be run.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) scope: Arc<Scope>,
    pub(super) applications: Store<Guarded>,
    writer: reflector::store::Writer<Guarded>,
    touched: mpsc::UnboundedReceiver<Key>,
    events: mpsc::Receiver<(ObjectReference, plan::Event)>,
}

impl Scope {
    /// One for a namespace, or for all.
    pub(super) fn prepare(
        server: Server,
        namespace: Option<String>,
        settings: Arc<Settings>,
        metrics: Arc<Metrics>,
    ) -> Work {
        let (touched, keys) = mpsc::unbounded_channel();
        let (events, published) = mpsc::channel(EVENTS);
        let (applications, writer) = reflector::store();
        let scope = Self {
            namespace,
            server,
            settings,
            pods: Pods::new(),
            memories: Memories::default(),
            metrics,
            touched,
            events,
        };
        Work { scope: Arc::new(scope), applications, writer, touched: keys, events: published }
    }

    /// Asks for a pass.
    pub(super) fn touch(&self, app: Key) {
        // Nobody listens only when the operator ends.
        let _ = self.touched.send(app);
    }

    /// Says to people what happened.
    pub(super) fn publish(&self, application: ObjectReference, event: plan::Event) {
        let plan::Event { warning, reason, message } = &event;
        tracing::info!(
            namespace = application.namespace,
            application = application.name,
            warning,
            reason,
            "{message}"
        );
        if self.events.try_send((application, event)).is_err() {
            tracing::debug!("an event was dropped: too many wait");
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        api(self.server.client().clone(), self.namespace.as_deref())
    }

    /// Follows the pods until the operator ends.
    async fn watch_pods(self: Arc<Self>) {
        let config = watcher::Config::default().labels(names::APP_NAME);
        let events = watcher(self.api::<Pod>(), config).default_backoff().modify(pods::prune);
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.pods.take(event).into_iter().for_each(|key| self.touch(key)),
                Err(error) => tracing::warn!(%error, "watching pods"),
            }
        }
    }

    /// Follows the applications. What the stream yields is worth a pass: an application that is new, was edited or is being deleted,
    /// and not one whose status the last pass wrote.
    fn watch_applications(
        self: &Arc<Self>,
        writer: reflector::store::Writer<Guarded>,
        store: Store<Guarded>,
    ) -> impl Stream<Item = Result<Guarded, watcher::Error>> + Send + use<> {
        let scope = Arc::clone(self);
        watcher(self.api::<Guarded>(), watcher::Config::default())
            .default_backoff()
            .modify(|app| app.managed_fields_mut().clear())
            .reflect(writer)
            .inspect(move |event| match event {
                Ok(Event::Delete(app)) => {
                    app.uid().iter().for_each(|uid| scope.memories.forget(uid));
                }
                Ok(Event::InitDone) => {
                    let there: std::collections::HashSet<_> =
                        store.state().iter().filter_map(|app| app.uid()).collect();
                    scope.memories.keep(|uid| there.contains(uid));
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "watching applications"),
            })
            .applied_objects()
            .predicate_filter(worth_a_pass, PredicateConfig::default())
    }
}

impl Work {
    /// Works until it is told to stop; passes that are on their way are carried out to their end.
    pub(super) async fn run(self, concurrency: u16, recorder: Recorder, stop: CancellationToken) {
        let Self { scope, applications, writer, touched, events } = self;
        let _publishing = AbortOnDropHandle::new(tokio::spawn(publish(events, recorder)));
        let _watching = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&scope).watch_pods()));
        let stream = scope.watch_applications(writer, applications.clone());
        let touched = UnboundedReceiverStream::new(touched).map(|key| key.reference::<Guarded>());
        Controller::for_stream(stream, applications)
            .with_config(controller::Config::default().concurrency(concurrency))
            .reconcile_on(touched)
            .graceful_shutdown_on(stop.cancelled_owned())
            .run(reconcile, error_policy, Arc::clone(&scope))
            .for_each(|outcome| async {
                if let Err(controller::Error::QueueError(error)) = outcome {
                    tracing::warn!(%error, "the queue of applications");
                }
            })
            .await;
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

#[expect(clippy::unnecessary_wraps, reason = "what a filter is")]
fn worth_a_pass(app: &Guarded) -> Option<u64> {
    let meta = app.meta();
    let mut hasher = DefaultHasher::new();
    (&meta.uid, meta.generation, meta.deletion_timestamp.is_some()).hash(&mut hasher);
    Some(hasher.finish())
}

async fn reconcile(app: Arc<Guarded>, scope: Arc<Scope>) -> Result<Action, Error> {
    let resource = match &app.0 {
        Ok(resource) => resource,
        Err(invalid) => {
            // A definition that is not ours let it in. It is looked at again when it is edited.
            let (namespace, name) = (app.namespace(), app.name_any());
            tracing::error!(namespace, application = name, error = invalid.error, "cannot be read");
            return Ok(Action::await_change());
        }
    };
    scope.pods.complete().await;
    scope.pass(resource).await
}

fn error_policy(app: Arc<Guarded>, error: &Error, scope: Arc<Scope>) -> Action {
    let wait = scope.memories.failed(&app.uid().unwrap_or_default());
    tracing::warn!(namespace = app.namespace(), application = app.name_any(), %error, again_in = ?wait, "a pass failed");
    Action::requeue(wait)
}

async fn publish(events: mpsc::Receiver<(ObjectReference, plan::Event)>, recorder: Recorder) {
    let recorder = &recorder;
    ReceiverStream::new(events)
        .for_each_concurrent(PUBLISHED, |(application, event)| async move {
            let plan::Event { warning, reason, message } = event;
            let event = events::Event {
                type_: if warning { EventType::Warning } else { EventType::Normal },
                action: reason.clone(),
                reason,
                note: Some(cut(message)),
                secondary: None,
            };
            if let Err(error) = recorder.publish(&event, &application).await {
                tracing::debug!(%error, "an event was not published");
            }
        })
        .await;
}

fn cut(mut note: String) -> String {
    let mut end = note.len().min(NOTE);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.truncate(end);
    note
}
