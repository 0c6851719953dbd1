//! One endpoint: who waits for a place at it, whether it asked for a rest, and whether it is gone.

use super::words::{OutboxConfig, Outcome};
use crate::base::{Millis, Mono, SessionId};
use std::collections::{BTreeSet, VecDeque};

/// Whether anything is posted to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Yes.
    #[default]
    Active,
    /// It is gone (410): nothing, until it is named anew.
    Disabled,
    /// The config does not name it any more. Kept until its last attempt has ended.
    Removed,
}

/// Whether it rests. `Retry-After` is for the endpoint (RFC 9110, 10.2.3), not for the request that
/// happened to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Rest {
    #[default]
    No,
    /// Nothing begins before.
    Until(Mono),
    /// The rest is over: the next lane probes.
    ProbeDue,
    /// The lane of this session probes, and all others wait for what comes of it.
    Probing(SessionId),
}

/// 410s without a success between.
#[derive(Clone, Copy, Debug)]
struct Gone {
    first: Mono,
    count: u32,
}

#[derive(Debug, Default)]
pub(super) struct Endpoint {
    pub queue: VecDeque<SessionId>,
    pub busy: usize,
    pub standing: Standing,
    /// Answers of 2xx so far.
    pub successes: u64,
    /// Lanes that wait after a failure that need not be their event's fault: a success wakes them.
    pub hopeful: BTreeSet<SessionId>,
    rest: Rest,
    failed_probes: u32,
    gone: Option<Gone>,
}

/// What an answer says of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It is well: wake whoever waits for it.
    Well,
    /// It rests until then.
    Rests(Mono),
    /// It is gone.
    Gone,
    /// Nothing new.
    Nothing,
}

impl Endpoint {
    pub fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }

    pub fn rests(&self) -> bool {
        match self.rest {
            Rest::Until(_) | Rest::Probing(_) => true,
            Rest::No | Rest::ProbeDue => false,
        }
    }

    /// Whether a queued lane may begin.
    pub fn has_place(&self, limit: usize) -> bool {
        let awake = match self.rest {
            Rest::No | Rest::ProbeDue => true,
            Rest::Until(_) | Rest::Probing(_) => false,
        };
        awake && self.is_active() && self.busy < limit && !self.queue.is_empty()
    }

    /// The next lane that begins.
    pub fn begin(&mut self) -> Option<SessionId> {
        let session = self.queue.pop_front()?;
        self.busy += 1;
        if self.rest == Rest::ProbeDue {
            self.rest = Rest::Probing(session.clone());
        }
        Some(session)
    }

    /// A lane that began had nothing to post: another one probes.
    pub fn on_unused(&mut self, session: &SessionId) {
        if self.is_probe(session) {
            self.rest = Rest::ProbeDue;
        }
    }

    /// The moment has come until which it rests.
    pub fn on_rested(&mut self, now: Mono) {
        if matches!(self.rest, Rest::Until(until) if until <= now) {
            self.rest = Rest::ProbeDue;
        }
    }

    /// Whether it said that it is gone, without a success since.
    pub fn is_doubted(&self) -> bool {
        self.gone.is_some()
    }

    /// Forgets all that was held against it.
    pub fn revive(&mut self) {
        (self.rest, self.failed_probes, self.gone) = (Rest::No, 0, None);
    }

    fn is_probe(&self, session: &SessionId) -> bool {
        matches!(&self.rest, Rest::Probing(probe) if probe == session)
    }

    /// How an attempt of this session's lane ended.
    pub fn on_answer(
        &mut self,
        session: &SessionId,
        outcome: Outcome,
        now: Mono,
        config: &OutboxConfig,
    ) -> Finding {
        match outcome {
            Outcome::Status {
                code: 200..=299, ..
            } => self.on_success(),
            Outcome::Status { code: 410, .. } => self.on_gone(session, now, config),
            Outcome::Status { .. } | Outcome::TimedOut | Outcome::Network | Outcome::Refused => {
                self.on_failure(session, outcome, now, config)
            }
        }
    }

    /// An attempt that was under way when it asked for its rest does not end that.
    fn on_success(&mut self) -> Finding {
        self.successes += 1;
        self.gone = None;
        if matches!(self.rest, Rest::Until(_)) {
            return Finding::Nothing;
        }
        self.revive();
        Finding::Well
    }

    /// It may be a mistake of a moment: it rests as after any failure, and one attempt probes it. The last
    /// 410 that it takes is to come as soon as it decides.
    fn on_gone(&mut self, session: &SessionId, now: Mono, config: &OutboxConfig) -> Finding {
        if self.is_probe(session) {
            self.failed_probes = self.failed_probes.saturating_add(1);
        }
        let mut gone = self.gone.unwrap_or(Gone {
            first: now,
            count: 0,
        });
        gone.count = gone.count.saturating_add(1);
        self.gone = Some(gone);
        if gone.count >= config.gone_answers && now.since(gone.first) >= config.gone_after {
            return Finding::Gone;
        }
        let rest = config.wait_after(self.failed_probes.saturating_add(1));
        let decides = (gone.first + config.gone_after).since(now);
        let rest = match decides {
            Millis::ZERO => rest,
            left => rest.min(left),
        };
        self.rest_until(now + rest)
    }

    fn on_failure(
        &mut self,
        session: &SessionId,
        outcome: Outcome,
        now: Mono,
        config: &OutboxConfig,
    ) -> Finding {
        let probes = self.is_probe(session);
        if let Some(asked) = asked(outcome) {
            return self.rest_until(now + asked.min(config.longest_retry));
        }
        if probes && is_of_the_endpoint(outcome) {
            self.failed_probes = self.failed_probes.saturating_add(1);
            return self.rest_until(now + config.wait_after(self.failed_probes));
        }
        if probes {
            // It refuses this event and does not ask for a rest: the others have their turn.
            (self.rest, self.failed_probes) = (Rest::No, 0);
        }
        Finding::Nothing
    }

    /// Of two rests the longer one holds.
    fn rest_until(&mut self, until: Mono) -> Finding {
        let until = match self.rest {
            Rest::Until(before) => until.max(before),
            Rest::No | Rest::ProbeDue | Rest::Probing(_) => until,
        };
        self.rest = Rest::Until(until);
        Finding::Rests(until)
    }
}

/// The rest that an answer asks for.
pub(super) fn asked(outcome: Outcome) -> Option<Millis> {
    match outcome {
        Outcome::Status { retry_after, .. } => retry_after.filter(|asked| *asked > Millis::ZERO),
        Outcome::TimedOut | Outcome::Network | Outcome::Refused => None,
    }
}

/// Whether a failure speaks of the endpoint's own trouble rather than of what was posted to it.
fn is_of_the_endpoint(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Status { code, .. } => matches!(code, 408 | 429 | 500..),
        Outcome::TimedOut | Outcome::Network | Outcome::Refused => true,
    }
}
