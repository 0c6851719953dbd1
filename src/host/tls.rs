//! The certificate: loaded at the start, and again when its files change.

use super::config::schema as config;
use crate::api::Tls;
use anyhow::Context;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::time::{MissedTickBehavior, interval};

/// How often the files are looked at: a renewed certificate is in use long before the old one ends.
const LOOK: Duration = Duration::from_secs(10);

/// The two files.
#[derive(Clone)]
pub struct Files {
    cert: PathBuf,
    key: PathBuf,
}

/// Makes aws-lc-rs the one provider of rustls in this process.
pub fn install_provider() {
    // It fails only if there is one already, and there is no other.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// Loads the certificate, if the configuration names one.
///
/// # Errors
/// The files cannot be read, or do not fit.
pub async fn load(tls: &config::Tls) -> anyhow::Result<Option<(Tls, Files)>> {
    let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else {
        return Ok(None);
    };
    let files = Files {
        cert: cert.clone(),
        key: key.clone(),
    };
    let loaded = Tls::from_pem_file(cert, key).await.with_context(|| {
        format!(
            "the certificate {} and its key {} cannot be used: both are PEM files, the chain \
             begins with the server's certificate",
            cert.display(),
            key.display()
        )
    })?;
    Ok(Some((loaded, files)))
}

/// Reloads whenever a file changes; a bad one is reported and the old certificate stays.
pub async fn watch(tls: Tls, files: Files) {
    let mut seen = files.changed();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let found = files.changed();
        if found == seen {
            continue;
        }
        seen = found;
        match tls.reload_from_pem_file(&files.cert, &files.key).await {
            Ok(()) => tracing::info!("the new certificate is in use"),
            Err(error) => {
                tracing::error!(%error, "the new certificate cannot be used: the old one stays");
            }
        }
    }
}

impl Files {
    fn changed(&self) -> [Option<SystemTime>; 2] {
        [&self.cert, &self.key].map(|path| std::fs::metadata(path).and_then(|m| m.modified()).ok())
    }
}
