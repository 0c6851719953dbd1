//! How much one message of a client may hold. What is beyond costs its sender an answer, and nobody else
//! anything: each list and each text has a bound, and everything behind them is linear in their lengths.

use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Wire;

/// Of what a message holds too much, and how much it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch(pub &'static str);

/// Texts of a track that others are told: its names and ids, in bytes.
const MAX_TEXT_BYTES: usize = 256;
/// Codecs, layers and features of an announced track, of each.
const MAX_TRACK_PARTS: usize = 16;
/// Tracks that one message names.
const MAX_TRACKS_NAMED: usize = 256;
/// A candidate, with what the client says beside it, in bytes: browsers send some 200.
const MAX_TRICKLE_BYTES: usize = 2_048;

/// Refuses what holds too much.
///
/// # Errors
/// Says of what, and how much is allowed.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others hold no list and no text that goes on to anybody"
)]
pub(super) fn check(message: &Wire) -> Result<(), TooMuch> {
    match message {
        Wire::AddTrack(request) => track(request),
        Wire::Trickle(trickle) if trickle.candidate_init.len() > MAX_TRICKLE_BYTES => {
            Err(TooMuch("a candidate has at most 2,048 bytes"))
        }
        Wire::Subscription(update) => {
            let nested = update.participant_tracks.iter();
            let nested = nested.flat_map(|list| &list.track_sids);
            named(nested.chain(&update.track_sids))
        }
        Wire::TrackSetting(setting) => named(setting.track_sids.iter()),
        Wire::SubscriptionPermission(permission) => {
            let admitted = &permission.track_permissions;
            let texts = admitted.iter().flat_map(|one| {
                let participant = [&one.participant_identity, &one.participant_sid];
                one.track_sids.iter().chain(participant)
            });
            named(texts)
        }
        Wire::UpdateMetadata(update) => named(update.attributes.keys()),
        _ => Ok(()),
    }
}

/// Those that are waited for are kept, so their length counts too.
fn named<'a>(mut names: impl Iterator<Item = &'a String> + Clone) -> Result<(), TooMuch> {
    let too_many = names.clone().nth(MAX_TRACKS_NAMED).is_some();
    if too_many || names.any(|name| name.len() > MAX_TEXT_BYTES) {
        return Err(TooMuch(
            "a message names at most 256 tracks, participants or attributes, by 256 bytes each",
        ));
    }
    Ok(())
}

fn track(request: &proto::AddTrackRequest) -> Result<(), TooMuch> {
    let codecs = &request.simulcast_codecs;
    let lists = [
        request.layers.len(),
        codecs.len(),
        request.audio_features.len(),
        request.packet_trailer_features.len(),
    ];
    let layers = codecs.iter().map(|codec| codec.layers.len());
    if lists
        .into_iter()
        .chain(layers)
        .any(|count| count > MAX_TRACK_PARTS)
    {
        return Err(TooMuch(
            "a track has at most 16 layers, codecs and features each",
        ));
    }
    let texts = [&request.cid, &request.name, &request.stream, &request.sid];
    let of_codecs = codecs.iter().flat_map(|codec| [&codec.codec, &codec.cid]);
    let all_layers = codecs
        .iter()
        .flat_map(|codec| &codec.layers)
        .chain(&request.layers);
    let rids = all_layers.map(|layer| &layer.rid);
    if texts
        .into_iter()
        .chain(of_codecs)
        .chain(rids)
        .any(|text| text.len() > MAX_TEXT_BYTES)
    {
        return Err(TooMuch(
            "names and ids of a track have at most 256 bytes each",
        ));
    }
    Ok(())
}
