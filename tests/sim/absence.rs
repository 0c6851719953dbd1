//! When a session ends because someone is not here, by interval arithmetic over who truly was.

use crate::oracle::{PRESENT, Sides, Spans, Track};
use crate::scenario::{MS, Micros, SEC};
use crate::world::Case;
use std::collections::BTreeMap;

const GRACE: Micros = 20 * SEC;
const ABANDON: Micros = 300 * SEC;

/// When the session ends because someone is not here, and why.
pub fn end(
    case: &Case,
    tracks: &BTreeMap<&'static str, Track>,
    sides: &Sides,
    (anyone, first_live): (&Spans, Option<Micros>),
) -> (Micros, &'static str) {
    let mut ends = vec![nobody(case, tracks, anyone, first_live)];
    if let Some(live) = first_live {
        let both = if case.policy.connected {
            [&sides.attending; 2]
        } else {
            [&sides.expert, &sides.customer]
        };
        ends.extend(both.into_iter().filter_map(|side| abandoned(side, live)));
    }
    ends.into_iter().min().unwrap()
}

/// When a side has stayed away for too long since both met; a return of less than five seconds is none.
fn abandoned(side: &Spans, live: Micros) -> Option<(Micros, &'static str)> {
    let met = side.iter().position(|span| live <= span.1)?;
    let mut since = side[met].1;
    for (number, span) in side.iter().enumerate().skip(met) {
        let stayed = span.1 / MS - span.0 / MS >= PRESENT / MS;
        if stayed {
            since = span.1;
        }
        let ends = (since + ABANDON).max(span.1);
        if side.get(number + 1).is_none_or(|next| next.0 > ends) {
            return Some((ends, "abandoned"));
        }
    }
    None
}

/// The first 20 s without anyone; a connection granted meanwhile begins them anew.
fn nobody(
    case: &Case,
    tracks: &BTreeMap<&'static str, Track>,
    anyone: &Spans,
    first_live: Option<Micros>,
) -> (Micros, &'static str) {
    let mut connects: Vec<_> = tracks.values().flat_map(|t| t.connects.clone()).collect();
    connects.sort_unstable();
    let gaps = [case.created]
        .into_iter()
        .chain(anyone.iter().map(|span| span.1));
    let nexts = anyone.iter().map(|span| span.0).chain([Micros::MAX]);
    let mut end = Micros::MAX;
    for (gap, next) in gaps.zip(nexts) {
        let mut since = gap;
        for connect in connects.iter().filter(|c| **c >= gap && **c <= next) {
            if *connect <= since + GRACE {
                since = since.max(*connect);
            }
        }
        if next > since + GRACE {
            end = since + GRACE;
            break;
        }
    }
    if first_live.is_none_or(|live| live > end) {
        return (end, "no_show");
    }
    let last = tracks
        .values()
        .filter_map(|t| {
            Some((
                t.runs
                    .iter()
                    .filter(|run| run.1 <= end)
                    .map(|run| run.1)
                    .max()?,
                t,
            ))
        })
        .max_by_key(|(at, _)| *at);
    let said = last.is_some_and(|(at, t)| t.leaves.iter().any(|l| (at..=end).contains(l)));
    (end, if said { "left" } else { "abandoned" })
}
