//! Which RTP header extensions are negotiated: those that are carried to the subscribers, and those that
//! end at each connection. Any other is refused, in offers and in answers: what is negotiated and then
//! dropped is lost, while a sender that may not use an extension does without.

use str0m::rtp::ExtensionMap;

/// Written anew for each subscriber, from what the publisher said (`rtp::receive`, `Sender::send`).
const CARRIED: [&str; 1] = ["urn:ietf:params:rtp-hdrext:ssrc-audio-level"];

/// Each connection has its own, which str0m reads and writes.
const TERMINATED: [&str; 5] = [
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
];

/// What clients offer and do without. Without `video-orientation` a phone turns its pictures before it
/// encodes them: they are upright for every subscriber (Firefox does not read the mark), in recordings and
/// in posters.
#[cfg(test)]
const REFUSED: [&str; 16] = [
    "urn:3gpp:video-orientation",
    "urn:ietf:params:rtp-hdrext:toffset",
    "urn:ietf:params:rtp-hdrext:csrc-audio-level",
    "urn:ietf:params:rtp-hdrext:encrypt",
    "urn:ietf:params:rtp-hdrext:framemarking",
    "http://tools.ietf.org/html/draft-ietf-avtext-framemarking-07",
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
    "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
    "http://www.webrtc.org/experiments/rtp-hdrext/generic-frame-descriptor-00",
    "http://www.webrtc.org/experiments/rtp-hdrext/corruption-detection",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-frame-tracking-id",
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
];

/// The extensions of all our connections, under the numbers that str0m and browsers give them.
pub fn extensions() -> ExtensionMap {
    let mut ours = ExtensionMap::empty();
    for (id, extension) in ExtensionMap::standard().iter() {
        let uri = &extension.as_uri();
        if CARRIED.contains(uri) || TERMINATED.contains(uri) {
            ours.set(id, extension.clone());
        }
    }
    ours
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn uris(map: &ExtensionMap) -> BTreeSet<String> {
        map.iter().map(|(_, e)| e.as_uri().to_owned()).collect()
    }

    #[test]
    fn what_is_carried_or_ends_here_is_negotiated_and_nothing_else() {
        let expected = CARRIED.iter().chain(&TERMINATED);
        let expected: BTreeSet<String> = expected.map(|uri| (*uri).to_owned()).collect();
        assert_eq!(uris(&extensions()), expected);
    }

    #[test]
    fn of_each_extension_that_the_library_negotiates_by_itself_it_is_said_what_becomes_of_it() {
        let standard = uris(&ExtensionMap::standard());
        assert!(standard.contains("urn:3gpp:video-orientation"));
        for uri in &standard {
            let lists = [&CARRIED[..], &TERMINATED, &REFUSED];
            let told = lists.iter().filter(|list| list.contains(&uri.as_str()));
            assert_eq!(told.count(), 1, "{uri}");
        }
    }
}
