//! What forwarding costs, per packet and subscriber: through the node's machines (SRTP in, room,
//! SRTP out, UDP with GSO), beside the floor that no SFU can go below (copy, AES-128-GCM seal, GSO)
//! in the same run. The ratio is the figure to quote; nanoseconds depend on the machine.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use beistand::base::Millis;
use beistand::node::Output;
use beistand_testing::{DELTA, KEYFRAME, Wire, World};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::media::MediaKind;

/// Packets of one video frame: 720p at 1.5 Mbit/s and 30 frames a second is about six.
const BURST: usize = 6;
/// 20 bytes of header and extension, the payload, the AEAD tag.
const WIRE: usize = 20 + DELTA.len() + 16;
const SUBSCRIBERS: [usize; 3] = [2, 8, 50];

/// A burst that is not out after so many milliseconds is lost.
const MOST_ROUNDS: u32 = 300;

/// Copy and seal a burst for each subscriber, and send it with GSO.
fn floor(wire: &Wire, keys: &[LessSafeKey], counter: &mut u64, arena: &mut [u8]) {
    for (receiver, key) in keys.iter().enumerate() {
        for packet in arena.chunks_exact_mut(WIRE) {
            *counter += 1;
            let mut iv = [0; 12];
            iv[4..].copy_from_slice(&counter.to_be_bytes());
            let (header, rest) = packet.split_at_mut(20);
            let (body, tag) = rest.split_at_mut(DELTA.len());
            body.copy_from_slice(&DELTA);
            let nonce = Nonce::assume_unique_for_key(iv);
            let sealed = key.seal_in_place_separate_tag(nonce, Aad::from(&*header), body);
            tag.copy_from_slice(sealed.expect("sealed").as_ref());
        }
        wire.send(receiver, arena, WIRE);
    }
}

/// One publisher and `subscribers` subscribers, connected, with the video flowing.
fn connected(subscribers: usize) -> World {
    let mut world = World::new(1);
    world.join_wide("bench", "publisher");
    for index in 0..subscribers {
        world.join_wide("bench", &format!("subscriber{index}"));
    }
    world.run(Millis(500));
    world.publish(0, MediaKind::Video);
    world.run(Millis(500));
    world.send_media(0, &KEYFRAME);
    world.run(Millis(50));
    // The congestion controllers find out that the way is wide: a paced link would be measured else.
    for _ in 0..90 {
        for _ in 0..BURST {
            world.send_media(0, &KEYFRAME);
        }
        world.run(Millis(33));
    }
    let flowing = world
        .clients
        .iter()
        .filter(|client| !client.received.is_empty())
        .count();
    assert_eq!(flowing, subscribers, "every subscriber receives");
    world
}

/// The measured part: datagrams in, datagrams out with GSO, for one burst.
fn forward(
    world: &mut World,
    wire: &Wire,
    burst: &[(SocketAddr, Vec<u8>)],
    expected: usize,
) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
    let start = Instant::now();
    for (source, datagram) in burst {
        world.shard.handle_datagram(*source, datagram, world.now);
    }
    let (mut sent, mut rounds) = (0, 0);
    while sent < expected && rounds < MOST_ROUNDS {
        // The pacer spreads a burst over a few milliseconds.
        world.now.mono = world.now.mono + Millis(u64::from(rounds > 0));
        world.shard.handle_timeout(world.now);
        sent += send_all(world, wire);
        rounds += 1;
    }
    let elapsed = start.elapsed();
    assert!(sent >= expected, "every packet went to every subscriber");
    elapsed
}

/// Sends what the shard has to send, in runs of one size to one address; returns the media packets.
fn send_all(world: &mut World, wire: &Wire) -> usize {
    let mut sent = 0;
    let mut run: (Option<SocketAddr>, usize, Vec<u8>) =
        (None, 0, Vec::with_capacity(BURST * 1_500));
    let flush = |run: &mut (Option<SocketAddr>, usize, Vec<u8>)| {
        if let Some(to) = run.0.take() {
            wire.send(usize::from(to.port()), &run.2, run.1);
            run.2.clear();
        }
    };
    while let Some(output) = world.shard.poll_output() {
        let Output::Datagram { to, bytes } = output else {
            continue;
        };
        if run.0 != Some(to) || bytes.len() != run.1 {
            flush(&mut run);
            run.0 = Some(to);
            run.1 = bytes.len();
        }
        sent += usize::from(bytes[0] >= 128 && bytes.len() > 1_000);
        run.2.extend_from_slice(&bytes);
    }
    flush(&mut run);
    sent
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("forward");
    for subscribers in SUBSCRIBERS {
        group.throughput(Throughput::Elements((BURST * subscribers) as u64));
        let wire = Wire::new(subscribers);
        let key = |seed: u8| {
            LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[seed; 16]).expect("16 bytes"))
        };
        let keys: Vec<_> = (0..subscribers)
            .map(|i| key(u8::try_from(i + 1).unwrap_or(0)))
            .collect();
        let (mut counter, mut arena) = (0, vec![0x90; BURST * WIRE]);
        group.bench_function(BenchmarkId::new("floor", subscribers), |bencher| {
            bencher.iter(|| floor(&wire, &keys, &mut counter, &mut arena));
        });
        let mut world = connected(subscribers);
        group.bench_function(BenchmarkId::new("node", subscribers), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    let burst = world.burst(0, &DELTA, BURST);
                    total += forward(&mut world, &wire, &burst, BURST * subscribers);
                }
                total
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
