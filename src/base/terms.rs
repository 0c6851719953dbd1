//! The terms of a session as they stand: what was reported of the floor, what was warned of, and what
//! a session that goes on after a crash takes over.

use super::{Direction, FloorState, Grant, Grants, Identity, LimitedBy, Millis, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the promised bandwidth stands in one direction of one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloorReport {
    /// The state from then on.
    pub state: FloorState,
    /// What was measured, if anything was.
    pub measured_bps: Option<u64>,
    /// What is promised.
    pub floor_bps: u64,
    /// What holds it below, if that is known.
    pub limited_by: Option<LimitedBy>,
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// `duration.max_min` is near.
    Duration,
    /// The prepaid seconds are nearly used up, or are and it goes on.
    Quota,
    /// The participants are asked whether they are still there.
    Presence,
    /// The promised bandwidth is not met, or is again.
    Floor,
    /// Someone was let in although a preflight says that their connection will not do, or without one.
    Preflight,
}

impl WarningKind {
    /// The word used in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            WarningKind::Duration => "duration",
            WarningKind::Quota => "quota",
            WarningKind::Presence => "presence",
            WarningKind::Floor => "floor",
            WarningKind::Preflight => "preflight",
        }
    }
}

/// A warning: nothing changed yet, or nothing that moves the billing clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// About what.
    pub kind: WarningKind,
    /// Seconds left until it matters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub left_s: Option<u64>,
    /// Whom it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<Identity>,
    /// Which way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub direction: Option<Direction>,
    /// How the floor stands from now on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub floor_state: Option<FloorState>,
    /// What was measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub measured_bps: Option<u64>,
    /// What is promised.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub floor_bps: Option<u64>,
    /// What holds it below.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limited_by: Option<LimitedBy>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
    /// Of a preflight: whether there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checked: Option<bool>,
}

impl Warning {
    /// A warning of this kind that says nothing more.
    pub const fn new(kind: WarningKind) -> Warning {
        Warning {
            kind,
            left_s: None,
            identity: None,
            direction: None,
            floor_state: None,
            measured_bps: None,
            floor_bps: None,
            limited_by: None,
            text: None,
            checked: None,
        }
    }

    /// Time is running out: so much is left.
    pub fn left(kind: WarningKind, left: Millis) -> Warning {
        Warning {
            left_s: Some(left.0 / 1000),
            ..Warning::new(kind)
        }
    }

    /// The floor of a participant is breached, or was restored.
    pub fn floor(who: &Identity, direction: Direction, report: FloorReport) -> Warning {
        Warning {
            identity: Some(who.clone()),
            direction: Some(direction),
            floor_state: Some(report.state),
            measured_bps: report.measured_bps,
            floor_bps: Some(report.floor_bps),
            limited_by: report.limited_by,
            ..Warning::new(WarningKind::Floor)
        }
    }

    /// Someone was let in although their connection may not do: it was found so, or was not checked.
    pub fn preflight(who: &Identity, checked: bool, text: String) -> Warning {
        Warning {
            identity: Some(who.clone()),
            text: Some(text),
            checked: Some(checked),
            ..Warning::new(WarningKind::Preflight)
        }
    }

    /// Whether it is the app's alone: that somebody was not checked says nothing of their connection.
    pub const fn is_for_app_alone(&self) -> bool {
        matches!(self.checked, Some(false))
    }

    /// The cause of the entry that it makes.
    pub const fn cause(&self) -> &'static str {
        match (self.kind, self.floor_state) {
            (WarningKind::Duration, _) => "warning_duration",
            (WarningKind::Quota, _) => "warning_quota",
            (WarningKind::Presence, _) => "warning_presence",
            (WarningKind::Preflight, _) => "warning_preflight",
            (WarningKind::Floor, Some(FloorState::Breached) | None) => "warning_floor",
            (
                WarningKind::Floor,
                Some(FloorState::Unproven | FloorState::Met | FloorState::Short),
            ) => "floor_restored",
        }
    }
}

/// The question "still there?" while it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPrompt {
    /// It is over when the session's time in `live` and in `paused{presence_unconfirmed}` comes to this.
    pub due_ms: Millis,
    /// The time to answer is over: the clock stands, and the session ends next.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub overdue: bool,
    /// Who has answered, with their role.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub confirmed: BTreeMap<Identity, Option<Role>>,
}

/// What can change in the course of a session, and is taken over after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Prepaid seconds in all, as topped up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quota_s: Option<u64>,
    /// `duration.max_min`, as extended.
    pub max_min: u64,
    /// The app asked for a pause.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub paused: bool,
    /// The next prompt comes when the live time, over all sessions of a chain, comes to this.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ask_at_ms: Option<Millis>,
    /// The prompt that is open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prompt: Option<OpenPrompt>,
}

/// Why the terms changed, where that is worth an entry of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TermsChange {
    /// More time or quota, or less.
    Extended,
    /// Time was added to the quota.
    Granted(Grant),
    /// Someone said that they are there; nobody where the app did.
    Confirmed(Option<Identity>),
}

impl TermsChange {
    /// The cause of the entry that it makes.
    pub const fn cause(&self) -> &'static str {
        match self {
            TermsChange::Extended => "extended",
            TermsChange::Granted(_) => "granted",
            TermsChange::Confirmed(_) => "presence_confirmed",
        }
    }
}

/// What a session takes over from the ones that crashes cut off before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inherited {
    /// Live time of all of them.
    pub used: Millis,
    /// What they used of `duration.max_min`.
    pub lasted: Millis,
    /// How the terms stood; a prompt's `due_ms` counts anew.
    pub terms: Option<Terms>,
    /// What was added to the prepaid time; of a booking too.
    pub grants: Grants,
}
