//! The configuration read again while the node runs: loaded, checked as a whole, and swapped, here alone.
//! Until all of it is found good nothing changes; after that nothing can fail.

use super::parts::{endpoints, settings};
use crate::api::{AppState, Reloaded};
use crate::host::config::origin::Problems;
use crate::host::config::schema::Config;
use crate::host::deliver::{Inlet, Targets};
use crate::host::worker::WorkerEnds;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// Reads the configuration from where it was read at the start.
pub(super) type Load = Box<dyn Fn() -> Result<Config, Problems> + Send + Sync>;

/// What a reload is put together from.
pub(super) struct Reloading {
    pub load: Load,
    /// What holds now.
    pub running: Config,
    pub state: AppState,
    pub workers: Vec<WorkerEnds>,
    pub inlet: Inlet,
    /// Where the receiver of `--dev` is.
    pub receiver: Option<SocketAddr>,
}

/// Changes what can change while the node runs.
pub(super) struct Reloader(Mutex<Reloading>);

impl Reloader {
    pub fn new(reloading: Reloading) -> Reloader {
        Reloader(Mutex::new(reloading))
    }

    /// Reads the configuration again, one reload at a time. May block.
    ///
    /// # Errors
    /// All that is wrong with it; what held before goes on.
    pub fn reload(&self) -> Result<Reloaded, String> {
        let mut reloading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let done = reloading.reload();
        match &done {
            Ok(Reloaded {
                changed,
                restart_needed,
            }) => {
                tracing::info!(?changed, "the configuration was read again");
                if !restart_needed.is_empty() {
                    tracing::warn!(keys = ?restart_needed,
                        "these settings changed in the configuration and hold after a restart alone");
                }
            }
            Err(why) => tracing::error!(%why,
                "the configuration was read again and is refused: the one before goes on"),
        }
        done
    }
}

impl Reloading {
    fn reload(&mut self) -> Result<Reloaded, String> {
        let wanted = (self.load)().map_err(|problems| problems.to_string())?;
        let settings = settings(&wanted).map_err(|error| error.to_string())?;
        let endpoints = endpoints(&wanted, self.receiver);
        let targets = Targets::new(&endpoints, wanted.webhooks.timeout_ms);
        let targets = targets.map_err(|error| error.to_string())?;
        let reloaded = Reloaded {
            changed: changed(&self.running, &wanted),
            restart_needed: fixed(&self.running, &wanted),
        };
        // The workers first: a join that the new keys and policies let in must find them there.
        for worker in &self.workers {
            worker.handle_settings(settings.clone());
        }
        self.state.set_settings(settings);
        self.inlet.handle_targets(targets);
        let Config {
            keys,
            policies,
            projects,
            webhooks,
            ..
        } = wanted;
        (self.running.keys, self.running.policies) = (keys, policies);
        (self.running.projects, self.running.webhooks) = (projects, webhooks);
        Ok(reloaded)
    }
}

/// What is different and holds from now on.
fn changed(running: &Config, wanted: &Config) -> Vec<String> {
    let (was, is) = (&running.webhooks, &wanted.webhooks);
    let found = [
        ("keys", running.keys != wanted.keys),
        ("policies", running.policies != wanted.policies),
        ("projects", running.projects != wanted.projects),
        ("webhooks.endpoints", was.endpoints != is.endpoints),
        ("webhooks.timeout_ms", was.timeout_ms != is.timeout_ms),
    ];
    let found = found.into_iter().filter(|(_, differs)| *differs);
    found.map(|(key, _)| key.to_owned()).collect()
}

/// Names the keys in which two configurations differ.
macro_rules! differences {
    ($was:ident, $is:ident: $($($part:ident).+,)*) => {
        [$((concat_dots!($($part).+), $was.$($part).+ != $is.$($part).+)),*]
    };
}

/// `http.bind` as a text.
macro_rules! concat_dots {
    ($first:ident . $second:ident) => {
        concat!(stringify!($first), ".", stringify!($second))
    };
}

/// What is different and needs a restart: sockets and threads are bound to it, or it was handed out.
fn fixed(was: &Config, is: &Config) -> Vec<&'static str> {
    let found = differences! { was, is:
        http.bind, http.trusted_proxies, http.web_dir, tls.cert, tls.key,
        rtc.udp_bind, rtc.advertise, rtc.workers, admin.bind, data.dir, data.ballast_mib, recordings.dir,
        node.egress_bps, node.max_cpu,
        limits.max_sessions, limits.max_connections, limits.joins_per_s, limits.join_burst,
        limits.requests_per_s, limits.request_burst, limits.max_preflights,
        limits.preflights_per_address, limits.ws_messages_per_s, limits.ws_message_burst,
        limits.ws_message_bytes, limits.ws_queue_bytes, limits.handshake_timeout_ms,
        log.level, log.format,
    };
    let found = found.into_iter().filter(|(_, differs)| *differs);
    found.map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Millis;
    use crate::host::config::key::names_of;
    use crate::host::config::{Flags, Secret};
    use std::collections::BTreeSet;

    /// A configuration in which every key differs from the default.
    const OTHER: &str = r#"
        [http]
        bind = "127.0.0.1:1"
        trusted_proxies = ["10.0.0.0/8"]
        web_dir = "/w"
        [tls]
        cert = "/c"
        key = "/k"
        [rtc]
        udp_bind = "127.0.0.1:2"
        advertise = ["127.0.0.1"]
        workers = 3
        [admin]
        bind = "127.0.0.1:3"
        [data]
        dir = "/d"
        ballast_mib = 1
        [recordings]
        dir = "/r"
        [node]
        egress_bps = 1
        max_cpu = 2
        [keys]
        app = "a-secret-of-at-least-thirty-two-bytes"
        [projects.acme.keys]
        acme = "another-secret-of-at-least-32-bytes"
        [limits]
        max_sessions = 1
        max_connections = 1
        joins_per_s = 1
        join_burst = 1
        requests_per_s = 1
        request_burst = 1
        max_preflights = 1
        preflights_per_address = 1
        ws_messages_per_s = 5
        ws_message_burst = 50
        ws_message_bytes = 65536
        ws_queue_bytes = 262144
        handshake_timeout_ms = 100
        [webhooks]
        timeout_ms = 100
        [[webhooks.endpoints]]
        name = "app"
        url = "https://app.example/"
        secret = "whsec_cmVhbC1jbGllbnRzLW9mLWJlaXN0YW5kLTIwMjYtMTE="
        [policies.default]
        departure_timeout_s = 5
        [log]
        level = "debug"
        format = "json"
    "#;

    fn other() -> Config {
        let dir = std::env::temp_dir().join(format!("beistand-reload-{}", std::process::id()));
        std::fs::write(&dir, OTHER).unwrap();
        let loaded = Config::load(Some(&dir), [], &Flags::default());
        std::fs::remove_file(&dir).unwrap();
        loaded.unwrap()
    }

    #[test]
    fn each_key_of_the_configuration_either_changes_at_once_or_is_named_as_one_that_does_not() {
        let (was, is) = (Config::default(), other());
        let mut named = changed(&was, &is);
        assert_eq!(named.len(), 5, "{named:?}");
        named.extend(fixed(&was, &is).iter().map(ToString::to_string));
        let named: BTreeSet<String> = named.into_iter().collect();
        assert_eq!(named, names_of::<Config>());
    }

    #[test]
    fn what_is_the_same_is_not_named() {
        let is = other();
        assert_eq!(changed(&is, &is), [""; 0]);
        assert_eq!(fixed(&is, &is), [""; 0]);
        let mut rotated = is.clone();
        rotated
            .keys
            .insert("next".to_owned(), Secret::from("another"));
        rotated.limits.handshake_timeout_ms = Millis(101);
        assert_eq!(changed(&is, &rotated), ["keys"]);
        assert_eq!(fixed(&is, &rotated), ["limits.handshake_timeout_ms"]);
    }
}
