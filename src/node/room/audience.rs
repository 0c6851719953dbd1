//! Whom a publisher admits to its tracks, as its client says it.

use super::membership::Membership;
use crate::base::{Identity, TrackSid};
use crate::peer::signal::Admission;
use crate::room::{Audience, Share};
use std::collections::BTreeMap;

/// Most participants that one publisher may name: more than a room has.
const MAX_NAMED: usize = 256;

/// Most tracks that it may name for one of them.
const MAX_TRACKS: usize = 256;

/// The audience of these; who is named by a participant id is looked up now, and left out where nobody has
/// it. None: a name is missing, or there are too many.
pub(super) fn of(named: Vec<Admission>, members: &Membership) -> Option<Audience> {
    let is_large = |admission: &Admission| admission.tracks.len() > MAX_TRACKS;
    if named.len() > MAX_NAMED || named.iter().any(is_large) {
        return None;
    }
    let mut shares = BTreeMap::new();
    for admission in named {
        let share = if admission.all_tracks {
            Share::All
        } else {
            let tracks = admission.tracks.iter();
            Share::Tracks(tracks.map(|sid| TrackSid::from(sid.as_str())).collect())
        };
        let identity = if !admission.identity.is_empty() {
            Some(Identity::from(admission.identity.as_str()))
        } else if admission.sid.is_empty() {
            return None;
        } else {
            let mut all = members.iter().map(|(_, member)| member);
            let found = all.find(|member| member.sid.as_str() == admission.sid);
            found.map(|member| member.identity().clone())
        };
        if let Some(identity) = identity {
            shares.insert(identity, share);
        }
    }
    Some(Audience::Only(shares))
}
