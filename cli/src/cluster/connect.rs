//! The connection to a cluster, as `kubectl` would make it.

use super::arguments::Place;
use super::failure;
use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long an API server may take to be reached. A cluster that is not there should not be waited for half a minute.
const PATIENCE: Duration = Duration::from_secs(10);

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
        config.connect_timeout = Some(PATIENCE);
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
    pub(crate) fn explain(&self, error: kube::Error, doing: &str) -> anyhow::Error {
        failure::explain(error, doing, &self.url)
    }
}

async fn config(place: &Place) -> Result<Config> {
    let options = KubeConfigOptions { context: place.context.clone(), ..Default::default() };
    let named = place.kubeconfig.is_some() || place.context.is_some();
    let found = match &place.kubeconfig {
        Some(path) => {
            let read = Kubeconfig::read_from(path)
                .with_context(|| format!("reading the kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(read, &options).await
        }
        None => Config::from_kubeconfig(&options).await,
    };
    let url = place.url.as_deref().map(str::parse).transpose().with_context(|| {
        format!("the address of the API server, `{}`", place.url.clone().unwrap_or_default())
    })?;
    match (found, url) {
        (Ok(mut config), Some(url)) => {
            config.cluster_url = url;
            Ok(config)
        }
        (Ok(config), None) => Ok(config),
        (Err(error), _) if named => Err(error).context("reading the kubeconfig"),
        (Err(_), Some(url)) => Ok(Config::new(url)),
        // In a pod there is no kubeconfig, and none is needed.
        (Err(error), None) => Config::incluster().or(Err(error)).context(
            "no cluster is known; name one by --kubeconfig, KUBECONFIG, ~/.kube/config or --master k8s://URL",
        ),
    }
}
