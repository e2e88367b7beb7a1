//! The port for whoever watches the operator: `/healthz` (it lives), `/readyz` (it knows the cluster, or waits for its turn), `/metrics`.

use super::metrics::{Metrics, Standing};
use super::scope::Scope;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the port speaks of.
#[derive(Debug)]
pub(super) struct Health {
    /// What is counted.
    pub(super) metrics: Arc<Metrics>,
    phase: Mutex<Phase>,
}

/// How far the operator is.
#[derive(Debug)]
enum Phase {
    Starting,
    Waiting,
    Working(Vec<Arc<Scope>>),
}

impl Health {
    pub(super) fn new() -> Self {
        Self { metrics: Arc::new(Metrics::new()), phase: Mutex::new(Phase::Starting) }
    }

    fn phase(&self) -> std::sync::MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another operator works; this one is ready to take its place.
    pub(super) fn standby(&self) {
        self.metrics.leads(false);
        *self.phase() = Phase::Waiting;
    }

    /// It works in these.
    pub(super) fn active(&self, scopes: Vec<Arc<Scope>>) {
        self.metrics.leads(true);
        *self.phase() = Phase::Working(scopes);
    }

    fn is_ready(&self) -> bool {
        match &*self.phase() {
            Phase::Starting => false,
            Phase::Waiting => true,
            Phase::Working(scopes) => scopes.iter().all(|scope| scope.pods.is_complete()),
        }
    }

    fn standing(&self) -> Standing {
        let mut standing = Standing::default();
        if let Phase::Working(scopes) = &*self.phase() {
            for scope in scopes {
                standing.attached += scope.memories.attached();
                for app in scope.applications.state() {
                    let Ok(app) = &app.0 else { continue };
                    let status = app.status.clone().unwrap_or_default();
                    standing.executors.0 += i64::from(status.executors.pending);
                    standing.executors.1 += i64::from(status.executors.running);
                    let state = serde_json::to_value(status.application_state.state);
                    let state = state.ok().and_then(|name| name.as_str().map(str::to_owned));
                    let state = state.filter(|name| !name.is_empty());
                    standing.applications.push(state.unwrap_or_else(|| "NEW".to_owned()));
                }
            }
        }
        standing
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
        (StatusCode::SERVICE_UNAVAILABLE, "the first lists are not complete")
    }
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    let standing = health.standing();
    match health.metrics.text(&standing) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
