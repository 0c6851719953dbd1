//! The subscriber's peer connection, in which we offer: one open offer at a time, changes wait;
//! sections that a track no longer needs are used again for the next one of its kind.

use super::transport::{Change, Transport, TransportError, rewrite_msid};
use crate::base::{Millis, Mono, Now, ParticipantSid, TrackKind, TrackSid};
use crate::media::Mid;
use std::collections::BTreeMap;

/// An offer unanswered for this long is a dead negotiation: the client reconnects in full
/// (livekit-server 1.13.5).
const ANSWER_WITHIN: Millis = Millis::from_secs(15);

/// A track to be sent to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The track.
    pub track: TrackSid,
    /// Its publisher, who must be known to the client already.
    pub publisher: ParticipantSid,
    /// Audio or video.
    pub kind: TrackKind,
}

impl Sending {
    /// LiveKit clients split the stream id at the first `|`: left the participant, right the track.
    fn msid(&self) -> String {
        format!("{}|{} {}", self.publisher, self.track, self.track)
    }
}

#[derive(Debug)]
struct Slot {
    mid: Mid,
    kind: TrackKind,
    sending: Option<Sending>,
    /// What the newest answered offer said.
    negotiated: Option<TrackSid>,
}

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

/// State of the negotiation of one subscriber.
#[derive(Debug, Default)]
pub struct Negotiation {
    slots: Vec<Slot>,
    waiting: Vec<Sending>,
    dirty: bool,
    started: bool,
    open: Option<(u32, Mono)>,
    next_id: u32,
}

impl Negotiation {
    /// The client shall get a track.
    pub fn add(&mut self, sending: Sending) {
        self.waiting.push(sending);
        self.dirty = true;
    }

    /// The client shall get a track no longer.
    pub fn remove(&mut self, track: &TrackSid) {
        self.waiting.retain(|sending| sending.track != *track);
        for slot in &mut self.slots {
            if slot
                .sending
                .as_ref()
                .is_some_and(|sending| sending.track == *track)
            {
                slot.sending = None;
                self.dirty = true;
            }
        }
    }

    /// The next offer, if one is due and none is open. The first one carries the data channels.
    ///
    /// # Errors
    /// The transport could not make one.
    pub fn poll_offer(
        &mut self,
        transport: &mut Transport,
        now: Now,
    ) -> Result<Option<Offer>, TransportError> {
        if self.open.is_some() || (self.started && !self.dirty) {
            return Ok(None);
        }
        let changes = self.changes();
        if self.started && changes.is_empty() {
            self.dirty = false;
            return Ok(None);
        }
        let (sdp, added) = transport.offer(&changes)?;
        self.place_added(&added);
        self.started = true;
        self.dirty = false;
        self.next_id += 1;
        self.open = Some((self.next_id, now.mono));
        let sdp = rewrite_msid(&sdp, |mid| {
            let slot = self.slots.iter().find(|slot| slot.mid == mid)?;
            slot.sending.as_ref().map(Sending::msid)
        });
        Ok(Some(Offer {
            id: self.next_id,
            sdp,
            tracks: self.tracks(),
        }))
    }

    /// The answer to the open offer: returns the sections that carry a new track from now on.
    ///
    /// # Errors
    /// No offer is open, the answer is for another one, or it is refused.
    pub fn handle_answer(
        &mut self,
        transport: &mut Transport,
        id: u32,
        sdp: &str,
    ) -> Result<Vec<(TrackSid, Mid)>, TransportError> {
        let (open, _) = self.open.ok_or(TransportError::NoOpenOffer)?;
        // Older clients and the Rust core answer with id 0.
        if id != 0 && id != open {
            return Err(TransportError::NoOpenOffer);
        }
        self.open = None;
        transport.handle_answer(sdp)?;
        let mut ready = Vec::new();
        for slot in &mut self.slots {
            let track = slot.sending.as_ref().map(|sending| sending.track.clone());
            if let Some(track) = track.clone().filter(|_| slot.negotiated != track) {
                ready.push((track, slot.mid));
            }
            slot.negotiated = track;
        }
        Ok(ready)
    }

    /// True once the open offer is overdue.
    pub fn is_overdue(&self, now: Mono) -> bool {
        self.open
            .is_some_and(|(_, since)| now.since(since) >= ANSWER_WITHIN)
    }

    /// When the open offer is overdue.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.open.map(|(_, since)| since + ANSWER_WITHIN)
    }

    /// Puts waiting tracks into idle sections and says what the transport must do.
    fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for slot in &mut self.slots {
            let had = slot.negotiated.is_some();
            if slot.sending.is_none()
                && let Some(index) = self.waiting.iter().position(|w| w.kind == slot.kind)
            {
                slot.sending = Some(self.waiting.remove(index));
                changes.push(Change::Activate(slot.mid));
            } else if slot.sending.is_none() && had {
                changes.push(Change::Deactivate(slot.mid));
            }
        }
        changes.extend(self.waiting.iter().map(|sending| Change::Add(sending.kind)));
        changes
    }

    fn place_added(&mut self, added: &[Mid]) {
        for (mid, sending) in added.iter().zip(std::mem::take(&mut self.waiting)) {
            let kind = sending.kind;
            self.slots.push(Slot {
                mid: *mid,
                kind,
                sending: Some(sending),
                negotiated: None,
            });
        }
    }

    fn tracks(&self) -> BTreeMap<Mid, TrackSid> {
        self.slots
            .iter()
            .filter_map(|slot| Some((slot.mid, slot.sending.as_ref()?.track.clone())))
            .collect()
    }
}
