//! The gate that every request passes: who knocks, how often, and whose tokens are good.

use super::address;
use super::limits::{Addresses, Identities, Limits};
use super::locks::lock;
use super::ports::clock::ReadClock;
use crate::base::{Identity, Now, RoomKey};
use crate::node::Settings;
use axum::http::HeaderMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Whether a peer is a proxy whose `X-Forwarded-For` is believed.
pub type IsTrusted = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// What every request is held against before anything else.
pub(super) struct Gate {
    /// Keys and policies, always of one configuration.
    settings: RwLock<Arc<Settings>>,
    /// What strangers may cost.
    pub limits: Limits,
    clock: ReadClock,
    is_trusted: IsTrusted,
    joins: Mutex<Addresses>,
    identities: Mutex<Identities>,
    requests: Mutex<Addresses>,
}

impl Gate {
    pub fn new(
        settings: Settings,
        limits: Limits,
        clock: ReadClock,
        is_trusted: IsTrusted,
    ) -> Gate {
        Gate {
            settings: RwLock::new(Arc::new(settings)),
            limits,
            clock,
            is_trusted,
            joins: Mutex::default(),
            identities: Mutex::default(),
            requests: Mutex::default(),
        }
    }

    /// Who may sign tokens, and the policies, as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        let settings = self.settings.read();
        settings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// These hold for every request that comes from now on.
    pub fn set_settings(&self, settings: Settings) {
        let mut current = self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(settings);
    }

    pub fn now(&self) -> Now {
        (self.clock)()
    }

    /// Whose request this is.
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        address::client(peer, headers, &self.is_trusted)
    }

    /// Whether this address may join, or measure, now.
    pub fn may_join(&self, client: IpAddr, now: Now) -> bool {
        lock(&self.joins).take(client, self.limits.joins, now.mono)
    }

    /// Whether this participant may join once more now, or in how many seconds.
    pub fn may_come_again(&self, room: &RoomKey, who: &Identity, now: Now) -> Result<(), u32> {
        lock(&self.identities).look(room, who, now.mono)
    }

    /// This participant joins, if they may.
    pub fn comes(&self, room: &RoomKey, who: &Identity, now: Now) -> Result<(), u32> {
        lock(&self.identities).take(room, who, now.mono)
    }

    /// Whether this address may ask for something else now.
    pub fn may_ask(&self, client: IpAddr, now: Now) -> bool {
        lock(&self.requests).take(client, self.limits.requests, now.mono)
    }
}
