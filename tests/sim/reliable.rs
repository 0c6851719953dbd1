//! Data that was sent reliably: what becomes of it where receivers are slow, or take nothing.

use beistand::base::{Bitrate, Millis};
use beistand_testing::{AUDIO, World};
use livekit_protocol as proto;
use livekit_protocol::data_packet::Value;
use prost::Message;
use str0m::media::MediaKind;

/// As clients send the chunks of a byte stream.
const CHUNK: usize = 15_000;

fn packet(number: u32) -> Vec<u8> {
    let mut payload = number.to_be_bytes().repeat(CHUNK / 4);
    payload.truncate(CHUNK);
    let user = proto::UserPacket {
        payload,
        ..proto::UserPacket::default()
    };
    let packet = proto::DataPacket {
        value: Some(Value::User(user)),
        ..proto::DataPacket::default()
    };
    packet.encode_to_vec()
}

/// A short packet for one participant.
fn word_to(identity: &str) -> Vec<u8> {
    let user = proto::UserPacket {
        payload: b"a word".to_vec(),
        ..proto::UserPacket::default()
    };
    let packet = proto::DataPacket {
        destination_identities: vec![identity.to_owned()],
        value: Some(Value::User(user)),
        ..proto::DataPacket::default()
    };
    packet.encode_to_vec()
}

/// Whether a packet is that word.
fn is_word(bytes: &[u8]) -> bool {
    proto::DataPacket::decode(bytes).is_ok_and(|packet| match packet.value {
        Some(Value::User(user)) => user.payload == b"a word",
        _ => false,
    })
}

/// The numbers of what a client got of others, and how often the server told it something.
fn got(world: &World, index: usize) -> (Vec<u32>, usize) {
    let packets = world.clients[index].data.iter();
    let packets = packets.filter_map(|bytes| proto::DataPacket::decode(bytes.as_slice()).ok());
    let (mut numbers, mut told) = (Vec::new(), 0);
    for packet in packets {
        match packet.value {
            Some(Value::User(user)) if user.payload.len() == CHUNK => {
                assert_eq!(packet.participant_identity, "cu");
                let number = user.payload[..4].try_into().expect("four bytes");
                numbers.push(u32::from_be_bytes(number));
            }
            _ => told += 1,
        }
    }
    (numbers, told)
}

/// A customer who sends, and three who receive, one of them over a link of `rate`.
struct Call {
    world: World,
    next: u32,
    last: u32,
}

/// Who has the slow link.
const SLOW: usize = 3;

impl Call {
    fn new(seed: u64, rate: Bitrate, bytes: usize) -> Call {
        let mut world = World::new(seed);
        for (who, role) in [
            ("cu", "customer"),
            ("ex", "expert"),
            ("gu", "guest"),
            ("slow", "guest"),
        ] {
            world.join("help", who, Some(role));
        }
        world.run(Millis(500));
        world.publish(0, MediaKind::Audio);
        world.publish(1, MediaKind::Audio);
        world.clients[SLOW].down.rate = Some(rate);
        world.run(Millis(1_000));
        Call {
            world,
            next: 0,
            last: u32::try_from(bytes.div_ceil(CHUNK)).expect("not so many"),
        }
    }

    /// 20 ms with sound, and as much data as the sender's channel takes.
    fn step(&mut self) {
        while self.next < self.last && self.world.send_data(0, &packet(self.next)) {
            self.next += 1;
        }
        self.world.send_media(0, &AUDIO);
        self.world.run(Millis(20));
    }

    fn has_all(&self, index: usize) -> bool {
        let numbers = got(&self.world, index).0;
        let wanted = usize::try_from(self.last).expect("small");
        numbers.len() == wanted
    }

    fn has_all_in_order(&self, index: usize) -> bool {
        got(&self.world, index).0 == (0..self.last).collect::<Vec<u32>>()
    }

    /// How long the slow one heard nothing, at most, in ms; and how many packets of sound it got.
    fn sound(&self) -> (u64, usize) {
        let arrived = &self.world.clients[SLOW].arrived;
        let gaps = arrived.windows(2).map(|two| two[1].0.since(two[0].0).0);
        (gaps.max().unwrap_or(0), arrived.len())
    }
}

#[test]
fn five_megabytes_reach_three_receivers_whole_one_at_1_mbps_and_its_sound_is_undisturbed() {
    let mut call = Call::new(60, Bitrate::kbps(1_000), 5_000_000);
    let (mut steps, mut fast_at) = (0_usize, None);
    let before = call.sound().1;
    while !call.has_all(SLOW) {
        call.step();
        steps += 1;
        if fast_at.is_none() && call.has_all(1) && call.has_all(2) {
            fast_at = Some(steps * 20);
        }
        assert!(
            steps < 6_000,
            "{} of {}",
            got(&call.world, SLOW).0.len(),
            call.last
        );
    }
    let (silence, sounds) = call.sound();
    println!(
        "fast after {fast_at:?} ms, slow after {} ms; silent for {silence} ms",
        steps * 20
    );
    for index in [1, 2, SLOW] {
        assert!(call.has_all_in_order(index), "{index}");
    }
    assert!(fast_at.is_some_and(|ms| ms < 5_000), "{fast_at:?}");
    assert!(steps * 20 < 60_000, "{steps}");
    assert!(silence <= 200, "{silence} ms without sound");
    assert!(sounds + 10 >= before + steps, "{sounds} of {steps}");
    assert_eq!(
        call.world.clients[SLOW].down.dropped, 0,
        "no queue overflows"
    );
    let stats = call.world.shard.stats();
    assert_eq!((stats.data_dropped, stats.data_stalls), (0, 0));
}

#[test]
fn a_full_queue_makes_its_sender_wait_and_nobody_else_and_nothing_is_lost() {
    let mut call = Call::new(61, Bitrate::kbps(6_000), 12_000_000);
    let (mut told, mut steps) = (Vec::new(), 0_u32);
    let mut said_at: Option<u32> = None;
    while !call.has_all(SLOW) {
        call.step();
        steps += 1;
        if steps % 150 == 0 {
            told.push(got(&call.world, SLOW).1);
        }
        if said_at.is_none() && call.world.shard.stats().data_pauses > 0 {
            assert!(call.world.send_data(1, &word_to("gu")));
            said_at = Some(steps);
        }
        if said_at.is_some_and(|at| steps == at + 5) {
            assert!(call.next < call.last, "the sender waits");
            let heard = call.world.clients[2]
                .data
                .iter()
                .any(|bytes| is_word(bytes));
            assert!(heard, "whoever sends to somebody else waits for nobody");
        }
        assert!(
            steps < 3_000,
            "{} of {}",
            got(&call.world, SLOW).0.len(),
            call.last
        );
    }
    for index in [1, 2, SLOW] {
        assert!(call.has_all_in_order(index), "{index}");
    }
    let stats = call.world.shard.stats();
    assert!(stats.data_pauses > 0, "the sender waited");
    assert_eq!((stats.data_dropped, stats.data_stalls), (0, 0));
    assert!(
        told.windows(2).all(|two| two[1] > two[0]),
        "the server's own go first: {told:?}"
    );
    assert!(
        call.world
            .clients
            .iter()
            .all(|client| client.left.is_none())
    );
}

#[test]
fn whoever_takes_nothing_for_ten_seconds_is_told_to_join_anew_and_the_others_get_all() {
    let mut call = Call::new(62, Bitrate(8_000), 12_000_000);
    let mut left_at = None;
    for step in 0..2_000 {
        call.step();
        if left_at.is_none() && call.world.clients[SLOW].left.is_some() {
            left_at = Some(step * 20);
        }
        if left_at.is_some() && call.has_all(1) && call.has_all(2) {
            break;
        }
    }
    let leave = call.world.clients[SLOW].left.clone().expect("it is told");
    assert_eq!(leave.action, proto::leave_request::Action::Reconnect as i32);
    assert!(left_at.is_some_and(|ms| ms < 13_000), "{left_at:?}");
    assert!(call.has_all_in_order(1) && call.has_all_in_order(2));
    let stats = call.world.shard.stats();
    assert_eq!((stats.data_dropped, stats.data_stalls), (0, 1));
    assert!(call.world.clients[0].left.is_none());
}

#[test]
fn whoever_was_not_heard_for_twelve_seconds_goes_on_though_it_was_told_much_meanwhile() {
    let mut call = Call::new(63, Bitrate::kbps(5_000), 300_000);
    for _ in 0..100 {
        call.step();
    }
    assert!(call.has_all(SLOW));
    let before = got(&call.world, SLOW).1;
    assert!(before > 0, "the clock runs");
    call.last *= 2;
    call.world.clients[SLOW].cut = true;
    for _ in 0..600 {
        call.step();
    }
    call.world.clients[SLOW].cut = false;
    for _ in 0..1_000 {
        call.step();
    }
    assert!(call.world.clients[SLOW].left.is_none());
    assert!(call.has_all_in_order(SLOW));
    assert!(
        got(&call.world, SLOW).1 > before + 12,
        "what it missed is told"
    );
    assert_eq!(call.world.shard.stats().data_stalls, 0);
}
