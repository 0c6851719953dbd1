//! Ledgers whose entries name only what changed, and those of older versions, whose entries are whole.

use super::*;
use crate::base::{Mono, Role, SessionId};
use crate::usage::Account;

/// Rows as they stand in a golden file.
fn stored(text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in text.lines() {
        let parts: Vec<&str> = line.splitn(4, ' ').collect();
        let (epoch, seq) = (parts[0].parse().unwrap(), parts[1].parse().unwrap());
        let entry = serde_json::from_str::<Entry>(parts[3]).ok();
        let before = rows.last().filter(|row| row.place.boot_epoch == epoch);
        rows.push(Row {
            place: ChainPosition {
                node: NodeId::from(NODE),
                boot_epoch: epoch,
                chain_seq: seq,
            },
            session: entry.as_ref().map(|entry| entry.session.clone()),
            entry_seq: entry.map(|entry| entry.entry_seq),
            labels: serde_json::from_str(parts[3]).ok(),
            prev_hash: before.map_or(Hash::GENESIS, |row| row.hash),
            hash: serde_json::from_value(parts[2].into()).unwrap(),
            body: parts[3].to_owned(),
        });
    }
    rows
}

fn entries(rows: &[Row], session: &str) -> Vec<Entry> {
    let session = SessionId::from(session);
    let of = |row: &&Row| row.session.as_ref() == Some(&session);
    let entries = rows.iter().filter(of);
    entries
        .map(|row| serde_json::from_str(&row.body).unwrap())
        .collect()
}

#[test]
fn a_ledger_of_an_older_version_is_whole_and_tells_the_same_as_one_of_this() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/ledger/");
    let read = |name: &str| stored(&std::fs::read_to_string(format!("{path}{name}")).unwrap());
    let (old, new) = (read("whole.txt"), read("chain.txt"));
    assert_eq!(verify(old.clone()).faults, []);
    assert_eq!(verify(new.clone()).faults, []);
    for session in ["SE_golden1", "SE_golden2", "SE_golden3"] {
        let (old, new) = (entries(&old, session), entries(&new, session));
        assert_eq!(fold(&old), fold(&new), "{session}");
        for count in 1..=old.len() {
            let last = |entries: &[Entry]| unfold(&entries[..count], None).unwrap();
            let (old, new) = (last(&old), last(&new));
            assert_eq!(
                old.totals.meters(),
                new.totals.meters(),
                "{session} {count}"
            );
            if count < 13 {
                assert_eq!(old.totals, new.totals, "{session} entry {count}");
            }
            assert_eq!(old.terms, new.terms, "{session} entry {count}");
        }
    }
}

/// A customer leaves and comes back so many times.
fn flapping(rounds: u64) -> Vec<Append> {
    let mut account = Account::new(facts("SE_a"), Terms::default(), at(0));
    let karl = Identity::from("karl");
    for (who, role) in [("erika", Role::Expert), ("karl", Role::Customer)] {
        account.handle_joined(&who.into(), "PA_1".into(), Some(role));
        account.handle_presence(Mono::ZERO, &who.into(), true);
    }
    account.handle_state(Mono::ZERO, SessionState::Live);
    for round in 0..rounds {
        let (left, back) = (at(round * 200 + 100).mono, at(round * 200 + 200).mono);
        account.handle_presence(left, &karl, false);
        account.handle_gone(left, &karl);
        account.handle_state(left, SessionState::Paused(PauseReason::CustomerAway));
        account.handle_presence(back, &karl, true);
        account.handle_state(back, SessionState::Live);
    }
    let over = SessionState::Ended(EndReason::Left);
    account.handle_state(at(rounds * 200).mono, over);
    std::iter::from_fn(|| account.poll_output()).collect()
}

#[test]
fn entries_that_name_what_changed_are_a_whole_ledger() {
    let appends = flapping(100);
    assert!(appends.len() > 400);
    assert_eq!(faults(chain(1, None, &appends)), []);
    let all = fold(appends.iter().map(|append| &append.entry)).unwrap();
    let stop = &appends.last().unwrap().entry;
    assert_eq!(all.totals, stop.totals);
    assert_eq!(all.totals.intervals.len(), 200);
}

#[test]
fn what_a_changed_entry_tells_wrongly_is_named() {
    let spoilt = |spoil: &dyn Fn(&mut Vec<Append>)| {
        let mut appends = flapping(10);
        spoil(&mut appends);
        faults(chain(1, None, &appends))
    };
    // The boot entry is the first row, the first entry the second one.
    let at = 21;
    let row = 23;
    let entry = |a: &mut Vec<Append>| a[at].entry.totals.intervals.len();
    assert!(entry(&mut flapping(10)) > 0);
    for (what, spoil, kind) in [
        (
            "an interval that is over is told anew with another end",
            &(|a: &mut Vec<Append>| {
                let mut again = a[at - 8].entry.totals.intervals[0];
                again.end_unix_ms.0 += 1;
                let from = a[at - 8].entry.intervals_from;
                a[at].entry.intervals_from = from;
                a[at].entry.totals.intervals.insert(0, again);
            }) as &dyn Fn(&mut Vec<Append>),
            FaultKind::NotConserved,
        ),
        (
            "intervals are taken back",
            &|a| a[at].entry.intervals_from = Some(1),
            FaultKind::TotalWentDown,
        ),
        (
            "intervals are told that nobody told before",
            &|a| {
                a[at].entry.intervals_from = Some(99);
            },
            FaultKind::NotConserved,
        ),
        (
            "a total is not the sum of the intervals",
            &|a| a[at].entry.totals.accrued_ms.0 += 1,
            FaultKind::NotConserved,
        ),
    ] {
        let found = spoilt(spoil);
        assert!(found.contains(&(row, kind)), "{what}: {found:?}");
    }
}

#[test]
fn a_note_after_the_end_that_drops_or_adds_an_interval_is_named() {
    for change in [-1, 1] {
        let faults = faults_of_recorded(|a| {
            let from = a[12].entry.intervals_from.unwrap();
            a[12].entry.intervals_from = from.checked_add_signed(change);
        });
        assert_eq!(faults, [(14, FaultKind::AfterStop)]);
    }
}
