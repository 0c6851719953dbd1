//! What follows from a change, for `node` to carry out.

use super::keys::{MemberKey, TrackKey};
use crate::base::TrackSid;
use crate::media::StreamId;

/// What follows from a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Give the subscriber a media section for the track.
    Subscribed {
        /// The subscriber.
        member: MemberKey,
        /// The track.
        track: TrackKey,
    },
    /// Take the media section away.
    Unsubscribed {
        /// The subscriber.
        member: MemberKey,
        /// The track, which may be gone.
        track: TrackSid,
    },
    /// The publisher admits a member who wants the track, or does not any more.
    Admitted {
        /// Who wants it.
        member: MemberKey,
        /// The track.
        track: TrackKey,
        /// May have it from now on.
        admitted: bool,
    },
    /// Somebody subscribed to the track for the first time.
    FirstSubscribed {
        /// The track.
        track: TrackKey,
    },
    /// The downlink does not carry the track any more, or again.
    StreamState {
        /// The subscriber.
        member: MemberKey,
        /// The track.
        track: TrackKey,
        /// Paused from now on.
        paused: bool,
    },
    /// Another layer is the best that anyone wants of a track.
    QualityWanted {
        /// The track.
        track: TrackKey,
        /// 0 low, 1 medium, 2 high; none: nobody wants any.
        quality: Option<u8>,
    },
    /// The publisher's stream needs a keyframe.
    KeyframeWanted {
        /// The publisher.
        publisher: MemberKey,
        /// The stream.
        stream: StreamId,
    },
}
