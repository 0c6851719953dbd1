//! `--dev` only: the two links of a room, and a webhook receiver that verifies signatures as any
//! app would, with the stock library.

use crate::api::gate::Gate;
use crate::api::locks::lock;
use crate::api::reached::Reached;
use crate::base::{Now, Role, Unix};
use crate::peer::signal::token::{Claims, Keys, authorize_join, sign};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use standardwebhooks::Webhook;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// The endpoint's name in the outbox.
pub const DEV_WEBHOOK_NAME: &str = "dev";
/// Where it listens.
pub const DEV_WEBHOOK_PATH: &str = "/dev/receiver";
/// Its secret. Published, therefore worthless, as that of the API key.
pub const DEV_WEBHOOK_SECRET: &str = "whsec_YmVpc3RhbmQtZGV2ZWxvcG1lbnQtc2VjcmV0LTE=";

/// Deliveries that are kept; beyond, the oldest is forgotten (it stays in the ledger).
const KEPT: usize = 1_000;
/// Validity of a link, as LiveKit's SDKs have it: 6 h.
const TTL_MS: u64 = 6 * 3_600_000;
/// Longest text kept of a header or a type.
const MAX_TEXT: usize = 256;

/// The state of `--dev`.
pub struct Dev {
    /// Whose secret signs the links.
    key: String,
    receiver: Webhook,
    seen: Mutex<VecDeque<Delivery>>,
}

/// One event as it was received.
#[derive(Clone, Debug, Serialize)]
pub(in crate::api) struct Delivery {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    verified: bool,
    attempts: u32,
    body: serde_json::Value,
}

impl Dev {
    /// A receiver for the endpoint [`DEV_WEBHOOK_NAME`], and links signed with `key`.
    ///
    /// # Errors
    /// Never with the secret above; the library says so.
    pub fn new(key: &str) -> Result<Dev, standardwebhooks::WebhookError> {
        Ok(Dev {
            key: key.to_owned(),
            receiver: Webhook::new(DEV_WEBHOOK_SECRET)?,
            seen: Mutex::default(),
        })
    }

    /// The links of a room: expert and customer. None if the room's name cannot be.
    pub fn links(&self, keys: &Keys, base: &str, room: &str, now: Now) -> Option<[String; 2]> {
        let link = |role: Role| {
            let expires = Unix(now.unix.0 + TTL_MS);
            let mut claims = Claims::new(&self.key, role.as_str(), expires);
            role.as_str().clone_into(&mut claims.name);
            claims
                .attributes
                .insert("role".to_owned(), role.as_str().to_owned());
            claims.video.room = Some(room.to_owned());
            claims.video.room_join = Some(true);
            authorize_join(&claims).ok()?;
            let token = sign(&claims, keys, now).ok()?;
            Some(format!("{base}/join.html#token={token}"))
        };
        Some([link(Role::Expert)?, link(Role::Customer)?])
    }

    fn record(&self, delivery: Delivery) {
        let mut seen = lock(&self.seen);
        if let Some(known) = seen.iter_mut().find(|known| known.id == delivery.id) {
            known.attempts += 1;
            known.verified |= delivery.verified;
            return;
        }
        if seen.len() == KEPT {
            seen.pop_front();
        }
        seen.push_back(delivery);
    }
}

#[derive(Deserialize)]
pub(in crate::api) struct DevQuery {
    room: Option<String>,
}

/// `GET /dev/links?room=`
pub(in crate::api) async fn links(
    State(dev): State<Option<Arc<Dev>>>,
    State(gate): State<Arc<Gate>>,
    Query(asked): Query<DevQuery>,
    Reached(base): Reached,
) -> Result<Json<serde_json::Value>, (StatusCode, &'static str)> {
    let dev = dev.ok_or((StatusCode::NOT_FOUND, ""))?;
    let room = asked
        .room
        .filter(|room| !room.is_empty())
        .unwrap_or_else(|| "demo".to_owned());
    let links = dev.links(&gate.settings().keys, &base, &room, gate.now());
    let [expert, customer] = links.ok_or((
        StatusCode::BAD_REQUEST,
        "the room's name has more than 256 bytes",
    ))?;
    Ok(Json(
        serde_json::json!({ "room": room, "expert": expert, "customer": customer }),
    ))
}

/// `POST /dev/receiver`
pub(in crate::api) async fn receiver(
    State(dev): State<Option<Arc<Dev>>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let Some(dev) = dev else {
        return StatusCode::NOT_FOUND;
    };
    let verified = dev.receiver.verify(&body, &headers).is_ok();
    let id = headers
        .get(standardwebhooks::HEADER_WEBHOOK_ID)
        .and_then(|id| id.to_str().ok());
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |text: Option<&str>| text.unwrap_or("").chars().take(MAX_TEXT).collect();
    dev.record(Delivery {
        id: text(id),
        kind: text(body.get("type").and_then(|kind| kind.as_str())),
        verified,
        attempts: 1,
        body,
    });
    if verified {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::UNAUTHORIZED
    }
}

/// `GET /dev/webhooks`, oldest first.
pub(in crate::api) async fn webhooks(
    State(dev): State<Option<Arc<Dev>>>,
) -> Result<Json<Vec<Delivery>>, StatusCode> {
    let dev = dev.ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(lock(&dev.seen).iter().cloned().collect()))
}
