//! The chain, the folds, and every fault that `verify` names.

mod changes;

use super::fixture::{START, at, checkpoint, consent, facts, later, life, note, recorded};
use super::*;
use crate::base::{ConsentState, NodeId, Purpose, RecordingStep, SessionId};
use crate::usage::Append;

const NODE: &str = "ND_test";

fn boot_body(epoch: u64, previous: Option<ChainHead>) -> String {
    let boot = BootEntry {
        kind: EntryKind::Boot,
        node: NodeId::from(NODE),
        boot_epoch: epoch,
        at_unix_ms: START,
        version: "0.1.0".to_owned(),
        previous,
    };
    serde_json::to_string(&boot).unwrap()
}

/// A chain as the store would write it.
fn chain(epoch: u64, previous: Option<ChainHead>, appends: &[Append]) -> Vec<Row> {
    let mut head = ChainHead::genesis(NodeId::from(NODE), epoch);
    let boot = (None, boot_body(epoch, previous));
    let entries = appends.iter().map(|append| {
        let entry = &append.entry;
        (
            Some((entry.session.clone(), entry.entry_seq)),
            serde_json::to_string(entry).unwrap(),
        )
    });
    let mut rows = Vec::new();
    for (owner, body) in std::iter::once(boot).chain(entries) {
        let next = head.next(body.as_bytes());
        rows.push(Row {
            place: next.place.clone(),
            session: owner.clone().map(|(session, _)| session),
            entry_seq: owner.map(|(_, seq)| seq),
            labels: serde_json::from_str(&body).ok(),
            prev_hash: head.hash,
            hash: next.hash,
            body,
        });
        head = next;
    }
    rows
}

fn head_of(rows: &[Row]) -> ChainHead {
    let row = rows.last().unwrap();
    ChainHead {
        place: row.place.clone(),
        hash: row.hash,
    }
}

fn faults(rows: Vec<Row>) -> Vec<(u64, FaultKind)> {
    verify(rows)
        .faults
        .iter()
        .map(|fault| (fault.place.chain_seq, fault.fault))
        .collect()
}

/// The faults of a life with a recording after `spoil`.
fn faults_of_recorded(spoil: impl Fn(&mut Vec<Append>)) -> Vec<(u64, FaultKind)> {
    let mut appends = recorded("SE_a");
    spoil(&mut appends);
    faults(chain(1, None, &appends))
}

/// The faults of one life after `spoil`, hashed anew: what a writer with a defect would leave.
fn faults_of_life(spoil: impl Fn(&mut Vec<Append>)) -> Vec<(u64, FaultKind)> {
    let mut appends = life("SE_a");
    spoil(&mut appends);
    faults(chain(1, None, &appends))
}

#[test]
fn two_linked_epochs_are_whole() {
    let first = chain(1, None, &life("SE_a"));
    let second = chain(2, Some(head_of(&first)), &life("SE_b")[..3]);
    let report = verify(first.iter().chain(&second).cloned());
    assert_eq!(report.faults, []);
    assert_eq!(
        (report.rows, report.sessions, report.open_sessions),
        (11, 2, 1)
    );
    assert_eq!(report.chain_heads, [head_of(&first), head_of(&second)]);
}

#[test]
fn an_empty_ledger_is_whole() {
    assert_eq!(verify([]), Report::default());
}

/// The format is for ever: whoever keeps an old ledger must be able to verify it.
#[test]
fn the_chain_is_that_of_the_golden_file() {
    let mut lines = String::new();
    let first = chain(1, None, &golden());
    let second = chain(2, Some(head_of(&first)), &recorded("SE_golden3"));
    for row in first.iter().chain(&second) {
        lines.push_str(&format!(
            "{} {} {} {}\n",
            row.place.boot_epoch, row.place.chain_seq, row.hash, row.body
        ));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/ledger/chain.txt");
    if std::env::var_os("BEISTAND_BLESS").is_some() {
        std::fs::write(path, &lines).unwrap();
    }
    assert_eq!(lines, std::fs::read_to_string(path).unwrap());
}

/// One life and what the fold of a crash makes of the next.
fn golden() -> Vec<Append> {
    let mut appends = life("SE_golden1");
    let cut = life("SE_golden2")[..3].to_vec();
    let stop = fold_orphan(Remains {
        last: &cut[2].entry,
        checkpoint: Some(&checkpoint("SE_golden2", 5_250)),
        facts: &facts("SE_golden2"),
        event_seq: 3,
        death: Some(died(5_250)),
    });
    appends.extend(cut);
    appends.push(stop);
    appends
}

#[test]
fn what_someone_did_to_the_rows_is_named() {
    use FaultKind::{ChainBroken, ChainGap, EntryGap, EpochUnlinked, HashDiffers, StartMisplaced};
    let whole = || chain(1, None, &life("SE_a"));

    let mut flipped = whole();
    flipped[4].body = flipped[4].body.replacen("interim", "intexim", 1);
    assert_eq!(faults(flipped)[0], (5, HashDiffers));

    let mut billed = whole();
    billed[6].body = billed[6]
        .body
        .replacen("\"overlap_ms\":70000", "\"overlap_ms\":70001", 1);
    assert_eq!(faults(billed), [(7, HashDiffers)]);

    let mut deleted = whole();
    deleted.remove(3);
    assert_eq!(
        faults(deleted),
        [(5, ChainGap), (5, ChainBroken), (5, EntryGap)]
    );

    let mut first_deleted = whole();
    first_deleted.remove(1);
    let expected = [
        (3, ChainGap),
        (3, ChainBroken),
        (3, EntryGap),
        (3, StartMisplaced),
    ];
    assert_eq!(faults(first_deleted), expected);

    let mut swapped = whole();
    swapped.swap(3, 4);
    let named = faults(swapped);
    assert!(
        named.contains(&(5, ChainGap)) && named.contains(&(4, EntryGap)),
        "{named:?}"
    );

    let mut exchanged = whole();
    let body = exchanged[3].body.clone();
    exchanged[3].body = std::mem::replace(&mut exchanged[4].body, body);
    let named = faults(exchanged);
    assert!(
        named.contains(&(4, HashDiffers)) && named.contains(&(5, HashDiffers)),
        "{named:?}"
    );

    let (first, link) = (whole(), head_of(&whole()));
    let cut_short = first[..6].iter().cloned().chain(chain(2, Some(link), &[]));
    assert_eq!(faults(cut_short.collect()), [(1, EpochUnlinked)]);
}

#[test]
fn a_row_rehashed_after_a_change_breaks_the_next_one() {
    let mut rows = chain(1, None, &life("SE_a"));
    rows[6].body = rows[6].body.replacen("\"left\"", "\"lost\"", 1);
    rows[5].body = rows[5].body.replacen("customer_away", "expert_awayyy", 1);
    rows[5].hash = chain_hash(&rows[5].prev_hash, &rows[5].place, rows[5].body.as_bytes());
    let named = faults(rows);
    assert!(named.contains(&(7, FaultKind::ChainBroken)), "{named:?}");
    assert!(named.contains(&(7, FaultKind::HashDiffers)), "{named:?}");
}

#[test]
fn a_missing_or_misplaced_boot_entry_is_named() {
    let mut rows = chain(1, None, &life("SE_a"));
    rows.remove(0);
    assert!(faults(rows).contains(&(2, FaultKind::ChainGap)));
    let mut rows = chain(1, None, &life("SE_a"));
    rows[6].body = boot_body(1, None);
    assert!(faults(rows).contains(&(7, FaultKind::BootMisplaced)));
    let mut rows = chain(1, None, &life("SE_a"));
    rows[0].body = rows[1].body.clone();
    assert!(faults(rows).contains(&(1, FaultKind::BootMisplaced)));
}

#[test]
fn an_unreadable_or_misfiled_row_is_named() {
    let mut rows = chain(1, None, &life("SE_a"));
    rows[6].body = "{".to_owned();
    assert_eq!(
        faults(rows),
        [(7, FaultKind::HashDiffers), (7, FaultKind::Unreadable)]
    );
    let mut rows = chain(1, None, &life("SE_a"));
    rows[6].session = Some(SessionId::from("SE_other"));
    assert_eq!(faults(rows), [(7, FaultKind::ColumnsDiffer)]);
}

#[test]
fn what_a_defective_writer_would_leave_is_named() {
    use FaultKind::{AfterStop, EntryGap, NotConserved, StartMisplaced, TotalWentDown};
    assert_eq!(faults_of_life(|_| {}), []);
    assert_eq!(
        faults_of_life(|a| a[3].entry.entry_seq = 7),
        [(5, EntryGap), (6, EntryGap)]
    );
    assert_eq!(
        faults_of_life(|a| a[0].entry.facts = None),
        [(2, StartMisplaced)]
    );
    assert_eq!(
        faults_of_life(|a| {
            a[2].entry.kind = EntryKind::Start;
            a[2].entry.facts = Some(facts("SE_a"));
        }),
        [(4, StartMisplaced)]
    );
    assert_eq!(
        faults_of_life(|a| {
            let mut late = a[5].clone();
            late.entry.entry_seq = 7;
            a.push(late);
        }),
        [(8, AfterStop)]
    );
    assert_eq!(
        faults_of_life(|a| a[3].entry.totals.accrued_ms.0 += 1),
        [(5, NotConserved)]
    );
    assert_eq!(
        faults_of_life(|a| a[3].entry.totals.waiting_ms.0 += 1)[0],
        (5, NotConserved)
    );
    assert_eq!(
        faults_of_life(|a| a[5].entry.totals.paused_ms.clear()),
        [(7, NotConserved)]
    );
    assert_eq!(
        faults_of_life(|a| a[4].entry.totals.overlap_ms.0 = 1),
        [(6, TotalWentDown)]
    );
    assert_eq!(
        faults_of_life(|a| a[5].entry.totals.participants.clear()),
        [(7, TotalWentDown)]
    );
    assert_eq!(
        faults_of_life(|a| {
            let erika = a[5]
                .entry
                .totals
                .participants
                .get_mut(&Identity::from("erika"))
                .unwrap();
            erika.in_bytes = 0;
        }),
        [(7, TotalWentDown)]
    );
}

#[test]
fn a_past_interval_that_changes_is_named_though_the_sums_hold() {
    let moved = faults_of_life(|a| {
        let intervals = &mut a[5].entry.totals.intervals;
        intervals.swap(0, 1);
        let mut at = START.0;
        for interval in intervals {
            let length = interval.end_unix_ms.0 - interval.start_unix_ms.0;
            (interval.start_unix_ms, interval.end_unix_ms) = (Unix(at), Unix(at + length));
            at += length;
        }
    });
    assert_eq!(moved, [(7, FaultKind::TotalWentDown)]);
}

#[test]
fn a_fault_names_no_participant() {
    let mut appends = life("SE_a");
    appends[5].entry.totals.participants.clear();
    let report = verify(chain(1, None, &appends));
    assert!(!format!("{report:?}").contains("erika"), "{report:?}");
}

#[test]
fn a_fold_takes_the_newest_totals_whatever_comes_twice_or_late() {
    let appends = life("SE_a");
    let entries: Vec<&Entry> = appends.iter().map(|append| &append.entry).collect();
    let record = fold(entries.iter().copied()).unwrap();
    assert_eq!(record.totals, entries[5].totals);
    assert_eq!(record.state, SessionState::Ended(EndReason::Left));
    let shuffled = [0, 5, 3, 3, 1].map(|index| entries[index]);
    assert_eq!(fold(shuffled).unwrap(), record);
    assert_eq!(fold([]), Err(FoldError::Empty));
    assert_eq!(fold([entries[1]]), Err(FoldError::NoStart));
}

#[test]
fn a_checkpoint_moves_an_open_record_and_never_an_ended_one() {
    let appends = life("SE_a");
    let mut record = fold(appends[..3].iter().map(|append| &append.entry)).unwrap();
    record.apply_checkpoint(&checkpoint("SE_a", 5_250));
    assert_eq!(record.totals.accrued_ms, Millis(5_250));
    record.apply_checkpoint(&checkpoint("SE_a", 5_000));
    assert_eq!(
        record.totals.accrued_ms,
        Millis(5_250),
        "an older one changes nothing"
    );
    let mut ended = fold(appends.iter().map(|append| &append.entry)).unwrap();
    let before = ended.clone();
    ended.apply_checkpoint(&Checkpoint {
        entry_seq: 9,
        ..checkpoint("SE_a", 90_000)
    });
    assert_eq!(ended, before);
}

#[test]
fn an_orphan_is_closed_at_the_newest_moment_that_is_certain() {
    let appends = life("SE_a");
    // (last entry, checkpoint's accrued time, accrued in the stop entry)
    let table = [
        (3, None, 0),
        (3, Some(5_250), 5_250),
        (4, Some(5_250), 60_000), // the entry is newer than the checkpoint
        (4, None, 60_000),
    ];
    for (last, live, accrued) in table {
        let checkpoint = live.map(|live| checkpoint("SE_a", live));
        let last = &appends[last - 1].entry;
        let stop = orphaned(last, checkpoint.as_ref(), 9, Some(died(accrued)));
        assert_eq!(stop.entry.totals.accrued_ms, Millis(accrued), "{live:?}");
        assert_eq!(stop.entry.entry_seq, last.entry_seq + 1);
        assert_eq!(stop.entry.at_unix_ms, Unix(START.0 + 1_000 + accrued));
        assert_eq!(stop.entry.end_reason(), Some(EndReason::NodeLost));
        assert!(stop.entry.estimated && stop.entry.bound_ms == Some(CRASH_BOUND));
    }
}

#[test]
fn the_bound_of_an_estimate_grows_by_what_was_open_at_the_checkpoint() {
    let appends = life("SE_a");
    let taken = Checkpoint {
        open_ms: Millis(2_300),
        ..checkpoint("SE_a", 5_250)
    };
    let stop = orphaned(&appends[2].entry, Some(&taken), 9, Some(died(5_350)));
    assert_eq!(stop.entry.bound_ms, Some(Millis(2_400)));
}

#[test]
fn the_bound_of_an_estimate_is_the_time_from_what_is_on_disk_to_the_death_or_nothing() {
    let appends = life("SE_a");
    let taken = checkpoint("SE_a", 5_250);
    let old = Checkpoint {
        taken: None,
        ..taken.clone()
    };
    let set = Death {
        unix: None,
        ..died(50_000)
    };
    let late = died(50_550);
    for (name, checkpoint, death, bound) in [
        ("in time", Some(&taken), Some(died(5_900)), Some(1_000)),
        ("a full disk", Some(&taken), Some(late), Some(45_300)),
        ("nobody knows", Some(&taken), None, None),
        ("an old checkpoint", Some(&old), Some(late), Some(50_550)),
        (
            "and a clock that was set",
            Some(&old),
            Some(Death { unix: None, ..late }),
            None,
        ),
        // The third entry is of the moment at which it went live.
        ("no checkpoint", None, Some(died(9_000)), Some(9_000)),
        ("a clock that was set", None, Some(set), None),
        ("and a checkpoint", Some(&taken), Some(set), Some(44_750)),
    ] {
        let stop = orphaned(&appends[2].entry, checkpoint, 9, death);
        assert_eq!(stop.entry.bound_ms, bound.map(Millis), "{name}");
        let told = serde_json::from_str::<serde_json::Value>(&stop.events.last().unwrap().body);
        let told = told.unwrap()["data"]["bound_ms"].clone();
        assert_eq!(told, serde_json::json!(bound), "{name}");
    }
}

/// A death so long after the session of a life went live.
fn died(live: u64) -> Death {
    Death {
        mono: Mono::from_millis(live),
        unix: Some(Unix(START.0 + 1_000 + live)),
    }
}

fn orphaned(
    last: &Entry,
    checkpoint: Option<&Checkpoint>,
    event_seq: u64,
    death: Option<Death>,
) -> Append {
    fold_orphan(Remains {
        last,
        checkpoint,
        facts: &facts("SE_a"),
        event_seq,
        death,
    })
}

#[test]
fn an_orphans_events_say_who_left_and_then_that_it_ended() {
    let appends = life("SE_a");
    let stop = orphaned(&appends[3].entry, None, 4, None);
    let told: Vec<_> = stop
        .events
        .iter()
        .map(|event| (event.event_seq, event.kind))
        .collect();
    let left = EventKind::ParticipantLeft;
    assert_eq!(told, [(5, left), (6, left), (7, EventKind::SessionEnded)]);
    assert!(
        stop.entry
            .totals
            .participants
            .values()
            .all(|participant| !participant.present)
    );
    let mut closed = appends[..4].to_vec();
    closed.push(stop);
    assert_eq!(faults(chain(1, None, &closed)), []);
}

#[test]
fn a_life_with_a_recording_is_whole_and_says_what_was_recorded() {
    let appends = recorded("SE_a");
    let causes: Vec<_> = appends.iter().map(|a| a.entry.cause.as_str()).collect();
    assert_eq!(
        causes,
        [
            "created",
            "participant_joined",
            "participant_joined",
            "live",
            "consent_given",
            "consent_given",
            "recording_started",
            "consent_withdrawn",
            "recording_stopped",
            "participant_left",
            "participant_left",
            "ended_by_api",
            "recording_ready",
            "recording_deleted",
        ]
    );
    assert_eq!(faults_of_recorded(|_| {}), []);
    let seqs = appends.iter().flat_map(|a| &a.events).map(|e| e.event_seq);
    assert_eq!(seqs.collect::<Vec<_>>(), (1..=13).collect::<Vec<_>>());
    let record = fold(appends.iter().map(|append| &append.entry)).unwrap();
    let shared = [(Purpose::Shared, Millis(6_000))].into();
    assert_eq!(record.totals.recording_ms, shared);
    assert_eq!(
        record.at_unix_ms,
        at(20_000).unix,
        "the end, not the deletion"
    );
    assert_eq!(record.entry_seq, 14);
}

#[test]
fn what_a_defective_writer_would_say_of_consents_and_recordings_is_named() {
    use FaultKind::{AfterStop, EntryGap, NotConserved, NoteMisplaced, RecordingOrder};
    let misplaced: [fn(&mut Vec<Append>); 5] = [
        |a| a[4].entry.consent = None,
        |a| a[4].entry.kind = EntryKind::Interim,
        |a| a[3].entry.consent = Some(consent("karl", ConsentState::Given)),
        |a| a[3].entry.recording = Some(note("SE_a", RecordingStep::Started)),
        |a| a[5].entry.kind = EntryKind::Recording,
    ];
    for (index, spoil) in misplaced.iter().enumerate() {
        let named = faults_of_recorded(spoil);
        let kinds: Vec<_> = named.iter().map(|(_, kind)| *kind).collect();
        assert_eq!(kinds, [NoteMisplaced], "{index}");
    }
    let other =
        |a: &mut Vec<Append>| a[6].entry.recording = Some(note("SE_b", RecordingStep::Started));
    assert_eq!(
        faults_of_recorded(other),
        [
            (8, NoteMisplaced),
            (10, RecordingOrder),
            (14, RecordingOrder),
            (15, RecordingOrder)
        ]
    );
    let stopped =
        |a: &mut Vec<Append>| a[8].entry.recording = Some(note("SE_a", RecordingStep::Ready));
    assert_eq!(faults_of_recorded(stopped), [(10, RecordingOrder)]);
    let again =
        |a: &mut Vec<Append>| a[13].entry.recording = Some(note("SE_a", RecordingStep::Started));
    assert_eq!(faults_of_recorded(again), [(15, RecordingOrder)]);
    let billed = |a: &mut Vec<Append>| a[12].entry.state = SessionState::Live;
    assert_eq!(faults_of_recorded(billed), [(14, AfterStop)]);
    let counted = |a: &mut Vec<Append>| {
        a[12].entry.totals.recording_ms.clear();
    };
    assert_eq!(faults_of_recorded(counted), [(14, AfterStop)]);
    let late = |a: &mut Vec<Append>| {
        a[13].entry.kind = EntryKind::Consent;
        a[13].entry.recording = None;
        a[13].entry.consent = Some(consent("karl", ConsentState::Given));
    };
    assert_eq!(faults_of_recorded(late), [(15, AfterStop)]);
    let cut = |a: &mut Vec<Append>| drop(a.remove(12));
    assert_eq!(
        faults_of_recorded(cut),
        [(14, EntryGap), (14, RecordingOrder)]
    );
    let longer = |a: &mut Vec<Append>| {
        a[9].entry
            .totals
            .recording_ms
            .insert(Purpose::Shared, Millis(20_001));
    };
    assert!(faults_of_recorded(longer).contains(&(11, NotConserved)));
}

#[test]
fn recorded_time_that_goes_down_is_named() {
    let fell = faults_of_recorded(|a| a[10].entry.totals.recording_ms.clear());
    assert_eq!(fell, [(12, FaultKind::TotalWentDown)]);
}

#[test]
fn a_step_comes_only_where_it_may() {
    use RecordingStep::{Deleted, Failed, Ready, Started, Stopped};
    let steps = [Started, Stopped, Failed, Ready, Deleted];
    let mut lines = Vec::new();
    for over in [false, true] {
        for before in std::iter::once(None).chain(Stage::ALL.map(Some)) {
            let after = steps.map(|step| {
                let after = Stage::after(before, step, over);
                after.map_or("-", Stage::as_str)
            });
            let word = before.map_or("nothing", Stage::as_str);
            lines.push(format!("{over} {word}: {}", after.join(" ")));
        }
    }
    assert_eq!(
        lines,
        [
            // started stopped failed ready deleted
            "false nothing: recording - - - -",
            "false recording: - stopped broken - -",
            "false stopped: recording - broken - -",
            "false broken: recording - - - -",
            "false ready: - - - - -",
            "false failed: - - - - -",
            "false deleted: - - - - -",
            "true nothing: - - - - -",
            "true recording: - - failed ready -",
            "true stopped: - - failed ready -",
            "true broken: - - failed ready -",
            "true ready: - - - - deleted",
            "true failed: - - - - deleted",
            "true deleted: - - - - -",
        ]
    );
    assert!(
        Stage::ALL
            .iter()
            .all(|stage| Stage::parse(stage.as_str()) == Some(*stage))
    );
}

#[test]
fn an_orphan_that_was_being_recorded_keeps_what_its_checkpoint_counted() {
    let appends = recorded("SE_a")[..7].to_vec();
    let mut taken = checkpoint("SE_a", 5_250);
    (taken.entry_seq, taken.event_seq) = (7, 7);
    taken
        .totals
        .recording_ms
        .insert(Purpose::Shared, Millis(4_000));
    let stop = orphaned(&appends[6].entry, Some(&taken), 7, Some(died(0)));
    assert_eq!(
        stop.entry.totals.recording_ms[&Purpose::Shared],
        Millis(4_000)
    );
    assert_eq!((&stop.entry.consent, &stop.entry.recording), (&None, &None));
    let mut closed = appends.clone();
    closed.push(stop);
    closed.push(later(
        &closed,
        note("SE_a", RecordingStep::Failed),
        at(90_000).unix,
    ));
    let named = faults(chain(1, None, &closed));
    let order = named
        .iter()
        .filter(|(_, kind)| *kind != FaultKind::TotalWentDown);
    assert_eq!(order.count(), 0, "{named:?}");
    let late = &closed.last().unwrap().entry;
    assert!(late.estimated && late.bound_ms == Some(CRASH_BOUND));
}

#[test]
fn a_consent_does_not_make_totals_look_newer_than_they_are() {
    let appends = recorded("SE_a");
    let mut record = fold(appends[..5].iter().map(|append| &append.entry)).unwrap();
    assert_eq!(appends[4].entry.at_unix_ms, at(1_000).unix);
    assert_eq!(record.at_unix_ms, START, "nothing is counted yet");
    let mut taken = checkpoint("SE_a", 0);
    (taken.entry_seq, taken.settled_unix_ms) = (5, at(900).unix);
    record.apply_checkpoint(&taken);
    assert_eq!(record.at_unix_ms, at(900).unix);
    let stop = orphaned(&appends[4].entry, Some(&taken), 5, Some(died(0)));
    assert_eq!(
        stop.entry.totals.waiting_ms,
        Millis(1_000),
        "of the checkpoint"
    );
    assert_eq!(
        stop.entry.at_unix_ms,
        at(1_000).unix,
        "never before the entry"
    );
}
