//! What the command line overrides, and what `--dev` brings along.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What the command line overrides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--dev`
    pub dev: bool,
    /// `--dev-public`
    pub dev_public: bool,
    /// `--http`
    pub http: Option<SocketAddr>,
    /// `--udp`
    pub udp: Option<SocketAddr>,
    /// `--admin`
    pub admin: Option<SocketAddr>,
    /// `--data`
    pub data: Option<PathBuf>,
    /// Whether the files that the configuration names are opened: for who will serve with them.
    pub opens: bool,
}

/// The API key of `--dev`.
pub const DEV_KEY: &str = "devkey";

/// Its secret. Published, therefore worthless: `--dev` stays on loopback.
pub const DEV_SECRET: &str = "beistand-development-secret-do-not-deploy";
