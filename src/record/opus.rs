//! How long an Opus packet sounds (RFC 6716, section 3), and packets that sound like nothing.

/// Samples a second of all Opus clocks.
const SAMPLES_PER_MS: u64 = 48;
/// Most samples that a packet may hold: 120 ms.
const MAX_SAMPLES: u64 = 120 * SAMPLES_PER_MS;
/// The stereo bit of the first byte.
const STEREO: u8 = 0x04;
/// Silence: a frame of 20 ms, CELT, full band, coded in two bytes.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// Microseconds of a packet; none if it is no packet.
pub(super) fn duration_us(packet: &[u8]) -> Option<u64> {
    let toc = *packet.first()?;
    let frames = match toc & 0x03 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3f),
    };
    let samples = frames * frame_samples(toc);
    // Samples of 48 kHz: 2.5 ms have 120, so microseconds stay whole.
    (samples > 0 && samples <= MAX_SAMPLES).then_some(samples * 1000 / SAMPLES_PER_MS)
}

const fn frame_samples(toc: u8) -> u64 {
    let config = toc >> 3;
    let step = config & 0x03;
    match config {
        // SILK: 10, 20, 40, 60 ms.
        0..12 => match step {
            0 => 480,
            1 => 960,
            2 => 1920,
            _ => 2880,
        },
        // Hybrid: 10, 20 ms.
        12..16 => 480 << (config & 0x01),
        // CELT: 2.5, 5, 10, 20 ms.
        _ => 120 << step,
    }
}

/// One frame like that of `packet`, without a bit in it: a decoder goes on with what it has heard
/// last, more and more quietly. It is what an encoder sends in a pause of speech.
pub(super) fn pause(packet: &[u8]) -> Vec<u8> {
    vec![packet.first().map_or(SILENCE[0], |toc| toc & 0xfc)]
}

/// 20 ms of silence, in as many channels as `packet`.
pub(super) fn silence(packet: &[u8]) -> Vec<u8> {
    let stereo = packet.first().map_or(0, |toc| toc & STEREO);
    vec![SILENCE[0] | stereo, SILENCE[1], SILENCE[2]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_last_as_long_as_their_first_byte_says() {
        let cases: &[(&[u8], Option<u64>)] = &[
            (&[], None),
            (&[0x78], Some(20_000)),
            (&[0xf8], Some(20_000)),
            (&[0xe0], Some(2_500)),
            (&[0x00], Some(10_000)),
            (&[0x18], Some(60_000)),
            (&[0x19, 0], Some(120_000)),
            (&[0xfb, 6], Some(120_000)),
            (&[0xfb, 7], None),
            (&[0xfb, 0], None),
            (&[0xfb], None),
            (&[0x60], Some(10_000)),
        ];
        for (packet, micros) in cases {
            assert_eq!(duration_us(packet), *micros, "{packet:x?}");
        }
        assert_eq!(duration_us(&pause(&[0x7b, 2])), Some(20_000));
        assert_eq!(duration_us(&silence(&[0x04])), Some(20_000));
        assert_eq!(silence(&[0x04]), [0xfc, 0xff, 0xfe]);
    }
}
