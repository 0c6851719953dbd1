//! Where the client reached us: what links begin with, and whether its `Host` is one at all.

use super::address::hops;
use super::gate::Gate;
use super::problem::Problem;
use super::site::Site;
use axum::extract::{ConnectInfo, FromRef, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Longest host that a link begins with, in bytes.
const HOST_BYTES: usize = 256;
/// Longest prefix, in bytes.
const PREFIX_BYTES: usize = 256;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What links in the answer to this request begin with: `http.public_url`, else what trusted proxies say,
/// else the host that the client named.
pub(super) struct Reached(pub String);

impl<S> FromRequestParts<S> for Reached
where
    Arc<Gate>: FromRef<S>,
    Arc<Site>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Reached, Problem> {
        let rules = Arc::<Gate>::from_ref(state).rules();
        if let Some(url) = &rules.public_url {
            return Ok(Reached(url.clone()));
        }
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| peer.ip().to_canonical());
        let own = host(parts).map_err(|NoHost(what)| Problem::malformed(what))?;
        let heard = Heard {
            scheme: Arc::<Site>::from_ref(state).scheme(),
            host: own.as_ref().map(Authority::as_str),
            headers: &parts.headers,
        };
        heard.base(peer, &rules.is_trusted).map(Reached)
    }
}

/// Refuses a request whose `Host` could not have come from an address that anybody typed.
pub(super) async fn check_host(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match host(&parts) {
        Ok(_) => next.run(Request::from_parts(parts, body)).await,
        Err(NoHost(what)) => Problem::malformed(what).into_response(),
    }
}

/// Why there is no host.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoHost(pub &'static str);

/// The host that a request names, if it names one: HTTP/2 has it in the address, HTTP/1 in a header.
pub(super) fn host(parts: &Parts) -> Result<Option<Authority>, NoHost> {
    let mut named = parts.headers.get_all(header::HOST).iter();
    let (first, more) = (named.next(), named.next());
    if more.is_some() {
        return Err(NoHost("the request names two hosts"));
    }
    let odd = NoHost("the header `Host` is no HOST or HOST:PORT");
    let Some(first) = first else {
        return Ok(parts.uri.authority().cloned());
    };
    let text = first.to_str().unwrap_or_default();
    authority(text).map(Some).ok_or(odd)
}

/// `HOST` or `HOST:PORT`: no user, and a port that there is (RFC 9110 §7.2).
fn authority(text: &str) -> Option<Authority> {
    if text.is_empty() || text.len() > HOST_BYTES {
        return None;
    }
    let parsed: Authority = text.parse().ok()?;
    let host = parsed.host();
    let address = host
        .strip_prefix('[')
        .map(|rest| rest.trim_end_matches(']'));
    let is_host = match address {
        Some(address) => address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
        None => !host.is_empty() && host.bytes().all(is_of_a_name),
    };
    let rest = text.strip_prefix(host)?;
    let port = rest.is_empty()
        || rest
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok());
    (is_host && port).then_some(parsed)
}

/// `SCHEME://HOST[:PORT][/PREFIX]` as links begin with it, without a slash at its end; none if no link could.
pub fn base_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (host, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let prefix = prefix.trim_end_matches('/');
    let is_good =
        matches!(scheme, "https" | "http") && authority(host).is_some() && is_prefix(prefix);
    is_good.then(|| format!("{scheme}://{host}{prefix}"))
}

/// Names of hosts have letters, digits, `-` and `.`; `_` is not allowed and met all the same.
const fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// What a request says of where it was sent.
struct Heard<'a> {
    /// That of our own listener.
    scheme: &'static str,
    host: Option<&'a str>,
    headers: &'a HeaderMap,
}

impl Heard<'_> {
    fn base(
        &self,
        peer: Option<IpAddr>,
        is_trusted: &dyn Fn(IpAddr) -> bool,
    ) -> Result<String, Problem> {
        let mut told = Told::default();
        if let Some(peer) = peer.filter(|peer| is_trusted(*peer)) {
            told = self.told(peer, is_trusted);
        }
        let scheme = match told.proto.as_deref() {
            None => self.scheme,
            Some(proto) => scheme(proto).ok_or_else(|| odd("the scheme", "http or https"))?,
        };
        let host = match &told.host {
            None => self.host.map(str::to_owned),
            Some(host) => {
                let parsed = authority(host).ok_or_else(|| odd("the host", "HOST or HOST:PORT"))?;
                Some(parsed.to_string())
            }
        };
        let host = host.ok_or_else(|| Problem::malformed("the request names no host"))?;
        let prefix = told.prefix.as_deref().unwrap_or("");
        let prefix = prefix.trim_end_matches('/');
        if !is_prefix(prefix) {
            return Err(odd("the prefix", "a path that begins with /"));
        }
        Ok(format!("{scheme}://{host}{prefix}"))
    }

    /// What the trusted proxies say. `Forwarded` (RFC 7239) counts where none of the other headers is: a
    /// proxy that sets one kind lets the other kind pass as its client wrote it.
    fn told(&self, peer: IpAddr, is_trusted: &dyn Fn(IpAddr) -> bool) -> Told {
        let others = [
            FORWARDED_PROTO,
            FORWARDED_HOST,
            FORWARDED_PREFIX,
            FORWARDED_FOR,
        ];
        if others.iter().any(|name| self.headers.contains_key(name)) {
            let own = hops(peer, self.headers, is_trusted);
            let of = |name: &HeaderName| {
                let list = list(self.headers, name);
                // Each proxy adds one at the end, unless it keeps or replaces what there is.
                let at = list.len().saturating_sub(own);
                list.get(at).map(|word| (*word).to_owned())
            };
            return Told {
                proto: of(&FORWARDED_PROTO),
                host: of(&FORWARDED_HOST),
                prefix: of(&FORWARDED_PREFIX),
            };
        }
        let mut told = Told::default();
        for element in list(self.headers, &FORWARDED).into_iter().rev() {
            told = told.nearer(element);
            let next = pair(element, "for").and_then(|hop| super::address::parse(&hop));
            if !next.is_some_and(is_trusted) {
                break;
            }
        }
        told
    }
}

fn odd(what: &str, allowed: &str) -> Problem {
    Problem::malformed(format!("{what} that a proxy forwards is not {allowed}"))
}

/// What proxies tell of the request that they took.
#[derive(Debug, Default)]
struct Told {
    proto: Option<String>,
    host: Option<String>,
    prefix: Option<String>,
}

impl Told {
    /// With the word of the proxy before: it was nearer to the client.
    fn nearer(self, element: &str) -> Told {
        Told {
            proto: pair(element, "proto").or(self.proto),
            host: pair(element, "host").or(self.host),
            prefix: self.prefix,
        }
    }
}

/// The words of a header with commas.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let values = headers.get_all(name).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let words = values.flat_map(|value| value.split(',')).map(str::trim);
    words.filter(|word| !word.is_empty()).collect()
}

/// The value of a parameter of an element of `Forwarded`, without quotes.
fn pair(element: &str, name: &str) -> Option<String> {
    let mut pairs = element
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.trim_matches('"').to_owned())
}

/// The scheme of a link; WebSockets are told of as they are.
fn scheme(proto: &str) -> Option<&'static str> {
    match proto.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some("https"),
        "http" | "ws" => Some("http"),
        _ => None,
    }
}

/// A path of plain segments, or nothing.
fn is_prefix(text: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    let segment = |segment: &str| !matches!(segment, "" | "." | "..");
    text.is_empty()
        || text.len() <= PREFIX_BYTES
            && text.bytes().all(plain)
            && text
                .strip_prefix('/')
                .is_some_and(|rest| rest.split('/').all(segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/v1/sessions");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
            .body(axum::body::Body::empty())
            .unwrap()
            .into_parts()
            .0
    }

    fn base(peer: IpAddr, headers: &[(&str, &str)]) -> Result<String, Problem> {
        let parts = parts(&[&[("host", "node:7880")], headers].concat());
        let trusted = |ip: IpAddr| matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10);
        let host = host(&parts).unwrap();
        let heard = Heard {
            scheme: "http",
            host: host.as_ref().map(Authority::as_str),
            headers: &parts.headers,
        };
        heard.base(Some(peer), &trusted)
    }

    #[test]
    #[rustfmt::skip]
    fn links_begin_with_what_a_trusted_proxy_forwards_and_with_nothing_that_a_stranger_does() {
        let proto = ("x-forwarded-proto", "https");
        let host = ("x-forwarded-host", "media.example:8443");
        let prefix = ("x-forwarded-prefix", "/media/");
        let forwarded = (
            "forwarded",
            "for=198.51.100.1;proto=https;host=\"media.example:8443\"",
        );
        for (headers, expected) in [
            (vec![], "http://node:7880"),
            (vec![proto], "https://node:7880"),
            (vec![proto, host], "https://media.example:8443"),
            (vec![proto, host, prefix], "https://media.example:8443/media"),
            (vec![("x-forwarded-proto", "WSS")], "https://node:7880"),
            (vec![("x-forwarded-prefix", "/")], "http://node:7880"),
            (vec![("x-forwarded-prefix", "/a/b")], "http://node:7880/a/b"),
            (vec![("x-forwarded-host", "[2001:db8::7]:1")], "http://[2001:db8::7]:1"),
            (vec![forwarded], "https://media.example:8443"),
            (vec![("forwarded", "Proto=HTTPS")], "https://node:7880"),
            // A proxy that sets one kind may let the other kind pass.
            (vec![proto, ("forwarded", "host=evil.example;proto=http")], "https://node:7880"),
            // Two proxies of ours: the outer one took the request.
            (vec![("x-forwarded-for", "198.51.100.1, 10.0.0.2"), ("x-forwarded-proto", "https, http")], "https://node:7880"),
            // What the client itself claims is in front of that.
            (vec![("x-forwarded-for", "6.6.6.6, 198.51.100.1"), ("x-forwarded-proto", "http, https")], "https://node:7880"),
            (vec![("x-forwarded-for", "198.51.100.1"), ("x-forwarded-host", "evil.example, media.example")], "http://media.example"),
            (
                vec![(
                    "forwarded",
                    "host=evil.example, for=198.51.100.1;host=media.example",
                )],
                "http://media.example",
            ),
            (
                vec![(
                    "forwarded",
                    "for=198.51.100.1;proto=https, for=10.0.0.2;proto=http",
                )],
                "https://node:7880",
            ),
        ] {
            assert_eq!(
                base(PROXY, &headers).as_deref().ok(),
                Some(expected),
                "{headers:?}"
            );
            assert_eq!(
                base(STRANGER, &headers).as_deref().ok(),
                Some("http://node:7880"),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn what_a_proxy_forwards_and_no_link_could_begin_with_is_refused() {
        for (name, value) in [
            ("x-forwarded-proto", "javascript"),
            ("x-forwarded-host", "a b"),
            ("x-forwarded-host", "me@media.example"),
            ("x-forwarded-host", "media.example/evil"),
            ("x-forwarded-host", "media.example:99999"),
            ("x-forwarded-prefix", "media"),
            ("x-forwarded-prefix", "//evil.example"),
            ("x-forwarded-prefix", "/../x"),
            ("x-forwarded-prefix", "/a?b"),
            ("forwarded", "proto=ftp"),
            ("forwarded", "host=\"a b\""),
        ] {
            assert!(base(PROXY, &[(name, value)]).is_err(), "{name}: {value}");
            assert!(base(STRANGER, &[(name, value)]).is_ok(), "{name}: {value}");
        }
    }

    #[test]
    fn a_public_address_has_scheme_host_and_maybe_port_and_prefix_and_nothing_else() {
        for (url, base) in [
            ("https://media.example", "https://media.example"),
            ("https://media.example/", "https://media.example"),
            ("http://10.0.0.1:7880", "http://10.0.0.1:7880"),
            (
                "https://[2001:db8::7]:1/a/b/",
                "https://[2001:db8::7]:1/a/b",
            ),
        ] {
            assert_eq!(base_of(url).as_deref(), Some(base), "{url}");
        }
        for url in [
            "media.example",
            "wss://media.example",
            "https://",
            "https:///a",
            "https://me@media.example",
            "https://media.example?a",
            "https://media.example/a?b",
            "https://media.example/#a",
            "https://a b",
            "https://media.example//a",
            "https://media.example/../a",
            "HTTPS://media.example",
        ] {
            assert_eq!(base_of(url), None, "{url}");
        }
    }

    #[test]
    fn a_host_that_is_no_authority_is_none() {
        for good in [
            "node",
            "node:7880",
            "media.example.com",
            "10.0.0.1:1",
            "[::1]:7880",
            "[::1]",
            "my_node",
        ] {
            let found = host(&parts(&[("host", good)])).unwrap().unwrap();
            assert_eq!(found.as_str(), good);
        }
        for bad in [
            "",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "me@node",
            "node:",
            "node:x",
            "node:99999",
            ":80",
            "[::1",
            "[node]",
            "a\"b",
            "a<b>",
            "http://node",
            "a,b",
            "[127.0.0.1]",
            &"a".repeat(300),
        ] {
            assert!(host(&parts(&[("host", bad)])).is_err(), "{bad:?}");
        }
        assert!(host(&parts(&[("host", "a"), ("host", "b")])).is_err());
        assert_eq!(host(&parts(&[])), Ok(None));
    }
}
