//! A participant's change of its own name, metadata and attributes.

use crate::node::member::Member;
use crate::peer::signal::RequestRefusal;
use crate::peer::signal::token::is_server_owned;
use std::collections::BTreeMap;

/// What a client asks for.
pub(in crate::node) struct Update<'a> {
    pub(in crate::node) name: &'a str,
    pub(in crate::node) metadata: &'a str,
    pub(in crate::node) attributes: &'a BTreeMap<String, String>,
}

/// Changes the member's card, or says why not.
pub(in crate::node) fn update(
    member: &mut Member,
    update: &Update<'_>,
) -> (RequestRefusal, &'static str) {
    let Update {
        name,
        metadata,
        attributes,
    } = update;
    if !member.join.permissions.can_update_own_metadata {
        let why = "the token does not grant canUpdateOwnMetadata";
        (RequestRefusal::NotAllowed, why)
    } else if attributes.keys().any(|name| is_server_owned(name)) {
        let why = "role, policy, minor, recording and beistand.* are the server's";
        (RequestRefusal::NotAllowed, why)
    } else if !member.card.update(name, metadata, attributes) {
        let why =
            "a name has at most 256 bytes; name, metadata, attributes and tracks together 16 KiB";
        (RequestRefusal::LimitExceeded, why)
    } else {
        (RequestRefusal::Ok, "")
    }
}
