//! What is published, and who subscribes to it.

pub(in crate::room) mod audience;
pub(in crate::room) mod layer;
pub(in crate::room) mod layer_tracker;
pub(in crate::room) mod publication;
pub(in crate::room) mod subscription;
