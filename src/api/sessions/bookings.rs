//! The bookings of this node: made, changed, and ended where nobody came.

use super::links::JoinLinks;
use crate::api::gate::Gate;
use crate::api::idempotency::repeats::{Repeats, Turn};
use crate::api::locks::lock;
use crate::api::ports::ledger::{Known, Ledger, Request, Unwritten, Work};
use crate::api::problem::Problem;
use crate::base::{EndReason, NodeId, Rng, SessionId};
use crate::node::{BookRefusal, Booking, Control};
use std::sync::{Arc, Mutex};

/// Books sessions.
pub(in crate::api) struct Bookings {
    pub gate: Arc<Gate>,
    /// Which room is where, and what is booked.
    pub control: Arc<Mutex<Control>>,
    pub ledger: Arc<Ledger>,
    pub links: Arc<JoinLinks>,
    /// This node.
    pub node: NodeId,
    /// Draws names and ids.
    pub rng: Mutex<Rng>,
    pub repeats: Arc<Repeats>,
}

impl Bookings {
    /// Books it; answers once it is on disk.
    pub async fn book(
        &self,
        booking: Booking,
        asked: Option<(Request, Turn)>,
    ) -> Result<Arc<Booking>, Problem> {
        let booked = lock(&self.control).book(booking).map_err(refused)?;
        let (request, turn) = asked.unzip();
        let work = Work::Book(Box::new(Booking::clone(&booked)), request);
        if let Err(unwritten) = self.ledger.written_holding(work, turn).await {
            match unwritten {
                Unwritten::NoPlace => drop(lock(&self.control).cancel(&booked.session)),
                // It still comes to the disk: the key stays taken until then, and the booking stands.
                Unwritten::Silent => {
                    let session = &booked.session;
                    tracing::warn!(%session, "a booking is not confirmed by the ledger yet");
                }
            }
            return Err(unwritten.into());
        }
        Ok(booked)
    }

    /// Changes what is booked. False if the session has begun, or is about to.
    pub async fn rebook(
        &self,
        session: &SessionId,
        change: impl FnOnce(&mut Booking),
    ) -> Result<bool, Unwritten> {
        let changed = lock(&self.control).rebook(session, change);
        let Some(booking) = changed else {
            return Ok(false);
        };
        let work = Work::Rebook(Box::new(Booking::clone(&booking)));
        self.ledger.written(work).await.map(|()| true)
    }

    /// What was booked is kept as it holds now: a session that goes on after a crash takes it over.
    pub async fn remember(
        &self,
        known: Known,
        change: impl FnOnce(&mut Booking),
    ) -> Result<(), Unwritten> {
        let Some(mut booking) = known.booking else {
            return Ok(());
        };
        change(&mut booking);
        self.ledger.written(Work::Rebook(Box::new(booking))).await
    }

    /// Takes away a booking to which nobody has come. False if the session has begun, or is about
    /// to.
    pub async fn cancel(&self, session: &SessionId) -> Result<bool, Unwritten> {
        let cancelled = lock(&self.control).cancel(session);
        let Some(booking) = cancelled else {
            return Ok(false);
        };
        let closed = self.close(&booking, EndReason::EndedByApi).await;
        closed.map(|()| true)
    }

    /// Ends the bookings whose time is over.
    pub async fn expire(&self) {
        let now = self.gate.now();
        let due = lock(&self.control).expire(now);
        for booking in due {
            if self.close(&booking, EndReason::NoShow).await.is_err() {
                let session = &booking.session;
                tracing::warn!(%session, "the ledger does not confirm the end of a booking");
            }
        }
    }

    /// Begins and ends a session to which nobody came, in one transaction.
    async fn close(&self, booking: &Booking, reason: EndReason) -> Result<(), Unwritten> {
        let now = self.gate.now();
        let life = {
            let mut rng = lock(&self.rng);
            booking.close(reason, (&self.node, &mut rng), now)
        };
        self.ledger.written(Work::Close(life)).await
    }
}

fn refused(refusal: BookRefusal) -> Problem {
    match refusal {
        BookRefusal::Taken(session) => {
            let what = "the room has a session already, which has not ended";
            Problem::conflict(what, session.as_ref().map(SessionId::as_str))
        }
        BookRefusal::Many(_) => Problem::unavailable(refusal),
        BookRefusal::Refused(refusal) => Problem::unavailable(refusal),
    }
}
