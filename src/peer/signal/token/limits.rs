//! Limits of tokens and of the secrets that sign them.

/// Longest token that is looked at, in bytes. A real one has under 2 KiB; the rest is room for
/// metadata and attributes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Shortest API secret, in bytes: the length of the HMAC-SHA256 output (RFC 7518 §3.2).
pub const MIN_SECRET_BYTES: usize = 32;
