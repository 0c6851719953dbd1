//! What a connection says, in words that `wire` will share.

use super::control::Channel;
use crate::media::{Mid, Packet};
use std::net::SocketAddr;

/// What a transport has to say.
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Datagram {
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// ICE and DTLS are up.
    Connected,
    /// The peer closed the connection, or it broke.
    Closed,
    /// An authenticated media packet, classified.
    Packet(Packet),
    /// The peer's decoder needs a keyframe of what it gets in this section.
    KeyframeRequest(Mid),
    /// A data channel of ours or of the peer's is open.
    ChannelOpen(Channel),
    /// A message on a data channel.
    Data(Channel, Vec<u8>),
}

/// Running counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Media packets received and authenticated.
    pub in_packets: u64,
    /// Bytes received.
    pub in_bytes: u64,
    /// Datagrams sent.
    pub out_packets: u64,
    /// Bytes sent.
    pub out_bytes: u64,
    /// NACKs sent to the peer.
    pub nacks_sent: u64,
    /// NACKs received from the peer.
    pub nacks_received: u64,
    /// Keyframe requests sent to the peer.
    pub keyframe_requests: u64,
    /// Keyframe requests held back by the throttle.
    pub keyframe_requests_held: u64,
    /// Keyframe requests (PLI, FIR) received from the peer.
    pub keyframes_asked: u64,
}

/// An offer, made of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The description.
    pub sdp: String,
    /// The mids of the added sections, in order.
    pub mids: Vec<Mid>,
}
