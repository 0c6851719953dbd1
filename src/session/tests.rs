//! Sentences of the contract, as tests over the session machine.

mod floor;
mod grants;
mod presence;
mod request;
mod time;

use super::*;
use crate::base::{
    Direction, EndReason, FloorReport, FloorState, Identity, Inherited, LimitedBy, Mono, Now,
    SessionState, TermsChange, Unix,
};
use std::collections::BTreeMap;

/// A session driven by sentences: each participant's packets come every `every` milliseconds from
/// their arrival until they are stopped.
struct Play {
    session: Session,
    now: u64,
    /// Who sends, how often, from when, and media or not.
    senders: BTreeMap<&'static str, (u64, u64, bool)>,
    said: Vec<String>,
    /// Something was heard since the last round of timers.
    fed: bool,
    /// When the session wants to be woken.
    wake: Option<Mono>,
}

const EXPERT: Standing = Standing {
    role: Some(Role::Expert),
    counts: true,
};
const CUSTOMER: Standing = Standing {
    role: Some(Role::Customer),
    counts: true,
};
const GUEST: Standing = Standing {
    role: Some(Role::Guest),
    counts: true,
};
const OBSERVER: Standing = Standing {
    role: Some(Role::Observer),
    counts: false,
};
const NO_ROLE: Standing = Standing {
    role: None,
    counts: true,
};

fn policy(json: &str) -> Policy {
    let policy: Policy = serde_json::from_str(json).unwrap();
    policy.validate().unwrap();
    policy
}

impl Play {
    fn new(json: &str) -> Play {
        Play::continuing(json, &Inherited::default())
    }

    fn continuing(json: &str, inherited: &Inherited) -> Play {
        let now = Now {
            mono: Mono::ZERO,
            unix: Unix(0),
        };
        Play {
            session: Session::continuing(policy(json), inherited, now),
            now: 0,
            senders: BTreeMap::new(),
            said: Vec::new(),
            fed: true,
            wake: None,
        }
    }

    fn clock(&self) -> Now {
        Now {
            mono: Mono::from_millis(self.now),
            unix: Unix(self.now),
        }
    }

    /// Lets time pass up to `at`, with everyone's packets and timers.
    fn until(&mut self, at: u64) -> &mut Play {
        while self.now < at {
            self.now += 1;
            let now = self.clock();
            let due: Vec<_> = self
                .senders
                .iter()
                .filter(|(_, (every, from, _))| (self.now - from).is_multiple_of(*every))
                .map(|(who, (_, _, media))| (*who, *media))
                .collect();
            for (who, media) in due {
                self.packet(who, media);
            }
            let due = self.wake.is_some_and(|at| at <= now.mono);
            if std::mem::take(&mut self.fed) || due {
                self.session.handle_timeout(now);
                self.wake = self.session.poll_timeout().map(|(at, _)| at);
            }
            self.listen();
        }
        self
    }

    fn packet(&mut self, who: &str, media: bool) {
        let (now, who) = (self.clock(), Identity::from(who));
        if media {
            self.session.handle_media(&who, now.mono, now);
        } else {
            self.session.handle_evidence(&who, now.mono, now);
        }
        self.fed = true;
    }

    fn join(&mut self, who: &'static str, standing: Standing) -> &mut Play {
        self.session
            .handle_connected(&who.into(), standing, self.clock());
        self.fed = true;
        self
    }

    /// Joins and sends from now on: media every 20 ms.
    fn talk(&mut self, who: &'static str, standing: Standing) -> &mut Play {
        self.join(who, standing).send(who, 20, true)
    }

    /// Joins and sends from now on: a connectivity check every 2.5 s and nothing else.
    fn listen_only(&mut self, who: &'static str, standing: Standing) -> &mut Play {
        self.join(who, standing).send(who, 2500, false)
    }

    fn send(&mut self, who: &'static str, every: u64, media: bool) -> &mut Play {
        self.senders.insert(who, (every, self.now, media));
        self.packet(who, media);
        self
    }

    fn lose(&mut self, who: &'static str) -> &mut Play {
        self.senders.remove(who);
        self
    }

    fn leave(&mut self, who: &'static str) -> &mut Play {
        self.senders.remove(who);
        self.session.handle_left(&who.into(), true, self.clock());
        self.listen();
        self
    }

    /// Everything from now on; the tables of one rule look at that alone.
    fn hush(&mut self) -> &mut Play {
        self.listen();
        self.said.clear();
        self
    }

    fn pause(&mut self) -> bool {
        self.fed = true;
        self.session.handle_pause_request(self.clock())
    }

    fn resume(&mut self) -> bool {
        self.fed = true;
        self.session.handle_resume_request(self.clock())
    }

    fn confirm(&mut self, who: &str) -> bool {
        self.fed = true;
        self.session.handle_confirm(Some(&who.into()), self.clock())
    }

    fn extend(&mut self, quota_s: Option<u64>, max_min: Option<u64>) -> &mut Play {
        self.fed = true;
        assert!(self.session.handle_extend(quota_s, max_min));
        self
    }

    fn floor(&mut self, who: &str, direction: Direction, state: FloorState) -> &mut Play {
        let report = FloorReport {
            state,
            measured_bps: Some(400_000),
            floor_bps: 1_000_000,
            limited_by: Some(LimitedBy::Downlink),
        };
        self.fed = true;
        let now = self.clock();
        self.session
            .handle_floor(&who.into(), direction, report, now);
        self
    }

    fn listen(&mut self) {
        while let Some(output) = self.session.poll_output() {
            let at = output.at().millis().0;
            match output {
                Output::State { state, .. } => {
                    let reason = state.reason().map_or(String::new(), |r| format!(" {r}"));
                    self.said.push(format!("{at} {}{reason}", state.as_str()));
                }
                Output::Interim { .. } => self.said.push(format!("{at} interim")),
                Output::Gone { who, .. } => self.said.push(format!("{at} gone {who}")),
                Output::Warning { warning, .. } => {
                    let left = warning.left_s.map_or(String::new(), |s| format!(" {s}"));
                    self.said.push(format!("{at} {}{left}", warning.cause()));
                }
                Output::Terms { change, .. } => {
                    let line = match change {
                        Some(TermsChange::Extended) => format!("{at} extended"),
                        Some(TermsChange::Confirmed(Some(who))) => format!("{at} {who} is there"),
                        Some(TermsChange::Granted(grant)) => {
                            format!("{at} granted {}", grant.seconds)
                        }
                        Some(TermsChange::Confirmed(None)) => format!("{at} the app confirms"),
                        None => continue,
                    };
                    self.said.push(line);
                }
                Output::Joined { .. }
                | Output::Presence { .. }
                | Output::Overlap { .. }
                | Output::Floor { .. } => {}
            }
        }
    }

    /// The states (and what else was asked for) so far.
    fn check(&mut self, expected: &[&str]) {
        let said: Vec<_> = self
            .said
            .iter()
            .filter(|line| !line.contains("gone") && !line.contains("interim"))
            .collect();
        assert_eq!(said, expected);
    }
}

/// An expert who talks from 0 and a customer who talks from 1 s.
fn met(json: &str) -> Play {
    let mut play = Play::new(json);
    play.talk("eve", EXPERT).until(1_000).talk("carl", CUSTOMER);
    play
}

#[test]
fn it_goes_live_with_both_sides_and_media_of_the_expert() {
    met("{}").until(2_000).check(&["1000 live"]);
}

#[test]
fn it_waits_for_the_first_media_of_the_expert() {
    let mut play = Play::new("{}");
    play.listen_only("eve", EXPERT)
        .talk("carl", CUSTOMER)
        .until(8_000)
        .check(&[]);
    play.send("eve", 20, true)
        .until(9_000)
        .check(&["8000 live"]);
}

#[test]
fn media_of_the_customer_alone_does_not_start_the_clock() {
    let mut play = Play::new("{}");
    play.listen_only("eve", EXPERT)
        .talk("carl", CUSTOMER)
        .until(60_000)
        .check(&[]);
}

#[test]
fn a_connection_without_a_packet_is_not_presence() {
    let mut play = Play::new("{}");
    play.talk("eve", EXPERT)
        .join("carl", CUSTOMER)
        .until(9_000)
        .check(&[]);
}

#[test]
fn mute_and_silence_are_billed() {
    let mut play = met("{}");
    play.until(2_000)
        .send("eve", 2_500, false)
        .send("carl", 2_500, false)
        .until(120_000);
    play.check(&["1000 live"]);
    assert_eq!(play.session.settled(), Mono::from_millis(119_500));
}

#[test]
fn a_gap_of_five_seconds_is_no_gap_and_one_a_bit_longer_is() {
    for (gap, expected) in [
        (4_900, vec!["1000 live"]),
        (5_000, vec!["1000 live"]),
        (
            5_001,
            vec!["1000 live", "10000 paused reconnecting", "15001 live"],
        ),
    ] {
        let mut play = met("{}");
        play.until(10_000)
            .lose("carl")
            .until(10_000 + gap)
            .send("carl", 20, true);
        play.until(20_000).check(&expected);
    }
}

#[test]
fn a_gap_that_only_the_next_packet_shows_is_one_all_the_same() {
    let mut play = met("{}");
    play.until(10_000).lose("carl");
    play.now = 16_000;
    play.send("carl", 20, true).packet("eve", true);
    play.until(17_000)
        .check(&["1000 live", "10000 paused reconnecting", "16000 live"]);
}

#[test]
fn a_loss_ends_the_interval_at_the_last_packet_and_not_when_it_was_noticed() {
    let mut play = met("{}");
    play.until(10_000)
        .lose("carl")
        .until(14_999)
        .check(&["1000 live"]);
    assert_eq!(play.session.settled(), Mono::from_millis(10_000));
    play.until(15_001)
        .check(&["1000 live", "10000 paused reconnecting"]);
}

#[test]
fn reconnecting_lasts_for_the_grace_time_and_then_the_side_is_away() {
    for (lost, away) in [("carl", "customer_away"), ("eve", "expert_away")] {
        let mut play = met("{}");
        play.until(10_000).lose(lost).until(60_000);
        let last = format!("30000 paused {away}");
        play.check(&["1000 live", "10000 paused reconnecting", &last]);
        assert!(play.said.contains(&format!("10000 gone {lost}")));
    }
}

#[test]
fn the_grace_time_is_the_policys() {
    let mut play = met(r#"{"departure_timeout_s": 7}"#);
    play.until(10_000).lose("carl").until(60_000).check(&[
        "1000 live",
        "10000 paused reconnecting",
        "17000 paused customer_away",
    ]);
}

#[test]
fn an_explicit_leave_is_away_at_once_and_at_receipt() {
    let mut play = met("{}");
    play.until(10_005)
        .leave("carl")
        .until(11_000)
        .talk("carl", CUSTOMER)
        .until(12_000);
    play.check(&["1000 live", "10005 paused customer_away", "11000 live"]);
}

#[test]
fn an_explicit_leave_after_a_loss_is_away_at_once() {
    let mut play = met("{}");
    play.until(10_000)
        .lose("carl")
        .until(18_000)
        .leave("carl")
        .until(19_000)
        .check(&[
            "1000 live",
            "10000 paused reconnecting",
            "18000 paused customer_away",
        ]);
}

#[test]
fn reconnecting_comes_before_away_and_the_expert_before_the_customer() {
    let mut play = met("{}");
    play.talk("gus", GUEST)
        .until(10_000)
        .lose("eve")
        .until(12_000)
        .leave("carl")
        .until(40_000);
    play.check(&[
        "1000 live",
        "10000 paused reconnecting",
        "30000 paused expert_away",
    ]);
}

#[test]
fn a_side_is_the_union_of_its_members() {
    let mut play = met("{}");
    play.talk("ede", EXPERT)
        .until(10_000)
        .leave("eve")
        .until(20_000)
        .check(&["1000 live"]);
    play.lose("ede")
        .until(26_000)
        .check(&["1000 live", "20000 paused reconnecting"]);
}

#[test]
fn a_silent_second_expert_does_not_hold_the_clock_back() {
    let mut play = met("{}");
    play.listen_only("ede", EXPERT)
        .listen_only("otto", OBSERVER)
        .until(3_400);
    assert_eq!(play.session.settled(), Mono::from_millis(3_400));
}

#[test]
fn what_one_member_holds_open_is_claimed_no_further_than_their_packets() {
    let mut play = Play::new("{}");
    play.talk("eve", EXPERT)
        .listen_only("carl", CUSTOMER)
        .until(1_000);
    play.join("cora", CUSTOMER).until(2_400).check(&["0 live"]);
    assert_eq!(play.session.settled(), Mono::ZERO);
    play.until(2_500);
    assert_eq!(play.session.settled(), Mono::from_millis(2_500));
}

#[test]
fn one_identity_on_two_connections_counts_once() {
    let mut play = met("{}");
    play.until(5_000)
        .join("carl", CUSTOMER)
        .until(10_000)
        .check(&["1000 live"]);
    let mut alone = Play::new("{}");
    alone
        .talk("ada", NO_ROLE)
        .join("ada", NO_ROLE)
        .until(10_000)
        .check(&[]);
}

#[test]
fn guests_and_observers_never_start_hold_or_pause_it() {
    let mut play = Play::new("{}");
    play.talk("gus", GUEST)
        .talk("otto", OBSERVER)
        .talk("eve", EXPERT)
        .until(5_000)
        .check(&[]);
    play.talk("carl", CUSTOMER)
        .until(10_000)
        .lose("gus")
        .lose("otto")
        .until(50_000);
    play.leave("carl")
        .until(60_000)
        .check(&["5000 live", "50000 paused customer_away"]);
}

#[test]
fn a_room_of_observers_stays_waiting() {
    let mut play = Play::new("{}");
    play.talk("otto", OBSERVER)
        .talk("olga", OBSERVER)
        .until(400_000)
        .check(&[]);
    assert_eq!(play.session.state(), SessionState::Waiting);
}

#[test]
fn without_roles_any_two_are_the_sides_and_the_earliest_stands_for_the_expert() {
    let mut play = Play::new("{}");
    play.talk("ada", NO_ROLE)
        .until(1_000)
        .listen_only("bob", NO_ROLE)
        .until(10_000);
    play.leave("bob")
        .until(12_000)
        .listen_only("bob", NO_ROLE)
        .until(20_000);
    play.leave("ada").until(30_000).check(&[
        "1000 live",
        "10000 paused customer_away",
        "12000 live",
        "20000 paused expert_away",
    ]);
}

#[test]
fn without_roles_media_of_anyone_will_do_but_somebody_hidden_is_no_side() {
    let hidden = Standing {
        role: None,
        counts: false,
    };
    let mut play = Play::new("{}");
    play.listen_only("ada", NO_ROLE)
        .talk("recorder", hidden)
        .until(5_000)
        .check(&[]);
    play.talk("bob", NO_ROLE)
        .until(10_000)
        .check(&["5000 live"]);
}

#[test]
fn the_basis_connected_runs_with_anyone_but_observers() {
    let mut play = Play::new(r#"{"billing":{"basis":"connected"}}"#);
    play.talk("otto", OBSERVER).until(1_000).check(&[]);
    play.listen_only("gus", GUEST)
        .until(3_500)
        .talk("eve", EXPERT)
        .until(9_000)
        .leave("eve");
    play.until(20_000).leave("gus").until(30_000);
    play.check(&["1000 live", "20000 paused expert_away"]);
}

#[test]
fn it_is_abandoned_when_a_side_stays_away_for_five_minutes() {
    let mut play = met("{}");
    play.until(10_000).lose("carl").until(400_000).check(&[
        "1000 live",
        "10000 paused reconnecting",
        "30000 paused customer_away",
        "310000 ended abandoned",
    ]);
    assert_eq!(play.session.poll_timeout(), None);
}

#[test]
fn one_who_waits_alone_before_it_went_live_is_not_abandoned() {
    let mut play = Play::new("{}");
    play.talk("eve", EXPERT).until(400_000).check(&[]);
    play.leave("eve")
        .until(500_000)
        .check(&["420000 ended no_show"]);
}

#[test]
fn with_nobody_for_twenty_seconds_it_ends() {
    Play::new("{}")
        .until(30_000)
        .check(&["20000 ended no_show"]);

    let mut left = met("{}");
    left.until(10_000)
        .leave("eve")
        .until(12_000)
        .leave("carl")
        .until(40_000)
        .check(&["1000 live", "10000 paused expert_away", "32000 ended left"]);

    let mut lost = met("{}");
    lost.until(10_000)
        .lose("eve")
        .lose("carl")
        .until(40_000)
        .check(&[
            "1000 live",
            "10000 paused reconnecting",
            "30000 ended abandoned",
        ]);
}

#[test]
fn a_joiner_whose_transport_is_slow_gets_twenty_seconds_too() {
    let mut play = Play::new("{}");
    play.until(19_000)
        .join("eve", EXPERT)
        .until(38_999)
        .check(&[]);
    play.until(39_000).check(&["39000 ended no_show"]);
}

#[test]
fn it_ends_at_the_maximum_duration_counted_from_the_first_live_moment() {
    let mut play = met(r#"{"duration":{"max_min":1}}"#);
    play.until(20_000)
        .leave("carl")
        .until(30_000)
        .talk("carl", CUSTOMER)
        .until(70_000);
    play.check(&[
        "1000 live",
        "20000 paused customer_away",
        "30000 live",
        "61000 ended max_duration",
    ]);
}

#[test]
fn a_session_that_continues_another_has_less_of_the_maximum_left() {
    let now = Now {
        mono: Mono::ZERO,
        unix: Unix(0),
    };
    let mut play = Play::new("{}");
    let policy = policy(r#"{"duration":{"max_min":1}}"#);
    let inherited = Inherited {
        lasted: Millis(40_000),
        ..Inherited::default()
    };
    play.session = Session::continuing(policy, &inherited, now);
    play.talk("eve", EXPERT)
        .talk("carl", CUSTOMER)
        .until(30_000);
    play.check(&["0 live", "20000 ended max_duration"]);
}

#[test]
fn interims_come_in_live_time_alone() {
    let mut play = met(r#"{"billing":{"interim_s":10}}"#);
    play.until(15_000)
        .leave("carl")
        .until(30_000)
        .talk("carl", CUSTOMER)
        .until(51_000);
    let interims: Vec<_> = play
        .said
        .iter()
        .filter(|line| line.contains("interim"))
        .collect();
    assert_eq!(
        interims,
        ["11000 interim", "40000 interim", "50000 interim"]
    );
}

#[test]
fn an_end_by_the_api_ends_it_at_the_last_certain_moment() {
    let mut play = Play::new("{}");
    play.talk("eve", EXPERT)
        .listen_only("carl", CUSTOMER)
        .until(6_000);
    play.session.handle_end(EndReason::EndedByApi, play.clock());
    play.listen();
    play.until(9_000)
        .check(&["0 live", "5000 ended ended_by_api"]);
}

#[test]
fn packets_before_the_join_and_after_the_leave_count_for_nothing() {
    let mut play = Play::new("{}");
    play.packet("eve", true);
    play.until(100).join("eve", EXPERT);
    play.session
        .handle_media(&"eve".into(), Mono::from_millis(50), play.clock());
    assert_eq!(play.session.stats().ignored, 2);
    assert_eq!(play.session.known(&"eve".into()), None);
    play.talk("carl", CUSTOMER)
        .talk("eve", EXPERT)
        .until(1_000)
        .leave("eve");
    play.packet("eve", true);
    play.until(2_000)
        .check(&["100 live", "1000 paused expert_away"]);
}

#[test]
fn the_watermark_never_goes_back() {
    let mut play = met("{}");
    let mut last = Mono::ZERO;
    for at in (1..60).map(|n| n * 500) {
        match at {
            5_000 => play.until(at).lose("carl"),
            20_000 => play.until(at).listen_only("carl", CUSTOMER),
            25_000 => play.until(at).leave("eve"),
            _ => play.until(at),
        };
        assert!(play.session.settled() >= last);
        last = play.session.settled();
    }
}
