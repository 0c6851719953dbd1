//! What a session announces, what it shows of an open prompt, and why it wants to be woken.

use crate::base::{
    Direction, Identity, LimitedBy, Millis, Mono, OpenPrompt, SessionState, Terms, TermsChange,
    Warning,
};
use crate::session::Who;

/// What a session announces, in event-time order (a participant whose coming or going moves no
/// side may be announced a little late, with their own earlier time).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A connection took its place; its participant may become present from now on.
    Joined {
        /// When.
        at: Mono,
        /// Whose.
        who: Identity,
    },
    /// A participant became present or absent.
    Presence {
        /// When: their first or last authenticated packet, or their leave.
        at: Mono,
        /// Who.
        who: Identity,
        /// Present from then on.
        present: bool,
    },
    /// An absence became final: they left, or the grace time is over.
    Gone {
        /// When they were last present.
        at: Mono,
        /// Who.
        who: Identity,
    },
    /// An expert and a customer are both present, or no longer.
    Overlap {
        /// From when.
        at: Mono,
        /// Both present.
        both: bool,
    },
    /// The state changed.
    State {
        /// From when.
        at: Mono,
        /// To what.
        state: SessionState,
    },
    /// Time for an interim report.
    Interim {
        /// When.
        at: Mono,
    },
    /// The terms changed: what follows is under these.
    Terms {
        /// From when.
        at: Mono,
        /// What they are.
        terms: Terms,
        /// Set where the change is worth an entry of its own.
        change: Option<TermsChange>,
    },
    /// Someone's floor is breached from now on, or no longer. Who goes absent is breached no longer,
    /// without a word.
    Floor {
        /// From when.
        at: Mono,
        /// Whose.
        who: Identity,
        /// Which way.
        direction: Direction,
        /// Breached from then on.
        breached: bool,
        /// By what, if that is known.
        limited_by: Option<LimitedBy>,
    },
    /// A warning.
    Warning {
        /// When.
        at: Mono,
        /// Of what.
        warning: Warning,
    },
}

impl Output {
    /// The moment it speaks of.
    pub const fn at(&self) -> Mono {
        match self {
            Output::Joined { at, .. }
            | Output::Presence { at, .. }
            | Output::Gone { at, .. }
            | Output::Overlap { at, .. }
            | Output::State { at, .. }
            | Output::Interim { at }
            | Output::Terms { at, .. }
            | Output::Floor { at, .. }
            | Output::Warning { at, .. } => *at,
        }
    }
}

/// The open prompt, as clients are shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Who must answer.
    pub who: Who,
    /// What is left of the time to answer; once that is over, until the session ends.
    pub left: Millis,
    /// The time to answer is over, and the clock stands.
    pub overdue: bool,
    /// Who has answered.
    pub confirmed: Vec<Identity>,
}

impl Prompt {
    pub(super) fn new(open: &OpenPrompt, who: Who, left: Millis) -> Prompt {
        Prompt {
            who,
            left,
            overdue: open.overdue,
            confirmed: open.confirmed.keys().cloned().collect(),
        }
    }
}

/// Why a session wants to be woken. Ordered: of two deadlines at one moment the first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// `duration.max_min` is over.
    MaxDuration,
    /// The prepaid seconds are used up.
    QuotaExhausted,
    /// The time to answer "still there?" is over.
    Unanswered,
    /// The floor was breached for too long.
    FloorBreached,
    /// The window closes on a session that was never live.
    WindowCloses,
    /// A side stayed away.
    Abandoned,
    /// Nobody is here.
    Nobody,
    /// Someone's grace time is over.
    Grace,
    /// Minutes before `duration.max_min`.
    DurationWarning,
    /// Seconds before the quota is used up.
    QuotaWarning,
    /// Time to ask "still there?".
    PromptDue,
    /// An interim report is due.
    Interim,
    /// Someone was not heard for too long.
    Vanished,
}
