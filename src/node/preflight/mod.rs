//! A preflight: what a participant's link to this node carries, measured before the join. The
//! arithmetic is pure and shared with our own client, which does the same from the other side.

mod attempt;
mod filler;
mod gauge;
mod message;
mod prober;
mod table;
#[cfg(test)]
mod tests;

pub use attempt::{Failure, Outcome, PreflightRequest, Targets, outcome_json};
pub use filler::Filler;
pub use gauge::{Gauge, MAX_SAMPLES, Reading, Sample};
pub use message::{FromClient, ToClient};
pub use prober::{Prober, ProberOutput, Progress};
pub use table::{PreflightAnswer, PreflightRefusal};

pub(super) use table::{Around, Preflights};

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
