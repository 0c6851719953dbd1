//! At most one keyframe request per stream and 500 ms, however many subscribers ask; a request that
//! comes too early is kept and sent when the time has passed, unless a keyframe came meanwhile.

use crate::base::{Millis, Mono};
use crate::media::StreamId;
use std::collections::BTreeMap;

/// LiveKit throttles to 500 ms for the low layer; a keyframe costs a publisher about ten times a
/// delta frame, so more often would eat the bandwidth that it is meant to repair.
const INTERVAL: Millis = Millis(500);

#[derive(Clone, Copy, Debug)]
struct Request {
    sent: Mono,
    wanted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Keyframes {
    streams: BTreeMap<StreamId, Request>,
    held: u64,
}

impl Keyframes {
    /// True if the request is to be sent now.
    pub(super) fn handle_request(&mut self, stream: StreamId, now: Mono) -> bool {
        if let Some(request) = self.streams.get_mut(&stream)
            && now.since(request.sent) < INTERVAL
        {
            request.wanted = true;
            self.held += 1;
            return false;
        }
        self.streams.insert(
            stream,
            Request {
                sent: now,
                wanted: false,
            },
        );
        true
    }

    /// A keyframe came: what was asked for until now is answered.
    pub(super) fn handle_keyframe(&mut self, stream: StreamId) {
        if let Some(request) = self.streams.get_mut(&stream) {
            request.wanted = false;
        }
    }

    /// The streams to ask now.
    pub(super) fn handle_timeout(&mut self, now: Mono) -> Vec<StreamId> {
        let mut due = Vec::new();
        for (stream, request) in &mut self.streams {
            if request.wanted && now.since(request.sent) >= INTERVAL {
                *request = Request {
                    sent: now,
                    wanted: false,
                };
                due.push(*stream);
            }
        }
        due
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.streams
            .values()
            .filter(|request| request.wanted)
            .map(|r| r.sent + INTERVAL)
            .min()
    }

    /// Requests that were not sent at once.
    pub(super) fn held(&self) -> u64 {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Mid;

    #[test]
    fn second_keyframe_request_is_suppressed_within_500ms_and_sent_afterwards() {
        let stream = StreamId {
            mid: Mid::from("0"),
            rid: None,
        };
        let mut keyframes = Keyframes::default();
        let at = Mono::from_millis;
        assert!(keyframes.handle_request(stream, at(0)));
        assert!(!keyframes.handle_request(stream, at(499)));
        assert_eq!(keyframes.poll_timeout(), Some(at(500)));
        assert_eq!(keyframes.handle_timeout(at(499)), vec![]);
        assert_eq!(keyframes.handle_timeout(at(500)), vec![stream]);
        assert!(!keyframes.handle_request(stream, at(600)));
        keyframes.handle_keyframe(stream);
        assert_eq!((keyframes.poll_timeout(), keyframes.held()), (None, 2));
    }
}
