//! How much of a peer's session description is read: what it costs a worker is bounded by this.

use crate::peer::transport::error::TransportError;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Longest description, in bytes: a browser's with five sections and all of its codecs has 30 kB.
pub const MAX_SDP_BYTES: usize = 64 * 1024;
/// Sections of one description.
const MAX_SECTIONS: usize = 64;
/// Candidates that are read in the life of a connection. Addresses are learnt from STUN (ICE-lite), so one
/// that is passed over costs nobody a connection.
const MAX_CANDIDATES: usize = 32;
/// Longest candidate, in bytes.
const MAX_CANDIDATE_BYTES: usize = 512;

/// Whether a description may be read at all.
///
/// # Errors
/// It is too long, or has too many sections.
pub fn check_length(sdp: &str) -> Result<(), TransportError> {
    let refused = |what: String| Err(TransportError::Sdp(what));
    if sdp.len() > MAX_SDP_BYTES {
        return refused(format!("it has at most {MAX_SDP_BYTES} bytes"));
    }
    if sdp.lines().filter(|line| line.starts_with("m=")).count() > MAX_SECTIONS {
        return refused(format!("it has at most {MAX_SECTIONS} sections"));
    }
    Ok(())
}

/// The description without its candidates, and those, as they would be trickled.
pub fn take_candidates(sdp: &str) -> (Cow<'_, str>, Vec<&str>) {
    let candidate = |line: &str| line.starts_with("a=candidate:");
    if !sdp.lines().any(candidate) {
        return (Cow::Borrowed(sdp), Vec::new());
    }
    let (taken, rest): (Vec<&str>, Vec<&str>) =
        sdp.split_inclusive('\n').partition(|l| candidate(l));
    let taken = taken
        .iter()
        .filter_map(|line| line.trim_end().strip_prefix("a="));
    (Cow::Owned(rest.concat()), taken.collect())
}

/// The candidates of a connection's peer.
#[derive(Debug, Default)]
pub struct Candidates(BTreeSet<String>);

impl Candidates {
    /// Whether this one is to be read: it is new, and there are not too many.
    pub fn admit(&mut self, candidate: &str) -> bool {
        let fits = candidate.len() <= MAX_CANDIDATE_BYTES && self.0.len() < MAX_CANDIDATES;
        fits && self.0.insert(candidate.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_64_kib_and_64_sections_and_not_more() {
        let long = |bytes: usize| format!("v=0\r\n{}", "a".repeat(bytes - 5));
        check_length(&long(MAX_SDP_BYTES)).expect("as long as may be");
        let told = check_length(&long(MAX_SDP_BYTES + 1)).expect_err("too long");
        assert!(told.to_string().contains("65536 bytes"), "{told}");
        let wide = |sections: usize| format!("v=0\r\n{}", "m=video 9 X 96\r\n".repeat(sections));
        check_length(&wide(MAX_SECTIONS)).expect("as many as may be");
        let told = check_length(&wide(MAX_SECTIONS + 1)).expect_err("too many");
        assert!(told.to_string().contains("64 sections"), "{told}");
    }

    #[test]
    fn candidates_are_taken_out_of_a_description_and_nothing_else_changes() {
        let bare = "v=0\r\nm=video 9 X 96\r\na=mid:0\r\n";
        assert_eq!(take_candidates(bare), (bare.into(), vec![]));
        let with = "v=0\r\nm=video 9 X 96\r\na=candidate:1 1 udp 2 ::1 9 typ host\r\na=mid:0\r\na=candidate:2 x\n";
        let taken = vec!["candidate:1 1 udp 2 ::1 9 typ host", "candidate:2 x"];
        assert_eq!(take_candidates(with), (bare.into(), taken));
    }

    #[test]
    fn of_a_connection_32_candidates_are_read_each_once_and_none_that_is_endless() {
        let mut candidates = Candidates::default();
        assert!(!candidates.admit(&"x".repeat(MAX_CANDIDATE_BYTES + 1)));
        for n in 0..MAX_CANDIDATES {
            assert!(candidates.admit(&n.to_string()));
            assert!(!candidates.admit(&n.to_string()), "again");
        }
        assert!(!candidates.admit("one more"));
    }
}
