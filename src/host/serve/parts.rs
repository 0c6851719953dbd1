//! The parts of a node, as the configuration wants them.

use crate::api::ReadClock;
use crate::api::{self, Limits, PreflightLimits, Rate, Rules};
use crate::base::Now;
use crate::base::crypto::entropy_seed;
use crate::host::config::schema::Config;
use crate::host::deliver::{DeliverConfig, Delivery, Endpoint, Inlet};
use crate::host::descriptors;
use crate::host::recordings::mark::recognise;
use crate::host::store::open::Store;
use crate::host::store::parts::{Boot, StoreConfig};
use crate::host::store::running::StoreHandle;
use crate::node::{Capacity, Control, Settings};
use crate::peer::signal::token::KeyError;
use crate::usage::outbox::OutboxConfig;
use std::net::SocketAddr;
use std::sync::Arc;

/// The configured endpoints of webhooks, those of all projects, and that of `--dev`.
pub(super) fn endpoints(config: &Config, dev: Option<SocketAddr>) -> Vec<Endpoint> {
    let configured = config.all_endpoints().map(|(project, endpoint)| Endpoint {
        name: project.endpoint(&endpoint.name),
        url: endpoint.url.clone(),
        secret: endpoint.secret.expose().to_owned(),
        allow_http: endpoint.allow_http,
        allow_private: endpoint.allow_private,
    });
    let ours = dev.map(|address| Endpoint {
        name: api::DEV_WEBHOOK_NAME.to_owned(),
        url: format!("http://{address}{}", api::DEV_WEBHOOK_PATH),
        secret: api::DEV_WEBHOOK_SECRET.to_owned(),
        allow_http: true,
        allow_private: true,
    });
    configured.chain(ours).collect()
}

/// What may change while the node runs, beside the webhooks.
///
/// # Errors
/// A secret is too short: cannot happen to a loaded configuration.
pub(super) fn settings(config: &Config) -> Result<Settings, KeyError> {
    Ok(Settings {
        keys: Arc::new(config.api_keys()?),
        policies: Arc::new(config.all_policies()),
    })
}

/// Opens the ledger, unless it and the directory of recordings belong to different nodes.
pub(super) fn open_store(
    config: &Config,
    inlet: &Inlet,
    now: Now,
) -> anyhow::Result<(Store, Boot)> {
    let data = &config.data.dir;
    recognise(data, &config.recordings.dir(data))?;
    let store = StoreConfig {
        dir: data.clone(),
        node: None,
        endpoints: inlet.names(),
        ballast_bytes: config.data.ballast_mib << 20,
    };
    let (store, boot) = Store::open(&store, now)?;
    tracing::info!(node = %boot.node, epoch = boot.epoch, "the ledger is open");
    if !boot.closed.is_empty() {
        let sessions = boot.closed.len();
        tracing::warn!(
            sessions,
            "the last process left sessions open: closed from checkpoints"
        );
    }
    Ok((store, boot))
}

pub(super) fn delivery(
    config: &Config,
    endpoints: Vec<Endpoint>,
    inlet: &Inlet,
    store: StoreHandle,
    clock: ReadClock,
) -> anyhow::Result<Delivery> {
    let deliver = DeliverConfig {
        endpoints,
        timeout_ms: config.webhooks.timeout_ms,
        outbox: OutboxConfig::default(),
        seed: entropy_seed()?,
    };
    Ok(Delivery::new(deliver, inlet, store, clock)?)
}

/// What the node has to give.
pub(super) fn capacity(config: &Config) -> anyhow::Result<Capacity> {
    Ok(Capacity {
        max_sessions: usize::try_from(config.limits.max_sessions)?,
        egress_bps: config.node.egress_bps,
        max_cpu: config.node.max_cpu,
    })
}

/// Admission, with what was booked before.
pub(super) fn control(config: &Config, workers: usize, boot: &Boot) -> anyhow::Result<Control> {
    let mut control = Control::new(workers, capacity(config)?);
    for booking in &boot.bookings {
        control.keep(booking.clone());
    }
    Ok(control)
}

/// What everybody who knocks is held against.
pub(super) fn rules(config: &Config) -> anyhow::Result<Rules> {
    let trusted = config.http.trusted_proxies.clone();
    Ok(Rules {
        limits: limits(config)?,
        preflights: preflight_limits(config)?,
        is_trusted: Box::new(move |ip| trusted.iter().any(|network| network.contains(ip))),
        public_url: config.http.public_url.clone(),
        embed_origins: config.http.embed_origins.clone(),
    })
}

fn preflight_limits(config: &Config) -> anyhow::Result<PreflightLimits> {
    Ok(PreflightLimits {
        at_once: usize::try_from(config.limits.max_preflights)?,
        per_address: usize::try_from(config.limits.preflights_per_address)?,
    })
}

/// No more sockets than files may be open, but for those that the node itself needs.
fn connections(wanted: u32) -> u64 {
    let wanted = u64::from(wanted);
    let possible = descriptors::sockets().unwrap_or(wanted);
    if possible < wanted {
        tracing::warn!(
            wanted,
            possible,
            "fewer sockets are let in than limits.max_connections: the limit \
             of open files is too low (ulimit -n, LimitNOFILE)"
        );
    }
    possible.min(wanted)
}

fn limits(config: &Config) -> anyhow::Result<Limits> {
    let limits = &config.limits;
    Ok(Limits {
        connections: usize::try_from(connections(limits.max_connections))?,
        connections_per_address: usize::try_from(limits.connections_per_address)?,
        joins: Rate {
            per_s: limits.joins_per_s,
            burst: limits.join_burst,
        },
        requests: Rate {
            per_s: limits.requests_per_s,
            burst: limits.request_burst,
        },
        messages: Rate {
            per_s: limits.ws_messages_per_s,
            burst: limits.ws_message_burst,
        },
        message_bytes: usize::try_from(limits.ws_message_bytes)?,
        queue_bytes: usize::try_from(limits.ws_queue_bytes)?,
        handshake: limits.handshake_timeout_ms.duration(),
    })
}
