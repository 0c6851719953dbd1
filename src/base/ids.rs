//! Ids as types, with the prefixes that LiveKit clients check (livekit-client 2.23, Rust core 0.10).

use super::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Random characters after an id's prefix: 12 of 62, about 71 bits.
const RANDOM_CHARS: usize = 12;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as it appears on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                $name(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> $name {
                $name(Arc::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        id!($(#[$doc])* $name);

        impl $name {
            /// A new id drawn from `rng`.
            pub fn random(rng: &mut Rng) -> $name {
                $name::from(format!("{}{}", $prefix, rng.alphanumeric(RANDOM_CHARS)))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

random_id!(/// One life of a room on the wire (`RM_…`).
    RoomSid, "RM_");
random_id!(/// One join of a participant (`PA_…`): a full reconnect gets a new one.
    ParticipantSid, "PA_");
random_id!(/// A session of the contract (`SE_…`): one life of a room, from creation to its end.
    SessionId, "SE_");
random_id!(/// A node (`ND_…`), stable across restarts.
    NodeId, "ND_");
random_id!(/// A measurement before a join (`PF_…`).
    PreflightId, "PF_");
id!(/// A publication (`TR_…` and two letters for kind and source).
    TrackSid);
id!(/// The room's name as the app chose it. Personal: print it through `Pii`.
    RoomName);
id!(/// The participant's identity as the app chose it. Personal: print it through `Pii`.
    Identity);

impl TrackSid {
    /// A new id; `letters` are LiveKit's two (kind, source), such as `VC` for a camera.
    pub fn random(letters: &str, rng: &mut Rng) -> TrackSid {
        TrackSid::from(format!("TR_{letters}{}", rng.alphanumeric(RANDOM_CHARS)))
    }
}

impl fmt::Debug for TrackSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::Pii(&self.0).fmt(f)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::Pii(&self.0).fmt(f)
    }
}

/// One signalling connection (WebSocket) of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_the_prefixes_that_clients_check() {
        let mut rng = Rng::from_seed(1);
        assert!(RoomSid::random(&mut rng).as_str().starts_with("RM_"));
        assert!(ParticipantSid::random(&mut rng).as_str().starts_with("PA_"));
        assert_eq!(
            TrackSid::random("VC", &mut rng).as_str().len(),
            "TR_VC".len() + RANDOM_CHARS
        );
    }

    #[test]
    fn an_identity_does_not_print_its_name() {
        assert!(!format!("{:?}", Identity::from("alice")).contains("alice"));
    }
}
