//! LiveKit access tokens: the one door to jsonwebtoken.
//!
//! No clock here: jsonwebtoken checks the signature alone, and the times are held against the `Now`
//! that is passed in. No text of an error repeats any part of a token.

mod authorize;
mod claims;
mod error;
mod limits;
#[cfg(test)]
mod tests;

pub use authorize::{
    Duty, Join, Part, Permissions, Reach, SESSION, authorize_admin, authorize_join,
    authorize_recordings, is_server_owned, room_of, session_of,
};
pub use claims::{Claims, ParticipantKind, RoomConfig, VideoGrant};
pub use error::{AdminRefusal, JoinRefusal, KeyError, TokenError};
pub use limits::{MAX_TOKEN_BYTES, MIN_SECRET_BYTES};

use crate::base::{Millis, Now, ProjectId, Unix};
use claims::{Peek, Wire};
use error::misfit;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use std::collections::BTreeMap;
use std::fmt;

/// How far the clocks of an app server and of this node may differ (livekit-server 1.13.5).
const LEEWAY: Millis = Millis::from_secs(60);

/// Shortest validity of a refreshed token (livekit-server 1.13.5).
const MIN_REFRESH: Millis = Millis::from_secs(600);

/// The API keys of this node, each with its secret and its project. The keys of one project are
/// interchangeable: whichever of them signs, it is the same app.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<String, Key>);

#[derive(Clone)]
struct Key {
    project: ProjectId,
    verify: DecodingKey,
    sign: EncodingKey,
}

impl Keys {
    /// The keys of the default project alone, as pairs of key and secret; the bytes of a secret are used
    /// as given, without decoding.
    ///
    /// # Errors
    /// A key is empty or a secret too short.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Keys, KeyError> {
        Keys::default().with(&ProjectId::default(), pairs)
    }

    /// The same with those of one more project.
    ///
    /// # Errors
    /// A key is empty, of another project already, or a secret too short.
    pub fn with<'a>(
        mut self,
        project: &ProjectId,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Keys, KeyError> {
        for (name, secret) in pairs {
            let added = self.0.insert(name.to_owned(), key(project, name, secret)?);
            if added.is_some_and(|key| key.project != *project) {
                return Err(KeyError::TwoProjects(name.to_owned()));
            }
        }
        Ok(self)
    }

    /// Whose key this is.
    pub fn project(&self, name: &str) -> Option<&ProjectId> {
        self.0.get(name).map(|key| &key.project)
    }
}

fn key(project: &ProjectId, name: &str, secret: &str) -> Result<Key, KeyError> {
    if name.is_empty() {
        return Err(KeyError::EmptyName);
    }
    if secret.len() < MIN_SECRET_BYTES {
        return Err(KeyError::ShortSecret {
            key: name.to_owned(),
            bytes: secret.len(),
        });
    }
    let secret = secret.as_bytes();
    Ok(Key {
        project: project.clone(),
        verify: DecodingKey::from_secret(secret),
        sign: EncodingKey::from_secret(secret),
    })
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The token of a request: the header `Authorization` wins over the query parameter `access_token`.
///
/// # Errors
/// There is neither, or the header is not `Bearer` and a token.
pub fn presented<'a>(
    authorization: Option<&'a str>,
    query: Option<&'a str>,
) -> Result<&'a str, TokenError> {
    let token = match authorization {
        // The name of a scheme has no case, and one or more spaces follow it (RFC 9110 §11.1, §11.4).
        Some(header) => header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
            .map(|(_, token)| token.trim_matches(' '))
            .ok_or(TokenError::NotBearer)?,
        None => query.ok_or(TokenError::Missing)?,
    };
    if token.is_empty() {
        Err(TokenError::Missing)
    } else {
        Ok(token)
    }
}

/// Checks a token: its signature by the secret of the key that it names, its claims, its times.
///
/// # Errors
/// Whatever is wrong with it, in words for the one who made it.
pub fn verify(token: &str, keys: &Keys, now: Now) -> Result<Claims, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLong);
    }
    check_header(token)?;
    let peek: Peek = jsonwebtoken::dangerous::insecure_decode_claims(token)
        .map_err(|e| unreadable(token, &e))?;
    let issuer = peek
        .iss
        .filter(|iss| !iss.is_empty())
        .ok_or(TokenError::NoIssuer)?;
    let key = keys.0.get(&issuer).ok_or(TokenError::UnknownKey)?;
    let wire = jsonwebtoken::decode::<Wire>(token, &key.verify, &signature_only())
        .map_err(|e| unreadable(token, &e))?
        .claims;
    check_times(&wire, now)?;
    Ok(Claims {
        project: key.project.clone(),
        ..Claims::from_wire(wire)
    })
}

/// The algorithm is pinned before any key is looked at, and a header that demands to be understood
/// (`crit`, RFC 7515 §4.1.11) is not: we know no extension. All other fields (`kid`, `jku`, `jwk`…)
/// have no say.
fn check_header(token: &str) -> Result<(), TokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(|error| {
        let is_json = matches!(error.kind(), ErrorKind::Json(_));
        if is_json {
            TokenError::Algorithm
        } else {
            TokenError::Malformed
        }
    })?;
    if header.alg != Algorithm::HS256 || header.crit.is_some() {
        return Err(TokenError::Algorithm);
    }
    Ok(())
}

fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// serde's own words would repeat values of the token, so the claim at fault is looked up instead.
fn unreadable(token: &str, error: &jsonwebtoken::errors::Error) -> TokenError {
    let kind = error.kind();
    if matches!(kind, ErrorKind::InvalidSignature) {
        TokenError::Signature
    } else if matches!(kind, ErrorKind::InvalidAlgorithm) {
        TokenError::Algorithm
    } else if matches!(kind, ErrorKind::Json(_)) {
        insecure_decode_claims(token).map_or(TokenError::Malformed, |claims| misfit(&claims))
    } else {
        TokenError::Malformed
    }
}

fn check_times(wire: &Wire, now: Now) -> Result<(), TokenError> {
    let Some(expires) = wire.exp else {
        return Err(TokenError::NoExpiry);
    };
    if now.unix.0 > expires.unix().0.saturating_add(LEEWAY.0) {
        return Err(TokenError::Expired);
    }
    match wire.nbf {
        Some(nbf) if nbf.unix().0 > now.unix.0.saturating_add(LEEWAY.0) => {
            Err(TokenError::NotYetValid)
        }
        Some(_) | None => Ok(()),
    }
}

/// Makes a token of `claims`, valid from `now` until the claims expire.
///
/// # Errors
/// `keys` has no key of that name.
pub fn sign(claims: &Claims, keys: &Keys, now: Now) -> Result<String, TokenError> {
    let key = keys.0.get(&claims.key).ok_or(TokenError::UnknownKey)?;
    let payload = claims.to_payload(now).ok_or(TokenError::Unsigned)?;
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &payload, &key.sign)
        .map_err(|_| TokenError::Unsigned)
}

/// The claims for `refresh_token`: the same (attributes included), valid for what remains of the
/// original and for at least ten minutes.
pub fn refreshed(claims: &Claims, now: Now) -> Claims {
    Claims {
        expires: claims.expires.max(Unix(now.unix.0 + MIN_REFRESH.0)),
        ..claims.clone()
    }
}
