//! The preflights of one worker, and the way of their datagrams.

use super::attempt::{Attempt, Outcome, PreflightRequest};
use super::timing::SENDING;
use crate::base::Mono;
use crate::node::context::Context;
use crate::node::demux::{Demux, Route};
use crate::node::io::Output;
use crate::node::member::Side;
use slab::Slab;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Most at once on one worker, whatever the configuration allows: each has a stream each way.
const MAX_ATTEMPTS: usize = 256;

/// A preflight has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreflightAnswer {
    /// Our answer to the client's offer.
    pub sdp: String,
    /// How long both sides will send.
    pub duration_ms: u64,
}

/// Why none begins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreflightRefusal {
    /// The offer is of no use.
    #[error("{0}")]
    Offer(String),
    /// There are too many on this worker.
    #[error("this node measures as many connections as it can: try again in a few seconds")]
    Full,
}

/// The preflights of a worker.
#[derive(Default)]
pub(in crate::node) struct Preflights {
    attempts: Slab<Attempt>,
    demux: Demux,
}

impl Preflights {
    /// Begins one.
    ///
    /// # Errors
    /// The offer is of no use, or there are too many.
    pub(in crate::node) fn open(
        &mut self,
        request: PreflightRequest,
        context: &mut Context<'_>,
    ) -> Result<PreflightAnswer, PreflightRefusal> {
        if self.attempts.len() >= MAX_ATTEMPTS {
            return Err(PreflightRefusal::Full);
        }
        let (config, now) = (context.config, context.now.mono);
        let begin = AssertUnwindSafe(move || {
            let mut probe = config.factory.probe(&config.advertised, now);
            let answer = probe.handle_offer(&request.sdp, request.targets.up_bps())?;
            Ok((Attempt::new(request, probe, now), answer))
        });
        let begun = catch_unwind(begin).unwrap_or_else(|_| {
            context.stats.panics += 1;
            let what = "the session description was refused".to_owned();
            Err(crate::peer::transport::TransportError::Sdp(what))
        });
        let (attempt, sdp) = begun.map_err(|error| PreflightRefusal::Offer(error.to_string()))?;
        let ufrag = attempt.ufrag.clone();
        let key = self.attempts.insert(attempt);
        // There is one connection of each, and no room.
        let route = Route {
            room: 0,
            member: key,
            side: Side::Publisher,
        };
        self.demux.add(ufrag, route);
        let duration_ms = SENDING.0;
        Ok(PreflightAnswer { sdp, duration_ms })
    }

    /// False if the datagram is for none of them.
    pub(in crate::node) fn handle_datagram(
        &mut self,
        source: SocketAddr,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) -> bool {
        let Some(route) = self.demux.route(source, bytes) else {
            return false;
        };
        let local = context.config.advertised.first().copied();
        let local = local.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let now = context.now;
        let heard = self.step(route.member, context, |attempt| {
            attempt.handle_datagram((source, local), bytes, now)
        });
        match heard.flatten() {
            None => context.stats.unauthenticated += 1,
            Some(validated) => {
                if let Some(attempt) = self.attempts.get(route.member).filter(|_| validated) {
                    self.demux.validated(&attempt.ufrag, source);
                }
            }
        }
        true
    }

    /// Call after each batch of input, and when `poll_timeout` is due.
    pub(in crate::node) fn handle_timeout(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let due = |attempt: &Attempt| attempt.poll_timeout().is_some_and(|at| at <= now.mono);
        let keys = self.attempts.iter().filter(|(_, attempt)| due(attempt));
        for key in keys.map(|(key, _)| key).collect::<Vec<_>>() {
            self.step(key, context, |attempt| attempt.handle_timeout(now));
        }
    }

    /// When `handle_timeout` is due.
    pub(in crate::node) fn poll_timeout(&self) -> Option<Mono> {
        self.attempts
            .iter()
            .filter_map(|(_, attempt)| attempt.poll_timeout())
            .min()
    }

    /// One step of one of them, and all that follows from it. A panic ends it and no other.
    fn step<T>(
        &mut self,
        key: usize,
        context: &mut Context<'_>,
        act: impl FnOnce(&mut Attempt) -> T,
    ) -> Option<T> {
        let attempt = self.attempts.get_mut(key)?;
        let now = context.now;
        let step = AssertUnwindSafe(|| {
            let done = act(attempt);
            let mut datagrams = Vec::new();
            while let Some(datagram) = attempt.poll_datagram(now) {
                datagrams.push(datagram);
            }
            (done, datagrams, attempt.take_outcome())
        });
        let Ok((done, datagrams, outcome)) = catch_unwind(step) else {
            context.stats.panics += 1;
            self.remove(key);
            return None;
        };
        for (to, bytes) in datagrams {
            context.stats.out_packets += 1;
            context.stats.out_bytes += u64::try_from(bytes.len()).unwrap_or(0);
            context.outputs.push_back(Output::Datagram { to, bytes });
        }
        if let Some(outcome) = outcome {
            let request = &self.attempts[key].request;
            context.outputs.push_back(preflighted(request, outcome));
        }
        if self.attempts[key].is_over(now.mono) {
            self.remove(key);
        }
        Some(done)
    }

    fn remove(&mut self, key: usize) {
        let attempt = self.attempts.remove(key);
        self.demux.remove(&attempt.ufrag);
    }
}

fn preflighted(request: &PreflightRequest, outcome: Outcome) -> Output {
    Output::Preflighted {
        id: request.id.clone(),
        outcome,
    }
}
