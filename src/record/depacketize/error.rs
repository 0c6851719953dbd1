//! What a payload can have against it.

/// A payload that cannot be part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) struct Malformed;
