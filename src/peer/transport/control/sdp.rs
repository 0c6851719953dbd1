//! SDP as text: what is read of it (sections, directions, origin), and what is rewritten (`a=msid`,
//! the order of codecs).

use crate::base::TrackKind;
use crate::media::{Codec, Mid};

/// One media section of a description (RFC 8866, section 5.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its `a=mid`.
    pub mid: Mid,
    /// Audio or video.
    pub kind: TrackKind,
    /// The describing side sends in it (`sendonly` or `sendrecv`, and not rejected).
    pub sends: bool,
    /// The describing side refuses the section for good: port 0, and in no bundle. In one, port 0 says
    /// that the section has no transport of its own (`a=bundle-only`; RFC 9143, section 6).
    pub rejected: bool,
    /// Second token of `a=msid` (RFC 8830).
    pub track_id: Option<String>,
    /// The codec of its first payload type: in an answer the one that is sent.
    pub codec: Option<Codec>,
    /// What it says of Opus.
    pub opus: Opus,
}

/// Parameters of Opus (RFC 7587, section 6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opus {
    /// Nothing is to be sent in silence (`usedtx`).
    pub dtx: bool,
    /// Two channels are sent (in an offer `sprop-stereo`), or to be sent (in an answer `stereo`).
    pub stereo: bool,
}

/// How an answer wants what the client sends in a section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// In this codec, if there is a choice.
    pub codec: Option<Codec>,
    /// If it is Opus.
    pub opus: Opus,
}

/// The audio and video sections of a description; sections without a mid are left out.
pub fn sections(sdp: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let bundled = bundled(sdp);
    let mut open: Option<Open> = None;
    let close = |open: &mut Option<Open>, sections: &mut Vec<Section>| {
        if let Some(Open {
            mut section,
            has_mid: true,
            ..
        }) = open.take()
        {
            section.sends &= !section.rejected;
            sections.push(section);
        }
    };
    for line in sdp.lines() {
        let line = line.trim_end();
        if let Some(media) = line.strip_prefix("m=") {
            close(&mut open, &mut sections);
            open = section_start(media);
        } else if let Some(Open {
            section,
            first,
            has_mid,
        }) = &mut open
        {
            if let Some(mid) = line.strip_prefix("a=mid:") {
                section.mid = Mid::from(mid);
                section.rejected &= !bundled.contains(&mid);
                *has_mid = true;
            } else if let Some((payload, codec)) = rtpmap(line) {
                section.codec = section.codec.or(codec.filter(|_| payload == *first));
            } else if let Some(parameters) = line.strip_prefix("a=fmtp:") {
                section.opus.dtx |= has_parameter(parameters, "usedtx=1");
                section.opus.stereo |= has_parameter(parameters, "sprop-stereo=1");
            } else if let Some(msid) = line.strip_prefix("a=msid:") {
                section.track_id = msid.split(' ').nth(1).map(str::to_owned);
            } else if matches!(line, "a=inactive" | "a=recvonly") {
                section.sends = false;
            }
        }
    }
    close(&mut open, &mut sections);
    sections
}

/// The mids that share one transport.
fn bundled(sdp: &str) -> Vec<&str> {
    let mut lines = sdp.lines();
    let group = lines.find_map(|line| line.strip_prefix("a=group:BUNDLE "));
    group.map_or_else(Vec::new, |mids| mids.split_whitespace().collect())
}

/// Whose description it is, and which of theirs (`o=`; RFC 8866, section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Stays the same through all descriptions of a connection.
    pub session: String,
    /// Grows when the description changes.
    pub version: u64,
}

impl Origin {
    /// `None` if the description has none that can be read.
    pub fn read(sdp: &str) -> Option<Origin> {
        let line = sdp.lines().find_map(|line| line.strip_prefix("o="))?;
        let mut words = line.split(' ').skip(1);
        Some(Origin {
            session: words.next()?.to_owned(),
            version: words.next()?.parse().ok()?,
        })
    }
}

/// A section that is being read, the first payload type of its `m=` line, and whether it has a mid.
struct Open<'a> {
    section: Section,
    first: &'a str,
    has_mid: bool,
}

fn section_start(media: &str) -> Option<Open<'_>> {
    let mut words = media.split(' ');
    let kind = match words.next()? {
        "audio" => TrackKind::Audio,
        "video" => TrackKind::Video,
        _ => return None,
    };
    let is_off = words.next() == Some("0");
    let section = Section {
        mid: Mid::from(""),
        kind,
        sends: true,
        rejected: is_off,
        track_id: None,
        codec: None,
        opus: Opus::default(),
    };
    Some(Open {
        section,
        first: words.nth(1).unwrap_or(""),
        has_mid: false,
    })
}

/// Payload type and codec of an `a=rtpmap`; no codec if it is not forwarded, as for retransmissions.
fn rtpmap(line: &str) -> Option<(&str, Option<Codec>)> {
    let (payload, format) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
    Some((payload, format.split('/').next().and_then(Codec::named)))
}

/// Payload type of a retransmission, and the one that it repeats (RFC 4588, section 8.6).
fn repeats(line: &str) -> Option<(&str, &str)> {
    let (payload, parameters) = line.strip_prefix("a=fmtp:")?.split_once(' ')?;
    Some((payload, parameters.strip_prefix("apt=")?))
}

/// Whether `a=fmtp`, behind its payload type, has a parameter of this value.
fn has_parameter(fmtp: &str, wanted: &str) -> bool {
    let parameters = fmtp.split_once(' ').map_or("", |(_, rest)| rest);
    parameters.split(';').any(|one| one.trim() == wanted)
}

/// A change of what we send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// One more section that we send in.
    Add(TrackKind),
    /// Send in the section again.
    Activate(Mid),
    /// Send no more in the section.
    Deactivate(Mid),
}

/// `sdp` with the `a=msid` of each section replaced: LiveKit clients find a track by it, and str0m
/// cannot change it in a section that is used again. `None` takes the line out.
pub fn rewrite_msid(sdp: &str, msid: impl Fn(Mid) -> Option<String>) -> String {
    rewrite_sections(sdp, |mid, block| with_msid(block, msid(mid)))
}

/// `answer` with the payload types of each section's `wanted` codec, and their retransmissions, in
/// front: the client sends the first (RFC 3264, section 6.1), and str0m has one order for all sections,
/// as it has one set of parameters of Opus.
pub(super) fn prefer(answer: &str, wanted: impl Fn(Mid) -> Wanted) -> String {
    rewrite_sections(answer, |mid, block| {
        let wanted = wanted(mid);
        let first = wanted.codec.map(|codec| with_first(block, codec));
        let block = first.as_deref().unwrap_or(block);
        with_opus(block, wanted.opus)
    })
}

/// The parameters that LiveKit's clients expect in the answer to a publisher. Two channels get the rate
/// that the client asks for, which without the last one would be cut to libwebrtc's own.
fn with_opus(block: &str, opus: Opus) -> String {
    let wanted = [
        (opus.dtx, ";usedtx=1"),
        (opus.stereo, ";stereo=1;maxaveragebitrate=510000"),
    ];
    let more: String = wanted
        .into_iter()
        .filter_map(|(is_wanted, parameters)| is_wanted.then_some(parameters))
        .collect();
    with_parameters(block, &more)
}

/// `offer` with the word that two channels are sent where they are: a client that does not hear it plays
/// one (RFC 7587, section 6.1).
pub fn announce_stereo(offer: &str, is_stereo: impl Fn(Mid) -> bool) -> String {
    rewrite_sections(offer, |mid, block| {
        with_parameters(
            block,
            if is_stereo(mid) {
                ";sprop-stereo=1"
            } else {
                ""
            },
        )
    })
}

/// A section with `more` behind its parameters of Opus.
fn with_parameters(block: &str, more: &str) -> String {
    let payload = block
        .lines()
        .filter_map(rtpmap)
        .find_map(|(payload, codec)| (codec == Some(Codec::Opus)).then_some(payload));
    let Some(payload) = payload.filter(|_| !more.is_empty()) else {
        return block.to_owned();
    };
    let own = format!("a=fmtp:{payload} ");
    let lines = block.split("\r\n").map(|line| {
        let more = if line.starts_with(&own) { more } else { "" };
        format!("{line}{more}")
    });
    lines.collect::<Vec<String>>().join("\r\n")
}

/// Each audio and video section anew, from its text behind `m=`.
fn rewrite_sections(sdp: &str, rewrite: impl Fn(Mid, &str) -> String) -> String {
    let mut out = String::with_capacity(sdp.len() + 256);
    for (index, block) in sdp.split("\r\nm=").enumerate() {
        if index > 0 {
            out.push_str("\r\nm=");
        }
        let mid = block
            .split("\r\n")
            .find_map(|line| line.strip_prefix("a=mid:"))
            .map(Mid::from);
        let is_media = index > 0 && !block.starts_with("application");
        match mid.filter(|_| is_media) {
            None => out.push_str(block),
            Some(mid) => out.push_str(&rewrite(mid, block)),
        }
    }
    out
}

fn with_first(block: &str, codec: Codec) -> String {
    let wanted: Vec<&str> = block
        .lines()
        .filter_map(rtpmap)
        .filter_map(|(payload, named)| (named == Some(codec)).then_some(payload))
        .collect();
    let repeated = block
        .lines()
        .filter_map(repeats)
        .filter_map(|(payload, of)| wanted.contains(&of).then_some(payload));
    let in_front: Vec<&str> = wanted.iter().copied().chain(repeated).collect();
    let (line, rest) = block.split_once("\r\n").unwrap_or((block, ""));
    // Kind, port and protocol.
    let mut words = line.split(' ');
    let head: Vec<&str> = words.by_ref().take(3).collect();
    let (front, back): (Vec<&str>, Vec<&str>) = words.partition(|word| in_front.contains(word));
    format!("{}\r\n{rest}", [head, front, back].concat().join(" "))
}

fn with_msid(block: &str, msid: Option<String>) -> String {
    let mut lines: Vec<String> = block
        .split("\r\n")
        .filter(|line| !line.starts_with("a=msid:"))
        .filter(|line| !(line.starts_with("a=ssrc:") && line.contains(" msid:")))
        .map(str::to_owned)
        .collect();
    if let Some(msid) = msid {
        let after = lines
            .iter()
            .position(|line| line.starts_with("a=mid:"))
            .unwrap_or(0);
        lines.insert(after + 1, format!("a=msid:{msid}"));
    }
    lines.join("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\no=- 0 0 IN IP4 0\r\nm=application 9 x\r\na=mid:0\r\nm=audio 9 x 111\r\na=mid:1\r\na=msid:- abc\r\na=sendonly\r\nm=video 0 x 96\r\na=mid:2\r\na=msid:s t\r\n";

    #[test]
    fn sections_are_read_with_kind_direction_and_track() {
        let got = sections(SDP);
        assert_eq!(got.len(), 2);
        assert_eq!((got[0].mid, got[0].sends), (Mid::from("1"), true));
        assert_eq!(got[0].track_id.as_deref(), Some("abc"));
        assert_eq!((got[1].kind, got[1].sends), (TrackKind::Video, false));
    }

    #[test]
    fn a_section_is_rejected_by_port_0_unless_its_bundle_has_it() {
        let of = |sdp: &str| (sections(sdp)[1].rejected, sections(sdp)[1].sends);
        assert_eq!(of(SDP), (true, false));
        assert!(!sections(SDP)[0].rejected);
        let bundle = |mids| {
            SDP.replace(
                "m=application",
                &format!("a=group:BUNDLE {mids}\r\nm=application"),
            )
        };
        assert_eq!(of(&bundle("0 1")), (true, false));
        // As Firefox offers a section that it adds: it sends there, by the transport of the first.
        assert_eq!(of(&bundle("0 1 2")), (false, true));
        let silent = bundle("0 1 2").replace("a=mid:2", "a=bundle-only\r\na=mid:2\r\na=recvonly");
        assert_eq!(of(&silent), (false, false));
    }

    #[test]
    fn the_origin_tells_session_and_version() {
        let sdp = "v=0\r\no=- 4611731400430051336 3 IN IP4 127.0.0.1\r\ns=-\r\n";
        let origin = Origin::read(sdp).unwrap();
        assert_eq!(
            (origin.session.as_str(), origin.version),
            ("4611731400430051336", 3)
        );
        assert_eq!(Origin::read("v=0\r\no=- x\r\n"), None);
        assert_eq!(Origin::read(""), None);
    }

    #[test]
    fn only_the_msid_of_media_sections_is_rewritten() {
        let got = rewrite_msid(SDP, |mid| {
            (mid.as_str() == "1").then(|| "PA_x|TR_y TR_y".to_owned())
        });
        assert!(got.contains("m=audio 9 x 111\r\na=mid:1\r\na=msid:PA_x|TR_y TR_y\r\na=sendonly"));
        assert!(!got.contains("a=msid:s t"));
        assert!(got.starts_with("v=0\r\n") && got.ends_with("a=mid:2\r\n"));
    }

    const ANSWER: &str = "v=0\r\no=- 0 0 IN IP4 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 35 36\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:103 H264/90000\r\na=fmtp:103 packetization-mode=1\r\na=rtpmap:104 rtx/90000\r\na=fmtp:104 apt=103\r\na=rtpmap:35 H264/90000\r\na=rtpmap:36 rtx/90000\r\na=fmtp:36 apt=35\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";

    const fn first(codec: Option<Codec>) -> Wanted {
        Wanted {
            codec,
            opus: Opus {
                dtx: false,
                stereo: false,
            },
        }
    }

    const SOUND: &str = "v=0\r\no=- 0 0 IN IP4 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtcp-mux\r\n";

    #[test]
    fn each_section_has_its_own_parameters_of_opus() {
        for (dtx, stereo, more) in [
            (false, false, ""),
            (true, false, ";usedtx=1"),
            (false, true, ";stereo=1;maxaveragebitrate=510000"),
            (true, true, ";usedtx=1;stereo=1;maxaveragebitrate=510000"),
        ] {
            let wanted = |mid: Mid| Wanted {
                codec: None,
                opus: match mid.as_str() {
                    "1" => Opus { dtx, stereo },
                    _ => Opus::default(),
                },
            };
            let (head, rest) = SOUND.split_once("a=mid:1").unwrap();
            let rest = rest.replace("fec=1", &format!("fec=1{more}"));
            assert_eq!(prefer(SOUND, wanted), format!("{head}a=mid:1{rest}"));
        }
    }

    #[test]
    fn an_offer_says_where_two_channels_are_sent() {
        let got = announce_stereo(SOUND, |mid| mid.as_str() == "1");
        assert_eq!(sections(&got)[0].opus, Opus::default());
        let said = sections(&got)[1].opus;
        assert_eq!((said.dtx, said.stereo), (false, true), "{got}");
        assert_eq!(announce_stereo(SOUND, |_| false), SOUND);
        assert_eq!(announce_stereo(ANSWER, |mid| mid.as_str() == "1"), ANSWER);
    }

    #[test]
    fn what_an_offer_says_of_opus_is_read() {
        for (said, dtx, stereo) in [
            ("minptime=10;useinbandfec=1", false, false),
            ("minptime=10; usedtx=1", true, false),
            // What is to be received is no word about what is sent.
            ("stereo=1", false, false),
            ("stereo=1;sprop-stereo=1;usedtx=1", true, true),
            ("sprop-stereo=10;usedtx=0", false, false),
        ] {
            let sdp = SOUND.replace("minptime=10;useinbandfec=1", said);
            assert_eq!(sections(&sdp)[0].opus, Opus { dtx, stereo }, "{said}");
        }
    }

    fn codecs(sdp: &str) -> Vec<Option<Codec>> {
        sections(sdp).iter().map(|section| section.codec).collect()
    }

    #[test]
    fn the_wanted_codec_comes_first_with_its_retransmissions_and_nothing_else_moves() {
        let got = prefer(ANSWER, |mid| {
            first((mid.as_str() == "1").then_some(Codec::H264))
        });
        let moved = "m=video 9 UDP/TLS/RTP/SAVPF 103 104 35 36 96 97\r\n";
        let expected = ANSWER.replace("m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 35 36\r\n", moved);
        assert_eq!(got, expected);
        assert_eq!(codecs(ANSWER), [Some(Codec::Opus), Some(Codec::Vp8)]);
        assert_eq!(codecs(&got), [Some(Codec::Opus), Some(Codec::H264)]);
    }

    #[test]
    fn a_codec_that_is_not_there_moves_nothing() {
        let without = ANSWER.replace("H264/", "VP9/");
        assert_eq!(prefer(&without, |_| first(Some(Codec::H264))), without);
        assert_eq!(prefer(ANSWER, |_| first(Some(Codec::Vp8))), ANSWER);
        assert_eq!(prefer(ANSWER, |_| first(None)), ANSWER);
        let foreign = ANSWER.replace("rtpmap:96 VP8/", "rtpmap:96 AV1/");
        assert_eq!(codecs(&foreign), [Some(Codec::Opus), None]);
    }
}
