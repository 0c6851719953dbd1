//! Whoever is sent away because the session has ended is told why before, whatever ended it.

use beistand::base::{EndReason, Millis};
use beistand::node::SessionCommand;
use beistand::session::Extension;
use beistand_testing::{AUDIO, World};
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::{DisconnectReason, LeaveRequest};
use str0m::media::MediaKind;

fn live_pair() -> World {
    let mut world = World::new(31);
    for (who, role) in [("ex", "expert"), ("cu", "customer")] {
        world.join_with("help", who, &[("role", role), ("policy", "asking")]);
    }
    world.run(Millis(500));
    world.publish(0, MediaKind::Audio);
    world.run(Millis(1_000));
    for _ in 0..100 {
        world.send_media(0, &AUDIO);
        world.run(Millis(20));
    }
    world
}

fn wait(world: &mut World, seconds: u64) {
    for _ in 0..seconds {
        world.skip(Millis(1_000));
    }
}

/// Why it ended, as the customer read it before they were sent away, and how they were.
fn read(world: &World) -> (Option<String>, DisconnectReason) {
    let client = &world.clients[1];
    let join = client.joined.as_ref().expect("it joined");
    let me = join.participant.as_ref().expect("it is somebody");
    let known = client.others.get(&me.sid);
    let why = known.and_then(|known| known.attributes.get("beistand.end"));
    let left = client.left.as_ref().expect("it was sent away");
    (why.cloned(), left.reason())
}

/// What is done to a session, how many seconds later it is over, and why.
type Case = (fn(&mut World), u64, &'static str, DisconnectReason);

fn command(world: &mut World, command: SessionCommand) {
    let session = world.appended[0].entry.session.clone();
    let done = world.shard.handle_command(&session, command, world.now);
    assert!(done.is_ok(), "{done:?}");
}

fn extend(world: &mut World, quota_s: Option<u64>, max_min: Option<u64>) {
    let extension = Extension {
        quota_s,
        max_min,
        only_if: None,
    };
    command(world, SessionCommand::Extend(extension));
}

fn ends() -> Vec<Case> {
    vec![
        (
            |world| command(world, SessionCommand::End(EndReason::EndedByApi)),
            1,
            "ended_by_api",
            DisconnectReason::RoomDeleted,
        ),
        (
            |world| extend(world, Some(10), None),
            20,
            "quota_exhausted",
            DisconnectReason::RoomClosed,
        ),
        (
            |world| extend(world, None, Some(1)),
            70,
            "max_duration",
            DisconnectReason::RoomClosed,
        ),
        // Nobody answers, neither in time nor in the pause that follows.
        (
            |_| (),
            60 + 2 * 60 + 10,
            "presence_timeout",
            DisconnectReason::RoomClosed,
        ),
        (
            |world| world.ask(0, Ask::Leave(LeaveRequest::default())),
            310,
            "abandoned",
            DisconnectReason::RoomClosed,
        ),
    ]
}

#[test]
fn whatever_ends_a_session_who_is_there_knows_why_before_they_are_sent_away() {
    for (end, seconds, why, reason) in ends() {
        let mut world = live_pair();
        end(&mut world);
        wait(&mut world, seconds);
        assert_eq!(read(&world), (Some(why.to_owned()), reason), "{why}");
    }
}

#[test]
fn a_session_that_only_its_node_cut_off_goes_on_and_is_not_told_as_ended() {
    let mut world = live_pair();
    world.shard.handle_drain(world.now);
    world.run(Millis(100));
    assert_eq!(read(&world), (None, DisconnectReason::ServerShutdown));
}
