//! Random lives of recordings, without a room. The oracle knows what was said and who is here, and nothing of gates:
//! a packet reaches a recorder exactly if its publisher has agreed, the recording runs, and everyone was told.

use super::{Actor, Mode, Output, Person, Recordings, answer, at, recordings, word};
use crate::base::{
    ConsentState, Identity, Now, ParticipantSid, Purpose, RecordingStep, Rng, TrackSid, TrackSource,
};
use crate::media::{Codec, Mid, Packet};
use crate::node::room::recording::{Source, fixture};
use crate::record::{self, SegmentId};
use crate::room::{MemberKey, TrackKey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SEEDS: u64 = 8;
const STEPS: u64 = 1_500;
/// Some of them are never here at once.
const NAMES: [&str; 8] = [
    "abel", "bela", "cleo", "dora", "emil", "fred", "gabi", "hugo",
];
const PLACES: usize = 5;
const TRACKS: usize = 3;

/// What was said so far, as far as anyone outside can know.
#[derive(Default)]
struct Truth {
    given: BTreeSet<(Purpose, String)>,
    minors: BTreeSet<String>,
    asked: BTreeSet<Purpose>,
    failed: BTreeSet<Purpose>,
}

/// What came out so far.
#[derive(Default)]
struct Heard {
    /// The last step of each recording.
    steps: BTreeMap<Purpose, RecordingStep>,
    consents: BTreeMap<(Purpose, String), ConsentState>,
    /// What the others see of each member.
    attributes: BTreeMap<MemberKey, BTreeSet<String>>,
    flag: bool,
    subscribed: BTreeSet<TrackKey>,
    /// Whose each segment is, while it is open.
    segments: BTreeMap<SegmentId, String>,
}

/// What the seeds had in them.
#[derive(Debug, Default)]
struct Seen {
    taken: u64,
    refused: u64,
    segments: usize,
    withdrawals: usize,
    stops: usize,
    failures: usize,
    keys_used_again: usize,
    ends: usize,
}

struct Life {
    rng: Rng,
    now: Now,
    /// Everything that has an id is numbered.
    count: u64,
    /// The newest packet of each publication.
    seqs: BTreeMap<TrackSid, u64>,
    recordings: Recordings,
    people: BTreeMap<usize, Person>,
    truth: Truth,
    heard: Heard,
    seen: Seen,
    /// What happened last, for whoever reads a failure.
    story: Vec<String>,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut life = Life {
            rng: Rng::from_seed(seed),
            now: at(0),
            count: 0,
            seqs: BTreeMap::new(),
            recordings: recordings(Mode::Off),
            people: BTreeMap::new(),
            truth: Truth::default(),
            heard: Heard::default(),
            seen: Seen::default(),
            story: Vec::new(),
        };
        life.begin();
        life
    }

    /// A session of its own: nothing that was said before counts.
    fn begin(&mut self) {
        self.truth = Truth::default();
        self.heard = Heard::default();
        self.people.clear();
        self.seqs.clear();
        self.story = vec!["begin".to_owned()];
        let always = self.rng.below(2) == 0;
        let mode = if always {
            Mode::Always
        } else {
            Mode::OnRequest
        };
        if always {
            self.truth.asked.extend(Purpose::ALL);
        }
        self.recordings = recordings(mode);
    }

    fn one_of<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        let index = self.rng.below(u64::try_from(of.len()).unwrap());
        of.get(usize::try_from(index).unwrap()).cloned()
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.rng.below(100) < percent
    }

    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    fn step(&mut self) {
        self.now = at(self.now.mono.millis().0 + 20 + self.rng.below(400));
        let purpose = self.one_of(&Purpose::ALL).unwrap();
        let name = self.one_of(&NAMES).unwrap();
        match self.rng.below(200) {
            0..20 => self.join(name),
            20..30 => self.leave(),
            30..65 => self.publish(),
            65..85 => self.unpublish(),
            85..120 => self.say(purpose, name, true),
            120..135 => self.say(purpose, name, false),
            135..138 => self.mark_minor(name),
            138..155 => self.request(purpose, true),
            155..163 => self.request(purpose, false),
            163..170 => self.fail(purpose),
            170..199 => {
                self.recordings.handle_timeout(self.now);
                self.drain_unordered();
            }
            _ => return self.end(),
        }
        self.drain();
        self.check();
        self.talk();
        self.drain_unordered();
    }

    fn join(&mut self, name: &str) {
        let here = self.people.values().any(|p| p.identity.as_str() == name);
        let place = (0..PLACES).find(|place| !self.people.contains_key(place));
        let Some(place) = place.filter(|_| !here) else {
            return;
        };
        let minor = self.chance(3);
        let mut person = fixture::person(place, name);
        person.sources.clear();
        person.hidden = self.chance(10);
        person.sid = ParticipantSid::from(format!("PA_{}", self.number()));
        self.story.push(format!(
            "{name} joins at {place}, minor {minor}, hidden {}",
            person.hidden
        ));
        if minor {
            self.forget_consents(name);
        }
        self.recordings
            .handle_joined(&Identity::from(name), minor, self.now);
        self.drain();
        self.people.insert(place, person);
        self.heard.attributes.remove(&MemberKey(place));
        self.review();
    }

    fn leave(&mut self) {
        let places: Vec<usize> = self.people.keys().copied().collect();
        if let Some(place) = self.one_of(&places) {
            self.story.push(format!("{place} leaves"));
            self.people.remove(&place);
            self.review();
        }
    }

    /// Keys are the smallest that are free, as in a slab.
    fn publish(&mut self) {
        let places: Vec<usize> = self.people.keys().copied().collect();
        let Some(place) = self.one_of(&places) else {
            return;
        };
        let used: BTreeSet<TrackKey> = self.sources().map(|(_, source)| source.track).collect();
        let track = (0..).map(TrackKey).find(|key| !used.contains(key)).unwrap();
        let number = self.number();
        let kinds = [TrackSource::Microphone, TrackSource::Camera];
        let source = Source {
            track,
            sid: TrackSid::from(format!("TR_{number}")),
            mid: Mid::from((number % 50).to_string().as_str()),
            source: self.one_of(&kinds).unwrap(),
            encrypted: self.chance(10),
        };
        let person = self.people.get_mut(&place).unwrap();
        let is_taken = person.sources.iter().any(|s| s.mid == source.mid);
        if person.sources.len() < TRACKS && !is_taken {
            self.story.push(format!("{place} publishes {source:?}"));
            person.sources.push(source);
            // Now and then nobody looks before the next change: removals come in one batch.
            self.review();
        }
    }

    fn unpublish(&mut self) {
        let places: Vec<usize> = self.people.keys().copied().collect();
        let Some(place) = self.one_of(&places) else {
            return;
        };
        let others = self.chance(50);
        let sources = &mut self.people.get_mut(&place).unwrap().sources;
        let Some(mut gone) = sources.pop() else {
            return;
        };
        self.story.push(format!(
            "{place} unpublishes {}, and goes on {others}",
            gone.track.0
        ));
        if others {
            // Another publication takes the key before anyone looks.
            self.seen.keys_used_again += 1;
            gone.sid = TrackSid::from(format!("TR_{}", self.number()));
            self.people.get_mut(&place).unwrap().sources.push(gone);
        }
        self.review();
    }

    fn say(&mut self, purpose: Purpose, name: &str, given: bool) {
        self.story.push(format!("{name} {purpose} {given}"));
        let key = (purpose, name.to_owned());
        if !given {
            self.seen.withdrawals += usize::from(self.truth.given.remove(&key));
        }
        let said = self
            .recordings
            .handle_consent(answer(name, purpose, given), self.now);
        if given && said.is_ok() {
            assert!(!self.truth.minors.contains(name), "{:?}", self.story);
            self.truth.given.insert(key);
        }
    }

    fn mark_minor(&mut self, name: &str) {
        // Whoever is not known yet is marked when they join.
        if self.heard.consents.keys().any(|(_, who)| who == name) {
            self.story.push(format!("{name} is a minor"));
            self.forget_consents(name);
            self.recordings
                .handle_minor(&Identity::from(name), self.now);
        }
    }

    fn forget_consents(&mut self, name: &str) {
        self.truth.minors.insert(name.to_owned());
        self.truth.given.retain(|(_, who)| who != name);
    }

    fn request(&mut self, purpose: Purpose, on: bool) {
        self.story.push(format!("request {purpose} {on}"));
        let actor = self.one_of(&[Actor::App, Actor::Participant]).unwrap();
        let asked = self.recordings.handle_request(purpose, on, actor, self.now);
        match (asked.is_ok(), on) {
            (true, true) => {
                self.truth.asked.insert(purpose);
                self.truth.failed.remove(&purpose);
            }
            (true, false) => drop(self.truth.asked.remove(&purpose)),
            (false, _) => assert_eq!(actor, Actor::Participant, "only they are counted"),
        }
    }

    fn fail(&mut self, purpose: Purpose) {
        self.story.push(format!("{purpose} fails"));
        let reason = "the disk is full";
        self.recordings.handle_failed(purpose, reason, self.now);
        if self.heard.steps.contains_key(&purpose) {
            self.seen.failures += 1;
            self.truth.failed.insert(purpose);
        }
    }

    fn end(&mut self) {
        self.seen.ends += 1;
        self.recordings.handle_end(self.now);
        self.drain();
        assert!(
            self.heard.segments.is_empty(),
            "all segments end: {:?}",
            self.story
        );
        let before = self.recordings.stats();
        for (place, source) in self.sources() {
            let packet = packet(&source, 1, self.now);
            self.recordings
                .handle_packet(MemberKey(place), &packet, self.now);
        }
        assert_eq!(
            self.recordings.stats(),
            before,
            "nothing is taken after the end"
        );
        self.review();
        assert_eq!(self.recordings.poll_output(), None);
        self.begin();
    }

    fn review(&mut self) {
        let people = self.people.values().cloned().collect();
        self.recordings.review(people, self.now);
    }

    fn sources(&self) -> impl Iterator<Item = (usize, Source)> + use<> {
        let people = self.people.iter();
        let sources = people.flat_map(|(place, p)| p.sources.iter().map(|s| (*place, s.clone())));
        sources.collect::<Vec<_>>().into_iter()
    }

    fn is_active(&self, purpose: Purpose) -> bool {
        let standing = self.recordings.recorders.standings().get(&purpose);
        standing.is_some_and(|standing| standing.active)
    }

    fn may_be_written(&self, purpose: Purpose, who: &str) -> bool {
        self.truth.given.contains(&(purpose, who.to_owned())) && !self.truth.minors.contains(who)
    }

    /// Whether a packet of this source belongs into the recording.
    fn belongs(&self, purpose: Purpose, place: usize, source: &Source) -> bool {
        let runs = self.truth.asked.contains(&purpose) && !self.truth.failed.contains(&purpose);
        let person = &self.people[&place];
        let allowed = self.may_be_written(purpose, person.identity.as_str());
        runs && allowed && !person.hidden && !source.encrypted
    }

    /// Everyone sends a packet: exactly those of whom it was said are taken.
    fn talk(&mut self) {
        for (place, source) in self.sources() {
            let seq = self.seqs.entry(source.sid.clone()).or_default();
            *seq += 1;
            let packet = packet(&source, *seq, self.now);
            let before = self.recordings.stats();
            self.recordings
                .handle_packet(MemberKey(place), &packet, self.now);
            let after = self.recordings.stats();
            let refused = after.refused - before.refused;
            let taken = after.offered - before.offered - refused;
            let expected = Purpose::ALL
                .iter()
                .filter(|p| self.belongs(**p, place, &source));
            let expected = u64::try_from(expected.count()).unwrap();
            assert_eq!(taken, expected, "{place} {source:?}: {:?}", self.story);
            self.seen.taken += taken;
            self.seen.refused += u64::from(taken == 0);
        }
    }

    /// Gates, routes, and what everyone was told, against what was said.
    fn check(&self) {
        let mut tracks = BTreeSet::new();
        let mut shown: BTreeMap<MemberKey, BTreeSet<String>> = BTreeMap::new();
        for purpose in Purpose::ALL {
            let standing = self.recordings.recorders.standings().get(&purpose);
            let gates = standing.into_iter().flat_map(|s| s.tracks.iter());
            let open: BTreeSet<_> = gates
                .filter(|(_, gate)| gate.open)
                .map(|(key, gate)| (*key, gate.sid.clone()))
                .collect();
            let belongs = self
                .sources()
                .filter(|(place, s)| self.belongs(purpose, *place, s));
            let expected: BTreeSet<_> = belongs.map(|(_, s)| (s.track, s.sid)).collect();
            assert_eq!(open, expected, "gates of {purpose}: {:?}", self.story);
            tracks.extend(open.iter().map(|(key, _)| *key));
            let active = self.is_active(purpose);
            assert!(open.is_empty() || active, "{:?}", self.story);
            let last = self.heard.steps.get(&purpose);
            assert_eq!(
                active,
                last == Some(&RecordingStep::Started),
                "{:?}",
                self.story
            );
            for (place, source) in self.sources() {
                if self.belongs(purpose, place, &source) {
                    let words = shown.entry(MemberKey(place)).or_default();
                    words.insert(purpose.as_str().to_owned());
                }
            }
        }
        assert_eq!(self.heard.subscribed, tracks, "{:?}", self.story);
        for (member, purposes) in shown {
            let told = self.heard.attributes.get(&member);
            let told = told.is_some_and(|told| told.is_superset(&purposes));
            assert!(
                told,
                "{member:?} is recorded for {purposes:?}: {:?}",
                self.story
            );
        }
        let active = Purpose::ALL.iter().any(|p| self.is_active(*p));
        assert_eq!(self.heard.flag, active, "{:?}", self.story);
        let given = self.heard.consents.iter();
        let given = given.filter(|(_, state)| **state == ConsentState::Given);
        let given: BTreeSet<_> = given.map(|(key, _)| key.clone()).collect();
        assert_eq!(given, self.truth.given, "{:?}", self.story);
    }

    /// What came out, in an order that never tells before the ledger knows, or writes before all are told.
    fn drain(&mut self) {
        self.drain_from(0);
    }

    /// Packets and time say nothing that has an order: recorders write, and ask for keyframes.
    fn drain_unordered(&mut self) {
        self.drain_from(u8::MAX);
    }

    fn drain_from(&mut self, first: u8) {
        let mut before = 0;
        while let Some(output) = self.recordings.poll_output() {
            self.story.push(format!("  {}", word(&output)));
            let place = place_in_order(&output).max(first);
            assert!(place >= before, "out of order: {:?}", self.story);
            before = place;
            self.hear(output);
        }
        let old = self.story.len().saturating_sub(200);
        self.story.drain(..old);
    }

    fn hear(&mut self, output: Output) {
        match output {
            Output::Recorded(output) => self.write(output),
            Output::Consent(consent) => {
                let key = (consent.purpose, consent.identity.as_str().to_owned());
                self.heard.consents.insert(key, consent.state);
            }
            Output::Note(note) => {
                let before = self.heard.steps.insert(note.id.purpose(), note.step);
                let runs = before == Some(RecordingStep::Started);
                match note.step {
                    RecordingStep::Started => assert!(!runs, "{:?}", self.story),
                    RecordingStep::Stopped => assert!(runs, "{:?}", self.story),
                    RecordingStep::Failed => assert!(before.is_some(), "{:?}", self.story),
                    RecordingStep::Ready | RecordingStep::Deleted => panic!("not ours to say"),
                }
                self.seen.stops += usize::from(note.step == RecordingStep::Stopped);
            }
            Output::Attribute(member, value) => {
                let words = value.iter().flat_map(|value| value.split(','));
                let words = words.map(str::to_owned).collect();
                self.heard.attributes.insert(member, words);
            }
            Output::RoomFlag(flag) => self.heard.flag = flag,
            Output::Subscribe(track, _) => assert!(self.heard.subscribed.insert(track)),
            Output::Unsubscribe(track) => assert!(self.heard.subscribed.remove(&track)),
            Output::KeyframeWanted(_) | Output::TellAll(..) | Output::TellOne(..) => {}
        }
    }

    fn write(&mut self, output: record::Output) {
        let segment = match output {
            record::Output::Open { segment, header } => {
                let names = NAMES.into_iter();
                let mut named = names.filter(|name| contains(&header, name));
                let owner = named.next().expect("a segment names its publisher");
                self.seen.segments += 1;
                self.heard
                    .segments
                    .insert(segment.clone(), owner.to_owned());
                segment
            }
            record::Output::Append { segment, .. } => segment,
            record::Output::Close { segment } => {
                assert!(
                    self.heard.segments.remove(&segment).is_some(),
                    "{:?}",
                    self.story
                );
                return;
            }
            record::Output::KeyframeWanted { .. } => panic!("it is said of a section"),
        };
        let owner = &self.heard.segments[&segment];
        let purpose = segment.recording.purpose();
        let allowed = self.may_be_written(purpose, owner);
        assert!(
            allowed,
            "{owner} is written for {purpose}: {:?}",
            self.story
        );
    }
}

fn contains(header: &[u8], name: &str) -> bool {
    let mut windows = header.windows(name.len());
    windows.any(|window| window == name.as_bytes())
}

fn place_in_order(output: &Output) -> u8 {
    match output {
        Output::Recorded(_) => 0,
        Output::Consent(_) => 1,
        Output::Note(_) => 2,
        Output::Attribute(..) => 3,
        Output::RoomFlag(_) => 4,
        Output::TellAll(..) | Output::TellOne(..) => 5,
        Output::Unsubscribe(_) => 6,
        Output::Subscribe(..) => 7,
        Output::KeyframeWanted(_) => 8,
    }
}

/// The next packet of a source: sound, or a picture that is whole.
fn packet(source: &Source, seq: u64, now: Now) -> Packet {
    let ticks = |each_ms: u64| u32::try_from(now.mono.millis().0 * each_ms % (1 << 32)).unwrap();
    let packet = Packet {
        seq,
        timestamp: ticks(48),
        ..fixture::sound(source.mid.as_str())
    };
    if source.source == TrackSource::Microphone {
        return packet;
    }
    Packet {
        timestamp: ticks(90),
        codec: Codec::Vp8,
        payload: Arc::from([0x10, 0x10, 2, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 1, 2, 3]),
        ..packet
    }
}

#[test]
fn no_packet_is_recorded_without_a_consent_that_holds_whatever_else_happens() {
    let mut all = Seen::default();
    for seed in 0..SEEDS {
        let mut life = Life::new(seed);
        for _ in 0..STEPS {
            life.step();
        }
        life.end();
        let seen = life.seen;
        all.taken += seen.taken;
        all.refused += seen.refused;
        all.segments += seen.segments;
        all.withdrawals += seen.withdrawals;
        all.stops += seen.stops;
        all.failures += seen.failures;
        all.keys_used_again += seen.keys_used_again;
        all.ends += seen.ends;
    }
    let plenty = all.taken > 5_000 && all.refused > 5_000 && all.segments > 500;
    let varied = all.withdrawals > 100 && all.stops > 100 && all.failures > 100;
    let ended = all.ends > 20 && all.keys_used_again > 100;
    assert!(plenty && varied && ended, "too tame a life: {all:?}");
}
