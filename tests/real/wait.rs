//! The one place where these tests wait: for a condition, with a deadline.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// How long anything is waited for that comes by itself, on a machine that has little time for it. It ends a
/// test that waits in vain, and is never a bound of the product: those are asserted by what clocks and
/// records say, once it has come.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// What a condition that is not yet met looks like, for the message of a wait in vain.
pub type Seen = String;

/// Looks until `look` answers; panics with what was seen last when `limit` is over.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, Seen>) -> T {
    let deadline = now() + limit;
    loop {
        let seen = match look() {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(
            now() < deadline,
            "not within {} s: {what}; seen: {seen}",
            limit.as_secs()
        );
        pause();
    }
}

/// Looks until `look` says yes or `limit` is over. For clean-up: never panics.
pub fn met(limit: Duration, mut look: impl FnMut() -> bool) -> bool {
    let deadline = now() + limit;
    while !look() {
        if now() >= deadline {
            return false;
        }
        pause();
    }
    true
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test of the real binary waits for another process; this is the one place"
)]
fn pause() {
    std::thread::sleep(INTERVAL);
}

/// The clock of these tests.
#[expect(
    clippy::disallowed_methods,
    reason = "tests in real time read the clock here alone"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970, as the drivers count them.
#[expect(
    clippy::disallowed_methods,
    reason = "an observation from outside the node, not a time of the node"
)]
pub fn unix_ms() -> f64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock of this machine stands after 1970");
    since.as_secs_f64() * 1000.0
}
