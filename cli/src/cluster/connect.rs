//! The connection to a cluster, set up as `kubectl` would.

use super::arguments::Place;
use super::error;
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

/// Limit on connecting to an API server: a cluster that does not exist should not cost half a
/// minute.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit on the wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A cluster and a namespace in it.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    /// The namespace.
    pub namespace: String,
    /// Address of its API server, for messages.
    pub url: String,
}

impl Cluster {
    /// Finds out how to reach the cluster. Sends nothing yet.
    pub(crate) async fn find(place: &Place) -> Result<Self> {
        let mut config = config(place).await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // A retry would also repeat a creation that succeeded but whose answer was lost.
        config.default_retry = false;
        if let Some(namespace) = &place.namespace {
            config.default_namespace.clone_from(namespace);
        }
        let namespace = config.default_namespace.clone();
        let url = config.cluster_url.to_string();
        let client = Client::try_from(config)
            .map_err(|error| error::explain(error, "reading the kubeconfig", &url))?;
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

    /// An error as a sentence for people.
    pub(crate) fn explain(&self, error: Error, doing: &str) -> anyhow::Error {
        error::explain(error, doing, &self.url)
    }
}

/// Waits for the answer to a request that is not a stream, with a limit.
pub(super) async fn bounded<T>(
    request: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(ANSWER_TIMEOUT, request)
        .await
        .map_err(|_| Error::Service(format!("no data for {} s", ANSWER_TIMEOUT.as_secs()).into()))?
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
        // A pod has no kubeconfig and needs none.
        Err(error) => match (Config::incluster(), &place.url) {
            (Ok(config), _) => config,
            (Err(_), Some(url)) => Config::new(address(url)?),
            (Err(_), None) => return Err(wrong(&error)).context(
                "no cluster is configured; choose one with --kubeconfig, KUBECONFIG, ~/.kube/config or --master k8s://URL",
            ),
        },
    };
    if let Some(url) = &place.url {
        config.cluster_url = address(url)?;
    }
    let proxy = proxy.or_else(|| proxy_for(&config.cluster_url, |name| std::env::var(name).ok()));
    config.proxy_url = proxy.as_deref().map(supported_proxy).transpose()?;
    Ok(config)
}

/// The proxy that a kubeconfig sets for the cluster of a context. It takes precedence over the
/// environment.
fn proxy_of(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let context = context.or(kubeconfig.current_context.as_deref())?;
    let context = kubeconfig.contexts.iter().find(|known| known.name == context)?;
    let cluster = &context.context.as_ref()?.cluster;
    let cluster = kubeconfig.clusters.iter().find(|known| known.name == *cluster)?;
    cluster.cluster.as_ref()?.proxy_url.clone().filter(|proxy| !proxy.is_empty())
}

/// The proxy that the environment sets for an address, as `kubectl` reads it: for `https` only, and
/// never for the local machine.
fn proxy_for(address: &Uri, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let either = |names: [&str; 2]| {
        names.into_iter().filter_map(&variable).find(|value| !value.is_empty()).unwrap_or_default()
    };
    let host = address.host()?.trim_matches(['[', ']']);
    let is_own = host == "localhost" || host.parse().is_ok_and(|host: IpAddr| host.is_loopback());
    let proxy = either(["HTTPS_PROXY", "https_proxy"]);
    // First decides whether any proxy applies to this address; errors in the proxy's own address
    // are reported later.
    let any = Matcher::builder().https("http://any").no(either(["NO_PROXY", "no_proxy"])).build();
    let is_behind = !is_own && any.intercept(address).is_some();
    Some(proxy).filter(|proxy| is_behind && !proxy.is_empty())
}

/// The address of a proxy, if its kind is supported. Error messages omit its password.
fn supported_proxy(text: &str) -> Result<Uri> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let Ok(proxy) = with_scheme.parse::<Uri>() else {
        bail!("the address of the proxy is invalid; write it as http://host:port");
    };
    match proxy.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(proxy),
        other => bail!(
            "proxies of the kind `{}` are not supported; http, https and socks5 are",
            other.unwrap_or_default()
        ),
    }
}

/// The address of an API server, in the type wanted.
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

/// The problem with a kubeconfig, in one line.
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
    fn the_environment_s_proxy_is_for_remote_clusters_without_an_exception() {
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
            // An exception for the proxy itself does not concern the cluster.
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
    fn an_unsupported_proxy_is_reported_without_its_password() {
        for (text, expected) in [
            ("http://me:secret@proxy:3128", Ok("http://me:secret@proxy:3128/")),
            ("proxy:3128", Ok("http://proxy:3128/")),
            ("socks5://proxy:1080", Ok("socks5://proxy:1080/")),
            ("ftp://me:secret@proxy", Err("`ftp` are not supported")),
            ("http://me:secret@pro xy", Err("is invalid")),
        ] {
            match (supported_proxy(text), expected) {
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
