//! Who may have what a member publishes, as that member says (LiveKit's `subscription_permission`).

use crate::base::{Identity, TrackSid};
use std::collections::{BTreeMap, BTreeSet};

/// Who may have the tracks of a publisher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Everyone whose token allows it.
    #[default]
    Everyone,
    /// These, and nobody else.
    Only(BTreeMap<Identity, Share>),
}

/// What one of them may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// All tracks, those to come as well.
    All,
    /// These.
    Tracks(BTreeSet<TrackSid>),
}

impl Audience {
    /// Whether `who` may have this track.
    pub fn admits(&self, who: &Identity, track: &TrackSid) -> bool {
        match self {
            Audience::Everyone => true,
            Audience::Only(shares) => match shares.get(who) {
                Some(Share::All) => true,
                Some(Share::Tracks(tracks)) => tracks.contains(track),
                None => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_admits_whom_it_names_to_what_it_names() {
        let bob_and_carol = Audience::Only(BTreeMap::from([
            (Identity::from("bob"), Share::All),
            (
                Identity::from("carol"),
                Share::Tracks(BTreeSet::from([TrackSid::from("TR_1")])),
            ),
        ]));
        for (audience, who, track, admitted) in [
            (&Audience::default(), "eve", "TR_1", true),
            (&Audience::Only(BTreeMap::new()), "bob", "TR_1", false),
            (&bob_and_carol, "bob", "TR_2", true),
            (&bob_and_carol, "carol", "TR_1", true),
            (&bob_and_carol, "carol", "TR_2", false),
            (&bob_and_carol, "eve", "TR_1", false),
        ] {
            let admits = audience.admits(&Identity::from(who), &TrackSid::from(track));
            assert_eq!(admits, admitted, "{who} {track}");
        }
    }
}
