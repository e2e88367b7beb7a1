//! The operator's process.

use anyhow::{Context, Result};
use clap::Parser;
use operator::Settings;
use operator::run::{self, Lease, Options};
use std::net::SocketAddr;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Runs Spark applications on Kubernetes: watches `SparkApplication` resources and manages their
/// pods.
#[derive(Debug, Parser)]
#[command(name = "firesteel-operator", version)]
struct Arguments {
    /// Namespaces to watch, comma-separated; all namespaces by default.
    #[arg(long, env = "FIRESTEEL_NAMESPACES", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// Default image, for applications that do not set one.
    #[arg(long, env = "FIRESTEEL_IMAGE")]
    image: Option<String>,
    /// Number of applications reconciled concurrently.
    #[arg(long, env = "FIRESTEEL_CONCURRENCY", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    /// Address to serve `/healthz`, `/readyz` and `/metrics` on.
    #[arg(long, env = "FIRESTEEL_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Use leader election, so that several replicas can run and one of them is active.
    #[arg(long, env = "FIRESTEEL_LEADER_ELECT", requires = "lease_namespace")]
    leader_elect: bool,
    /// Name of the leader election lease.
    #[arg(long, env = "FIRESTEEL_LEASE_NAME", default_value = "firesteel-operator")]
    lease_name: String,
    /// Namespace of the leader election lease.
    #[arg(long, env = "FIRESTEEL_LEASE_NAMESPACE")]
    lease_namespace: Option<String>,
    /// Seconds after which the lease expires if its holder does not renew it.
    #[arg(long, env = "FIRESTEEL_LEASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(3..))]
    lease_seconds: u64,
    /// Identity of this replica in the leader election.
    #[arg(long, env = "POD_NAME", hide = true)]
    identity: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("FIRESTEEL_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,kube_lease_manager=warn"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: Arguments) -> Result<()> {
    let client = kube::Client::try_default().await.context("connecting to the API server")?;
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let signalled = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        tracing::info!("stops");
        signalled.cancel();
    });
    run::run(client, options(arguments), stop).await.context("running the operator")
}

fn options(arguments: Arguments) -> Options {
    let Arguments {
        namespaces,
        image,
        concurrency,
        listen,
        leader_elect,
        lease_name,
        lease_namespace,
        lease_seconds,
        identity,
    } = arguments;
    let namespaces =
        namespaces.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let lease = lease_namespace.filter(|_| leader_elect);
    let lease =
        lease.map(|namespace| Lease { name: lease_name, namespace, seconds: lease_seconds });
    Options {
        settings: Settings {
            image: image.filter(|image| !image.is_empty()),
            ..Settings::default()
        },
        namespaces: namespaces.collect(),
        concurrency,
        listen,
        identity: identity.unwrap_or_else(|| format!("firesteel-operator-{}", std::process::id())),
        lease,
    }
}
