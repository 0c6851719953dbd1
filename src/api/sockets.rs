//! Which sockets are let in: so many in all and of one address, of whatever they are going to speak. And how
//! long one may rest.

use super::events::{ApiEvent, Counters, Crowded};
use super::gate::Gate;
use super::limits::network;
use super::locks::lock;
use axum_server::accept::Accept;
use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, interval_at};

/// A socket over which no byte goes either way for so long is closed: each costs a descriptor. WebSockets are
/// pinged more often, and every request is answered sooner.
pub(super) const REST: Duration = Duration::from_secs(15);

/// The sockets of clients and apps.
pub struct Sockets {
    gate: Arc<Gate>,
    counters: Arc<Counters>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    of: BTreeMap<IpAddr, usize>,
}

impl Open {
    /// One more of this address, if both limits allow it; a proxy speaks for many.
    fn take(&mut self, address: IpAddr, most: usize, most_of_one: usize) -> Result<(), Crowded> {
        if self.all >= most {
            return Err(Crowded::Node);
        }
        let of = self.of.entry(address).or_default();
        if *of >= most_of_one {
            return Err(Crowded::Address);
        }
        *of += 1;
        self.all += 1;
        Ok(())
    }

    fn give_back(&mut self, address: IpAddr) {
        self.all = self.all.saturating_sub(1);
        if let Some(of) = self.of.get_mut(&address) {
            *of = of.saturating_sub(1);
            if *of == 0 {
                self.of.remove(&address);
            }
        }
    }
}

impl Sockets {
    pub(super) fn new(gate: Arc<Gate>, counters: Arc<Counters>) -> Sockets {
        Sockets {
            gate,
            counters,
            open: Mutex::default(),
        }
    }

    fn take(self: &Arc<Sockets>, peer: IpAddr) -> Option<Place> {
        let rules = self.gate.rules();
        let peer = peer.to_canonical();
        let limits = &rules.limits;
        let of_one = if (rules.is_trusted)(peer) {
            usize::MAX
        } else {
            limits.connections_per_address
        };
        let address = network(peer);
        let taken = lock(&self.open).take(address, limits.connections, of_one);
        let Err(crowded) = taken else {
            let sockets = self.clone();
            return Some(Place { sockets, address });
        };
        self.counters.note(ApiEvent::SocketRefused(crowded));
        if let Some(unlogged) = self.gate.may_log(self.gate.now()) {
            let why = match crowded {
                Crowded::Node => {
                    "as many sockets are open as limits.max_connections, or the limit of open files, allows"
                }
                Crowded::Address => {
                    "as many sockets of one address are open as limits.connections_per_address allows"
                }
            };
            tracing::warn!(why, unlogged, "a socket was refused");
        }
        None
    }
}

/// A place among the open sockets; given back when dropped.
struct Place {
    sockets: Arc<Sockets>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.sockets.open).give_back(self.address);
    }
}

/// Lets sockets in.
#[derive(Clone)]
pub(super) struct Gatekeeper(pub Option<Arc<Sockets>>);

impl<S> Accept<TcpStream, S> for Gatekeeper {
    type Stream = Held<TcpStream>;
    type Service = S;
    type Future = Ready<io::Result<(Held<TcpStream>, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = match &self.0 {
            None => Ok(None),
            Some(sockets) => stream.peer_addr().and_then(|peer| {
                let place = sockets.take(peer.ip());
                place
                    .map(Some)
                    .ok_or_else(|| io::Error::other("too many sockets"))
            }),
        };
        ready(place.map(|place| (Held::new(stream, place), service)))
    }
}

/// A socket with its place, closed when it rests for too long.
pub(super) struct Held<I> {
    inner: I,
    rest: Interval,
    /// The other side does not read: whoever looks at a recording may pause.
    is_full: bool,
    _place: Option<Place>,
}

impl<I> Held<I> {
    fn new(inner: I, place: Option<Place>) -> Held<I> {
        Held {
            inner,
            rest: interval_at(Instant::now() + REST, REST),
            is_full: false,
            _place: place,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Held<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        match polled {
            Poll::Ready(done) => {
                if buf.filled().len() > before {
                    self.rest.reset();
                }
                Poll::Ready(done)
            }
            Poll::Pending => {
                let rested = self.rest.poll_tick(cx).is_ready();
                if rested && !self.is_full {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                if rested {
                    // It is looked at again when the next rest is over.
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }
}

impl<I: AsyncWrite + Unpin> Held<I> {
    fn wrote(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.is_full = polled.is_pending();
        if matches!(polled, Poll::Ready(Ok(bytes)) if bytes > 0) {
            self.rest.reset();
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Held<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn one_address_takes_its_share_and_all_of_them_no_more_than_there_is() {
        let mut open = Open::default();
        assert_eq!([0; 3].map(|_| open.take(A, 5, 3)), [Ok(()); 3]);
        assert_eq!(open.take(A, 5, 3), Err(Crowded::Address));
        assert_eq!([0; 2].map(|_| open.take(B, 5, 3)), [Ok(()); 2]);
        assert_eq!(open.take(B, 5, 3), Err(Crowded::Node));
        open.give_back(A);
        assert_eq!(open.take(B, 5, 3), Ok(()));
        for address in [A, A, B, B, B] {
            open.give_back(address);
        }
        assert!(open.all == 0 && open.of.is_empty(), "{open:?}");
        open.give_back(A);
        assert_eq!(open.all, 0);
    }
}
