//! Two projects on one node, and participants who see without being seen, in virtual time.

use beistand::base::{Millis, ProjectId, RoomKey, SessionId, Unix};
use beistand::peer::signal::token::{Claims, ParticipantKind};
use beistand_testing::{DELTA, KEYFRAME, TENANT, World};
use std::collections::BTreeSet;
use str0m::media::MediaKind;

/// Claims of a token for the room `help`, by a key of this project.
fn claims(world: &World, project: &ProjectId, identity: &str, role: &str) -> Claims {
    let mut claims = Claims::new("key", identity, Unix(world.now.unix.0 + 3_600_000));
    claims.project = project.clone();
    claims.video.room = Some("help".to_owned());
    claims.video.room_join = Some(true);
    let role = ("role".to_owned(), role.to_owned());
    claims.attributes.extend([role]);
    claims
}

#[test]
fn a_room_of_one_name_in_two_projects_is_two_rooms_and_nothing_passes_between_them() {
    let mut world = World::new(21);
    let projects = [ProjectId::default(), ProjectId::from(TENANT)];
    for project in &projects {
        for (who, role) in [("ex", "expert"), ("cu", "customer")] {
            let claims = claims(&world, project, who, role);
            world.join_by(claims);
        }
    }
    world.run(Millis(500));
    // The expert of the first project alone sends.
    world.publish(0, MediaKind::Video);
    world.run(Millis(500));
    for tick in 0..100 {
        world.send_media(0, if tick % 50 == 0 { &KEYFRAME } else { &DELTA });
        world.run(Millis(20));
    }
    let heard = |index: usize| {
        world.clients[index]
            .received
            .values()
            .map(Vec::len)
            .sum::<usize>()
    };
    assert!(heard(1) > 50, "the customer of that project: {}", heard(1));
    assert_eq!([heard(2), heard(3)], [0, 0], "nobody of the other one");
    for client in &world.clients {
        assert!(
            client.left.is_none(),
            "the same identity replaces nobody in another project"
        );
        assert_eq!(client.others.len(), 2, "{:?}", client.others.keys());
    }
    let joined = |index: usize| world.clients[index].joined.clone().expect("joined");
    let room = |index: usize| joined(index).room.expect("a room");
    assert_eq!(
        [room(0).name, room(2).name],
        ["help", "help"],
        "clients see the plain name"
    );
    assert_ne!(room(0).sid, room(2).sid);
    let facts = world
        .appended
        .iter()
        .filter_map(|append| append.entry.facts.as_ref());
    let opened: Vec<(SessionId, RoomKey)> = facts
        .map(|facts| (facts.session.clone(), facts.room.clone()))
        .collect();
    let rooms: BTreeSet<&RoomKey> = opened.iter().map(|(_, room)| room).collect();
    let expected = projects
        .each_ref()
        .map(|project| RoomKey::new(project, "help"));
    assert_eq!(rooms, expected.iter().collect());
    assert_eq!(opened.len(), 2, "{opened:?}");
}

#[test]
fn whoever_sees_without_being_seen_or_records_is_told_to_everyone_as_a_recording() {
    type Grants = fn(&mut Claims);
    let table: [(&str, Grants, bool); 6] = [
        ("hidden", |claims| claims.video.hidden = Some(true), true),
        (
            "recorder",
            |claims| claims.video.recorder = Some(true),
            true,
        ),
        (
            "egress",
            |claims| claims.kind = ParticipantKind::Egress,
            true,
        ),
        (
            "hidden, and gets nothing",
            |claims| {
                claims.video.hidden = Some(true);
                claims.video.can_subscribe = Some(false);
            },
            false,
        ),
        ("visible", |_| {}, false),
        (
            "agent",
            |claims| claims.kind = ParticipantKind::Agent,
            false,
        ),
    ];
    for (what, grant, told) in table {
        let mut world = World::new(22);
        world.join("help", "ex", Some("expert"));
        world.join("help", "cu", Some("customer"));
        world.run(Millis(500));
        assert!(!world.clients.iter().any(|client| client.recording));
        let mut claims = claims(&world, &ProjectId::default(), "watcher", "observer");
        grant(&mut claims);
        let watcher = world.join_by(claims);
        world.run(Millis(100));
        let seen: Vec<bool> = (0..2).map(|index| world.clients[index].recording).collect();
        assert_eq!(seen, [told; 2], "{what}");
        // Whoever comes later knows it from the beginning.
        let late = world.join("help", "late", Some("guest"));
        let room = world.clients[late]
            .joined
            .clone()
            .and_then(|joined| joined.room);
        assert_eq!(room.map(|room| room.active_recording), Some(told), "{what}");
        world.hang_up(watcher);
        world.run(Millis(2_000));
        let seen: Vec<bool> = (0..2).map(|index| world.clients[index].recording).collect();
        assert_eq!(seen, [false; 2], "{what} is gone");
    }
}
