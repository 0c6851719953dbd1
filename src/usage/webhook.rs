//! Standard Webhooks: the secret, and the three headers that sign a body.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use standardwebhooks::Webhook;
use std::fmt;

/// Prefix of a symmetric secret.
const PREFIX: &str = "whsec_";
/// Bytes of a secret: 24 to 64, as the specification recommends.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A symmetric signing secret. Never prints itself.
pub struct Secret(Webhook);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret that cannot be used. Says nothing of the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Without `whsec_`.
    #[error(
        "a webhook secret starts with `whsec_`; make one with: echo whsec_$(openssl rand -base64 32)"
    )]
    Prefix,
    /// Not base64.
    #[error(
        "a webhook secret is `whsec_` and standard base64 with its padding; this is not base64"
    )]
    Base64,
    /// Too short or too long.
    #[error(
        "a webhook secret holds 24 to 64 bytes after base64; this one holds {0}; make one with: echo whsec_$(openssl rand -base64 32)"
    )]
    Length(usize),
}

impl Secret {
    /// Reads `whsec_` and the base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// The text is anything else.
    pub fn parse(text: &str) -> Result<Secret, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err(SecretError::Length(bytes.len()));
        }
        Webhook::from_bytes(bytes)
            .map(Secret)
            .map_err(|_| SecretError::Base64)
    }

    /// The headers for one attempt to post `body`: the id stays the same at every attempt, the
    /// timestamp (whole seconds since 1970) is that of the attempt.
    pub fn headers(&self, event_id: &str, timestamp_secs: u64, body: &str) -> Headers {
        let timestamp = i64::try_from(timestamp_secs).unwrap_or(i64::MAX);
        // `sign` refuses only a payload that is not UTF-8, which a `&str` cannot be.
        let signature = self
            .0
            .sign(event_id, timestamp, body.as_bytes())
            .unwrap_or_default();
        Headers {
            id: event_id.to_owned(),
            timestamp: timestamp.to_string(),
            signature,
        }
    }
}

/// The three headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: String,
    /// `webhook-signature`: `v1,` and the base64 of the HMAC-SHA256.
    pub signature: String,
}

impl Headers {
    /// Names and values, for the request.
    pub fn pairs(&self) -> [(&'static str, &str); 3] {
        [
            (standardwebhooks::HEADER_WEBHOOK_ID, &self.id),
            (standardwebhooks::HEADER_WEBHOOK_TIMESTAMP, &self.timestamp),
            (standardwebhooks::HEADER_WEBHOOK_SIGNATURE, &self.signature),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_QmVpc3RhbmQgZ29sZGVuIHNlY3JldCAyMDI2ISE=";
    const BODY: &str = include_str!("../../tests/golden/webhook/body.json");
    const HEADERS: &str = include_str!("../../tests/golden/webhook/headers.txt");

    #[test]
    fn headers_are_those_of_the_golden_file() {
        let headers = Secret::parse(SECRET)
            .unwrap()
            .headers("evt_golden_1", 1_795_500_000, BODY);
        let text: String = headers
            .pairs()
            .iter()
            .map(|(k, v)| format!("{k}: {v}\n"))
            .collect();
        assert_eq!(text, HEADERS);
    }

    /// The vector of the specification's own libraries.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let headers = secret.headers(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(
            headers.signature,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn an_unusable_secret_is_refused_with_its_reason() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        let table = [
            (
                "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
                Some(SecretError::Prefix),
            ),
            (String::new(), Some(SecretError::Prefix)),
            ("whsec_not base64!".to_owned(), Some(SecretError::Base64)),
            ("whsec_".to_owned(), Some(SecretError::Length(0))),
            (of(23), Some(SecretError::Length(23))),
            (of(65), Some(SecretError::Length(65))),
            (of(24), None),
            (of(64), None),
        ];
        for (text, expected) in table {
            assert_eq!(Secret::parse(&text).err(), expected, "{text}");
        }
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Secret::parse(SECRET).unwrap()), "Secret(…)");
    }
}
