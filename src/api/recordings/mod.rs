//! Recordings over HTTP: listed, shown, deleted, and their files fetched with links that expire.

pub(super) mod body;
pub(super) mod download;
#[cfg(test)]
mod fixture;
mod link;
pub(super) mod list;
mod range;
pub(super) mod remove;
pub(super) mod routes;
pub(super) mod show;
#[cfg(test)]
mod tests;
mod which;
