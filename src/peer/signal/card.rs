//! What others are told about a participant and its tracks: LiveKit's `ParticipantInfo`, kept whole.

use super::client::ClientParams;
use super::leave::LeaveReason;
use super::token::{Join, ParticipantKind, Permissions};
use crate::base::{Now, ParticipantSid, Role, TrackKind, TrackSid, TrackSource};
use crate::media::Codec;
use livekit_protocol as proto;
use livekit_protocol::participant_info::State;
use prost::Message as _;
use std::collections::BTreeMap;

/// Longest name, in bytes (livekit-server 1.13.5).
const MAX_NAME: usize = 256;
/// Largest card, in bytes: each change of it goes to everyone. A participant's own metadata and attributes
/// have room in it (livekit-server 1.13.5 allows 512 and 64 KiB, and closes what cannot keep up).
const MAX_CARD: usize = 16 * 1024;
/// What is added to a track once it is negotiated, at most: its section, its codec, the time.
const LATER: usize = 128;

/// A client's announcement of a track.
#[derive(Clone, Debug)]
pub struct PublishRequest(proto::AddTrackRequest);

/// A layer of a track, as its publisher announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnouncedLayer {
    /// 0 low, 1 medium, 2 high.
    pub quality: u8,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Bits a second; 0 is not told.
    pub bps: u32,
}

impl PublishRequest {
    pub(super) const fn new(request: proto::AddTrackRequest) -> PublishRequest {
        PublishRequest(request)
    }

    /// The client's own id, to be echoed exactly.
    pub fn cid(&self) -> &str {
        &self.0.cid
    }

    /// Audio or video; `None` for anything else.
    pub fn kind(&self) -> Option<TrackKind> {
        match proto::TrackType::try_from(self.0.r#type) {
            Ok(proto::TrackType::Audio) => Some(TrackKind::Audio),
            Ok(proto::TrackType::Video) => Some(TrackKind::Video),
            Ok(proto::TrackType::Data) | Err(_) => None,
        }
    }

    /// What it shows.
    pub fn source(&self) -> TrackSource {
        match proto::TrackSource::try_from(self.0.source) {
            Ok(proto::TrackSource::Camera) => TrackSource::Camera,
            Ok(proto::TrackSource::Microphone) => TrackSource::Microphone,
            Ok(proto::TrackSource::ScreenShare) => TrackSource::ScreenShare,
            Ok(proto::TrackSource::ScreenShareAudio) => TrackSource::ScreenShareAudio,
            Ok(proto::TrackSource::Unknown) | Err(_) => TrackSource::Unknown,
        }
    }

    /// The layers as announced, lowest first. A track without any is one layer of the best quality.
    pub fn layers(&self) -> Vec<AnnouncedLayer> {
        let whole = AnnouncedLayer {
            quality: 2,
            width: self.0.width,
            height: self.0.height,
            bps: 0,
        };
        let announced = sorted(self.0.layers.clone());
        let layers = announced.iter().map(|layer| AnnouncedLayer {
            quality: u8::try_from(layer.quality.clamp(0, 2)).unwrap_or(2),
            width: layer.width,
            height: layer.height,
            bps: layer.bitrate,
        });
        let layers: Vec<_> = layers.collect();
        if layers.is_empty() {
            vec![whole]
        } else {
            layers
        }
    }

    /// The codec that the track is to come in, if the client names one. For a video codec that is not
    /// forwarded, VP8 stands in.
    pub fn codec(&self) -> Option<Codec> {
        let name = &self.0.simulcast_codecs.first()?.codec;
        let codec = Codec::named(name).filter(|codec| Some(codec.kind()) == self.kind());
        let stand_in = || (self.kind() == Some(TrackKind::Video)).then_some(Codec::Vp8);
        codec.or_else(stand_in).filter(|_| !name.is_empty())
    }

    /// Nothing need come in silence (DTX).
    #[expect(deprecated, reason = "older clients say it in this field")]
    pub fn may_pause(&self) -> bool {
        !self.0.disable_dtx && !self.has_feature(proto::AudioTrackFeature::TfNoDtx)
    }

    /// Two channels of sound come.
    #[expect(deprecated, reason = "older clients say it in this field")]
    pub fn is_stereo(&self) -> bool {
        self.0.stereo || self.has_feature(proto::AudioTrackFeature::TfStereo)
    }

    fn has_feature(&self, feature: proto::AudioTrackFeature) -> bool {
        self.0.audio_features.contains(&(feature as i32))
    }

    /// Encrypted end to end: nobody but its receivers can read it.
    pub const fn encrypted(&self) -> bool {
        self.0.encryption != proto::encryption::Type::None as i32
    }

    /// Published silent.
    pub fn muted(&self) -> bool {
        self.0.muted
    }

    /// Muted or unmuted before it is published.
    pub const fn set_muted(&mut self, muted: bool) {
        self.0.muted = muted;
    }

    /// The ids under which the track can appear in SDP.
    pub fn cids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.cid()).chain(self.0.simulcast_codecs.iter().map(|c| c.cid.as_str()))
    }

    /// LiveKit's two letters of a track id.
    pub fn letters(&self) -> &'static str {
        match (self.kind(), self.source()) {
            (_, TrackSource::Camera) => "VC",
            (_, TrackSource::Microphone) => "AM",
            (_, TrackSource::ScreenShare) => "VS",
            (_, TrackSource::ScreenShareAudio) => "As",
            (Some(TrackKind::Audio), TrackSource::Unknown) => "AU",
            (Some(TrackKind::Video) | None, TrackSource::Unknown) => "VU",
        }
    }

    #[expect(deprecated, reason = "older clients still read these fields")]
    fn track(&self, sid: &TrackSid, version: proto::TimedVersion) -> proto::TrackInfo {
        let request = self.0.clone();
        let mime = self.codec().map(Codec::mime).unwrap_or_default();
        let codec = |codec: &proto::SimulcastCodec| proto::SimulcastCodecInfo {
            mime_type: mime.to_owned(),
            cid: codec.cid.clone(),
            layers: sorted(if codec.layers.is_empty() {
                request.layers.clone()
            } else {
                codec.layers.clone()
            }),
            video_layer_mode: codec.video_layer_mode,
            ..proto::SimulcastCodecInfo::default()
        };
        // The others are for a backup, and we never ask for one.
        let first = request.simulcast_codecs.first().map(codec);
        proto::TrackInfo {
            sid: sid.to_string(),
            r#type: request.r#type,
            name: request.name,
            muted: request.muted,
            width: request.width,
            height: request.height,
            simulcast: request.layers.len() > 1,
            disable_dtx: request.disable_dtx,
            source: request.source,
            layers: sorted(request.layers),
            mime_type: mime.to_owned(),
            codecs: first.into_iter().collect(),
            stereo: request.stereo,
            disable_red: request.disable_red,
            encryption: request.encryption,
            stream: request.stream,
            version: Some(version),
            audio_features: request.audio_features,
            backup_codec_policy: request.backup_codec_policy,
            packet_trailer_features: request.packet_trailer_features,
            ..proto::TrackInfo::default()
        }
    }
}

fn sorted(mut layers: Vec<proto::VideoLayer>) -> Vec<proto::VideoLayer> {
    layers.sort_by_key(|layer| layer.quality);
    layers
}

/// A participant as others see it. Its version grows with each change: clients drop older ones.
#[derive(Clone, Debug)]
pub struct Card(proto::ParticipantInfo);

impl Card {
    /// A participant that is about to join.
    pub fn new(sid: &ParticipantSid, join: &Join, client: &ClientParams, now: Now) -> Card {
        let joined_at_ms = i64::try_from(now.unix.0).unwrap_or(i64::MAX);
        let capability = |name: &String| {
            proto::client_info::Capability::from_str_name(name).map(|known| known as i32)
        };
        Card(proto::ParticipantInfo {
            sid: sid.to_string(),
            identity: join.identity.to_string(),
            state: State::Joining as i32,
            metadata: join.metadata.clone(),
            joined_at: joined_at_ms / 1000,
            joined_at_ms,
            name: join.name.clone(),
            version: 1,
            permission: Some(permission(&join.permissions)),
            kind: kind(join.kind),
            attributes: attributes(join),
            client_protocol: client.client_protocol,
            capabilities: client.capabilities.iter().filter_map(capability).collect(),
            ..proto::ParticipantInfo::default()
        })
    }

    fn change(&mut self) -> &mut proto::ParticipantInfo {
        self.0.version += 1;
        &mut self.0
    }

    /// The join response was sent.
    pub fn joined(&mut self) {
        self.change().state = State::Joined as i32;
    }

    /// Its primary connection is up.
    pub fn active(&mut self) {
        self.change().state = State::Active as i32;
    }

    /// It is gone; tracks are left out, as the protocol allows for this state.
    pub fn gone(mut self, reason: LeaveReason) -> Card {
        let info = self.change();
        info.state = State::Disconnected as i32;
        info.disconnect_reason = reason.to_proto() as i32;
        info.tracks.clear();
        self
    }

    /// Adds a track.
    pub fn add_track(&mut self, sid: &TrackSid, request: &PublishRequest, now: Now) {
        let unix_micro = i64::try_from(now.unix.0.saturating_mul(1000)).unwrap_or(i64::MAX);
        let version = proto::TimedVersion {
            unix_micro,
            ticks: 0,
        };
        let track = request.track(sid, version);
        let info = self.change();
        info.is_publisher = true;
        info.tracks.push(track);
    }

    /// Sets the track's media section, and the codec that was negotiated for it.
    pub fn bind_track(&mut self, sid: &TrackSid, mid: &str, codec: Option<Codec>) {
        if let Some(track) = self
            .change()
            .tracks
            .iter_mut()
            .find(|t| t.sid == sid.as_str())
        {
            mid.clone_into(&mut track.mid);
            if let Some(codec) = codec {
                codec.mime().clone_into(&mut track.mime_type);
            }
            if let Some(first) = track.codecs.first_mut() {
                mid.clone_into(&mut first.mid);
                track.mime_type.clone_into(&mut first.mime_type);
            }
        }
    }

    /// Takes a track away.
    pub fn remove_track(&mut self, sid: &TrackSid) {
        let info = self.change();
        info.tracks.retain(|track| track.sid != sid.as_str());
        info.is_publisher = !info.tracks.is_empty();
    }

    /// Mutes or unmutes a track.
    pub fn set_muted(&mut self, sid: &TrackSid, muted: bool) {
        if let Some(track) = self
            .change()
            .tracks
            .iter_mut()
            .find(|t| t.sid == sid.as_str())
        {
            track.muted = muted;
        }
    }

    /// An attribute of the server's own; `None` takes it away. True if that changes anything.
    pub fn set_attribute(&mut self, name: &str, value: Option<&str>) -> bool {
        if self.0.attributes.get(name).map(String::as_str) == value {
            return false;
        }
        let attributes = &mut self.change().attributes;
        match value {
            Some(value) => attributes.insert(name.to_owned(), value.to_owned()),
            None => attributes.remove(name),
        };
        true
    }

    /// Whether these tracks, none of which is on it yet, have room beside what is.
    pub fn has_room_for<'a>(&self, requests: impl Iterator<Item = &'a PublishRequest>) -> bool {
        let (sid, version) = (
            TrackSid::from("TR_AMxxxxxxxxxx"),
            proto::TimedVersion::default(),
        );
        let track = |request: &PublishRequest| request.track(&sid, version).encoded_len() + LATER;
        self.0.encoded_len() + requests.map(track).sum::<usize>() <= MAX_CARD
    }

    /// Changes name, metadata, attributes by the participant's own wish. False if too large.
    pub fn update(
        &mut self,
        name: &str,
        metadata: &str,
        attributes: &BTreeMap<String, String>,
    ) -> bool {
        let mut merged = self.0.attributes.clone();
        for (key, value) in attributes {
            if value.is_empty() {
                merged.remove(key);
            } else {
                merged.insert(key.clone(), value.clone());
            }
        }
        let mut changed = self.0.clone();
        changed.attributes = merged;
        if !name.is_empty() {
            name.clone_into(&mut changed.name);
        }
        if !metadata.is_empty() {
            metadata.clone_into(&mut changed.metadata);
        }
        if name.len() > MAX_NAME || changed.encoded_len() > MAX_CARD {
            return false;
        }
        self.0 = changed;
        self.change();
        true
    }

    pub(super) fn into_proto(self) -> proto::ParticipantInfo {
        self.0
    }
}

/// `beistand.*` is between the app and billing, not for other participants.
fn is_private(attribute: &str) -> bool {
    attribute.starts_with("beistand.")
}

/// The token's attributes; the role is among them, since clients show it.
fn attributes(join: &Join) -> std::collections::HashMap<String, String> {
    let mut attributes: std::collections::HashMap<String, String> = join
        .attributes
        .clone()
        .into_iter()
        .filter(|(name, _)| !is_private(name))
        .collect();
    if let Some(role) = join.role {
        attributes.insert("role".to_owned(), Role::as_str(role).to_owned());
    }
    attributes
}

#[expect(deprecated, reason = "older clients still read recorder and agent")]
fn permission(permissions: &Permissions) -> proto::ParticipantPermission {
    let source = |source: &TrackSource| match source {
        TrackSource::Unknown => proto::TrackSource::Unknown as i32,
        TrackSource::Camera => proto::TrackSource::Camera as i32,
        TrackSource::Microphone => proto::TrackSource::Microphone as i32,
        TrackSource::ScreenShare => proto::TrackSource::ScreenShare as i32,
        TrackSource::ScreenShareAudio => proto::TrackSource::ScreenShareAudio as i32,
    };
    proto::ParticipantPermission {
        can_subscribe: permissions.can_subscribe,
        can_publish: permissions.can_publish,
        can_publish_data: permissions.can_publish_data,
        can_publish_sources: permissions.can_publish_sources.iter().map(source).collect(),
        hidden: permissions.hidden,
        recorder: permissions.recorder,
        can_update_metadata: permissions.can_update_own_metadata,
        agent: permissions.agent,
        can_subscribe_metrics: permissions.can_subscribe_metrics,
        can_manage_agent_session: false,
    }
}

fn kind(kind: ParticipantKind) -> i32 {
    let name = kind.as_str().to_ascii_uppercase();
    proto::participant_info::Kind::from_str_name(&name).map_or(0, |kind| kind as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Mono;

    fn request(kind: proto::TrackType, codecs: &[&str]) -> PublishRequest {
        let codec = |codec: &&str| proto::SimulcastCodec {
            codec: (*codec).to_owned(),
            ..proto::SimulcastCodec::default()
        };
        PublishRequest(proto::AddTrackRequest {
            r#type: kind as i32,
            simulcast_codecs: codecs.iter().map(codec).collect(),
            ..proto::AddTrackRequest::default()
        })
    }

    fn told(card: &Card) -> (&str, Vec<&str>) {
        let track = &card.0.tracks[0];
        let codecs = track.codecs.iter().map(|codec| codec.mime_type.as_str());
        (&track.mime_type, codecs.collect())
    }

    #[test]
    fn a_track_is_told_with_the_codec_in_which_it_will_come() {
        use proto::TrackType::{Audio, Video};
        for (kind, asked, mime) in [
            (Video, &["vp8"][..], "video/VP8"),
            (Video, &["h264", "vp8"], "video/H264"),
            (Video, &["H264"], "video/H264"),
            (Video, &["vp9", "vp8"], "video/VP8"),
            (Video, &["opus"], "video/VP8"),
            (Video, &[""], ""),
            (Audio, &["opus"], "audio/opus"),
            (Audio, &["red"], ""),
        ] {
            let mut card = Card(proto::ParticipantInfo::default());
            let now = Now {
                mono: Mono::ZERO,
                unix: crate::base::Unix(0),
            };
            let sid = TrackSid::from("TR_a");
            card.add_track(&sid, &request(kind, asked), now);
            assert_eq!(told(&card), (mime, vec![mime]), "{asked:?}");
            // A browser without the codec sends what else was answered.
            card.bind_track(&sid, "1", Some(Codec::Vp8));
            assert_eq!(told(&card), ("video/VP8", vec!["video/VP8"]), "{asked:?}");
        }
        assert_eq!(request(Video, &[]).codec(), None);
    }
}
