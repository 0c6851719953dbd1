//! A worker's UDP socket: receives many datagrams in one call (recvmmsg, GRO) into pooled buffers,
//! and sends runs of datagrams to one address in one call (GSO).

mod asked;

use asked::Asked;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Socket buffers: 4 MiB hold 100 ms of 300 Mbit/s, longer than any pause of the loop. The kernel
/// caps them at `net.core.rmem_max` and `wmem_max`.
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// One receive buffer: what GRO may put together at most.
const RECV_BYTES: usize = 64 * 1024;
/// Datagrams that wait while the kernel takes no more: some 40 ms of a busy worker. Beyond, the
/// newest is dropped (`send_dropped`): late media is of no use.
const UNSENT: usize = 4_096;
/// Most bytes in one GSO send: an IP packet's 65,535 less its headers.
const GSO_BYTES: usize = 65_000;

/// Counters of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpStats {
    /// Datagrams received.
    pub received: u64,
    /// Datagrams handed to the kernel.
    pub sent: u64,
    /// Calls that handed them over.
    pub send_calls: u64,
    /// Datagrams dropped because the queue was full.
    pub send_dropped: u64,
    /// Datagrams that the kernel refused.
    pub send_refused: u64,
}

/// A datagram on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

/// One that waits, with the address that it leaves from if that is not the peer's.
struct Waiting {
    datagram: Datagram,
    from: Option<IpAddr>,
}

/// The socket with its buffers.
pub struct Udp {
    socket: UdpSocket,
    state: UdpSocketState,
    is_v6: bool,
    pool: Vec<Vec<u8>>,
    unsent: VecDeque<Waiting>,
    asked: Asked,
    arena: Vec<u8>,
    stats: UdpStats,
}

impl Udp {
    /// Binds; port 0 takes any free one.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub fn bind(address: SocketAddr) -> io::Result<Udp> {
        let socket = UdpSocket::bind(address)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // A smaller buffer works as well, only with less patience.
        drop(state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER_BYTES));
        drop(state.set_send_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER_BYTES));
        Ok(Udp {
            socket,
            state,
            is_v6: address.is_ipv6(),
            pool: vec![vec![0; RECV_BYTES]; BATCH_SIZE],
            unsent: VecDeque::new(),
            asked: Asked::new(address.ip()),
            arena: Vec::with_capacity(GSO_BYTES),
            stats: UdpStats::default(),
        })
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Has `token` reported once the socket becomes readable, or writable again.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(
            &mut self.socket,
            token,
            Interest::READABLE | Interest::WRITABLE,
        )
    }

    /// Receives one batch and hands out each datagram, with the wall clock at its arrival as the kernel
    /// noted it. False once nothing is left to read.
    pub fn receive(&mut self, mut each: impl FnMut(SocketAddr, &[u8], Option<Duration>)) -> bool {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut slices: Vec<IoSliceMut<'_>> = self
            .pool
            .iter_mut()
            .map(|buffer| IoSliceMut::new(buffer))
            .collect();
        let socket = UdpSockRef::from(&self.socket);
        let count = match self.state.recv(socket, &mut slices, &mut metas) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == ErrorKind::Interrupted => return true,
            Err(error) => {
                tracing::debug!(%error, "a receive failed");
                return false;
            }
        };
        for (meta, buffer) in metas.iter().take(count).zip(&self.pool) {
            let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            let bytes = buffer.get(..meta.len).unwrap_or_default();
            for datagram in bytes.chunks(meta.stride.max(1)) {
                self.stats.received += 1;
                self.asked.heard(source, meta.dst_ip, datagram);
                each(source, datagram, meta.timestamp);
            }
        }
        true
    }

    /// Queues a datagram for [`Udp::flush`].
    pub fn push(&mut self, datagram: Datagram) {
        if self.unsent.len() >= UNSENT && !self.flush() && self.unsent.len() >= UNSENT {
            self.stats.send_dropped += 1;
            return;
        }
        let from = self.asked.of_answer(&datagram.bytes);
        self.unsent.push_back(Waiting { datagram, from });
    }

    /// Sends what is queued. False if the kernel takes no more for now.
    pub fn flush(&mut self) -> bool {
        while let Some(Waiting { datagram, from }) = self.unsent.front() {
            let peer = datagram.to;
            let way = Way {
                to: self.reachable(peer),
                from: from
                    .or_else(|| self.asked.of(peer))
                    .map(|own| self.own(own)),
            };
            let segment = datagram.bytes.len();
            let run = self.run();
            self.arena.clear();
            for waiting in self.unsent.iter().take(run) {
                self.arena.extend_from_slice(&waiting.datagram.bytes);
            }
            match self.send(way, (run > 1).then_some(segment)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) if way.from.is_some() && is_gone(&error) => {
                    // Once more, from where the kernel likes.
                    self.asked.forget(peer);
                    self.unsent.iter_mut().take(run).for_each(|w| w.from = None);
                    continue;
                }
                Err(_) if run > 1 => self.send_singly(way, run),
                Ok(()) => self.stats.sent += run as u64,
                Err(error) => {
                    self.stats.send_refused += 1;
                    tracing::debug!(%error, "a datagram was refused");
                }
            }
            self.unsent.drain(..run);
        }
        true
    }

    /// How many datagrams from the front go in one call: to one address, of one size but for a
    /// shorter last one.
    fn run(&self) -> usize {
        let Some(first) = self.unsent.front() else {
            return 0;
        };
        let most = self.state.max_gso_segments().max(1);
        let (from, first) = (first.from, &first.datagram);
        let (mut count, mut bytes) = (1, first.bytes.len());
        if bytes == 0 {
            return 1;
        }
        for next in self.unsent.iter().skip(1).take(most - 1) {
            let (own, next) = (next.from, &next.datagram);
            let size = next.bytes.len();
            let fits = size > 0 && size <= first.bytes.len() && bytes + size <= GSO_BYTES;
            if next.to != first.to || own != from || !fits {
                break;
            }
            count += 1;
            bytes += size;
            if size < first.bytes.len() {
                break;
            }
        }
        count
    }

    fn send(&mut self, way: Way, segment_size: Option<usize>) -> io::Result<()> {
        self.stats.send_calls += 1;
        let contents = &self.arena;
        let transmit = Transmit {
            destination: way.to,
            ecn: None,
            contents,
            segment_size,
            src_ip: way.from,
        };
        self.state
            .try_send(UdpSockRef::from(&self.socket), &transmit)
    }

    /// A run that the kernel refused as a whole, one by one; what it refuses again is lost.
    fn send_singly(&mut self, way: Way, run: usize) {
        for index in 0..run {
            let Some(waiting) = self.unsent.get(index) else {
                break;
            };
            self.arena.clear();
            self.arena.extend_from_slice(&waiting.datagram.bytes);
            match self.send(way, None) {
                Ok(()) => self.stats.sent += 1,
                Err(_) => self.stats.send_refused += 1,
            }
        }
    }

    /// An IPv6 socket speaks of IPv4 peers in mapped form.
    fn reachable(&self, to: SocketAddr) -> SocketAddr {
        match to.ip() {
            IpAddr::V4(ip) if self.is_v6 => SocketAddr::new(ip.to_ipv6_mapped().into(), to.port()),
            IpAddr::V4(_) | IpAddr::V6(_) => to,
        }
    }

    /// The same for an address of ours.
    const fn own(&self, own: IpAddr) -> IpAddr {
        match own {
            IpAddr::V4(ip) if self.is_v6 => IpAddr::V6(ip.to_ipv6_mapped()),
            IpAddr::V4(_) | IpAddr::V6(_) => own,
        }
    }

    /// Counters.
    pub const fn stats(&self) -> UdpStats {
        self.stats
    }
}

/// Where datagrams go, and from which address of ours.
#[derive(Clone, Copy)]
struct Way {
    to: SocketAddr,
    from: Option<IpAddr>,
}

/// The address that something was to leave from is not ours any more (ip(7)).
fn is_gone(error: &io::Error) -> bool {
    let kinds = [
        ErrorKind::AddrNotAvailable,
        ErrorKind::InvalidInput,
        ErrorKind::NetworkUnreachable,
    ];
    kinds.contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket as Plain;

    #[test]
    fn a_socket_on_the_wildcard_answers_from_the_address_that_was_asked() {
        // All of 127.0.0.0/8 is this machine; of IPv6 there is one address on loopback.
        for (bind, asked) in [
            ("0.0.0.0:0", "127.0.0.2"),
            ("0.0.0.0:0", "127.0.0.1"),
            ("[::]:0", "127.0.0.3"),
            ("[::]:0", "::1"),
            ("127.0.0.4:0", "127.0.0.4"),
        ] {
            let Ok(mut udp) = Udp::bind(bind.parse().unwrap()) else {
                // A machine without IPv6 has nothing to show here.
                continue;
            };
            let asked: IpAddr = asked.parse().unwrap();
            let own = if asked.is_ipv4() {
                "127.0.0.1:0"
            } else {
                "[::1]:0"
            };
            let peer = Plain::bind(own).unwrap();
            let at = SocketAddr::new(asked, udp.local_addr().unwrap().port());
            peer.send_to(b"hello", at).unwrap();
            let got = receive_all(&mut udp, 1);
            for size in [4, 4, 4, 2] {
                udp.push(Datagram {
                    to: got[0].0,
                    bytes: vec![7; size],
                });
            }
            assert!(udp.flush());
            peer.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let mut buffer = [0; 16];
            for size in [4, 4, 4, 2] {
                let (len, from) = peer.recv_from(&mut buffer).unwrap();
                assert_eq!((len, from), (size, at), "bound to {bind}");
            }
        }
    }

    #[test]
    fn what_was_to_leave_from_an_address_that_is_gone_leaves_from_another() {
        let mut udp = Udp::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let peer = Plain::bind("127.0.0.1:0").unwrap();
        let to = peer.local_addr().unwrap();
        udp.asked
            .heard(to, Some("192.0.2.77".parse().unwrap()), b"media");
        udp.push(Datagram {
            to,
            bytes: b"all the same".to_vec(),
        });
        assert!(udp.flush());
        peer.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(peer.recv_from(&mut buffer).unwrap().0, 12);
        assert_eq!((udp.stats().sent, udp.stats().send_refused), (1, 0));
    }

    fn receive_all(udp: &mut Udp, wanted: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut poll = mio::Poll::new().unwrap();
        udp.register(poll.registry(), Token(0)).unwrap();
        let mut got = Vec::new();
        let mut events = mio::Events::with_capacity(4);
        while got.len() < wanted {
            poll.poll(&mut events, Some(Duration::from_secs(2)))
                .unwrap();
            assert!(
                !events.is_empty(),
                "nothing came after {} datagrams",
                got.len()
            );
            while udp.receive(|from, bytes, _| got.push((from, bytes.to_vec()))) {}
        }
        got
    }

    #[test]
    fn a_run_of_datagrams_arrives_whole_and_in_order() {
        let mut to = Udp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut from = Udp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = to.local_addr().unwrap();
        let sizes = [1000, 1000, 1000, 400, 1000, 1, 1200, 1200];
        for (n, size) in (0u8..).zip(sizes) {
            from.push(Datagram {
                to: address,
                bytes: vec![n; size],
            });
        }
        assert!(from.flush());
        assert_eq!(from.stats().sent, 8);
        if from.state.max_gso_segments() > 1 {
            assert_eq!(from.stats().send_calls, 3);
        }
        let got = receive_all(&mut to, 8);
        let got: Vec<_> = got
            .iter()
            .map(|(_, bytes)| (bytes[0], bytes.len()))
            .collect();
        assert_eq!(got, (0u8..).zip(sizes).collect::<Vec<_>>());
    }

    #[test]
    fn an_ipv6_socket_speaks_with_an_ipv4_peer_by_its_plain_address() {
        let Ok(mut udp) = Udp::bind("[::]:0".parse().unwrap()) else {
            // A machine without IPv6 has nothing to show here.
            return;
        };
        let peer = Plain::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        peer.send_to(b"hello", ("127.0.0.1", port)).unwrap();
        let got = receive_all(&mut udp, 1);
        assert_eq!(got[0].0, peer.local_addr().unwrap());
        udp.push(Datagram {
            to: got[0].0,
            bytes: b"back".to_vec(),
        });
        assert!(udp.flush());
        peer.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut buffer = [0; 16];
        let (len, _) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"back");
    }
}
