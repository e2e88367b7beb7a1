//! The health port: `/healthz` (alive), `/readyz` (knows the cluster, or is on standby),
//! `/metrics`.

use super::context::Context;
use super::metrics::{Gauges, Metrics};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// State that the health port reports.
#[derive(Debug)]
pub(super) struct Health {
    /// The operator's metrics.
    pub(super) metrics: Arc<Metrics>,
    phase: Mutex<Phase>,
}

/// Phase of the operator.
#[derive(Debug)]
enum Phase {
    Starting,
    Standby,
    Active(Vec<Arc<Context>>),
}

impl Health {
    pub(super) fn new() -> Self {
        Self { metrics: Arc::new(Metrics::new()), phase: Mutex::new(Phase::Starting) }
    }

    fn phase(&self) -> std::sync::MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another replica leads; this one is ready to take over.
    pub(super) fn standby(&self) {
        self.metrics.set_leader(false);
        *self.phase() = Phase::Standby;
    }

    /// This replica leads and reconciles these namespaces.
    pub(super) fn active(&self, contexts: Vec<Arc<Context>>) {
        self.metrics.set_leader(true);
        *self.phase() = Phase::Active(contexts);
    }

    fn is_ready(&self) -> bool {
        match &*self.phase() {
            Phase::Starting => false,
            Phase::Standby => true,
            Phase::Active(contexts) => contexts.iter().all(|context| context.pods.is_complete()),
        }
    }

    fn gauges(&self) -> Gauges {
        let mut gauges = Gauges::default();
        if let Phase::Active(contexts) = &*self.phase() {
            for context in contexts {
                gauges.attached += context.soft_states.attached();
                for app in context.applications.state() {
                    let Ok(app) = &app.0 else { continue };
                    let status = app.status.clone().unwrap_or_default();
                    gauges.executors.0 += i64::from(status.executors.pending);
                    gauges.executors.1 += i64::from(status.executors.running);
                    let state = serde_json::to_value(status.application_state.state);
                    let state = state.ok().and_then(|name| name.as_str().map(str::to_owned));
                    let state = state.filter(|name| !name.is_empty());
                    gauges.applications.push(state.unwrap_or_else(|| "NEW".to_owned()));
                }
            }
        }
        gauges
    }
}

/// Serves the port until the operator ends.
pub(super) async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, &'static str) {
    if health.is_ready() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the initial lists")
    }
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    let gauges = health.gauges();
    match health.metrics.text(&gauges) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
