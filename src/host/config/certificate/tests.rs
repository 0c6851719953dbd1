//! Files as people have them, and the words for each.

use super::*;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

const LEAF: &str = include_str!("../../../../tests/golden/tls/leaf.pem");
const INTERMEDIATE: &str = include_str!("../../../../tests/golden/tls/intermediate.pem");
const ROOT: &str = include_str!("../../../../tests/golden/tls/root.pem");
const PRIVATE: &str = include_str!("../../../../tests/golden/tls/leaf.key");
const OTHER: &str = include_str!("../../../../tests/golden/tls/other.key");
const ENCRYPTED: &str = include_str!("../../../../tests/golden/tls/encrypted.key");
const ENCRYPTED_OLD: &str = include_str!("../../../../tests/golden/tls/encrypted_old.key");

/// Two files of a test; they go with it.
struct Files(PathBuf);

impl Files {
    fn new(cert: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Files {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("beistand-certificate-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("cert"), cert).unwrap();
        std::fs::write(dir.join("key"), key).unwrap();
        Files(dir)
    }

    fn tls(&self) -> Tls {
        Tls {
            cert: Some(self.0.join("cert")),
            key: Some(self.0.join("key")),
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn faults(cert: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Vec<Fault> {
    read(&Files::new(cert, key).tls()).map_or_else(|faults| faults, |_| Vec::new())
}

#[test]
fn a_chain_in_its_order_and_its_key_are_good_with_and_without_what_may_stand_around_them() {
    let crlf = format!("Bag Attributes\r\n{LEAF}{INTERMEDIATE}{ROOT}").replace('\n', "\r\n");
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    for (cert, key, certificates) in [
        (LEAF.to_owned(), PRIVATE.to_owned(), 1),
        (format!("{LEAF}{INTERMEDIATE}"), PRIVATE.to_owned(), 2),
        (crlf, PRIVATE.replace('\n', "\r\n"), 3),
        (format!("{LEAF}{ROOT}"), format!("{parameters}{PRIVATE}"), 2),
        (format!("{PRIVATE}{LEAF}"), format!("{PRIVATE}{LEAF}"), 1),
    ] {
        let loaded = read(&Files::new(cert, key).tls()).unwrap().unwrap();
        assert_eq!(loaded.chain.len(), certificates);
        assert_eq!(loaded.server.alpn_protocols, ALPN);
    }
    assert!(read(&Tls::default()).unwrap().is_none());
}

#[test]
#[rustfmt::skip]
fn what_is_wrong_with_a_certificate_or_its_key_is_named_for_what_it_is() {
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(PRIVATE.bytes().flat_map(|b| [b, 0])).collect();
    let bom = |text: &str| format!("\u{feff}{text}").into_bytes();
    let plain = |text: &str| text.as_bytes().to_vec();
    let half = PRIVATE.replace("-----END PRIVATE KEY-----", "");
    for (cert, key, names, says) in [
        (plain(LEAF), plain(ENCRYPTED), KEY, "encrypted with a passphrase"),
        (plain(LEAF), plain(ENCRYPTED_OLD), KEY, "encrypted with a passphrase"),
        (plain(LEAF), bom(PRIVATE), KEY, "byte order mark"),
        (bom(LEAF), plain(PRIVATE), CERT, "byte order mark"),
        (plain(&format!("{LEAF}\u{feff}{INTERMEDIATE}")), plain(PRIVATE), CERT, "byte order mark"),
        (plain(LEAF), utf16, KEY, "UTF-16"),
        (plain(LEAF), plain(OTHER), KEY, "does not belong to the certificate"),
        (plain(&format!("{INTERMEDIATE}{LEAF}")), plain(PRIVATE), CERT, "number 2, and has to be the first"),
        (plain(&format!("{ROOT}{INTERMEDIATE}{LEAF}")), plain(PRIVATE), CERT, "number 3, and has to be"),
        (plain(&format!("{LEAF}{ROOT}{INTERMEDIATE}")), plain(PRIVATE), CERT, "certificate 3 issued certificate 1"),
        (plain(PRIVATE), plain(PRIVATE), CERT, "the wrong way round"),
        (plain(LEAF), plain(LEAF), KEY, "the wrong way round"),
        (plain(""), plain(PRIVATE), CERT, "is empty"),
        (plain("hello"), plain(PRIVATE), CERT, "is no PEM"),
        (vec![0x30, 0x82, 1, 0], plain(PRIVATE), CERT, "DER"),
        (plain(LEAF), plain(&PRIVATE.replace("-----B", "  -----B")), KEY, "does not begin at its margin"),
        (plain(LEAF), plain(&half), KEY, "is damaged"),
        (plain(LEAF), plain(&PRIVATE.replace("PRIVATE KEY", "PUBLIC KEY")), KEY, "no private key, but PUBLIC KEY"),
        (plain(LEAF), plain(&PRIVATE.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY")), KEY, "ssh-keygen"),
        (plain(LEAF), plain("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"), KEY, "of a kind"),
        (plain("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), plain(PRIVATE), CERT, "cannot be used"),
        (plain(&LEAF.replace("CERTIFICATE", "TRUSTED CERTIFICATE")), plain(PRIVATE), CERT, "no certificate, but TRUSTED"),
    ] {
        let found = faults(&cert, &key);
        let text = String::from_utf8_lossy(&cert);
        assert_eq!(found.len(), 1, "{says}: {found:?} {text}");
        assert_eq!(found[0].key, names, "{says}: {found:?}");
        assert!(found[0].what.contains(says), "{says}: {found:?}");
    }
    assert_eq!(faults("", "").len(), 2, "both are named at once");
}

#[test]
fn files_that_cannot_be_read_are_named_with_their_path() {
    let files = Files::new(
        LEAF,
        vec![b'x'; usize::try_from(MAX_FILE_BYTES).unwrap() + 1],
    );
    let long = read(&files.tls()).unwrap_err();
    assert!(
        long[0].what.ends_with("1048577 bytes: is it a PEM file?"),
        "{long:?}"
    );
    std::fs::remove_file(files.0.join("key")).unwrap();
    let missing = read(&files.tls()).unwrap_err();
    let path = files.0.join("key").display().to_string();
    assert!(
        missing[0]
            .what
            .starts_with(&format!("{path} cannot be read")),
        "{missing:?}"
    );
    std::fs::create_dir(files.0.join("key")).unwrap();
    let dir = read(&files.tls()).unwrap_err();
    assert_eq!(dir[0].what, format!("{path} is no file"));
}

#[test]
fn a_certificate_is_never_read_beyond_its_end() {
    let der = CertificateDer::from_pem_slice(LEAF.as_bytes()).unwrap();
    let names = der::names(&der).unwrap();
    assert_ne!(names.issuer, names.subject);
    for end in 0..der.len() {
        // What is cut off has no names, or those that it had.
        assert!(der::names(&der[..end]).is_none());
    }
    for at in 0..der.len() {
        let mut odd = der.to_vec();
        odd[at] ^= 0xff;
        // Whatever it is, it is read without a panic.
        assert!(der::names(&odd).is_none_or(|names| names.issuer.len() < odd.len()));
    }
}
