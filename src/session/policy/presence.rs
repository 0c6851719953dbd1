//! `[presence]`: the "still there?" check.

use super::error::{PolicyError, range};
use crate::base::Millis;
use serde::{Deserialize, Serialize};

/// When the participants are asked whether they are still there, and who must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Presence {
    /// First prompt after so many minutes of live time; 0: never.
    pub after_min: u64,
    /// Time to answer, in minutes; then the clock stands, and after as long again the session ends.
    pub grace_min: u64,
    /// Minutes of live time from an answer to the next prompt; 0: never again.
    pub repeat_min: u64,
    /// Who must answer.
    pub who: Who,
}

/// Who must answer the prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// An expert or a customer.
    #[default]
    Any,
    /// Someone of each side.
    Each,
}

impl Default for Presence {
    fn default() -> Presence {
        Presence {
            after_min: 150,
            grace_min: 5,
            repeat_min: 150,
            who: Who::Any,
        }
    }
}

impl Presence {
    /// Time to answer; after that the clock stands for as long again, and then the session ends.
    pub(in crate::session) const fn time_to_answer(&self) -> Millis {
        Millis::from_secs(self.grace_min * 60)
    }

    pub(super) fn validate(&self) -> Result<(), PolicyError> {
        range("presence.after_min", self.after_min, 0, 1440)?;
        range("presence.grace_min", self.grace_min, 1, 60)?;
        range("presence.repeat_min", self.repeat_min, 0, 1440)
    }
}
