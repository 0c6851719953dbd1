//! What a client says of itself in the query of `/rtc` (v0).

use std::borrow::Cow;

/// Longest text that is kept of any one parameter.
const MAX_TEXT: usize = 256;

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
}

impl Default for ClientParams {
    fn default() -> ClientParams {
        ClientParams {
            auto_subscribe: true,
            reconnect: false,
            client_protocol: 0,
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
                "reconnect" => params.reconnect = truth(&value),
                "client_protocol" => params.client_protocol = value.parse().unwrap_or(0),
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
        assert_eq!(parse(&[("client_protocol", "x")]).client_protocol, 0);
    }
}
