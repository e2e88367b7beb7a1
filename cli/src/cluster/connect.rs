//! The connection to a cluster, as `kubectl` would make it.

use super::arguments::Place;
use super::failure;
use super::proxy;
use anyhow::{Context, Result, anyhow};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config, Error, Resource};
use serde::de::DeserializeOwned;
use std::future::Future;
use std::io::ErrorKind;
use std::str::FromStr;
use std::time::Duration;

/// How long an API server may take to be reached. A cluster that is not there should not be waited for half a minute.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to answer.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// A cluster, and where in it.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    /// Namespace that is meant.
    pub namespace: String,
    /// Address of its API server, for people.
    pub url: String,
}

impl Cluster {
    /// Looks up how to reach it. Nothing is sent yet.
    pub(crate) async fn find(place: &Place) -> Result<Self> {
        let mut config = config(place).await?;
        proxy::settle(&mut config)?;
        config.connect_timeout = Some(PATIENCE);
        // It would repeat a creation, too, that came through although its answer did not.
        config.default_retry = false;
        if let Some(namespace) = &place.namespace {
            config.default_namespace.clone_from(namespace);
        }
        let namespace = config.default_namespace.clone();
        let url = config.cluster_url.to_string();
        let client = Client::try_from(config)
            .map_err(|error| failure::explain(error, "reading the kubeconfig", &url))?;
        Ok(Self { client, namespace, url })
    }

    /// The objects of a kind in the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + DeserializeOwned
            + Clone
            + std::fmt::Debug,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The objects of a kind in all namespaces.
    pub(crate) fn everywhere<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }

    /// What went wrong, as a sentence.
    pub(crate) fn explain(&self, error: Error, doing: &str) -> anyhow::Error {
        failure::explain(error, doing, &self.url)
    }
}

/// The answer to a request that is not a stream, within bounds.
pub(super) async fn bounded<T>(
    request: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(LONGEST_ANSWER, request).await.map_err(|_| {
        Error::Service(format!("nothing came for {} s", LONGEST_ANSWER.as_secs()).into())
    })?
}

async fn config(place: &Place) -> Result<Config> {
    let options = KubeConfigOptions { context: place.context.clone(), ..Default::default() };
    let found = match &place.kubeconfig {
        Some(path) => {
            let read = Kubeconfig::read_from(path)
                .map_err(|error| wrong(&error))
                .with_context(|| format!("reading the kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(read, &options).await
        }
        None => Config::from_kubeconfig(&options).await,
    };
    let mut config = match found {
        Ok(config) => config,
        Err(error) if place.context.is_some() || !is_absent(&error) => {
            return Err(wrong(&error)).context("reading the kubeconfig");
        }
        // In a pod there is no kubeconfig, and none is needed.
        Err(error) => match (Config::incluster(), &place.url) {
            (Ok(config), _) => config,
            (Err(_), Some(url)) => Config::new(address(url)?),
            (Err(_), None) => return Err(wrong(&error)).context(
                "no cluster is known; name one by --kubeconfig, KUBECONFIG, ~/.kube/config or --master k8s://URL",
            ),
        },
    };
    if let Some(url) = &place.url {
        config.cluster_url = address(url)?;
    }
    Ok(config)
}

/// The address of an API server, as the type that is wanted.
fn address<T>(url: &str) -> Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    url.parse().with_context(|| format!("the address of the API server, `{url}`"))
}

/// Whether there is no kubeconfig at all.
fn is_absent(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(error, _) => error.kind() == ErrorKind::NotFound,
        _ => false,
    }
}

/// What is wrong with a kubeconfig, in one line.
fn wrong(error: &KubeconfigError) -> anyhow::Error {
    anyhow!("{}", error.to_string().lines().next().unwrap_or_default())
}
