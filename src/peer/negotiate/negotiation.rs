//! What is wanted in the sections of a subscriber's connection, what the open offer says of them,
//! and what is settled; and from these the plan of the next offer.

use super::answered::{Answered, Mark};
use crate::base::{Millis, Mono, ParticipantSid, TrackKind, TrackSid};
use crate::media::Mid;
use crate::peer::transport::{Change, TransportError};
use std::collections::{BTreeMap, VecDeque};

/// An offer unanswered for this long is a dead negotiation: the client reconnects in full
/// (livekit-server 1.13.5).
pub(super) const ANSWER_WITHIN: Millis = Millis::from_secs(15);

/// A track that comes again gets a section that it was not in before: the Rust core (livekit 1.2.1 of
/// Python) hears nothing of a track that comes back in the one that it left. Above so many sections, which
/// takes that many returns, it gets any that is idle: a description has to end somewhere.
const MAX_SECTIONS: usize = 48;

/// The last tracks that a section remembers to have carried; older ones are forgotten.
const MAX_CARRIED: usize = 64;

/// A track to be sent to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The track.
    pub track: TrackSid,
    /// Its publisher, who must be known to the client already.
    pub publisher: ParticipantSid,
    /// Audio or video.
    pub kind: TrackKind,
    /// Sound of two channels.
    pub stereo: bool,
}

impl Sending {
    /// LiveKit clients split the stream id at the first `|`: left the participant, right the track.
    fn msid(&self) -> String {
        format!("{}|{} {}", self.publisher, self.track, self.track)
    }
}

/// One media section. While no offer is open, what was offered is settled.
#[derive(Debug)]
struct Section {
    mid: Mid,
    kind: TrackKind,
    /// What the newest offer says of it.
    offered: Option<Sending>,
    /// What the newest answered offer said of it.
    settled: Option<TrackSid>,
    /// The offered track is wanted no longer. It may come again, but not as if it had never gone:
    /// the next offer takes it away first.
    leaving: bool,
    /// The client refused the section for good (port 0; RFC 3264, section 6).
    rejected: bool,
    /// What it was offered with lately.
    carried: VecDeque<TrackSid>,
}

impl Section {
    fn carry(&mut self, track: &TrackSid) {
        if self.carried.len() == MAX_CARRIED {
            self.carried.pop_front();
        }
        self.carried.push_back(track.clone());
    }

    fn carries(&self, track: &TrackSid) -> bool {
        let offered = self.offered.as_ref();
        offered.is_some_and(|sending| sending.track == *track)
    }
}

/// What the next offer does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Sections whose track goes.
    pub(super) retired: Vec<Mid>,
    /// Idle sections, and the tracks that they get.
    pub(super) reused: Vec<(Mid, Sending)>,
    /// Tracks that get new sections.
    pub(super) added: Vec<Sending>,
}

impl Plan {
    pub(super) fn changes(&self) -> Vec<Change> {
        let retired = self.retired.iter().map(|mid| Change::Deactivate(*mid));
        let reused = self.reused.iter().map(|(mid, _)| Change::Activate(*mid));
        let added = self.added.iter().map(|sending| Change::Add(sending.kind));
        retired.chain(reused).chain(added).collect()
    }
}

/// State of the negotiation of one subscriber.
#[derive(Debug, Default)]
pub struct Negotiation {
    /// An idle section is used again only where there is room for no new one.
    always_new: bool,
    sections: Vec<Section>,
    /// Tracks without a section, oldest first.
    waiting: Vec<Sending>,
    /// Id of the newest offer; 0 before the first, which is due in any case: it carries the data
    /// channels.
    id: u32,
    /// Since when the newest offer is open.
    open: Option<Mono>,
    last_answer: Option<Mark>,
}

impl Negotiation {
    /// Of a client that takes another track in a section that had one before, or does not.
    pub fn new(reuses_sections: bool) -> Negotiation {
        Negotiation {
            always_new: !reuses_sections,
            ..Negotiation::default()
        }
    }

    /// The client is to get a track.
    pub fn add(&mut self, sending: Sending) {
        let track = &sending.track;
        let placed = |section: &Section| section.carries(track) && !section.leaving;
        let known = self.sections.iter().any(placed)
            || self.waiting.iter().any(|waiting| waiting.track == *track);
        if !known {
            self.waiting.push(sending);
        }
    }

    /// The client is no longer to get a track.
    pub fn remove(&mut self, track: &TrackSid) {
        self.waiting.retain(|waiting| waiting.track != *track);
        for section in &mut self.sections {
            section.leaving |= section.carries(track);
        }
    }

    /// What the next offer does, if one is due and none is open.
    pub(super) fn poll_plan(&self) -> Option<Plan> {
        if self.open.is_some() {
            return None;
        }
        let usable = || self.sections.iter().filter(|section| !section.rejected);
        let mut plan = Plan {
            retired: usable().filter(|s| s.leaving).map(|s| s.mid).collect(),
            ..Plan::default()
        };
        let mut idle: Vec<&Section> = usable().filter(|s| s.offered.is_none()).collect();
        for sending in &self.waiting {
            // Clients find a track by its msid: it is in one section at a time.
            if self
                .sections
                .iter()
                .any(|s| s.carries(&sending.track) && !s.rejected)
            {
                continue;
            }
            let is_full = self.sections.len() + plan.added.len() >= MAX_SECTIONS;
            let fits = |section: &&Section| {
                let is_new = !self.always_new && !section.carried.contains(&sending.track);
                section.kind == sending.kind && (is_new || is_full)
            };
            match idle.iter().position(fits) {
                Some(at) => plan.reused.push((idle.remove(at).mid, sending.clone())),
                None => plan.added.push(sending.clone()),
            }
        }
        (self.id == 0 || plan != Plan::default()).then_some(plan)
    }

    /// The plan is offered; its new sections have these mids, in order. Returns the offer's id.
    pub(super) fn handle_offered(&mut self, plan: Plan, mids: &[Mid], now: Mono) -> u32 {
        for section in &mut self.sections {
            if plan.retired.contains(&section.mid) {
                section.offered = None;
                section.leaving = false;
            }
        }
        for (mid, sending) in plan.reused {
            self.waiting.retain(|waiting| *waiting != sending);
            let mut sections = self.sections.iter_mut();
            if let Some(section) = sections.find(|section| section.mid == mid) {
                section.carry(&sending.track);
                section.offered = Some(sending);
            }
        }
        for (mid, sending) in mids.iter().zip(plan.added) {
            self.waiting.retain(|waiting| *waiting != sending);
            self.sections.push(Section {
                mid: *mid,
                kind: sending.kind,
                carried: VecDeque::from([sending.track.clone()]),
                offered: Some(sending),
                settled: None,
                leaving: false,
                rejected: false,
            });
        }
        self.id += 1;
        self.open = Some(now);
        self.id
    }

    /// The client is where the plan wants it, and needs no offer.
    pub(super) fn handle_needless(&mut self, plan: &Plan) {
        for section in &mut self.sections {
            if plan.retired.contains(&section.mid) {
                section.offered = None;
                section.settled = None;
                section.leaving = false;
            }
        }
    }

    /// Whether an answer is the open offer's; nothing changes yet.
    ///
    /// # Errors
    /// No offer is open, or the answer is for another one.
    pub(super) fn check_answer(&self, answered: &Answered) -> Result<(), TransportError> {
        // Older clients and the Rust core answer with id 0; then the description itself tells.
        let names_another = answered.id != 0 && answered.id != self.id;
        let is_old = |last: &Mark| answered.mark.is_older_or_same(last);
        let is_short = |section: &Section| !answered.sections.contains_key(&section.mid);
        let is_older = answered.id == 0
            && (self.last_answer.as_ref().is_some_and(is_old)
                || self.sections.iter().any(is_short));
        if self.open.is_none() || names_another || is_older {
            return Err(TransportError::NoOpenOffer);
        }
        Ok(())
    }

    /// The answer to the open offer was accepted: what that offer said is settled. Returns the
    /// sections that carry another track from now on.
    pub(super) fn handle_answered(&mut self, answered: Answered) -> Vec<(TrackSid, Mid)> {
        self.open = None;
        self.last_answer = Some(answered.mark);
        let mut ready = Vec::new();
        for section in &mut self.sections {
            let accepted = answered.sections.get(&section.mid);
            section.rejected |= accepted == Some(&false);
            let offered = section
                .offered
                .as_ref()
                .map(|sending| sending.track.clone());
            let is_new = offered != section.settled && !section.leaving && !section.rejected;
            section.settled.clone_from(&offered);
            if let Some(track) = offered.filter(|_| is_new) {
                ready.push((track, section.mid));
            }
        }
        ready
    }

    /// The `a=msid` of a section in the newest offer.
    pub(super) fn msid(&self, mid: Mid) -> Option<String> {
        let mut sections = self.sections.iter().filter(|section| !section.rejected);
        let section = sections.find(|section| section.mid == mid)?;
        section.offered.as_ref().map(Sending::msid)
    }

    /// Whether a section carries two channels of sound in the newest offer.
    pub(super) fn is_stereo(&self, mid: Mid) -> bool {
        let mut sections = self.sections.iter().filter(|section| section.mid == mid);
        sections.any(|section| section.offered.as_ref().is_some_and(|sent| sent.stereo))
    }

    /// Which track each section carries in the newest offer.
    pub(super) fn tracks(&self) -> BTreeMap<Mid, TrackSid> {
        let sections = self.sections.iter().filter(|section| !section.rejected);
        sections
            .filter_map(|section| Some((section.mid, section.offered.as_ref()?.track.clone())))
            .collect()
    }

    /// True once the open offer is overdue.
    pub fn is_overdue(&self, now: Mono) -> bool {
        self.poll_timeout().is_some_and(|at| now >= at)
    }

    /// When the open offer is overdue.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.open.map(|since| since + ANSWER_WITHIN)
    }
}
