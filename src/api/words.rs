//! The words of recording, for the document.

use serde::Serialize;
use utoipa::ToSchema;

/// What a recording is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Purpose)]
#[expect(dead_code, reason = "the document is made of it")]
pub(crate) enum PurposeWord {
    /// Quality assurance: for the provider's own eyes, and for a short time.
    Qa,
    /// For the participants of the session.
    Shared,
}

/// Where someone's consent to one purpose stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConsentState)]
#[expect(dead_code, reason = "the document is made of it")]
pub(crate) enum ConsentWord {
    /// May be recorded.
    Given,
    /// Was asked, and said no.
    Refused,
    /// Said yes, and then no.
    Withdrawn,
}

/// By whose hand something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Actor)]
#[expect(dead_code, reason = "the document is made of it")]
pub(crate) enum ActorWord {
    /// The participant.
    Participant,
    /// The app, for them.
    App,
    /// The node itself, by a rule.
    Node,
}
