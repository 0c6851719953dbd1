//! Random lives of a subscriber against a model of the transport and of a LiveKit client: tracks
//! come and go, answers come late, twice, or never.

use super::super::answered::Answered;
use super::super::negotiation::{ANSWER_WITHIN, Negotiation, Sending};
use super::{mark, sending};
use crate::base::{Millis, Mono, Rng, TrackSid};
use crate::media::Mid;
use crate::peer::transport::Change;
use std::collections::BTreeMap;

const SEEDS: u64 = 20;
const STEPS: u64 = 10_000;
/// Tracks wanted at once.
const MOST: usize = 8;
/// Longest way of an answer, and the longest pause between two steps, in milliseconds.
const LATE: u64 = 3_000;
const PAUSE: u64 = 500;

/// str0m's rules: a direction is set at once, and setting it as it is makes no offer; one offer is
/// open at a time.
#[derive(Default)]
struct Engine {
    /// Sections in order, and whether we send in them.
    sections: Vec<(Mid, bool)>,
    is_open: bool,
}

impl Engine {
    fn offer(&mut self, changes: &[Change], is_first: bool) -> Vec<Mid> {
        assert!(
            !std::mem::replace(&mut self.is_open, true),
            "an offer is open"
        );
        assert!(is_first || !changes.is_empty(), "nothing to offer");
        let mut added = Vec::new();
        for change in changes {
            match change {
                Change::Add(_) => {
                    let mid = Mid::from(self.sections.len().to_string().as_str());
                    self.sections.push((mid, true));
                    added.push(mid);
                }
                Change::Activate(mid) => self.turn(*mid, true),
                Change::Deactivate(mid) => self.turn(*mid, false),
            }
        }
        added
    }

    fn turn(&mut self, mid: Mid, on: bool) {
        let mut sections = self.sections.iter_mut();
        let (_, sends) = sections
            .find(|(known, _)| *known == mid)
            .expect("a section");
        assert_ne!(
            std::mem::replace(sends, on),
            on,
            "nothing to offer in {mid:?}"
        );
    }
}

/// What a client has taken of the offers: the msid in each section that it receives in.
#[derive(Default)]
struct Client {
    received: BTreeMap<Mid, String>,
    answers: u64,
    /// It names the offer that it answers, as livekit-client does; the Rust core does not.
    names_offers: bool,
}

impl Client {
    fn take(&mut self, engine: &Engine, negotiation: &Negotiation) {
        for (mid, sends) in &engine.sections {
            let msid = negotiation.msid(*mid);
            assert_eq!(msid.is_some(), *sends, "{mid:?}");
            let before = self.received.remove(mid);
            if let Some(msid) = msid {
                assert!(
                    before.is_none_or(|before| before == msid),
                    "another track at once"
                );
                self.received.insert(*mid, msid);
            }
        }
        let mut msids: Vec<_> = self.received.values().collect();
        msids.sort();
        msids.dedup();
        assert_eq!(
            msids.len(),
            self.received.len(),
            "a track is in two sections"
        );
    }

    fn answer(&mut self, engine: &Engine, id: u32) -> Answered {
        self.answers += 1;
        Answered {
            id: if self.names_offers { id } else { 0 },
            sections: engine
                .sections
                .iter()
                .map(|(mid, _)| (*mid, true))
                .collect(),
            mark: mark(self.answers),
        }
    }
}

#[derive(Default)]
struct Life {
    negotiation: Negotiation,
    engine: Engine,
    client: Client,
    wanted: BTreeMap<TrackSid, Sending>,
    /// Unsubscribed tracks, which may come again.
    idle: Vec<Sending>,
    ready: BTreeMap<TrackSid, Mid>,
    /// The answer to the open offer, and those that came already and come again.
    answer: Option<(Mono, Answered)>,
    twice: Vec<(Mono, Answered)>,
    /// Since when an answer is lost.
    lost: Option<Mono>,
    now: Mono,
    published: u64,
    seen: Seen,
}

#[derive(Debug, Default)]
struct Seen {
    offers: u64,
    refused: u64,
    rejoins: u64,
    sections: usize,
}

impl Life {
    fn add(&mut self, sending: Sending) {
        self.wanted.insert(sending.track.clone(), sending.clone());
        self.negotiation.add(sending);
    }

    fn remove(&mut self, rng: &mut Rng) -> Option<Sending> {
        let at = usize::try_from(rng.below(self.wanted.len() as u64)).unwrap();
        let gone = self.wanted.values().nth(at).cloned()?;
        self.wanted.remove(&gone.track);
        self.ready.remove(&gone.track);
        self.negotiation.remove(&gone.track);
        Some(gone)
    }

    fn change(&mut self, rng: &mut Rng) {
        match rng.below(8) {
            0 | 1 if self.wanted.len() < MOST => {
                self.published += 1;
                let kind = ["a", "v"][usize::from(rng.below(2) == 0)];
                self.add(sending(&format!("{kind}{}", self.published)));
            }
            2 => drop(self.remove(rng)),
            3 => {
                let gone = self.remove(rng);
                self.idle.extend(gone);
            }
            4 if self.wanted.len() < MOST => {
                if let Some(again) = self.idle.pop() {
                    self.add(again);
                }
            }
            5 => {
                if let Some(again) = self.remove(rng) {
                    self.add(again);
                }
            }
            _ => {}
        }
    }

    fn offer(&mut self, rng: &mut Rng, lossy: bool) {
        let Some(plan) = self.negotiation.poll_plan() else {
            return;
        };
        let added = self.engine.offer(&plan.changes(), self.client.answers == 0);
        let id = self.negotiation.handle_offered(plan, &added, self.now);
        self.client.take(&self.engine, &self.negotiation);
        let answered = self.client.answer(&self.engine, id);
        self.seen.offers += 1;
        self.seen.sections = self.seen.sections.max(self.engine.sections.len());
        if lossy && rng.below(200) == 0 {
            self.lost = Some(self.now);
        } else {
            self.answer = Some((self.now + Millis(rng.below(LATE)), answered));
        }
    }

    fn deliver(&mut self, rng: &mut Rng, lossy: bool) {
        let now = self.now;
        let (again, later) = std::mem::take(&mut self.twice)
            .into_iter()
            .partition::<Vec<_>, _>(|(at, _)| *at <= now);
        self.twice = later;
        for (_, answered) in again {
            assert!(
                self.negotiation.check_answer(&answered).is_err(),
                "{answered:?}"
            );
            self.seen.refused += 1;
        }
        let Some((_, answered)) = self.answer.take_if(|(at, _)| *at <= now) else {
            return;
        };
        self.negotiation
            .check_answer(&answered)
            .expect("the open offer's answer");
        self.engine.is_open = false;
        for (track, mid) in self.negotiation.handle_answered(answered.clone()) {
            let msid = format!("PA_expert|{track} {track}");
            assert_eq!(self.client.received.get(&mid), Some(&msid));
            assert!(self.wanted.contains_key(&track));
            assert_eq!(self.ready.insert(track, mid), None, "ready twice");
        }
        self.offer(rng, lossy);
        if lossy && rng.below(5) == 0 {
            self.twice.push((now + Millis(rng.below(LATE)), answered));
        }
    }

    /// The client joins anew in full once its answer is truly overdue.
    fn leave_if_asked(&mut self) {
        let is_lost = self
            .lost
            .is_some_and(|since| self.now.since(since) >= ANSWER_WITHIN);
        assert_eq!(
            self.negotiation.is_overdue(self.now),
            is_lost,
            "{:?}",
            self.lost
        );
        if !is_lost {
            return;
        }
        self.seen.rejoins += 1;
        let before = std::mem::take(self);
        self.client.names_offers = before.client.names_offers;
        (self.idle, self.now) = (before.idle, before.now);
        (self.published, self.seen) = (before.published, before.seen);
        for sending in before.wanted.into_values() {
            self.add(sending);
        }
    }

    fn step(&mut self, rng: &mut Rng, lossy: bool) {
        self.offer(rng, lossy);
        self.now = self.now + Millis(rng.below(PAUSE));
        self.deliver(rng, lossy);
        self.leave_if_asked();
    }

    /// The newest offer has the wanted tracks and no others, and the node sends them there.
    fn check_rest(&self) {
        let received = self.client.received.iter();
        let received: BTreeMap<_, _> = received.map(|(mid, msid)| (msid.clone(), *mid)).collect();
        let ready = self.ready.iter();
        let ready = ready.map(|(track, mid)| (format!("PA_expert|{track} {track}"), *mid));
        assert_eq!(received, ready.collect());
        assert!(self.ready.keys().eq(self.wanted.keys()));
    }
}

#[test]
fn only_a_lost_answer_costs_a_client_its_connection_and_the_last_offer_is_what_is_wanted() {
    for seed in 0..SEEDS {
        let mut rng = Rng::from_seed(seed);
        let mut life = Life::default();
        life.client.names_offers = seed % 2 == 0;
        for _ in 0..STEPS {
            life.change(&mut rng);
            life.step(&mut rng, true);
            // Now and then nothing changes for a while.
            if rng.below(100) == 0 && life.lost.is_none() {
                for _ in 0..80 {
                    life.step(&mut rng, false);
                }
                life.check_rest();
            }
        }
        for _ in 0..200 {
            life.step(&mut rng, false);
        }
        life.check_rest();
        let seen = &life.seen;
        assert!(
            seen.offers > STEPS / 10 && seen.refused > 50 && seen.rejoins > 0,
            "{seen:?}"
        );
        // At worst each kind has a section for every track that goes, and for each that comes.
        assert!(seen.sections <= 4 * MOST, "{seen:?}");
    }
}
