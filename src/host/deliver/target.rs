//! One endpoint: its config, checked, and one attempt to post to it.

use super::reach::{Lookup, Refused, Resolver, check_host, may_be_private, refused, system_lookup};
use crate::base::{Millis, Unix};
use crate::usage::outbox::{OutboxRow, Outcome};
use crate::usage::webhook::{Secret, SecretError};
use reqwest::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect, retry};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::time::timeout;

/// How much of an answer is read, so that the connection can be used again: an endpoint has nothing
/// to tell us, and one that never ends must not cost memory.
const ANSWER_BYTES: usize = 64 * 1_024;
/// CloudEvents 1.0, HTTP binding, structured content mode (3.2).
const CLOUDEVENTS: &str = "application/cloudevents+json; charset=utf-8";
/// Idle connections kept: as many as may be at work at once.
const IDLE_CONNECTIONS: usize = 16;
const USER_AGENT: &str = concat!("Beistand/", env!("CARGO_PKG_VERSION"));

/// A webhook endpoint as the config names it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Its name in records and logs; lanes are kept under it.
    pub name: String,
    /// Where to post.
    pub url: String,
    /// `whsec_` and base64.
    pub secret: String,
    /// Allows `http://`: for development, or inside a trusted network.
    #[serde(default)]
    pub allow_http: bool,
    /// Allows hosts that are not on the public Internet, such as 10.0.0.7 or localhost.
    #[serde(default)]
    pub allow_private: bool,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// An endpoint that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Without a name, or with an odd one.
    #[error(
        "the webhook endpoint name {0:?} is not allowed: use 1 to 64 of a-z, A-Z, 0-9, `-`, `_`, `.`"
    )]
    Name(String),
    /// Two of one name.
    #[error("two webhook endpoints are named {0:?}: give each a name of its own")]
    Twice(String),
    /// Not a URL for us.
    #[error("webhook endpoint {name}: {why}")]
    Url {
        /// The endpoint.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Not a secret.
    #[error("webhook endpoint {name}: {source}")]
    Secret {
        /// The endpoint.
        name: String,
        /// What is wrong.
        source: SecretError,
    },
    /// No HTTP client.
    #[error(
        "webhook endpoint {name}: no HTTPS client ({source}); are the system's CA certificates installed (package ca-certificates)?"
    )]
    Client {
        /// The endpoint.
        name: String,
        /// Why.
        source: reqwest::Error,
    },
}

impl Endpoint {
    /// Checks name, URL and secret, for the config.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub fn check(&self) -> Result<(), EndpointError> {
        self.parts().map(drop)
    }

    fn parts(&self) -> Result<(Url, Secret), EndpointError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fits = |part: &str| (1..=64).contains(&part.len()) && part.chars().all(allowed);
        // That of a project comes with the project's name in front.
        let parts = self.name.split_once('/');
        if !parts.map_or_else(
            || fits(&self.name),
            |(project, name)| fits(project) && fits(name),
        ) {
            return Err(EndpointError::Name(self.name.clone()));
        }
        let url = self.checked_url().map_err(|why| EndpointError::Url {
            name: self.name.clone(),
            why,
        })?;
        let secret = Secret::parse(&self.secret).map_err(|source| EndpointError::Secret {
            name: self.name.clone(),
            source,
        })?;
        Ok((url, secret))
    }

    fn checked_url(&self) -> Result<Url, String> {
        let url = Url::parse(&self.url).map_err(|error| format!("the url is not one: {error}"))?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            "http" => return Err("the url is http; use https, or set allow_http = true".to_owned()),
            other => return Err(format!("the url has the scheme {other}; use https")),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("the url names no host".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "the url carries a password, which would show in logs; use the secret".to_owned(),
            );
        }
        if url.fragment().is_some() {
            return Err("the url has a fragment (#…), which is never sent; remove it".to_owned());
        }
        Ok(url)
    }
}

/// How an attempt ended.
pub(super) struct Attempt {
    pub outcome: Outcome,
    /// Why it was not made.
    pub refused: Option<Refused>,
}

impl From<Outcome> for Attempt {
    fn from(outcome: Outcome) -> Attempt {
        let refused = None;
        Attempt { outcome, refused }
    }
}

impl From<Refused> for Attempt {
    fn from(refused: Refused) -> Attempt {
        let (outcome, refused) = (Outcome::Refused, Some(refused));
        Attempt { outcome, refused }
    }
}

/// A checked endpoint with a client of its own, so that no endpoint waits for another's connections.
pub(super) struct Target {
    /// What the config says of it.
    pub endpoint: Endpoint,
    url: Url,
    secret: Secret,
    client: Client,
    allow_private: bool,
}

impl Target {
    pub fn new(endpoint: &Endpoint) -> Result<Target, EndpointError> {
        Target::with(endpoint, system_lookup())
    }

    pub(super) fn with(endpoint: &Endpoint, lookup: Lookup) -> Result<Target, EndpointError> {
        let Endpoint {
            url, allow_http, ..
        } = endpoint;
        let allow_private = may_be_private(url, *allow_http, endpoint.allow_private);
        let resolver = Resolver {
            allow_private,
            lookup,
        };
        let (url, secret) = endpoint.parts()?;
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .dns_resolver(Arc::new(resolver))
            .https_only(!endpoint.allow_http)
            .pool_max_idle_per_host(IDLE_CONNECTIONS);
        if url.scheme() == "http" {
            // Needs no CA certificates, so it must not fail on a machine that has none.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|source| EndpointError::Client {
            name: endpoint.name.clone(),
            source,
        })?;
        Ok(Target {
            endpoint: endpoint.clone(),
            url,
            secret,
            client,
            allow_private,
        })
    }

    /// One attempt. The status decides; what follows it is read within the same limit and thrown away.
    pub async fn post(&self, row: OutboxRow, timestamp_secs: u64, limit: Duration) -> Attempt {
        // A host that is an address is not resolved.
        if !self.allow_private
            && let Err(refused) = check_host(&self.url)
        {
            return Attempt::from(refused);
        }
        let headers = self
            .secret
            .headers(&row.event_id, timestamp_secs, &row.body);
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, CLOUDEVENTS);
        for (name, value) in headers.pairs() {
            request = request.header(name, value);
        }
        let mut answered = None;
        let attempt = timeout(limit, async {
            let response = request.body(row.body).send().await?;
            answered = Some(outcome(
                &response,
                Unix(timestamp_secs.saturating_mul(1_000)),
            ));
            drain(response).await
        });
        let ended = attempt.await;
        let outcome = answered.unwrap_or(match &ended {
            Err(_) => Outcome::TimedOut,
            Ok(_) => Outcome::Network,
        });
        if let Ok(Err(error)) = ended {
            if let Some(refused) = refused(&error) {
                return Attempt::from(refused.clone());
            }
            tracing::debug!(event = %row.event_id, error = %error.without_url(), "a webhook attempt broke off");
        }
        Attempt::from(outcome)
    }
}

fn outcome(response: &Response, now: Unix) -> Outcome {
    let header = |name| response.headers().get(name)?.to_str().ok();
    // The endpoint means its own clock, where it tells it.
    let now = header(DATE).and_then(date).unwrap_or(now);
    Outcome::Status {
        code: response.status().as_u16(),
        retry_after: header(RETRY_AFTER).and_then(|text| wait(text, now)),
    }
}

/// `Retry-After`: seconds, or a date in any of HTTP's forms (RFC 9110, 10.2.3 and 5.6.7). One that is past
/// asks for nothing.
fn wait(text: &str, now: Unix) -> Option<Millis> {
    let text = text.trim();
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than a number has are a very long time.
        return is_number.then(|| {
            Millis(
                text.parse::<u64>()
                    .unwrap_or(u64::MAX)
                    .saturating_mul(1_000),
            )
        });
    }
    date(text).map(|until| Millis(until.0.saturating_sub(now.0)))
}

fn date(text: &str) -> Option<Unix> {
    let since = httpdate::parse_http_date(text.trim())
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()?;
    u64::try_from(since.as_millis()).ok().map(Unix)
}

async fn drain(mut response: Response) -> Result<(), reqwest::Error> {
    let mut left = ANSWER_BYTES;
    while let Some(chunk) = response.chunk().await? {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => break,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_checked_with_a_reason() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let table = [
            ("app", "https://app.example/hook", secret, false, None),
            ("app", "http://127.0.0.1:1/hook", secret, true, None),
            (
                "app",
                "http://app.example/hook",
                secret,
                false,
                Some("allow_http"),
            ),
            (
                "app",
                "ftp://app.example/hook",
                secret,
                true,
                Some("scheme ftp"),
            ),
            ("app", "app.example/hook", secret, false, Some("not one")),
            (
                "app",
                "https://u:p@app.example/",
                secret,
                false,
                Some("password"),
            ),
            (
                "app",
                "https://app.example/#x",
                secret,
                false,
                Some("fragment"),
            ),
            (
                "app",
                "https://app.example/",
                "whsec_short",
                false,
                Some("base64"),
            ),
            ("a b", "https://app.example/", secret, false, Some("name")),
            ("", "https://app.example/", secret, false, Some("name")),
        ];
        for (name, url, secret, allow_http, wrong) in table {
            let (name, url, secret) = (name.to_owned(), url.to_owned(), secret.to_owned());
            let checked = Endpoint {
                name,
                url: url.clone(),
                secret,
                allow_http,
                allow_private: false,
            }
            .check();
            match wrong {
                None => assert!(checked.is_ok(), "{url}: {checked:?}"),
                Some(wrong) => {
                    let told = checked.unwrap_err().to_string();
                    assert!(told.contains(wrong), "{url}: {told}");
                }
            }
        }
    }

    #[test]
    fn an_endpoint_does_not_print_its_secret() {
        let endpoint = Endpoint {
            name: "app".to_owned(),
            url: "https://app.example/?key=hidden".to_owned(),
            secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
            allow_http: false,
            allow_private: false,
        };
        let told = format!("{endpoint:?}");
        assert!(
            !told.contains("whsec") && !told.contains("hidden"),
            "{told}"
        );
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_in_every_form_of_a_date() {
        // 2026-10-21T07:26:00Z: two minutes before the dates below.
        let now = Unix(1_792_567_560_000);
        let table = [
            (" 120 ", Some(120_000)),
            ("0", Some(0)),
            ("Wed, 21 Oct 2026 07:28:00 GMT", Some(120_000)),
            ("Wednesday, 21-Oct-26 07:28:00 GMT", Some(120_000)),
            ("Wed Oct 21 07:28:00 2026", Some(120_000)),
            ("Wed, 21 Oct 2026 07:25:59 GMT", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Wed, 31 Feb 2026 07:28:00 GMT", None),
            ("-1", None),
            ("1.5", None),
            ("12 s", None),
            ("soon", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(wait(text, now), expected.map(Millis), "{text:?}");
        }
    }
}
