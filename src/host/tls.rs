//! The certificate: loaded at the start, and again when its files change or the configuration is read again.

use super::config::certificate::{Fault, Loaded, read};
use super::config::schema as config;
use crate::api::Tls;
use anyhow::bail;
use rustls::pki_types::CertificateDer;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::{MissedTickBehavior, interval};

/// How often the files are looked at: a renewed certificate is in use long before the old one ends.
const LOOK: Duration = Duration::from_secs(10);

/// The certificate that is served.
#[derive(Clone)]
pub struct Certificate {
    /// What the listener serves with.
    pub tls: Tls,
    current: Arc<Mutex<Current>>,
}

struct Current {
    files: config::Tls,
    chain: Vec<CertificateDer<'static>>,
}

/// Makes aws-lc-rs the one provider of rustls in this process.
pub fn install_provider() {
    // It fails only if there is one already, and there is no other.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// Loads the certificate, if the configuration names one. Blocks.
///
/// # Errors
/// The files cannot be read, or do not fit.
pub fn load(files: &config::Tls) -> anyhow::Result<Option<Certificate>> {
    let loaded = match read(files) {
        Ok(Some(loaded)) => loaded,
        Ok(None) => return Ok(None),
        Err(faults) => bail!(words(&faults)),
    };
    Ok(Some(Certificate {
        tls: Tls::from_config(loaded.server),
        current: Arc::new(Mutex::new(Current {
            files: files.clone(),
            chain: loaded.chain,
        })),
    }))
}

/// What is wrong, in one line.
pub fn words(faults: &[Fault]) -> String {
    let words = faults
        .iter()
        .map(|Fault { key, what }| format!("{key}: {what}"));
    words.collect::<Vec<_>>().join("; ")
}

impl Certificate {
    /// Serves this one, of these files, from the next handshake on. True if it is another than before.
    pub fn replace(&self, files: &config::Tls, loaded: Loaded) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = current.chain != loaded.chain;
        *current = Current {
            files: files.clone(),
            chain: loaded.chain,
        };
        // Under the lock: of two that replace it at once, the later one is both served and noted.
        self.tls.reload_from_config(loaded.server);
        differs
    }

    fn files(&self) -> config::Tls {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.files.clone()
    }
}

/// Reloads whenever a file changes; a bad one is reported and the old certificate stays.
pub async fn watch(certificate: Certificate) {
    let mut seen = times(&certificate.files());
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let files = certificate.files();
        let found = times(&files);
        if found == seen {
            continue;
        }
        seen = found;
        match read(&files) {
            Ok(Some(loaded)) => {
                if certificate.replace(&files, loaded) {
                    tracing::info!("the new certificate is in use");
                }
            }
            Ok(None) => {}
            Err(faults) => {
                let error = words(&faults);
                tracing::error!(%error, "the new certificate cannot be used: the old one stays");
            }
        }
    }
}

fn times(files: &config::Tls) -> [Option<SystemTime>; 2] {
    let of = |path: &std::path::PathBuf| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    [&files.cert, &files.key].map(|path| path.as_ref().and_then(of))
}
