//! `[recording]`

use super::error::{PolicyError, range};
use crate::base::{Millis, Purpose};
use serde::{Deserialize, Serialize};

/// Longest retention, in hours: ten years.
const MAX_RETENTION_H: u64 = 87_600;

/// What is recorded. Nobody is without their own consent, whatever the mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recording {
    /// Whether, and at whose word.
    pub mode: Mode,
    /// For what.
    pub purposes: Vec<Purpose>,
    /// How long it is kept.
    pub retention_h: Retention,
}

/// Whether a session is recorded, and at whose word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Never.
    #[default]
    Off,
    /// When the app or an expert starts it.
    OnRequest,
    /// From the beginning: everyone is asked, and who declines is not recorded.
    Always,
}

/// `retention_h`: hours from the end of a recording until it is deleted; none: it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// For quality assurance; it cannot be kept without end.
    pub qa: u64,
    /// For the participants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<u64>,
}

impl Default for Recording {
    fn default() -> Recording {
        Recording {
            mode: Mode::Off,
            purposes: vec![Purpose::Shared],
            retention_h: Retention::default(),
        }
    }
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            qa: 72,
            shared: None,
        }
    }
}

impl Recording {
    pub(super) fn validate(&self) -> Result<(), PolicyError> {
        let once = |purpose: &Purpose| {
            let mut same = self.purposes.iter().filter(|other| *other == purpose);
            same.nth(1).is_none()
        };
        if self.purposes.is_empty() || !self.purposes.iter().all(once) {
            return Err(PolicyError::List {
                key: "recording.purposes",
                allowed: "\"qa\", \"shared\"",
            });
        }
        let kept = &self.retention_h;
        range("recording.retention_h.qa", kept.qa, 1, MAX_RETENTION_H)?;
        let shared = kept.shared.unwrap_or(1);
        range("recording.retention_h.shared", shared, 1, MAX_RETENTION_H)
    }

    /// Whether a purpose is among those of the policy.
    pub fn is_for(&self, purpose: Purpose) -> bool {
        self.mode != Mode::Off && self.purposes.contains(&purpose)
    }

    /// How long a recording is kept after its session; none: without end.
    pub fn retention(&self, purpose: Purpose) -> Option<Millis> {
        let hours = match purpose {
            Purpose::Qa => Some(self.retention_h.qa),
            Purpose::Shared => self.retention_h.shared,
        };
        hours.map(|hours| Millis::from_secs(hours * 3_600))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Policy;

    #[test]
    fn a_refused_value_says_what_is_allowed() {
        let purposes = "recording.purposes must name each of \"qa\", \"shared\" at most once, \
                        and at least one of them";
        for (json, says) in [
            (r#"{"recording":{"purposes":[]}}"#, purposes),
            (r#"{"recording":{"purposes":["qa","qa"]}}"#, purposes),
            (
                r#"{"recording":{"retention_h":{"qa":0}}}"#,
                "recording.retention_h.qa is 0; allowed is 1 to 87600",
            ),
            (
                r#"{"recording":{"retention_h":{"shared":87601}}}"#,
                "recording.retention_h.shared is 87601; allowed is 1 to 87600",
            ),
        ] {
            let policy: Policy = serde_json::from_str(json).unwrap();
            assert_eq!(policy.validate().unwrap_err().to_string(), says);
        }
    }

    #[test]
    fn nothing_is_recorded_unless_the_policy_says_so() {
        let policy = Policy::default();
        let purposes = crate::base::Purpose::ALL;
        assert!(!purposes.into_iter().any(|p| policy.recording.is_for(p)));
    }
}
