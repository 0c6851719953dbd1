//! Recording through the node's machines, with real transports: the consent gate, and who is told when.

use beistand::base::{
    Actor, Consent, ConsentState, Identity, Millis, Purpose, RecordingId, RecordingStep, SessionId,
};
use beistand::node::{CommandRefusal, SessionCommand, SessionView};
use beistand::record::{Output, SegmentId};
use beistand::session::{ConsentAnswer, RecordingRefusal};
use beistand::usage::EventKind;
use beistand_testing::{AUDIO, DELTA, KEYFRAME, World};
use std::collections::{BTreeMap, BTreeSet};
use str0m::media::MediaKind;

/// Two who send video and sound, under one of the policies that record.
fn pair(policy: &str) -> World {
    let mut world = World::new(12);
    world.join_with("help", "ex", &[("role", "expert"), ("policy", policy)]);
    world.join_with("help", "cu", &[("role", "customer")]);
    world.run(Millis(500));
    for index in 0..2 {
        world.publish_all(index, &[MediaKind::Video, MediaKind::Audio]);
    }
    world.run(Millis(500));
    world
}

fn talk(world: &mut World, span: u64) {
    for tick in 0..span / 20 {
        for index in 0..world.clients.len() {
            world.send_media(index, if tick % 50 == 0 { &KEYFRAME } else { &DELTA });
            world.send_media(index, &AUDIO);
        }
        world.run(Millis(20));
    }
}

fn session(world: &World) -> SessionId {
    world.appended[0].entry.session.clone()
}

fn command(world: &mut World, command: SessionCommand) -> Result<SessionView, CommandRefusal> {
    let session = session(world);
    let view = world.shard.handle_command(&session, command, world.now);
    world.run(Millis(1));
    view
}

fn answer(
    world: &mut World,
    who: &str,
    purpose: Purpose,
    given: bool,
) -> Result<SessionView, CommandRefusal> {
    let answer = ConsentAnswer {
        identity: Identity::from(who),
        purpose,
        given,
        actor: Actor::Participant,
        wording: "test-1".to_owned(),
    };
    command(world, SessionCommand::Consent(answer))
}

fn record(world: &mut World, purpose: Purpose, on: bool) -> Result<SessionView, CommandRefusal> {
    let actor = Actor::App;
    command(world, SessionCommand::Record { purpose, on, actor })
}

/// Bytes of media by purpose and identity, as the segments' own tags say.
fn written(world: &World) -> BTreeMap<(Purpose, String), usize> {
    let mut owners: BTreeMap<SegmentId, String> = BTreeMap::new();
    let mut written = BTreeMap::new();
    for (output, _) in &world.recorded {
        match output {
            Output::Open { segment, header } => {
                let owner = ["ex", "cu", "minor", "guest"]
                    .into_iter()
                    .find(|who| tags(header, who))
                    .expect("a segment names its publisher");
                owners.insert(segment.clone(), owner.to_owned());
            }
            Output::Append { segment, bytes } => {
                let key = (segment.recording.purpose(), owners[segment].clone());
                *written.entry(key).or_default() += bytes.len();
            }
            Output::Close { .. } | Output::KeyframeWanted { .. } => {}
        }
    }
    written
}

/// Whether a header has the tag IDENTITY with this value: id and size of a TagString, and the text.
pub fn tags(header: &[u8], who: &str) -> bool {
    let mut wanted = vec![0x44, 0x87, 0x80 | u8::try_from(who.len()).unwrap()];
    wanted.extend(who.as_bytes());
    header.windows(wanted.len()).any(|window| window == wanted)
}

fn recorded(world: &World) -> BTreeSet<(Purpose, String)> {
    written(world).into_keys().collect()
}

fn steps(world: &World) -> Vec<(Purpose, RecordingStep)> {
    let notes = world
        .appended
        .iter()
        .filter_map(|a| a.entry.recording.as_ref());
    notes.map(|note| (note.id.purpose(), note.step)).collect()
}

#[test]
fn nobody_is_written_who_has_not_said_yes_and_for_that() {
    let mut world = pair("always");
    talk(&mut world, 1_000);
    assert!(world.recorded.is_empty(), "asked, and nobody has answered");
    answer(&mut world, "ex", Purpose::Qa, true).unwrap();
    answer(&mut world, "cu", Purpose::Qa, false).unwrap();
    answer(&mut world, "cu", Purpose::Shared, true).unwrap();
    talk(&mut world, 3_000);
    let expected = [(Purpose::Qa, "ex"), (Purpose::Shared, "cu")];
    let expected = expected.map(|(purpose, who)| (purpose, who.to_owned()));
    assert_eq!(recorded(&world), BTreeSet::from(expected));
}

#[test]
fn everyone_is_told_before_the_first_byte_and_the_ledger_before_that() {
    let mut world = pair("always");
    answer(&mut world, "cu", Purpose::Shared, true).unwrap();
    talk(&mut world, 2_000);
    let opens = world
        .recorded
        .iter()
        .filter(|(o, _)| matches!(o, Output::Open { .. }));
    let told: Vec<usize> = opens.map(|(_, told)| *told).collect();
    assert_eq!(told, [2, 2], "video and sound, each after both were told");
    for client in &world.clients {
        let shown = BTreeMap::from([("cu".to_owned(), "shared".to_owned())]);
        assert_eq!(client.recorded(), shown);
    }
    let consents = world
        .appended
        .iter()
        .filter_map(|a| a.entry.consent.as_ref());
    let consents: Vec<_> = consents.map(|c| (c.identity.as_str(), c.state)).collect();
    assert_eq!(consents, [("cu", ConsentState::Given)]);
    assert_eq!(steps(&world), [(Purpose::Shared, RecordingStep::Started)]);
}

#[test]
fn a_withdrawal_ends_it_at_once_and_what_waited_is_dropped() {
    let mut world = pair("always");
    answer(&mut world, "cu", Purpose::Shared, true).unwrap();
    talk(&mut world, 2_000);
    world.recorded.clear();
    answer(&mut world, "cu", Purpose::Shared, false).unwrap();
    let appended = |world: &World| {
        let outputs = world.recorded.iter();
        outputs
            .filter(|(o, _)| matches!(o, Output::Append { .. }))
            .count()
    };
    assert_eq!(appended(&world), 0, "what waited is dropped");
    talk(&mut world, 2_000);
    assert_eq!(appended(&world), 0);
    let closed = world
        .recorded
        .iter()
        .filter(|(o, _)| matches!(o, Output::Close { .. }));
    assert_eq!(closed.count(), 2);
    assert!(
        world
            .clients
            .iter()
            .all(|c| !c.recording && c.recorded().is_empty())
    );
    let shared = |step| (Purpose::Shared, step);
    let expected = [RecordingStep::Started, RecordingStep::Stopped].map(shared);
    assert_eq!(steps(&world), expected);
}

#[test]
fn on_request_is_recorded_from_the_start_to_the_stop_and_again() {
    let mut world = pair("on_request");
    for who in ["ex", "cu"] {
        answer(&mut world, who, Purpose::Shared, true).unwrap();
    }
    talk(&mut world, 1_000);
    assert!(world.recorded.is_empty(), "nobody has started it");
    record(&mut world, Purpose::Shared, true).unwrap();
    talk(&mut world, 2_000);
    assert_eq!(recorded(&world).len(), 2);
    let view = record(&mut world, Purpose::Shared, false).unwrap();
    assert!(view.recordings.iter().all(|recording| !recording.active));
    world.recorded.clear();
    talk(&mut world, 1_000);
    assert!(recorded(&world).is_empty());
    record(&mut world, Purpose::Shared, true).unwrap();
    talk(&mut world, 2_000);
    assert_eq!(recorded(&world).len(), 2);
}

#[test]
fn a_minor_and_a_session_without_recording_are_refused_with_words() {
    let mut world = pair("always");
    world.join_with("help", "minor", &[("role", "guest"), ("minor", "true")]);
    world.run(Millis(500));
    let refusal = |r: RecordingRefusal| Err(CommandRefusal::Recording(r));
    let refused = answer(&mut world, "minor", Purpose::Shared, true).map(drop);
    assert_eq!(refused, refusal(RecordingRefusal::Minor));
    let refused = answer(&mut world, "stranger", Purpose::Shared, true).map(drop);
    assert_eq!(refused, refusal(RecordingRefusal::Nobody));
    let mut world = pair("default");
    let refused = answer(&mut world, "cu", Purpose::Shared, true).map(drop);
    assert_eq!(refused, refusal(RecordingRefusal::Off));
    let refused = record(&mut world, Purpose::Qa, true).map(drop);
    assert_eq!(refused, refusal(RecordingRefusal::Off));
}

#[test]
fn a_disk_that_does_not_take_it_ends_the_recording_and_nothing_else() {
    let mut world = pair("always");
    answer(&mut world, "cu", Purpose::Shared, true).unwrap();
    answer(&mut world, "cu", Purpose::Qa, true).unwrap();
    talk(&mut world, 2_000);
    fail(&mut world, Purpose::Shared);
    let open = open_segments(&world);
    let qa_alone = open.iter().all(|s| s.recording.purpose() == Purpose::Qa);
    assert!(qa_alone && !open.is_empty(), "{open:?}");
    world.recorded.clear();
    world.clients.iter_mut().for_each(|c| c.received.clear());
    talk(&mut world, 2_000);
    let qa = BTreeSet::from([(Purpose::Qa, "cu".to_owned())]);
    let kept: BTreeSet<_> = written_by_purpose(&world);
    assert_eq!(kept, qa.iter().map(|(purpose, _)| *purpose).collect());
    assert!(steps(&world).contains(&(Purpose::Shared, RecordingStep::Failed)));
    for client in &world.clients {
        assert!(client.received.values().all(|seqs| seqs.len() > 80));
    }
}

#[test]
fn a_recording_that_failed_is_tried_again_at_a_word_and_never_by_itself() {
    for policy in ["always", "on_request"] {
        let mut world = pair(policy);
        record(&mut world, Purpose::Shared, true).unwrap();
        answer(&mut world, "cu", Purpose::Shared, true).unwrap();
        talk(&mut world, 1_000);
        fail(&mut world, Purpose::Shared);
        world.recorded.clear();
        // Neither time nor anybody's yes is a word.
        answer(&mut world, "ex", Purpose::Shared, true).unwrap();
        talk(&mut world, 6_000);
        assert!(recorded(&world).is_empty(), "{policy}");
        let view = record(&mut world, Purpose::Shared, true).unwrap();
        let shared = view.recordings.iter();
        let shared = shared.filter(|one| one.id.purpose() == Purpose::Shared);
        let shown: Vec<_> = shared.map(|one| (one.active, one.failed.clone())).collect();
        assert_eq!(shown, [(true, None)], "{policy}");
        talk(&mut world, 2_000);
        assert_eq!(recorded(&world).len(), 2, "{policy}");
        let numbers = open_segments(&world).into_iter().map(|s| s.number);
        assert!(numbers.into_iter().all(|n| n > 2), "new files: {policy}");
        // Still full: it is said as often as it is tried.
        fail(&mut world, Purpose::Shared);
        let steps: Vec<_> = steps(&world).into_iter().map(|(_, step)| step).collect();
        let (started, failed) = (RecordingStep::Started, RecordingStep::Failed);
        assert_eq!(steps, [started, failed, started, failed], "{policy}");
    }
}

#[test]
fn who_comes_back_as_a_minor_loses_their_consents_at_once_and_with_evidence() {
    let mut world = pair("always");
    for purpose in Purpose::ALL {
        answer(&mut world, "cu", purpose, true).unwrap();
    }
    talk(&mut world, 2_000);
    world.recorded.clear();
    let before = world.appended.len();
    let minor = [("role", "customer"), ("minor", "true")];
    let again = world.join_with("help", "cu", &minor);
    world.run(Millis(500));
    world.publish_all(again, &[MediaKind::Video, MediaKind::Audio]);
    talk(&mut world, 2_000);
    assert!(
        written_by_purpose(&world).is_empty(),
        "not even what waited"
    );
    let lost = world.appended[before..].iter().take(2);
    let lost = lost.map(|a| (a.entry.consent.clone().unwrap(), a.events[0].kind));
    let expected = Purpose::ALL.map(|purpose| {
        let consent = Consent {
            identity: Identity::from("cu"),
            purpose,
            state: ConsentState::Withdrawn,
            actor: Actor::Node,
            wording: "test-1".to_owned(),
        };
        (consent, EventKind::ConsentChanged)
    });
    assert_eq!(lost.collect::<Vec<_>>(), expected);
}

/// The disk does not take a recording any more.
fn fail(world: &mut World, purpose: Purpose) {
    let id = RecordingId::new(session(world), purpose);
    let reason = "the disk is full";
    world.shard.handle_recording_failed(&id, reason, world.now);
    world.run(Millis(1));
}

/// Segments that were begun and not ended.
fn open_segments(world: &World) -> BTreeSet<SegmentId> {
    let mut open = BTreeSet::new();
    for (output, _) in &world.recorded {
        match output {
            Output::Open { segment, .. } => drop(open.insert(segment.clone())),
            Output::Close { segment } => drop(open.remove(segment)),
            Output::Append { .. } | Output::KeyframeWanted { .. } => {}
        }
    }
    open
}

/// Purposes of what was appended.
fn written_by_purpose(world: &World) -> BTreeSet<Purpose> {
    let purposes = world
        .recorded
        .iter()
        .filter_map(|(output, _)| match output {
            Output::Append { segment, .. } => Some(segment.recording.purpose()),
            Output::Open { .. } | Output::Close { .. } | Output::KeyframeWanted { .. } => None,
        });
    purposes.collect()
}
