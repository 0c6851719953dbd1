//! What a segment says of itself: whose it is, and what it shows. A segment without it belongs to nobody.

use crate::base::{
    Identity, ParticipantSid, Purpose, Role, SessionId, TrackSid, TrackSource, Unix,
};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;
use std::collections::BTreeMap;

/// A segment's tags, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The session.
    pub session: SessionId,
    /// What it is recorded for.
    pub purpose: Purpose,
    /// Whose track it is.
    pub identity: Identity,
    /// Their role.
    pub role: Option<Role>,
    /// What it shows.
    pub source: TrackSource,
    /// Their join.
    pub participant: ParticipantSid,
    /// The publication.
    pub track: TrackSid,
    /// When the recording began.
    pub origin: Unix,
}

impl Label {
    /// Reads the tags of a segment; none if one is missing that says whose it is.
    pub fn from_tags(tags: &BTreeMap<String, String>) -> Option<Label> {
        let text = |name: &str| tags.get(name).map(String::as_str);
        let source = TrackSource::deserialize(word(text("SOURCE")?)).ok()?;
        Some(Label {
            session: SessionId::from(text("SESSION")?),
            purpose: Purpose::parse(text("PURPOSE")?)?,
            identity: Identity::from(text("IDENTITY").filter(|identity| !identity.is_empty())?),
            role: text("ROLE").and_then(|role| role.parse().ok()),
            source,
            participant: ParticipantSid::from(text("PARTICIPANT").unwrap_or_default()),
            track: TrackSid::from(text("TRACK").unwrap_or_default()),
            origin: Unix(text("ORIGIN_UNIX_MS")?.parse().ok()?),
        })
    }
}

fn word(text: &str) -> impl serde::Deserializer<'_, Error = Error> {
    text.into_deserializer()
}

/// The word for a source, as LiveKit writes it.
pub const fn source_word(source: TrackSource) -> &'static str {
    match source {
        TrackSource::Unknown => "unknown",
        TrackSource::Camera => "camera",
        TrackSource::Microphone => "microphone",
        TrackSource::ScreenShare => "screen_share",
        TrackSource::ScreenShareAudio => "screen_share_audio",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> BTreeMap<String, String> {
        let tags = [
            ("SESSION", "SE_abc"),
            ("PURPOSE", "qa"),
            ("IDENTITY", "anna"),
            ("ROLE", "expert"),
            ("SOURCE", "screen_share"),
            ("PARTICIPANT", "PA_x"),
            ("TRACK", "TR_y"),
            ("ORIGIN_UNIX_MS", "1800000000000"),
        ];
        tags.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn a_segment_without_its_owner_belongs_to_nobody() {
        let label = Label::from_tags(&tags()).unwrap();
        assert_eq!(label.source, TrackSource::ScreenShare);
        assert_eq!(
            (label.role, label.origin),
            (Some(Role::Expert), Unix(1_800_000_000_000))
        );
        for missing in ["SESSION", "PURPOSE", "IDENTITY", "SOURCE", "ORIGIN_UNIX_MS"] {
            let mut tags = tags();
            tags.remove(missing);
            assert_eq!(Label::from_tags(&tags), None, "{missing}");
        }
        let mut no_role = tags();
        no_role.remove("ROLE");
        assert_eq!(Label::from_tags(&no_role).unwrap().role, None);
    }

    #[test]
    fn every_source_is_read_back_from_its_word() {
        for source in [
            TrackSource::Unknown,
            TrackSource::Camera,
            TrackSource::Microphone,
            TrackSource::ScreenShare,
            TrackSource::ScreenShareAudio,
        ] {
            let read = TrackSource::deserialize(word(source_word(source)));
            assert_eq!(read, Ok(source));
        }
    }
}
