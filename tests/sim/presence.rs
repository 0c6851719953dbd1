//! Media and money of who is hardly there, or not there at all, in virtual time with real clients: what
//! was sent to them is billed, and what is sent again in their name is not.

use beistand::base::{Millis, Mono, SessionId};
use beistand::media::is_stun;
use beistand_testing::{AUDIO, World};
use std::net::SocketAddr;
use str0m::media::MediaKind;

/// One frame of sound.
const FRAME: Millis = Millis(20);
/// A customer who is not there for longer than this is absent (docs/contract.md).
const PRESENCE_MS: u64 = 5_000;
/// What may be delivered and not billed, for each absence.
const FREE_MS: u64 = 6_000;

/// An expert who speaks, and a customer who listens.
struct Call {
    world: World,
    session: SessionId,
    customer: [SocketAddr; 2],
}

impl Call {
    fn new(seed: u64) -> Call {
        let mut world = World::new(seed);
        let expert = world.join("room", "eve", Some("expert"));
        let customer = world.join("room", "carl", Some("customer"));
        world.run(Millis(500));
        world.publish(expert, MediaKind::Audio);
        world.run(Millis(500));
        let session = world.appended[0].entry.session.clone();
        let customer = world.clients[customer].addresses;
        Call {
            world,
            session,
            customer,
        }
    }

    /// The expert speaks for so long.
    fn run(&mut self, span_ms: u64, mut passes: impl FnMut(Mono, SocketAddr, &[u8]) -> bool) {
        for _ in 0..span_ms / FRAME.0 {
            self.world.send_media(0, &AUDIO);
            self.world.run_through(FRAME, &mut passes);
        }
    }

    fn accrued_ms(&mut self) -> u64 {
        let session = self.session.clone();
        let shown = self.world.accrued(&session).map_or(0, |accrued| accrued.0);
        let last = self.world.appended.last();
        shown.max(last.map_or(0, |append| append.entry.totals.accrued_ms.0))
    }

    fn received_ms(&self) -> u64 {
        let frames: usize = self.world.clients[1].received.values().map(Vec::len).sum();
        u64::try_from(frames).unwrap() * FRAME.0
    }
}

#[test]
fn who_sends_a_sign_of_life_now_and_then_gets_no_more_than_is_billed_and_is_given_up_in_time() {
    for every_s in [1, 2, 4, 5, 6, 8, 10, 15, 19, 20] {
        let mut call = Call::new(every_s);
        call.run(3_000, |_, _, _| true);
        let (billed, received) = (call.accrued_ms(), call.received_ms());
        let (customer, mut signs) = (call.customer, vec![call.world.now.mono]);
        call.run(400_000, |at, from, bytes| {
            let due = signs
                .last()
                .is_none_or(|last| at.since(*last).0 >= every_s * 1_000);
            let passes = !customer.contains(&from) || is_stun(bytes) && due;
            // Nothing but one check of one connection.
            if passes && customer.contains(&from) {
                signs.push(at);
            }
            passes
        });
        let billed = call.accrued_ms() - billed;
        let received = call.received_ms() - received;
        let absent = |pair: &&[Mono]| pair[1].since(pair[0]).0 > PRESENCE_MS;
        let absences = u64::try_from(signs.windows(2).filter(absent).count()).unwrap() + 1;
        let story = format!(
            "every {every_s} s: {received} ms received, {billed} billed, {absences} absences"
        );
        println!("{story}");
        assert!(received <= billed + absences * FREE_MS, "{story}");
        if every_s * 1_000 > PRESENCE_MS + 2_500 {
            // Signs of life do not put off the end: 300 s after the customer went.
            assert_eq!(call.world.ended, 1, "{story}");
            assert!(received <= 60 * 1_000 + FREE_MS, "{story}");
        }
    }
}

#[test]
fn what_is_captured_and_sent_again_proves_nothing_from_wherever_it_comes() {
    let elsewhere = SocketAddr::from(([203, 0, 113, 9], 4_000));
    for from_elsewhere in [false, true] {
        let mut call = Call::new(77);
        let customer = call.customer;
        let mut captured: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
        call.run(12_000, |_, from, bytes| {
            if customer.contains(&from) {
                captured.push((from, bytes.to_vec()));
            }
            true
        });
        assert!(captured.iter().any(|(_, bytes)| is_stun(bytes)));
        assert!(
            captured
                .iter()
                .any(|(_, bytes)| beistand::media::is_rtcp(bytes))
        );
        let before = call.accrued_ms();
        // The customer dies; all that it sent comes again, and again.
        call.world.clients[1].cut = true;
        let mut again = captured.iter().cycle();
        for _ in 0..30_000 / FRAME.0 {
            for (from, bytes) in again.by_ref().take(3) {
                let from = if from_elsewhere { elsewhere } else { *from };
                call.world
                    .shard
                    .handle_datagram(from, bytes, call.world.now);
            }
            call.run(FRAME.0, |_, _, _| true);
        }
        let gained = call.accrued_ms() - before;
        // What was not certain yet when it died: a check comes every few seconds.
        assert!(gained <= PRESENCE_MS, "{gained} ms gained");
        let to_the_attacker = call
            .world
            .clients
            .iter()
            .any(|one| one.addresses.contains(&elsewhere));
        assert!(!to_the_attacker);
    }
}
