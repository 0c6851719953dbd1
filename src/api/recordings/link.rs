//! Links to files: signed, for one file of one recording, and good for an hour.

use crate::base::crypto::{hex, hmac_sha256, same};
use crate::base::{Millis, RecordingId, Unix};

/// How long a link is good: long enough to watch what it leads to, or to hand it on.
pub(super) const LINK_LIVES: Millis = Millis::from_secs(3_600);

/// Why a link lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LinkRefusal {
    /// It was altered, or made for something else.
    #[error(
        "the link is not valid: it was altered, or is for another file; take one from \
         `GET /v1/recordings/{{id}}`"
    )]
    NotValid,
    /// Its time is over.
    #[error("the link has expired: take a new one from `GET /v1/recordings/{{id}}`")]
    Expired,
}

/// When a link that is made now expires, in whole seconds.
pub(super) fn expiry(now: Unix) -> u64 {
    Unix(now.0.saturating_add(LINK_LIVES.0)).secs()
}

/// A link to a file, without its signature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link<'a> {
    /// Of this recording.
    pub id: &'a RecordingId,
    /// This file.
    pub name: &'a str,
    /// When it expires, in seconds since 1970.
    pub expires_s: u64,
}

impl Link<'_> {
    /// Hexadecimal of HMAC-SHA-256. Neither an id nor a name holds a line break, so no two links
    /// have one text.
    fn signature(&self, key: &[u8; 32]) -> String {
        let Link {
            id,
            name,
            expires_s,
        } = self;
        let text = format!("beistand recording link\n{id}\n{name}\n{expires_s}");
        hex(&hmac_sha256(key, text.as_bytes()))
    }

    /// The address of the file on this node, signed.
    pub fn address(&self, key: &[u8; 32]) -> String {
        let signature = self.signature(key);
        let Link {
            id,
            name,
            expires_s,
        } = self;
        format!("/v1/recordings/{id}/files/{name}?expires={expires_s}&signature={signature}")
    }

    /// Whether the link is one of ours, and not too old.
    pub fn check(&self, key: &[u8; 32], presented: &str, now: Unix) -> Result<(), LinkRefusal> {
        let expected = self.signature(key);
        if !same(expected.as_bytes(), presented.as_bytes()) {
            return Err(LinkRefusal::NotValid);
        }
        if now.secs() >= self.expires_s {
            return Err(LinkRefusal::Expired);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const NOW: Unix = Unix(1_800_000_000_500);

    fn id(text: &str) -> RecordingId {
        RecordingId::parse(text).unwrap()
    }

    fn made() -> (u64, String) {
        let link = Link {
            id: &id("RC_abc_shared"),
            name: "session.webm",
            expires_s: expiry(NOW),
        };
        (link.expires_s, link.signature(&KEY))
    }

    #[test]
    fn a_link_is_good_for_an_hour_to_the_second() {
        let (expires_s, signature) = made();
        assert_eq!(expires_s, 1_800_003_600);
        let link = Link {
            id: &id("RC_abc_shared"),
            name: "session.webm",
            expires_s,
        };
        let at = |ms| link.check(&KEY, &signature, Unix(ms));
        assert_eq!(at(NOW.0), Ok(()));
        assert_eq!(at(1_800_003_599_999), Ok(()));
        assert_eq!(at(1_800_003_600_000), Err(LinkRefusal::Expired));
    }

    #[test]
    fn a_link_altered_in_any_part_or_for_another_file_is_not_valid() {
        let (expires_s, good) = made();
        let mut last = good.clone();
        let end = if last.pop() == Some('0') { '1' } else { '0' };
        last.push(end);
        let longer = format!("{good}0");
        let upper = good.to_ascii_uppercase();
        for (recording, name, expires_s, signature) in [
            ("RC_abd_shared", "session.webm", expires_s, good.as_str()),
            ("RC_abc_qa", "session.webm", expires_s, &good),
            ("RC_abc_shared", "session.mkv", expires_s, &good),
            ("RC_abc_shared", "participant-1.webm", expires_s, &good),
            ("RC_abc_shared", "", expires_s, &good),
            ("RC_abc_shared", "session.webm", expires_s + 1, &good),
            ("RC_abc_shared", "session.webm", u64::MAX, &good),
            ("RC_abc_shared", "session.webm", 0, &good),
            ("RC_abc_shared", "session.webm", expires_s, &last),
            ("RC_abc_shared", "session.webm", expires_s, &longer),
            ("RC_abc_shared", "session.webm", expires_s, &upper),
            ("RC_abc_shared", "session.webm", expires_s, &good[..63]),
            ("RC_abc_shared", "session.webm", expires_s, ""),
        ] {
            let link = Link {
                id: &id(recording),
                name,
                expires_s,
            };
            let refused = link.check(&KEY, signature, NOW);
            let what = format!("{recording} {name} {expires_s} {signature}");
            assert_eq!(refused, Err(LinkRefusal::NotValid), "{what}");
        }
    }

    #[test]
    fn another_nodes_link_is_not_valid() {
        let (expires_s, good) = made();
        let link = Link {
            id: &id("RC_abc_shared"),
            name: "session.webm",
            expires_s,
        };
        let refused = link.check(&[8; 32], &good, NOW);
        assert_eq!(refused, Err(LinkRefusal::NotValid));
    }

    #[test]
    fn the_address_holds_what_is_checked() {
        let (expires_s, signature) = made();
        let link = Link {
            id: &id("RC_abc_shared"),
            name: "session.webm",
            expires_s,
        };
        assert_eq!(
            link.address(&KEY),
            format!(
                "/v1/recordings/RC_abc_shared/files/session.webm?expires={expires_s}&signature={signature}"
            )
        );
    }
}
