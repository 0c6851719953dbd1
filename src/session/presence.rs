//! What is heard of each participant, turned into facts with the time at which they were true.

use super::{PRESENCE, Standing};
use crate::base::{Identity, Mono};
use std::collections::BTreeMap;

/// Something that became true at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// A connection was granted.
    Joined(Standing),
    /// First authenticated packet of a presence.
    Present,
    /// Last authenticated packet before a silence of more than [`PRESENCE`].
    Vanished,
    /// An explicit leave.
    Left,
    /// First authenticated media.
    Media,
}

/// One participant as the wire knows them.
#[derive(Debug)]
struct Link {
    /// Connection granted and not closed.
    connected: bool,
    /// When the present connection was granted: no packet before it counts.
    joined: Mono,
    /// Within a presence, as far as is known.
    here: bool,
    /// Up to here everything about them is known: their last authenticated packet, or their leave.
    known: Option<Mono>,
    /// Media was heard once.
    media: bool,
}

/// All participants, and the facts that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct PresenceTracker {
    links: BTreeMap<Identity, Link>,
    /// In (time, arrival) order. Bounded by the watermark: what lies below it is applied at once,
    /// and the watermark is never more than [`PRESENCE`] behind.
    pending: BTreeMap<(Mono, u64), (Identity, Fact)>,
    arrivals: u64,
    /// Inputs about nobody who is connected, or out of date.
    pub(super) ignored: u64,
}

impl PresenceTracker {
    /// A connection was granted. A second one without a leave replaces the first, without a gap.
    pub(super) fn connect(&mut self, who: &Identity, standing: Standing, at: Mono) {
        let link = self.links.entry(who.clone()).or_insert(Link {
            connected: false,
            joined: at,
            here: false,
            known: None,
            media: false,
        });
        if !link.connected {
            link.connected = true;
            link.joined = at;
        }
        self.push(at, who, Fact::Joined(standing));
    }

    /// An authenticated packet arrived.
    pub(super) fn evidence(&mut self, who: &Identity, at: Mono) {
        let Some(link) = self.links.get_mut(who) else {
            self.ignored += 1;
            return;
        };
        let stale = link.known.is_some_and(|known| at < known);
        if !link.connected || at < link.joined || stale {
            self.ignored += 1;
            return;
        }
        let (was_here, known) = (link.here, link.known);
        link.here = true;
        link.known = Some(at);
        match known {
            Some(last) if was_here && at <= last + PRESENCE => {}
            Some(last) if was_here => {
                self.push(last, who, Fact::Vanished);
                self.push(at, who, Fact::Present);
            }
            Some(_) | None => self.push(at, who, Fact::Present),
        }
    }

    /// Authenticated media arrived: evidence, and the first of it a fact of its own.
    pub(super) fn media(&mut self, who: &Identity, at: Mono) {
        self.evidence(who, at);
        if let Some(link) = self.links.get_mut(who)
            && link.here
            && !link.media
        {
            link.media = true;
            self.push(at, who, Fact::Media);
        }
    }

    /// The connection is over; `explicit` when they said so themselves.
    pub(super) fn leave(&mut self, who: &Identity, explicit: bool, now: Mono) {
        let Some(link) = self.links.get_mut(who).filter(|link| link.connected) else {
            self.ignored += 1;
            return;
        };
        link.connected = false;
        let was_here = std::mem::take(&mut link.here);
        let last = link.known;
        if explicit {
            link.known = Some(now);
        }
        if let Some(last) = last
            && was_here
            && !(explicit && now <= last + PRESENCE)
        {
            self.push(last, who, Fact::Vanished);
        }
        if explicit {
            self.push(now, who, Fact::Left);
        }
    }

    /// Flags everyone whose last packet is too old. The batch's packets must be in before.
    pub(super) fn expire(&mut self, now: Mono) {
        let mut vanished = Vec::new();
        for (who, link) in &mut self.links {
            if let Some(last) = link.known
                && link.here
                && now > last + PRESENCE
            {
                link.here = false;
                vanished.push((who.clone(), last));
            }
        }
        for (who, last) in vanished {
            self.push(last, &who, Fact::Vanished);
        }
    }

    /// The earliest moment at which [`PresenceTracker::expire`] flags someone.
    pub(super) fn next_expiry(&self) -> Option<Mono> {
        self.links
            .values()
            .filter(|link| link.here)
            .filter_map(|link| link.known)
            .min()
            .map(|last| Mono::from_micros((last + PRESENCE).micros() + 1))
    }

    /// When the earliest waiting fact was true.
    pub(super) fn next_at(&self) -> Option<Mono> {
        self.pending.first_key_value().map(|(key, _)| key.0)
    }

    /// Takes the earliest waiting fact.
    pub(super) fn pop(&mut self) -> Option<(Mono, Identity, Fact)> {
        self.pending
            .pop_first()
            .map(|((at, _), (who, fact))| (at, who, fact))
    }

    /// Someone whose next packet may still extend or begin the presence they are in: up to when
    /// everything about them is known. `None` for whoever is not here.
    pub(super) fn open(&self, who: &Identity) -> Option<Mono> {
        self.links
            .get(who)
            .filter(|link| link.here)
            .and_then(|link| link.known)
    }

    /// Up to when everything about them is known.
    pub(super) fn known(&self, who: &Identity) -> Option<Mono> {
        self.links.get(who).and_then(|link| link.known)
    }

    /// Given that they are present at the watermark: the end of that presence as far as is known.
    pub(super) fn run_end(&self, who: &Identity) -> Option<Mono> {
        let end = self
            .pending
            .iter()
            .find(|(_, (name, fact))| name == who && matches!(fact, Fact::Vanished | Fact::Left));
        end.map(|(key, _)| key.0).or_else(|| self.known(who))
    }

    fn push(&mut self, at: Mono, who: &Identity, fact: Fact) {
        self.pending
            .insert((at, self.arrivals), (who.clone(), fact));
        self.arrivals += 1;
    }
}
