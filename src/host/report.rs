//! What `beistand usage` and `beistand ledger verify` say: texts for people, JSON for machines. Both
//! only read, whether the node runs or not.

#[cfg(test)]
mod tests;

use super::store::error::OpenError;
use super::store::read::LedgerReader;
use crate::base::{
    Identity, Millis, PauseReason, ProjectId, Purpose, RoomName, SessionId, SessionState,
};
use crate::usage::ledger::{Report, SessionRecord, Verifier};
use crate::usage::{Interval, ParticipantTotals};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Longest room name in the table.
const ROOM_CHARS: usize = 24;

/// What was used in a session, as billing reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionUsage {
    /// The session.
    pub session: SessionId,
    /// Its room.
    pub room: RoomName,
    /// Whose it is: `default`, or a name from `[projects.NAME]`.
    pub project: ProjectId,
    /// `waiting`, `live`, `paused` or `ended`.
    pub state: &'static str,
    /// Why it is paused or has ended.
    pub reason: Option<&'static str>,
    /// Start, RFC 3339.
    pub started: String,
    /// End, RFC 3339; `null` while it goes on.
    pub ended: Option<String>,
    /// Up to when the totals are known, RFC 3339.
    pub settled: String,
    /// The billing clock.
    pub accrued_ms: Millis,
    /// `accrued_ms`, or 0 below the policy's minimum.
    pub billable_ms: Millis,
    /// Both sides present.
    pub overlap_ms: Millis,
    /// Before they met.
    pub waiting_ms: Millis,
    /// Paused, by reason.
    pub paused_ms: BTreeMap<PauseReason, Millis>,
    /// Recorded, by purpose; absent where nobody was.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub recording_ms: BTreeMap<Purpose, Millis>,
    /// True where a crash cut it off.
    pub estimated: bool,
    /// Largest possible error of the estimate.
    pub bound_ms: Option<Millis>,
    /// Every interval.
    pub intervals: Vec<Interval>,
    /// Totals per participant, by identity.
    pub participants: BTreeMap<Identity, ParticipantTotals>,
    /// The app's own booking id.
    pub external_ref: Option<String>,
    /// The session that a crash cut off and this one goes on with.
    pub continues: Option<SessionId>,
}

impl From<SessionRecord> for SessionUsage {
    fn from(record: SessionRecord) -> SessionUsage {
        let settled = record.at_unix_ms.rfc3339();
        let ended = matches!(record.state, SessionState::Ended(_)).then(|| settled.clone());
        let totals = record.totals;
        SessionUsage {
            session: record.facts.session,
            room: record.facts.room.name,
            project: record.facts.room.project,
            state: record.state.as_str(),
            reason: record.state.reason(),
            started: record.started_unix_ms.rfc3339(),
            ended,
            settled,
            accrued_ms: totals.accrued_ms,
            billable_ms: totals.billable_ms,
            overlap_ms: totals.overlap_ms,
            waiting_ms: totals.waiting_ms,
            paused_ms: totals.paused_ms,
            recording_ms: totals.recording_ms,
            estimated: record.estimated,
            bound_ms: record.bound_ms,
            intervals: totals.intervals,
            participants: totals.participants,
            external_ref: record.facts.external_ref,
            continues: record.facts.continues,
        }
    }
}

/// The usage of all sessions in the ledger of `dir`, oldest first, or of one, or of a project; live ones
/// up to their newest checkpoint.
///
/// # Errors
/// There is no ledger, or it cannot be read.
pub fn usage(
    dir: &Path,
    session: Option<&str>,
    project: Option<&ProjectId>,
) -> Result<Vec<SessionUsage>, OpenError> {
    let records = LedgerReader::open(dir)?.records(session)?;
    let wanted = |record: &SessionRecord| {
        project.is_none_or(|project| record.facts.room.project == *project)
    };
    let wanted = records.into_iter().filter(wanted);
    Ok(wanted.map(SessionUsage::from).collect())
}

/// Checks the ledger in `dir`: hash chain, sequences, totals. Exit code 0 if `faults` is empty.
///
/// # Errors
/// There is no ledger, or it cannot be read.
pub fn verify(dir: &Path) -> Result<Report, OpenError> {
    let mut verifier = Verifier::default();
    LedgerReader::open(dir)?.rows(|row| verifier.handle_row(&row))?;
    Ok(verifier.finish())
}

/// The usage as a table with a header.
pub fn usage_table(sessions: &[SessionUsage]) -> String {
    let header = [
        "SESSION", "ROOM", "STATE", "REASON", "STARTED", "ENDED", "ACCRUED", "BILLABLE", "PEOPLE",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(sessions.iter().map(cells));
    table(&rows)
}

fn cells(usage: &SessionUsage) -> [String; 9] {
    let about = if usage.estimated { "~" } else { "" };
    [
        shown(usage.session.as_str()),
        shown(usage.room.as_str()),
        usage.state.to_owned(),
        usage.reason.unwrap_or("-").to_owned(),
        usage.started.clone(),
        usage.ended.clone().unwrap_or_else(|| "-".to_owned()),
        format!("{about}{}", clock(usage.accrued_ms)),
        format!("{about}{}", clock(usage.billable_ms)),
        usage.participants.len().to_string(),
    ]
}

/// `1:02:03.456`, exact to the millisecond.
pub(super) fn clock(span: Millis) -> String {
    let (secs, millis) = (span.0 / 1_000, span.0 % 1_000);
    format!(
        "{}:{:02}:{:02}.{millis:03}",
        secs / 3_600,
        secs / 60 % 60,
        secs % 60
    )
}

/// A name that an app or a stranger chose, fit for a terminal: short, and with nothing in it that
/// moves the cursor or turns the direction of the text.
pub(super) fn shown(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars().take(ROOM_CHARS) {
        let odd = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if odd {
            text.extend(c.escape_unicode());
        } else {
            text.push(c);
        }
    }
    if name.chars().nth(ROOM_CHARS).is_some() {
        text.push('…');
    }
    text
}

pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// The result of [`verify`] for people.
pub fn verify_text(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} rows, {} sessions ({} open), {} chains, {} faults",
        report.rows,
        report.sessions,
        report.open_sessions,
        report.chain_heads.len(),
        report.faults.len()
    );
    for head in &report.chain_heads {
        let place = &head.place;
        let _ = writeln!(
            text,
            "chain  {} epoch {} ends at row {} with {}",
            place.node, place.boot_epoch, place.chain_seq, head.hash
        );
    }
    for fault in &report.faults {
        let session = fault.session.as_ref().map_or(String::new(), |session| {
            let seq = fault.entry_seq.unwrap_or(0);
            format!(" ({} entry {seq})", shown(session.as_str()))
        });
        let _ = writeln!(
            text,
            "FAULT  epoch {} row {}{session}: {}: {}\n       {}",
            fault.place.boot_epoch,
            fault.place.chain_seq,
            fault.fault.as_str(),
            fault.detail,
            fault.meaning
        );
    }
    let _ = writeln!(
        text,
        "{}",
        if report.faults.is_empty() {
            "the ledger is whole"
        } else {
            "the ledger is NOT whole"
        }
    );
    text
}
