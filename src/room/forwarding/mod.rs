//! Each packet to those who get it.

pub(in crate::room) mod forward;
pub(in crate::room) mod layer_selector;
