//! Bookings to which nobody came.

use crate::api::caller::written;
use crate::api::ports::ledger::Work;
use crate::api::problem::Problem;
use crate::api::state::{Doors, lock};
use crate::base::EndReason;
use crate::node::Booking;
use std::sync::Arc;

/// Ends the bookings whose time is over. Call it about once a second.
pub async fn lapse(doors: &Doors) {
    let now = (doors.clock)();
    let due = lock(&doors.control).lapse(now);
    for booking in due {
        let session = booking.session.clone();
        if close(doors, booking, EndReason::NoShow).await.is_err() {
            tracing::warn!(%session, "the ledger does not confirm the end of a booking");
        }
    }
}

/// Begins and ends a session to which nobody came, in one transaction.
pub(super) async fn close(
    doors: &Doors,
    booking: Arc<Booking>,
    reason: EndReason,
) -> Result<(), Problem> {
    let now = (doors.clock)();
    let life = {
        let mut rng = lock(&doors.rng);
        booking.close(reason, (&doors.node, &mut rng), now)
    };
    written(doors, Work::Close(life)).await
}
