//! The data channels of the LiveKit protocol.

use str0m::channel::{ChannelConfig, Reliability};

/// A data channel of the LiveKit protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// `_reliable`: ordered.
    Reliable,
    /// `_lossy`: unordered, no retransmission.
    Lossy,
    /// `_data_track`: unordered, no retransmission.
    DataTrack,
}

impl Channel {
    pub(super) const ALL: [Channel; 3] = [Channel::Reliable, Channel::Lossy, Channel::DataTrack];

    const fn label(self) -> &'static str {
        match self {
            Channel::Reliable => "_reliable",
            Channel::Lossy => "_lossy",
            Channel::DataTrack => "_data_track",
        }
    }

    pub(super) fn of_label(label: &str) -> Option<Channel> {
        Channel::ALL
            .into_iter()
            .find(|channel| channel.label() == label)
    }

    /// The in-band configuration when we open it.
    pub(super) fn config(self) -> ChannelConfig {
        let reliability = match self {
            Channel::Reliable => Reliability::Reliable,
            Channel::Lossy | Channel::DataTrack => Reliability::MaxRetransmits { retransmits: 0 },
        };
        ChannelConfig {
            label: self.label().to_owned(),
            ordered: self == Channel::Reliable,
            reliability,
            negotiated: None,
            protocol: String::new(),
        }
    }
}
