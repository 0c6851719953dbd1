//! Which RTP header extensions stand in our descriptions, whatever the client's have.

use beistand::base::{Mono, TrackKind};
use beistand::peer::transport::{Change, Factory, Purpose, Wanted};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;
use str0m::Rtc;
use str0m::media::{Direction, MediaKind};

/// The extensions of Chromium 156, Firefox 153 and libwebrtc with all of its trials, under numbers of
/// both forms.
const OFFERED: [&str; 22] = [
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
    "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
    "urn:3gpp:video-orientation",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:toffset",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    "urn:ietf:params:rtp-hdrext:csrc-audio-level",
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
    "http://www.webrtc.org/experiments/rtp-hdrext/generic-frame-descriptor-00",
    "http://www.webrtc.org/experiments/rtp-hdrext/corruption-detection",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-frame-tracking-id",
    "urn:ietf:params:rtp-hdrext:framemarking",
    "http://tools.ietf.org/html/draft-ietf-avtext-framemarking-07",
    "urn:ietf:params:rtp-hdrext:encrypt",
];

/// Of these, what is taken for each kind; only pictures come in layers, but the ids of streams are for both.
const SOUND: [usize; 6] = [0, 1, 2, 3, 9, 10];
const PICTURES: [usize; 5] = [1, 2, 3, 9, 10];

fn anchor() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "an anchor; no time passes")]
    Instant::now()
}

fn factory() -> (Factory, Instant) {
    let anchor = anchor();
    (Factory::new(anchor).expect("a certificate"), anchor)
}

/// An offer of sound and pictures with all that browsers know.
fn offer(anchor: Instant, direction: Direction) -> String {
    let mut client = Rtc::builder().set_rtp_mode(true).build(anchor);
    let mut api = client.sdp_api();
    api.add_media(MediaKind::Audio, direction, None, None, None);
    api.add_media(MediaKind::Video, direction, None, None, None);
    api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    let (offer, _) = api.apply().expect("something is offered");
    let mut wide = String::new();
    for line in offer.to_sdp_string().lines() {
        if !line.starts_with("a=extmap:") {
            wide.push_str(&format!("{line}\r\n"));
        }
        if line.starts_with("a=mid:") {
            for (id, uri) in (1..).zip(OFFERED) {
                wide.push_str(&format!("a=extmap:{id} {uri}\r\n"));
            }
        }
    }
    wide
}

/// What each section with media says, by its kind.
fn extensions(sdp: &str) -> Vec<(&str, BTreeSet<&str>)> {
    let mut found = Vec::new();
    for block in sdp.split("\r\nm=").skip(1) {
        let kind = block.split(' ').next().unwrap_or_default();
        if kind != "application" {
            let uris = block
                .lines()
                .filter_map(|line| line.strip_prefix("a=extmap:"))
                .filter_map(|extension| extension.split(' ').nth(1));
            found.push((kind, uris.collect()));
        }
    }
    found
}

fn expected(kind: &str) -> BTreeSet<&'static str> {
    let places: &[usize] = match kind {
        "audio" => &SOUND,
        _ => &PICTURES,
    };
    places.iter().map(|place| OFFERED[*place]).collect()
}

fn hold(sdp: &str, sections: usize) {
    let found = extensions(sdp);
    assert_eq!(found.len(), sections, "{sdp}");
    for (kind, uris) in found {
        assert_eq!(uris, expected(kind), "{kind}: {sdp}");
    }
}

#[test]
fn an_answer_takes_the_extensions_that_are_carried_or_end_here_and_no_other() {
    let (factory, anchor) = factory();
    let at = [SocketAddr::from(([192, 0, 2, 1], 7882))];
    let mut transport = factory.connection(Purpose::Receive, &at, Mono::ZERO);
    let offered = offer(anchor, Direction::SendOnly);
    assert!(offered.contains("a=extmap:9 urn:3gpp:video-orientation"));
    let answer = transport.handle_offer(&offered, |_| Wanted::default());
    hold(&answer.expect("the offer fits"), 3);
}

#[test]
fn an_offer_has_the_same_and_no_other() {
    let (factory, _) = factory();
    let at = [SocketAddr::from(([192, 0, 2, 1], 7882))];
    let mut transport = factory.connection(Purpose::Send(None), &at, Mono::ZERO);
    let changes = [TrackKind::Audio, TrackKind::Video].map(Change::Add);
    hold(&transport.offer(&changes).expect("an offer").sdp, 2);
}

#[test]
fn a_measurement_takes_no_other_extensions_than_a_session() {
    let (factory, anchor) = factory();
    let at = [SocketAddr::from(([192, 0, 2, 1], 7882))];
    let mut probe = factory.probe(&at, Mono::ZERO);
    let offered = offer(anchor, Direction::SendOnly);
    let answer = probe.handle_offer(&offered, 1_000_000).expect("it fits");
    for (kind, uris) in extensions(&answer) {
        assert!(uris.is_subset(&expected(kind)), "{kind}: {answer}");
    }
    let (_, own) = factory.prober(Mono::ZERO).expect("an offer");
    hold(&own, 2);
}
