//! The room: members, publications, subscriptions. It states what follows from a change; `node`
//! carries it out.

use super::allocation::stream_allocation::{self, Allocated, Budget, View};
use super::event::Event;
use super::forwarding::forward::{self, Drops, Forward, forward};
use super::keys::{MemberKey, Subscriber, TrackKey};
use super::members::{Access, MemberOptions, Members};
use super::tracks::audience::Audience;
use super::tracks::publication::{Publication, PublicationSpec};
use super::tracks::subscription::{Subscription, TrackSettings};
use crate::base::{Bitrate, Mono, Rng, TrackKind, TrackSource};
use crate::media::{Mid, Packet};
use slab::Slab;
use std::collections::{BTreeSet, VecDeque};

/// One room's forwarding state.
#[derive(Debug)]
pub struct Room {
    rng: Rng,
    members: Members,
    publications: Slab<Publication>,
    /// Publishers that send less for a moment.
    probing: BTreeSet<MemberKey>,
    events: VecDeque<Event>,
    drops: Drops,
}

impl Room {
    /// An empty room; `seed` decides the first sequence numbers.
    pub fn new(seed: u64) -> Room {
        Room {
            rng: Rng::from_seed(seed),
            members: Members::default(),
            publications: Slab::new(),
            probing: BTreeSet::new(),
            events: VecDeque::new(),
            drops: Drops::default(),
        }
    }

    /// What followed from the inputs so far.
    pub fn poll_output(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// A member came; it gets nothing before `handle_active`.
    pub fn handle_joined(&mut self, member: MemberKey, options: MemberOptions) {
        self.members.insert(member, options);
    }

    /// The member's connection is up: auto-subscription begins.
    pub fn handle_active(&mut self, member: MemberKey) {
        let Some(state) = self.members.member_mut(member) else {
            return;
        };
        if std::mem::replace(&mut state.active, true) || !state.options.auto_subscribe {
            return;
        }
        for track in self.tracks() {
            self.subscribe(member, track);
        }
    }

    /// A member is gone: its publications and subscriptions end. Returns the tracks that ended.
    pub fn handle_left(&mut self, member: MemberKey) -> Vec<TrackKey> {
        self.members.remove(member);
        self.probing.remove(&member);
        let ended: Vec<TrackKey> = self
            .tracks()
            .into_iter()
            .filter(|key| self.publications[key.0].publisher == member)
            .collect();
        for track in &ended {
            self.unpublish(*track);
        }
        for (_, publication) in &mut self.publications {
            publication
                .subscriptions
                .remove(&Subscriber::Member(member));
            publication.denied.remove(&member);
        }
        ended
    }

    /// A track is announced; it is offered to everyone once its section is bound.
    pub fn publish(&mut self, publisher: MemberKey, spec: PublicationSpec) -> TrackKey {
        TrackKey(self.publications.insert(Publication::new(spec, publisher)))
    }

    /// The publisher's media section carries the track from now on: everyone may have it.
    pub fn bind(&mut self, track: TrackKey, mid: Mid) {
        let Some(publication) = self.publications.get_mut(track.0) else {
            return;
        };
        publication.mid = Some(mid);
        let publisher = publication.publisher;
        if let Some(member) = self.members.member_mut(publisher) {
            member.sections.insert(mid, track);
        }
        let willing: Vec<MemberKey> = self.members.willing().collect();
        for member in willing {
            self.subscribe(member, track);
        }
    }

    /// The track ends.
    pub fn unpublish(&mut self, track: TrackKey) {
        let Some(publication) = self.publications.try_remove(track.0) else {
            return;
        };
        self.members.forget(publication.publisher, track);
        let subscribers = publication.subscriptions.into_keys();
        for member in subscribers.filter_map(Subscriber::member) {
            let track = publication.spec.sid.clone();
            self.events.push_back(Event::Unsubscribed { member, track });
        }
    }

    /// A subscriber gets a track: what it has already, what it publishes itself, what is not bound yet
    /// and what its token forbids stay as they are; for what its publisher does not admit it waits. The
    /// recorder goes by consents alone.
    pub fn subscribe(&mut self, subscriber: impl Into<Subscriber>, track: TrackKey) -> bool {
        let subscriber = subscriber.into();
        let Some(publication) = self.publications.get_mut(track.0) else {
            return false;
        };
        let publisher = publication.publisher;
        let own = subscriber == Subscriber::Member(publisher);
        let bound = publication.mid.is_some() && !own;
        if !bound || publication.subscriptions.contains_key(&subscriber) {
            return false;
        }
        if let Subscriber::Member(member) = subscriber {
            match self
                .members
                .access(member, publisher, &publication.spec.sid)
            {
                Access::Granted => {}
                Access::Denied => return self.deny(member, track),
                Access::Never => return false,
            }
        }
        // Half the range: the receiver assumes roll-over zero at first.
        let first_seq = u16::try_from(self.rng.below(1 << 15)).unwrap_or(0);
        publication
            .subscriptions
            .insert(subscriber, Subscription::new(first_seq));
        if let Subscriber::Member(member) = subscriber {
            self.events.push_back(Event::Subscribed { member, track });
        }
        if !std::mem::replace(&mut publication.was_subscribed, true) {
            self.events.push_back(Event::FirstSubscribed { track });
        }
        true
    }

    /// A member wants a track and may not have it: it is told so once. It does not get it.
    fn deny(&mut self, member: MemberKey, track: TrackKey) -> bool {
        let publication = self.publications.get_mut(track.0);
        if publication.is_some_and(|publication| publication.denied.insert(member)) {
            self.events.push_back(Event::Admitted {
                member,
                track,
                admitted: false,
            });
        }
        false
    }

    /// A publisher says who may have its tracks: those who may not any more lose them at once.
    pub fn handle_audience(&mut self, publisher: MemberKey, audience: Audience) {
        let Some(member) = self.members.member_mut(publisher) else {
            return;
        };
        member.audience = audience;
        for track in self.tracks() {
            if self.publications[track.0].publisher == publisher {
                self.revise(track);
            }
        }
    }

    /// Takes a track from those who may not have it any more, and gives it to those who waited.
    fn revise(&mut self, track: TrackKey) {
        let Some(publication) = self.publications.get_mut(track.0) else {
            return;
        };
        let (publisher, sid) = (publication.publisher, publication.spec.sid.clone());
        let access = |member| self.members.access(member, publisher, &sid);
        let (lost, admitted) = publication.revise(|member| access(member) == Access::Granted);
        for member in lost {
            self.unsubscribe(member, track);
            self.deny(member, track);
        }
        for member in admitted {
            self.events.push_back(Event::Admitted {
                member,
                track,
                admitted: true,
            });
            self.subscribe(member, track);
        }
    }

    /// A subscriber no longer gets a track.
    pub fn unsubscribe(&mut self, subscriber: impl Into<Subscriber>, track: TrackKey) {
        let subscriber = subscriber.into();
        let Some(publication) = self.publications.get_mut(track.0) else {
            return;
        };
        if let Some(member) = subscriber.member() {
            publication.denied.remove(&member);
        }
        let ended = publication.subscriptions.remove(&subscriber);
        if let Some(member) = ended.and(subscriber.member()) {
            let track = publication.spec.sid.clone();
            self.events.push_back(Event::Unsubscribed { member, track });
        }
    }

    /// The subscriber's media section is negotiated: packets may flow. The recorder has a name for
    /// each track instead.
    pub fn handle_section(&mut self, subscriber: impl Into<Subscriber>, track: TrackKey, mid: Mid) {
        let Some(publication) = self.publications.get_mut(track.0) else {
            return;
        };
        if let Some(subscription) = publication.subscriptions.get_mut(&subscriber.into()) {
            subscription.mid = Some(mid);
        }
    }

    /// What a subscriber gets.
    pub fn subscribed(&self, subscriber: impl Into<Subscriber>) -> Vec<TrackKey> {
        let subscriber = subscriber.into();
        let publications = self.publications.iter();
        let gets = publications.filter(|(_, p)| p.subscriptions.contains_key(&subscriber));
        gets.map(|(key, _)| TrackKey(key)).collect()
    }

    /// What a subscriber asks of a track.
    pub fn handle_track_settings(
        &mut self,
        member: MemberKey,
        track: TrackKey,
        settings: TrackSettings,
    ) {
        let Some(publication) = self.publications.get_mut(track.0) else {
            return;
        };
        let Some(subscription) = publication
            .subscriptions
            .get_mut(&Subscriber::Member(member))
        else {
            return;
        };
        if subscription.settings.enabled && !settings.enabled {
            subscription.selector.stop();
        }
        subscription.settings = settings;
    }

    /// A subscriber's decoder asks for a keyframe of what it gets in `mid`.
    pub fn handle_keyframe_request(&mut self, subscriber: impl Into<Subscriber>, mid: Mid) {
        let subscriber = subscriber.into();
        let found = self.publications.iter().find_map(|(_, publication)| {
            let subscription = publication.subscriptions.get(&subscriber)?;
            let stream = subscription
                .munger
                .stream()
                .filter(|_| subscription.mid == Some(mid))?;
            Some(Event::KeyframeWanted {
                publisher: publication.publisher,
                stream,
            })
        });
        self.events.extend(found);
    }

    /// A packet of `publisher` came: appends to `out` whom it goes to. False if no track carries it.
    pub fn handle_packet(
        &mut self,
        publisher: MemberKey,
        packet: &Packet,
        now: Mono,
        out: &mut Vec<Forward>,
    ) -> bool {
        let track = self
            .members
            .member(publisher)
            .and_then(|m| m.sections.get(&packet.stream.mid));
        let Some(publication) = track.and_then(|key| self.publications.get_mut(key.0)) else {
            return false;
        };
        if !publication.saw(packet, now) {
            return false;
        }
        let mut context = forward::Context {
            now,
            out,
            events: &mut self.events,
            drops: &mut self.drops,
        };
        forward(publication, packet, &mut context);
        true
    }

    /// Shares a subscriber's downlink among what it gets.
    pub fn allocate(&mut self, member: MemberKey, budget: Budget, now: Mono) -> Allocated {
        let mut context = stream_allocation::Context {
            members: &self.members,
            publications: &mut self.publications,
            events: &mut self.events,
            now,
        };
        stream_allocation::allocate(member, budget, &mut context)
    }

    /// Tells publishers which layers are wanted: more at once, less after a while.
    pub fn handle_timeout(&mut self, now: Mono) {
        for (key, publication) in &mut self.publications {
            if publication.spec.kind != TrackKind::Video || publication.mid.is_none() {
                continue;
            }
            let wanted = publication.most_wanted();
            let probing = self.probing.contains(&publication.publisher)
                && publication.spec.source != TrackSource::ScreenShare;
            let told = publication.dynacast.handle_wanted(wanted, probing, now);
            self.events.extend(told.map(|quality| Event::QualityWanted {
                track: TrackKey(key),
                quality,
            }));
        }
    }

    /// A publisher is to send its lowest layers alone for a moment, or all that is wanted again.
    pub fn handle_publisher_probe(&mut self, publisher: MemberKey, probing: bool) {
        if probing {
            self.probing.insert(publisher);
        } else {
            self.probing.remove(&publisher);
        }
    }

    /// The publisher mutes a track, or speaks again.
    pub fn handle_muted(&mut self, track: TrackKey, muted: bool) {
        if let Some(publication) = self.publications.get_mut(track.0) {
            publication.muted = muted;
        }
    }

    /// What a publisher would send if everything that is wanted of it reached us: the announced
    /// rates of its layers up to the best one wanted.
    pub fn demand_of(&self, publisher: MemberKey) -> Bitrate {
        let tracks = self.publications.iter().map(|(_, publication)| publication);
        let theirs = tracks.filter(|publication| publication.publisher == publisher);
        theirs.map(Publication::demand).sum()
    }

    /// All subscriptions of members as they are now.
    pub fn views(&self) -> Vec<View> {
        stream_allocation::views(&self.publications)
    }

    /// What was not forwarded so far, and why.
    pub const fn drops(&self) -> Drops {
        self.drops
    }

    /// A publication by its key.
    pub fn publication(&self, track: TrackKey) -> Option<&Publication> {
        self.publications.get(track.0)
    }

    /// A publication by its id.
    pub fn track_by_sid(&self, sid: &str) -> Option<TrackKey> {
        self.publications
            .iter()
            .find(|(_, publication)| publication.spec.sid.as_str() == sid)
            .map(|(key, _)| TrackKey(key))
    }

    /// A publication by its id, of a publisher of whom the member was told.
    pub fn track_for(&self, member: MemberKey, sid: &str) -> Option<TrackKey> {
        let track = self.track_by_sid(sid)?;
        let publisher = self.publication(track)?.publisher;
        let hidden = self.members.member(publisher)?.options.hidden;
        (!hidden || publisher == member).then_some(track)
    }

    fn tracks(&self) -> Vec<TrackKey> {
        self.publications
            .iter()
            .map(|(key, _)| TrackKey(key))
            .collect()
    }
}
