//! The configuration: one TOML file, overridden by the environment, overridden by flags.
//!
//! Everything has a default but the API keys. `config/beistand.toml` writes all of it out. What is
//! wrong is reported all at once, each with its place, what is wrong and what is allowed.

mod advertise;
mod check;
mod key;
mod load;
mod net;
mod origin;
mod schema;
mod secret;
#[cfg(test)]
mod tests;

pub use advertise::Advertise;
pub use load::Flags;
pub use net::Network;
pub use origin::{Problem, Problems};
pub use schema::{
    Admin, Config, Data, Endpoint, Format, Http, Level, Limits, Log, Node, Recordings, Rtc, Tls,
    Webhooks,
};
pub use secret::Secret;

/// The API key of `--dev`.
pub const DEV_KEY: &str = "devkey";

/// Its secret. Published, therefore worthless: `--dev` stays on loopback.
pub const DEV_SECRET: &str = "beistand-development-secret-do-not-deploy";
