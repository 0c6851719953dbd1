//! Each packet to those who get it.

pub(in crate::room) mod forward;
