//! What a client says of itself in the query of `/rtc` (v0).

use std::borrow::Cow;

/// Longest text that is kept of any one parameter.
const MAX_TEXT: usize = 256;

/// The first Firefox that is trusted with it: the oldest with long-term support when this was written.
const FIREFOX_REUSES: u32 = 115;

/// The first protocol whose clients know it (livekit-server 1.13.5).
const PROTOCOL_REUSES: u32 = 4;

/// Query parameters of a v0 join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientParams {
    /// Subscribe to everything; absent means yes.
    pub auto_subscribe: bool,
    /// A resume of an earlier connection.
    pub reconnect: bool,
    /// Version of the client-to-client protocol; mirrored to peers.
    pub client_protocol: i32,
    /// Its capabilities by name; mirrored to peers.
    pub capabilities: Vec<String>,
    /// Version of the signalling protocol that it speaks; none: it does not say.
    pub protocol: Option<u32>,
    /// The browser's name in small letters; empty: it is none.
    pub browser: String,
    /// The browser's version, as `115.0`.
    pub browser_version: String,
    /// The operating system's name in small letters.
    pub os: String,
}

impl Default for ClientParams {
    fn default() -> ClientParams {
        ClientParams {
            auto_subscribe: true,
            reconnect: false,
            client_protocol: 0,
            capabilities: Vec::new(),
            protocol: None,
            browser: String::new(),
            browser_version: String::new(),
            os: String::new(),
        }
    }
}

impl ClientParams {
    /// Reads decoded query pairs; unknown ones are ignored, as in LiveKit.
    pub fn from_query<'a>(
        pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> ClientParams {
        let mut params = ClientParams::default();
        for (key, value) in pairs {
            let text = || value.chars().take(MAX_TEXT).collect::<String>();
            match key.as_ref() {
                "auto_subscribe" => params.auto_subscribe = truth(&value),
                "reconnect" => params.reconnect = truth(&value),
                "client_protocol" => params.client_protocol = value.parse().unwrap_or(0),
                "capabilities" => {
                    params.capabilities = text().split(',').map(str::to_owned).collect();
                }
                "protocol" => params.protocol = value.parse().ok(),
                "browser" => params.browser = text().to_lowercase(),
                "browser_version" => params.browser_version = text(),
                "os" => params.os = text().to_lowercase(),
                _ => {}
            }
        }
        params
    }

    /// Whether another track can come in a section of ours that is idle. In Safari, which is every browser
    /// of iOS, tracks go missing then; in old versions of Firefox the picture of the last track stays, or
    /// none comes; clients of LiveKit's protocol below 4 end the section's track with its first one.
    pub fn reuses_sections(&self) -> bool {
        let is_webkit = self.browser == "safari" || (!self.browser.is_empty() && self.os == "ios");
        let is_firefox = matches!(self.browser.as_str(), "firefox" | "firefox mobile");
        let is_old_firefox = is_firefox && self.browser_major() < FIREFOX_REUSES;
        let is_old = self
            .protocol
            .is_some_and(|protocol| protocol < PROTOCOL_REUSES);
        !is_webkit && !is_old_firefox && !is_old
    }

    /// The number before the first dot; 0 where there is none.
    fn browser_major(&self) -> u32 {
        let major = self.browser_version.split('.').next();
        major.and_then(|major| major.parse().ok()).unwrap_or(0)
    }
}

fn truth(value: &str) -> bool {
    matches!(value, "1" | "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_auto_subscribe_means_yes_and_booleans_are_1_or_true() {
        let parse = |pairs: &[(&'static str, &'static str)]| {
            ClientParams::from_query(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())))
        };
        assert!(parse(&[]).auto_subscribe);
        assert!(!parse(&[("auto_subscribe", "0")]).auto_subscribe);
        assert!(parse(&[("reconnect", "true")]).reconnect);
        assert_eq!(parse(&[("client_protocol", "x")]).client_protocol, 0);
    }

    #[test]
    fn sections_are_used_again_where_the_client_is_known_to_take_that() {
        for (browser, version, os, reuses) in [
            ("", "", "", true),
            ("", "", "iOS", true),
            ("Chrome", "120.0.0.0", "", true),
            ("Safari", "17.5", "macOS", false),
            ("safari", "26.0", "iOS", false),
            ("Chrome", "120.0.0.0", "iOS", false),
            ("Firefox", "120.0", "iOS", false),
            ("Firefox", "153.0", "", true),
            ("Firefox", "115.2.0", "Linux", true),
            ("Firefox", "114.0", "Linux", false),
            ("Firefox Mobile", "68.0", "Android", false),
            ("Firefox", "", "", false),
        ] {
            let pairs = [
                ("browser", browser),
                ("browser_version", version),
                ("os", os),
            ];
            let parsed = ClientParams::from_query(
                pairs
                    .into_iter()
                    .map(|(key, value)| (key.into(), value.into())),
            );
            assert_eq!(parsed.reuses_sections(), reuses, "{browser} {version} {os}");
        }
        for (protocol, reuses) in [("3", false), ("4", true), ("16", true), ("x", true)] {
            let pair = [("protocol".into(), protocol.into())];
            let parsed = ClientParams::from_query(pair.into_iter());
            assert_eq!(parsed.reuses_sections(), reuses, "protocol {protocol}");
        }
    }
}
