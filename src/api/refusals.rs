//! What the ports refuse, told as problems.

use super::ports::ledger::{Unreadable, Unwritten};
use super::ports::worker::CommandFailure;
use super::problem::Problem;
use crate::base::{GrantRefusal, MOST_QUOTA_S};
use crate::node::CommandRefusal;
use crate::session::{Changed, RecordingRefusal};

impl From<Unreadable> for Problem {
    /// The log has the reason.
    fn from(_: Unreadable) -> Problem {
        Problem::unavailable("the ledger cannot be read now")
    }
}

impl From<Unwritten> for Problem {
    fn from(unwritten: Unwritten) -> Problem {
        Problem::unavailable(unwritten)
    }
}

impl From<CommandFailure> for Problem {
    fn from(failure: CommandFailure) -> Problem {
        match failure {
            CommandFailure::Silent => Problem::unavailable("the session does not answer now"),
            // Whatever the ledger says, it was done.
            CommandFailure::Unwritten => Unwritten::Silent.into(),
            // A booking that is just about to begin, or a session that is just about to end.
            CommandFailure::Refused(CommandRefusal::Gone) => {
                Problem::unavailable("the session is just changing: ask again")
            }
            CommandFailure::Refused(CommandRefusal::Recording(refusal)) => unrecorded(refusal),
            CommandFailure::Refused(CommandRefusal::Changed(changed)) => changed.into(),
            CommandFailure::Refused(CommandRefusal::Grant(refusal)) => refusal.into(),
            CommandFailure::Refused(
                refusal @ (CommandRefusal::NotLive | CommandRefusal::NoPrompt),
            ) => Problem::conflict(refusal, None),
        }
    }
}

impl From<Changed> for Problem {
    fn from(changed: Changed) -> Problem {
        Problem::changed(changed)
    }
}

impl From<GrantRefusal> for Problem {
    fn from(refusal: GrantRefusal) -> Problem {
        match refusal {
            GrantRefusal::NoQuota | GrantRefusal::Many => Problem::conflict(refusal, None),
            GrantRefusal::TooLong => {
                let allowed = format!("what keeps the prepaid time within {MOST_QUOTA_S} s");
                Problem::body("seconds", &allowed)
            }
            GrantRefusal::KeyUsed(seconds) => {
                let allowed = format!("{seconds}, which was granted with this Idempotency-Key");
                Problem::body("seconds", &allowed)
            }
        }
    }
}

/// What speaks against a recording.
fn unrecorded(refusal: RecordingRefusal) -> Problem {
    match refusal {
        RecordingRefusal::Minor => Problem::forbidden(refusal),
        RecordingRefusal::Wording => Problem::body("wording", "a text of 1 to 64 bytes"),
        RecordingRefusal::Off
        | RecordingRefusal::NotForThat(_)
        | RecordingRefusal::Nobody
        | RecordingRefusal::TooMany => Problem::conflict(refusal, None),
    }
}
