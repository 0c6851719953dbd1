//! The times that both sides of a preflight keep to.

use crate::base::Millis;

/// How long both sides send.
pub const SENDING: Millis = Millis(3_600);
/// The first part of it that does not count: queues fill, and a browser's encoder starts.
pub const SETTLING: Millis = Millis(1_000);
/// The end of what counts, after the first packet.
pub const COUNTED_UNTIL: Millis = Millis(3_500);
/// How often what came is noted.
pub const SAMPLE_EVERY: Millis = Millis(100);
/// After it has sent, the client waits so long with its report: a queue that is full drops it.
pub const DRAINING: Millis = Millis(300);
