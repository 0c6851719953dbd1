//! Payloads of one packet: the node reads their first bytes, nobody decodes them.

/// A VP8 keyframe's first bytes, then padding.
pub const KEYFRAME: [u8; 1_100] = {
    let mut payload = [0x55; 1_100];
    payload[0] = 0x10;
    payload[1] = 0x00;
    // Start code, 320 by 180 pixels (RFC 6386, 9.1).
    let head = [0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00];
    let mut index = 0;
    while index < head.len() {
        payload[4 + index] = head[index];
        index += 1;
    }
    payload
};

/// A VP8 delta frame.
pub const DELTA: [u8; 1_100] = {
    let mut payload = [0x55; 1_100];
    payload[0] = 0x10;
    payload[1] = 0x01;
    payload
};

/// What follows in a frame of several packets.
pub const MIDDLE: [u8; 1_100] = {
    let mut payload = [0x55; 1_100];
    payload[0] = 0x00;
    payload
};

/// An Opus frame.
pub const AUDIO: [u8; 80] = [0x78; 80];
