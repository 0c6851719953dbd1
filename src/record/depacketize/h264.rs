//! H.264: packetization mode 1 (RFC 6184): single units, several in one packet (STAP-A), pieces of one (FU-A).
//! In the file each unit follows its length in four bytes (ISO/IEC 14496-15, 5.3.2).

use super::error::Malformed;
use super::sps;
use crate::record::matroska::write::TrackCodec;

/// Types of units (H.264, table 7-1; RFC 6184, table 1).
const SPS: u8 = 7;
const PPS: u8 = 8;
const LAST_SINGLE: u8 = 23;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// Bytes of a unit's length in the file.
const LENGTH: usize = 4;
/// Longest description: parameter sets have some tens of bytes each, and the heads of all tracks of a file must
/// fit into what [`crate::record::read`] believes.
const MAX_CONFIG: usize = 4 << 10;
/// Parameter sets of one kind that the file's head can name.
const MAX_SETS: usize = 31;
/// Profiles whose head in the file also names chroma format and depth (ISO/IEC 14496-15, 5.3.3.1.2).
const WITH_CHROMA: [u8; 4] = [100, 110, 122, 144];

const fn unit_type(header: u8) -> u8 {
    header & 0x1f
}

/// True if the payload begins with a sequence parameter set.
pub(super) fn begins_with_parameters(payload: &[u8]) -> bool {
    match payload {
        [header, ..] if unit_type(*header) == SPS => true,
        [header, _, _, unit, ..] => unit_type(*header) == STAP_A && unit_type(*unit) == SPS,
        _ => false,
    }
}

/// The unit whose pieces are coming.
#[derive(Clone, Copy, Debug)]
pub(in crate::record) struct Fragment {
    /// Bytes of it that have come; none if no unit is open.
    len: Option<usize>,
}

impl Fragment {
    pub(super) const fn new() -> Fragment {
        Fragment { len: None }
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.len.is_none()
    }

    /// Appends the units of a payload, or the piece that it is.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, payload: &[u8]) -> Result<(), Malformed> {
        let (header, rest) = payload.split_first().ok_or(Malformed)?;
        match unit_type(*header) {
            FU_A => self.append_piece(out, *header, rest),
            _ if self.len.is_some() => Err(Malformed),
            STAP_A => append_several(out, rest),
            1..=LAST_SINGLE => append_unit(out, payload),
            _ => Err(Malformed),
        }
    }

    fn append_piece(
        &mut self,
        out: &mut Vec<u8>,
        indicator: u8,
        rest: &[u8],
    ) -> Result<(), Malformed> {
        let (header, piece) = rest.split_first().ok_or(Malformed)?;
        let (begins, ends) = (header & 0x80 != 0, header & 0x40 != 0);
        if begins == self.len.is_some() || piece.is_empty() {
            return Err(Malformed);
        }
        if begins {
            out.extend_from_slice(&[0; LENGTH]);
            out.push(indicator & 0xe0 | unit_type(*header));
        }
        out.extend_from_slice(piece);
        let len = self.len.unwrap_or(1) + piece.len();
        self.len = (!ends).then_some(len);
        if ends {
            let at = out.len().checked_sub(len + LENGTH).ok_or(Malformed)?;
            out[at..at + LENGTH].copy_from_slice(&length(len)?);
        }
        Ok(())
    }
}

fn length(len: usize) -> Result<[u8; LENGTH], Malformed> {
    u32::try_from(len)
        .map(u32::to_be_bytes)
        .map_err(|_| Malformed)
}

fn append_unit(out: &mut Vec<u8>, unit: &[u8]) -> Result<(), Malformed> {
    out.extend_from_slice(&length(unit.len())?);
    out.extend_from_slice(unit);
    Ok(())
}

fn append_several(out: &mut Vec<u8>, mut units: &[u8]) -> Result<(), Malformed> {
    if units.is_empty() {
        return Err(Malformed);
    }
    while !units.is_empty() {
        let [high, low, rest @ ..] = units else {
            return Err(Malformed);
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let unit = rest.get(..len).filter(|unit| !unit.is_empty());
        append_unit(out, unit.ok_or(Malformed)?)?;
        units = &rest[len..];
    }
    Ok(())
}

/// The units of a frame as it stands in the file.
fn units(mut frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (head, rest) = frame.split_first_chunk::<LENGTH>()?;
        let len = usize::try_from(u32::from_be_bytes(*head)).ok()?;
        let unit = rest.get(..len)?;
        frame = &rest[len..];
        Some(unit)
    })
}

fn sets_of(frame: &[u8], kind: u8) -> Vec<&[u8]> {
    let of_kind = |unit: &&[u8]| unit.first().is_some_and(|first| unit_type(*first) == kind);
    let mut sets: Vec<&[u8]> = Vec::new();
    for unit in units(frame).filter(of_kind) {
        if !sets.contains(&unit) && sets.len() < MAX_SETS {
            sets.push(unit);
        }
    }
    sets
}

/// What a decoder must know, by the parameter sets of a keyframe.
pub(super) fn describe(keyframe: &[u8]) -> Result<TrackCodec, Malformed> {
    let sequence = sets_of(keyframe, SPS);
    let picture = sets_of(keyframe, PPS);
    let first = sequence.first().ok_or(Malformed)?;
    let parsed = sps::parse(first)?;
    let [_, profile, compatible, level, ..] = **first else {
        return Err(Malformed);
    };
    if picture.is_empty() {
        return Err(Malformed);
    }
    let mut config = vec![1, profile, compatible, level, 0xfc | 3];
    put_sets(&mut config, 0xe0, &sequence)?;
    put_sets(&mut config, 0x00, &picture)?;
    if WITH_CHROMA.contains(&profile) {
        let chroma = [
            0xfc | parsed.chroma_format,
            0xf8 | parsed.luma_depth_minus_8,
            0xf8 | parsed.chroma_depth_minus_8,
            0,
        ];
        config.extend_from_slice(&chroma);
    }
    if config.len() > MAX_CONFIG {
        return Err(Malformed);
    }
    Ok(TrackCodec::Avc {
        size: parsed.size,
        config,
    })
}

fn put_sets(config: &mut Vec<u8>, reserved: u8, sets: &[&[u8]]) -> Result<(), Malformed> {
    config.push(reserved | u8::try_from(sets.len()).map_err(|_| Malformed)?);
    for set in sets {
        let len = u16::try_from(set.len()).map_err(|_| Malformed)?;
        config.extend_from_slice(&len.to_be_bytes());
        config.extend_from_slice(set);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::matroska::write::PixelSize;

    /// 640 × 360, constrained baseline, level 3.1: as Chromium's OpenH264 writes it.
    const SPS_360P: [u8; 15] = [
        0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x17, 0xfc, 0xb0, 0x0f, 0x08, 0x84, 0x6a,
    ];

    fn appended(payloads: &[&[u8]]) -> Result<Vec<u8>, Malformed> {
        let (mut out, mut fragment) = (Vec::new(), Fragment::new());
        for payload in payloads {
            fragment.append(&mut out, payload)?;
        }
        fragment.is_whole().then_some(out).ok_or(Malformed)
    }

    #[test]
    fn units_are_put_together_from_every_packetization() {
        type Case<'a> = (&'a str, &'a [&'a [u8]], Result<&'a [u8], Malformed>);
        let cases: &[Case<'_>] = &[
            ("single", &[&[0x41, 1]], Ok(&[0, 0, 0, 2, 0x41, 1])),
            (
                "STAP-A",
                &[&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68]],
                Ok(&[0, 0, 0, 2, 0x67, 1, 0, 0, 0, 1, 0x68]),
            ),
            (
                "FU-A",
                &[&[0x7c, 0x85, 1], &[0x7c, 0x05, 2, 3], &[0x7c, 0x45, 4]],
                Ok(&[0, 0, 0, 5, 0x65, 1, 2, 3, 4]),
            ),
            (
                "FU-A in one piece",
                &[&[0x5c, 0xc1, 1]],
                Ok(&[0, 0, 0, 2, 0x41, 1]),
            ),
            ("FU-A without its end", &[&[0x7c, 0x85, 1]], Err(Malformed)),
            (
                "FU-A without its start",
                &[&[0x7c, 0x45, 1]],
                Err(Malformed),
            ),
            (
                "FU-A begun twice",
                &[&[0x7c, 0x85, 1], &[0x7c, 0x85, 1]],
                Err(Malformed),
            ),
            (
                "a unit amid pieces",
                &[&[0x7c, 0x85, 1], &[0x41, 1]],
                Err(Malformed),
            ),
            ("STAP-A that lies", &[&[0x78, 0, 9, 0x67]], Err(Malformed)),
            ("STAP-A with nothing", &[&[0x78]], Err(Malformed)),
            ("STAP-A with half a length", &[&[0x78, 0]], Err(Malformed)),
            (
                "STAP-A with an empty unit",
                &[&[0x78, 0, 0]],
                Err(Malformed),
            ),
            ("FU-A cut short", &[&[0x7c]], Err(Malformed)),
            ("MTAP", &[&[0x7a, 1, 2]], Err(Malformed)),
            ("type 0", &[&[0x00, 1]], Err(Malformed)),
            ("empty", &[&[]], Err(Malformed)),
        ];
        for (name, payloads, expected) in cases {
            let expected = expected.map(<[u8]>::to_vec);
            assert_eq!(appended(payloads), expected, "{name}");
        }
    }

    #[test]
    fn the_head_of_the_file_is_made_of_the_keyframes_parameter_sets() {
        let mut stap = vec![0x78, 0, 15];
        stap.extend_from_slice(&SPS_360P);
        stap.extend_from_slice(&[0, 2, 0x68, 0xce]);
        let frame = appended(&[&stap, &[0x65, 1, 2]]).unwrap();
        let mut config = vec![1, 0x42, 0xc0, 0x1f, 0xff, 0xe1, 0, 15];
        config.extend_from_slice(&SPS_360P);
        config.extend_from_slice(&[1, 0, 2, 0x68, 0xce]);
        let size = PixelSize {
            width: 640,
            height: 360,
        };
        assert_eq!(describe(&frame), Ok(TrackCodec::Avc { size, config }));
        let without = appended(&[&[0x68, 0xce], &[0x65, 1]]).unwrap();
        assert_eq!(describe(&without), Err(Malformed));
        let without = appended(&[&SPS_360P, &[0x65, 1]]).unwrap();
        assert_eq!(describe(&without), Err(Malformed));
        let mut long = vec![0x68; MAX_CONFIG];
        long[1] = 0xce;
        let stuffed = appended(&[&SPS_360P, &long, &[0x65, 1]]).unwrap();
        assert_eq!(describe(&stuffed), Err(Malformed));
    }

    #[test]
    fn parameter_sets_are_found_at_the_beginning_alone() {
        assert!(begins_with_parameters(&[0x67, 1]));
        assert!(begins_with_parameters(&[0x78, 0, 2, 0x67, 1]));
        for other in [&[0x65, 1][..], &[0x78, 0, 2, 0x68, 1], &[0x7c, 0x85], &[]] {
            assert!(!begins_with_parameters(other), "{other:?}");
        }
    }
}
