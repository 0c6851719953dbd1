//! Files in a store on disk, as they are listed, read and removed.

use super::*;
use crate::host::store::fixture::Dir as Folder;
use object_store::PutPayload;

fn id() -> RecordingId {
    RecordingId::parse("RC_abc_shared").unwrap()
}

fn store(folder: &Folder) -> LocalFileSystem {
    std::fs::create_dir_all(&folder.0).unwrap();
    LocalFileSystem::new_with_prefix(&folder.0).unwrap()
}

async fn put(store: &LocalFileSystem, name: &str, content: &'static [u8]) {
    let content = PutPayload::from_static(content);
    store.put(&key(&id(), name), content).await.unwrap();
}

const MANIFEST: &[u8] = br#"{"format":1,"files":[
    {"name":"participant-1.webm","kind":"participant","bytes":5,"sha256":"aa"},
    {"name":"session.webm","kind":"session","bytes":6,"sha256":"bb"}],
    "participants":[{"identity":"karl","role":null,"file":"participant-1.webm"}]}"#;

#[tokio::test]
async fn the_manifest_says_which_files_there_are_and_is_one_itself() {
    let folder = Folder::new();
    let store = store(&folder);
    assert_eq!(listing(&store, &id()).await.unwrap(), []);
    put(&store, "manifest.json", MANIFEST).await;
    put(&store, "manifest.jws", b"abc").await;
    put(&store, "something.else", b"abc").await;
    let files = listing(&store, &id()).await.unwrap();
    let told: Vec<(&str, u64)> = files.iter().map(|f| (f.name.as_str(), f.bytes)).collect();
    let manifest = u64::try_from(MANIFEST.len()).unwrap();
    assert_eq!(
        told,
        [
            ("participant-1.webm", 5),
            ("session.webm", 6),
            ("manifest.json", manifest),
            ("manifest.jws", 3)
        ]
    );
    assert_eq!(files[0].identity, Some(Identity::from("karl")));
    assert_eq!(files[1].identity, None);
    assert_eq!(files[3].sha256, hex(&sha256(b"abc")));
}

#[tokio::test]
async fn a_manifest_that_is_none_is_an_error_and_not_an_empty_recording() {
    let folder = Folder::new();
    let store = store(&folder);
    put(&store, "manifest.json", b"{}").await;
    listing(&store, &id()).await.unwrap_err();
}

#[tokio::test]
async fn a_piece_is_read_from_where_it_begins_to_where_it_ends() {
    let folder = Folder::new();
    let store = store(&folder);
    put(&store, "session.webm", b"0123456789").await;
    let piece = |name: &str, range| Piece {
        id: id(),
        name: name.to_owned(),
        range,
    };
    let read = chunk(&store, piece("session.webm", 2..5)).await.unwrap();
    assert_eq!(read, Some(Bytes::from_static(b"234")));
    assert_eq!(
        chunk(&store, piece("session.mkv", 0..1)).await.unwrap(),
        None
    );
    chunk(&store, piece("session.webm", 20..21))
        .await
        .unwrap_err();
}

#[tokio::test]
async fn all_files_and_segments_of_one_recording_are_removed_and_those_of_another_stay() {
    let folder = Folder::new();
    let store = store(&folder);
    put(&store, "session.webm", b"1").await;
    put(&store, "manifest.json", MANIFEST).await;
    let other = RecordingId::parse("RC_abcd_shared").unwrap();
    let kept = key(&other, "session.webm");
    store
        .put(&kept, PutPayload::from_static(b"2"))
        .await
        .unwrap();
    let ambient = cap_std::ambient_authority();
    let dir = Arc::new(Dir::open_ambient_dir(&folder.0, ambient).unwrap());
    for recording in ["RC_abc_shared", "RC_abcd_shared"] {
        let segments = format!("segments/{recording}/finish");
        dir.create_dir_all(segments).unwrap();
    }
    for _ in 0..2 {
        remove(&store, &id()).await.unwrap();
        without_segments(dir.clone(), &id()).await.unwrap();
        assert_eq!(listing(&store, &id()).await.unwrap(), []);
        assert!(!dir.exists("segments/RC_abc_shared"));
    }
    store.get(&kept).await.unwrap();
    assert!(dir.exists("segments/RC_abcd_shared"));
}
