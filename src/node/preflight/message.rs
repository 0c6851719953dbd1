//! What the two sides of a preflight say to each other on their data channel, as JSON.

use super::measurement::{MAX_SAMPLES, Sample};
use serde::{Deserialize, Serialize};

/// From the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToClient {
    /// To be answered at once.
    Ping {
        /// Which.
        n: u64,
    },
    /// Send from now on.
    Start {
        /// So much of the link; 0: nothing.
        up_bps: u64,
        /// For so long.
        ms: u64,
    },
}

/// From the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromClient {
    /// The answer to a ping.
    Pong {
        /// Which.
        n: u64,
    },
    /// What had come at moments about 100 ms apart, in all.
    Down {
        /// The moments in order.
        samples: Vec<ReportedSample>,
    },
}

/// What had come at one moment: on the wire an array of four numbers, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 4]", into = "[u64; 4]")]
pub struct ReportedSample {
    /// When, on any clock.
    pub at_ms: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that are missing.
    pub lost: u64,
    /// Jitter at that moment.
    pub jitter_ms: u64,
}

impl From<[u64; 4]> for ReportedSample {
    fn from([at_ms, packets, lost, jitter_ms]: [u64; 4]) -> ReportedSample {
        ReportedSample {
            at_ms,
            packets,
            lost,
            jitter_ms,
        }
    }
}

impl From<ReportedSample> for [u64; 4] {
    fn from(sample: ReportedSample) -> [u64; 4] {
        [sample.at_ms, sample.packets, sample.lost, sample.jitter_ms]
    }
}

impl From<&Sample> for ReportedSample {
    fn from(sample: &Sample) -> ReportedSample {
        ReportedSample {
            at_ms: sample.at_ms,
            packets: sample.packets,
            lost: sample.lost,
            jitter_ms: sample.jitter_ms,
        }
    }
}

impl FromClient {
    /// `None` if it is none, or says too much.
    pub fn decode(bytes: &[u8]) -> Option<FromClient> {
        /// Most bytes of a report: four numbers of ten digits each.
        const MAX_BYTES: usize = MAX_SAMPLES * 48 + 100;
        let message = (bytes.len() <= MAX_BYTES)
            .then(|| serde_json::from_slice(bytes).ok())
            .flatten()?;
        match &message {
            FromClient::Down { samples } if samples.len() > MAX_SAMPLES => None,
            FromClient::Down { .. } | FromClient::Pong { .. } => Some(message),
        }
    }

    /// The report of what came.
    pub fn report(samples: &[Sample]) -> FromClient {
        let samples = samples.iter().map(ReportedSample::from).collect();
        FromClient::Down { samples }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_json_that_the_page_writes() {
        let ping = serde_json::to_string(&ToClient::Ping { n: 1 }).unwrap();
        assert_eq!(ping, r#"{"type":"ping","n":1}"#);
        let start = ToClient::Start { up_bps: 5, ms: 7 };
        let start = serde_json::to_string(&start).unwrap();
        assert_eq!(start, r#"{"type":"start","up_bps":5,"ms":7}"#);
        let down = br#"{"type":"down","samples":[[100,3,1,0]]}"#;
        let samples = vec![ReportedSample::from([100, 3, 1, 0])];
        assert_eq!(FromClient::decode(down), Some(FromClient::Down { samples }));
        let pong = FromClient::decode(br#"{"type":"pong","n":2}"#);
        assert_eq!(pong, Some(FromClient::Pong { n: 2 }));
    }

    #[test]
    fn what_is_none_or_says_too_much_is_dropped() {
        let flood = FromClient::Down {
            samples: vec![ReportedSample::from([1; 4]); MAX_SAMPLES + 1],
        };
        let flood = serde_json::to_vec(&flood).unwrap();
        let long = vec![b' '; 10_000];
        for bad in [&b"{}"[..], b"\xff", b"[1]", &flood, &long] {
            assert_eq!(FromClient::decode(bad), None);
        }
    }
}
