//! What a client says of itself in the query of `/rtc` (v0).

use std::borrow::Cow;

/// Longest text that is kept of any one parameter.
const MAX_TEXT: usize = 256;

/// Query parameters of a v0 join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientParams {
    /// Subscribe to everything; absent means yes.
    pub auto_subscribe: bool,
    /// The client disables what it does not show.
    pub adaptive_stream: bool,
    /// A resume of an earlier connection.
    pub reconnect: bool,
    /// The participant to be resumed.
    pub sid: Option<String>,
    /// Version of the signalling protocol.
    pub protocol: i32,
    /// Version of the client-to-client protocol; mirrored to peers.
    pub client_protocol: i32,
    /// Which SDK.
    pub sdk: String,
    /// Its version.
    pub version: String,
    /// Its capabilities by name; mirrored to peers.
    pub capabilities: Vec<String>,
}

impl Default for ClientParams {
    fn default() -> ClientParams {
        ClientParams {
            auto_subscribe: true,
            adaptive_stream: false,
            reconnect: false,
            sid: None,
            protocol: 0,
            client_protocol: 0,
            sdk: String::new(),
            version: String::new(),
            capabilities: Vec::new(),
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
                "adaptive_stream" => params.adaptive_stream = truth(&value),
                "reconnect" => params.reconnect = truth(&value),
                "sid" => params.sid = Some(text()),
                "protocol" => params.protocol = value.parse().unwrap_or(0),
                "client_protocol" => params.client_protocol = value.parse().unwrap_or(0),
                "sdk" => params.sdk = text(),
                "version" => params.version = text(),
                "capabilities" => {
                    params.capabilities = text().split(',').map(str::to_owned).collect();
                }
                _ => {}
            }
        }
        params
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
        assert_eq!(parse(&[("protocol", "x")]).protocol, 0);
    }
}
