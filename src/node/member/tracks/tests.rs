//! Tables over the machine of a member's tracks.

use super::*;
use crate::base::TrackKind;
use crate::peer::signal::token::{Claims, authorize_join};
use crate::peer::signal::{Frame, Request, decode};

/// A client's announcement, as it comes on the socket.
fn announcement(cid: &str, kind: TrackKind) -> PublishRequest {
    let (kind, source) = match kind {
        TrackKind::Audio => ("AUDIO", "MICROPHONE"),
        TrackKind::Video => ("VIDEO", "CAMERA"),
    };
    let json = format!(r#"{{"addTrack":{{"cid":"{cid}","type":"{kind}","source":"{source}"}}}}"#);
    let Request::AddTrack(request) = decode(&Frame::Text(json)).unwrap() else {
        panic!("it announces a track");
    };
    *request
}

fn section(mid: &str, kind: TrackKind, id: &str) -> Section {
    Section {
        mid: Mid::from(mid),
        kind,
        sends: true,
        rejected: false,
        track_id: (!id.is_empty()).then(|| id.to_owned()),
        codec: None,
        opus: Opus::default(),
    }
}

fn at(ms: u64) -> Mono {
    Mono::from_millis(ms)
}

fn published(mid: &str) -> Published {
    Published {
        key: TrackKey(0),
        source: TrackSource::Camera,
        mid: Mid::from(mid),
        wanted: Wanted::default(),
        encrypted: false,
    }
}

fn permissions() -> Permissions {
    let mut claims = Claims::new("key", "erika", crate::base::Unix(1));
    claims.video.room = Some("help".to_owned());
    claims.video.room_join = Some(true);
    authorize_join(&claims).unwrap().permissions
}

#[test]
fn a_track_is_matched_by_its_id_and_else_by_its_kind() {
    let mut tracks = Tracks::default();
    for (sid, cid, kind) in [
        ("TR_1", "a", TrackKind::Audio),
        ("TR_2", "v", TrackKind::Video),
        ("TR_3", "w", TrackKind::Video),
    ] {
        tracks.announce(TrackSid::from(sid), announcement(cid, kind), at(0));
    }
    let offered = [
        section("0", TrackKind::Video, "w"),
        section("1", TrackKind::Video, "{invented}"),
        section("2", TrackKind::Audio, ""),
    ];
    assert!(tracks.handle_answered(&offered, &offered).is_empty());
    let matched = std::iter::from_fn(|| tracks.poll_match())
        .map(|(track, section)| (track.sid.to_string(), section.mid.to_string()))
        .collect::<Vec<_>>();
    let expected = [("TR_3", "0"), ("TR_2", "1"), ("TR_1", "2")];
    assert_eq!(
        matched,
        expected.map(|(sid, mid)| (sid.to_owned(), mid.to_owned()))
    );
}

#[test]
fn an_announcement_without_a_section_is_forgotten_after_thirty_seconds_and_its_place_is_free() {
    let mut tracks = Tracks::default();
    let request = || announcement("x", TrackKind::Audio);
    for index in 0..MAX_TRACKS {
        assert!(tracks.may_announce(&request(), &permissions()).is_ok());
        let sid = TrackSid::from(format!("TR_{index}"));
        tracks.announce(sid, request(), at(u64::from(index > 0)));
    }
    let refused = tracks.may_announce(&request(), &permissions());
    assert_eq!(refused.unwrap_err().0, RequestRefusal::LimitExceeded);
    assert!(tracks.expire(at(29_999)).is_empty());
    assert_eq!(tracks.expire(at(30_000)), [TrackSid::from("TR_0")]);
    assert!(tracks.may_announce(&request(), &permissions()).is_ok());
    assert_eq!(tracks.expire(at(30_001)).len(), MAX_TRACKS - 1);
}

#[test]
fn what_is_published_does_not_expire() {
    let mut tracks = Tracks::default();
    let sid = TrackSid::from("TR_1");
    tracks.announce(sid.clone(), announcement("v", TrackKind::Video), at(0));
    let offered = [section("0", TrackKind::Video, "v")];
    tracks.handle_answered(&offered, &offered);
    assert!(tracks.poll_match().is_some());
    tracks.publish(sid.clone(), published("0"));
    assert!(tracks.expire(at(60_000)).is_empty());
    assert!(tracks.get(&sid).is_some());
}

#[test]
fn a_section_that_sends_no_more_ends_its_track_and_another_may_use_it_again() {
    let mut tracks = Tracks::default();
    let sid = TrackSid::from("TR_1");
    tracks.publish(sid.clone(), published("0"));
    let sends = section("0", TrackKind::Video, "v");
    let stopped = Section {
        sends: false,
        ..sends.clone()
    };
    let kept = std::slice::from_ref(&sends);
    assert!(tracks.handle_answered(kept, kept).is_empty());
    let gone = std::slice::from_ref(&stopped);
    assert_eq!(
        tracks.handle_answered(gone, gone),
        std::slice::from_ref(&sid)
    );
    tracks.unpublish(&sid);
    tracks.announce(
        TrackSid::from("TR_2"),
        announcement("v", TrackKind::Video),
        at(0),
    );
    tracks.handle_answered(kept, kept);
    assert_eq!(tracks.poll_match().unwrap().0.sid.as_str(), "TR_2");
}

#[test]
fn a_track_may_be_muted_before_it_is_published() {
    let mut tracks = Tracks::default();
    let sid = TrackSid::from("TR_1");
    assert!(!tracks.mute_announced(&sid, true));
    tracks.announce(sid.clone(), announcement("v", TrackKind::Video), at(0));
    assert!(tracks.mute_announced(&sid, true));
    let offered = [section("0", TrackKind::Video, "v")];
    tracks.handle_answered(&offered, &offered);
    assert!(tracks.poll_match().unwrap().0.request.muted());
}

#[test]
fn sound_is_wanted_as_it_is_announced_and_without_a_word_as_it_is_offered() {
    let said = |more: &str| {
        let json =
            format!(r#"{{"addTrack":{{"cid":"a","type":"AUDIO","source":"MICROPHONE"{more}}}}}"#);
        let Request::AddTrack(request) = decode(&Frame::Text(json)).unwrap() else {
            panic!("it announces a track");
        };
        *request
    };
    let opus = |dtx, stereo| Opus { dtx, stereo };
    for (announced, offered, expected) in [
        (Some(""), opus(false, false), opus(true, false)),
        (
            Some(r#","disableDtx":true"#),
            opus(true, false),
            opus(false, false),
        ),
        (
            Some(r#","stereo":true"#),
            opus(false, false),
            opus(true, true),
        ),
        (
            Some(r#","audioFeatures":["TF_STEREO","TF_NO_DTX"]"#),
            opus(false, false),
            opus(false, true),
        ),
        (Some(""), opus(false, true), opus(true, true)),
        (None, opus(false, false), opus(false, false)),
        (None, opus(true, true), opus(true, true)),
    ] {
        let mut tracks = Tracks::default();
        if let Some(more) = announced {
            tracks.announce(TrackSid::from("TR_1"), said(more), at(0));
        }
        let offer = [Section {
            opus: offered,
            ..section("0", TrackKind::Audio, "a")
        }];
        let wanted = tracks.wanted(&offer);
        assert_eq!(wanted[&Mid::from("0")].opus, expected, "{announced:?}");
    }
}

#[test]
fn a_published_track_is_wanted_as_before_in_every_later_answer() {
    let mut tracks = Tracks::default();
    let wanted = Wanted {
        codec: None,
        opus: Opus {
            dtx: true,
            stereo: true,
        },
    };
    let track = Published {
        wanted,
        ..published("0")
    };
    tracks.publish(TrackSid::from("TR_1"), track);
    let offer = [section("0", TrackKind::Audio, "a")];
    assert_eq!(tracks.wanted(&offer)[&Mid::from("0")], wanted);
}
