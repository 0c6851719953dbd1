//! How many files and sockets this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for the ledger, recordings, deliveries and the listeners: sockets of clients get what is left.
pub const RESERVE: u64 = 256;

/// Raises the soft limit to the hard one.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, wanted)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

/// How many sockets of clients there may be; none: as many as are wanted.
pub fn sockets() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map(|limit| limit.saturating_sub(RESERVE).max(1))
}
