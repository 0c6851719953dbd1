//! The sockets of a client's connection, and how a prober is driven over them.

use crate::base::Now;
use crate::node::preflight::Prober;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as Plain};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Longest datagram: an Ethernet frame is shorter.
const DATAGRAM_BYTES: usize = 2_048;
/// Datagrams that are taken in one round, so that timers have their turn.
const BURST: usize = 64;
/// Longest wait, so that a deadline of the caller is seen.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Sockets on the interfaces that lead to a node.
pub(super) struct Link {
    sockets: Vec<(SocketAddr, UdpSocket)>,
}

impl Link {
    /// One socket on each interface that leads to one of `nodes`.
    pub async fn open(nodes: &[SocketAddr]) -> io::Result<Link> {
        let mut sockets: Vec<(SocketAddr, UdpSocket)> = Vec::new();
        for node in nodes {
            let Ok(from) = interface(*node) else { continue };
            if sockets.iter().all(|(bound, _)| bound.ip() != from) {
                let socket = UdpSocket::bind((from, 0)).await?;
                sockets.push((socket.local_addr()?, socket));
            }
        }
        if sockets.is_empty() {
            let what = "no interface leads to the node's media address";
            return Err(io::Error::new(io::ErrorKind::NetworkUnreachable, what));
        }
        Ok(Link { sockets })
    }

    /// Our addresses.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.sockets.iter().map(|(address, _)| *address)
    }

    /// Sends a datagram from one of our addresses.
    pub fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let socket = self.sockets.iter().find(|(address, _)| *address == from);
        if let Some((_, socket)) = socket {
            // A full buffer loses the datagram, as any other place on the way would.
            drop(socket.try_send_to(bytes, to));
        }
    }

    /// Waits for a datagram, but no longer than the prober may wait, and hands it all that is there.
    pub async fn receive(&self, prober: &mut Prober, clock: &dyn Fn() -> Now) {
        let now = clock().mono;
        let wait = prober
            .poll_timeout()
            .map(|at| Duration::from_micros(at.micros().saturating_sub(now.micros())));
        let wait = wait.map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT));
        if !wait.is_zero() {
            // Whether one came or the time is over: what is there is read below.
            drop(timeout(wait, self.readable()).await);
        }
        let mut buffer = [0; DATAGRAM_BYTES];
        for (local, socket) in &self.sockets {
            for _ in 0..BURST {
                let Ok((len, source)) = socket.try_recv_from(&mut buffer) else {
                    break;
                };
                let bytes = buffer.get(..len).unwrap_or_default();
                prober.handle_datagram((source, *local), bytes, clock().mono);
            }
        }
    }

    /// Until one of the sockets has something.
    async fn readable(&self) {
        match self.sockets.as_slice() {
            [] => {}
            [(_, only)] => drop(only.readable().await),
            // A node has an address of each family, seldom more: the others wait their turn.
            [(_, first), (_, second), ..] => {
                tokio::select! {
                    ready = first.readable() => drop(ready),
                    ready = second.readable() => drop(ready),
                }
            }
        }
    }
}

/// Which of our addresses leads there: connecting a UDP socket sends nothing.
fn interface(node: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if node.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = Plain::bind((any, 0))?;
    socket.connect(node)?;
    Ok(socket.local_addr()?.ip())
}
