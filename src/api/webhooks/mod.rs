//! Webhook endpoints over HTTP: how they stand, what could not be delivered to them, and what is delivered
//! again.

pub(super) mod body;
pub(super) mod change;
pub(super) mod hooks;
pub(super) mod list;
mod operator;
pub(super) mod routes;
#[cfg(test)]
mod tests;
