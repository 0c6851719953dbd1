//! Seeded lives of recordings with real transports: consents, minors who come back, disks that fail, starts, stops
//! and new nodes meet in any order. The oracle knows nothing but what was said: not one packet of a participant is
//! written while their consent is not given, they are a minor, or the recording is not to run.

use crate::recording::tags;
use beistand::base::{
    Actor, ConsentState, Identity, Millis, Purpose, RecordingId, RecordingStep, Rng,
};
use beistand::node::SessionCommand;
use beistand::record::{Output, SegmentId};
use beistand::session::ConsentAnswer;
use beistand_testing::{AUDIO, DELTA, KEYFRAME, World};
use std::collections::{BTreeMap, BTreeSet};
use str0m::media::MediaKind;

const SEEDS: u64 = 24;
const STEPS: u64 = 14;
const PEOPLE: [&str; 2] = ["ex", "cu"];

/// What was said so far.
#[derive(Default)]
struct Truth {
    given: BTreeSet<(Purpose, &'static str)>,
    minors: BTreeSet<&'static str>,
    asked: BTreeSet<Purpose>,
    failed: BTreeSet<Purpose>,
}

impl Truth {
    fn allows(&self, purpose: Purpose, who: &'static str) -> bool {
        let runs = self.asked.contains(&purpose) && !self.failed.contains(&purpose);
        runs && self.given.contains(&(purpose, who)) && !self.minors.contains(who)
    }
}

/// A node with one session, and what is known of it from outside.
struct Life {
    rng: Rng,
    policy: &'static str,
    world: World,
    truth: Truth,
    /// Whose each segment is.
    owners: BTreeMap<SegmentId, &'static str>,
    /// What happened, for whoever reads a failure.
    story: Vec<String>,
    written: BTreeSet<(Purpose, &'static str)>,
}

/// What the seeds had in them.
#[derive(Default)]
struct Seen {
    written: usize,
    withdrawn_by_node: usize,
    again_after_failure: usize,
}

fn node(policy: &str, seed: u64) -> World {
    let mut world = World::new(seed);
    world.join_with("help", "ex", &[("role", "expert"), ("policy", policy)]);
    world.join_with("help", "cu", &[("role", "customer")]);
    world.run(Millis(400));
    for index in 0..2 {
        world.publish_all(index, &[MediaKind::Video, MediaKind::Audio]);
    }
    world.run(Millis(400));
    world
}

impl Life {
    fn new(seed: u64) -> Life {
        let policy = ["always", "on_request"][usize::from(seed % 2 == 1)];
        let mut life = Life {
            rng: Rng::from_seed(seed),
            policy,
            world: node(policy, seed),
            truth: Truth::default(),
            owners: BTreeMap::new(),
            story: vec![policy.to_owned()],
            written: BTreeSet::new(),
        };
        life.begin();
        life
    }

    /// A session of its own: nothing that was said before counts.
    fn begin(&mut self) {
        self.truth = Truth::default();
        self.owners.clear();
        if self.policy == "always" {
            self.truth.asked.extend(Purpose::ALL);
        }
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.rng.below(of.len() as u64)).unwrap()]
    }

    fn step(&mut self) {
        let purpose = self.one_of(&Purpose::ALL);
        let who = self.one_of(&PEOPLE);
        match self.rng.below(16) {
            0..5 => self.say(purpose, who, true),
            5..7 => self.say(purpose, who, false),
            7..11 => self.record(purpose, true),
            11 => self.record(purpose, false),
            12..14 => self.fail(purpose),
            14 => self.come_back(who),
            _ => self.restart(),
        }
        let span = 100 + self.rng.below(900);
        self.talk(span);
    }

    fn command(&mut self, command: SessionCommand) -> bool {
        let session = self.world.appended[0].entry.session.clone();
        let now = self.world.now;
        let done = self.world.shard.handle_command(&session, command, now);
        done.is_ok()
    }

    fn say(&mut self, purpose: Purpose, who: &'static str, given: bool) {
        self.story.push(format!("{who} {purpose} {given}"));
        if !given {
            self.truth.given.remove(&(purpose, who));
        }
        let answer = ConsentAnswer {
            identity: Identity::from(who),
            purpose,
            given,
            actor: Actor::Participant,
            wording: "sim-1".to_owned(),
        };
        let taken = self.command(SessionCommand::Consent(answer));
        assert_eq!(
            taken,
            !(given && self.truth.minors.contains(who)),
            "{:?}",
            self.story
        );
        if given && taken {
            self.truth.given.insert((purpose, who));
        }
        self.judge();
    }

    fn record(&mut self, purpose: Purpose, on: bool) {
        self.story.push(format!("record {purpose} {on}"));
        if on {
            self.truth.asked.insert(purpose);
            self.truth.failed.remove(&purpose);
        }
        let actor = Actor::App;
        assert!(self.command(SessionCommand::Record { purpose, on, actor }));
        self.judge();
        if !on {
            // What had come until then is kept: everyone had agreed. It is among the outputs of this step.
            self.world.run(Millis(1));
            self.judge();
            self.truth.asked.remove(&purpose);
        }
    }

    fn fail(&mut self, purpose: Purpose) {
        self.story.push(format!("{purpose} fails"));
        let session = self.world.appended[0].entry.session.clone();
        let id = RecordingId::new(session, purpose);
        let now = self.world.now;
        let notes = || {
            self.world
                .appended
                .iter()
                .filter_map(|a| a.entry.recording.as_ref())
        };
        let has_begun = notes().any(|note| note.id == id);
        self.world
            .shard
            .handle_recording_failed(&id, "the disk is full", now);
        if has_begun {
            self.truth.failed.insert(purpose);
        }
        self.world.run(Millis(1));
        self.judge();
    }

    /// With a newer token, that of a minor half of the time, while the older connection is still there.
    fn come_back(&mut self, who: &'static str) {
        let minor = self.rng.below(2) == 0;
        self.story.push(format!("{who} comes back, minor {minor}"));
        let role = if who == "ex" { "expert" } else { "customer" };
        let mut attributes = vec![("role", role)];
        if minor {
            attributes.push(("minor", "true"));
            self.truth.minors.insert(who);
            self.truth.given.retain(|(_, of)| *of != who);
        }
        let index = self.world.join_with("help", who, &attributes);
        self.judge();
        self.talk(400);
        self.world
            .publish_all(index, &[MediaKind::Video, MediaKind::Audio]);
        self.talk(400);
    }

    /// The node is gone, and another begins: everyone is asked again.
    fn restart(&mut self) {
        self.story.push("a new node".to_owned());
        let seed = self.rng.below(1_000_000);
        self.world = node(self.policy, seed);
        self.begin();
    }

    fn talk(&mut self, span_ms: u64) {
        for tick in 0..span_ms / 20 {
            for index in 0..self.world.clients.len() {
                if self.world.clients[index].left.is_none() {
                    let picture: &[u8] = if tick % 15 == 0 { &KEYFRAME } else { &DELTA };
                    self.world.send_media(index, picture);
                    self.world.send_media(index, &AUDIO);
                }
            }
            self.world.run(Millis(20));
        }
        self.judge();
    }

    /// What was written since the last look, against what was said.
    fn judge(&mut self) {
        for (output, _) in std::mem::take(&mut self.world.recorded) {
            let segment = match output {
                Output::Open { segment, header } => {
                    let owner = PEOPLE.into_iter().find(|who| tags(&header, who));
                    let owner = owner.expect("a segment names its publisher");
                    self.owners.insert(segment.clone(), owner);
                    segment
                }
                Output::Append { segment, .. } => segment,
                Output::Close { .. } | Output::KeyframeWanted { .. } => continue,
            };
            let (purpose, who) = (segment.recording.purpose(), self.owners[&segment]);
            assert!(
                self.truth.allows(purpose, who),
                "{who} is written for {purpose}: {:?}",
                self.story
            );
            self.written.insert((purpose, who));
        }
    }

    /// The ledger's last word on each consent is what was said.
    fn check_ledger(&self, seen: &mut Seen) {
        let mut last = BTreeMap::new();
        let mut steps = BTreeMap::new();
        for entry in self.world.appended.iter().map(|append| &append.entry) {
            if let Some(consent) = &entry.consent {
                last.insert((consent.purpose, consent.identity.as_str()), consent.state);
                seen.withdrawn_by_node += usize::from(consent.actor == Actor::Node);
            }
            if let Some(note) = &entry.recording {
                let before = steps.insert(note.id.purpose(), note.step);
                let again =
                    (before, note.step) == (Some(RecordingStep::Failed), RecordingStep::Started);
                seen.again_after_failure += usize::from(again);
            }
        }
        last.retain(|_, state| *state == ConsentState::Given);
        let given: BTreeSet<_> = last.into_keys().collect();
        assert_eq!(given, self.truth.given, "{:?}", self.story);
        seen.written += self.written.len();
    }
}

#[test]
fn not_one_packet_is_written_of_who_has_not_agreed_whatever_else_happens() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        let mut life = Life::new(seed);
        for _ in 0..STEPS {
            life.step();
        }
        life.check_ledger(&mut seen);
    }
    let Seen {
        written,
        withdrawn_by_node,
        again_after_failure,
    } = seen;
    assert!(written > 0 && withdrawn_by_node > 0 && again_after_failure > 0);
}
