//! The preflights of a node: which run, how they ended, and the verdicts that admission asks for.

use crate::api::limits::{self, PreflightLimits};
use crate::base::{Identity, Millis, Mono, PreflightId, Rng, RoomKey, Unix, Verdict};
use crate::node::preflight::Outcome;
use crate::peer::signal::token::Join;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A preflight that told no outcome after this never will: its worker lost it.
const RUNS_FOR: Millis = Millis::from_secs(20);
/// Its outcome can be asked for so long.
const KEPT_FOR: Millis = Millis::from_secs(600);
/// Preflights that are remembered; the oldest is forgotten.
const MAX_KEPT: usize = 4_096;
/// Verdicts that are remembered; the oldest is forgotten, and its participant measures again.
const MAX_VERDICTS: usize = 16_384;

/// One preflight, running or over.
#[derive(Debug)]
struct Run {
    address: IpAddr,
    whose: (RoomKey, Identity),
    since: Mono,
    outcome: Option<Outcome>,
}

/// The preflights of the node, and the verdicts of those who passed or failed.
#[derive(Debug)]
pub struct Preflights {
    rng: Rng,
    limits: PreflightLimits,
    runs: BTreeMap<PreflightId, Run>,
    verdicts: BTreeMap<(RoomKey, Identity), Verdict>,
}

/// There are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum TooMany {
    /// On this node.
    Here,
    /// From one address.
    FromAddress,
}

impl Preflights {
    /// None yet; `seed` decides their ids.
    pub const fn new(limits: PreflightLimits, seed: u64) -> Preflights {
        Preflights {
            rng: Rng::from_seed(seed),
            limits,
            runs: BTreeMap::new(),
            verdicts: BTreeMap::new(),
        }
    }

    /// From now on so many; those that run, run on.
    pub const fn set_limits(&mut self, limits: PreflightLimits) {
        self.limits = limits;
    }

    pub(in crate::api) fn open(
        &mut self,
        address: IpAddr,
        whose: (RoomKey, Identity),
        now: Mono,
    ) -> Result<PreflightId, TooMany> {
        self.forget(now);
        let address = limits::network(address);
        let running = |run: &&Run| run.outcome.is_none() && now.since(run.since) < RUNS_FOR;
        let (mut here, mut from_address) = (0, 0);
        for run in self.runs.values().filter(running) {
            here += 1;
            from_address += usize::from(run.address == address);
        }
        if from_address >= self.limits.per_address {
            return Err(TooMany::FromAddress);
        }
        if here >= self.limits.at_once {
            return Err(TooMany::Here);
        }
        let id = PreflightId::random(&mut self.rng);
        let run = Run {
            address,
            whose,
            since: now,
            outcome: None,
        };
        self.runs.insert(id.clone(), run);
        Ok(id)
    }

    pub(in crate::api) fn close(&mut self, id: &PreflightId) {
        self.runs.remove(id);
    }

    pub(in crate::api) fn handle_outcome(&mut self, id: &PreflightId, outcome: Outcome) {
        let Some(run) = self.runs.get_mut(id) else {
            return;
        };
        run.outcome = Some(outcome);
        let Outcome::Done(verdict) = outcome else {
            return;
        };
        let whose = run.whose.clone();
        if !self.verdicts.contains_key(&whose) && self.verdicts.len() >= MAX_VERDICTS {
            let oldest = self.verdicts.iter().min_by_key(|(_, v)| v.at_unix_ms);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.verdicts.remove(&oldest);
            }
        }
        self.verdicts.insert(whose, verdict);
    }

    pub(in crate::api) fn verdict(
        &self,
        room: &RoomKey,
        identity: &Identity,
        now: Unix,
    ) -> Option<Verdict> {
        let found = self.verdicts.get(&(room.clone(), identity.clone()))?;
        found.is_fresh(now).then_some(*found)
    }

    /// How one of this participant's ended; the inner `None`: it runs.
    pub(in crate::api) fn outcome(
        &self,
        id: &PreflightId,
        join: &Join,
        now: Mono,
    ) -> Option<Option<Outcome>> {
        let run = self.runs.get(id)?;
        let (room, identity) = &run.whose;
        let own = *room == join.room && *identity == join.identity;
        let kept = now.since(run.since) < KEPT_FOR;
        let lost = run.outcome.is_none() && now.since(run.since) >= RUNS_FOR;
        (own && kept && !lost).then_some(run.outcome)
    }

    fn forget(&mut self, now: Mono) {
        self.runs.retain(|_, run| now.since(run.since) < KEPT_FOR);
        if self.runs.len() >= MAX_KEPT {
            let over = self.runs.iter().filter(|(_, run)| run.outcome.is_some());
            let oldest = over.min_by_key(|(_, run)| run.since);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                self.runs.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::preflight::Failure;
    use crate::peer::signal::token::{Claims, authorize_join};

    const LIMITS: PreflightLimits = PreflightLimits {
        at_once: 3,
        per_address: 2,
    };

    fn passed(at_unix_ms: u64) -> Outcome {
        Outcome::Done(Verdict {
            up_bps: 1_500_000,
            down_bps: 1_500_000,
            up_floor_bps: 1_000_000,
            down_floor_bps: 1_000_000,
            rtt_ms: 1,
            jitter_ms: 1,
            up_loss_permille: 0,
            down_loss_permille: 0,
            passed: true,
            at_unix_ms: Unix(at_unix_ms),
        })
    }

    fn room() -> RoomKey {
        RoomKey::of_keys("room")
    }

    fn whose(identity: &str) -> (RoomKey, Identity) {
        (room(), identity.into())
    }

    #[test]
    fn so_many_run_at_once_from_an_address_and_in_all_until_they_end_or_are_lost() {
        let mut book = Preflights::new(LIMITS, 1);
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        let mut open = |n, ms| book.open(address(n), whose("karl"), Mono::from_millis(ms));
        let first = open(1, 0).unwrap();
        assert!(open(1, 0).is_ok());
        assert_eq!(open(1, 0), Err(TooMany::FromAddress));
        assert!(open(2, 0).is_ok());
        assert_eq!(open(3, 0), Err(TooMany::Here));
        book.handle_outcome(&first, Outcome::Failed(Failure::Gone));
        let mut open = |n, ms| book.open(address(n), whose("karl"), Mono::from_millis(ms));
        assert!(open(3, 0).is_ok());
        assert_eq!(open(4, 19_999), Err(TooMany::Here));
        assert!(open(4, 20_000).is_ok());
    }

    #[test]
    fn a_verdict_belongs_to_room_and_identity_and_the_newest_counts() {
        let mut book = Preflights::new(LIMITS, 1);
        let verdict = |book: &Preflights, identity: &str, now| {
            book.verdict(&room(), &identity.into(), Unix(now))
        };
        for at in [1_000, 2_000] {
            let address = IpAddr::from([192, 0, 2, 1]);
            let id = book.open(address, whose("karl"), Mono::ZERO).unwrap();
            book.handle_outcome(&id, passed(at));
        }
        let found = verdict(&book, "karl", 3_000).unwrap();
        assert_eq!(found.at_unix_ms, Unix(2_000));
        assert_eq!(verdict(&book, "erika", 3_000), None);
        assert_eq!(verdict(&book, "karl", 602_000), None);
    }

    #[test]
    fn nothing_is_known_of_the_same_room_and_identity_in_another_project() {
        let mut book = Preflights::new(LIMITS, 1);
        let address = IpAddr::from([192, 0, 2, 1]);
        let id = book.open(address, whose("karl"), Mono::ZERO).unwrap();
        book.handle_outcome(&id, passed(1_000));
        let mut claims = Claims::new("key", "karl", Unix(0));
        claims.video.room = Some("room".to_owned());
        claims.video.room_join = Some(true);
        for (project, there) in [("default", true), ("acme", false)] {
            claims.project = project.into();
            let join = authorize_join(&claims).unwrap();
            let outcome = book.outcome(&id, &join, Mono::ZERO);
            assert_eq!(outcome.is_some(), there, "{project}");
            let verdict = book.verdict(&join.room, &join.identity, Unix(1_000));
            assert_eq!(verdict.is_some(), there, "{project}");
        }
    }

    #[test]
    fn memory_is_bounded_by_forgetting_the_oldest() {
        let limits = PreflightLimits {
            at_once: 10,
            per_address: 10,
        };
        let mut book = Preflights::new(limits, 1);
        for n in 0..20_000_u64 {
            let address = IpAddr::from([192, 0, 2, 1]);
            let now = Mono::from_micros(n);
            let id = book.open(address, whose(&n.to_string()), now).unwrap();
            book.handle_outcome(&id, passed(n));
        }
        assert!(book.runs.len() <= MAX_KEPT);
        assert_eq!(book.verdicts.len(), MAX_VERDICTS);
        let first = book.verdict(&room(), &"0".into(), Unix(0));
        let last = book.verdict(&room(), &"19999".into(), Unix(0));
        assert!(first.is_none() && last.is_some());
    }
}
