//! What is asked of the host and of the workers, in words of our own; handlers stand above.

pub(in crate::api) mod clock;
pub(in crate::api) mod ledger;
pub(in crate::api) mod recordings;
pub(in crate::api) mod sink;
pub(in crate::api) mod webhooks;
pub(in crate::api) mod worker;
