//! The one door to aws-lc-rs.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use aws_lc_rs::{constant_time, digest, hmac};
use std::fmt;

/// SHA-256 of `bytes` (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// SHA-256 of bytes that come in pieces.
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Sha256 {
        Sha256(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    /// The next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The sum of all pieces.
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

/// HMAC-SHA-256 of `bytes` (RFC 2104).
pub fn hmac_sha256(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut out = [0; 32];
    out.copy_from_slice(hmac::sign(&key, bytes).as_ref());
    out
}

/// True if both are the same, in a time that does not tell where they differ.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// A node's own key for what it vouches for (Ed25519, RFC 8032).
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// A new key as PKCS#8, to be kept in a file.
    ///
    /// # Errors
    /// The operating system has no entropy to give.
    pub fn generate() -> Result<Vec<u8>, EntropyError> {
        let key = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new());
        Ok(key.map_err(|_| EntropyError)?.as_ref().to_vec())
    }

    /// Reads a key that [`SigningKey::generate`] made.
    ///
    /// # Errors
    /// It is no Ed25519 key in PKCS#8.
    pub fn from_pkcs8(bytes: &[u8]) -> Result<SigningKey, NoKey> {
        let key = Ed25519KeyPair::from_pkcs8(bytes).map_err(|_| NoKey)?;
        Ok(SigningKey(key))
    }

    /// The signature of `bytes`.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.0.sign(bytes).as_ref());
        out
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.public_key().as_ref());
        out
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// True if the owner of `public` signed `bytes`.
pub fn verify_ed25519(public: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
    let public = UnparsedPublicKey::new(&ED25519, public);
    public.verify(bytes, signature).is_ok()
}

/// Not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no Ed25519 key in PKCS#8")]
pub struct NoKey;

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A seed from the operating system's entropy. Called by `host` alone, once per machine: everything
/// below draws from the seeded [`Rng`](super::Rng).
///
/// # Errors
/// The operating system has no entropy to give.
pub fn entropy_seed() -> Result<u64, EntropyError> {
    let mut seed = [0; 8];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| EntropyError)?;
    Ok(u64::from_le_bytes(seed))
}

/// The operating system has no entropy to give.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct EntropyError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_what_was_signed_alone() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let signature = key.sign(b"abc");
        assert!(verify_ed25519(&key.public(), b"abc", &signature));
        assert!(!verify_ed25519(&key.public(), b"abd", &signature));
        assert!(!verify_ed25519(&[0; 32], b"abc", &signature));
        assert!(!verify_ed25519(b"short", b"abc", &signature[..9]));
        assert_eq!(SigningKey::from_pkcs8(b"no key").unwrap_err(), NoKey);
    }

    #[test]
    fn pieces_have_the_sum_of_the_whole() {
        let mut pieces = Sha256::default();
        pieces.update(b"a");
        pieces.update(b"bc");
        assert_eq!(pieces.finish(), sha256(b"abc"));
    }

    #[test]
    fn hmac_is_the_one_of_rfc_4231_case_2() {
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(same(b"ab", b"ab") && !same(b"ab", b"ac") && !same(b"ab", b"abc"));
    }

    #[test]
    fn sha256_of_abc_is_the_one_in_fips_180_4() {
        assert_eq!(
            hex(&sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
