//! What can be wrong with a policy, and the checks that say it.

/// A policy that cannot be honoured.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A number outside its range.
    #[error("{key} is {is}; allowed is {least} to {most}")]
    Range {
        /// Where it stands.
        key: &'static str,
        /// What it is.
        is: u64,
        /// Smallest allowed.
        least: u64,
        /// Largest allowed.
        most: u64,
    },
    /// A list that says nothing, or the same twice.
    #[error("{key} must name each of {allowed} at most once, and at least one of them")]
    List {
        /// Where it stands.
        key: &'static str,
        /// What may stand in it.
        allowed: &'static str,
    },
    /// A value that is too long.
    #[error("{key} has {is} bytes; allowed are at most {most}")]
    Long {
        /// Where it stands.
        key: &'static str,
        /// Bytes of it.
        is: usize,
        /// Most bytes allowed.
        most: usize,
    },
}

/// A number within its range, both ends included.
pub(super) fn range(key: &'static str, is: u64, least: u64, most: u64) -> Result<(), PolicyError> {
    if (least..=most).contains(&is) {
        return Ok(());
    }
    Err(PolicyError::Range {
        key,
        is,
        least,
        most,
    })
}

/// A length in bytes of at most so many.
pub(super) fn length(key: &'static str, is: usize, most: usize) -> Result<(), PolicyError> {
    if is <= most {
        return Ok(());
    }
    Err(PolicyError::Long { key, is, most })
}
