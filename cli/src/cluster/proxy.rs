//! Whether a proxy is in the way. None is served; this tells where none is meant, as `kubectl` does, and says so where one is.

use anyhow::{Result, bail};
use kube::Config;
use std::net::IpAddr;

/// Takes away a proxy that is not for this cluster. One that is for it is an error.
pub(super) fn settle(config: &mut Config) -> Result<()> {
    let variable = |names: [&str; 2]| {
        let values = names.iter().filter_map(|name| std::env::var(name).ok());
        values.into_iter().find(|value| !value.is_empty())
    };
    let environment = Environment {
        https_proxy: variable(["HTTPS_PROXY", "https_proxy"]).unwrap_or_default(),
        no_proxy: variable(["NO_PROXY", "no_proxy"]).unwrap_or_default(),
    };
    check(config, &environment)?;
    config.proxy_url = None;
    Ok(())
}

struct Environment {
    https_proxy: String,
    no_proxy: String,
}

fn check(config: &Config, environment: &Environment) -> Result<()> {
    let Some(proxy) = &config.proxy_url else { return Ok(()) };
    // Who has to log in to it stands in its address, too, and is nobody's business here.
    let shown = match (proxy.host(), proxy.port_u16()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let url = &config.cluster_url;
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    if environment.https_proxy.parse().ok().as_ref() != Some(proxy) {
        bail!(
            "the kubeconfig has the cluster at {url} behind the proxy {shown}, and proxies are not served; \
             take the field proxy-url away if the cluster can be reached without it"
        );
    }
    let port = url.port_u16().unwrap_or(443);
    // The variable is for `https` alone, and nobody's own machine is behind a proxy.
    if url.scheme_str() == Some("http") || is_own(host) || covers(&environment.no_proxy, host, port)
    {
        return Ok(());
    }
    bail!(
        "the cluster at {url} is behind the proxy {shown}, says HTTPS_PROXY, and proxies are not served; \
         put {host} into NO_PROXY if the cluster can be reached without it"
    )
}

fn is_own(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Whether a list of hosts, domains, addresses and networks has this one.
fn covers(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.').to_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    list.split(',').map(|entry| entry.trim().to_lowercase()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let (Some(address), Some((network, bits))) = (address, entry.split_once('/')) {
            return is_within(address, network, bits);
        }
        // An address of version six has colons of its own.
        let (name, wanted) = match entry.rsplit_once(':') {
            Some((name, wanted)) if !name.contains(':') || name.ends_with(']') => {
                (name, Some(wanted))
            }
            _ => (entry.as_str(), None),
        };
        if wanted.is_some_and(|wanted| wanted.parse() != Ok(port)) {
            return false;
        }
        let name = name.trim_matches(['[', ']']);
        let domain = name.trim_start_matches('*').trim_start_matches('.');
        match (address, name.parse::<IpAddr>().ok()) {
            (Some(address), Some(named)) => address == named,
            (None, None) if !domain.is_empty() => host
                .strip_suffix(domain)
                .is_some_and(|front| front.ends_with('.') || (front.is_empty() && domain == name)),
            _ => false,
        }
    })
}

fn is_within(address: IpAddr, network: &str, bits: &str) -> bool {
    let Ok(bits) = bits.parse::<u32>() else { return false };
    // Shifting by all bits is shifting to nothing.
    match (address, network.parse()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(network))) if bits <= 32 => {
            let differ = address.to_bits() ^ network.to_bits();
            differ.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), Ok(IpAddr::V6(network))) if bits <= 128 => {
            let differ = address.to_bits() ^ network.to_bits();
            differ.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_proxy_is_read_as_kubectl_reads_it() {
        let cases = [
            ("", "c.example.org", false),
            ("*", "c.example.org", true),
            ("a, c.example.org", "c.example.org", true),
            ("example.org", "c.example.org", true),
            ("example.org", "badexample.org", false),
            (".example.org", "c.example.org", true),
            (".example.org", "example.org", false),
            ("*.example.org", "c.Example.org", true),
            ("c.example.org:6443", "c.example.org", true),
            ("c.example.org:443", "c.example.org", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1:6443", "10.0.0.1", true),
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "11.0.0.1", true),
            ("10.0.0.0/99", "10.0.0.1", false),
            ("0.1", "10.0.0.1", false),
            ("fd00::/8", "fd00::1", true),
            ("fd00::1", "fd00::1", true),
            ("[fd00::1]:6443", "fd00::1", true),
            ("[fd00::1]:443", "fd00::1", false),
        ];
        for (list, host, expected) in cases {
            assert_eq!(covers(list, host, 6443), expected, "{list} {host}");
        }
    }

    #[test]
    fn a_proxy_is_an_error_only_where_it_is_meant_and_its_password_is_not_shown() {
        let kubeconfigs = "http://me:secret@other:3128";
        let environments = "http://me:secret@proxy:3128";
        let cases = [
            ("https://c:6443", None, Ok(())),
            ("https://c:6443", Some(environments), Err("put c into NO_PROXY")),
            ("https://c:6443", Some(kubeconfigs), Err("the proxy other:3128")),
            ("https://127.0.0.1:6443", Some(environments), Ok(())),
            ("https://[::1]:6443", Some(environments), Ok(())),
            ("https://127.0.0.1:6443", Some(kubeconfigs), Err("proxy-url")),
            ("http://c:8001", Some(environments), Ok(())),
            ("https://d:6443", Some(environments), Ok(())),
        ];
        let environment =
            Environment { https_proxy: environments.to_owned(), no_proxy: "d".to_owned() };
        for (url, proxy, expected) in cases {
            let mut config = Config::new(url.parse().unwrap());
            config.proxy_url = proxy.map(|proxy| proxy.parse().unwrap());
            let checked = check(&config, &environment).map_err(|error| error.to_string());
            match (&checked, expected) {
                (Ok(()), Ok(())) => {}
                (Err(problem), Err(part)) => {
                    assert!(problem.contains(part) && !problem.contains("secret"), "{problem}");
                }
                _ => panic!("{url} {checked:?}"),
            }
        }
    }
}
