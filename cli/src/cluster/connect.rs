//! The connection to a cluster, as `kubectl` would make it.

use super::arguments::Place;
use super::failure;
use anyhow::{Context, Result, anyhow, bail};
use hyper_util::client::proxy::matcher::Matcher;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config, Error, Resource};
use serde::de::DeserializeOwned;
use std::future::Future;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;
use tonic::transport::Uri;

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
    let read = match &place.kubeconfig {
        Some(path) => Kubeconfig::read_from(path)
            .map_err(|error| wrong(&error))
            .with_context(|| format!("reading the kubeconfig {}", path.display()))
            .map(Ok)?,
        None => Kubeconfig::read(),
    };
    let mut proxy = None;
    let found = match read {
        Ok(read) => {
            proxy = proxy_of(&read, place.context.as_deref());
            Config::from_custom_kubeconfig(read, &options).await
        }
        Err(error) => Err(error),
    };
    let mut config = match found {
        Ok(config) => config,
        Err(error) if place.kubeconfig.is_some() || place.context.is_some() || !is_absent(&error) => {
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
    let proxy = proxy.or_else(|| proxy_for(&config.cluster_url, |name| std::env::var(name).ok()));
    config.proxy_url = proxy.as_deref().map(served_proxy).transpose()?;
    Ok(config)
}

/// The proxy that a kubeconfig names for the cluster of a context. It holds whatever the environment says.
fn proxy_of(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let context = context.or(kubeconfig.current_context.as_deref())?;
    let context = kubeconfig.contexts.iter().find(|known| known.name == context)?;
    let cluster = &context.context.as_ref()?.cluster;
    let cluster = kubeconfig.clusters.iter().find(|known| known.name == *cluster)?;
    cluster.cluster.as_ref()?.proxy_url.clone().filter(|proxy| !proxy.is_empty())
}

/// The proxy that the environment names for an address, as `kubectl` reads it: for `https` alone, and nobody's own machine is behind one.
fn proxy_for(address: &Uri, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let either = |names: [&str; 2]| {
        names.into_iter().filter_map(&variable).find(|value| !value.is_empty()).unwrap_or_default()
    };
    let host = address.host()?.trim_matches(['[', ']']);
    let is_own = host == "localhost" || host.parse().is_ok_and(|host: IpAddr| host.is_loopback());
    let proxy = either(["HTTPS_PROXY", "https_proxy"]);
    // Whether there is one for this address is asked for any proxy: what is wrong with this one is said later.
    let any = Matcher::builder().https("http://any").no(either(["NO_PROXY", "no_proxy"])).build();
    let is_behind = !is_own && any.intercept(address).is_some();
    Some(proxy).filter(|proxy| is_behind && !proxy.is_empty())
}

/// The address of a proxy, if it is of a kind that is served. What is wrong with it is said without its password.
fn served_proxy(text: &str) -> Result<Uri> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let Ok(proxy) = with_scheme.parse::<Uri>() else {
        bail!("the address of the proxy cannot be read; write it as http://host:port");
    };
    match proxy.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(proxy),
        other => bail!(
            "a proxy of the kind `{}` is not served; http, https and socks5 are",
            other.unwrap_or_default()
        ),
    }
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
    if let KubeconfigError::ParseNoProxy(problem) = error {
        return anyhow!("the variable NO_PROXY: {problem}");
    }
    anyhow!("{}", error.to_string().lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_s_proxy_is_for_clusters_elsewhere_that_it_does_not_leave_out() {
        let proxy = "http://me:secret@proxy:3128";
        let cases = [
            // cluster, HTTPS_PROXY, NO_PROXY, behind the proxy
            ("https://c.example.org:6443", proxy, "", true),
            ("https://c.example.org:6443", "proxy:3128", "", true),
            ("https://c.example.org:6443", "ftp://proxy", "", true),
            ("https://c.example.org:6443", "", "", false),
            ("https://c.example.org:6443", proxy, "*", false),
            ("https://c.example.org:6443", proxy, "a, c.example.org", false),
            ("https://c.example.org:6443", proxy, "example.org,", false),
            ("https://c.example.org:6443", proxy, ".example.org", false),
            ("https://badexample.org:6443", proxy, "example.org", true),
            // What leaves out the proxy itself says nothing of the cluster.
            ("https://c.example.org:6443", proxy, "proxy", true),
            ("https://10.9.8.7:6443", proxy, "10.0.0.0/8", false),
            ("https://11.0.0.1:6443", proxy, "10.0.0.0/8", true),
            ("https://[fd00::1]:6443", proxy, "fd00::/8", false),
            ("https://127.0.0.1:6443", proxy, "", false),
            ("https://[::1]:6443", proxy, "", false),
            ("https://localhost:6443", proxy, "", false),
            ("http://c.example.org:8001", proxy, "", false),
        ];
        for (cluster, https, no, expected) in cases {
            let variable = |name: &str| match name {
                "https_proxy" => Some(https.to_owned()),
                "NO_PROXY" => Some(no.to_owned()),
                _ => None,
            };
            let found = proxy_for(&cluster.parse().unwrap(), variable);
            assert_eq!(found.as_deref(), expected.then_some(https), "{cluster} {no}");
        }
    }

    #[test]
    fn a_kubeconfig_s_proxy_is_that_of_the_context_s_cluster() {
        let text = "
clusters:
  - { name: far, cluster: { server: 'https://far', proxy-url: 'socks5://proxy:1080' } }
  - { name: near, cluster: { server: 'https://near', proxy-url: '' } }
contexts:
  - { name: one, context: { cluster: far, user: me } }
  - { name: two, context: { cluster: near, user: me } }
users: [{ name: me, user: {} }]
current-context: one
";
        let kubeconfig = Kubeconfig::from_yaml(text).unwrap();
        for (context, expected) in [
            (None, Some("socks5://proxy:1080")),
            (Some("one"), Some("socks5://proxy:1080")),
            (Some("two"), None),
            (Some("three"), None),
        ] {
            assert_eq!(proxy_of(&kubeconfig, context).as_deref(), expected, "{context:?}");
        }
    }

    #[test]
    fn a_proxy_that_is_not_served_is_said_without_its_password() {
        for (text, expected) in [
            ("http://me:secret@proxy:3128", Ok("http://me:secret@proxy:3128/")),
            ("proxy:3128", Ok("http://proxy:3128/")),
            ("socks5://proxy:1080", Ok("socks5://proxy:1080/")),
            ("ftp://me:secret@proxy", Err("`ftp` is not served")),
            ("http://me:secret@pro xy", Err("cannot be read")),
        ] {
            match (served_proxy(text), expected) {
                (Ok(proxy), Ok(expected)) => assert_eq!(proxy.to_string(), expected),
                (Err(error), Err(expected)) => {
                    let error = error.to_string();
                    assert!(error.contains(expected) && !error.contains("secret"), "{error}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
