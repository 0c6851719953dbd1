//! Tells which packets were authentic. str0m says so for RTP, but not for RTCP; a side that only
//! listens proves its presence by RTCP. Every SRTP and SRTCP packet is decrypted only after, or
//! together with, its authentication, so counting successful decryptions is exact.
//!
//! The count is per thread: a connection is only ever driven by its worker's thread, and
//! `handle_input` returns before another connection runs. It goes away with `wire`.

use super::replays::Protection;
use std::cell::Cell;
use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoError, CryptoProvider,
    SrtpProvider, SupportedAeadAes128Gcm, SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
};

thread_local! {
    static AUTHENTICATED: Cell<(u64, Protection)> = const { Cell::new((0, Protection::Gcm)) };
}

/// Whether packets are authenticated from a moment on.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    before: u64,
}

impl Evidence {
    pub fn from_now() -> Evidence {
        Evidence {
            before: AUTHENTICATED.get().0,
        }
    }

    /// How an SRTP or SRTCP packet was protected that was authenticated on this thread since.
    pub fn protection(self) -> Option<Protection> {
        let (count, protection) = AUTHENTICATED.get();
        (count != self.before).then_some(protection)
    }
}

fn count<T>(result: Result<T, CryptoError>, by: Protection) -> Result<T, CryptoError> {
    if result.is_ok() {
        AUTHENTICATED.set((AUTHENTICATED.get().0 + 1, by));
    }
    result
}

/// `provider` with its SRTP ciphers counted.
pub fn counting(provider: CryptoProvider) -> CryptoProvider {
    let srtp: &'static Counting = Box::leak(Box::new(Counting {
        inner: provider.srtp_provider,
        cm: Box::leak(Box::new(CountingCm(
            provider.srtp_provider.aes_128_cm_sha1_80(),
        ))),
        gcm_128: Box::leak(Box::new(CountingGcm128(
            provider.srtp_provider.aead_aes_128_gcm(),
        ))),
        gcm_256: Box::leak(Box::new(CountingGcm256(
            provider.srtp_provider.aead_aes_256_gcm(),
        ))),
    }));
    CryptoProvider {
        srtp_provider: srtp,
        ..provider
    }
}

#[derive(Debug)]
struct Counting {
    inner: &'static dyn SrtpProvider,
    cm: &'static CountingCm,
    gcm_128: &'static CountingGcm128,
    gcm_256: &'static CountingGcm256,
}

impl SrtpProvider for Counting {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        self.cm
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        self.gcm_128
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        self.gcm_256
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        self.inner.srtp_aes_128_ecb_round(key, input, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        self.inner.srtp_aes_256_ecb_round(key, input, output);
    }
}

#[derive(Debug)]
struct CountingCm(&'static dyn SupportedAes128CmSha1_80);
#[derive(Debug)]
struct CountingGcm128(&'static dyn SupportedAeadAes128Gcm);
#[derive(Debug)]
struct CountingGcm256(&'static dyn SupportedAeadAes256Gcm);
#[derive(Debug)]
struct CmCipher(Box<dyn Aes128CmSha1_80Cipher>);
#[derive(Debug)]
struct Gcm128Cipher(Box<dyn AeadAes128GcmCipher>);
#[derive(Debug)]
struct Gcm256Cipher(Box<dyn AeadAes256GcmCipher>);

impl SupportedAes128CmSha1_80 for CountingCm {
    fn create_cipher(&self, key: [u8; 16], encrypt: bool) -> Box<dyn Aes128CmSha1_80Cipher> {
        Box::new(CmCipher(self.0.create_cipher(key, encrypt)))
    }
}

impl SupportedAeadAes128Gcm for CountingGcm128 {
    fn create_cipher(&self, key: [u8; 16], encrypt: bool) -> Box<dyn AeadAes128GcmCipher> {
        Box::new(Gcm128Cipher(self.0.create_cipher(key, encrypt)))
    }
}

impl SupportedAeadAes256Gcm for CountingGcm256 {
    fn create_cipher(&self, key: [u8; 32], encrypt: bool) -> Box<dyn AeadAes256GcmCipher> {
        Box::new(Gcm256Cipher(self.0.create_cipher(key, encrypt)))
    }
}

impl Aes128CmSha1_80Cipher for CmCipher {
    fn encrypt(
        &mut self,
        iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.encrypt(iv, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        count(self.0.decrypt(iv, input, output), Protection::CounterMode)
    }
}

impl AeadAes128GcmCipher for Gcm128Cipher {
    fn encrypt(
        &mut self,
        iv: &[u8; 12],
        aad: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.encrypt(iv, aad, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 12],
        aads: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        count(self.0.decrypt(iv, aads, input, output), Protection::Gcm)
    }
}

impl AeadAes256GcmCipher for Gcm256Cipher {
    fn encrypt(
        &mut self,
        iv: &[u8; 12],
        aad: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.encrypt(iv, aad, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 12],
        aads: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        count(self.0.decrypt(iv, aads, input, output), Protection::Gcm)
    }
}
