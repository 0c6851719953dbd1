//! What a recording is, signed: its files with their sums, who is in it and when, and their consents.

use super::merge::Kept;
use super::plan::{FilePlan, Person, TrackPlan};
use super::survey::{Publication, Span};
use crate::base::crypto::{SigningKey, hex, sha256, verify_ed25519};
use crate::base::{
    Consent, Identity, Millis, NodeId, Purpose, RecordingId, Role, SessionId, TrackSource, Unix,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Version of the format below.
pub const FORMAT: u32 = 1;
/// Bytes of the hash of a public key that name it.
const KEY_ID_BYTES: usize = 8;

/// The manifest. Its JSON is canonical: the fields in this order, without white space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Which recording.
    pub recording: RecordingId,
    /// Of which session.
    pub session: SessionId,
    /// For what.
    pub purpose: Purpose,
    /// Who made it, and signs.
    pub node: NodeId,
    /// Zero of the recording's timeline, on which all its times are.
    pub origin_unix_ms: Unix,
    /// The first frame.
    pub started_unix_ms: Unix,
    /// The end of the last frame.
    pub ended_unix_ms: Unix,
    /// From the first to the end of the last frame.
    pub duration_ms: Millis,
    /// All files but the manifest itself.
    pub files: Vec<File>,
    /// Who is in it, in the order of their first frames.
    pub participants: Vec<Participant>,
    /// Every change of a consent to this purpose, in the order in which they were made.
    pub consents: Vec<ConsentAt>,
    /// Why it ended before its session, where it did: a full or a slow disk. What came before is there.
    #[serde(default)]
    pub ended_early: Option<String>,
    /// What could not be read.
    pub losses: Losses,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// One participant's tracks.
    Participant,
    /// Everyone's tracks.
    Session,
    /// A picture.
    Poster,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name within the recording.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Its media type.
    pub mime: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// Its first frame on the recording's timeline; none for a picture.
    pub offset_ms: Option<Millis>,
    /// From its first to the end of its last frame; none for a picture.
    pub duration_ms: Option<Millis>,
    /// Tracks that it has no number for, the last ones: those of the session's file are in their
    /// participants' files.
    #[serde(default)]
    pub tracks_left_out: usize,
}

/// Someone who is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participant {
    /// Who.
    pub identity: Identity,
    /// Their role.
    pub role: Option<Role>,
    /// The name of their file.
    pub file: String,
    /// Its first frame on the recording's timeline.
    pub offset_ms: Millis,
    /// Their tracks, in the order of their numbers in the file.
    pub tracks: Vec<Track>,
}

/// A track of a participant's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// Its number in the file.
    pub number: u32,
    /// What it shows.
    pub source: TrackSource,
    /// `vp8`, `h264` or `opus`.
    pub codec: String,
    /// The publications that it was recorded from, in the order of their first frames.
    #[serde(default)]
    pub publications: Vec<Publication>,
    /// When it was recorded, on the recording's timeline.
    pub intervals_ms: Vec<Span>,
    /// Within the intervals: where nothing came for a second or longer.
    pub gaps_ms: Vec<Span>,
    /// Silence that was filled in, so that players keep sound and pictures together.
    pub filled_ms: Millis,
    /// Sound that was left out for the same reason.
    pub dropped_ms: Millis,
}

/// A change of consent, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentAt {
    /// When it was made.
    pub at_unix_ms: Unix,
    /// The change.
    #[serde(flatten)]
    pub consent: Consent,
}

/// What could not be read. All zero unless the node or its disk broke down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// Segments of which not one frame could be read.
    pub segments: u64,
    /// Segments that end in the middle of a frame.
    pub cut: u64,
    /// Places that were passed over.
    pub places: u64,
}

impl Participant {
    /// A participant's part of the plan, and what was done to each track.
    pub fn of(person: &Person, file: &str, kept: &[Kept]) -> Participant {
        let kept = kept
            .iter()
            .copied()
            .chain(std::iter::repeat(Kept::default()));
        let tracks = (1..).zip(&person.file.tracks).zip(kept);
        Participant {
            identity: person.identity.clone(),
            role: person.role,
            file: file.to_owned(),
            offset_ms: Millis(person.file.span.start_ms),
            tracks: tracks
                .map(|((number, track), kept)| Track::of(number, track, kept))
                .collect(),
        }
    }
}

impl Track {
    fn of(number: u32, track: &TrackPlan, kept: Kept) -> Track {
        Track {
            number,
            source: track.source,
            codec: track.codec_word().to_owned(),
            publications: track.publications.clone(),
            intervals_ms: track.intervals.clone(),
            gaps_ms: track.gaps.clone(),
            filled_ms: Millis(kept.filled_ms),
            dropped_ms: Millis(kept.dropped_ms),
        }
    }
}

impl File {
    /// A file of the plan.
    pub fn of(file: &FilePlan, kind: FileKind, name: String) -> File {
        File {
            name,
            kind,
            mime: file.mime().to_owned(),
            bytes: 0,
            sha256: String::new(),
            offset_ms: Some(Millis(file.span.start_ms)),
            duration_ms: Some(Millis(file.duration_ms())),
            tracks_left_out: file.left_out,
        }
    }
}

impl Manifest {
    /// Its canonical JSON.
    ///
    /// # Errors
    /// None that occurs: every field is text or a number.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

/// Names a public key: the first 16 digits of its SHA-256.
pub fn key_id(public: &[u8]) -> String {
    hex(sha256(public).get(..KEY_ID_BYTES).unwrap_or_default())
}

#[derive(Serialize, Deserialize)]
struct JwsHeader {
    alg: String,
    kid: String,
    jwk: Jwk,
}

/// The public key (RFC 8037): whoever knows the node's key compares it, others see at least that
/// nothing was changed since.
#[derive(Serialize, Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
}

/// Signs a manifest: JWS in its compact form (RFC 7515, RFC 8037).
///
/// # Errors
/// None that occurs.
pub fn sign(manifest: &[u8], key: &SigningKey) -> serde_json::Result<String> {
    let public = key.public();
    let header = JwsHeader {
        alg: "EdDSA".to_owned(),
        kid: key_id(&public),
        jwk: Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: URL_SAFE_NO_PAD.encode(public),
        },
    };
    let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
    let mut text = format!("{header}.{}", URL_SAFE_NO_PAD.encode(manifest));
    let signature = key.sign(text.as_bytes());
    text.push('.');
    text.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(text)
}

/// A signature that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What was signed.
    pub manifest: Manifest,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// By whose key.
    pub public: Vec<u8>,
    /// The name of that key.
    pub kid: String,
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not our form.
    #[error("it is no JWS with the algorithm EdDSA and its key in the header")]
    Form,
    /// Another key.
    #[error("it is signed with another key than that of this node")]
    Key,
    /// Changed since.
    #[error("its signature does not fit: it was changed after it was signed")]
    Signature,
    /// Signed, and not understood.
    #[error("it is signed, but no manifest that this version knows")]
    Manifest,
}

/// Checks a signed manifest; against a key that is known, or else against the one that it names
/// itself.
///
/// # Errors
/// What is wrong with it.
pub fn verify(jws: &str, known: Option<&[u8]>) -> Result<Verified, Refused> {
    let parts: Vec<&str> = jws.trim_end().split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err(Refused::Form);
    };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Form);
    let read: JwsHeader = serde_json::from_slice(&decode(header)?).map_err(|_| Refused::Form)?;
    let public = decode(&read.jwk.x)?;
    if read.alg != "EdDSA" || read.jwk.crv != "Ed25519" || read.kid != key_id(&public) {
        return Err(Refused::Form);
    }
    if known.is_some_and(|known| known != public) {
        return Err(Refused::Key);
    }
    let signed = format!("{header}.{payload}");
    if !verify_ed25519(&public, signed.as_bytes(), &decode(signature)?) {
        return Err(Refused::Signature);
    }
    let bytes = decode(payload)?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|_| Refused::Manifest)?;
    if manifest.format != FORMAT {
        return Err(Refused::Manifest);
    }
    Ok(Verified {
        manifest,
        bytes,
        public,
        kid: read.kid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Actor, ConsentState, ParticipantSid, TrackSid};

    fn manifest() -> Manifest {
        let session = SessionId::from("SE_abcDEF012345");
        let identity = Identity::from("anna");
        Manifest {
            format: FORMAT,
            recording: RecordingId::new(session.clone(), Purpose::Shared),
            session,
            purpose: Purpose::Shared,
            node: NodeId::from("ND_x"),
            origin_unix_ms: Unix(1_800_000_000_000),
            started_unix_ms: Unix(1_800_000_000_250),
            ended_unix_ms: Unix(1_800_000_060_000),
            duration_ms: Millis(59_750),
            files: vec![File {
                name: "session.webm".to_owned(),
                kind: FileKind::Session,
                mime: "video/webm".to_owned(),
                bytes: 7,
                sha256: "00".to_owned(),
                offset_ms: Some(Millis(250)),
                duration_ms: None,
                tracks_left_out: 0,
            }],
            participants: vec![Participant {
                identity: identity.clone(),
                role: Some(Role::Expert),
                file: "participant-1.webm".to_owned(),
                offset_ms: Millis(250),
                tracks: vec![Track {
                    number: 1,
                    source: TrackSource::Camera,
                    codec: "vp8".to_owned(),
                    publications: vec![Publication {
                        track: TrackSid::from("TR_x"),
                        participant: ParticipantSid::from("PA_x"),
                        span_ms: [250, 60_000].into(),
                    }],
                    intervals_ms: vec![[250, 60_000].into()],
                    gaps_ms: vec![[1_000, 4_000].into()],
                    filled_ms: Millis::ZERO,
                    dropped_ms: Millis::ZERO,
                }],
            }],
            consents: vec![ConsentAt {
                at_unix_ms: Unix(1_800_000_000_000),
                consent: Consent {
                    identity,
                    purpose: Purpose::Shared,
                    state: ConsentState::Given,
                    actor: Actor::Participant,
                    wording: "v1".to_owned(),
                },
            }],
            ended_early: Some("the disk is full".to_owned()),
            losses: Losses::default(),
        }
    }

    fn key() -> SigningKey {
        SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
    }

    #[test]
    fn the_json_has_a_fixed_form() {
        let text = String::from_utf8(manifest().encode().unwrap()).unwrap();
        assert_eq!(
            text,
            include_str!("../../tests/golden/recording/manifest.json").trim_end()
        );
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest());
    }

    #[test]
    fn a_signed_manifest_is_read_back_and_any_change_is_found() {
        let (key, other) = (key(), key());
        let jws = sign(&manifest().encode().unwrap(), &key).unwrap();
        let read = verify(&jws, Some(&key.public())).unwrap();
        assert_eq!(
            (&read.manifest, &read.kid),
            (&manifest(), &key_id(&key.public()))
        );
        assert!(verify(&jws, None).is_ok());
        assert_eq!(verify(&jws, Some(&other.public())), Err(Refused::Key));
        for at in 0..jws.len() {
            let mut bytes = jws.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(verify(&changed, Some(&key.public())).is_err(), "{at}");
        }
        for bad in ["", ".", "..", "a.b.c", "e30.e30.e30"] {
            assert_eq!(verify(bad, None), Err(Refused::Form), "{bad:?}");
        }
    }
}
