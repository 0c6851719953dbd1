//! Who and what, as numbers.

/// Index of a member within its room, given by `node`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberKey(pub usize);

/// Who gets a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subscriber {
    /// A member of the room, over its connection.
    Member(MemberKey),
    /// The recorders of the room. They get every packet of the layer that they are on, late and repeated
    /// ones too, with the numbers they came with: they put them in order themselves.
    Recorder,
}

impl From<MemberKey> for Subscriber {
    fn from(member: MemberKey) -> Subscriber {
        Subscriber::Member(member)
    }
}

impl Subscriber {
    /// The member, if it is one.
    pub(in crate::room) const fn member(self) -> Option<MemberKey> {
        match self {
            Subscriber::Member(member) => Some(member),
            Subscriber::Recorder => None,
        }
    }
}

/// Index of a publication within its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackKey(pub usize);
