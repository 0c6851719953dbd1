//! What can be configured, with every default. The reasons stand in `config/beistand.toml`.

use super::advertise::Advertise;
use super::net::Network;
use super::secret::Secret;
use crate::api::base_of;
use crate::base::{Millis, ProjectId};
use crate::peer::signal::token::{KeyError, Keys};
use crate::session::{Policies, Policy};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// All of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[http]`
    pub http: Http,
    /// `[tls]`
    pub tls: Tls,
    /// `[rtc]`
    pub rtc: Rtc,
    /// `[admin]`
    pub admin: Admin,
    /// `[data]`
    pub data: Data,
    /// `[recordings]`
    pub recordings: Recordings,
    /// `[node]`
    pub node: Node,
    /// `[keys]`: API key → secret.
    pub keys: BTreeMap<String, Secret>,
    /// `[limits]`
    pub limits: Limits,
    /// `[webhooks]`
    pub webhooks: Webhooks,
    /// `[policies.NAME]`; `default` is always there.
    pub policies: BTreeMap<String, Policy>,
    /// `[projects.NAME]`
    pub projects: BTreeMap<String, Project>,
    /// `[log]`
    pub log: Log,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            http: Http::default(),
            tls: Tls::default(),
            rtc: Rtc::default(),
            admin: Admin::default(),
            data: Data::default(),
            recordings: Recordings::default(),
            node: Node::default(),
            keys: BTreeMap::new(),
            limits: Limits::default(),
            webhooks: Webhooks::default(),
            policies: BTreeMap::from([("default".to_owned(), Policy::default())]),
            projects: BTreeMap::new(),
            log: Log::default(),
        }
    }
}

impl Config {
    /// The API keys of all projects, ready to verify and sign.
    ///
    /// # Errors
    /// A secret is too short, or a key is of two projects: cannot happen to a loaded config.
    pub fn api_keys(&self) -> Result<Keys, KeyError> {
        let mut keys = Keys::new(pairs(&self.keys))?;
        for (name, project) in &self.projects {
            keys = keys.with(&ProjectId::from(name.as_str()), pairs(&project.keys))?;
        }
        Ok(keys)
    }

    /// The policy templates of all projects.
    pub fn all_policies(&self) -> Policies {
        let own = Policies::of_keys(self.policies.clone());
        self.projects.iter().fold(own, |all, (name, project)| {
            all.with(ProjectId::from(name.as_str()), project.policies.clone())
        })
    }

    /// The endpoints of webhooks of all projects, each with its project.
    pub fn all_endpoints(&self) -> impl Iterator<Item = (ProjectId, &Endpoint)> {
        let own = self.webhooks.endpoints.iter();
        let own = own.map(|endpoint| (ProjectId::default(), endpoint));
        own.chain(self.projects.iter().flat_map(|(name, project)| {
            let endpoints = project.webhooks.endpoints.iter();
            endpoints.map(|endpoint| (ProjectId::from(name.as_str()), endpoint))
        }))
    }
}

fn pairs(keys: &BTreeMap<String, Secret>) -> impl Iterator<Item = (&str, &str)> {
    keys.iter()
        .map(|(key, secret)| (key.as_str(), secret.expose()))
}

/// `[projects.NAME]`: a tenant, with nothing in common with the others but the node.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Project {
    /// API key → secret.
    pub keys: BTreeMap<String, Secret>,
    /// Policy templates; `default` is always there.
    pub policies: BTreeMap<String, Policy>,
    /// Who is told of its sessions.
    pub webhooks: ProjectWebhooks,
}

/// `[projects.NAME.webhooks]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectWebhooks {
    /// Who is told.
    pub endpoints: Vec<Endpoint>,
}

/// `[http]`: the door of clients and apps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Where to listen.
    #[serde(deserialize_with = "bind")]
    pub bind: SocketAddr,
    /// What links begin with.
    #[serde(deserialize_with = "public_url")]
    pub public_url: Option<String>,
    /// Whose pages may have ours within them.
    #[serde(deserialize_with = "origins")]
    pub embed_origins: Vec<String>,
    /// Whose `X-Forwarded-*` and `Forwarded` headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// The built web page.
    pub web_dir: Option<PathBuf>,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            bind: any(7880),
            public_url: None,
            embed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            web_dir: None,
        }
    }
}

/// `[tls]`: HTTPS and WSS without a proxy. Both or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
}

/// `[rtc]`: the media ports.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rtc {
    /// The first worker's socket; the others follow upwards.
    #[serde(deserialize_with = "bind")]
    pub udp_bind: SocketAddr,
    /// Addresses that clients are told; none means the one of the default route's interface.
    pub advertise: Vec<Advertise>,
    /// Worker threads; 0 means one a core.
    pub workers: u16,
}

impl Default for Rtc {
    fn default() -> Rtc {
        Rtc {
            udp_bind: any(7882),
            advertise: Vec::new(),
            workers: 0,
        }
    }
}

/// Most workers of a node: each has a port and a thread.
pub(super) const MAX_WORKERS: u16 = 64;

impl Rtc {
    /// How many workers to start on a machine with so many cores.
    pub fn worker_count(&self, cores: usize) -> u16 {
        let wanted = match self.workers {
            0 => u16::try_from(cores).unwrap_or(MAX_WORKERS),
            some => some,
        };
        wanted.clamp(1, MAX_WORKERS)
    }
}

/// `[admin]`: metrics and health.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Where to listen.
    #[serde(deserialize_with = "bind")]
    pub bind: SocketAddr,
}

impl Default for Admin {
    fn default() -> Admin {
        Admin {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 6789)),
        }
    }
}

/// `[data]`: what must survive.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// Directory of the ledger.
    pub dir: PathBuf,
    /// Space that is kept for the ledger when the disk is full, in MiB; 0: none.
    pub ballast_mib: u64,
}

impl Default for Data {
    fn default() -> Data {
        Data {
            dir: PathBuf::from("/var/lib/beistand"),
            ballast_mib: 64,
        }
    }
}

/// `[recordings]`: where they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recordings {
    /// Their directory; none: `recordings` in that of the data.
    pub dir: Option<PathBuf>,
}

impl Recordings {
    /// Their directory, for a node with this directory of data.
    pub fn dir(&self, data: &Path) -> PathBuf {
        let own = self.dir.clone();
        own.unwrap_or_else(|| data.join("recordings"))
    }
}

/// `[node]`: what the node has to give.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Node {
    /// Bits a second to clients; 0: not limited.
    pub egress_bps: u64,
    /// Percent of all cores above which no session starts.
    pub max_cpu: u8,
}

impl Default for Node {
    fn default() -> Node {
        Node {
            egress_bps: 1_000_000_000,
            max_cpu: 85,
        }
    }
}

/// `[limits]`: what strangers and clients may cost.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Sessions at once.
    pub max_sessions: u32,
    /// Sockets at once, WebSockets among them.
    pub max_connections: u32,
    /// The same of one address, or one /64 of IPv6.
    pub connections_per_address: u32,
    /// Joins a second from one address.
    pub joins_per_s: u32,
    /// Joins from one address that may come at once.
    pub join_burst: u32,
    /// Requests to the Sessions API a second from one address.
    pub requests_per_s: u32,
    /// Requests to the Sessions API from one address that may come at once.
    pub request_burst: u32,
    /// Measurements before a join, at once.
    pub max_preflights: u32,
    /// Measurements from one address, at once.
    pub preflights_per_address: u32,
    /// Signalling messages a second on one WebSocket.
    pub ws_messages_per_s: u32,
    /// Signalling messages on one WebSocket that may come at once.
    pub ws_message_burst: u32,
    /// Longest message, after inflation.
    pub ws_message_bytes: u32,
    /// Most that waits for a client that does not read; then it is closed.
    pub ws_queue_bytes: u32,
    /// Time for a TLS or WebSocket handshake.
    pub handshake_timeout_ms: Millis,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_sessions: 1_000,
            max_connections: 4_000,
            connections_per_address: 64,
            joins_per_s: 20,
            join_burst: 100,
            requests_per_s: 50,
            request_burst: 200,
            max_preflights: 16,
            preflights_per_address: 4,
            ws_messages_per_s: 50,
            ws_message_burst: 400,
            ws_message_bytes: 262_144,
            ws_queue_bytes: 2_097_152,
            handshake_timeout_ms: Millis(5_000),
        }
    }
}

/// `[webhooks]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// Limit of a whole attempt.
    pub timeout_ms: Millis,
    /// Who is told.
    pub endpoints: Vec<Endpoint>,
}

impl Default for Webhooks {
    fn default() -> Webhooks {
        Webhooks {
            timeout_ms: Millis(15_000),
            endpoints: Vec::new(),
        }
    }
}

/// `[[webhooks.endpoints]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Its name in records and logs; what is due is kept under it.
    pub name: String,
    /// Where to post.
    pub url: String,
    /// `whsec_` and base64 (Standard Webhooks).
    pub secret: Secret,
    /// Allows `http://`.
    #[serde(default)]
    pub allow_http: bool,
    /// Allows hosts that are not on the public Internet.
    #[serde(default)]
    pub allow_private: bool,
}

/// `[log]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How much.
    pub level: Level,
    /// How it looks.
    pub format: Format,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Money or media is broken.
    Error,
    /// Something needs a look.
    Warn,
    /// What happens to sessions.
    #[default]
    Info,
    /// For debugging.
    Debug,
    /// Every packet.
    Trace,
}

impl Level {
    /// The word for a filter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }
}

/// How the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Human in a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Lines to read.
    Human,
    /// One JSON object a line.
    Json,
}

const fn any(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}

fn bind<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| {
        de::Error::custom(format!(
            "{text:?} is no address to listen on: write IP:PORT, such as \"0.0.0.0:7880\" or \
             \"[::]:7880\" (IPv4 and IPv6)"
        ))
    })
}

fn public_url<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    let base = base_of(&text).ok_or_else(|| {
        de::Error::custom(format!(
            "{text:?} is no address that links could begin with: write SCHEME://HOST, with :PORT and \
             /PREFIX where people need them, such as \"https://media.example.com\""
        ))
    })?;
    Ok(Some(base))
}

fn origins<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let origins = Vec::<String>::deserialize(from)?;
    let origin = |text: String| {
        let base = base_of(&text).filter(|base| base.matches('/').count() == 2);
        base.ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is no origin: write SCHEME://HOST, with :PORT where it has one, such as \
                 \"https://app.example.com\""
            ))
        })
    };
    origins.into_iter().map(origin).collect()
}
