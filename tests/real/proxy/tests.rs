//! The proxy with plain sockets.

use super::{Kind, Proxy, Shape, Tape};
use crate::{turn, wait};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// Payload of a full packet, in bytes.
const PAYLOAD: usize = 1_200;
/// Its size on the wire, in bits.
const WIRE_BITS: f64 = 9_824.0;
/// Arrival of a packet on loopback.
const ARRIVAL: Duration = Duration::from_secs(5);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port of loopback is free");
    let limit = socket.set_read_timeout(Some(ARRIVAL));
    limit.expect("a socket takes a limit of time");
    socket
}

fn receive(at: &UdpSocket) -> (u32, SocketAddr) {
    let mut buffer = [0; 2_048];
    let (len, from) = at.recv_from(&mut buffer).expect("a packet arrives");
    let number = buffer.first_chunk().expect("it has a number");
    assert!(len >= 4, "a packet of {len} bytes");
    (u32::from_be_bytes(*number), from)
}

fn send(number: u32, bytes: usize, from: &UdpSocket, to: SocketAddr) {
    let mut packet = vec![0; bytes];
    packet[..4].copy_from_slice(&number.to_be_bytes());
    from.send_to(&packet, to).expect("a packet is sent");
}

/// A measurement: so many packets under way at once, and so many after them.
#[derive(Clone, Copy, Debug)]
struct Flow {
    window: u32,
    packets: u32,
}

/// Bits per second from one socket to another, of packets that come in order.
fn rate(from: &UdpSocket, to: SocketAddr, at: &UdpSocket, flow: Flow) -> f64 {
    let Flow { window, packets } = flow;
    for number in 0..window {
        send(number, PAYLOAD, from, to);
    }
    let mut first = None;
    for number in 0..packets + window {
        assert_eq!(receive(at).0, number, "in order and without a loss");
        first = first.or_else(|| Some(wait::now()));
        if number < packets {
            send(number + window, PAYLOAD, from, to);
        }
    }
    let span = first.map_or(Duration::ZERO, |first| wait::now() - first);
    f64::from(packets + window - 1) * WIRE_BITS / span.as_secs_f64()
}

#[test]
fn a_link_carries_its_rate_within_5_percent_in_order_and_both_ways() {
    let _turn = turn::alone();
    let proxy = Proxy::start(1);
    let node = socket();
    proxy.forward_to(node.local_addr().expect("a bound socket"));
    // What is under way lasts for a tenth of a second at least, in which this test may not get a core,
    // and fits the kernel's buffers.
    for (name, bps, window, packets) in [
        ("slow", 150_000, 20, 20),
        ("middle", 600_000, 20, 120),
        ("fast", 5_000_000, 60, 1_600),
    ] {
        let flow = Flow { window, packets };
        let link = proxy.assign(name);
        let shape = Shape {
            queue_ms: 3_000,
            ..Shape::rate(bps)
        };
        link.set_up(shape);
        let client = socket();
        send(0, 4, &client, proxy.address());
        let (_, upstream) = receive(&node);
        let up = rate(&client, proxy.address(), &node, flow);
        // One direction leaves the other alone.
        link.set_up(Shape::default());
        link.set_down(shape);
        let down = rate(&node, upstream, &client, flow);
        println!("{name}: {up:.0} up, {down:.0} down; {:?}", link.down());
        for measured in [up, down] {
            let ratio = measured / f64::from(u32::try_from(bps).unwrap_or_default());
            assert!(
                (0.95..=1.05).contains(&ratio),
                "{name}: {measured:.0} bit/s"
            );
        }
        assert_eq!((link.up().dropped, link.down().dropped), (0, 0));
    }
}

#[test]
fn a_link_loses_its_share_and_a_client_stays_on_the_link_of_its_first_packet() {
    let _turn = turn::alone();
    let proxy = Proxy::start(2);
    let node = socket();
    proxy.forward_to(node.local_addr().expect("a bound socket"));
    let lossy = proxy.assign("lossy");
    lossy.set_up(Shape {
        loss_permille: 100,
        ..Shape::default()
    });
    let first = socket();
    send(0, 4, &first, proxy.address());
    wait::until("the first packet is on the link", ARRIVAL, || {
        let packets = lossy.up().packets;
        if packets == 1 {
            Ok(())
        } else {
            Err(packets.to_string())
        }
    });
    let clean = proxy.assign("clean");
    let second = socket();
    send(0, 4, &second, proxy.address());
    // Few enough at once for the buffers of the kernel.
    for round in 1..=40 {
        for number in 0..50 {
            send(number, 100, &first, proxy.address());
        }
        wait::until("the round is on the link", ARRIVAL, || {
            let packets = lossy.up().packets;
            if packets == 1 + round * 50 {
                Ok(())
            } else {
                Err(packets.to_string())
            }
        });
    }
    assert_eq!((clean.up().packets, clean.up().lost), (1, 0));
    // Three times the standard deviation of 2,000 draws is 40.
    let counters = lossy.up();
    assert!((160..=240).contains(&counters.lost), "{counters:?}");
    assert_eq!(counters.passed + counters.lost, counters.packets);
}

/// A header of RTP with this payload type, stream and timestamp, and 8 bytes more.
fn rtp(payload_type: u8, ssrc: u32, timestamp: u32) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type, 0, 7];
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0; 8]);
    packet
}

#[test]
fn a_tape_tells_sound_from_pictures_and_notes_neither_rtcp_nor_stun() {
    let at = Duration::from_millis;
    let mut tape = Tape::default();
    for (datagram, ms) in [
        (rtp(111, 1, 10), 0),
        (rtp(0x80 | 96, 2, 20), 100),
        (rtp(96, 2, 30), 400),
        (rtp(97, 3, 30), 500),
        // A sender's report, a binding request, a record of DTLS, and too little.
        (rtp(200, 2, 0), 600),
        (vec![0; 40], 600),
        (vec![22; 40], 600),
        (vec![0x80, 96], 600),
    ] {
        tape.note(&datagram, 100, at(ms));
    }
    assert_eq!(tape.len(), 4);
    assert_eq!(tape.of(Kind::Sound).len(), 1);
    let pictures = tape.of(Kind::Picture);
    assert_eq!(pictures.first(), Some(at(100)));
    assert_eq!(pictures.bps(at(1_000)), 1_600);
    assert_eq!(pictures.longest_gap(at(0), at(1_000)), at(600));
    assert_eq!(pictures.longest_gap(at(0), at(450)), at(300));
    assert_eq!(pictures.silent(at(100), (at(0), at(1_000))), at(900));
    assert_eq!(pictures.crowded(at(301), (at(0), at(1_000))), 2);
    assert_eq!(pictures.crowded(at(100), (at(0), at(1_000))), 0);
    assert_eq!(tape.streams().len(), 3);
    assert_eq!(tape.between(at(100), at(400)).len(), 1);
}
