//! A preflight: what a participant's link to this node carries, measured before the join. The
//! arithmetic is pure and shared with our own client, which does the same from the other side.

mod attempt;
mod filler;
mod measurement;
mod message;
mod prober;
mod table;
#[cfg(test)]
mod tests;
mod timing;

pub use attempt::{Failure, Outcome, PreflightRequest, Targets, outcome_json};
pub use filler::Filler;
pub use measurement::{MAX_SAMPLES, Measurement, Reading, Sample};
pub use message::{FromClient, ReportedSample, ToClient};
pub use prober::{Prober, ProberOutput, Progress};
pub use table::{PreflightAnswer, PreflightRefusal};
pub use timing::{COUNTED_UNTIL, DRAINING, SAMPLE_EVERY, SENDING, SETTLING};

pub(super) use table::Preflights;
