//! Whose packets may pass: consents and tracks in, actions out. Nothing here has a state.

use super::io::{Person, Source};
use crate::base::{ConsentState, Identity, Purpose, TrackSid};
use crate::media::Mid;
use crate::record::TrackFacts;
use crate::room::{MemberKey, TrackKey};
use crate::session::Consents;
use std::collections::BTreeMap;

/// How the recording for a purpose stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RecordingStanding {
    /// Started, and not stopped.
    pub(super) active: bool,
    /// Why it cannot go on.
    pub(super) failed: Option<String>,
    /// Tracks that its recorder knows.
    pub(super) tracks: BTreeMap<TrackKey, Gate>,
}

/// The gate of a track. Keys of tracks are used again, publications are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    pub(super) sid: TrackSid,
    pub(super) identity: Identity,
    pub(super) open: bool,
}

/// Where a recorded track comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TrackRoute {
    pub(super) track: TrackKey,
    pub(super) sid: TrackSid,
    pub(super) member: MemberKey,
    pub(super) mid: Mid,
}

/// One thing that is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Their consent is gone: nothing more of the track is written, not even what waits.
    Withdraw(Purpose, TrackKey),
    /// Nobody may be recorded for it any more: what came is written to its end.
    Halt(Purpose),
    /// The track is gone: what came is written to its end.
    EndTrack(Purpose, TrackKey),
    /// The ledger learns that nobody is recorded from now on.
    Stopped(Purpose),
    /// Somebody is recorded from now on, and the ledger learns it.
    Start(Purpose),
    /// Everyone is told how it stands.
    Tell,
    /// The track is recorded.
    Open(Purpose, TrackKey, TrackFacts),
    /// The room forwards a track to the recorders no longer.
    Unsubscribe(TrackKey),
    /// The room forwards a track to the recorders.
    Subscribe(TrackRoute),
}

/// What a review goes by.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) consents: &'a Consents,
    pub(super) people: &'a [Person],
    pub(super) standings: &'a BTreeMap<Purpose, RecordingStanding>,
    pub(super) routes: &'a BTreeMap<TrackKey, TrackRoute>,
}

/// Gates that close since consent does not hold any more.
pub(super) fn withdrawals(context: Context<'_>) -> Vec<Action> {
    let withdrawn = |gate: &Gate, purpose| !context.consented(&gate.identity, purpose);
    context.close(withdrawn, Action::Withdraw)
}

/// All that follows from how it stands: what closes, what the ledger learns, what everyone is told, and only then
/// what opens.
pub(super) fn review(context: Context<'_>) -> Vec<Action> {
    let purposes = || context.consents.rules().purposes.iter().copied();
    let halted: Vec<Purpose> = purposes().filter(|p| context.halts(*p)).collect();
    let started: Vec<Purpose> = purposes().filter(|p| context.starts(*p)).collect();
    let runs = |purpose: &Purpose| {
        let active = context.is_active(*purpose) && !halted.contains(purpose);
        active || started.contains(purpose)
    };
    let running: Vec<Purpose> = purposes().filter(runs).collect();

    let mut actions = withdrawals(context);
    actions.extend(halted.iter().copied().map(Action::Halt));
    actions.extend(context.endings());
    actions.extend(halted.iter().copied().map(Action::Stopped));
    actions.extend(started.into_iter().map(Action::Start));
    actions.push(Action::Tell);
    actions.extend(running.iter().flat_map(|p| context.openings(*p)));
    actions.extend(context.routing(&running));
    actions
}

impl<'a> Context<'a> {
    /// Said yes and may, whether or not the recording is asked for.
    fn consented(self, who: &Identity, purpose: Purpose) -> bool {
        let given = self.consents.state(who, purpose) == Some(ConsentState::Given);
        given && !self.consents.is_minor(who)
    }

    fn is_active(self, purpose: Purpose) -> bool {
        let standing = self.standings.get(&purpose);
        standing.is_some_and(|standing| standing.active)
    }

    fn halts(self, purpose: Purpose) -> bool {
        self.is_active(purpose) && !self.consents.allows_anyone(purpose)
    }

    /// What failed does not start by itself.
    fn starts(self, purpose: Purpose) -> bool {
        let standing = self.standings.get(&purpose);
        let stands = standing.is_none_or(|standing| !standing.active && standing.failed.is_none());
        stands && self.recordable(purpose).next().is_some()
    }

    /// Tracks that can be read, of those who can be seen and may be recorded for the purpose.
    fn recordable(self, purpose: Purpose) -> impl Iterator<Item = (&'a Person, &'a Source)> {
        let people = self.people.iter().filter(|person| !person.hidden);
        let allowed = people.filter(move |p| self.consents.allows(&p.identity, purpose));
        let tracks = allowed.flat_map(|p| p.sources.iter().map(move |source| (p, source)));
        tracks.filter(|(_, source)| !source.encrypted)
    }

    fn close(
        self,
        is_to_close: impl Fn(&Gate, Purpose) -> bool,
        action: fn(Purpose, TrackKey) -> Action,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        for (purpose, standing) in self.standings {
            let tracks = standing.tracks.iter();
            let closing = tracks.filter(|(_, gate)| is_to_close(gate, *purpose));
            actions.extend(closing.map(|(track, _)| action(*purpose, *track)));
        }
        actions
    }

    /// Gates whose track is there no more, with a consent that still holds.
    fn endings(self) -> Vec<Action> {
        let is_gone = |gate: &Gate, purpose| {
            let mut recordable = self.recordable(purpose);
            let is_there = recordable.any(|(_, source)| source.sid == gate.sid);
            !is_there && self.consented(&gate.identity, purpose)
        };
        self.close(is_gone, Action::EndTrack)
    }

    fn openings(self, purpose: Purpose) -> impl Iterator<Item = Action> {
        let standing = self.standings.get(&purpose);
        let is_open = move |source: &Source| {
            let gate = standing.and_then(|standing| standing.tracks.get(&source.track));
            gate.is_some_and(|gate| gate.open && gate.sid == source.sid)
        };
        let closed = self.recordable(purpose).filter(move |(_, s)| !is_open(s));
        closed.map(move |(person, source)| {
            let facts = TrackFacts {
                identity: person.identity.clone(),
                role: person.role,
                participant: person.sid.clone(),
                sid: source.sid.clone(),
                source: source.source,
            };
            Action::Open(purpose, source.track, facts)
        })
    }

    /// The room forwards what has a gate open, and nothing else.
    fn routing(self, running: &[Purpose]) -> Vec<Action> {
        let mut wanted: BTreeMap<TrackKey, TrackRoute> = BTreeMap::new();
        for (person, source) in running.iter().flat_map(|p| self.recordable(*p)) {
            let route = TrackRoute {
                track: source.track,
                sid: source.sid.clone(),
                member: person.member,
                mid: source.mid,
            };
            wanted.insert(source.track, route);
        }
        let gone = self.routes.iter().filter(|(k, r)| wanted.get(k) != Some(r));
        let mut actions: Vec<Action> = gone.map(|(key, _)| Action::Unsubscribe(*key)).collect();
        wanted.retain(|key, route| self.routes.get(key) != Some(route));
        actions.extend(wanted.into_values().map(Action::Subscribe));
        actions
    }
}
