//! RTP through str0m: what goes when `wire` comes.

use crate::base::{Millis, Mono};
use crate::media::{Codec, Mid, Munged, Packet, Rid, SenderTime, StreamId};
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};
use str0m::Rtc;
use str0m::format::Codec as StrCodec;
use str0m::media::{KeyframeRequestKind, Pt};
use str0m::rtp::rtcp::SenderInfo;
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite, Vp8Descriptor};

fn codec_of(codec: StrCodec) -> Option<Codec> {
    if codec == StrCodec::Opus {
        Some(Codec::Opus)
    } else if codec == StrCodec::Vp8 {
        Some(Codec::Vp8)
    } else if codec == StrCodec::H264 {
        Some(Codec::H264)
    } else {
        None
    }
}

/// str0m's words for a stream in ours.
pub(super) fn stream_id(mid: str0m::media::Mid, rid: Option<str0m::media::Rid>) -> StreamId {
    StreamId {
        mid: Mid::from(&*mid),
        rid: rid.map(|rid| Rid::from(&*rid)),
    }
}

/// A hole in the sound is asked for so long: no receiver of a call waits longer for it.
const ASK_FOR: Millis = Millis::from_secs(1);

/// Where packets of sound are missing. str0m looks for holes thirty times a second, so it is told to while
/// there are some.
#[derive(Debug, Default)]
pub(super) struct Holes(BTreeMap<StreamId, (u64, Mono)>);

impl Holes {
    /// A packet came: true if a hole before it is to be asked for.
    fn handle_packet(&mut self, stream: StreamId, seq: u64, now: Mono) -> bool {
        let (newest, until) = self.0.entry(stream).or_insert((seq, now));
        if seq > *newest + 1 {
            *until = now + ASK_FOR;
        }
        *newest = seq.max(*newest);
        now < *until
    }
}

/// An authenticated packet in our own words; `None` for a codec that is not forwarded.
pub(super) fn receive(
    rtc: &mut Rtc,
    packet: RtpPacket,
    holes: &mut Holes,
    now: Mono,
) -> Option<Packet> {
    let pt = packet.header.payload_type;
    let codec = rtc
        .codec_config()
        .params()
        .iter()
        .find(|params| params.pt() == pt)?
        .spec()
        .codec;
    let codec = codec_of(codec)?;
    let mut api = rtc.direct_api();
    let receiver = api.stream_rx(&packet.header.ssrc)?;
    let stream = stream_id(receiver.mid(), receiver.rid());
    let (header, seq) = (&packet.header, *packet.seq_no);
    if codec == Codec::Opus {
        // By itself str0m asks only for what comes by RTX, which no browser has for sound: it comes as it was.
        receiver.suppress_nack(!holes.handle_packet(stream, seq, now));
    }
    Some(Packet {
        marker: header.marker,
        audio_level: header.ext_vals.audio_level,
        voice_activity: header.ext_vals.voice_activity,
        reported: packet.last_sender_info.and_then(sender_time),
        ..Packet::new(stream, codec, seq, header.timestamp, packet.payload)
    })
}

/// A wall clock before 1970 is none.
fn sender_time(info: SenderInfo) -> Option<SenderTime> {
    let wall = info.ntp_time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    // str0m reads the 32 bits of the report, in units of a clock that it does not know there.
    let timestamp = u32::try_from(info.rtp_time.numer() & u64::from(u32::MAX)).ok()?;
    Some(SenderTime {
        wall_us: u64::try_from(wall.as_micros()).ok()?,
        timestamp,
    })
}

/// True if the stream is known to str0m.
pub(super) fn request_keyframe(rtc: &mut Rtc, stream: StreamId) -> bool {
    let rid = stream.rid.map(|rid| str0m::media::Rid::from(rid.as_str()));
    let mut api = rtc.direct_api();
    match api.stream_rx_by_mid(str0m::media::Mid::from(stream.mid.as_str()), rid) {
        Some(stream) => {
            stream.request_keyframe(KeyframeRequestKind::Pli);
            true
        }
        None => false,
    }
}

/// A media section that we send in, with its payload types.
#[derive(Debug)]
pub(super) struct Sender {
    mid: str0m::media::Mid,
    opus: Option<Pt>,
    vp8: Option<Pt>,
    h264: Option<Pt>,
    numbering: Numbering,
}

/// The sequence numbers of a section. Whatever track is in it, its SSRC stays, and the receiver goes on counting
/// roll-overs (RFC 3711, section 3.3.1): numbers that began anew would be taken for others, and fail authentication.
#[derive(Debug, Default)]
struct Numbering {
    /// What is added to the numbers of the track; none before its first packet.
    shift: Option<u64>,
    /// Above all that were sent.
    next: Option<u64>,
}

impl Numbering {
    fn number(&mut self, seq: u64) -> u64 {
        let next = self.next;
        let begin = || next.map_or(0, |next| next.wrapping_sub(seq));
        let number = seq.wrapping_add(*self.shift.get_or_insert_with(begin));
        self.next = next.max(Some(number.wrapping_add(1)));
        number
    }
}

impl Sender {
    /// `None` before the section is negotiated.
    pub(super) fn find(rtc: &mut Rtc, mid: Mid) -> Option<Sender> {
        let mid = str0m::media::Mid::from(mid.as_str());
        let remote: Vec<Pt> = rtc.media(mid)?.remote_pts().to_vec();
        let mut sender = Sender {
            mid,
            opus: None,
            vp8: None,
            h264: None,
            numbering: Numbering::default(),
        };
        for params in rtc.codec_config().params() {
            if !remote.contains(&params.pt()) {
                continue;
            }
            match codec_of(params.spec().codec) {
                Some(Codec::Opus) => sender.opus = sender.opus.or(Some(params.pt())),
                Some(Codec::Vp8) => sender.vp8 = sender.vp8.or(Some(params.pt())),
                Some(Codec::H264) => sender.h264 = sender.h264.or(Some(params.pt())),
                None => {}
            }
        }
        Some(sender)
    }

    /// Another track has the section from now on.
    pub(super) const fn handle_track(&mut self) {
        self.numbering.shift = None;
    }

    const fn payload_type(&self, codec: Codec) -> Option<Pt> {
        match codec {
            Codec::Opus => self.opus,
            Codec::Vp8 => self.vp8,
            Codec::H264 => self.h264,
        }
    }

    pub(super) fn send(
        &mut self,
        rtc: &mut Rtc,
        packet: &Packet,
        numbers: Munged,
        at: Instant,
    ) -> bool {
        let Some(pt) = self.payload_type(packet.codec) else {
            return false;
        };
        let mut api = rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(self.mid, None) else {
            return false;
        };
        let ext_vals = ExtensionValues {
            audio_level: packet.audio_level,
            voice_activity: packet.voice_activity,
            ..ExtensionValues::default()
        };
        let mut write = RtpWrite::new(
            pt,
            self.numbering.number(numbers.seq).into(),
            numbers.timestamp,
            at,
            packet.payload.clone(),
        )
        .marker(packet.marker)
        .nackable(packet.codec != Codec::Opus)
        .ext_vals(ext_vals);
        if let Some(picture) = numbers.picture
            && let Ok(descriptor) = Vp8Descriptor::parse(&packet.payload)
        {
            let mut patch = descriptor.patch().picture_id(picture.id);
            if let Some(tl0) = picture.tl0.filter(|_| descriptor.tl0_pic_idx().is_some()) {
                patch = patch.tl0_pic_idx(tl0);
            }
            if let Ok(patch) = patch.build() {
                write = write.vp8_patch(patch);
            }
        }
        stream.write_rtp(write);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_in_the_sound_is_asked_for_during_a_second() {
        let mut holes = Holes::default();
        let stream = |mid| StreamId {
            mid: Mid::from(mid),
            rid: None,
        };
        for (at, mid, seq, asked) in [
            (0, "0", 7, false),
            (20, "0", 8, false),
            (60, "0", 10, true),
            (60, "1", 90, false),
            (70, "0", 9, true),
            (1_050, "0", 11, true),
            (1_060, "0", 12, false),
            (2_000, "0", 10, false),
            (2_010, "0", 15, true),
        ] {
            let now = Mono::from_millis(at);
            assert_eq!(holes.handle_packet(stream(mid), seq, now), asked, "{at}");
        }
    }

    #[test]
    fn the_numbers_of_a_section_go_on_from_track_to_track() {
        let mut numbering = Numbering::default();
        let sent = [60_000, 60_002, 60_001].map(|seq| numbering.number(seq));
        assert_eq!(sent, [60_000, 60_002, 60_001]);
        for first in [5, 65_000, 0] {
            numbering.shift = None;
            let before = numbering.next.unwrap();
            let sent = [first, first + 1].map(|seq| numbering.number(seq));
            assert_eq!(sent, [before, before + 1]);
        }
    }
}
