//! The operator's shell. `controller` watches applications, schedules and pods and queues what
//! changed; `reconcile` makes one pass over an application and carries out what `plan` decides;
//! `backoff` delays the repetition of a failed pass. Nothing is kept in memory that a new operator
//! could not rebuild.

mod api;
mod backoff;
mod context;
mod controller;
mod driver_stream;
mod health;
mod metrics;
mod pods;
mod reconcile;
mod schedule;
mod soft_state;

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

/// Options of the operator's process.
#[derive(Debug, Clone)]
pub struct Options {
    /// Settings for passes.
    pub settings: Settings,
    /// Namespaces to watch; all, if empty.
    pub namespaces: Vec<String>,
    /// Number of concurrent passes.
    pub concurrency: u16,
    /// Address of the health port.
    pub listen: SocketAddr,
    /// Identity of this replica: its pod's name.
    pub identity: String,
    /// Lease for leader election; `None` to run without.
    pub lease: Option<Lease>,
}

/// The leader election lease.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Seconds after which it expires if its holder does not renew it.
    pub seconds: u64,
}

/// Reason why the operator ended.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are self-explanatory")]
pub enum Error {
    #[error("listening on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(
        "the API server does not know sparkapplications.{}: install the definitions in crds/ (`kubectl apply -f crds/`), or the chart",
        "firesteel.dev/v1beta2"
    )]
    NoDefinition,
    #[error("listing applications: {0}")]
    Server(#[from] kube::Error),
    #[error("leader election: {0}")]
    Lease(#[from] LeaseManagerError),
    #[error("the lease was lost: another replica leads now")]
    LeaseLost,
}

/// Runs the operator until `stop` is cancelled.
///
/// # Errors
/// If it cannot start, or has lost its lease: then another replica already leads, and this process
/// should exit.
pub async fn run(client: Client, options: Options, stop: CancellationToken) -> Result<(), Error> {
    let health = Arc::new(Health::new());
    let address = options.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
    let serving = tokio::spawn(health::serve(listener, Arc::clone(&health), stop.clone()));
    let ended = lead(client, options, &health, &stop).await;
    stop.cancel();
    // Clients may keep their connections open; do not wait for them.
    serving.abort();
    ended
}

/// Waits for leadership, then runs the controllers.
async fn lead(
    client: Client,
    options: Options,
    health: &Health,
    stop: &CancellationToken,
) -> Result<(), Error> {
    check(&client, &options.namespaces).await?;
    let Some(lease) = &options.lease else {
        return run_controllers(client, options, health, stop).await;
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
        tracing::info!(lease = lease.name, "acquired the lease");
        let own = stop.child_token();
        let controllers = run_controllers(client, options, health, &own);
        let mut controllers = std::pin::pin!(controllers);
        tokio::select! {
            ended = &mut controllers => ended,
            _ = holds.wait_for(|holds| !holds) => Err(Error::LeaseLost),
        }
    } else if stop.is_cancelled() {
        Ok(())
    } else {
        Err(Error::LeaseLost)
    };
    // With no receiver left, the manager releases the lease, so that the next replica need not wait
    // for its expiry.
    drop(holds);
    if let Ok(Err(error)) = renewing.await {
        tracing::debug!(%error, "releasing the lease failed");
    }
    ended
}

/// Checks that the API server knows the resource and allows reading it.
async fn check(client: &Client, namespaces: &[String]) -> Result<(), Error> {
    let namespace = namespaces.first().map(String::as_str);
    let api = context::api::<SparkApplication>(client.clone(), namespace);
    match api.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Err(Error::NoDefinition),
        Err(error) => Err(error.into()),
    }
}

async fn run_controllers(
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
    let controllers: Vec<_> = namespaces
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
    health.active(controllers.iter().map(|controller| Arc::clone(&controller.context)).collect());
    let mut running = JoinSet::new();
    for controller in controllers {
        running.spawn(controller.run(options.concurrency, recorder.clone(), stop.clone()));
    }
    while running.join_next().await.is_some() {}
    Ok(())
}
