//! Prepaid time that is added to what a session may use: each grant once, whatever their order.

use super::crypto::{hex, sha256};
use serde::{Deserialize, Serialize};

/// Most grants of one session, over all that count as one with it.
pub const MOST_GRANTS: usize = 100;
/// Longest prepaid time of a session, in seconds: a year.
pub const MOST_QUOTA_S: u64 = 31_536_000;
/// How much of a key's hash tells it from the others of a session, in bytes.
const KEY_BYTES: usize = 8;

/// What an app calls a grant, so that one that is asked for twice is given once: a hash of its
/// `Idempotency-Key`, as long as keeps those of a session apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantKey(String);

impl GrantKey {
    /// Of an idempotency key.
    pub fn of(key: &str) -> GrantKey {
        let hash = sha256(key.as_bytes());
        GrantKey(hex(hash.get(..KEY_BYTES).unwrap_or(&hash)))
    }
}

/// Time that was added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which.
    pub key: GrantKey,
    /// How much.
    pub seconds: u64,
    /// The prepaid seconds in all that it came to.
    pub quota_s: u64,
}

/// Why no time is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    /// There is no prepaid time that more could be added to.
    #[error(
        "the session has no prepaid time: set `quota_s` with a PATCH, or book it with `duration.quota_s`"
    )]
    NoQuota,
    /// It has as many as it may have.
    #[error("the session has had {MOST_GRANTS} grants: set the total `quota_s` with a PATCH")]
    Many,
    /// The total would be above [`MOST_QUOTA_S`].
    #[error("the prepaid time would come to more than {MOST_QUOTA_S} s")]
    TooLong,
    /// The key was used for another grant of this session.
    #[error(
        "a grant of {0} s was given under this Idempotency-Key: each grant needs a key of its own"
    )]
    KeyUsed(u64),
}

/// The grants of a session, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(Vec<Grant>);

impl Grants {
    /// None was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one that was given under this key.
    pub fn get(&self, key: &GrantKey) -> Option<&Grant> {
        self.0.iter().find(|grant| grant.key == *key)
    }

    /// One that was given, as a record has it.
    pub fn insert(&mut self, grant: Grant) {
        if self.get(&grant.key).is_none() {
            self.0.push(grant);
        }
    }

    /// Those of another record, but for what is here already.
    pub fn extend(&mut self, others: &Grants) {
        others
            .0
            .iter()
            .cloned()
            .for_each(|grant| self.insert(grant));
    }

    /// What a grant of `seconds` to a session with `quota_s` is or was; nothing is added yet.
    ///
    /// # Errors
    /// There is no quota, it would be too long, the key was used for another, or there are too many.
    pub fn draw(
        &self,
        key: &GrantKey,
        seconds: u64,
        quota_s: Option<u64>,
    ) -> Result<Drawn, GrantRefusal> {
        if let Some(given) = self.get(key) {
            let given_s = given.seconds;
            let given = (given_s == seconds).then(|| Drawn::Before(given.clone()));
            return given.ok_or(GrantRefusal::KeyUsed(given_s));
        }
        let quota_s = quota_s.ok_or(GrantRefusal::NoQuota)?;
        if self.0.len() >= MOST_GRANTS {
            return Err(GrantRefusal::Many);
        }
        let total = quota_s.checked_add(seconds);
        let total = total.filter(|total| *total <= MOST_QUOTA_S);
        Ok(Drawn::Now(Grant {
            key: key.clone(),
            seconds,
            quota_s: total.ok_or(GrantRefusal::TooLong)?,
        }))
    }
}

/// A grant, and whether it was given before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// It is to be given.
    Now(Grant),
    /// It was, and is not given twice.
    Before(Grant),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn give(grants: &mut Grants, key: &str, seconds: u64, quota_s: Option<u64>) -> String {
        match grants.draw(&GrantKey::of(key), seconds, quota_s) {
            Ok(Drawn::Now(grant)) => {
                let total = grant.quota_s;
                grants.insert(grant);
                format!("now {total}")
            }
            Ok(Drawn::Before(grant)) => format!("before {}", grant.quota_s),
            Err(refusal) => format!("{refusal:?}"),
        }
    }

    #[test]
    fn each_grant_is_given_once_and_they_add_up() {
        let mut grants = Grants::default();
        for (key, seconds, quota_s, expected) in [
            ("a", 60, Some(100), "now 160"),
            ("b", 30, Some(160), "now 190"),
            ("a", 60, Some(190), "before 160"),
            ("a", 60, None, "before 160"),
            ("a", 61, Some(190), "KeyUsed(60)"),
            ("c", 1, None, "NoQuota"),
            ("c", MOST_QUOTA_S, Some(1), "TooLong"),
            ("c", u64::MAX, Some(1), "TooLong"),
            ("c", MOST_QUOTA_S - 1, Some(1), "now 31536000"),
        ] {
            let told = give(&mut grants, key, seconds, quota_s);
            assert_eq!(told, expected, "{key} {seconds} {quota_s:?}");
        }
    }

    #[test]
    fn a_session_has_a_hundred_grants_and_repeats_of_them_are_still_answered() {
        let mut grants = Grants::default();
        for number in 0..MOST_GRANTS {
            give(&mut grants, &number.to_string(), 1, Some(1));
        }
        assert_eq!(give(&mut grants, "another", 1, Some(1)), "Many");
        assert_eq!(give(&mut grants, "7", 1, Some(1)), "before 2");
    }

    #[test]
    fn grants_are_written_as_a_list_and_their_keys_short() {
        let mut grants = Grants::default();
        give(&mut grants, &"k".repeat(255), 60, Some(40));
        let text = serde_json::to_string(&grants).unwrap_or_default();
        assert_eq!(serde_json::from_str::<Grants>(&text).ok(), Some(grants));
        assert!(text.len() < 70, "{text}");
    }
}
