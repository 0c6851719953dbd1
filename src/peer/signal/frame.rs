//! One WebSocket message: binary protobuf, or its JSON form as text.

use bytes::Bytes;

/// A signalling message as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Protobuf; what every current SDK sends.
    Binary(Bytes),
    /// proto3 JSON.
    Text(String),
}

/// A frame that is no message of the protocol.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Not protobuf.
    #[error("a binary frame is not a SignalRequest: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// Not JSON.
    #[error("a text frame is not the JSON of a SignalRequest: {0}")]
    Json(#[from] serde_json::Error),
}
