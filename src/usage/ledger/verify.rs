//! Says of a stored ledger whether it is whole, and names every fault.

use super::chain::{
    BootEntry, ChainHead, ChainPosition, ClockEntry, Hash, Labels, Row, chain_hash,
};
use super::recordings::Stages;
use super::seals::Seals;
use crate::base::{Identity, Millis, PauseReason, SessionId, SessionState};
use crate::usage::{Entry, EntryKind, Interval, Totals};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows read.
    pub rows: u64,
    /// Sessions met.
    pub sessions: u64,
    /// Those of them without a stop entry.
    pub open_sessions: u64,
    /// The last row of each chain, oldest epoch first.
    pub chain_heads: Vec<ChainHead>,
    /// Everything that is wrong, in the order of the rows. Empty: the ledger is whole.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The row at which it shows.
    #[serde(flatten)]
    pub place: ChainPosition,
    /// The row's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The row's sequence number in its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_seq: Option<u64>,
    /// What.
    pub fault: FaultKind,
    /// The numbers or words that differ.
    pub detail: String,
    /// What that means for whoever relies on the ledger.
    pub meaning: &'static str,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The stored hash is not that of the row.
    HashDiffers,
    /// The row names another predecessor than the one before it.
    ChainBroken,
    /// `chain_seq` does not follow the row before.
    ChainGap,
    /// The first row of an epoch is no boot entry, or a boot entry stands elsewhere.
    BootMisplaced,
    /// The boot entry does not name the head of the epoch before.
    EpochUnlinked,
    /// The body is no entry.
    Unreadable,
    /// The columns and the body say different things.
    ColumnsDiffer,
    /// `entry_seq` does not follow the session's entry before.
    EntryGap,
    /// The session does not begin with a start entry, or has a second one.
    StartMisplaced,
    /// An entry after the stop entry that is no step of a recording, or changes state or totals.
    AfterStop,
    /// A consent entry without a consent, a recording entry without a step of a recording of its session,
    /// or one of these in another kind of entry.
    NoteMisplaced,
    /// A step of a recording that cannot follow the one before.
    RecordingOrder,
    /// A total went down, or a past interval changed.
    TotalWentDown,
    /// The totals are not the sums of the intervals.
    NotConserved,
}

impl FaultKind {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            FaultKind::HashDiffers => "hash_differs",
            FaultKind::ChainBroken => "chain_broken",
            FaultKind::ChainGap => "chain_gap",
            FaultKind::BootMisplaced => "boot_misplaced",
            FaultKind::EpochUnlinked => "epoch_unlinked",
            FaultKind::Unreadable => "unreadable",
            FaultKind::ColumnsDiffer => "columns_differ",
            FaultKind::EntryGap => "entry_gap",
            FaultKind::StartMisplaced => "start_misplaced",
            FaultKind::AfterStop => "after_stop",
            FaultKind::NoteMisplaced => "note_misplaced",
            FaultKind::RecordingOrder => "recording_order",
            FaultKind::TotalWentDown => "total_went_down",
            FaultKind::NotConserved => "not_conserved",
        }
    }

    /// What it means for whoever relies on the ledger.
    pub const fn meaning(self) -> &'static str {
        match self {
            FaultKind::HashDiffers => "this row was changed after it was written",
            FaultKind::ChainBroken => "the row before was replaced, removed or moved",
            FaultKind::ChainGap => "rows before this one were removed or moved",
            FaultKind::BootMisplaced => "the beginning of this epoch was removed or moved",
            FaultKind::EpochUnlinked => {
                "rows at the end of the epoch before were removed or changed"
            }
            FaultKind::Unreadable => {
                "this row cannot be relied on; the session's later rows carry its totals"
            }
            FaultKind::ColumnsDiffer => {
                "the row was filed under another session, number, kind or time"
            }
            FaultKind::EntryGap => "entries of this session are missing or repeated",
            FaultKind::StartMisplaced => "the session's beginning is missing or repeated",
            FaultKind::AfterStop => "the session was billed on after its end",
            FaultKind::NoteMisplaced => "this row is no evidence of a consent or a recording",
            FaultKind::RecordingOrder => {
                "steps of this recording are missing or invented; what it holds is in doubt"
            }
            FaultKind::TotalWentDown => {
                "the past of this session was changed; its totals are in doubt"
            }
            FaultKind::NotConserved => {
                "the totals are not backed by intervals; do not bill this session before a look"
            }
        }
    }
}

/// Checks stored rows, which come in the order of their epochs and `chain_seq`.
pub fn verify(rows: impl IntoIterator<Item = Row>) -> Report {
    let mut verifier = Verifier::default();
    rows.into_iter().for_each(|row| verifier.handle_row(&row));
    verifier.finish()
}

/// [`verify`] a row at a time: a ledger need not fit into memory.
#[derive(Default)]
pub struct Verifier {
    report: Report,
    /// Stored place and hash of the row before.
    head: Option<ChainHead>,
    sessions: BTreeMap<SessionId, Seen>,
}

/// The newest entry of a session.
struct Seen {
    entry_seq: u64,
    course: Course,
    recordings: Stages,
}

/// Whether a session is over.
enum Course {
    /// Not yet; its totals so far.
    Open(Box<Totals>),
    /// It is. What was sealed then stays.
    Over(Seals),
}

impl Course {
    const fn is_over(&self) -> bool {
        matches!(self, Course::Over(_))
    }
}

impl Verifier {
    /// Takes the next row.
    pub fn handle_row(&mut self, row: &Row) {
        self.report.rows += 1;
        self.check_chain(row);
        let previous = self.step_head(row);
        let labels = match serde_json::from_str::<Labels>(&row.body) {
            Ok(labels) => labels,
            Err(error) => return self.fault(row, FaultKind::Unreadable, error.to_string()),
        };
        if !row.labels.is_some_and(|filed| filed.fit(&labels)) {
            let detail = format!("filed as {:?}, the body says {labels:?}", row.labels);
            self.fault(row, FaultKind::ColumnsDiffer, detail);
        }
        let boot = |verifier: &mut Verifier, detail: &str| {
            verifier.fault(row, FaultKind::BootMisplaced, detail.to_owned());
        };
        match (labels.kind, row.place.chain_seq == 1) {
            (EntryKind::Boot, true) => return self.check_boot(row, previous.as_ref()),
            (EntryKind::Boot, false) => return boot(self, "a boot entry inside the epoch"),
            (EntryKind::Clock, false) => return self.check_clock(row),
            (_, true) => boot(self, "no boot entry comes first"),
            (_, false) => {}
        }
        self.check_entry(row);
    }

    fn check_chain(&mut self, row: &Row) {
        let expected = chain_hash(&row.prev_hash, &row.place, row.body.as_bytes());
        if expected != row.hash {
            let detail = format!("stored {}, computed {expected}", row.hash);
            self.fault(row, FaultKind::HashDiffers, detail);
        }
        let before = self
            .head
            .clone()
            .filter(|head| same_chain(&head.place, &row.place));
        let (seq, hash) =
            before.map_or((0, Hash::GENESIS), |head| (head.place.chain_seq, head.hash));
        if row.place.chain_seq != seq + 1 {
            let detail = format!("expected {}, found {}", seq + 1, row.place.chain_seq);
            self.fault(row, FaultKind::ChainGap, detail);
        }
        if row.prev_hash != hash {
            let detail = format!("expected {hash}, found {}", row.prev_hash);
            self.fault(row, FaultKind::ChainBroken, detail);
        }
    }

    /// Moves the head on; answers the head of the epoch before, when a new one begins here.
    fn step_head(&mut self, row: &Row) -> Option<ChainHead> {
        let head = ChainHead {
            place: row.place.clone(),
            hash: row.hash,
        };
        let before = self.head.replace(head)?;
        if same_chain(&before.place, &row.place) {
            return None;
        }
        self.report.chain_heads.push(before.clone());
        Some(before)
    }

    fn check_boot(&mut self, row: &Row, previous: Option<&ChainHead>) {
        let boot: BootEntry = match serde_json::from_str(&row.body) {
            Ok(boot) => boot,
            Err(error) => return self.fault(row, FaultKind::Unreadable, error.to_string()),
        };
        if boot.node != row.place.node || boot.boot_epoch != row.place.boot_epoch {
            let detail = format!("the body says node {} epoch {}", boot.node, boot.boot_epoch);
            self.fault(row, FaultKind::ColumnsDiffer, detail);
        }
        if boot.previous.as_ref() != previous {
            let told = |head: Option<&ChainHead>| {
                head.map_or("none".to_owned(), |h| {
                    format!(
                        "epoch {} row {} {}",
                        h.place.boot_epoch, h.place.chain_seq, h.hash
                    )
                })
            };
            let detail = format!(
                "named {}, found {}",
                told(boot.previous.as_ref()),
                told(previous)
            );
            self.fault(row, FaultKind::EpochUnlinked, detail);
        }
    }

    fn check_clock(&mut self, row: &Row) {
        match serde_json::from_str::<ClockEntry>(&row.body) {
            Ok(clock) if clock.node == row.place.node && row.session.is_none() => {}
            Ok(clock) => {
                let detail = format!("the body says node {}, of no session", clock.node);
                self.fault(row, FaultKind::ColumnsDiffer, detail);
            }
            Err(error) => self.fault(row, FaultKind::Unreadable, error.to_string()),
        }
    }

    fn check_entry(&mut self, row: &Row) {
        let entry: Entry = match serde_json::from_str(&row.body) {
            Ok(entry) => entry,
            Err(error) => return self.fault(row, FaultKind::Unreadable, error.to_string()),
        };
        if row.session.as_ref() != Some(&entry.session) || row.entry_seq != Some(entry.entry_seq) {
            let detail = format!("the body says {} entry {}", entry.session, entry.entry_seq);
            self.fault(row, FaultKind::ColumnsDiffer, detail);
        }
        let mut seen = self.sessions.remove(&entry.session);
        for (kind, detail) in order_faults(&entry, seen.as_ref()) {
            self.fault(row, kind, detail);
        }
        let over = seen.as_ref().is_some_and(|seen| seen.course.is_over());
        let mut recordings = seen
            .as_mut()
            .map_or_else(Stages::default, |seen| std::mem::take(&mut seen.recordings));
        if let Some((kind, detail)) = note_fault(&entry, &mut recordings, over) {
            self.fault(row, kind, detail);
        }
        let course = match seen.map(|seen| seen.course) {
            Some(Course::Over(sealed)) => Course::Over(sealed),
            open @ (Some(Course::Open(_)) | None) => {
                let totals = whole(open.as_ref(), &entry);
                if let Some(detail) = imbalance(&totals) {
                    self.fault(row, FaultKind::NotConserved, detail);
                }
                if entry.kind == EntryKind::Stop {
                    Course::Over(Seals::new(&entry))
                } else {
                    Course::Open(Box::new(totals))
                }
            }
        };
        let seen = Seen {
            entry_seq: entry.entry_seq,
            course,
            recordings,
        };
        self.sessions.insert(entry.session, seen);
    }

    fn fault(&mut self, row: &Row, fault: FaultKind, detail: String) {
        self.report.faults.push(Fault {
            place: row.place.clone(),
            session: row.session.clone(),
            entry_seq: row.entry_seq,
            fault,
            detail,
            meaning: fault.meaning(),
        });
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.report.chain_heads.extend(self.head);
        let open = self
            .sessions
            .values()
            .filter(|seen| !seen.course.is_over())
            .count();
        self.report.sessions = u64::try_from(self.sessions.len()).unwrap_or(u64::MAX);
        self.report.open_sessions = u64::try_from(open).unwrap_or(u64::MAX);
        self.report
    }
}

fn same_chain(a: &ChainPosition, b: &ChainPosition) -> bool {
    a.node == b.node && a.boot_epoch == b.boot_epoch
}

/// What is wrong with an entry, given the session's entry before it.
fn order_faults(entry: &Entry, seen: Option<&Seen>) -> Vec<(FaultKind, String)> {
    let mut faults = Vec::new();
    let expected = seen.map_or(1, |seen| seen.entry_seq + 1);
    if entry.entry_seq != expected {
        let detail = format!("expected {expected}, found {}", entry.entry_seq);
        faults.push((FaultKind::EntryGap, detail));
    }
    let starts = entry.kind == EntryKind::Start && entry.facts.is_some();
    if starts != seen.is_none() {
        let detail = if starts {
            "a second start"
        } else {
            "no start with the facts comes first"
        };
        faults.push((FaultKind::StartMisplaced, detail.to_owned()));
    }
    match seen.map(|seen| &seen.course) {
        None => {}
        Some(Course::Over(sealed)) if entry.kind != EntryKind::Recording || !sealed.hold(entry) => {
            faults.push((FaultKind::AfterStop, format!("cause {}", entry.cause)));
        }
        Some(Course::Over(_)) => {}
        Some(course @ Course::Open(before)) => {
            let fell = regression(before, &whole(Some(course), entry));
            faults.extend(fell.map(|detail| (FaultKind::TotalWentDown, detail)));
        }
    }
    faults
}

/// An entry's totals, with what only the entries before it tell.
fn whole(before: Option<&Course>, entry: &Entry) -> Totals {
    let mut totals = match before {
        Some(Course::Open(before)) => (**before).clone(),
        Some(Course::Over(_)) | None => Totals::default(),
    };
    totals.take(&entry.totals, entry.intervals_from);
    totals
}

/// What is wrong with what an entry says of consents and recordings.
fn note_fault(entry: &Entry, recordings: &mut Stages, over: bool) -> Option<(FaultKind, String)> {
    let told = |kind: EntryKind, has: bool| (entry.kind == kind) == has;
    let note = entry.recording.as_ref();
    let whose = note.is_none_or(|note| *note.id.session() == entry.session);
    let in_place = told(EntryKind::Consent, entry.consent.is_some())
        && told(EntryKind::Recording, note.is_some());
    if !in_place || !whose {
        let detail = format!("cause {}", entry.cause);
        return Some((FaultKind::NoteMisplaced, detail));
    }
    let note = note?;
    let before = recordings.stage(&note.id);
    if recordings.handle_step(&note.id, note.step, over) {
        return None;
    }
    let before = before.map_or("nothing", |stage| stage.as_str());
    let when = if over { "after the end" } else { "in it" };
    let detail = format!("{} {} {when} after {before}", note.id, note.step.as_str());
    Some((FaultKind::RecordingOrder, detail))
}

/// The first total that went down from `before` to `after`, or the past interval that changed.
fn regression(before: &Totals, after: &Totals) -> Option<String> {
    let fell = |name: &str, was: u64, is: u64| {
        (is < was).then(|| format!("{name} went from {was} to {is}"))
    };
    let clocks = [
        ("accrued_ms", before.accrued_ms, after.accrued_ms),
        ("billable_ms", before.billable_ms, after.billable_ms),
        ("overlap_ms", before.overlap_ms, after.overlap_ms),
        ("waiting_ms", before.waiting_ms, after.waiting_ms),
    ];
    let clock = clocks
        .iter()
        .find_map(|(name, was, is)| fell(name, was.0, is.0));
    let paused = || {
        before.paused_ms.iter().find_map(|(reason, was)| {
            let is = after.paused_ms.get(reason).map_or(0, |ms| ms.0);
            fell(&format!("paused_ms.{}", reason.as_str()), was.0, is)
        })
    };
    let recorded = || {
        before.recording_ms.iter().find_map(|(purpose, was)| {
            let is = after.recording_ms.get(purpose).map_or(0, |ms| ms.0);
            fell(&format!("recording_ms.{purpose}"), was.0, is)
        })
    };
    clock
        .or_else(paused)
        .or_else(recorded)
        .or_else(|| {
            before
                .participants
                .keys()
                .find_map(|id| participant_regression(id, before, after))
        })
        .or_else(|| rewritten(&before.intervals, &after.intervals))
}

fn participant_regression(id: &Identity, before: &Totals, after: &Totals) -> Option<String> {
    let was = before.participants.get(id)?;
    // `{:?}` of an identity prints its tag, not the name.
    let Some(is) = after.participants.get(id) else {
        return Some(format!("participant {id:?} is gone"));
    };
    let meters = [
        ("connected_ms", was.connected_ms.0, is.connected_ms.0),
        ("media_ms", was.media_ms.0, is.media_ms.0),
        (
            "reconnect_gap_ms",
            was.reconnect_gap_ms.0,
            is.reconnect_gap_ms.0,
        ),
        (
            "below_floor_up_ms",
            was.below_floor_up_ms.0,
            is.below_floor_up_ms.0,
        ),
        (
            "below_floor_down_ms",
            was.below_floor_down_ms.0,
            is.below_floor_down_ms.0,
        ),
        ("in_bytes", was.in_bytes, is.in_bytes),
        ("out_bytes", was.out_bytes, is.out_bytes),
    ];
    let sources = was.published_ms.iter().map(|(source, was)| {
        (
            "published_ms",
            was.0,
            is.published_ms.get(source).map_or(0, |ms| ms.0),
        )
    });
    let limited = was.limited_ms.iter().flat_map(|(direction, was)| {
        let is = is.limited_ms.get(direction);
        was.iter().map(move |(by, was)| {
            let is = is.and_then(|is| is.get(by)).map_or(0, |ms| ms.0);
            ("limited_ms", was.0, is)
        })
    });
    let fallen = meters
        .into_iter()
        .chain(sources)
        .chain(limited)
        .find(|(_, was, is)| is < was);
    fallen.map(|(name, was, is)| format!("{name} of {id:?} went from {was} to {is}"))
}

/// Past intervals stay as they are; only the last one may grow.
fn rewritten(before: &[Interval], after: &[Interval]) -> Option<String> {
    let long = |interval: &&Interval| interval.end_unix_ms > interval.start_unix_ms;
    let (before, after): (Vec<_>, Vec<_>) = (
        before.iter().filter(long).collect(),
        after.iter().filter(long).collect(),
    );
    let last = before.len().checked_sub(1)?;
    (0..=last)
        .find_map(|index| {
            let (was, is) = (before[index], after.get(index)?);
            let same = was.start_unix_ms == is.start_unix_ms && was.state == is.state;
            let end = was.end_unix_ms == is.end_unix_ms
                || (index == last && was.end_unix_ms < is.end_unix_ms);
            (!(same && end)).then(|| format!("interval {} changed", index + 1))
        })
        .or_else(|| (after.len() < before.len()).then(|| "an interval is gone".to_owned()))
}

/// Why the totals are not the sums of their intervals, or null if they are.
fn imbalance(totals: &Totals) -> Option<String> {
    let touching = totals
        .intervals
        .windows(2)
        .position(|pair| pair[0].end_unix_ms != pair[1].start_unix_ms);
    if let Some(index) = touching {
        return Some(format!(
            "intervals {} and {} do not touch",
            index + 1,
            index + 2
        ));
    }
    let mut sums: BTreeMap<PauseReason, u64> = BTreeMap::new();
    let (mut live, mut waiting) = (0, 0);
    for interval in &totals.intervals {
        // An end is its start plus a monotonic length: taking the start off gives that length back.
        let Some(length) = interval.end_unix_ms.0.checked_sub(interval.start_unix_ms.0) else {
            return Some("an interval ends before it starts".to_owned());
        };
        match interval.state {
            SessionState::Live => live += length,
            SessionState::Waiting => waiting += length,
            SessionState::Paused(reason) => *sums.entry(reason).or_default() += length,
            SessionState::Ended(_) => return Some("an interval of an ended session".to_owned()),
        }
    }
    let differs = |name: &str, total: Millis, sum: u64| {
        (total.0 != sum).then(|| format!("{name} is {}, its intervals sum to {sum}", total.0))
    };
    let paused: Millis = totals.paused_ms.values().copied().sum();
    differs("accrued_ms", totals.accrued_ms, live)
        .or_else(|| differs("waiting_ms", totals.waiting_ms, waiting))
        .or_else(|| differs("paused_ms", paused, sums.values().sum()))
        .or_else(|| {
            totals.paused_ms.iter().find_map(|(reason, total)| {
                let sum = sums.get(reason).copied().unwrap_or(0);
                differs(&format!("paused_ms.{}", reason.as_str()), *total, sum)
            })
        })
        .or_else(|| {
            let all = live + waiting + sums.values().sum::<u64>();
            let over = |(_, total): &(_, &Millis)| total.0 > all;
            let (purpose, total) = totals.recording_ms.iter().find(over)?;
            Some(format!(
                "recording_ms.{purpose} is {}, all intervals sum to {all}",
                total.0
            ))
        })
}
