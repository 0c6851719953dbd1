//! For whom a request is made: whose its idempotency key is.

use crate::api::caller::Caller;
use crate::api::ports::ledger::request_key;
use crate::base::{Identity, ProjectId, RoomKey};
use crate::peer::signal::token::room_of;

/// Keys that are kept for a project, of a day.
const PROJECT_KEYS: u64 = 100_000;
/// Likewise for all tokens that administer one room alone: such a one may be in a browser.
const ROOM_KEYS: u64 = 2_000;
/// Likewise for a participant.
const PARTICIPANT_KEYS: u64 = 100;
/// What the answer to one takes on the average, at most. A record of two people is half as long.
const BYTES_EACH: u64 = 4 * 1024;

/// For whom a request is made.
///
/// Before anything kept is looked up, the operation authorises its caller as if the request were new.
/// Those who administer share the project's keys, whichever API key signed their token, so one of them
/// may repeat what another began. A participant who acts in their own name has keys of their own: they
/// can neither get what an app was answered, nor take an app's keys from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Asker {
    pub project: ProjectId,
    who: Who,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    App,
    AppInRoom(String),
    Participant(String, String),
}

impl Asker {
    /// An app, by a token that lets it administer or record.
    pub fn app(caller: &Caller) -> Asker {
        let room = room_of(&caller.claims).map(str::to_owned);
        Asker {
            project: caller.project().clone(),
            who: room.map_or(Who::App, Who::AppInRoom),
        }
    }

    /// A participant in their own name.
    pub fn participant(room: &RoomKey, identity: &Identity) -> Asker {
        Asker {
            project: room.project.clone(),
            who: Who::Participant(room.name.to_string(), identity.to_string()),
        }
    }

    /// What their request with this idempotency key is called in the ledger. That of an app has one space.
    pub fn request(&self, key: &str) -> String {
        let name = request_key(&self.project, key);
        match &self.who {
            Who::App | Who::AppInRoom(_) => name,
            Who::Participant(..) => format!("{name} {}", self.payer()),
        }
    }

    /// Among whose keys theirs count.
    pub fn payer(&self) -> String {
        let of = match &self.who {
            Who::App => return String::new(),
            Who::AppInRoom(room) => vec![room],
            Who::Participant(room, identity) => vec![room, identity],
        };
        serde_json::to_string(&of).unwrap_or_default()
    }

    /// How many keys may be kept for them.
    pub const fn most_keys(&self) -> u64 {
        match &self.who {
            Who::App => PROJECT_KEYS,
            Who::AppInRoom(_) => ROOM_KEYS,
            Who::Participant(..) => PARTICIPANT_KEYS,
        }
    }

    /// Whether there is room for one more, by how many there are and how long their answers.
    pub const fn may_keep(&self, keys: u64, bytes: u64) -> bool {
        keys < self.most_keys() && bytes < self.most_keys() * BYTES_EACH
    }
}

#[cfg(test)]
impl Asker {
    /// An app that administers all of the default project, or one room of it.
    pub fn test_app(room: Option<&str>) -> Asker {
        Asker {
            project: ProjectId::default(),
            who: room.map_or(Who::App, |room| Who::AppInRoom(room.to_owned())),
        }
    }
}
