//! Where a webhook may go: to hosts on the public Internet, and elsewhere only if the endpoint says so.
//! A name is resolved once for each connection, every address is checked, and only those that were checked
//! are connected to: what the name says a moment later does not matter (DNS rebinding).

use crate::host::special_use::{SpecialUse, special_use};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use tokio::net::lookup_host;

/// A host that is not on the public Internet, for an endpoint without `allow_private`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} is at {address} ({block}), not on the public Internet: set `allow_private = true` if that is meant"
)]
pub struct Refused {
    host: String,
    address: IpAddr,
    block: SpecialUse,
}

fn check(host: &str, address: IpAddr) -> Result<(), Refused> {
    match special_use(address) {
        None => Ok(()),
        Some(block) => Err(Refused {
            host: host.to_owned(),
            address,
            block,
        }),
    }
}

/// Checks a host that is an address, in whichever form (`Url` reads decimal, octal and hexadecimal ones
/// as clients do), or `localhost` (RFC 6761, 6.3). Other names are checked once they are resolved.
///
/// # Errors
/// It is not on the public Internet.
pub fn check_host(url: &Url) -> Result<(), Refused> {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = host.trim_end_matches('.');
    if name == "localhost" || name.ends_with(".localhost") {
        return check(host, Ipv4Addr::LOCALHOST.into());
    }
    bare.parse().map_or(Ok(()), |address| check(host, address))
}

/// Whether an endpoint may post to hosts that are not on the public Internet. It says so, or its URL is
/// `http://` with an address of this machine, written as such: who allows `http://` there means that, and
/// no name can lead elsewhere.
pub fn may_be_private(url: &str, allow_http: bool, allow_private: bool) -> bool {
    let authority = url.strip_prefix("http://").filter(|_| allow_http);
    let authority = authority.and_then(|rest| rest.split(['/', '?', '#']).next());
    let address = authority.map(|at| {
        let socket = at.parse::<SocketAddr>().map(|address| address.ip());
        socket.or_else(|_| at.trim_matches(['[', ']']).parse::<IpAddr>())
    });
    allow_private || address.is_some_and(|address| address.is_ok_and(|ip| ip.is_loopback()))
}

type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
/// Asks for the addresses of a name.
pub(super) type Lookup = Arc<dyn Fn(String) -> Found + Send + Sync>;

/// That of the operating system.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|host| {
        Box::pin(async move {
            let found = lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// The resolver of an endpoint's client.
pub(super) struct Resolver {
    pub allow_private: bool,
    pub lookup: Lookup,
}

impl Resolve for Resolver {
    /// One address that is refused refuses all: the name is not under the control of who it seems to be.
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let (found, allow_private) = ((self.lookup)(host.clone()), self.allow_private);
        Box::pin(async move {
            let found = found.await?;
            if !allow_private {
                found
                    .iter()
                    .try_for_each(|address| check(&host, *address))?;
            }
            // The port is that of the URL.
            let found = found.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}

/// Whether it was refused what the error is about.
pub(super) fn refused(error: &reqwest::Error) -> Option<&Refused> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<Refused>() {
            return Some(refused);
        }
        cause = inner.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_that_is_written_as_such_needs_no_word_where_http_is_allowed() {
        for (url, allowed) in [
            ("http://127.0.0.1/hook", true),
            ("http://127.0.0.1:8080/hook?a=b", true),
            ("http://[::1]:8080", true),
            ("http://[::1]", true),
            ("http://127.1/", false),
            ("http://2130706433/", false),
            ("http://0x7f000001/", false),
            ("http://[::ffff:127.0.0.1]/", false),
            ("http://localhost/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://10.0.0.7/", false),
            ("http://169.254.169.254/", false),
            ("https://127.0.0.1/", false),
        ] {
            assert_eq!(may_be_private(url, true, false), allowed, "{url}");
            assert!(!may_be_private(url, false, false), "{url}");
            assert!(may_be_private(url, true, true), "{url}");
        }
    }

    #[test]
    fn a_host_that_is_an_address_is_checked_in_each_form_that_clients_read() {
        for (url, at) in [
            ("http://127.0.0.1/", "127.0.0.1"),
            ("http://2130706433/", "127.0.0.1"),
            ("http://0x7f000001/", "127.0.0.1"),
            ("http://0x7f.1/", "127.0.0.1"),
            ("http://0177.0.0.1/", "127.0.0.1"),
            ("http://017700000001:81/", "127.0.0.1"),
            ("http://127.1/", "127.0.0.1"),
            ("http://127.0.0.1./", "127.0.0.1"),
            ("https://①②⑦.0.0.1/", "127.0.0.1"),
            ("http://0/", "0.0.0.0"),
            ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
            ("http://0xa9fea9fe/", "169.254.169.254"),
            ("http://[::1]/", "::1"),
            ("http://[::ffff:10.0.0.1]:8080/", "::ffff:10.0.0.1"),
            ("http://[64:ff9b::169.254.169.254]/", "64:ff9b::a9fe:a9fe"),
            ("http://[fd00:ec2::254]/", "fd00:ec2::254"),
            ("http://localhost:3000/", "127.0.0.1"),
            ("http://LOCALHOST./", "127.0.0.1"),
            ("http://app.localhost/", "127.0.0.1"),
        ] {
            let refused = check_host(&Url::parse(url).unwrap()).unwrap_err();
            assert_eq!(refused.address, at.parse::<IpAddr>().unwrap(), "{url}");
            assert!(
                refused.to_string().contains("allow_private = true"),
                "{url}"
            );
        }
        for url in [
            "https://app.example/",
            "https://93.184.215.14/",
            "https://0x5db8d70e/",
            "https://[2606:4700::1111]/",
            "https://notlocalhost/",
        ] {
            assert_eq!(check_host(&Url::parse(url).unwrap()), Ok(()), "{url}");
        }
    }
}
