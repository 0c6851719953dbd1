//! Carries the plans of a negotiation to its transport, and answers back.

use super::answered::Answered;
use super::negotiation::Negotiation;
use crate::base::{Now, TrackSid};
use crate::media::Mid;
use crate::peer::transport::{
    Transport, TransportError, announce_stereo, check_length, rewrite_msid,
};
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
        while let Some(plan) = self.poll_plan() {
            if let Some(offered) = transport.offer(&plan.changes()) {
                let id = self.handle_offered(plan, &offered.mids, now.mono);
                let sdp = rewrite_msid(&offered.sdp, |mid| self.msid(mid));
                return Some(Offer {
                    id,
                    sdp: announce_stereo(&sdp, |mid| self.is_stereo(mid)),
                    tracks: self.tracks(),
                });
            }
            self.handle_needless(&plan);
            if plan.retired.is_empty() {
                return None;
            }
            // A track may have waited for a section that is idle by that.
        }
        None
    }

    /// The answer to the open offer: returns the sections that carry another track from now on.
    ///
    /// One that does not parse changes nothing, and a good one may follow. After one that parses and
    /// does not fit none can: a client that cannot answer this offer would not answer the next one
    /// either. The offer is overdue in time, and the client joins anew.
    ///
    /// # Errors
    /// No offer is open, the answer is for another one, or it is refused.
    pub fn handle_answer(
        &mut self,
        transport: &mut Transport,
        id: u32,
        sdp: &str,
    ) -> Result<Vec<(TrackSid, Mid)>, TransportError> {
        check_length(sdp)?;
        let answered = Answered::read(id, sdp);
        self.check_answer(&answered)?;
        transport.handle_answer(sdp)?;
        Ok(self.handle_answered(answered))
    }
}
