//! The bookings of this node: made, changed, and ended where nobody came.

use super::links::JoinLinks;
use crate::api::gate::Gate;
use crate::api::idempotency::repeats::{Repeats, Turn};
use crate::api::locks::lock;
use crate::api::lost_sessions::LostSessions;
use crate::api::ports::ledger::{Ledger, Request, Unwritten, Work};
use crate::api::problem::Problem;
use crate::base::{EndReason, NodeId, Rng, SessionId};
use crate::node::{BookRefusal, Booking, Control};
use std::sync::{Arc, Mutex};

/// Books sessions.
pub(in crate::api) struct Bookings {
    pub gate: Arc<Gate>,
    /// Which room is where, and what is booked.
    pub control: Arc<Mutex<Control>>,
    /// Whose rooms are not to be booked.
    pub lost: Arc<LostSessions>,
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
        if let Some(lost) = self.lost.of(&booking.room, self.gate.now()) {
            let what = "the room has a session already, which a stop of the node cut off: it goes on with \
                        the next join, or its room is free 10 minutes after the stop";
            let session = lost.facts.session;
            return Err(Problem::conflict(what, Some(session.as_str())));
        }
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

    /// Changes what is booked. None if the session has begun, or is about to. Changes go to the ledger in
    /// the order in which they were made, so that the newest is what a restart finds.
    pub async fn rebook<T, E: Into<Problem>>(
        &self,
        session: &SessionId,
        change: impl FnOnce(&mut Booking) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        let (outcome, written) = {
            let mut control = lock(&self.control);
            let Some(before) = control.changeable(session) else {
                return Ok(None);
            };
            let mut booking = Booking::clone(&before);
            let outcome = change(&mut booking).map_err(Into::into)?;
            let work = Work::Rebook(Box::new(booking.clone()));
            let written = self.ledger.begin(work)?;
            control.keep(booking);
            (outcome, written)
        };
        self.ledger.confirmed(written, ()).await?;
        Ok(Some(outcome))
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
        let closed = self.ledger.written(Work::Close(life)).await;
        let (session, reason) = (&booking.session, reason.as_str());
        tracing::info!(%session, reason, "a session ended to which nobody came");
        if closed == Err(Unwritten::NoPlace) {
            // Nothing was done: it stands, and its end comes another time.
            lock(&self.control).keep(booking.clone());
        }
        closed
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
