//! A request with an `Idempotency-Key` is done once: asked again, it gets the first answer.

pub(super) mod asker;
pub(super) mod key;
pub(super) mod once;
pub(super) mod repeats;

#[cfg(test)]
pub(super) mod fixture;
