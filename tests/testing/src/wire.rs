//! Real sockets for benchmarks: what goes out costs what it costs in production, and arrives nowhere.

use quinn_udp::{Transmit, UdpSocketState};
use std::net::{SocketAddr, UdpSocket};

/// A sending socket, and receivers of which none is read: the kernel drops.
pub struct Wire {
    socket: UdpSocket,
    state: UdpSocketState,
    receivers: Vec<(UdpSocket, SocketAddr)>,
}

impl Wire {
    pub fn new(receivers: usize) -> Wire {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let state = UdpSocketState::new((&socket).into()).expect("socket options");
        let receiver = |_| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            let address = socket.local_addr().expect("an address");
            (socket, address)
        };
        Wire {
            socket,
            state,
            receivers: (0..receivers).map(receiver).collect(),
        }
    }

    /// Sends in segments of this size, to one of the receivers: that of the number, counted around.
    pub fn send(&self, receiver: usize, contents: &[u8], segment: usize) {
        let (_, destination) = self.receivers[receiver % self.receivers.len()];
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: (segment < contents.len()).then_some(segment),
            src_ip: None,
        };
        self.state
            .try_send((&self.socket).into(), &transmit)
            .expect("sent");
    }
}
