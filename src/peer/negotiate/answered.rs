//! What an answer says of itself: which sections the client takes, and whether it is new.

use crate::media::Mid;
use crate::peer::transport::{Origin, sections};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// An answer, as far as the negotiation has to know it.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    /// The offer that it names; 0 names none.
    pub(super) id: u32,
    /// Its media sections; false where the client rejects one.
    pub(super) sections: BTreeMap<Mid, bool>,
    pub(super) mark: Mark,
}

impl Answered {
    pub(super) fn read(id: u32, sdp: &str) -> Answered {
        let mut hasher = DefaultHasher::new();
        sdp.hash(&mut hasher);
        let sections = sections(sdp).into_iter();
        Answered {
            id,
            sections: sections
                .map(|section| (section.mid, !section.rejected))
                .collect(),
            mark: Mark {
                origin: Origin::read(sdp),
                digest: hasher.finish(),
            },
        }
    }
}

/// What tells one answer from another. A client's session goes on through all its answers, and its
/// version grows with each that differs (RFC 8829, section 5.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) origin: Option<Origin>,
    /// Of the text.
    pub(super) digest: u64,
}

impl Mark {
    pub(super) fn is_older_or_same(&self, last: &Mark) -> bool {
        match (&self.origin, &last.origin) {
            (Some(own), Some(other)) if own.session == other.session => {
                own.version < other.version || self.digest == last.digest
            }
            _ => self.digest == last.digest,
        }
    }
}
