//! The site as browsers reach it: the built page, and the scheme of links to it.

use std::path::PathBuf;

/// Where the page is, and how it is served.
#[derive(Clone, Debug)]
pub struct Site {
    /// The built web page.
    pub web_dir: Option<PathBuf>,
    /// Whether it is served over TLS by us.
    pub tls: bool,
}

impl Site {
    /// `https` or `http`.
    pub const fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}
