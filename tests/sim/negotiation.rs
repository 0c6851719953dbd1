//! The negotiation of a subscriber with real str0m on both sides: tracks come and go while offers
//! are open, and answers come late, twice, or never. No network: offer and answer need none.

use beistand::base::{Millis, Mono, Now, ParticipantSid, Rng, TrackKind, TrackSid, Unix};
use beistand::media::Mid;
use beistand::peer::negotiate::{Negotiation, Sending};
use beistand::peer::transport::{Factory, Purpose, Transport, sections};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;
use str0m::Rtc;
use str0m::change::SdpOffer;

const SEEDS: u64 = 20;
const STEPS: u64 = 1_000;
/// One answer in so many is lost.
const LOST: u64 = 50;
/// Tracks wanted at once: a help session has four, and recreates them.
const MOST: usize = 6;
/// Longest way of an answer.
const LATE_MS: u64 = 3_000;
/// Longest pause between two steps.
const STEP_MS: u64 = 400;

const START: Now = Now {
    mono: Mono::ZERO,
    unix: Unix(1_800_000_000_000),
};

struct Answer {
    due: Mono,
    id: u32,
    sdp: String,
}

/// A node's side of a subscriber connection, and the client at its other end.
struct Line {
    negotiation: Negotiation,
    transport: Transport,
    client: Rtc,
    wanted: BTreeMap<TrackSid, Sending>,
    /// Where the node sends each track, as the answers allowed.
    ready: BTreeMap<TrackSid, Mid>,
    answers: Vec<Answer>,
    /// The newest offer that the client took.
    shown: String,
    offers: u32,
    /// The answer to the open offer never comes.
    lost: bool,
    now: Now,
}

fn anchor() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one anchor; time is virtual from here on"
    )]
    Instant::now()
}

impl Line {
    fn new(factory: &Factory, anchor: Instant, now: Now) -> Line {
        let advertised = [SocketAddr::from(([10, 0, 0, 1], 7882))];
        let client = Rtc::builder().set_rtp_mode(true).build(anchor);
        Line {
            negotiation: Negotiation::default(),
            transport: factory.connection(Purpose::Send(None), &advertised, now.mono),
            client,
            wanted: BTreeMap::new(),
            ready: BTreeMap::new(),
            answers: Vec::new(),
            shown: String::new(),
            offers: 0,
            lost: false,
            now,
        }
    }

    fn first() -> Line {
        let anchor = anchor();
        let factory = Factory::new(anchor).expect("a certificate");
        Line::new(&factory, anchor, START)
    }

    /// The client joins again in full, and is to get the same tracks.
    fn rejoin(self, factory: &Factory, anchor: Instant) -> Line {
        let mut line = Line::new(factory, anchor, self.now);
        for sending in self.wanted.values() {
            line.negotiation.add(sending.clone());
        }
        line.wanted = self.wanted;
        line
    }

    fn add(&mut self, number: u64, kind: TrackKind) {
        let sending = sending(number, kind);
        self.wanted.insert(sending.track.clone(), sending.clone());
        self.negotiation.add(sending);
    }

    fn remove(&mut self, track: &TrackSid) {
        self.wanted.remove(track);
        self.ready.remove(track);
        self.negotiation.remove(track);
    }

    /// The node's side offers if it may; the client takes the offer, and its answer is on its way.
    fn offer(&mut self, late: Millis) -> bool {
        let Some(offer) = self.negotiation.poll_offer(&mut self.transport, self.now) else {
            return false;
        };
        self.offers += 1;
        let parsed = SdpOffer::from_sdp_string(&offer.sdp).expect("a valid offer");
        let answer = self.client.sdp_api().accept_offer(parsed);
        let sdp = answer.expect("the offer fits").to_sdp_string();
        self.shown = offer.sdp;
        self.answers.push(Answer {
            due: self.now.mono + late,
            id: offer.id,
            sdp,
        });
        true
    }

    /// Hands in one answer; false if it is refused.
    fn answer(&mut self, id: u32, sdp: &str) -> bool {
        let answered = self.negotiation.handle_answer(&mut self.transport, id, sdp);
        let Ok(ready) = answered else { return false };
        for (track, mid) in ready {
            assert!(self.wanted.contains_key(&track), "{track} is not wanted");
            self.ready.insert(track, mid);
        }
        true
    }

    fn answer_all(&mut self) {
        loop {
            for answer in std::mem::take(&mut self.answers) {
                assert!(
                    self.answer(answer.id, &answer.sdp),
                    "it is the open offer's"
                );
            }
            if !self.offer(Millis(0)) {
                return;
            }
        }
    }

    /// The client receives what is wanted and nothing else, and the node sends it there.
    #[track_caller]
    fn check(&self) {
        let mut shown = BTreeMap::new();
        for section in sections(&self.shown)
            .into_iter()
            .filter(|section| section.sends)
        {
            let track = TrackSid::from(section.track_id.expect("an msid").as_str());
            let msid = format!(
                "a=msid:{}|{track} {track}\r\n",
                self.wanted[&track].publisher
            );
            assert!(self.shown.contains(&msid), "{msid}");
            assert_eq!(section.kind, self.wanted[&track].kind);
            assert_eq!(shown.insert(track, section.mid), None, "twice");
        }
        assert_eq!(shown, self.ready);
        let wanted: Vec<_> = self.wanted.keys().collect();
        assert_eq!(shown.keys().collect::<Vec<_>>(), wanted);
    }

    fn pass(&mut self, span: Millis) {
        self.now = Now {
            mono: self.now.mono + span,
            unix: Unix(self.now.unix.0 + span.0),
        };
    }
}

fn sending(number: u64, kind: TrackKind) -> Sending {
    Sending {
        track: TrackSid::from(format!("TR_{number}").as_str()),
        publisher: ParticipantSid::from("PA_expert"),
        kind,
        stereo: number.is_multiple_of(4),
    }
}

#[test]
fn a_track_that_goes_while_its_offer_is_open_leaves_nothing_behind() {
    let mut line = Line::first();
    line.offer(Millis(0));
    line.answer_all();
    for number in 0..3 {
        line.add(number, TrackKind::Audio);
        line.offer(Millis(0));
        line.remove(&sending(number, TrackKind::Audio).track);
        assert!(!line.offer(Millis(0)), "one is open");
        line.answer_all();
        line.check();
    }
}

#[test]
fn a_track_that_goes_and_comes_again_while_an_offer_is_open_is_received() {
    let mut line = Line::first();
    line.offer(Millis(0));
    line.answer_all();
    line.add(1, TrackKind::Video);
    line.offer(Millis(0));
    line.remove(&sending(1, TrackKind::Video).track);
    line.add(1, TrackKind::Video);
    line.answer_all();
    line.check();
    // Again, while the offer that takes it away is open.
    line.remove(&sending(1, TrackKind::Video).track);
    line.offer(Millis(0));
    line.add(1, TrackKind::Video);
    line.answer_all();
    line.check();
}

#[test]
fn another_track_of_the_kind_that_comes_as_one_goes_is_received() {
    let mut line = Line::first();
    line.add(1, TrackKind::Video);
    line.offer(Millis(0));
    line.answer_all();
    line.add(2, TrackKind::Audio);
    line.offer(Millis(0));
    line.remove(&sending(1, TrackKind::Video).track);
    line.add(3, TrackKind::Video);
    line.answer_all();
    line.check();
}

#[test]
fn an_answer_that_comes_twice_or_broken_changes_nothing() {
    let mut line = Line::first();
    line.add(1, TrackKind::Video);
    line.offer(Millis(0));
    let first = line.answers.remove(0);
    assert!(!line.answer(first.id, "v=0"), "it does not parse");
    assert!(
        line.answer(first.id, &first.sdp),
        "the broken one did no harm"
    );
    line.check();
    assert!(!line.answer(first.id, &first.sdp), "no offer is open");
    line.remove(&sending(1, TrackKind::Video).track);
    line.offer(Millis(0));
    assert!(!line.answer(first.id, &first.sdp), "an older offer's");
    assert!(
        !line.answer(0, &first.sdp),
        "an older offer's, without an id"
    );
    line.answer_all();
    line.check();
}

#[test]
fn a_section_in_which_the_client_receives_nothing_ends_without_an_offer_and_is_used_again() {
    let mut line = Line::first();
    line.add(1, TrackKind::Video);
    line.offer(Millis(0));
    let answer = line.answers.remove(0);
    let inactive = answer.sdp.replace("a=recvonly", "a=inactive");
    assert!(line.answer(answer.id, &inactive));
    line.remove(&sending(1, TrackKind::Video).track);
    assert!(!line.offer(Millis(0)), "the client knows");
    line.add(2, TrackKind::Video);
    line.offer(Millis(0));
    line.answer_all();
    line.check();
    assert_eq!(sections(&line.shown).len(), 1, "a second section");
}

/// Offers if it may. The answer comes late, or never.
fn offer(line: &mut Line, rng: &mut Rng) {
    if line.offer(Millis(rng.below(LATE_MS))) && rng.below(LOST) == 0 {
        line.answers.clear();
        line.lost = true;
    }
}

/// One random step of a life.
fn step(line: &mut Line, rng: &mut Rng, number: &mut u64) {
    let kind = [TrackKind::Audio, TrackKind::Video][usize::from(rng.below(2) == 0)];
    let one = |rng: &mut Rng, line: &Line| {
        let at = usize::try_from(rng.below(line.wanted.len().max(1) as u64)).expect("small");
        line.wanted.values().nth(at).cloned()
    };
    match rng.below(6) {
        0 | 1 if line.wanted.len() < MOST => {
            *number += 1;
            line.add(*number, kind);
        }
        2 => {
            if let Some(gone) = one(rng, line) {
                line.remove(&gone.track);
            }
        }
        3 => {
            if let Some(again) = one(rng, line) {
                line.remove(&again.track);
                offer(line, rng);
                line.wanted.insert(again.track.clone(), again.clone());
                line.negotiation.add(again);
            }
        }
        _ => {}
    }
    offer(line, rng);
    line.pass(Millis(rng.below(STEP_MS)));
}

/// The answers whose time has come, some of them twice.
fn deliver(line: &mut Line, rng: &mut Rng) {
    let now = line.now.mono;
    let (due, rest) = std::mem::take(&mut line.answers)
        .into_iter()
        .partition(|answer: &Answer| answer.due <= now);
    line.answers = rest;
    for answer in due {
        assert!(
            line.answer(answer.id, &answer.sdp),
            "it is the open offer's"
        );
        offer(line, rng);
        if rng.below(5) == 0 {
            let id = [answer.id, 0][usize::from(rng.below(2) == 0)];
            assert!(!line.answer(id, &answer.sdp), "it came before");
        }
    }
}

#[test]
fn through_a_random_life_nobody_is_sent_away_but_who_does_not_answer() {
    let anchor = anchor();
    let factory = Factory::new(anchor).expect("a certificate");
    let (mut offers, mut rejoins) = (0, 0);
    for seed in 0..SEEDS {
        let mut rng = Rng::from_seed(seed);
        let mut number = 0;
        let mut line = Line::new(&factory, anchor, START);
        for _ in 0..STEPS {
            step(&mut line, &mut rng, &mut number);
            deliver(&mut line, &mut rng);
            assert!(!line.negotiation.is_overdue(line.now.mono) || line.lost);
            if line.negotiation.is_overdue(line.now.mono) {
                (rejoins, offers) = (rejoins + 1, offers + line.offers);
                line = line.rejoin(&factory, anchor);
            }
        }
        if line.lost {
            offers += line.offers;
            line = line.rejoin(&factory, anchor);
            line.offer(Millis(0));
        }
        line.answer_all();
        line.check();
        offers += line.offers;
    }
    assert!(
        offers > 1_000 && rejoins > 10,
        "{offers} offers, {rejoins} rejoins"
    );
}
