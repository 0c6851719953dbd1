//! `beistand preflight`: measures this machine's link to a node, as the page does for its user.

use super::link::Link;
use crate::base::{Millis, Now};
use crate::node::preflight::{Prober, ProberOutput, Progress};
use crate::peer::transport::{Factory, TransportError};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// All of it: 5 s until it is connected, 5 s of measuring, and the verdict.
const WITHIN: Millis = Millis::from_secs(14);
/// One request over HTTP.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// What is measured, and how the time is read.
pub struct PreflightOptions<'a> {
    /// The node: `http`, `https`, `ws` or `wss`.
    pub url: &'a str,
    /// The token of the join.
    pub token: &'a str,
    /// Makes the connection.
    pub factory: &'a Factory,
    /// Both clocks.
    pub clock: &'a dyn Fn() -> Now,
    /// Told how far it is.
    pub on_progress: &'a dyn Fn(Progress),
}

/// What the node says in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Its id.
    pub id: String,
    /// `done` or `failed`.
    pub state: String,
    /// Carried upwards, at most 1.5 times the floor.
    pub up_bps: Option<u64>,
    /// Carried downwards, at most 1.5 times the floor.
    pub down_bps: Option<u64>,
    /// Needed upwards.
    pub up_floor_bps: Option<u64>,
    /// Needed downwards.
    pub down_floor_bps: Option<u64>,
    /// Shortest round trip.
    pub rtt_ms: Option<u64>,
    /// Of the worse direction.
    pub jitter_ms: Option<u64>,
    /// Packets lost upwards, of a thousand.
    pub up_loss_permille: Option<u64>,
    /// Packets lost downwards, of a thousand.
    pub down_loss_permille: Option<u64>,
    /// Both floors are reached; none: it could not be measured.
    pub passed: Option<bool>,
    /// When it was measured.
    pub at_unix_ms: Option<u64>,
    /// The same in a plain sentence.
    pub text: String,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The address is none.
    #[error("{0:?} is no address of a node: write https://HOST or wss://HOST")]
    Url(String),
    /// HTTP failed.
    #[error("the node cannot be reached: {0}")]
    Http(#[from] reqwest::Error),
    /// The node refuses.
    #[error("the node refuses ({status}): {text}")]
    Refused {
        /// The status.
        status: u16,
        /// Its words.
        text: String,
    },
    /// The answer makes no sense.
    #[error("the node's answer makes no sense: {0}")]
    Answer(String),
    /// No socket.
    #[error("no UDP socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The connection closed before the verdict.
    #[error("the connection ended before the verdict")]
    Closed,
    /// Nothing came up or came back.
    #[error("no verdict within {} s: a firewall may block UDP", WITHIN.0 / 1_000)]
    Late,
}

impl From<TransportError> for PreflightError {
    fn from(error: TransportError) -> PreflightError {
        PreflightError::Answer(error.to_string())
    }
}

/// The node's answer to the offer.
#[derive(Deserialize)]
struct Begun {
    id: String,
    sdp: String,
}

/// Measures.
///
/// # Errors
/// It could not be measured; says why.
pub async fn preflight(options: &PreflightOptions<'_>) -> Result<Report, PreflightError> {
    (options.on_progress)(Progress::Connecting);
    let (mut probe, offer) = options.factory.prober((options.clock)().mono)?;
    let base = base(options.url)?;
    let http = reqwest::Client::builder()
        .timeout(REQUEST_WITHIN)
        .no_proxy()
        .build()?;
    let body = serde_json::json!({ "sdp": offer }).to_string();
    let request = http
        .post(format!("{base}/v1/preflights"))
        .header("content-type", "application/json")
        .body(body);
    let begun: Begun = parse(&ask(request, options.token).await?)?;
    let nodes = probe.handle_answer(&begun.sdp)?;
    let link = Link::open(&nodes).await?;
    for address in link.addresses() {
        probe.add_local(address);
    }
    probe.handle_timeout((options.clock)().mono);
    match drive(options, &link, Prober::new(probe)).await {
        // The verdict may be there although its way back was not.
        Err(PreflightError::Late | PreflightError::Closed) => {
            let request = http.get(format!("{base}/v1/preflights/{}", begun.id));
            let report: Report = parse(&ask(request, options.token).await?)?;
            if report.state == "running" {
                return Err(PreflightError::Late);
            }
            Ok(report)
        }
        other => other,
    }
}

fn base(url: &str) -> Result<String, PreflightError> {
    let trimmed = url.trim().trim_end_matches('/');
    let (scheme, rest) = trimmed
        .split_once("://")
        .filter(|(_, rest)| !rest.is_empty())
        .ok_or_else(|| PreflightError::Url(url.to_owned()))?;
    match scheme {
        "http" | "ws" => Ok(format!("http://{rest}")),
        "https" | "wss" => Ok(format!("https://{rest}")),
        _ => Err(PreflightError::Url(url.to_owned())),
    }
}

async fn ask(request: reqwest::RequestBuilder, token: &str) -> Result<Vec<u8>, PreflightError> {
    let mut response = request.bearer_auth(token).send().await?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(PreflightError::Answer("it is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(body);
    }
    let problem: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let detail = problem.and_then(|problem| problem["detail"].as_str().map(str::to_owned));
    let text = detail.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
    Err(PreflightError::Refused {
        status: status.as_u16(),
        text,
    })
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, PreflightError> {
    serde_json::from_slice(body).map_err(|error| PreflightError::Answer(error.to_string()))
}

/// From the answer to the verdict.
async fn drive(
    options: &PreflightOptions<'_>,
    link: &Link,
    mut prober: Prober,
) -> Result<Report, PreflightError> {
    let clock = options.clock;
    let until = clock().mono + WITHIN;
    while clock().mono < until {
        prober.handle_timeout(clock().mono);
        while let Some(output) = prober.poll_output(clock().mono) {
            match output {
                ProberOutput::Datagram { from, to, bytes } => link.send(from, to, &bytes),
                ProberOutput::Progress(progress) => (options.on_progress)(progress),
                ProberOutput::Verdict(json) => return parse(&json),
                ProberOutput::Closed => return Err(PreflightError::Closed),
            }
        }
        link.receive(&mut prober, clock).await;
    }
    Err(PreflightError::Late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_the_address_of_a_node_is_understood() {
        for (url, wanted) in [
            ("ws://127.0.0.1:7880", Some("http://127.0.0.1:7880")),
            ("wss://a.example/", Some("https://a.example")),
            (" https://a.example/base/ ", Some("https://a.example/base")),
            ("a.example", None),
            ("ftp://a.example", None),
            ("https://", None),
        ] {
            assert_eq!(base(url).ok().as_deref(), wanted, "{url}");
        }
    }
}
