//! The JSON that billing gets: CloudEvents 1.0, structured mode. Integers only, and fields in the
//! order of the structs below: the same event has the same bytes in every build.

use super::entry::{Entry, Event, EventKind, Interval, ParticipantTotals, SessionFacts, Totals};
use crate::base::crypto::{hex, sha256};
use crate::base::{
    Actor, Consent, Direction, FloorState, Identity, LimitedBy, Millis, NodeId, ParticipantSid,
    PauseReason, Purpose, RecordingId, RecordingNote, Role, RoomName, RoomSid, SessionId,
    SessionState, TrackSource, Unix, Verdict, Warning,
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// An event is shorter than this many bytes: lists that would pass it are named instead.
pub const MAX_EVENT_BYTES: usize = 20_000;

/// Prefix of a session id, left out of the event id.
const SESSION_PREFIX: &str = "SE_";

/// The event that `entry` causes. Its id and its bytes depend on the arguments alone, so a fold
/// after a crash makes the same event again.
///
/// # Panics
/// Never: our records are structs and maps with text keys, which JSON always holds.
pub fn event(
    facts: &SessionFacts,
    kind: EventKind,
    event_seq: u64,
    entry: &Entry,
    participant: Option<&Identity>,
) -> Event {
    let session = facts.session.as_str();
    let id = format!(
        "evt_{}_{event_seq}",
        session.strip_prefix(SESSION_PREFIX).unwrap_or(session)
    );
    let mut data = Data::new(facts, event_seq, entry);
    match kind {
        EventKind::SessionUsage | EventKind::SessionEnded => {
            data.intervals = Some(&entry.totals.intervals);
            data.intervals_from = entry.intervals_from;
            data.participants = Some(people(&entry.totals));
            let never_live = || waited(&entry.totals);
            data.waited = (kind == EventKind::SessionEnded).then(never_live).flatten();
        }
        EventKind::SessionWarning => data.warning = entry.warning.as_ref().map(Notice::new),
        EventKind::ParticipantJoined | EventKind::ParticipantLeft => {
            let known = participant.and_then(|who| entry.totals.participants.get_key_value(who));
            data.participant = known.map(|(who, totals)| Person::new(who, totals));
        }
        EventKind::ConsentChanged => data.consent = entry.consent.as_ref(),
        EventKind::RecordingStarted
        | EventKind::RecordingReady
        | EventKind::RecordingFailed
        | EventKind::RecordingDeleted => {
            data.recording = entry.recording.as_ref().map(RecordingBody::new)
        }
        EventKind::SessionPaused | EventKind::SessionResumed => {
            data.intervals = Some(&entry.totals.intervals);
            data.intervals_from = entry.intervals_from;
        }
        EventKind::SessionStarted => {}
    }
    let envelope = Envelope {
        specversion: "1.0",
        id: &id,
        source: format!("/nodes/{}", facts.node),
        kind: kind.as_str(),
        subject: session,
        time: entry.at_unix_ms.rfc3339(),
        datacontenttype: "application/json",
        sequence: format!("{event_seq:020}"),
        data,
    };
    let body = short(envelope);
    Event {
        event_seq,
        id,
        kind,
        body,
    }
}

/// The JSON of an event. Where it would be too long its lists give way, the intervals first: their
/// counts, hashes and places stand there instead.
fn short(mut envelope: Envelope<'_>) -> String {
    let session = envelope.data.session_id;
    let mut body = json(&envelope);
    if body.len() >= MAX_EVENT_BYTES {
        envelope.data.name_intervals(session);
        body = json(&envelope);
    }
    if body.len() >= MAX_EVENT_BYTES {
        envelope.data.name_people(session);
        body = json(&envelope);
    }
    body
}

fn json(value: &impl Serialize) -> String {
    match serde_json::to_string(value) {
        Ok(json) => json,
        Err(error) => panic!("an event of ours is not JSON: {error}"),
    }
}

/// A list that is too long for its event.
#[derive(Serialize)]
struct Elsewhere {
    count: usize,
    /// SHA-256 of its JSON, as it would stand in the event.
    sha256: String,
    /// Where the API has it.
    path: String,
}

impl Elsewhere {
    fn new(count: usize, list: &impl Serialize, path: String) -> Elsewhere {
        Elsewhere {
            count,
            sha256: hex(&sha256(json(list).as_bytes())),
            path,
        }
    }
}

/// The CloudEvents attributes; `sequence` sorts as text (CloudEvents sequence extension).
#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    sequence: String,
    data: Data<'a>,
}

/// What an event says: of its session always, `null` where there is nothing to say; the lists in
/// the kinds that have them.
#[derive(Serialize)]
struct Data<'a> {
    session_id: &'a SessionId,
    room: &'a RoomName,
    room_sid: &'a RoomSid,
    node: &'a NodeId,
    policy: &'a str,
    external_ref: Option<&'a str>,
    metadata: Option<&'a Value>,
    continues: Option<&'a SessionId>,
    event_seq: u64,
    entry_seq: u64,
    state: &'static str,
    reason: Option<&'static str>,
    cause: &'a str,
    accrued_ms: Millis,
    billable_ms: Millis,
    overlap_ms: Millis,
    waiting_ms: Millis,
    paused_ms: &'a BTreeMap<PauseReason, Millis>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    recording_ms: &'a BTreeMap<Purpose, Millis>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
    /// Of an estimate; null where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    bound_ms: Option<Option<Millis>>,
    /// How many intervals are left out, since earlier events told them.
    #[serde(skip_serializing_if = "Option::is_none")]
    intervals_from: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intervals: Option<&'a [Interval]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intervals_elsewhere: Option<Elsewhere>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participants: Option<BTreeMap<&'a Identity, Person<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participants_elsewhere: Option<Elsewhere>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<Person<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited: Option<Vec<Wait<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<&'a Consent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording: Option<RecordingBody<'a>>,
    #[serde(flatten)]
    warning: Option<Notice<'a>>,
}

/// What is told of a recording's step.
#[derive(Serialize)]
struct RecordingBody<'a> {
    id: &'a RecordingId,
    purpose: Purpose,
    actor: Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest_sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_unix_ms: Option<Unix>,
}

impl<'a> RecordingBody<'a> {
    fn new(note: &'a RecordingNote) -> RecordingBody<'a> {
        let result = note.result.as_ref();
        RecordingBody {
            id: &note.id,
            purpose: note.id.purpose(),
            actor: note.actor,
            reason: note.reason.as_deref(),
            duration_ms: result.map(|result| result.duration_ms),
            bytes: result.map(|result| result.bytes),
            files: result.map(|result| result.files),
            manifest_sha256: result.map(|result| result.manifest_sha256.as_str()),
            expires_unix_ms: result.and_then(|result| result.expires_unix_ms),
        }
    }
}

/// How long someone was there in a session that was never live.
#[derive(Serialize)]
struct Wait<'a> {
    identity: &'a Identity,
    role: Option<Role>,
    waited_ms: Millis,
}

/// Who waited how long, longest first, where the session was never live.
fn waited(totals: &Totals) -> Option<Vec<Wait<'_>>> {
    let waiting = |interval: &Interval| interval.state == SessionState::Waiting;
    totals.intervals.iter().all(waiting).then(|| {
        let people = totals.participants.iter();
        let mut waits: Vec<_> = people
            .map(|(identity, totals)| Wait {
                identity,
                role: totals.role,
                waited_ms: totals.connected_ms,
            })
            .collect();
        waits.sort_by_key(|wait| std::cmp::Reverse(wait.waited_ms));
        waits
    })
}

/// What a warning says; the fields that its kind has.
#[derive(Serialize)]
struct Notice<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "participant")]
    whose: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor_state: Option<FloorState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_bps: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor_bps: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limited_by: Option<LimitedBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked: Option<bool>,
}

/// A participant by name alone: a warning may be about one who was not heard yet.
#[derive(Serialize)]
struct Named<'a> {
    identity: &'a Identity,
}

impl<'a> Notice<'a> {
    fn new(warning: &'a Warning) -> Notice<'a> {
        let named = |identity| Named { identity };
        Notice {
            kind: warning.kind.as_str(),
            left_s: warning.left_s,
            whose: warning.identity.as_ref().map(named),
            direction: warning.direction,
            floor_state: warning.floor_state,
            measured_bps: warning.measured_bps,
            floor_bps: warning.floor_bps,
            limited_by: warning.limited_by,
            text: warning.text.as_deref(),
            checked: warning.checked,
        }
    }
}

impl<'a> Data<'a> {
    fn new(facts: &'a SessionFacts, event_seq: u64, entry: &'a Entry) -> Data<'a> {
        Data {
            session_id: &facts.session,
            room: &facts.room.name,
            room_sid: &facts.room_sid,
            node: &facts.node,
            policy: &facts.policy,
            external_ref: facts.external_ref.as_deref(),
            metadata: facts.metadata.as_ref(),
            continues: facts.continues.as_ref(),
            event_seq,
            entry_seq: entry.entry_seq,
            state: entry.state.as_str(),
            reason: entry.state.reason(),
            cause: &entry.cause,
            accrued_ms: entry.totals.accrued_ms,
            billable_ms: entry.totals.billable_ms,
            overlap_ms: entry.totals.overlap_ms,
            waiting_ms: entry.totals.waiting_ms,
            paused_ms: &entry.totals.paused_ms,
            recording_ms: &entry.totals.recording_ms,
            estimated: entry.estimated,
            bound_ms: entry.estimated.then_some(entry.bound_ms),
            intervals_from: None,
            intervals: None,
            intervals_elsewhere: None,
            participants: None,
            participants_elsewhere: None,
            participant: None,
            waited: None,
            consent: None,
            recording: None,
            warning: None,
        }
    }
}

impl Data<'_> {
    fn name_intervals(&mut self, session: &SessionId) {
        self.intervals_elsewhere = self.intervals.take().map(|list| {
            let path = format!("/v1/sessions/{session}/intervals");
            Elsewhere::new(list.len(), &list, path)
        });
    }

    /// Who waited how long is among what is said of each.
    fn name_people(&mut self, session: &SessionId) {
        self.waited = None;
        self.participants_elsewhere = self.participants.take().map(|list| {
            let path = format!("/v1/sessions/{session}");
            Elsewhere::new(list.len(), &list, path)
        });
    }
}

/// One participant's totals.
#[derive(Serialize)]
struct Person<'a> {
    identity: &'a Identity,
    sid: &'a ParticipantSid,
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preflight: Option<&'a Verdict>,
    present: bool,
    connected_ms: Millis,
    media_ms: Millis,
    reconnect_gap_ms: Millis,
    published_ms: &'a BTreeMap<TrackSource, Millis>,
    below_floor_up_ms: Millis,
    below_floor_down_ms: Millis,
    limited_ms: &'a BTreeMap<Direction, BTreeMap<LimitedBy, Millis>>,
    in_bytes: u64,
    out_bytes: u64,
}

impl<'a> Person<'a> {
    fn new(identity: &'a Identity, totals: &'a ParticipantTotals) -> Person<'a> {
        Person {
            identity,
            sid: &totals.sid,
            role: totals.role,
            preflight: totals.preflight.as_ref(),
            present: totals.present,
            connected_ms: totals.connected_ms,
            media_ms: totals.media_ms,
            reconnect_gap_ms: totals.reconnect_gap_ms,
            published_ms: &totals.published_ms,
            below_floor_up_ms: totals.below_floor_up_ms,
            below_floor_down_ms: totals.below_floor_down_ms,
            limited_ms: &totals.limited_ms,
            in_bytes: totals.in_bytes,
            out_bytes: totals.out_bytes,
        }
    }
}

fn people(totals: &Totals) -> BTreeMap<&Identity, Person<'_>> {
    totals
        .participants
        .iter()
        .map(|(who, totals)| (who, Person::new(who, totals)))
        .collect()
}

#[cfg(test)]
mod tests;
