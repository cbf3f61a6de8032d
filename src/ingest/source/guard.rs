//! Which addresses a source may connect to.
//!
//! A page, a sitemap or a redirect can name any host, and a name can resolve to any address: that of the router, of a
//! database, of a cloud's metadata service. So whatever connects on behalf of a source resolves names through
//! [`Guard`], which gives public addresses only. An operator who means a private host says so: with its address in the source's
//! own URL, or with its name in the source's `private_hosts`. The check is made on the addresses that are connected to,
//! so a name can't change between check and use.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What an operator says about connections.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Hosts of these names may have private addresses. They are reached without the proxy.
    pub private_hosts: BTreeSet<String>,
    /// The proxy for all others. It resolves names itself, so what it may reach is for its own rules to say.
    pub proxy: Option<Url>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    private_hosts: Arc<BTreeSet<String>>,
    proxy: Option<Url>,
}

/// A host whose addresses are all private. Found again at the bottom of what reqwest makes of it.
#[derive(Debug, thiserror::Error)]
#[error("{host} has a private address: add it to the source's private_hosts if you mean it")]
pub(super) struct PrivateHost {
    host: String,
}

impl Guard {
    /// `named` are URLs that the operator wrote; where one has an address or `localhost` for its host, that is meant.
    pub(super) fn new<'a>(reach: &Reach, named: impl IntoIterator<Item = &'a Url>) -> Self {
        let meant = named.into_iter().filter_map(Url::host_str).filter(|host| address(host).is_some() || is_here(host));
        let hosts = reach.private_hosts.iter().map(|host| host.to_ascii_lowercase()).chain(meant.map(str::to_owned));
        Self { private_hosts: Arc::new(hosts.collect()), proxy: reach.proxy.clone() }
    }

    /// The proxy, which is not asked for private hosts.
    pub(super) fn proxy(&self) -> Option<reqwest::Proxy> {
        let direct: Vec<&str> = self.private_hosts.iter().map(String::as_str).collect();
        let proxy = reqwest::Proxy::all(self.proxy.clone()?).ok()?;
        Some(proxy.no_proxy(reqwest::NoProxy::from_string(&direct.join(","))))
    }

    /// Refuses URLs with a private address for their host, which no resolver ever sees.
    pub(super) fn check(&self, url: &Url) -> Result<(), PrivateHost> {
        let host = url.host_str().unwrap_or_default();
        match address(host) {
            Some(ip) if !is_public(ip) && !self.private_hosts.contains(host) => {
                Err(PrivateHost { host: host.to_owned() })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn admit(&self, host: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, PrivateHost> {
        let is_proxy = self.proxy.as_ref().and_then(Url::host_str) == Some(host);
        let may_be_private = is_proxy || self.private_hosts.contains(&host.to_ascii_lowercase());
        let admitted: Vec<_> = found.filter(|address| may_be_private || is_public(address.ip())).collect();
        if admitted.is_empty() { Err(PrivateHost { host: host.to_owned() }) } else { Ok(admitted) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let admitted = guard.admit(&host, found)?;
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

/// The refusal in an error, if that is what it comes from.
pub(super) fn refusal<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a PrivateHost> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref() {
            return Some(refusal);
        }
        cause = error.source();
    }
    None
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !is_special
}

/// Of IPv6 only 2000::/3 is public, and of that not what wraps an IPv4 address or is for documentation:
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match ip.segments() {
        // Mapped IPv4, and the two prefixes that translate to it.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            embedded(high, low)
        }
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn reach(private: &[&str]) -> Reach {
        Reach { private_hosts: private.iter().map(|name| (*name).to_owned()).collect(), proxy: None }
    }

    #[test]
    fn only_public_addresses_are_public() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "100.63.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn a_private_address_in_a_url_is_refused_however_it_is_written() {
        let guard = Guard::default();
        for text in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://169.254.169.254/latest/",
            "http://１２７.0.0.1/",
        ] {
            assert!(guard.check(&url(text)).is_err(), "{text}");
        }
        assert!(guard.check(&url("https://1.1.1.1/")).is_ok());
    }

    #[test]
    fn a_private_host_is_reached_only_when_the_operator_named_it() {
        let own = url("http://127.0.0.1:9000/docs/");
        let guard = Guard::new(&reach(&["Wiki.corp"]), [&own, &url("https://vendor.example/")]);
        assert!(guard.check(&url("http://127.0.0.1:9000/other")).is_ok());
        assert!(guard.check(&url("http://127.0.0.2/")).is_err());
        let inside = || ["10.0.0.1:0".parse().unwrap()].into_iter();
        assert!(guard.admit("wiki.corp", inside()).is_ok());
        let error = guard.admit("vendor.example", inside()).unwrap_err();
        assert!(error.to_string().contains("private_hosts"), "{error}");
    }

    #[test]
    fn of_mixed_addresses_only_the_public_ones_are_used() {
        let found = ["10.0.0.1:0", "1.1.1.1:0", "[::1]:0"].map(|text| text.parse().unwrap());
        let admitted = Guard::default().admit("vendor.example", found.into_iter()).unwrap();
        assert_eq!(admitted, ["1.1.1.1:0".parse().unwrap()]);
    }
}
