//! The certificate and its key, read from their files and tried together. What is wrong with them is said
//! for what it is: TLS itself would only say that there is no key, or that the two do not match.

use super::der;
use super::schema::Tls;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use std::path::Path;
use std::sync::Arc;

/// Longest file, in bytes: a chain of ten certificates has 20 kB.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// What is spoken after the handshake.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// A byte order mark in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";
const BEGIN: &str = "-----BEGIN ";

const CERT: &str = "tls.cert";
const KEY: &str = "tls.key";

/// What is wrong with a file, and the key of the configuration that names it.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// `tls.cert` or `tls.key`.
    pub key: &'static str,
    /// What is wrong, and what to do.
    pub what: String,
}

/// A certificate that is ready to be served.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The server's certificate, then those that lead to a root.
    pub chain: Vec<CertificateDer<'static>>,
    /// TLS with it.
    pub server: Arc<ServerConfig>,
}

/// Reads the files that the configuration names, if it names any.
///
/// # Errors
/// All that is wrong with them.
pub fn read(tls: &Tls) -> Result<Option<Loaded>, Vec<Fault>> {
    let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else {
        return Ok(None);
    };
    let chain = file(CERT, cert).and_then(|bytes| chain(&bytes));
    let private = file(KEY, key).and_then(|bytes| private_key(&bytes));
    match (chain, private) {
        (Ok(chain), Ok(key)) => fit(chain, key).map(Some).map_err(|fault| vec![fault]),
        (Err(cert), Err(key)) => Err(vec![cert, key]),
        (Err(fault), Ok(_)) | (Ok(_), Err(fault)) => Err(vec![fault]),
    }
}

fn fault(key: &'static str, what: impl Into<String>) -> Fault {
    let what = what.into();
    Fault { key, what }
}

fn file(key: &'static str, path: &Path) -> Result<Vec<u8>, Fault> {
    let cannot = |error| fault(key, format!("{} cannot be read: {error}", path.display()));
    let found = std::fs::metadata(path).map_err(cannot)?;
    if !found.is_file() {
        return Err(fault(key, format!("{} is no file", path.display())));
    }
    if found.len() > MAX_FILE_BYTES {
        let what = format!(
            "{} has {} bytes: is it a PEM file?",
            path.display(),
            found.len()
        );
        return Err(fault(key, what));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    look(&bytes).map_err(|what| fault(key, format!("{} {what}", path.display())))?;
    Ok(bytes)
}

/// What makes a file no PEM though it may look like one.
fn look(bytes: &[u8]) -> Result<(), String> {
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    if bytes.is_empty() {
        return Err("is empty".to_owned());
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(
            "is text in UTF-16 with a byte order mark (BOM): save it as plain ASCII".to_owned(),
        );
    }
    if has(BOM) {
        return Err(
            "has a byte order mark (BOM), so its first line is not what it seems: save it as \
             UTF-8 without one"
                .to_owned(),
        );
    }
    if !has(BEGIN.as_bytes()) {
        let what = if bytes.starts_with(b"\x30") {
            "is binary (DER or PKCS#12) and no PEM: convert it with `openssl x509`, `openssl pkey` or \
             `openssl pkcs12 -nodes`"
        } else {
            "is no PEM: it has no line `-----BEGIN …-----`"
        };
        return Err(what.to_owned());
    }
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split(['\n', '\r']);
    if lines.any(|line| line.contains(BEGIN) && !line.starts_with(BEGIN)) {
        return Err(
            "has a line `-----BEGIN …-----` that does not begin at its margin: take off what \
             is in front of it"
                .to_owned(),
        );
    }
    Ok(())
}

/// What the sections of a PEM file are called.
fn labels(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let begun = text
        .split(['\n', '\r'])
        .filter_map(|line| line.strip_prefix(BEGIN));
    begun
        .map(|label| label.trim_end().trim_end_matches('-').to_owned())
        .collect()
}

fn chain(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|error| fault(CERT, format!("is damaged: {error}")))?;
    if found.is_empty() {
        let labels = labels(bytes);
        let swapped = labels.iter().any(|label| label.ends_with("PRIVATE KEY"));
        let what = if swapped {
            "holds a private key and no certificate: are `cert` and `key` the wrong way round?"
                .to_owned()
        } else {
            format!("holds no certificate, but {}", labels.join(", "))
        };
        return Err(fault(CERT, what));
    }
    Ok(found)
}

fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    let labels = labels(bytes);
    let text = String::from_utf8_lossy(bytes);
    let is = |wanted: &str| labels.iter().any(|label| label == wanted);
    // The first is PKCS#8, the second what OpenSSL wrote before (RFC 1421 headers).
    let encrypted = is("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED");
    if encrypted {
        return Err(fault(
            KEY,
            "is encrypted with a passphrase, and a node that starts by itself has nobody to ask: \
             `openssl pkey -in ENCRYPTED -out PLAIN` takes it off, `chmod 600` protects the file",
        ));
    }
    if is("OPENSSH PRIVATE KEY") {
        let what = "is a key of OpenSSH: `ssh-keygen -p -m PEM -f KEY` makes PEM of it";
        return Err(fault(KEY, what));
    }
    match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => Ok(key),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => {
            let what = if is("CERTIFICATE") {
                "holds a certificate and no private key: are `cert` and `key` the wrong way round?"
                    .to_owned()
            } else {
                format!("holds no private key, but {}", labels.join(", "))
            };
            Err(fault(KEY, what))
        }
        Err(error) => Err(fault(KEY, format!("is damaged: {error}"))),
    }
}

/// Tries both together.
fn fit(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Loaded, Fault> {
    let signing = any_supported_type(&key).map_err(|_| {
        let what = "is of a kind that TLS cannot use: RSA of 2048 to 8192 bits, ECDSA (P-256, P-384, \
                    P-521) and Ed25519 are possible";
        fault(KEY, what)
    })?;
    let matches = |at: &CertificateDer<'static>| {
        CertifiedKey::new(vec![at.clone()], signing.clone()).keys_match()
    };
    match chain.first().map(matches) {
        Some(Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch))) => {
            let other = chain.iter().position(|at| matches(at).is_ok());
            return Err(other.map_or_else(
                || fault(KEY, "does not belong to the certificate of tls.cert: their public keys differ"),
                |place| {
                    let what = format!(
                        "is in the wrong order: the server's certificate, to which tls.key belongs, is \
                         number {}, and has to be the first",
                        place + 1
                    );
                    fault(CERT, what)
                },
            ));
        }
        Some(Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown))) | None => {}
        Some(Err(error)) => {
            let what = format!("its first certificate cannot be used: {error}");
            return Err(fault(CERT, what));
        }
    }
    order(&chain)?;
    serve(chain, key)
}

/// Each certificate is followed by the one that issued it, if that is there (RFC 8446 §4.4.2).
fn order(chain: &[CertificateDer<'static>]) -> Result<(), Fault> {
    let names: Vec<_> = chain.iter().map(|at| der::names(at)).collect();
    for (place, own) in names.iter().enumerate() {
        let Some(own) = own.filter(|own| own.issuer != own.subject) else {
            continue;
        };
        let issued =
            |other: &&Option<der::Names<'_>>| other.is_some_and(|o| o.subject == own.issuer);
        if names.get(place + 1).filter(issued).is_some() {
            continue;
        }
        if let Some(issuer) = names.iter().position(|other| issued(&other)) {
            let what = format!(
                "is in the wrong order: certificate {} issued certificate {}, and has to follow it",
                issuer + 1,
                place + 1
            );
            return Err(fault(CERT, what));
        }
    }
    Ok(())
}

fn serve(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Loaded, Fault> {
    let made = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let builder = builder.with_no_client_auth();
            builder.with_single_cert(chain.clone(), key)
        });
    let mut server = made.map_err(|error| fault(CERT, format!("cannot be used: {error}")))?;
    server.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(Loaded {
        chain,
        server: Arc::new(server),
    })
}

#[cfg(test)]
mod tests;
