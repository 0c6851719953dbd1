//! A worker's way to a socket.

use crate::api::events::{ApiEvent, Counters};
use crate::peer::signal::Frame;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Messages that wait for a slow client: a join of a room of 8 makes some 40 at once. A full one
/// closes the socket (`ApiEvent::SlowReader`).
const SINK_FRAMES: usize = 256;

/// A worker's way to a socket: bounded in messages and bytes.
#[derive(Clone, Debug)]
pub struct Sink {
    frames: Sender<Frame>,
    bytes: Arc<AtomicUsize>,
    most_bytes: usize,
    counters: Arc<Counters>,
}

/// The socket's end of a [`Sink`].
pub(in crate::api) struct Queued {
    frames: Receiver<Frame>,
    bytes: Arc<AtomicUsize>,
}

impl Sink {
    /// Both ends of a queue that holds at most `most_bytes`.
    pub(in crate::api) fn new(most_bytes: usize, counters: Arc<Counters>) -> (Sink, Queued) {
        let (sender, frames) = channel(SINK_FRAMES);
        let bytes = Arc::<AtomicUsize>::default();
        let sink = Sink {
            frames: sender,
            bytes: bytes.clone(),
            most_bytes,
            counters,
        };
        (sink, Queued { frames, bytes })
    }

    /// Queues a message; false if the client does not read or is gone: drop the sink then.
    pub fn push(&self, frame: Frame) -> bool {
        let size = size(&frame);
        let queued = self.bytes.fetch_add(size, Relaxed) + size;
        let pushed =
            (queued <= self.most_bytes || queued == size) && self.frames.try_send(frame).is_ok();
        if !pushed && !self.frames.is_closed() {
            self.counters.note(ApiEvent::SlowReader);
        }
        pushed
    }
}

impl Queued {
    /// The next message; none once the worker has dropped its end.
    pub async fn next(&mut self) -> Option<Frame> {
        self.frames.recv().await
    }

    /// A message of so many bytes is written.
    pub fn written(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}

/// What a message counts, in bytes.
pub(in crate::api) fn size(frame: &Frame) -> usize {
    match frame {
        Frame::Binary(bytes) => bytes.len(),
        Frame::Text(text) => text.len(),
    }
}
