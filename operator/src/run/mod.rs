//! The shell of the operator. `controller` watches applications, schedules and pods and queues what changed; `reconcile` makes one
//! pass over an application and carries out what `plan` decides; `backoff` says when a pass that failed is made again. Nothing is
//! kept in memory that a new operator would not learn again.

mod api;
mod attach;
mod backoff;
mod controller;
mod health;
mod memory;
mod metrics;
mod pods;
mod reconcile;
mod schedule;
mod scope;

use crate::names;
use crate::settings::Settings;
use api::Server;
use controller::NamespaceController;
use crd::SparkApplication;
use health::Health;
use kube::Client;
use kube::api::ListParams;
use kube::runtime::events::{Recorder, Reporter};
use kube_lease_manager::{LeaseManagerBuilder, LeaseManagerError};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How the operator is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// What passes need.
    pub settings: Settings,
    /// Namespaces to work in; all, if there is none.
    pub namespaces: Vec<String>,
    /// Passes that are made at once.
    pub concurrency: u16,
    /// Where health and metrics are served.
    pub listen: SocketAddr,
    /// Which of several operators this is: the name of its pod.
    pub identity: String,
    /// Of several operators, the one that holds this lease works.
    pub lease: Option<Lease>,
}

/// A lease that several operators share.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Seconds after which it is free if its holder says nothing.
    pub seconds: u64,
}

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("listening on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(
        "the API server does not know sparkapplications.{}: install the definitions in crds/ (`kubectl apply -f crds/`), or the chart",
        "firesteel.dev/v1beta2"
    )]
    NoDefinition,
    #[error("asking the API server for applications: {0}")]
    Server(#[from] kube::Error),
    #[error("the lease: {0}")]
    Lease(#[from] LeaseManagerError),
    #[error("the lease was lost: another operator works now")]
    LeaseLost,
}

/// Works until it is told to stop.
///
/// # Errors
/// If it cannot begin, or has lost its lease: then another operator works already, and this process should end.
pub async fn run(client: Client, options: Options, stop: CancellationToken) -> Result<(), Error> {
    let health = Arc::new(Health::new());
    let address = options.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
    let serving = tokio::spawn(health::serve(listener, Arc::clone(&health), stop.clone()));
    let ended = lead(client, options, &health, &stop).await;
    stop.cancel();
    // Its clients may keep their connections open; nobody waits for them.
    serving.abort();
    ended
}

/// Waits for its turn, then works.
async fn lead(
    client: Client,
    options: Options,
    health: &Health,
    stop: &CancellationToken,
) -> Result<(), Error> {
    check(&client, &options.namespaces).await?;
    let Some(lease) = &options.lease else {
        return work(client, options, health, stop).await;
    };
    health.standby();
    let manager = LeaseManagerBuilder::new(client.clone(), &lease.name)
        .with_namespace(&lease.namespace)
        .with_identity(&options.identity)
        .with_duration(lease.seconds)
        .with_grace(lease.seconds / 3)
        .build()
        .await?;
    let (mut holds, renewing) = manager.watch().await;
    tracing::info!(lease = lease.name, "waiting for the lease");
    let is_first = tokio::select! {
        held = holds.wait_for(|holds| *holds) => held.is_ok(),
        () = stop.cancelled() => false,
    };
    let ended = if is_first {
        tracing::info!(lease = lease.name, "holds the lease");
        let own = stop.child_token();
        let working = work(client, options, health, &own);
        let mut working = std::pin::pin!(working);
        tokio::select! {
            ended = &mut working => ended,
            _ = holds.wait_for(|holds| !holds) => Err(Error::LeaseLost),
        }
    } else if stop.is_cancelled() {
        Ok(())
    } else {
        Err(Error::LeaseLost)
    };
    // The manager gives the lease back when nobody listens any more, so that the next operator need not wait.
    drop(holds);
    if let Ok(Err(error)) = renewing.await {
        tracing::debug!(%error, "the lease was not given back");
    }
    ended
}

/// Whether the API server knows the resource and lets us read it.
async fn check(client: &Client, namespaces: &[String]) -> Result<(), Error> {
    let namespace = namespaces.first().map(String::as_str);
    let api = scope::api::<SparkApplication>(client.clone(), namespace);
    match api.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(said)) if said.is_not_found() => Err(Error::NoDefinition),
        Err(error) => Err(error.into()),
    }
}

async fn work(
    client: Client,
    options: Options,
    health: &Health,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let settings = Arc::new(options.settings);
    let mut namespaces: Vec<_> = options.namespaces.into_iter().map(Some).collect();
    if namespaces.is_empty() {
        namespaces.push(None);
    }
    let reporter =
        Reporter { controller: names::FIELD_MANAGER.to_owned(), instance: Some(options.identity) };
    let recorder = Recorder::new(client.clone(), reporter);
    let works: Vec<_> = namespaces
        .into_iter()
        .map(|namespace| {
            let server = Server::new(client.clone());
            NamespaceController::new(
                server,
                namespace,
                Arc::clone(&settings),
                Arc::clone(&health.metrics),
            )
        })
        .collect();
    health.active(works.iter().map(|work| Arc::clone(&work.scope)).collect());
    let mut running = JoinSet::new();
    for work in works {
        running.spawn(work.run(options.concurrency, recorder.clone(), stop.clone()));
    }
    while running.join_next().await.is_some() {}
    Ok(())
}
