//! What clients say of recordings in data messages.

use crate::base::Purpose;

/// Topic: how recordings stand, and what experts ask for.
pub(super) const STATE: &str = "beistand.recording";

/// Topic: what a client says of its own consent.
const CONSENT: &str = "beistand.consent";

/// A message, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Consent(ConsentMessage),
    Request(RequestMessage),
}

/// What a client says of its own consent.
#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
pub(super) struct ConsentMessage {
    pub(super) purpose: Purpose,
    pub(super) given: bool,
    /// Version of the text that was shown.
    pub(super) wording: Option<String>,
}

/// What an expert asks for.
#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
pub(super) struct RequestMessage {
    pub(super) action: RequestedAction,
    pub(super) purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RequestedAction {
    Start,
    Stop,
}

/// Reads a message, or says why it cannot be read; none: it has nothing to do with recordings. The topic comes with
/// it, as one of ours.
pub(super) fn parse(
    topic: &str,
    payload: &[u8],
) -> Option<(&'static str, Result<Message, String>)> {
    match topic {
        CONSENT => {
            let read = serde_json::from_slice(payload).map(Message::Consent);
            let wants = "beistand.consent wants {purpose, given, wording}";
            Some((CONSENT, read.map_err(|error| format!("{wants}: {error}"))))
        }
        STATE => {
            let read = serde_json::from_slice(payload).map(Message::Request);
            let wants = "beistand.recording wants {action, purpose}";
            Some((STATE, read.map_err(|error| format!("{wants}: {error}"))))
        }
        _ => None,
    }
}
