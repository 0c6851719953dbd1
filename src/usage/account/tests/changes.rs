//! Entries, checkpoints and events name what changed, and together they tell the whole.

use super::{appends, at, facts, ms, open};
use crate::base::{EndReason, Identity, Millis, Mono, PauseReason, Role, SessionState};
use crate::usage::account::{Account, MAX_ENTRY_BYTES};
use crate::usage::event::MAX_EVENT_BYTES;
use crate::usage::ledger::{Remains, fold, fold_orphan, unfold};
use crate::usage::{Append, Entry, EntryKind, EventKind};

const AWAY: SessionState = SessionState::Paused(PauseReason::CustomerAway);

/// An identity of 256 bytes.
fn long(name: &str) -> Identity {
    format!("{name:-<256}").into()
}

fn comes(account: &mut Account, at: u64, who: &Identity, role: Role) {
    let sid = format!("PA_{at:012}").into();
    account.handle_joined(who, sid, Some(role));
    account.handle_presence(ms(at), who, true);
}

/// A session of so many people with long names, in which one customer leaves and comes back all the
/// time.
struct Flapping {
    account: Account,
    customer: Identity,
    at: u64,
    appends: Vec<Append>,
}

impl Flapping {
    fn new(people: usize) -> Flapping {
        let mut account = open();
        for n in 2..people {
            comes(&mut account, 0, &long(&format!("guest-{n}")), Role::Guest);
        }
        let customer = long("karl");
        comes(&mut account, 0, &long("erika"), Role::Expert);
        comes(&mut account, 0, &customer, Role::Customer);
        account.handle_state(ms(0), SessionState::Live);
        Flapping {
            account,
            customer,
            at: 0,
            appends: Vec::new(),
        }
    }

    /// Two intervals more, with a report of the sums in every tenth round.
    fn round(&mut self) {
        let (account, who) = (&mut self.account, &self.customer);
        account.handle_presence(ms(self.at + 100), who, false);
        account.handle_gone(ms(self.at + 100), who);
        account.handle_state(ms(self.at + 100), AWAY);
        comes(account, self.at + 200, who, Role::Customer);
        account.handle_state(ms(self.at + 200), SessionState::Live);
        self.at += 200;
        if self.at.is_multiple_of(2_000) {
            account.handle_interim(ms(self.at));
        }
        self.appends.extend(appends(account));
    }

    fn end(&mut self) -> Entry {
        let over = SessionState::Ended(EndReason::Left);
        self.account.handle_state(ms(self.at), over);
        self.appends.extend(appends(&mut self.account));
        self.appends.last().unwrap().entry.clone()
    }

    fn entries(&self) -> Vec<Entry> {
        let entries = self.appends.iter().map(|append| append.entry.clone());
        entries.collect()
    }
}

fn bytes(entry: &Entry) -> usize {
    serde_json::to_string(entry).unwrap().len()
}

#[test]
fn no_entry_but_start_and_stop_has_over_2_kb_and_no_event_20_kb_at_10_000_intervals_of_50_people() {
    let mut session = Flapping::new(50);
    for _ in 0..5_000 {
        session.round();
    }
    let stop = session.end();
    assert_eq!(stop.totals.intervals.len(), 10_000);
    assert_eq!(stop.totals.participants.len(), 50);
    let mut halves = [0, 0];
    for (index, append) in session.appends.iter().enumerate() {
        let size = bytes(&append.entry);
        let apart = matches!(append.entry.kind, EntryKind::Start | EntryKind::Stop);
        assert!(
            apart || size <= MAX_ENTRY_BYTES,
            "{size} bytes: {:?}",
            append.entry
        );
        halves[index * 2 / session.appends.len()] += if apart { 0 } else { size };
        for event in &append.events {
            assert!(
                event.body.len() < MAX_EVENT_BYTES,
                "{} bytes: {}",
                event.body.len(),
                event.body
            );
        }
    }
    let [first, second] = halves;
    assert!(
        second < first + first / 10,
        "the ledger grows faster and faster: {first} bytes, then {second}"
    );
}

#[test]
fn the_entries_so_far_and_the_checkpoint_are_the_whole_at_every_moment() {
    for people in [2, 3, 9] {
        let mut session = Flapping::new(people);
        for _ in 0..25 {
            session.round();
            let entries = session.entries();
            let checkpoint = session.account.checkpoint(at(session.at)).unwrap();
            assert!(checkpoint.totals.intervals.len() <= 2);
            let last = unfold(&entries, Some(&checkpoint)).unwrap();
            let mut record = fold([&entries[0], &last]).unwrap();
            record.apply_checkpoint(&checkpoint);
            assert_eq!(record.totals, session.account.meter.totals());
            let stop = fold_orphan(Remains {
                last: &last,
                checkpoint: Some(&checkpoint),
                facts: &facts(),
                event_seq: 99,
                death: None,
            })
            .entry;
            assert_eq!(stop.intervals_from, None);
            assert_eq!(stop.totals.intervals, record.totals.intervals);
            let known = |who| &record.totals.participants[who];
            for (who, totals) in &stop.totals.participants {
                assert_eq!(totals.connected_ms, known(who).connected_ms, "{who}");
            }
        }
        let before = session.entries();
        let without = unfold(&before, None).unwrap();
        let stop = session.end();
        let (was, is) = (&without.totals.intervals, &stop.totals.intervals);
        assert_eq!(was[..], is[..was.len()]);
        assert_eq!(without.terms, stop.terms);
        assert_eq!(without.totals.participants.len(), people);
    }
}

#[test]
fn a_consumer_that_puts_the_intervals_of_events_together_has_those_of_the_end() {
    let mut session = Flapping::new(2);
    for _ in 0..25 {
        session.round();
    }
    session.end();
    let mut list = Vec::new();
    for event in session.appends.iter().flat_map(|append| &append.events) {
        let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
        let data = &body["data"];
        let Some(told) = data["intervals"].as_array() else {
            continue;
        };
        if event.kind == EventKind::SessionEnded {
            assert_eq!(data.get("intervals_from"), None);
            assert_eq!(&list, told);
        } else {
            assert!(told.len() <= 2, "{data}");
            list.truncate(usize::try_from(data["intervals_from"].as_u64().unwrap()).unwrap());
            list.extend(told.iter().cloned());
        }
    }
    assert_eq!(list.len(), 50);
}

#[test]
fn one_token_that_joins_as_often_as_it_may_makes_less_than_10_mb_an_hour() {
    let mut facts = facts();
    facts.metadata = Some(serde_json::json!({"note": "x".repeat(4_080)}));
    facts.external_ref = Some("x".repeat(256));
    let mut session = Flapping::new(2);
    session.account = Account::new(facts, crate::base::Terms::default(), at(0));
    comes(&mut session.account, 0, &long("erika"), Role::Expert);
    // See `api/limits`: 120 joins at once, and one more each 20 s.
    for _ in 0..120 + 180 {
        session.round();
    }
    session.end();
    let all: usize = session
        .appends
        .iter()
        .map(|append| {
            let events = append.events.iter().map(|event| event.body.len());
            bytes(&append.entry) + events.sum::<usize>()
        })
        .sum();
    assert!(all < 10_000_000, "{all} bytes");
    assert_eq!(session.account.accrued(), Millis(29_900));
    assert_eq!(
        session.account.meter.last_present(&session.customer),
        Some(Mono::from_millis(60_000))
    );
}
