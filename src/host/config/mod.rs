//! The configuration: one TOML file, overridden by the environment, overridden by flags.
//!
//! Everything has a default but the API keys. `config/beistand.toml` writes all of it out. What is
//! wrong is reported all at once, each with its place, what is wrong and what is allowed.

pub(super) mod advertise;
mod blank;
pub(super) mod certificate;
mod check;
mod der;
pub(super) mod env;
pub(super) mod flags;
pub(super) mod key;
mod load;
mod net;
pub(super) mod origin;
pub(super) mod schema;
mod secret;
#[cfg(test)]
mod tests;

pub use advertise::Advertise;
pub use env::Variable;
pub use flags::{DEV_KEY, DEV_SECRET, Flags};
pub use net::Network;
pub use origin::{Problem, Problems};
pub use schema::{
    Admin, Config, Data, Endpoint, Format, Http, Level, Limits, Log, Node, Project,
    ProjectWebhooks, Recordings, Rtc, Tls, Webhooks,
};
pub use secret::Secret;
