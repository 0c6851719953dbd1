//! What a type cannot say: ranges, pairs, and what must not stand together.

use super::advertise::Advertise;
use super::blank::check_ends;
use super::flags::{DEV_SECRET, Flags};
use super::origin::Origins;
use super::schema::{Config, Endpoint, MAX_WORKERS, Rtc};
use super::secret::Secret;
use crate::base::{Millis, ProjectId};
use crate::host::deliver::{check_host, may_be_private};
use crate::peer::signal::token::MIN_SECRET_BYTES;
use crate::session::Policy;
use crate::usage::webhook;
use reqwest::Url;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Longest name of a key, a policy or an endpoint, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// Most addresses to advertise: each becomes an ICE candidate of every join.
const MAX_ADVERTISED: usize = 8;
/// Most origins that may embed the page: each answer of the node names them.
const MAX_EMBEDDERS: usize = 16;
/// Most webhook endpoints of a project: each event is kept once for each.
const MAX_ENDPOINTS: usize = 16;
/// Most projects beside the one of `[keys]`: each has clients, templates and bookings of its own.
const MAX_PROJECTS: usize = 64;

/// Most space that is kept for the ledger: 64 GiB.
const MAX_BALLAST_MIB: u64 = 65_536;

pub(super) fn check(config: &Config, flags: &Flags, found: &mut Origins) {
    check_binds(config, flags, found);
    check_tls(config, found);
    if config.http.embed_origins.len() > MAX_EMBEDDERS {
        let what = format!(
            "has {} origins: at most {MAX_EMBEDDERS}",
            config.http.embed_origins.len()
        );
        found.refuse("http.embed_origins", what);
    }
    check_rtc(config, found);
    check_keys(config, flags, found);
    check_limits(config, found);
    check_endpoints("webhooks.endpoints", &config.webhooks.endpoints, found);
    check_policies("policies", &config.policies, found);
    check_projects(config, flags, found);
    if config.data.dir.as_os_str().is_empty() {
        found.refuse("data.dir", "is empty: name a directory");
    }
    if config.data.ballast_mib > MAX_BALLAST_MIB {
        found.refuse(
            "data.ballast_mib",
            format!(
                "is {}: 0 to {MAX_BALLAST_MIB} are allowed",
                config.data.ballast_mib
            ),
        );
    }
    let recordings = config.recordings.dir.as_ref();
    if recordings.is_some_and(|dir| dir.as_os_str().is_empty()) {
        found.refuse(
            "recordings.dir",
            "is empty: name a directory, or leave it out",
        );
    }
}

fn binds(config: &Config) -> [(&'static str, SocketAddr); 3] {
    [
        ("http.bind", config.http.bind),
        ("rtc.udp_bind", config.rtc.udp_bind),
        ("admin.bind", config.admin.bind),
    ]
}

fn check_binds(config: &Config, flags: &Flags, found: &mut Origins) {
    if flags.dev && !flags.dev_public {
        for (key, bind) in binds(config) {
            if !bind.ip().is_loopback() {
                let what = format!(
                    "{bind} can be reached from other machines, and the secret of --dev is known \
                     to everyone: use an address of 127.0.0.0/8 or [::1], or add --dev-public"
                );
                found.refuse(key, what);
            }
        }
    }
    let (http, admin) = (config.http.bind, config.admin.bind);
    if http == admin && http.port() != 0 {
        found.refuse(
            "admin.bind",
            format!("{admin} is taken by http.bind: use another port"),
        );
    }
}

fn check_tls(config: &Config, found: &mut Origins) {
    let without = |missing: &str| format!("stands alone: set `{missing}` too, or neither");
    match (&config.tls.cert, &config.tls.key) {
        (Some(_), None) => found.refuse("tls.cert", without("tls.key")),
        (None, Some(_)) => found.refuse("tls.key", without("tls.cert")),
        (Some(_), Some(_)) | (None, None) => {}
    }
}

fn check_rtc(config: &Config, found: &mut Origins) {
    let rtc = &config.rtc;
    if rtc.workers > MAX_WORKERS {
        let what = format!(
            "{} is too many: 0 (one a core) to {MAX_WORKERS}",
            rtc.workers
        );
        found.refuse("rtc.workers", what);
    }
    let last = u32::from(rtc.udp_bind.port()) + u32::from(rtc.workers.max(1)) - 1;
    if rtc.udp_bind.port() != 0 && last > u32::from(u16::MAX) {
        let what = format!(
            "{} workers from port {} upwards end beyond 65535: use a lower port",
            rtc.workers,
            rtc.udp_bind.port()
        );
        found.refuse("rtc.udp_bind", what);
    }
    if rtc.advertise.len() > MAX_ADVERTISED {
        let what = format!(
            "has {} addresses: at most {MAX_ADVERTISED}",
            rtc.advertise.len()
        );
        found.refuse("rtc.advertise", what);
    }
    for advertise in &rtc.advertise {
        check_advertise(rtc, *advertise, found);
    }
}

fn check_advertise(rtc: &Rtc, advertise: Advertise, found: &mut Origins) {
    let ip = advertise.ip;
    if ip.is_unspecified() || ip.is_multicast() {
        let what = format!("{advertise} cannot be reached: name an address of one machine");
        found.refuse("rtc.advertise", what);
    }
    if advertise.port == Some(0) {
        let what = format!(
            "{advertise} cannot be reached: name the port that leads to the first worker, or none"
        );
        found.refuse("rtc.advertise", what);
    }
    let last = rtc.workers.max(1) - 1;
    if advertise.of_worker(last, 0).is_none() {
        let what = format!(
            "the ports of {} workers from {advertise} upwards end beyond 65535: use a lower port",
            rtc.workers
        );
        found.refuse("rtc.advertise", what);
    }
    if rtc.udp_bind.is_ipv4() && ip.is_ipv6() {
        let what = format!(
            "{advertise} is IPv6 but rtc.udp_bind is IPv4: bind \"[::]:PORT\", which serves both"
        );
        found.refuse("rtc.advertise", what);
    }
}

fn check_keys(config: &Config, flags: &Flags, found: &mut Origins) {
    if config.keys.is_empty() && config.projects.is_empty() {
        let what = "there is no API key: add `NAME = \"SECRET\"` to [keys], or set \
                    BEISTAND_KEYS_NAME; make a secret with `openssl rand -hex 32`";
        found.refuse("keys", what);
    }
    let public = !config.http.bind.ip().is_loopback() && !flags.dev;
    check_secrets("keys", &config.keys, public, found);
}

/// Names and secrets of the keys at `path`; on a `public` address that of `--dev` is none.
fn check_secrets(path: &str, keys: &BTreeMap<String, Secret>, public: bool, found: &mut Origins) {
    for (name, secret) in keys {
        let key = format!("{path}.{name}");
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            found.refuse(
                &key,
                format!("the name of an API key has 1 to {MAX_NAME_BYTES} bytes"),
            );
        }
        check_ends(&key, "the name", name, found);
        check_ends(&key, "the secret", secret.expose(), found);
        let bytes = secret.expose().len();
        if bytes < MIN_SECRET_BYTES {
            let what = format!(
                "the secret has {bytes} bytes, at least {MIN_SECRET_BYTES} are needed: make one \
                 with `openssl rand -hex 32`"
            );
            found.refuse(&key, what);
        }
        if secret.expose() == DEV_SECRET && public {
            let what = "this is the published secret of --dev: make your own with \
                        `openssl rand -hex 32`";
            found.refuse(&key, what);
        }
    }
}

fn check_limits(config: &Config, found: &mut Origins) {
    let limits = &config.limits;
    let numbers = [
        ("limits.max_sessions", limits.max_sessions, 1, 100_000),
        (
            "limits.max_connections",
            limits.max_connections,
            1,
            1_000_000,
        ),
        (
            "limits.connections_per_address",
            limits.connections_per_address,
            1,
            1_000_000,
        ),
        ("limits.joins_per_s", limits.joins_per_s, 1, 100_000),
        ("limits.join_burst", limits.join_burst, 1, 100_000),
        ("limits.requests_per_s", limits.requests_per_s, 1, 100_000),
        ("limits.request_burst", limits.request_burst, 1, 100_000),
        ("node.max_cpu", config.node.max_cpu.into(), 1, 100),
        ("limits.max_preflights", limits.max_preflights, 1, 1_000),
        (
            "limits.preflights_per_address",
            limits.preflights_per_address,
            1,
            1_000,
        ),
        (
            "limits.ws_messages_per_s",
            limits.ws_messages_per_s,
            5,
            100_000,
        ),
        (
            "limits.ws_message_burst",
            limits.ws_message_burst,
            50,
            100_000,
        ),
        (
            "limits.ws_message_bytes",
            limits.ws_message_bytes,
            65_536,
            16_777_216,
        ),
        (
            "limits.ws_queue_bytes",
            limits.ws_queue_bytes,
            262_144,
            67_108_864,
        ),
    ];
    for (key, is, least, most) in numbers {
        range(found, key, is.into(), least, most);
    }
    for (key, span) in [
        ("limits.handshake_timeout_ms", limits.handshake_timeout_ms),
        ("webhooks.timeout_ms", config.webhooks.timeout_ms),
    ] {
        let Millis(ms) = span;
        range(found, key, ms, 100, 120_000);
    }
}

fn range(found: &mut Origins, key: &str, is: u64, least: u64, most: u64) {
    if !(least..=most).contains(&is) {
        found.refuse(
            key,
            format!("{is} is out of range: {least} to {most} are allowed"),
        );
    }
}

/// Each project, and that no two of them share what tells them apart.
fn check_projects(config: &Config, flags: &Flags, found: &mut Origins) {
    if config.projects.len() > MAX_PROJECTS {
        let what = format!(
            "{} are too many: at most {MAX_PROJECTS}",
            config.projects.len()
        );
        found.refuse("projects", what);
    }
    let public = !config.http.bind.ip().is_loopback() && !flags.dev;
    let mut owners = Owners::default();
    owners.take("keys", &config.keys, found);
    for (name, project) in &config.projects {
        let path = format!("projects.{name}");
        if !is_name(name) {
            found.refuse(&path, NAME_RULE);
        }
        if ProjectId::from(name.as_str()).is_default() {
            let what =
                "this is what the project of the keys under [keys] is called: name it otherwise";
            found.refuse(&path, what);
        }
        if project.keys.is_empty() {
            let what = format!("has no API key, so nobody could use it: add one to [{path}.keys]");
            found.refuse(&path, what);
        }
        let keys = format!("{path}.keys");
        check_secrets(&keys, &project.keys, public, found);
        owners.take(&keys, &project.keys, found);
        check_policies(&format!("{path}.policies"), &project.policies, found);
        let endpoints = &project.webhooks.endpoints;
        check_endpoints(&format!("{path}.webhooks.endpoints"), endpoints, found);
    }
}

/// Which section each key, and each secret, was first found in.
#[derive(Default)]
struct Owners<'a> {
    keys: BTreeMap<&'a str, String>,
    secrets: BTreeMap<&'a str, String>,
}

impl<'a> Owners<'a> {
    fn take(&mut self, section: &str, keys: &'a BTreeMap<String, Secret>, found: &mut Origins) {
        for (name, secret) in keys {
            let (key, place) = (format!("{section}.{name}"), section.to_owned());
            let other = self.keys.entry(name).or_insert_with(|| place.clone());
            if other != section {
                let what = format!(
                    "this API key is in [{other}] as well, and a token names its key alone: a key \
                     is of one project, give it another name here or there"
                );
                found.refuse(&key, what);
                continue;
            }
            let other = self.secrets.entry(secret.expose()).or_insert(place);
            if other != section {
                let what = format!(
                    "this secret is that of a key in [{other}] as well, so each of the two projects \
                     could sign for the other: make one of its own with `openssl rand -hex 32`"
                );
                found.refuse(&key, what);
            }
        }
    }
}

/// The endpoints at `list`.
fn check_endpoints(list: &str, endpoints: &[Endpoint], found: &mut Origins) {
    if endpoints.len() > MAX_ENDPOINTS {
        let what = format!("{} are too many: at most {MAX_ENDPOINTS}", endpoints.len());
        found.refuse(list, what);
    }
    let mut names = BTreeSet::new();
    for (index, endpoint) in endpoints.iter().enumerate() {
        let path = format!("{list}.{index}");
        if !is_name(&endpoint.name) {
            found.refuse(&format!("{path}.name"), NAME_RULE);
        }
        if !names.insert(&endpoint.name) {
            let what = format!(
                "{:?} is the name of two endpoints: rename one",
                endpoint.name
            );
            found.refuse(&format!("{path}.name"), what);
        }
        check_url(&path, endpoint, found);
        check_webhook_secret(&path, endpoint, found);
    }
}

const NAME_RULE: &str = "a name has 1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`";

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= MAX_NAME_BYTES && text.bytes().all(allowed)
}

fn check_url(path: &str, endpoint: &Endpoint, found: &mut Origins) {
    let key = format!("{path}.url");
    let rest = match endpoint.url.split_once("://") {
        Some(("https", rest)) => rest,
        Some(("http", rest)) if endpoint.allow_http => rest,
        Some(("http", _)) => {
            let what = "http:// is readable on the way: use https://, or set `allow_http = true`";
            return found.refuse(&key, what);
        }
        Some(_) | None => return found.refuse(&key, "must start with https://"),
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.contains(|c: char| c == '@' || c.is_whitespace()) {
        return found.refuse(&key, "needs a host, and no user name in front of it");
    }
    match Url::parse(&endpoint.url) {
        Err(error) => found.refuse(&key, format!("is no URL: {error}")),
        Ok(url) if !may_be_private(&endpoint.url, endpoint.allow_http, endpoint.allow_private) => {
            if let Err(refused) = check_host(&url) {
                found.refuse(&key, refused);
            }
        }
        Ok(_) => {}
    }
}

fn check_webhook_secret(path: &str, endpoint: &Endpoint, found: &mut Origins) {
    let key = format!("{path}.secret");
    let text = endpoint.secret.expose();
    if check_ends(&key, "the secret", text, found)
        && let Err(error) = webhook::Secret::parse(text)
    {
        found.refuse(&key, error);
    }
}

/// The policies at `section`.
fn check_policies(section: &str, policies: &BTreeMap<String, Policy>, found: &mut Origins) {
    for (name, policy) in policies {
        let path = format!("{section}.{name}");
        if !is_name(name) {
            found.refuse(&path, NAME_RULE);
        }
        if let Err(error) = policy.validate() {
            let text = error.to_string();
            // Its text starts with the key within the policy: that leads to the line.
            let key = text.split(' ').next().unwrap_or_default();
            found.refuse(&format!("{path}.{key}"), &text);
        }
    }
}
