//! The recorders of a room, one for each purpose: their gates, the way of a packet to them, and by whose hand they run.

use super::gates::{Gate, RecordingStanding, TrackRoute};
use crate::base::{Actor, Mono, Now, Purpose, RecordingId, SessionId};
use crate::media::{Mid, Packet};
use crate::record::{self, Recorder, RecorderConfig, Stats, TrackFacts};
use crate::room::{MemberKey, TrackKey};
use std::collections::BTreeMap;

/// Starts that experts may ask for in one session: each, and its stop, is an entry in the ledger.
const MAX_REQUESTS: u32 = 64;

/// The recorders of a room.
pub(super) struct Recorders {
    session: SessionId,
    /// By purpose, from the first start to the end of the session.
    recorders: BTreeMap<Purpose, Recorder>,
    standings: BTreeMap<Purpose, RecordingStanding>,
    routes: BTreeMap<TrackKey, TrackRoute>,
    /// By whose hand each recording runs or stands.
    actors: BTreeMap<Purpose, Actor>,
    requests: u32,
    /// Counts of recorders that are gone.
    past: Stats,
}

impl Recorders {
    pub(super) fn new(session: SessionId) -> Recorders {
        Recorders {
            session,
            recorders: BTreeMap::new(),
            standings: BTreeMap::new(),
            routes: BTreeMap::new(),
            actors: BTreeMap::new(),
            requests: 0,
            past: Stats::default(),
        }
    }

    pub(super) fn id(&self, purpose: Purpose) -> RecordingId {
        RecordingId::new(self.session.clone(), purpose)
    }

    pub(super) const fn standings(&self) -> &BTreeMap<Purpose, RecordingStanding> {
        &self.standings
    }

    pub(super) const fn routes(&self) -> &BTreeMap<TrackKey, TrackRoute> {
        &self.routes
    }

    /// Who asked; the policy, where nobody did.
    pub(super) fn actor(&self, purpose: Purpose) -> Actor {
        self.actors.get(&purpose).copied().unwrap_or(Actor::Node)
    }

    /// Whether participants may ask for another start.
    pub(super) const fn takes_requests(&self) -> bool {
        self.requests < MAX_REQUESTS
    }

    /// Someone asked for it to start or to stop.
    pub(super) fn handle_request(&mut self, purpose: Purpose, on: bool, actor: Actor) {
        self.requests += u32::from(on && actor == Actor::Participant);
        self.actors.insert(purpose, actor);
    }

    /// True if it had failed, and may start again.
    pub(super) fn handle_again(&mut self, purpose: Purpose) -> bool {
        let standing = self.standings.get_mut(&purpose);
        let had_failed = standing.is_some_and(|standing| standing.failed.take().is_some());
        if let Some(recorder) = self.recorders.get_mut(&purpose).filter(|_| had_failed) {
            recorder.handle_again();
        }
        had_failed
    }

    /// What it hands out cannot be written. True if that is news.
    pub(super) fn handle_failed(&mut self, purpose: Purpose, reason: &str) -> bool {
        let Some(recorder) = self.recorders.get_mut(&purpose) else {
            return false;
        };
        recorder.handle_failed();
        let standing = self.standings.entry(purpose).or_default();
        standing.active = false;
        standing.shut();
        let is_news = standing.failed.is_none();
        standing.failed.get_or_insert_with(|| reason.to_owned());
        is_news
    }

    pub(super) fn start(&mut self, purpose: Purpose, now: Now) {
        let id = self.id(purpose);
        let recorder = || Recorder::new(RecorderConfig { id, origin: now });
        self.recorders.entry(purpose).or_insert_with(recorder);
        self.standings.entry(purpose).or_default().active = true;
    }

    pub(super) fn halt(&mut self, purpose: Purpose, now: Now) {
        if let Some(recorder) = self.recorders.get_mut(&purpose) {
            recorder.handle_stop(now);
        }
        if let Some(standing) = self.standings.get_mut(&purpose) {
            standing.active = false;
            standing.shut();
        }
    }

    /// Nothing more of it is written, not even what waits.
    pub(super) fn withdraw(&mut self, purpose: Purpose, track: TrackKey, now: Now) {
        if let Some(recorder) = self.recorders.get_mut(&purpose) {
            recorder.handle_gate(recorded(track), false, now);
        }
        self.end_track(purpose, track, now);
    }

    /// What came of it is written to its end.
    pub(super) fn end_track(&mut self, purpose: Purpose, track: TrackKey, now: Now) {
        if let Some(recorder) = self.recorders.get_mut(&purpose) {
            recorder.handle_track_ended(recorded(track), now);
        }
        if let Some(standing) = self.standings.get_mut(&purpose) {
            standing.tracks.remove(&track);
        }
    }

    pub(super) fn open(&mut self, purpose: Purpose, track: TrackKey, facts: TrackFacts, now: Now) {
        let Some(recorder) = self.recorders.get_mut(&purpose) else {
            return;
        };
        let gate = Gate {
            sid: facts.sid.clone(),
            identity: facts.identity.clone(),
            open: true,
        };
        recorder.handle_track(recorded(track), facts);
        recorder.handle_gate(recorded(track), true, now);
        let standing = self.standings.entry(purpose).or_default();
        standing.tracks.insert(track, gate);
    }

    pub(super) fn subscribe(&mut self, route: TrackRoute) {
        self.routes.insert(route.track, route);
    }

    pub(super) fn unsubscribe(&mut self, track: TrackKey) {
        self.routes.remove(&track);
    }

    pub(super) fn handle_packet(&mut self, from: MemberKey, packet: &Packet, now: Now) {
        let mut routes = self.routes.values();
        let route = routes.find(|r| r.member == from && r.mid == packet.stream.mid);
        let Some(track) = route.map(|route| recorded(route.track)) else {
            return;
        };
        for recorder in self.recorders.values_mut() {
            recorder.handle_packet(track, packet, now);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Now) {
        for recorder in self.recorders.values_mut() {
            recorder.handle_timeout(now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        let recorders = self.recorders.values();
        recorders.filter_map(Recorder::poll_timeout).min()
    }

    /// What came of everyone is written to its end.
    pub(super) fn stop(&mut self, now: Now) {
        for recorder in self.recorders.values_mut() {
            recorder.handle_stop(now);
        }
    }

    /// All that is open ends as it is.
    pub(super) fn abandon(&mut self) {
        for recorder in self.recorders.values_mut() {
            recorder.handle_failed();
        }
    }

    /// Nothing is recorded any more. What the recorders have to say is fetched already.
    pub(super) fn clear(&mut self) {
        self.past = self.stats();
        self.recorders.clear();
        self.standings.clear();
        self.routes.clear();
    }

    pub(super) fn poll_output(&mut self) -> Option<record::Output> {
        let mut recorders = self.recorders.values_mut();
        recorders.find_map(Recorder::poll_output)
    }

    /// What the recorders of all purposes have seen and done.
    pub(super) fn stats(&self) -> Stats {
        let mut all = self.past;
        for recorder in self.recorders.values() {
            all += recorder.stats();
        }
        all
    }
}

impl RecordingStanding {
    /// All gates are closed.
    fn shut(&mut self) {
        for gate in self.tracks.values_mut() {
            gate.open = false;
        }
    }
}

/// A track as the recorders know it.
const fn recorded(track: TrackKey) -> record::TrackKey {
    record::TrackKey(track.0)
}

/// The recorders have no media sections: a name for each track will do.
pub(super) fn section(track: usize) -> Mid {
    Mid::from(format!("r{track}").as_str())
}
