//! The subscriber's peer connection, in which we offer. One offer is open at a time, and what its
//! answer settles is what that offer said; what changes meanwhile waits for the next one.
//!
//! [`Negotiation`] is pure: it gives a plan, is told which offer was made of it, and is told of the
//! answer. `offers` carries plans to the transport and answers back.

mod answered;
mod negotiation;
mod offers;
#[cfg(test)]
mod tests;

pub use negotiation::{Negotiation, Sending};
pub use offers::Offer;
