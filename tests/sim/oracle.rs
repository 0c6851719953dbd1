//! The truth, computed from the generated packets alone by interval arithmetic, and the judgement on
//! what the node recorded. Shares no code with `src`: it only reads the records.

use crate::course::{Course, Stand, course};
use crate::grants::as_recorded;
use crate::scenario::{Act, Action, Micros, SEC};
use crate::world::{Case, Fate};
use beistand::base::{Direction, PauseReason, Role, SessionState};
use beistand::usage::{EntryKind, Totals};
use std::collections::BTreeMap;

pub const PRESENT: Micros = 5 * SEC;
const MEDIA: Micros = 2 * SEC;
const CRASH_BOUND: Micros = SEC;

/// Closed intervals, sorted and apart.
pub type Spans = Vec<(Micros, Micros)>;

/// What one participant really did.
#[derive(Clone, Debug, Default)]
pub struct Track {
    name: &'static str,
    pub role: Option<Role>,
    pub counts: bool,
    pub runs: Spans,
    media: Spans,
    /// The newest stretch of media may go on.
    flowing: bool,
    pub first_media: Option<Micros>,
    pub connects: Vec<Micros>,
    /// Explicit leaves.
    pub leaves: Vec<Micros>,
    /// Last packet, where the next one may still join it.
    undecided: Option<Micros>,
    packets: Vec<Micros>,
    connected: bool,
}

/// The true course of a session, as far as packets up to some moment prove it.
#[derive(Clone, Debug)]
pub struct Truth {
    tracks: BTreeMap<&'static str, Track>,
    live: Spans,
    course: Course,
    overlap: Spans,
    first: Option<Micros>,
    first_live: Option<Micros>,
    pub end: Micros,
    pub reason: &'static str,
    /// Up to here all that matters for the clock is decided.
    decided: Micros,
}

fn union(mut spans: Spans) -> Spans {
    spans.sort_unstable();
    let mut merged: Spans = Vec::new();
    for (start, end) in spans {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

fn cross(a: &Spans, b: &Spans) -> Spans {
    let pairs = a
        .iter()
        .flat_map(|x| b.iter().map(move |y| (x.0.max(y.0), x.1.min(y.1))));
    union(pairs.filter(|(start, end)| start <= end).collect())
}

fn cut(spans: &Spans, from: Micros, to: Micros) -> Spans {
    if from > to {
        Vec::new()
    } else {
        cross(spans, &vec![(from, to)])
    }
}

fn minus(a: &Spans, b: &Spans) -> Spans {
    let mut edges = vec![0];
    b.iter()
        .for_each(|(start, end)| edges.extend([*start, *end]));
    edges.push(Micros::MAX);
    let holes: Spans = edges.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    cross(a, &holes)
}

/// Milliseconds, as differences of whole-millisecond readings.
fn length(spans: &Spans) -> u64 {
    spans
        .iter()
        .map(|(start, end)| end / 1000 - start / 1000)
        .sum()
}

/// In whole milliseconds, without empty ones, touching ones joined.
fn in_ms(spans: &Spans) -> Spans {
    let ms = spans.iter().map(|(start, end)| (start / 1000, end / 1000));
    union(ms.filter(|(start, end)| start < end).collect())
}

/// What the packets up to `horizon` say of each participant.
fn tracks(case: &Case, horizon: Micros) -> BTreeMap<&'static str, Track> {
    let mut tracks: BTreeMap<&'static str, Track> = BTreeMap::new();
    let of_the_wire = |action: &&Action| {
        matches!(
            action.act,
            Act::Connect | Act::Packet { .. } | Act::Leave { .. }
        )
    };
    let inputs = case.inputs.iter().filter(of_the_wire);
    for action in inputs.filter(|action| action.at <= horizon) {
        let at = action.at;
        let track = tracks.entry(action.who.name).or_default();
        match action.act {
            Act::Connect => {
                (track.role, track.counts) = (action.who.role, action.who.counts);
                track.name = action.who.name;
                track.connects.push(at);
                track.connected = true;
            }
            Act::Packet { media } if track.connected => {
                match (track.undecided, track.runs.last_mut()) {
                    (Some(last), Some(run)) if at <= last + PRESENT => run.1 = at,
                    _ => track.runs.push((at, at)),
                }
                track.undecided = Some(at);
                track.packets.push(at);
                if media {
                    track.first_media.get_or_insert(at);
                    match track.media.last_mut() {
                        Some(run) if track.flowing && at <= run.1 + MEDIA => run.1 = at,
                        _ => track.media.push((at, at)),
                    }
                    track.flowing = true;
                }
            }
            Act::Leave { explicit } if track.connected => {
                let here = track.undecided.is_some_and(|last| at <= last + PRESENT);
                if explicit {
                    track.leaves.push(at);
                    if let Some(run) = track.runs.last_mut().filter(|_| here) {
                        run.1 = at;
                    }
                }
                track.undecided = None;
                track.connected = false;
                track.flowing = false;
            }
            Act::Packet { .. }
            | Act::Leave { .. }
            | Act::Pause
            | Act::Resume
            | Act::Confirm { .. }
            | Act::Extend { .. }
            | Act::Grant { .. }
            | Act::Floor { .. }
            | Act::Consent { .. }
            | Act::Record { .. } => {}
        }
    }
    for track in tracks.values_mut() {
        track.undecided = track.undecided.filter(|last| horizon <= last + PRESENT);
    }
    tracks
}

pub struct Sides {
    pub expert: Spans,
    pub customer: Spans,
    pub attending: Spans,
    pub both: Spans,
}

fn sides(tracks: &BTreeMap<&'static str, Track>) -> Sides {
    let of = |pick: &dyn Fn(&Track) -> bool| {
        union(
            tracks
                .values()
                .filter(|t| pick(t))
                .flat_map(|t| t.runs.clone())
                .collect(),
        )
    };
    let attending = of(&|t| {
        if t.role.is_some() {
            t.role != Some(Role::Observer)
        } else {
            t.counts
        }
    });
    if tracks.values().any(|t| t.role.is_some()) {
        let (expert, customer) = (
            of(&|t| t.role == Some(Role::Expert)),
            of(&|t| t.role == Some(Role::Customer)),
        );
        let both = cross(&expert, &customer);
        return Sides {
            expert,
            customer,
            attending,
            both,
        };
    }
    // Any two at a time.
    let counted: Vec<_> = tracks.values().filter(|t| t.counts).collect();
    let pairs = (0..counted.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    let both = union(
        pairs
            .flat_map(|(i, j)| cross(&counted[i].runs, &counted[j].runs))
            .collect(),
    );
    let first = counted
        .iter()
        .min_by_key(|t| t.connects[0])
        .map_or(Vec::new(), |t| t.runs.clone());
    let mut rest = minus(&of(&|t| t.counts), &first);
    // Where the first one comes or goes is no moment of somebody else's.
    rest.retain(|(start, end)| start < end);
    Sides {
        expert: union([first, both.clone()].concat()),
        customer: union([rest, both.clone()].concat()),
        attending,
        both,
    }
}

/// The truth from the packets up to `horizon`.
pub fn truth(case: &Case, horizon: Micros) -> Truth {
    let tracks = tracks(case, horizon);
    let sides = sides(&tracks);
    let stand = begins(case);
    let anyone = union(tracks.values().flat_map(|t| t.runs.clone()).collect());
    let whole = course(case, &tracks, stand.clone(), horizon);
    let first_live = whole.first_live;
    let alone = crate::absence::end(case, &tracks, &sides, (&anyone, first_live));
    let (end, reason) = whole.end.into_iter().chain([alone]).min().unwrap();
    let course = course(case, &tracks, stand, end.min(horizon));
    let roles = tracks.values().any(|t| t.role.is_some());
    let matters = |t: &&Track| match t.role {
        Some(Role::Expert | Role::Customer) => true,
        Some(Role::Guest) => case.policy.connected,
        Some(Role::Observer) => false,
        None => t.counts && !roles,
    };
    Truth {
        live: union(course.live.clone()),
        course,
        overlap: cut(&sides.both, 0, end),
        first: anyone.first().map(|span| span.0),
        first_live,
        end,
        reason,
        decided: tracks
            .values()
            .filter(matters)
            .filter_map(|t| t.undecided)
            .min()
            .unwrap_or(horizon),
        tracks,
    }
}

/// What a session begins with: fresh, or as the one that it continues stood where its record ends.
fn begins(case: &Case) -> Stand {
    let Some(before) = &case.before else {
        return Stand::fresh(&case.policy);
    };
    let before = &as_recorded(before);
    let stop = &before.entries[before.entries.len() - 1];
    // The totals reach further than the moment of an entry that tells of someone's past leave.
    let intervals = &stop.totals.intervals;
    let end = intervals.last().map_or(stop.at_unix_ms, |i| i.end_unix_ms);
    let ms = before.moment(end);
    let until = (ms * 1000 + 999).max(before.created);
    let tracks = tracks(before, Micros::MAX - PRESENT);
    let mut stand = course(before, &tracks, begins(before), until).stand;
    stand.continued();
    stand
}

/// Judges a session; answers what a crash cost (milliseconds), where there was one.
pub fn judge(case: &Case) -> Result<Option<u64>, String> {
    if let Some(fault) = &case.shown.fault {
        return Err(format!("the shown clock: {fault}"));
    }
    if case.entries.is_empty() {
        return judge_unknown(case);
    }
    check_entries(case)?;
    crate::consents::check(case)?;
    crate::consumer::check(case)?;
    crate::grants::check(case)?;
    let totals = &case.entries[case.entries.len() - 1].totals;
    check_conservation(case, totals)?;
    match case.fate {
        Fate::Own => judge_clean(case, totals).map(|()| None),
        Fate::Api(at) => judge_cut(case, totals, (at, at)).map(|_| None),
        Fate::Crash(at) => judge_cut(case, totals, (at, at - CRASH_BOUND)).map(Some),
        Fate::Lost(at) => {
            let bound = case.entries[case.entries.len() - 1].bound_ms;
            let safe = bound.map_or(0, |bound| at.saturating_sub(bound.0 * 1000));
            judge_cut(case, totals, (at, safe)).map(Some)
        }
    }
}

/// A session of which nothing was acknowledged: it must be too young to have cost anything.
fn judge_unknown(case: &Case) -> Result<Option<u64>, String> {
    let (Fate::Crash(at) | Fate::Lost(at)) = case.fate else {
        return Err("a session without a crash left no entry".into());
    };
    let lost = length(&truth(case, at).live);
    if matches!(case.fate, Fate::Crash(_)) && case.created + CRASH_BOUND < at {
        return Err(format!(
            "a session of {} µs left no entry",
            at - case.created
        ));
    }
    Ok(Some(lost))
}

fn equal<T: PartialEq + std::fmt::Debug>(
    what: &str,
    recorded: T,
    true_one: T,
) -> Result<(), String> {
    if recorded == true_one {
        return Ok(());
    }
    Err(format!("{what}: recorded {recorded:?}, true {true_one:?}"))
}

/// A session that ended by its own rules is right to the millisecond.
fn judge_clean(case: &Case, totals: &Totals) -> Result<(), String> {
    let truth = truth(case, Micros::MAX - PRESENT);
    let stop = &case.entries[case.entries.len() - 1];
    equal("end reason", stop.state.reason(), Some(truth.reason))?;
    equal("end", case.moment(stop.at_unix_ms), truth.end / 1000)?;
    equal("accrued", totals.accrued_ms.0, length(&truth.live))?;
    equal(
        "live intervals",
        live_intervals(case, totals),
        in_ms(&truth.live),
    )?;
    equal("overlap", totals.overlap_ms.0, length(&truth.overlap))?;
    let until = truth
        .first_live
        .map_or(truth.end, |live| live.min(truth.end));
    let waiting = truth
        .first
        .map_or(0, |first| (until / 1000).saturating_sub(first / 1000));
    equal("waiting", totals.waiting_ms.0, waiting)?;
    let names: Vec<_> = totals
        .participants
        .keys()
        .map(|who| who.as_str().to_owned())
        .collect();
    let here = truth
        .tracks
        .iter()
        .filter(|(_, t)| t.runs.iter().any(|run| run.0 <= truth.end));
    equal(
        "participants",
        names,
        here.map(|(name, _)| (*name).to_owned()).collect(),
    )?;
    let told = |reason: &PauseReason| totals.paused_ms.get(reason).map_or(0, |ms| ms.0);
    let pauses = totals.paused_ms.keys().filter(|reason| told(reason) > 0);
    let pauses: BTreeMap<_, _> = pauses
        .map(|reason| (reason.as_str(), told(reason)))
        .collect();
    let mut truly = truth.course.pauses.clone();
    truly.retain(|_, ms| *ms > 0);
    equal("pauses", pauses, truly)?;
    judge_warnings(case, &truth)?;
    for (who, recorded) in &totals.participants {
        let track = &truth.tracks[who.as_str()];
        let below = |direction| {
            let spans = truth.course.below.get(&(track.name, direction));
            spans.map_or(0, length)
        };
        let name = who.as_str();
        let (up, down) = (recorded.below_floor_up_ms.0, recorded.below_floor_down_ms.0);
        equal(&format!("{name} below up"), up, below(Direction::Up))?;
        equal(&format!("{name} below down"), down, below(Direction::Down))?;
        let runs = cut(&track.runs, 0, truth.end);
        let gaps = runs.windows(2).map(|w| w[1].0 / 1000 - w[0].1 / 1000).sum();
        let who = who.as_str();
        equal(
            &format!("{who} connected"),
            recorded.connected_ms.0,
            length(&runs),
        )?;
        equal(&format!("{who} gap"), recorded.reconnect_gap_ms.0, gaps)?;
        equal(
            &format!("{who} media"),
            recorded.media_ms.0,
            length(&cross(&runs, &track.media)),
        )?;
    }
    Ok(())
}

/// Each warning came once, at its millisecond.
fn judge_warnings(case: &Case, truth: &Truth) -> Result<(), String> {
    let warns = |cause: &str| cause.starts_with("warning_") || cause == "floor_restored";
    let end = truth.end / 1000;
    let mut told: Vec<_> = case
        .entries
        .iter()
        .filter(|entry| warns(&entry.cause))
        .map(|entry| (case.moment(entry.at_unix_ms), entry.cause.as_str()))
        .filter(|(at, _)| *at < end)
        .collect();
    let mut truly = truth.course.told.clone();
    truly.retain(|(at, _)| *at < end);
    told.sort_unstable();
    truly.sort_unstable();
    equal("warnings", told, truly)
}

/// A session that was cut off at `at`: nothing but the truth, and all of it that was decided by
/// `safe`. Answers how much less than the truth it is.
fn judge_cut(case: &Case, totals: &Totals, (at, safe): (Micros, Micros)) -> Result<u64, String> {
    let whole = truth(case, at);
    // A bound may be longer than the session: before it nothing is sure.
    let sure = truth(case, safe.max(case.created));
    let least = length(&cut(&sure.live, 0, sure.decided));
    let (billed, most) = (totals.accrued_ms.0, length(&whole.live));
    if billed > most || billed < least {
        return Err(format!(
            "billed {billed}, true {most}, proven by the last safe moment {least}"
        ));
    }
    for (start, end) in live_intervals(case, totals) {
        let inside = in_ms(&whole.live)
            .iter()
            .any(|span| span.0 <= start && end <= span.1);
        if !inside {
            return Err(format!(
                "billed {start}..{end} outside of {:?}",
                in_ms(&whole.live)
            ));
        }
    }
    for (who, recorded) in &totals.participants {
        let track = &whole.tracks[who.as_str()];
        let (connected, media) = (length(&track.runs), length(&track.media));
        let below = |direction| {
            let spans = whole.course.below.get(&(track.name, direction));
            spans.map_or(0, length)
        };
        if recorded.below_floor_up_ms.0 > below(Direction::Up)
            || recorded.below_floor_down_ms.0 > below(Direction::Down)
        {
            return Err(format!("{}: more below the floor than true", who.as_str()));
        }
        if recorded.connected_ms.0 > connected || recorded.media_ms.0 > media {
            return Err(format!(
                "{}: more than {connected} connected, {media} media",
                who.as_str()
            ));
        }
    }
    // What the record itself promises holds for every crash.
    let bound = case.entries.last().and_then(|stop| stop.bound_ms);
    if bound.is_some_and(|bound| most - billed > bound.0) {
        return Err(format!(
            "billed {billed} of {most}, beyond the bound {bound:?}"
        ));
    }
    // With everyone's packets coming steadily it is the contract's second.
    let in_time = matches!(case.fate, Fate::Crash(_));
    if in_time && steady(&whole, at) && most - billed > CRASH_BOUND / 1000 {
        return Err(format!(
            "billed {billed} of {most} although everyone was heard all the time"
        ));
    }
    Ok(most - billed)
}

/// Everyone who is connected was heard at least every 200 ms during the last 8 s, or not at all.
pub fn steady(truth: &Truth, at: Micros) -> bool {
    truth.tracks.values().filter(|t| t.connected).all(|track| {
        let recent = track.packets.iter().copied().filter(|p| *p + 8 * SEC > at);
        let mut times: Vec<_> = recent.collect();
        if times.is_empty() {
            return true;
        }
        times.push(at);
        times[0] + 7 * SEC < at && times.windows(2).all(|w| w[1] - w[0] <= SEC / 5)
    })
}

fn live_intervals(case: &Case, totals: &Totals) -> Spans {
    let live = totals
        .intervals
        .iter()
        .filter(|i| i.state == SessionState::Live);
    let ms = |label: u64| label.wrapping_sub(case.label_zero);
    union(
        live.map(|i| (ms(i.start_unix_ms.0), ms(i.end_unix_ms.0)))
            .collect(),
    )
}

/// Time since the first join = accrued + paused + waiting, and so say the intervals.
fn check_conservation(case: &Case, totals: &Totals) -> Result<(), String> {
    let paused: u64 = totals.paused_ms.values().map(|ms| ms.0).sum();
    let sum = totals.accrued_ms.0 + totals.waiting_ms.0 + paused;
    let mut listed = [0; 3];
    for interval in &totals.intervals {
        let kind = match interval.state {
            SessionState::Waiting => 0,
            SessionState::Live => 1,
            SessionState::Paused(_) => 2,
            SessionState::Ended(_) => return Err("an interval after the end".into()),
        };
        listed[kind] += interval.end_unix_ms.0 - interval.start_unix_ms.0;
    }
    equal(
        "intervals",
        listed,
        [totals.waiting_ms.0, totals.accrued_ms.0, paused],
    )?;
    for pair in totals.intervals.windows(2) {
        equal(
            "touching intervals",
            pair[1].start_unix_ms,
            pair[0].end_unix_ms,
        )?;
    }
    let (first, last) = (totals.intervals.first(), totals.intervals.last());
    let whole = first
        .zip(last)
        .map_or(0, |(a, b)| b.end_unix_ms.0 - a.start_unix_ms.0);
    equal("conservation", sum, whole)?;
    let least = case.policy.min_billable_ms;
    let billable = if used_before(case) + totals.accrued_ms.0 < least {
        0
    } else {
        totals.accrued_ms.0
    };
    equal("billable", totals.billable_ms.0, billable)
}

/// What had accrued in the sessions that this one continues, as it stood on disk.
pub fn used_before(case: &Case) -> u64 {
    let chain = std::iter::successors(case.before.as_deref(), |case| case.before.as_deref());
    let used = |case: &Case| {
        let accrued = case.entries.iter().map(|entry| entry.totals.accrued_ms.0);
        accrued.max().unwrap_or(0)
    };
    chain.map(used).sum()
}

/// Numbers without a gap, one start, one stop, totals that never go down.
fn check_entries(case: &Case) -> Result<(), String> {
    for (entry, number) in case.entries.iter().zip(1..) {
        equal("entry_seq", entry.entry_seq, number)?;
        let last = case.entries.len() as u64 == number;
        equal("start", entry.kind == EntryKind::Start, number == 1)?;
        equal("stop", entry.kind == EntryKind::Stop, last)?;
        equal("end", matches!(entry.state, SessionState::Ended(_)), last)?;
    }
    for pair in case.entries.windows(2) {
        if pair[1].totals.accrued_ms < pair[0].totals.accrued_ms {
            return Err(format!("entry {} takes time back", pair[1].entry_seq));
        }
    }
    let facts = case.entries[0]
        .facts
        .as_ref()
        .ok_or("a start entry without facts")?;
    let continues = facts.continues.as_ref().map(ToString::to_string);
    equal("continues", &continues, &case.continues)?;
    let stop = &case.entries[case.entries.len() - 1];
    let crashed = matches!(case.fate, Fate::Crash(_) | Fate::Lost(_));
    equal("estimated", stop.estimated, crashed)?;
    equal(
        "node_lost",
        stop.state.reason() == Some("node_lost"),
        crashed,
    )
}
