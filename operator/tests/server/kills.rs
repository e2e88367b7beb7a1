//! A layer of the operator's client that blocks everything from a given write on: for the API
//! server, the operator is dead from then on.

use http::{Method, Request};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};

/// Whether the fatal write reaches the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Before,
    After,
}

/// The write at which an operator dies.
#[derive(Debug, Clone)]
pub(crate) struct Kill {
    at: usize,
    mode: Mode,
    writes: Arc<AtomicUsize>,
    dead: CancellationToken,
}

impl Kill {
    /// At this write, counted from 0; events do not count.
    pub(crate) fn at(at: usize, mode: Mode) -> Self {
        Self { at, mode, writes: Arc::default(), dead: CancellationToken::new() }
    }

    /// Waits for the operator's death.
    pub(crate) async fn done(&self) {
        self.dead.cancelled().await;
    }

    pub(crate) fn happened(&self) -> bool {
        self.dead.is_cancelled()
    }
}

impl<S> Layer<S> for Kill {
    type Service = Mortal<S>;

    fn layer(&self, inner: S) -> Mortal<S> {
        Mortal { inner, kill: self.clone() }
    }
}

/// A client that can die.
#[derive(Debug, Clone)]
pub(crate) struct Mortal<S> {
    inner: S,
    kill: Kill,
}

impl<S, B> Service<Request<B>> for Mortal<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_write =
            *request.method() != Method::GET && !request.uri().path().contains("/events");
        let kill = self.kill.clone();
        let dies = is_write && kill.writes.fetch_add(1, Ordering::Relaxed) == kill.at;
        if kill.happened() || (dies && kill.mode == Mode::Before) {
            kill.dead.cancel();
            return Box::pin(std::future::pending());
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            if dies {
                kill.dead.cancel();
            }
            if kill.happened() { std::future::pending().await } else { answer }
        })
    }
}
