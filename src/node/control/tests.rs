//! Placement, reservation, bookings: tables over the machine.

use super::booking::Booking;
use super::booking::tests::booked;
use super::*;
use crate::base::{Identity, Mono, Now, ProjectId, RoomKey, SessionId, Unix};
use crate::session::Policy;

const CAPACITY: Capacity = Capacity {
    max_sessions: 3,
    egress_bps: 0,
    max_cpu: 85,
};

fn control(capacity: Capacity) -> Control {
    Control::new(2, capacity)
}

fn room(name: &str) -> RoomKey {
    RoomKey::of_keys(name)
}

fn at(ms: u64) -> Mono {
    Mono::from_millis(ms)
}

fn opened(name: &str, session: &str, continues: &[&str]) -> News {
    News::Opened {
        room: room(name),
        session: SessionId::from(session),
        continues: continues.iter().map(|id| SessionId::from(*id)).collect(),
    }
}

/// The worker that a join goes to, with the default policy.
fn join(control: &mut Control, name: &str, who: &str, ms: u64) -> Result<usize, Refusal> {
    let (policy, identity) = (Policy::default(), Identity::from(who));
    let arrival = Arrival {
        room: &room(name),
        identity: &identity,
        policy: &policy,
    };
    control.place(arrival, at(ms)).map(|place| place.worker)
}

fn place(control: &mut Control, name: &str) -> Result<usize, Refusal> {
    join(control, name, "anna", 0)
}

#[test]
fn a_room_stays_on_its_worker_even_after_its_end_and_new_ones_go_where_there_are_fewest() {
    let mut control = control(CAPACITY);
    assert_eq!(place(&mut control, "a"), Ok(0));
    assert_eq!(place(&mut control, "b"), Ok(1));
    assert_eq!(place(&mut control, "a"), Ok(0));
    control.handle_room_ended(&room("a"));
    assert_eq!(control.near(&room("a")), 0);
    assert_eq!(control.near(&room("b")), 1);
    assert_eq!(control.near(&room("new")), 0);
    assert_eq!(place(&mut control, "c"), Ok(0));
    assert_eq!(place(&mut control, "d"), Ok(0));
    control.handle_room_ended(&room("b"));
    assert_eq!(place(&mut control, "b"), Ok(1));
    assert_eq!(place(&mut control, "e"), Err(Refusal::Full));
    control.set_ledger(Some(LedgerTrouble::Full));
    control.handle_room_ended(&room("d"));
    assert_eq!(
        place(&mut control, "e"),
        Err(Refusal::Ledger(LedgerTrouble::Full))
    );
    assert_eq!(place(&mut control, "c"), Ok(0));
    control.drain();
    assert_eq!(place(&mut control, "c"), Err(Refusal::Draining));
}

#[test]
fn floors_are_reserved_for_two_and_then_for_each_and_given_back_at_the_end() {
    let mut control = control(Capacity {
        egress_bps: 5_000_000,
        ..CAPACITY
    });
    let reserved = |control: &Control| control.reserved().egress_bps;
    assert_eq!(join(&mut control, "a", "anna", 0), Ok(0));
    assert_eq!(join(&mut control, "a", "bert", 0), Ok(0));
    assert_eq!(reserved(&control), 2_000_000);
    assert_eq!(join(&mut control, "b", "anna", 0), Ok(1));
    assert_eq!(reserved(&control), 4_000_000);
    let refused = Refusal::Reserved {
        needed_bps: 2_000_000,
        reserved_bps: 4_000_000,
        capacity_bps: 5_000_000,
        free_bps: 1_000_000,
    };
    assert_eq!(join(&mut control, "c", "anna", 0), Err(refused));
    assert_eq!(join(&mut control, "a", "carl", 0), Ok(0));
    assert_eq!(reserved(&control), 5_000_000);
    let more = join(&mut control, "a", "dora", 0);
    assert!(matches!(
        more,
        Err(Refusal::Reserved {
            needed_bps: 1_000_000,
            ..
        })
    ));
    control.handle_room_ended(&room("b"));
    assert_eq!(reserved(&control), 3_000_000);
    assert_eq!(join(&mut control, "c", "anna", 0), Ok(1));
}

#[test]
fn whoever_left_keeps_their_place_for_the_grace_time() {
    let mut control = control(Capacity {
        egress_bps: 3_000_000,
        ..CAPACITY
    });
    for who in ["anna", "bert", "carl"] {
        assert_eq!(join(&mut control, "a", who, 0), Ok(0));
        control.handle_news(&News::Joined(room("a"), Identity::from(who)), at(0));
    }
    control.handle_news(&News::Left(room("a"), Identity::from("carl")), at(1_000));
    assert!(join(&mut control, "a", "dora", 20_999).is_err());
    assert!(control.knows(&room("a"), &Identity::from("carl"), at(20_999)));
    assert_eq!(join(&mut control, "a", "carl", 20_999), Ok(0));
    control.handle_news(&News::Left(room("a"), Identity::from("carl")), at(21_000));
    assert!(!control.knows(&room("a"), &Identity::from("carl"), at(41_000)));
    assert_eq!(join(&mut control, "a", "dora", 41_000), Ok(0));
}

#[test]
fn a_full_room_refuses_strangers_and_a_busy_node_new_sessions() {
    let mut control = control(CAPACITY);
    let policy = Policy {
        capacity: crate::session::Policy::default().capacity,
        ..Policy::default()
    };
    for number in 0..policy.capacity.max_participants {
        assert_eq!(join(&mut control, "a", &format!("p{number}"), 0), Ok(0));
    }
    let full = Err(Refusal::RoomFull { most: 16 });
    assert_eq!(join(&mut control, "a", "late", 0), full);
    assert_eq!(join(&mut control, "a", "p3", 0), Ok(0));
    control.set_cpu(Cpu {
        short: 90,
        long: 80,
    });
    assert_eq!(place(&mut control, "b"), Ok(1));
    control.set_cpu(Cpu {
        short: 90,
        long: 86,
    });
    assert!(matches!(
        place(&mut control, "c"),
        Err(Refusal::Busy { most: 85, .. })
    ));
    assert_eq!(place(&mut control, "b"), Ok(1), "running ones go on");
    control.set_cpu(Cpu { short: 9, long: 86 });
    assert_eq!(place(&mut control, "c"), Ok(0));
}

#[test]
fn a_room_is_booked_once_opened_by_its_first_join_and_expires_if_nobody_comes() {
    let mut control = control(CAPACITY);
    let booking = control.book(booked("a")).unwrap();
    let taken = BookRefusal::Taken(Some(SessionId::from("SE_a")));
    assert_eq!(control.book(booked("a")), Err(taken.clone()));
    let (policy, identity) = (Policy::default(), Identity::from("anna"));
    let arrival = Arrival {
        room: &room("a"),
        identity: &identity,
        policy: &policy,
    };
    let placed = control.place(arrival, at(0)).unwrap();
    assert_eq!(placed.booking, Some(booking));
    let late = Now {
        mono: at(0),
        unix: Unix(u64::MAX),
    };
    assert_eq!(control.expire(late), [], "its first join is on the way");
    assert_eq!(control.cancel(&SessionId::from("SE_a")), None);
    control.handle_room_ended(&room("a"));
    assert!(control.booking(&room("a")).is_some(), "no room was opened");
    control.place(arrival, at(0)).unwrap();
    control.handle_news(&opened("a", "SE_a", &[]), at(0));
    assert_eq!(control.booking(&room("a")), None);
    assert_eq!(
        control.running(&SessionId::from("SE_a")),
        Some((0, &room("a")))
    );
    assert_eq!(control.book(booked("a")), Err(taken));
    control.book(booked("b")).unwrap();
    assert_eq!(control.expire(late).len(), 1);
    assert_eq!(control.reserved().bookings, 0);
}

#[test]
fn the_rules_of_a_booking_hold_for_whoever_joins_and_end_with_its_room() {
    let mut control = control(CAPACITY);
    let mut booking = booked("a");
    booking.policy.capacity.max_participants = 2;
    booking.policy.window.closes_at = Some(7);
    let policy = booking.policy.clone();
    control.book(booking).unwrap();
    let rules = |control: &Control| control.rules(&room("a")).map(|rules| (*rules).clone());
    assert_eq!(rules(&control), Some(policy.clone()));
    for who in ["anna", "bert"] {
        assert_eq!(join(&mut control, "a", who, 0), Ok(0));
        control.handle_news(&opened("a", "SE_a", &[]), at(0));
        assert_eq!(rules(&control), Some(policy.clone()));
    }
    let full = Refusal::RoomFull { most: 2 };
    assert_eq!(join(&mut control, "a", "carl", 0), Err(full));
    control.handle_room_ended(&room("a"));
    assert_eq!(rules(&control), None);
}

#[test]
fn a_token_for_a_session_is_served_by_it_and_by_what_continues_it() {
    let mut control = control(CAPACITY);
    let (a, id) = (room("a"), |id: &str| SessionId::from(id));
    assert_eq!(control.serves(&a, &id("SE_a")), None);
    control.book(booked("a")).unwrap();
    assert_eq!(control.serves(&a, &id("SE_a")), Some(true));
    assert_eq!(control.serves(&a, &id("SE_b")), Some(false));
    // The room is placed, and opens in a moment.
    place(&mut control, "a").unwrap();
    assert_eq!(control.serves(&a, &id("SE_a")), Some(true));
    control.handle_news(&opened("a", "SE_a", &["SE_1", "SE_2"]), at(0));
    for (session, served) in [
        ("SE_a", true),
        ("SE_1", true),
        ("SE_2", true),
        ("SE_b", false),
    ] {
        assert_eq!(control.serves(&a, &id(session)), Some(served), "{session}");
    }
    control.handle_room_ended(&a);
    assert_eq!(control.serves(&a, &id("SE_a")), None);
}

#[test]
fn a_room_of_one_name_in_two_projects_is_placed_booked_and_left_apart() {
    let mut control = control(CAPACITY);
    let projects = ["acme", "bolt"].map(ProjectId::from);
    let rooms = projects
        .each_ref()
        .map(|project| RoomKey::new(project, "lesson"));
    let bookings = [0, 1].map(|index| Booking {
        session: SessionId::from(format!("SE_{index}")),
        room: rooms[index].clone(),
        ..booked("lesson")
    });
    for booking in bookings {
        assert!(
            control.book(booking).is_ok(),
            "the other one's does not take it"
        );
    }
    let (policy, anna) = (Policy::default(), Identity::from("anna"));
    let arrival = |room| Arrival {
        room,
        identity: &anna,
        policy: &policy,
    };
    for (index, room) in rooms.iter().enumerate() {
        let place = control.place(arrival(room), at(0)).unwrap();
        let booking = place.booking.unwrap();
        assert_eq!(booking.session.as_str(), format!("SE_{index}"));
        assert_eq!(place.worker, index, "a room of its own");
        let news = News::Opened {
            room: room.clone(),
            session: booking.session.clone(),
            continues: Vec::new(),
        };
        control.handle_news(&news, at(0));
    }
    let (first, second) = (SessionId::from("SE_0"), SessionId::from("SE_1"));
    assert_eq!(control.serves(&rooms[0], &first), Some(true));
    assert_eq!(control.serves(&rooms[0], &second), Some(false));
    control.handle_room_ended(&rooms[0]);
    assert_eq!(control.running(&first), None);
    assert_eq!(control.running(&second), Some((1, &rooms[1])));
    assert!(!control.knows(&rooms[0], &anna, at(0)));
    assert!(control.knows(&rooms[1], &anna, at(0)));
}
