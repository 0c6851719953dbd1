//! The container: which elements of Matroska (RFC 9559) and EBML (RFC 8794) we use, and how they are written.

pub mod ids;
pub mod write;
