//! What a step may use of its shard.

use super::demux::Demux;
use super::io::{Output, ShardConfig, Stats};
use crate::base::{ConnectionId, Now, Rng};
use crate::peer::signal::{LeaveAction, LeaveReason, Response, encode};
use std::collections::{BTreeMap, VecDeque};

/// Which member of which room a signalling socket belongs to.
pub(in crate::node) type Sockets = BTreeMap<ConnectionId, (usize, usize)>;

/// What a step may use of its shard: made for the step, and gone with it.
pub(in crate::node) struct Context<'a> {
    pub(in crate::node) config: &'a ShardConfig,
    pub(in crate::node) outputs: &'a mut VecDeque<Output>,
    pub(in crate::node) demux: &'a mut Demux,
    pub(in crate::node) sockets: &'a mut Sockets,
    pub(in crate::node) stats: &'a mut Stats,
    pub(in crate::node) rng: &'a mut Rng,
    pub(in crate::node) now: Now,
}

impl Context<'_> {
    pub(in crate::node) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Sends a signalling message; `text` to a client that speaks JSON.
    pub(in crate::node) fn signal(&mut self, conn: ConnectionId, text: bool, response: Response) {
        self.stats.signal_sent += 1;
        let frame = encode(response, text);
        self.push(Output::Signal { conn, frame });
    }

    /// Tells a client why it is not let in, or has to go, and closes its socket.
    pub(in crate::node) fn dismiss(
        &mut self,
        conn: ConnectionId,
        action: LeaveAction,
        reason: LeaveReason,
    ) {
        self.signal(conn, false, Response::Leave(action, reason));
        self.push(Output::CloseSocket { conn });
    }
}
