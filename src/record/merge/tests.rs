//! Segments in, finished files out: read back by the reader.

use super::super::fixture::{ORIGIN_UNIX_MS, VP8, avc, begin, camera, cluster, microphone};
use super::super::manifest::{File, FileKind};
use super::super::mux::MuxConfig;
use super::super::plan::{FilePlan, plan};
use super::super::survey::{Span, Surveyor};
use super::*;
use std::io::Cursor;

fn survey(number: u32, file: &[u8]) -> Option<Survey> {
    let mut reader = Reader::new(file).ok()?;
    let mut surveyor = Surveyor::new(number, reader.header())?;
    while let Some(block) = reader.next_block().unwrap() {
        surveyor.handle_block(&block);
    }
    surveyor.finish(reader.damage(), reader.offset())
}

fn surveys(segments: &[Vec<u8>]) -> Vec<Survey> {
    let all = (1..).zip(segments);
    all.map(|(n, file)| survey(n, file).unwrap()).collect()
}

/// Makes the file, and reads it back.
fn made(file: &FilePlan, segments: &[Vec<u8>]) -> (Vec<u8>, Vec<Block>, Vec<Kept>) {
    let config = MuxConfig {
        doc_type: file.doc_type(),
        date_unix_ms: ORIGIN_UNIX_MS + file.span.start_ms,
        duration_ms: file.duration_ms(),
        tracks: file.mux_tracks(),
        tags: vec![("RECORDING".to_owned(), "RC_x_qa".to_owned())],
    };
    let surveys = surveys(segments);
    let mut muxer = Muxer::new(Cursor::new(Vec::new()), config).unwrap();
    let mut merge = Merge::new(file, &surveys, |index| {
        Ok(Cursor::new(&segments[index][..]))
    });
    while merge.step(&mut muxer).unwrap() {}
    let kept = merge.kept();
    let bytes = muxer.finish().unwrap().into_inner();
    let mut reader = Reader::new(&bytes[..]).unwrap();
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        blocks.push(block);
    }
    assert!(reader.damage().is_none(), "{:?}", reader.damage());
    assert_eq!(reader.header().duration_ms, Some(file.duration_ms()));
    assert!(blocks.is_sorted_by_key(|block| block.at_ms));
    (bytes, blocks, kept)
}

fn frames(blocks: &[Block], track: u64) -> Vec<u64> {
    let some = blocks.iter().filter(|block| block.track == track);
    some.map(|block| block.at_ms).collect()
}

#[test]
fn a_file_has_127_tracks_and_those_that_came_last_are_in_their_own_files_alone() {
    let segments: Vec<Vec<u8>> = (0..130)
        .map(|n| microphone(&format!("person {n:03}"), (n * 10, n * 10 + 40)))
        .collect();
    let plan = plan(&surveys(&segments));
    assert_eq!(plan.people.len(), 130);
    let session = File::of(&plan.session, FileKind::Session, "session".to_owned());
    assert_eq!(
        (plan.session.tracks.len(), session.tracks_left_out),
        (127, 3)
    );
    let (_, blocks, _) = made(&plan.session, &segments);
    assert_eq!(frames(&blocks, 127), [1_260, 1_280]);
    let last = &plan.people[129].file;
    let (_, blocks, _) = made(last, &segments);
    assert_eq!((last.left_out, frames(&blocks, 1)), (0, vec![0, 20]));
}

#[test]
fn a_participant_file_begins_at_its_own_first_frame() {
    let segments = [
        microphone("anna", (0, 4_000)),
        microphone("bert", (1_300, 4_000)),
        camera("bert", &VP8, (1_500, 4_000)),
    ];
    let plan = plan(&surveys(&segments));
    let names: Vec<&str> = plan.people.iter().map(|p| p.identity.as_str()).collect();
    assert_eq!(names, ["anna", "bert"]);
    let bert = &plan.people[1].file;
    assert_eq!((bert.span.start_ms, bert.duration_ms()), (1_300, 2_700));
    assert_eq!((bert.extension(), bert.mime()), ("webm", "video/webm"));
    let (_, blocks, _) = made(bert, &segments);
    // The camera is the first track, and begins 200 ms after the voice.
    assert_eq!(frames(&blocks, 1)[0], 200);
    assert_eq!(
        frames(&blocks, 2),
        (0..2_700).step_by(20).collect::<Vec<_>>()
    );
    let (_, blocks, _) = made(&plan.session, &segments);
    assert_eq!(frames(&blocks, 1)[0], 0);
    assert_eq!(frames(&blocks, 2)[0], 1_500);
    assert_eq!(frames(&blocks, 3)[0], 1_300);
    assert_eq!(plan.people[0].file.mime(), "audio/webm");
}

#[test]
fn what_comes_again_goes_on_in_the_same_track_and_its_pause_is_filled_with_silence() {
    let segments = [
        microphone("anna", (0, 2_000)),
        camera("anna", &VP8, (0, 2_000)),
        microphone("anna", (5_010, 6_010)),
        camera("anna", &VP8, (5_000, 6_000)),
    ];
    let plan = plan(&surveys(&segments));
    let [person] = &plan.people[..] else {
        panic!("one person");
    };
    let tracks: Vec<&[usize]> = person.file.tracks.iter().map(|t| &t.segments[..]).collect();
    assert_eq!(tracks, [[1, 3], [0, 2]]);
    let spans: Vec<Span> = [[0, 2_000], [5_010, 6_010]].map(Span::from).into();
    assert_eq!(person.file.tracks[1].intervals, spans);
    let (_, blocks, kept) = made(&person.file, &segments);
    let sound = frames(&blocks, 2);
    let holes = sound.windows(2).filter(|w| w[1] - w[0] > 30).count();
    assert_eq!((holes, kept[1].filled_ms), (0, 3_000));
    assert_eq!(frames(&blocks, 1).len(), 75);
}

#[test]
fn another_codec_and_a_second_one_at_the_same_time_are_tracks_of_their_own() {
    let segments = [
        camera("anna", &VP8, (0, 4_000)),
        camera("anna", &VP8, (1_000, 3_000)),
        camera("anna", &avc(), (5_000, 6_000)),
    ];
    let plan = plan(&surveys(&segments));
    let file = &plan.people[0].file;
    assert_eq!((file.tracks.len(), file.extension()), (3, "mkv"));
    let defaults: Vec<bool> = file.mux_tracks().iter().map(|t| t.default).collect();
    assert_eq!(defaults, [true, false, false]);
    assert_eq!(file.mux_tracks()[0].name, "anna camera");
    let (_, blocks, _) = made(file, &segments);
    assert_eq!(blocks.len(), 100 + 50 + 25);
}

#[test]
fn the_camera_comes_before_the_screen_and_pictures_before_sound() {
    let mut screen = begin("anna", "screen_share", &VP8);
    cluster(
        &mut screen,
        &[(0, true, vec![0x10; 20]), (5_000, false, vec![0x11; 20])],
    );
    let segments = [
        microphone("anna", (0, 1_000)),
        screen,
        camera("anna", &VP8, (2_000, 3_000)),
    ];
    let plan = plan(&surveys(&segments));
    let tracks: Vec<&[usize]> = plan
        .session
        .tracks
        .iter()
        .map(|t| &t.segments[..])
        .collect();
    assert_eq!(tracks, [[2], [1], [0]]);
    let gaps: Vec<Span> = vec![[0, 5_000].into()];
    assert_eq!(plan.session.tracks[1].gaps, gaps);
}

#[test]
fn a_file_says_where_its_keyframes_are() {
    let segments = [
        camera("anna", &VP8, (0, 30_000)),
        microphone("anna", (0, 30_000)),
    ];
    let plan = plan(&surveys(&segments));
    let (bytes, _, _) = made(&plan.session, &segments);
    let content = seek_head(&bytes);
    let mut points = 0;
    for (at_ms, cluster) in cues(&bytes, content) {
        let here = usize::try_from(content + cluster).unwrap();
        assert_eq!(bytes[here..here + 4], [0x1f, 0x43, 0xb6, 0x75], "{at_ms}");
        assert_eq!(at_ms % 1_000, 0);
        points += 1;
    }
    assert_eq!(points, 30);
}

/// Where the segment's content begins: behind the id and eight bytes of size.
fn seek_head(bytes: &[u8]) -> u64 {
    let id = [0x18, 0x53, 0x80, 0x67];
    let at = bytes.windows(4).position(|w| w == id).unwrap();
    u64::try_from(at).unwrap() + 12
}

/// The index: found by way of the seek head, as a player does.
fn cues(bytes: &[u8], content: u64) -> Vec<(u64, u64)> {
    let id = [0x53, 0xab, 0x84, 0x1c, 0x53, 0xbb, 0x6b, 0x53, 0xac, 0x88];
    let at = bytes.windows(id.len()).position(|w| w == id).unwrap() + id.len();
    let place = u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
    let cues = &bytes[usize::try_from(content + place).unwrap()..];
    assert_eq!(cues[..4], [0x1c, 0x53, 0xbb, 0x6b]);
    let value = |bytes: &[u8]| bytes.iter().fold(0, |v, b| v << 8 | u64::from(*b));
    let mut found = Vec::new();
    let points = cues
        .windows(2)
        .enumerate()
        .filter(|(_, w)| w == &[0xbb, 0x80 | w[1] & 0x7f]);
    for (at, _) in points {
        let point = &cues[at + 2..];
        if point.first() != Some(&0xb3) {
            continue;
        }
        let time_len = usize::from(point[1] & 0x7f);
        let rest = &point[2 + time_len..];
        let cluster_len = usize::from(rest[6] & 0x7f);
        found.push((
            value(&point[2..2 + time_len]),
            value(&rest[7..7 + cluster_len]),
        ));
    }
    found
}

#[test]
fn segments_that_were_cut_are_merged_as_far_as_they_go() {
    let whole = [
        camera("anna", &VP8, (0, 2_000)),
        microphone("anna", (0, 2_000)),
    ];
    for cut in (0..600).step_by(7) {
        let segments = whole.clone().map(|mut file| {
            file.truncate(file.len() - cut);
            file
        });
        let plan = plan(&surveys(&segments));
        let (_, blocks, _) = made(&plan.session, &segments);
        assert!(blocks.len() > 80, "{cut}");
    }
}

#[test]
fn nothing_of_one_participant_is_in_the_file_of_another() {
    let segments = [
        microphone("anna", (0, 1_000)),
        microphone("bert", (3, 1_003)),
        camera("bert", &VP8, (5, 1_005)),
    ];
    let plan = plan(&surveys(&segments));
    let (_, blocks, _) = made(&plan.people[0].file, &segments);
    for block in &blocks {
        let at = block
            .frame
            .last_chunk::<8>()
            .map(|at| u64::from_be_bytes(*at));
        assert_eq!(at, Some(block.at_ms));
    }
    assert_eq!(blocks.len(), 50);
}
