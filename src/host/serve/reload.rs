//! The configuration read again while the node runs: loaded, checked as a whole, and swapped, here alone.
//! Until all of it is found good nothing changes; after that nothing can fail.

use super::parts::{capacity, endpoints, rules, settings};
use crate::api::{AppState, Reloaded};
use crate::host::config::certificate;
use crate::host::config::origin::Problems;
use crate::host::config::schema::Config;
use crate::host::deliver::{Inlet, Targets};
use crate::host::logs::Filter;
use crate::host::tls::{Certificate, words};
use crate::host::worker::WorkerEnds;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// Reads the configuration from where it was read at the start.
pub(super) type Load = Box<dyn Fn() -> Result<Config, Problems> + Send + Sync>;

/// What a configuration that is read again comes from, and what takes its level of the log.
pub(super) struct Again {
    pub load: Load,
    pub filter: Filter,
}

/// What a reload is put together from.
pub(super) struct Reloading {
    pub again: Again,
    /// What holds now.
    pub running: Config,
    pub state: AppState,
    pub workers: Vec<WorkerEnds>,
    pub inlet: Inlet,
    /// Where the receiver of `--dev` is.
    pub receiver: Option<SocketAddr>,
    /// What HTTPS is served with.
    pub certificate: Option<Certificate>,
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
        let wanted = (self.again.load)().map_err(|problems| problems.to_string())?;
        let settings = settings(&wanted).map_err(|error| error.to_string())?;
        let endpoints = endpoints(&wanted, self.receiver);
        let targets = Targets::new(&endpoints, wanted.webhooks.timeout_ms);
        let targets = targets.map_err(|error| error.to_string())?;
        let rules = rules(&wanted).map_err(|error| error.to_string())?;
        let capacity = capacity(&wanted).map_err(|error| error.to_string())?;
        let loaded = match &self.certificate {
            Some(_) => certificate::read(&wanted.tls).map_err(|faults| words(&faults))?,
            None => None,
        };
        self.again
            .filter
            .set(&wanted.log)
            .map_err(|error| error.to_string())?;
        // From here on nothing fails.
        let mut reloaded = Reloaded {
            changed: changed(&self.running, &wanted),
            restart_needed: fixed(&self.running, &wanted),
        };
        if let (Some(certificate), Some(loaded)) = (&self.certificate, loaded) {
            let renewed = certificate.replace(&wanted.tls, loaded);
            let named = reloaded.changed.iter().any(|key| key == "tls.cert");
            if renewed && !named {
                // The file is called as before, and holds another one.
                reloaded.changed.push("tls.cert".to_owned());
            }
        }
        // The workers first: a join that the new keys and policies let in must find them there.
        for worker in &self.workers {
            worker.handle_settings(settings.clone());
        }
        self.state.set_settings(settings);
        self.state.set_rules(rules, capacity);
        self.inlet.handle_targets(targets);
        self.running = running(&self.running, wanted);
        Ok(reloaded)
    }
}

/// What runs once `wanted` is applied: all of it, but what needs a restart.
fn running(was: &Config, wanted: Config) -> Config {
    let mut is = wanted;
    is.http.bind = was.http.bind;
    is.http.web_dir.clone_from(&was.http.web_dir);
    if was.tls.cert.is_some() != is.tls.cert.is_some() {
        is.tls = was.tls.clone();
    }
    is.rtc = was.rtc.clone();
    is.admin = was.admin.clone();
    is.data = was.data.clone();
    is.recordings = was.recordings.clone();
    is.limits.handshake_timeout_ms = was.limits.handshake_timeout_ms;
    is.log.format = was.log.format;
    is
}

/// Names the keys in which two configurations differ.
macro_rules! differences {
    ($was:ident, $is:ident: $($($part:ident).+,)*) => {
        [$((concat_dots!($($part).+), $was.$($part).+ != $is.$($part).+)),*]
    };
}

/// `http.bind` as a text.
macro_rules! concat_dots {
    ($only:ident) => {
        stringify!($only)
    };
    ($first:ident . $second:ident) => {
        concat!(stringify!($first), ".", stringify!($second))
    };
}

/// What is different and holds from now on.
fn changed(was: &Config, wanted: &Config) -> Vec<String> {
    let is = &running(was, wanted.clone());
    let found = differences! { was, is:
        keys, policies, projects, webhooks.endpoints, webhooks.timeout_ms,
        http.public_url, http.embed_origins, http.trusted_proxies, tls.cert, tls.key, node.egress_bps, node.max_cpu,
        limits.max_sessions, limits.max_connections, limits.connections_per_address, limits.joins_per_s, limits.join_burst,
        limits.requests_per_s, limits.request_burst, limits.max_preflights,
        limits.preflights_per_address, limits.ws_messages_per_s, limits.ws_message_burst,
        limits.ws_message_bytes, limits.ws_queue_bytes, log.level,
    };
    let found = found.into_iter().filter(|(_, differs)| *differs);
    found.map(|(key, _)| key.to_owned()).collect()
}

/// What is different and needs a restart: sockets and threads are bound to it, or it was handed out.
fn fixed(was: &Config, wanted: &Config) -> Vec<&'static str> {
    let is = &running(was, wanted.clone());
    let found = differences! { is, wanted:
        http.bind, http.web_dir, tls.cert, tls.key, rtc.udp_bind, rtc.advertise, rtc.workers,
        admin.bind, data.dir, data.ballast_mib, recordings.dir, limits.handshake_timeout_ms, log.format,
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
        public_url = "https://media.example"
        embed_origins = ["https://app.example"]
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
        connections_per_address = 1
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
        assert_eq!(named.len(), 24, "{named:?}");
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
        rotated.limits.max_sessions = 2;
        assert_eq!(changed(&is, &rotated), ["keys", "limits.max_sessions"]);
        assert_eq!(fixed(&is, &rotated), ["limits.handshake_timeout_ms"]);
        // What needs a restart is named until there was one; the rest once.
        let now = running(&is, rotated.clone());
        assert_eq!(changed(&now, &rotated), [""; 0]);
        assert_eq!(fixed(&now, &rotated), ["limits.handshake_timeout_ms"]);
    }

    #[test]
    fn another_certificate_holds_at_once_and_the_first_one_or_none_after_a_restart() {
        let is = other();
        let mut renewed = is.clone();
        renewed.tls.cert = Some("/c2".into());
        assert_eq!(changed(&is, &renewed), ["tls.cert"]);
        assert_eq!(fixed(&is, &renewed), [""; 0]);
        let plain = Config {
            tls: crate::host::config::Tls::default(),
            ..is.clone()
        };
        for (was, wanted) in [(&is, &plain), (&plain, &is)] {
            assert_eq!(changed(was, wanted), [""; 0]);
            assert_eq!(fixed(was, wanted), ["tls.cert", "tls.key"]);
        }
    }
}
