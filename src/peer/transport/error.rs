//! What can be wrong with what a peer sends.

/// What the peer did is not usable; nothing of ours is broken.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// An SDP that does not parse or does not fit.
    #[error("the session description was refused: {0}")]
    Sdp(String),
    /// An answer to an offer that is no longer open.
    #[error("there is no open offer to answer")]
    NoOpenOffer,
    /// A candidate that does not parse.
    #[error("the ICE candidate was refused: {0}")]
    Candidate(String),
}
