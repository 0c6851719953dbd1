//! Bent data packets that the node would pass on, read by the decoders of clients: `protobuf-es`, which
//! `livekit-client` carries, and upb, the one of Python. `peer/signal/data_packet/tests.rs` asks prost.

use crate::{driver, place};
use beistand::base::{Identity, ParticipantSid};
use beistand::peer::signal::{ClientPacket, Sender};
use beistand_testing::BentPackets;
use serde_json::json;
use std::path::Path;

/// Enough for each kind of forgery many times; `BEISTAND_PACKETS` asks for more.
const PACKETS: u64 = 50_000;

/// A topic that is not there.
const NONE: u32 = u32::MAX;

/// Writes what the node makes of bent packets: each with the topic that it has read. How many.
fn write_passed(file: &Path, packets: u64) -> u64 {
    let sender = Sender {
        identity: &Identity::from("alice"),
        sid: &ParticipantSid::from("PA_true"),
        agent: false,
    };
    let mut bent = BentPackets::new(2);
    let mut out = Vec::new();
    let mut passed = 0;
    for _ in 0..packets {
        let bytes = bent.packet();
        let Ok(read) = ClientPacket::read(&bytes) else {
            continue;
        };
        let Ok(stamped) = read.stamped(true, sender) else {
            continue;
        };
        if !read.is_metrics() {
            put(&mut out, Some(&stamped));
            put(&mut out, read.topic().map(str::as_bytes));
            passed += 1;
        }
    }
    std::fs::write(file, out).expect("the packets can be written");
    passed
}

fn put(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let len = bytes.map_or(NONE, |bytes| {
        u32::try_from(bytes.len()).expect("a short text")
    });
    out.extend(len.to_le_bytes());
    out.extend(bytes.unwrap_or_default());
}

#[test]
fn decoders_of_clients_read_the_stamped_sender_and_the_checked_topic() {
    let wanted = std::env::var("BEISTAND_PACKETS").ok();
    let packets = wanted.map_or(PACKETS, |count| {
        count.parse().expect("BEISTAND_PACKETS is a number")
    });
    let folder = place::Folder::new();
    let file = folder.join("packets");
    let passed = write_passed(&file, packets);
    assert!(passed > packets / 10, "{passed} of {packets} go on");
    let spec = json!({"file": file, "identity": "alice", "sid": "PA_true"}).to_string();
    for (name, program) in [
        ("packets.mjs", place::node_js()),
        ("packets.py", place::python()),
    ] {
        let said = &driver::run(name, &program, &spec)[0];
        assert_eq!(said["packets"], passed, "{name}: {said}");
        assert_eq!(said["disagreements"], 0, "{name}: {said}");
    }
}
