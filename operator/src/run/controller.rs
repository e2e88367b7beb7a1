//! The controllers of one namespace, or of all: three watches, and the work queues of applications
//! and schedules.

use super::api::Server;
use super::context::{Context, Guarded, GuardedSchedule, Outbox};
use super::metrics::Metrics;
use super::pods::{self, Key};
use super::reconcile::Error;
use crate::names;
use crate::plan;
use crate::settings::Settings;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::core::DeserializeGuard;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::events::{self, EventType, Recorder};
use kube::runtime::reflector::store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{PredicateConfig, WatchStreamExt};
use kube::{Resource, ResourceExt};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Events that may wait to be published; more are dropped.
const EVENT_QUEUE: usize = 1024;
/// Number of events published concurrently.
const MAX_PUBLISHING: usize = 8;
/// Length limit of an event's note, in bytes, set by the API server.
const MAX_NOTE_BYTES: usize = 1024;
/// Concurrent passes over schedules, which are few and short.
const SCHEDULE_CONCURRENCY: u16 = 8;

/// The watches and work queues of one namespace, or of all, ready to run.
#[derive(Debug)]
pub(super) struct NamespaceController {
    pub(super) context: Arc<Context>,
    writer: Writer<Guarded>,
    inbox: Inbox,
}

#[derive(Debug)]
struct Inbox {
    applications: mpsc::UnboundedReceiver<Key>,
    schedules: mpsc::UnboundedReceiver<Key>,
    events: mpsc::Receiver<(ObjectReference, plan::Event)>,
}

impl NamespaceController {
    /// Creates the controllers of one namespace, or of all if `None`.
    pub(super) fn new(
        server: Server,
        namespace: Option<String>,
        settings: Arc<Settings>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (applications, of_applications) = mpsc::unbounded_channel();
        let (schedules, of_schedules) = mpsc::unbounded_channel();
        let (events, queued) = mpsc::channel(EVENT_QUEUE);
        let (seen, writer) = store();
        let outbox = Outbox { applications, schedules, events };
        let context = Context::new(server, namespace, (settings, metrics), seen, outbox);
        let inbox =
            Inbox { applications: of_applications, schedules: of_schedules, events: queued };
        Self { context: Arc::new(context), writer, inbox }
    }

    /// Reconciles until `stop` is cancelled; passes in flight are completed.
    pub(super) async fn run(self, concurrency: u16, recorder: Recorder, stop: CancellationToken) {
        let Self { context, writer, inbox } = self;
        let _publishing = AbortOnDropHandle::new(tokio::spawn(publish(inbox.events, recorder)));
        let _watching = AbortOnDropHandle::new(tokio::spawn(watch_pods(Arc::clone(&context))));
        let stream = watch_applications(&context, writer);
        let touched = UnboundedReceiverStream::new(inbox.applications);
        let applications = Controller::for_stream(stream, context.applications.clone())
            .with_config(controller::Config::default().concurrency(concurrency))
            .reconcile_on(touched.map(|key| key.reference::<Guarded>()))
            .graceful_shutdown_on(stop.clone().cancelled_owned())
            .run(pass, error_policy, Arc::clone(&context))
            .for_each(log_queue_error);
        let touched = UnboundedReceiverStream::new(inbox.schedules);
        let schedules =
            Controller::new(context.api::<GuardedSchedule>(), watcher::Config::default())
                .with_config(controller::Config::default().concurrency(SCHEDULE_CONCURRENCY))
                .reconcile_on(touched.map(|key| key.reference::<GuardedSchedule>()))
                .graceful_shutdown_on(stop.cancelled_owned())
                .run(schedule_pass, error_policy, Arc::clone(&context))
                .for_each(log_queue_error);
        tokio::join!(applications, schedules);
    }
}

/// Watches the pods until the operator ends.
async fn watch_pods(context: Arc<Context>) {
    let config = watcher::Config::default().labels(names::APP_NAME);
    let events = watcher(context.api::<Pod>(), config).default_backoff().modify(pods::prune);
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => context.pods.take(event).into_iter().for_each(|key| context.enqueue(key)),
            Err(error) => tracing::warn!(%error, "watching pods failed"),
        }
    }
}

/// Watches the applications. The stream yields those that need a pass: new, edited or being
/// deleted, but not those whose status the last pass wrote.
fn watch_applications(
    context: &Arc<Context>,
    writer: Writer<Guarded>,
) -> impl Stream<Item = Result<Guarded, watcher::Error>> + Send + use<> {
    let seeing = Arc::clone(context);
    watcher(context.api::<Guarded>(), watcher::Config::default())
        .default_backoff()
        .modify(|app| app.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(move |event| match event {
            Ok(event) => on_application_event(&seeing, event),
            Err(error) => tracing::warn!(%error, "watching applications failed"),
        })
        .applied_objects()
        .predicate_filter(generation_hash, PredicateConfig::default())
}

/// Drops the state of a deleted application and requeues the schedule that started it.
fn on_application_event(context: &Context, event: &Event<Guarded>) {
    if let Event::Delete(app) = event {
        app.uid().iter().for_each(|uid| context.soft_states.forget(uid));
    }
    match event {
        Event::Apply(app) | Event::InitApply(app) | Event::Delete(app) => {
            if let Some(schedule) = app.labels().get(names::SCHEDULED_APP_NAME) {
                context.enqueue_schedule(Key::new(&app.namespace().unwrap_or_default(), schedule));
            }
        }
        Event::Init => {}
        Event::InitDone => {
            let there = context.applications.state();
            let there: HashSet<_> = there.iter().filter_map(|app| app.uid()).collect();
            context.soft_states.keep(|uid| there.contains(uid));
            context.set_listed();
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a filter")]
fn generation_hash(app: &Guarded) -> Option<u64> {
    let meta = app.meta();
    let mut hasher = DefaultHasher::new();
    (&meta.uid, meta.generation, meta.deletion_timestamp.is_some()).hash(&mut hasher);
    Some(hasher.finish())
}

async fn pass(app: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let Some(resource) = readable(&app) else { return Ok(Action::await_change()) };
    context.pods.wait_until_listed().await;
    context.pass(resource).await
}

async fn schedule_pass(
    schedule: Arc<GuardedSchedule>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let Some(resource) = readable(&schedule) else { return Ok(Action::await_change()) };
    context.pods.wait_until_listed().await;
    context.wait_until_listed().await;
    context.schedule_pass(resource).await
}

/// The resource, if it can be decoded. Only a foreign definition admits one that cannot; it is
/// reconciled again when it is edited.
fn readable<K: Resource<DynamicType = ()>>(resource: &DeserializeGuard<K>) -> Option<&K> {
    match &resource.0 {
        Ok(resource) => Some(resource),
        Err(invalid) => {
            let (namespace, name) = (&invalid.metadata.namespace, &invalid.metadata.name);
            tracing::error!(namespace, name, kind = %K::kind(&()), error = invalid.error, "the resource cannot be decoded");
            None
        }
    }
}

fn error_policy<K>(resource: Arc<K>, error: &Error, context: Arc<Context>) -> Action
where
    K: Resource<DynamicType = ()>,
{
    let wait = context.soft_states.failed(&resource.uid().unwrap_or_default(), error.reason());
    let (namespace, name) = (resource.namespace(), resource.name_any());
    tracing::warn!(namespace, name, kind = %K::kind(&()), %error, retry_in = ?wait, "a pass failed");
    Action::requeue(wait)
}

async fn log_queue_error<T>(outcome: Result<T, controller::Error<Error, watcher::Error>>) {
    if let Err(controller::Error::QueueError(error)) = outcome {
        tracing::warn!(%error, "a work queue failed");
    }
}

async fn publish(events: mpsc::Receiver<(ObjectReference, plan::Event)>, recorder: Recorder) {
    let recorder = &recorder;
    ReceiverStream::new(events)
        .for_each_concurrent(MAX_PUBLISHING, |(resource, event)| async move {
            let plan::Event { warning, reason, mut message } = event;
            message.truncate(message.floor_char_boundary(MAX_NOTE_BYTES));
            let event = events::Event {
                type_: if warning { EventType::Warning } else { EventType::Normal },
                action: reason.clone(),
                reason,
                note: Some(message),
                secondary: None,
            };
            if let Err(error) = recorder.publish(&event, &resource).await {
                tracing::debug!(%error, "publishing an event failed");
            }
        })
        .await;
}
