//! The site as browsers reach it: the built page, and the scheme of links to it.

use super::problem::Problem;
use axum::http::{HeaderMap, header};
use std::path::PathBuf;

/// Longest host that a link begins with, in bytes.
const HOST_BYTES: usize = 256;

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

    /// Where the client reached us: what join links begin with.
    pub(super) fn base(&self, headers: &HeaderMap) -> Result<String, Problem> {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let host = host.filter(|host| !host.is_empty() && host.len() <= HOST_BYTES);
        let host = host.ok_or_else(|| Problem::malformed("the request names no host"))?;
        Ok(format!("{}://{host}", self.scheme()))
    }
}
