//! What is asked of the host, in words of our own: the ledger and the recordings.

pub(in crate::api) mod ledger;
pub(in crate::api) mod recordings;
