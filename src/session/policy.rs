//! The rules of a session, as an operator or the app writes them. Only what is honoured today has
//! a key: whoever sets another learns that it is unknown, instead of believing in it.

mod error;
mod floor;
mod presence;
mod recording;

pub use error::PolicyError;
pub use floor::{Admission, Floor, OnBreach};
pub use presence::{Presence, Who};
pub use recording::{Mode, Recording, Retention};

use crate::base::{MAX_JSON_BYTES, Millis, json_len};
use error::{length, range};
use serde::{Deserialize, Serialize};

/// Largest `metadata`, in bytes of compact JSON (contract: 4 KiB).
pub const MAX_METADATA_BYTES: usize = 4096;
/// Largest `external_ref`, in bytes: it is repeated in every event.
pub const MAX_EXTERNAL_REF_BYTES: usize = 256;

/// The policy of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The promised minimum bandwidth.
    pub floor: Floor,
    /// The "still there?" check.
    pub presence: Presence,
    /// How long a session may last.
    pub duration: Duration,
    /// When joins are let in.
    pub window: Window,
    /// How many may take part.
    pub capacity: Capacity,
    /// When the billing clock runs, and how it reports.
    pub billing: Billing,
    /// What is recorded, for what, and for how long it is kept.
    pub recording: Recording,
    /// Grace time after a side vanished, in seconds: until then the pause is `reconnecting`.
    pub departure_timeout_s: u64,
    /// The session ends with a side away for this many seconds.
    pub abandon_after_s: u64,
    /// The app's own booking id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_ref: Option<String>,
    /// The app's own JSON, echoed in every event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Value>,
}

/// `[duration]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Duration {
    /// Hard end, in minutes since the session first went live.
    pub max_min: u64,
    /// Prepaid seconds of billable time; none: no quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_s: Option<u64>,
    /// What happens when they are used up.
    pub on_exhausted: OnExhausted,
}

/// What happens when the prepaid seconds are used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExhausted {
    /// The session ends.
    #[default]
    End,
    /// The billing clock stands until there is more.
    PauseBilling,
    /// It goes on, and is billed.
    Continue,
}

/// `[window]`: joins outside it are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Window {
    /// First moment, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<u64>,
    /// Last moment, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<u64>,
}

/// `[capacity]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capacity {
    /// Joins above are refused.
    pub max_participants: usize,
}

/// `[billing]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Billing {
    /// What makes the clock run.
    pub basis: Basis,
    /// Seconds of live time between two interim events.
    pub interim_s: u64,
    /// Sessions with less accrued report `billable_ms: 0`.
    pub min_billable_ms: u64,
}

/// What makes the billing clock run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// An expert and a customer are both present.
    #[default]
    Overlap,
    /// Anyone but observers is present.
    Connected,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            floor: Floor::default(),
            presence: Presence::default(),
            duration: Duration::default(),
            window: Window::default(),
            capacity: Capacity::default(),
            billing: Billing::default(),
            recording: Recording::default(),
            departure_timeout_s: 20,
            abandon_after_s: 300,
            external_ref: None,
            metadata: None,
        }
    }
}

impl Default for Duration {
    fn default() -> Duration {
        Duration {
            max_min: 480,
            quota_s: None,
            on_exhausted: OnExhausted::End,
        }
    }
}

impl Default for Capacity {
    fn default() -> Capacity {
        Capacity {
            max_participants: 16,
        }
    }
}

impl Default for Billing {
    fn default() -> Billing {
        Billing {
            basis: Basis::Overlap,
            interim_s: 60,
            min_billable_ms: 0,
        }
    }
}

impl Policy {
    /// Checks every value.
    ///
    /// # Errors
    /// The first value that is not allowed, with what is.
    pub fn validate(&self) -> Result<(), PolicyError> {
        let participants = u64::try_from(self.capacity.max_participants).unwrap_or(u64::MAX);
        let grace = self.departure_timeout_s;
        self.floor.validate()?;
        self.presence.validate()?;
        self.recording.validate()?;
        range("duration.max_min", self.duration.max_min, 1, 1440)?;
        if let Some(quota) = self.duration.quota_s {
            range("duration.quota_s", quota, 1, 31_536_000)?;
        }
        if let Window {
            opens_at: Some(opens),
            closes_at: Some(closes),
        } = self.window
        {
            // 253402300799 is the end of the year 9999.
            range("window.closes_at", closes, opens + 1, 253_402_300_799)?;
        }
        range("capacity.max_participants", participants, 2, 50)?;
        range("billing.interim_s", self.billing.interim_s, 1, 3600)?;
        range(
            "billing.min_billable_ms",
            self.billing.min_billable_ms,
            0,
            3_600_000,
        )?;
        // Below 5 s the grace would be over before the loss is noticed.
        range("departure_timeout_s", grace, 5, 300)?;
        range("abandon_after_s", self.abandon_after_s, grace, 86_400)?;
        let reference = self.external_ref.as_ref().map_or(0, String::len);
        length("external_ref", reference, MAX_EXTERNAL_REF_BYTES)?;
        let in_json = self.external_ref.as_deref().map_or(0, json_len);
        length("external_ref in JSON", in_json, MAX_JSON_BYTES)?;
        let metadata = self
            .metadata
            .as_ref()
            .map_or(0, |value| value.to_string().len());
        length("metadata", metadata, MAX_METADATA_BYTES)
    }

    /// The grace time after a side vanished.
    pub fn grace(&self) -> Millis {
        Millis::from_secs(self.departure_timeout_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let policy: Policy = serde_json::from_str("{}").unwrap();
        assert_eq!(policy, Policy::default());
        assert_eq!(policy.validate(), Ok(()));
        assert_eq!(
            (policy.duration.max_min, policy.capacity.max_participants),
            (480, 16)
        );
        assert_eq!(
            (policy.billing.interim_s, policy.billing.min_billable_ms),
            (60, 0)
        );
        assert_eq!(
            (policy.departure_timeout_s, policy.abandon_after_s),
            (20, 300)
        );
        assert_eq!(policy.billing.basis, Basis::Overlap);
    }

    #[test]
    fn a_key_that_is_not_honoured_yet_is_unknown() {
        for json in [
            r#"{"floor":{"bps":1}}"#,
            r#"{"recording":{"layout":"grid"}}"#,
        ] {
            let error = serde_json::from_str::<Policy>(json)
                .unwrap_err()
                .to_string();
            assert!(error.contains("unknown field"), "{json}: {error}");
        }
    }

    #[test]
    fn a_refused_value_says_what_is_allowed() {
        let long = "x".repeat(MAX_METADATA_BYTES);
        for (json, says) in [
            (
                r#"{"duration":{"max_min":0}}"#,
                "duration.max_min is 0; allowed is 1 to 1440",
            ),
            (
                r#"{"capacity":{"max_participants":1}}"#,
                "capacity.max_participants is 1; allowed is 2 to 50",
            ),
            (
                r#"{"billing":{"interim_s":0}}"#,
                "billing.interim_s is 0; allowed is 1 to 3600",
            ),
            (
                r#"{"departure_timeout_s":4}"#,
                "departure_timeout_s is 4; allowed is 5 to 300",
            ),
            (
                r#"{"abandon_after_s":19}"#,
                "abandon_after_s is 19; allowed is 20 to 86400",
            ),
            (
                &format!(r#"{{"metadata":"{long}"}}"#),
                "metadata has 4098 bytes; allowed are at most 4096",
            ),
            (
                &format!(r#"{{"external_ref":"{long}"}}"#),
                "external_ref has 4096 bytes; allowed are at most 256",
            ),
        ] {
            let policy: Policy = serde_json::from_str(json).unwrap();
            assert_eq!(policy.validate().unwrap_err().to_string(), says);
        }
    }
}
