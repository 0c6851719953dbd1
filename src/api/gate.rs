//! The gate that every request passes: who knocks, how often, and whose tokens are good.

use super::address;
use super::limits::{Addresses, Identities, Limits, Lines, PreflightLimits};
use super::locks::lock;
use super::ports::clock::ReadClock;
use crate::base::{Identity, Now, RoomKey};
use crate::node::Settings;
use axum::http::HeaderMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Whether a peer is a proxy whose `X-Forwarded-*` and `Forwarded` are believed.
pub type IsTrusted = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// What everybody who knocks is held against, always of one configuration.
pub struct Rules {
    /// What strangers may cost.
    pub limits: Limits,
    /// How many measurements there may be at once.
    pub preflights: PreflightLimits,
    /// Whether a peer is a proxy whose `X-Forwarded-*` and `Forwarded` are believed.
    pub is_trusted: IsTrusted,
    /// What links begin with, whatever a request says.
    pub public_url: Option<String>,
    /// Whose pages may have ours within them.
    pub embed_origins: Vec<String>,
}

/// What every request is held against before anything else.
pub(super) struct Gate {
    /// Keys and policies, always of one configuration.
    settings: RwLock<Arc<Settings>>,
    rules: RwLock<Arc<Rules>>,
    clock: ReadClock,
    joins: Mutex<Addresses>,
    identities: Mutex<Identities>,
    requests: Mutex<Addresses>,
    lines: Mutex<Lines>,
}

impl Gate {
    pub fn new(settings: Settings, rules: Rules, clock: ReadClock) -> Gate {
        Gate {
            settings: RwLock::new(Arc::new(settings)),
            rules: RwLock::new(Arc::new(rules)),
            clock,
            joins: Mutex::default(),
            identities: Mutex::default(),
            requests: Mutex::default(),
            lines: Mutex::default(),
        }
    }

    /// Who may sign tokens, and the policies, as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        current(&self.settings)
    }

    /// These hold for every request that comes from now on.
    pub fn set_settings(&self, settings: Settings) {
        replace(&self.settings, settings);
    }

    /// What everybody is held against, as it is now.
    pub fn rules(&self) -> Arc<Rules> {
        current(&self.rules)
    }

    /// This holds for whoever knocks from now on.
    pub fn set_rules(&self, rules: Rules) {
        replace(&self.rules, rules);
    }

    pub fn now(&self) -> Now {
        (self.clock)()
    }

    /// Whose request this is.
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        address::client(peer, headers, &self.rules().is_trusted)
    }

    /// Whether this address may join, or measure, now.
    pub fn may_join(&self, client: IpAddr, now: Now) -> bool {
        let rate = self.rules().limits.joins;
        lock(&self.joins).take(client, rate, now.mono)
    }

    /// Whether this participant may join once more now, or in how many seconds.
    pub fn may_come_again(&self, room: &RoomKey, who: &Identity, now: Now) -> Result<(), u32> {
        lock(&self.identities).look(room, who, now.mono)
    }

    /// This participant joins, if they may.
    pub fn comes(&self, room: &RoomKey, who: &Identity, now: Now) -> Result<(), u32> {
        lock(&self.identities).take(room, who, now.mono)
    }

    /// Whether a refusal may be logged now, and how many were not since the last one that was: strangers
    /// shall not fill a disk.
    pub fn may_log(&self, now: Now) -> Option<u64> {
        lock(&self.lines).take(now.mono)
    }

    /// Whether this address may ask for something else now.
    pub fn may_ask(&self, client: IpAddr, now: Now) -> bool {
        let rate = self.rules().limits.requests;
        lock(&self.requests).take(client, rate, now.mono)
    }
}

fn current<T>(of: &RwLock<Arc<T>>) -> Arc<T> {
    of.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn replace<T>(of: &RwLock<Arc<T>>, with: T) {
    *of.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(with);
}
