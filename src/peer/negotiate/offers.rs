//! Carries the plans of a negotiation to its transport, and answers back.

use super::answered::Answered;
use super::negotiation::Negotiation;
use crate::base::{Now, TrackSid};
use crate::media::Mid;
use crate::peer::transport::{Transport, TransportError, rewrite_msid};
use std::collections::BTreeMap;

/// An offer for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Grows with each offer.
    pub id: u32,
    /// The description.
    pub sdp: String,
    /// Which track each section carries.
    pub tracks: BTreeMap<Mid, TrackSid>,
}

impl Negotiation {
    /// The next offer, if one is due and none is open. The first one carries the data channels.
    pub fn poll_offer(&mut self, transport: &mut Transport, now: Now) -> Option<Offer> {
        let plan = self.poll_plan()?;
        let Some(offered) = transport.offer(&plan.changes()) else {
            self.handle_needless(&plan);
            return None;
        };
        let id = self.handle_offered(plan, &offered.mids, now.mono);
        Some(Offer {
            id,
            sdp: rewrite_msid(&offered.sdp, |mid| self.msid(mid)),
            tracks: self.tracks(),
        })
    }

    /// The answer to the open offer: returns the sections that carry another track from now on.
    ///
    /// One that is refused changes nothing, and the offer stays open. A client that cannot answer
    /// it at all would not answer the next one either: it is overdue in time, and joins anew.
    ///
    /// # Errors
    /// No offer is open, the answer is for another one, or it is refused.
    pub fn handle_answer(
        &mut self,
        transport: &mut Transport,
        id: u32,
        sdp: &str,
    ) -> Result<Vec<(TrackSid, Mid)>, TransportError> {
        let answered = Answered::read(id, sdp);
        self.check_answer(&answered)?;
        transport.handle_answer(sdp)?;
        Ok(self.handle_answered(answered))
    }
}
