//! The peer connections of a member: one for each direction, or one for both.

use super::heard::Heard;
use crate::base::{Millis, Mono, Now};
use crate::peer::transport::Transport;

/// A connection was closed, but the socket is open: time for the goodbye that comes on it.
const GOODBYE_WITHIN: Millis = Millis::from_secs(1);

/// Which direction of a client's media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::node) enum Side {
    Publisher,
    Subscriber,
}

impl Side {
    pub(in crate::node) const BOTH: [Side; 2] = [Side::Publisher, Side::Subscriber];
}

/// One peer connection, and the name under which STUN asks for it.
struct Connection {
    transport: Transport,
    ufrag: String,
    /// Something was written to it since it was last driven.
    touched: bool,
}

/// The peer connections of a member.
pub(in crate::node) struct Connections {
    publisher: Connection,
    /// None where one connection carries both directions.
    subscriber: Option<Connection>,
    /// When one of them was closed.
    closed: Option<Mono>,
    /// The newest authenticated packet of either, as far as it is known to `heard`.
    newest: Option<Mono>,
    heard: Heard,
}

impl Connection {
    fn new(mut transport: Transport) -> Connection {
        Connection {
            ufrag: transport.ufrag(),
            transport,
            touched: false,
        }
    }

    fn is_due(&self, now: Mono) -> bool {
        self.touched || self.transport.poll_timeout().is_some_and(|at| at <= now)
    }
}

impl Connections {
    /// Without a `subscriber` the publisher's connection carries both directions.
    pub(in crate::node) fn new(publisher: Transport, subscriber: Option<Transport>) -> Connections {
        Connections {
            publisher: Connection::new(publisher),
            subscriber: subscriber.map(Connection::new),
            closed: None,
            newest: None,
            heard: Heard::default(),
        }
    }

    fn connection(&mut self, side: Side) -> &mut Connection {
        match (side, &mut self.subscriber) {
            (Side::Subscriber, Some(subscriber)) => subscriber,
            (Side::Publisher | Side::Subscriber, _) => &mut self.publisher,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Connection> {
        std::iter::once(&self.publisher).chain(&self.subscriber)
    }

    /// The sides that have a connection of their own.
    pub(in crate::node) const fn sides(&self) -> &'static [Side] {
        match self.subscriber {
            Some(_) => &Side::BOTH,
            None => &[Side::Publisher],
        }
    }

    pub(in crate::node) fn transport(&mut self, side: Side) -> &mut Transport {
        &mut self.connection(side).transport
    }

    /// The transport of a side, to write to: it is driven at the end of the round.
    pub(in crate::node) fn write(&mut self, side: Side) -> &mut Transport {
        let connection = self.connection(side);
        connection.touched = true;
        &mut connection.transport
    }

    /// The names under which STUN asks for them, as they are now.
    pub(in crate::node) fn ufrags(&self) -> impl Iterator<Item = (Side, &str)> {
        Side::BOTH
            .into_iter()
            .zip(self.all().map(|connection| connection.ufrag.as_str()))
    }

    pub(in crate::node) fn ufrag(&mut self, side: Side) -> &str {
        &self.connection(side).ufrag
    }

    /// Drives a side if it was written to or its time has come; true if it was.
    pub(in crate::node) fn drive(&mut self, side: Side, now: Now) -> bool {
        let connection = self.connection(side);
        let due = connection.is_due(now.mono);
        if due {
            connection.touched = false;
            connection.transport.handle_timeout(now);
        }
        due
    }

    /// The client closed one of them, or it broke.
    pub(in crate::node) fn handle_closed(&mut self, now: Mono) {
        self.closed.get_or_insert(now);
    }

    pub(in crate::node) const fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// One was closed, and the goodbye that might have come on the socket did not.
    pub(in crate::node) fn is_lost(&self, now: Mono) -> bool {
        self.closed
            .is_some_and(|at| now.since(at) >= GOODBYE_WITHIN)
    }

    /// When the newest authenticated packet came.
    pub(in crate::node) fn last_authenticated(&self) -> Option<Mono> {
        self.all()
            .filter_map(|connection| connection.transport.last_authenticated())
            .max()
    }

    /// A datagram was handled.
    pub(in crate::node) fn handle_received(&mut self) {
        let last = self.last_authenticated();
        if let Some(at) = last.filter(|_| last > self.newest) {
            self.newest = last;
            self.heard.handle_packet(at);
        }
    }

    /// Whether the participant is there, so that media goes to them.
    pub(in crate::node) fn is_there(&self, now: Mono) -> bool {
        self.heard.is_there(now)
    }

    pub(in crate::node) fn stats(
        &self,
    ) -> impl Iterator<Item = crate::peer::transport::Stats> + use<'_> {
        self.all().map(|connection| connection.transport.stats())
    }

    /// When the first of them is to be driven.
    pub(in crate::node) fn poll_timeout(&self) -> Option<Mono> {
        self.all()
            .filter_map(|connection| connection.transport.poll_timeout())
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::transport::{Factory, Purpose};
    use std::net::SocketAddr;
    use std::time::Instant;

    fn transports() -> [Transport; 2] {
        #[expect(clippy::disallowed_methods, reason = "an anchor; no time passes")]
        let factory = Factory::new(Instant::now()).unwrap();
        let at = [SocketAddr::from(([192, 0, 2, 1], 7882))];
        [Purpose::Receive, Purpose::Send(None)]
            .map(|purpose| factory.connection(purpose, &at, Mono::ZERO))
    }

    #[test]
    fn two_connections_have_two_names_and_one_serves_both_sides() {
        let [publisher, subscriber] = transports();
        let mut two = Connections::new(publisher, Some(subscriber));
        let names: Vec<_> = two.ufrags().map(|(_, name)| name.to_owned()).collect();
        assert_eq!(names.len(), 2);
        assert_ne!(names[0], names[1]);
        assert_eq!(two.ufrag(Side::Subscriber), names[1]);
        let [publisher, _] = transports();
        let mut one = Connections::new(publisher, None);
        assert_eq!(one.sides(), [Side::Publisher]);
        let name = one.ufrag(Side::Publisher).to_owned();
        assert_eq!(one.ufrag(Side::Subscriber), name);
        assert_eq!(one.ufrags().count(), 1);
    }

    #[test]
    fn what_was_written_to_is_driven_once() {
        let [publisher, subscriber] = transports();
        let mut connections = Connections::new(publisher, Some(subscriber));
        let now = Now {
            mono: Mono::ZERO,
            unix: crate::base::Unix(1),
        };
        while connections.drive(Side::Subscriber, now) {}
        connections.write(Side::Subscriber);
        assert!(connections.drive(Side::Subscriber, now));
        assert!(!connections.drive(Side::Subscriber, now));
    }

    #[test]
    fn a_closed_connection_waits_a_second_for_the_goodbye() {
        let [publisher, _] = transports();
        let mut connections = Connections::new(publisher, None);
        connections.handle_closed(Mono::from_millis(10));
        connections.handle_closed(Mono::from_millis(500));
        assert!(connections.is_closed());
        assert!(!connections.is_lost(Mono::from_millis(1_009)));
        assert!(connections.is_lost(Mono::from_millis(1_010)));
    }
}
