//! What a session's entries have told so far: each one names only what changed since the one before.

use crate::base::{Identity, Terms};
use crate::usage::{Entry, ParticipantTotals};
use serde::Serialize;
use std::collections::BTreeMap;

/// An entry names people as far as it stays within so many bytes: whom it is about, then those of whom
/// the ledger knows the least. Start and stop entry are apart.
pub const MAX_ENTRY_BYTES: usize = 2_000;

/// What the entries told so far.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Intervals that are over, as the newest entry told.
    closed: usize,
    terms: Option<Terms>,
    /// Everyone's totals, and the entry that told them.
    people: BTreeMap<Identity, (u64, ParticipantTotals)>,
}

impl Changes {
    /// How many intervals the next entry need not name.
    pub const fn closed(&self) -> usize {
        self.closed
    }

    /// Leaves in an entry without the intervals that are over what else the one before did not tell;
    /// nothing is left out of a whole one.
    pub fn narrow(&mut self, entry: &mut Entry, about: Option<&Identity>) {
        let Some(from) = entry.intervals_from else {
            self.terms.clone_from(&entry.terms);
            return;
        };
        self.closed = (from + entry.totals.intervals.len()).saturating_sub(1);
        if entry.terms == self.terms {
            entry.terms = None;
        } else {
            self.terms.clone_from(&entry.terms);
        }
        self.name_people(entry, about);
    }

    fn name_people(&mut self, entry: &mut Entry, about: Option<&Identity>) {
        let all = std::mem::take(&mut entry.totals.participants);
        let mut changed: Vec<(bool, u64, Identity, ParticipantTotals)> = Vec::new();
        for (who, totals) in all {
            let told = self.people.get(&who);
            if told.is_none_or(|(_, told)| *told != totals) || about == Some(&who) {
                let since = told.map_or(0, |(seq, _)| *seq);
                changed.push((about != Some(&who), since, who, totals));
            }
        }
        changed.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
        let mut bytes = size(entry);
        for (other, _, who, totals) in changed {
            // Quotes, colon and comma are in the sizes of the two.
            bytes += size(&who) + size(&totals) + 2;
            if other && bytes > MAX_ENTRY_BYTES {
                break;
            }
            self.people
                .insert(who.clone(), (entry.entry_seq, totals.clone()));
            entry.totals.participants.insert(who, totals);
        }
    }
}

fn size(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |json| json.len())
}
