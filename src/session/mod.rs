//! L2, the contract of a help session: who is here, and whether the billing clock runs.
//!
//! Presence is only known in hindsight, so everything here happens in *event time*: facts are
//! collected with the time at which they were true and applied in that order, up to the moment
//! until which nothing can change any more ([`Session::settled`]). No word of money in here: the
//! meters are next door, and `node` introduces the two.

mod allowance;
mod consent;
mod machine;
mod policies;
pub mod policy;
mod presence;
mod stage;
#[cfg(test)]
mod tests;

pub use allowance::{Allowance, Changed, Extension};
pub use consent::{ConsentAnswer, Consents, MAX_WORDING_BYTES, RecordingRefusal};
pub use machine::{Session, Stats};
pub use policies::Policies;
pub use policy::{
    Admission, Basis, Floor, Mode, OnBreach, OnExhausted, Policy, PolicyError, Recording, Who,
    Window,
};
pub use stage::{Output, Prompt, Reason};

use crate::base::{Millis, Role};

/// A connected participant whose last authenticated packet is older than this is not present
/// (contract: "not older than 5 s"). Twice the 2.5 s at which libwebrtc checks an idle ICE pair.
pub const PRESENCE: Millis = Millis::from_secs(5);

/// With nobody present for this long the session ends (contract: "20 s with nobody"); longer when
/// the policy's departure timeout is.
pub const NOBODY: Millis = Millis::from_secs(20);

/// What a participant is to the session, from the signed token alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The token's role.
    pub role: Option<Role>,
    /// A visible standard participant: in a room without roles, any two of them are the two sides.
    pub counts: bool,
}
