//! Whom a publisher admits to its tracks, as its client says it.

use super::membership::Membership;
use crate::base::{Identity, TrackSid};
use crate::peer::signal::Admission;
use crate::room::{Audience, Share};
use std::collections::BTreeMap;

/// The audience of these; who is named by a participant id is looked up now, and left out where nobody has
/// it. None: somebody has no name.
pub(super) fn of(named: Vec<Admission>, members: &Membership) -> Option<Audience> {
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
