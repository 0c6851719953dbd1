//! What a type cannot say: ranges, pairs, and what must not stand together.

use super::advertise::Advertise;
use super::flags::{DEV_SECRET, Flags};
use super::origin::Origins;
use super::schema::{Config, Endpoint, MAX_WORKERS, Rtc};
use crate::base::Millis;
use crate::peer::signal::token::MIN_SECRET_BYTES;
use crate::usage::webhook;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Longest name of a key, a policy or an endpoint, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// Most addresses to advertise: each becomes an ICE candidate of every join.
const MAX_ADVERTISED: usize = 8;
/// Most webhook endpoints: each event is kept once for each.
const MAX_ENDPOINTS: usize = 16;

/// Most space that is kept for the ledger: 64 GiB.
const MAX_BALLAST_MIB: u64 = 65_536;

pub(super) fn check(config: &Config, flags: &Flags, found: &mut Origins) {
    check_binds(config, flags, found);
    check_tls(config, found);
    check_rtc(config, found);
    check_keys(config, flags, found);
    check_limits(config, found);
    check_webhooks(config, found);
    check_policies(config, found);
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
    if config.keys.is_empty() {
        let what = "there is no API key: add `NAME = \"SECRET\"` to [keys], or set \
                    BEISTAND_KEYS_NAME; make a secret with `openssl rand -hex 32`";
        found.refuse("keys", what);
    }
    for (name, secret) in &config.keys {
        let key = format!("keys.{name}");
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            found.refuse(
                &key,
                format!("the name of an API key has 1 to {MAX_NAME_BYTES} bytes"),
            );
        }
        let bytes = secret.expose().len();
        if bytes < MIN_SECRET_BYTES {
            let what = format!(
                "the secret has {bytes} bytes, at least {MIN_SECRET_BYTES} are needed: make one \
                 with `openssl rand -hex 32`"
            );
            found.refuse(&key, what);
        }
        let public = !config.http.bind.ip().is_loopback();
        if secret.expose() == DEV_SECRET && public && !flags.dev {
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

fn check_webhooks(config: &Config, found: &mut Origins) {
    let endpoints = &config.webhooks.endpoints;
    if endpoints.len() > MAX_ENDPOINTS {
        let what = format!("{} are too many: at most {MAX_ENDPOINTS}", endpoints.len());
        found.refuse("webhooks.endpoints", what);
    }
    let mut names = BTreeSet::new();
    for (index, endpoint) in endpoints.iter().enumerate() {
        let path = format!("webhooks.endpoints.{index}");
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
        found.refuse(&key, "needs a host, and no user name in front of it");
    }
}

fn check_webhook_secret(path: &str, endpoint: &Endpoint, found: &mut Origins) {
    let key = format!("{path}.secret");
    let text = endpoint.secret.expose();
    if let Err(error) = webhook::Secret::parse(text) {
        return found.refuse(&key, error);
    }
    let base64 = text.trim_start_matches("whsec_").trim_end_matches('=');
    let bytes = base64.len() * 3 / 4;
    if bytes < MIN_SECRET_BYTES {
        let what = format!(
            "the secret has {bytes} bytes, at least {MIN_SECRET_BYTES} are needed: make one with \
             `echo whsec_$(openssl rand -base64 32)`"
        );
        found.refuse(&key, what);
    }
}

fn check_policies(config: &Config, found: &mut Origins) {
    for (name, policy) in &config.policies {
        let path = format!("policies.{name}");
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
