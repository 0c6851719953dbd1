//! A reader of segments for tests, which knows nothing of the writer.

/// One frame of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Milliseconds on the recording's timeline.
    pub at_ms: i64,
    pub keyframe: bool,
    pub frame: Vec<u8>,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    pub blocks: Vec<Block>,
    /// Times of the clusters.
    pub clusters: Vec<i64>,
    pub tags: Vec<(String, String)>,
    pub codec: String,
    pub codec_private: Vec<u8>,
    pub pixels: (u64, u64),
}

struct Element<'a> {
    id: u32,
    /// None: unknown.
    content: Option<&'a [u8]>,
}

fn vint(bytes: &mut &[u8], keep_marker: bool) -> Option<(u64, bool)> {
    let first = *bytes.first()?;
    let len = first.leading_zeros() as usize + 1;
    let taken = bytes.get(..len)?;
    *bytes = &bytes[len..];
    let mut value = u64::from(first);
    if !keep_marker {
        value &= (1 << (8 - len)) - 1;
    }
    for byte in &taken[1..] {
        value = value << 8 | u64::from(*byte);
    }
    Some((value, value == (1 << (7 * len)) - 1))
}

/// The next element; None at the end, or where it is cut.
fn element<'a>(bytes: &mut &'a [u8]) -> Option<Element<'a>> {
    let (id, _) = vint(bytes, true)?;
    let (size, unknown) = vint(bytes, false)?;
    let id = u32::try_from(id).unwrap();
    if unknown {
        return Some(Element { id, content: None });
    }
    let content = bytes.get(..usize::try_from(size).unwrap())?;
    *bytes = bytes.get(content.len()..)?;
    let content = Some(content);
    Some(Element { id, content })
}

fn uint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Reads a file, up to where it is cut.
pub fn read(bytes: &[u8]) -> File {
    let mut file = File::default();
    let (mut cluster, mut name) = (0, String::new());
    walk(bytes, &mut |id, content| match id {
        0xe7 => {
            cluster = i64::try_from(uint(content)).unwrap();
            file.clusters.push(cluster);
        }
        0xa3 => {
            assert_eq!(content[0], 0x81, "the track's number");
            let relative = i16::from_be_bytes([content[1], content[2]]);
            file.blocks.push(Block {
                at_ms: cluster + i64::from(relative),
                keyframe: content[3] & 0x80 != 0,
                frame: content[4..].to_vec(),
            });
        }
        0x86 => file.codec = text(content),
        0x63a2 => file.codec_private = content.to_vec(),
        0xb0 => file.pixels.0 = uint(content),
        0xba => file.pixels.1 = uint(content),
        0x45a3 => name = text(content),
        0x4487 => file.tags.push((name.clone(), text(content))),
        _ => {}
    });
    file
}

/// Masters whose content is looked at.
const MASTERS: [u32; 8] = [
    0x1853_8067,
    0x1f43_b675,
    0x1654_ae6b,
    0xae,
    0xe0,
    0x1254_c367,
    0x7373,
    0x67c8,
];

fn walk(mut bytes: &[u8], seen: &mut dyn FnMut(u32, &[u8])) {
    while let Some(element) = element(&mut bytes) {
        match element.content {
            // What it holds follows: all levels are told apart by their ids.
            None => assert!(MASTERS.contains(&element.id)),
            Some(content) if MASTERS.contains(&element.id) => walk(content, seen),
            Some(content) => seen(element.id, content),
        }
    }
}
