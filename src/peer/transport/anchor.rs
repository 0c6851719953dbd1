//! Our time in str0m's, and back.

use crate::base::Mono;
use std::time::{Duration, Instant};

/// The standard library's instant of `Mono::ZERO`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor(pub(super) Instant);

impl Anchor {
    pub(super) fn instant(self, at: Mono) -> Instant {
        self.0 + Duration::from_micros(at.micros())
    }

    pub(super) fn mono(self, at: Instant) -> Mono {
        Mono::ZERO + at.saturating_duration_since(self.0)
    }
}
