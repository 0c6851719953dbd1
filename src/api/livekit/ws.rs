//! One WebSocket: between a client and its worker's queue, until either is done.

use super::join::Entrance;
use crate::api::events::{ApiEvent, Seat};
use crate::api::limits::Bucket;
use crate::api::ports::sink::{Queued, Sink, size};
use crate::api::ports::worker::{ToWorker, WorkerDoor};
use crate::base::ConnectionId;
use crate::node::JoinRequest;
use crate::peer::signal::Frame;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

/// WebSocket ping (livekit-server 1.13.5).
const PING: Duration = Duration::from_secs(10);
/// Any sign of life, a pong included, must come within this: four pings.
const SILENCE: Duration = Duration::from_secs(45);
/// How long one write may take before the client counts as not reading.
const WRITE: Duration = Duration::from_secs(5);
/// How long the farewell of both sides may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Takes a seat and a place for the room, then upgrades.
pub(in crate::api) fn open(
    entrance: Arc<Entrance>,
    upgrade: WebSocketUpgrade,
    mut join: Box<JoinRequest>,
) -> Response {
    let rules = entrance.gate.rules();
    let Some(seat) = Seat::take(&entrance.counters, rules.limits.connections) else {
        let refusal = entrance.unavailable("too many connections: try again later");
        return refusal.into_response();
    };
    let now = entrance.gate.now();
    if let Err(refusal) = entrance.come(&join, now) {
        return refusal.into_response();
    }
    let worker = match entrance.admission.place(&join, now) {
        Ok(place) => {
            // What is booked is a session of its own.
            join.continues = join.continues.filter(|_| place.booking.is_none());
            join.booking = place.booking;
            entrance.workers.doors.get(place.worker).cloned()
        }
        Err(refusal) => return entrance.refused(refusal).into_response(),
    };
    let Some(worker) = worker else {
        let refusal = entrance.unavailable("no worker: try again later");
        return refusal.into_response();
    };
    entrance.counters.note(ApiEvent::Joined);
    let conn = entrance.workers.next_connection();
    let most = rules.limits.message_bytes;
    let visit = Visit {
        entrance,
        worker,
        conn,
        join: Some(join),
        _seat: seat,
    };
    upgrade
        .max_message_size(most)
        .max_frame_size(most)
        .on_upgrade(move |socket| visit.attend(socket))
}

/// A join on its way to its worker.
struct Visit {
    entrance: Arc<Entrance>,
    worker: WorkerDoor,
    conn: ConnectionId,
    /// Taken once the worker has been told.
    join: Option<Box<JoinRequest>>,
    _seat: Seat,
}

/// The upgrade failed: the worker comes and goes with the join, so that its room is given back.
impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(join) = self.join.take() {
            let (sink, _) = self.sink();
            let conn = self.conn;
            if self.worker.offer(ToWorker::Join { conn, join, sink }) {
                self.worker.offer(ToWorker::SocketClosed { conn });
            }
        }
    }
}

impl Visit {
    fn sink(&self) -> (Sink, Queued) {
        let most_bytes = self.entrance.gate.rules().limits.queue_bytes;
        Sink::new(most_bytes, self.entrance.counters.clone())
    }

    async fn attend(mut self, socket: WebSocket) {
        let Some(join) = self.join.take() else { return };
        let (sink, queue) = self.sink();
        let conn = self.conn;
        if !self.worker.send(ToWorker::Join { conn, join, sink }).await {
            return;
        }
        let gate = &self.entrance.gate;
        let mut line = Line {
            socket,
            queue,
            bucket: Bucket::full(gate.rules().limits.messages, gate.now().mono),
            ping: pings(),
            heard: Instant::now(),
        };
        let ending = line.run(&self).await;
        line.close(ending).await;
        self.worker.send(ToWorker::SocketClosed { conn }).await;
    }
}

fn pings() -> Interval {
    let mut ping = interval_at(Instant::now() + PING, PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping
}

/// Why a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The worker has nothing more to say.
    Done,
    /// The client left, or broke the rules of WebSocket.
    Gone,
    /// Too many messages.
    Flood,
    /// The node is stopping.
    Stopped,
}

struct Line {
    socket: WebSocket,
    queue: Queued,
    bucket: Bucket,
    ping: Interval,
    heard: Instant,
}

impl Line {
    async fn run(&mut self, visit: &Visit) -> Ending {
        loop {
            let ending = tokio::select! {
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.on_message(message, visit).await,
                    Some(Err(error)) => {
                        tracing::debug!(conn = visit.conn.0, %error, "a socket broke");
                        Some(Ending::Gone)
                    }
                    None => Some(Ending::Gone),
                },
                frame = self.queue.next() => match frame {
                    Some(frame) => self.on_frame(frame).await,
                    None => Some(Ending::Done),
                },
                now = self.ping.tick() => {
                    if now.duration_since(self.heard) > SILENCE {
                        visit.entrance.counters.note(ApiEvent::Silent);
                        Some(Ending::Gone)
                    } else {
                        self.write(Message::Ping(bytes::Bytes::new())).await
                    }
                }
            };
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    async fn on_message(&mut self, message: Message, visit: &Visit) -> Option<Ending> {
        self.heard = Instant::now();
        let frame = match message {
            Message::Binary(bytes) => Frame::Binary(bytes),
            Message::Text(text) => Frame::Text(text.as_str().to_owned()),
            Message::Close(_) => return Some(Ending::Gone),
            // A ping is answered by the library.
            Message::Ping(_) | Message::Pong(_) => return self.spend(visit),
        };
        if let Some(ending) = self.spend(visit) {
            return Some(ending);
        }
        let sent = visit
            .worker
            .send(ToWorker::Frame {
                conn: visit.conn,
                frame,
            })
            .await;
        (!sent).then_some(Ending::Stopped)
    }

    fn spend(&mut self, visit: &Visit) -> Option<Ending> {
        let gate = &visit.entrance.gate;
        if self
            .bucket
            .take(gate.rules().limits.messages, gate.now().mono)
        {
            return None;
        }
        visit.entrance.counters.note(ApiEvent::Flood);
        Some(Ending::Flood)
    }

    async fn on_frame(&mut self, frame: Frame) -> Option<Ending> {
        let size = size(&frame);
        let ending = self.write(match frame {
            Frame::Binary(bytes) => Message::Binary(bytes),
            Frame::Text(text) => Message::Text(text.into()),
        });
        let ending = ending.await;
        self.queue.written(size);
        ending
    }

    async fn write(&mut self, message: Message) -> Option<Ending> {
        match timeout(WRITE, self.socket.send(message)).await {
            Ok(Ok(())) => None,
            Ok(Err(_)) | Err(_) => Some(Ending::Gone),
        }
    }

    /// Says goodbye, and waits a moment for the client's: a socket closed at once may take the last
    /// messages with it (RFC 6455 §7.1.1).
    async fn close(mut self, ending: Ending) {
        let (code, reason) = match ending {
            Ending::Done => (close_code::NORMAL, ""),
            Ending::Gone => return,
            Ending::Flood => (close_code::POLICY, "too many messages"),
            Ending::Stopped => (close_code::AWAY, "the node is shutting down"),
        };
        let farewell = CloseFrame {
            code,
            reason: reason.into(),
        };
        let parting = timeout(FAREWELL, async {
            self.socket.send(Message::Close(Some(farewell))).await?;
            while let Some(Ok(_)) = self.socket.recv().await {}
            Ok::<(), axum::Error>(())
        });
        drop(parting.await);
    }
}
