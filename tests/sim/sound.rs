//! Sound: what comes with it, and that what is lost of it on the way up is asked for again.

use beistand::base::{Millis, Mono};
use beistand_testing::{AUDIO, World};
use std::net::SocketAddr;
use str0m::media::MediaKind;

/// An expert who speaks, and a customer who listens.
fn call() -> World {
    let mut world = World::new(7);
    world.join("help", "ex", Some("expert"));
    world.join("help", "cu", Some("customer"));
    world.run(Millis(500));
    world.publish(0, MediaKind::Audio);
    world.publish(1, MediaKind::Audio);
    world.run(Millis(1_000));
    world
}

fn speak(world: &mut World, frames: usize) {
    for _ in 0..frames {
        world.send_media(0, &AUDIO);
        world.run(Millis(20));
    }
}

/// The numbers of all packets of sound that the customer has, in their order.
fn heard(world: &World) -> Vec<u64> {
    let [(_, numbers)] = &world.clients[1].received.iter().collect::<Vec<_>>()[..] else {
        panic!("sound of one other: {:?}", world.clients[1].received.keys());
    };
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers
}

#[test]
fn how_loud_sound_is_comes_with_it() {
    let mut world = call();
    world.clients[0].level = Some(-37);
    speak(&mut world, 50);
    let levels = &world.clients[1].levels;
    assert!(levels.len() >= 40, "{} packets say it", levels.len());
    assert!(levels.iter().all(|level| *level == (-37, true)));
}

#[test]
fn a_publisher_is_asked_for_lost_sound_and_what_comes_late_is_forwarded() {
    let mut world = call();
    speak(&mut world, 50);
    let before = heard(&world).len();
    let asked = world.shard.stats().nacks_out;
    // Sound of the expert is longer than RTCP and keep-alives; two packets are held up.
    let (mut seen, mut held): (u64, Vec<(SocketAddr, Vec<u8>)>) = (0, Vec::new());
    for _ in 0..30 {
        world.send_media(0, &AUDIO);
        world.run_through(Millis(20), |_: Mono, from, bytes| {
            let is_rtp = matches!(bytes, [128..=191, 0..=191 | 224.., ..]);
            let passes = !is_rtp || ![10, 11].contains(&seen);
            seen += u64::from(is_rtp);
            if !passes {
                held.push((from, bytes.to_vec()));
            }
            passes
        });
    }
    assert_eq!(held.len(), 2);
    let more = world.shard.stats().nacks_out - asked;
    assert!((2..=20).contains(&more), "asked {more} times");
    for (from, bytes) in &held {
        let now = world.now;
        world.shard.handle_datagram(*from, bytes, now);
    }
    speak(&mut world, 5);
    assert_eq!(heard(&world).len(), before + 35);
}
