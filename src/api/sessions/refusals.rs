//! What stands in the way of an operation on a session.

use crate::api::ports::ledger::Known;
use crate::api::problem::Problem;

pub(super) fn no_session() -> Problem {
    Problem::absent("there is no session of this id: ask for the ids with `GET /v1/sessions`")
}

/// Only a session that has not ended takes it.
pub(super) fn unended(known: &Known) -> Result<(), Problem> {
    if known.has_ended() {
        let what = "the session has ended: book a new one";
        return Err(Problem::conflict(what, None));
    }
    Ok(())
}

/// Only a session that has begun and has not ended takes it.
pub(super) fn running(known: &Known) -> Result<(), Problem> {
    unended(known)?;
    if known.record.is_none() {
        let what = "the session has not begun: it begins when the first participant joins";
        return Err(Problem::conflict(what, None));
    }
    Ok(())
}
