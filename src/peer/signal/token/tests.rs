//! The table of bad tokens, and the good ones of the SDKs.

use super::*;
use crate::base::{Mono, Role, RoomKey, TrackSource};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const SECRET: &str = "a-secret-of-the-test-that-is-long-enough";
const OTHER: &str = "the-secret-of-the-other-key-long-enough!!";
const NOW: u64 = 1_800_000_000;
const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn now() -> Now {
    Now {
        mono: Mono::ZERO,
        unix: Unix(NOW * 1000),
    }
}

fn keys() -> Keys {
    Keys::new([("app", SECRET), ("other", OTHER)]).unwrap()
}

/// Any header and payload, signed with any secret by HMAC of the given length.
fn forge(header: &str, payload: &str, secret: &str, algorithm: Algorithm) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn token(payload: &str) -> String {
    forge(HS256, payload, SECRET, Algorithm::HS256)
}

fn headed(header: &str) -> String {
    forge(header, &good().to_string(), SECRET, Algorithm::HS256)
}

fn good() -> Value {
    json!({
        "iss": "app", "sub": "anna", "exp": NOW + 3600,
        "video": { "roomJoin": true, "room": "lesson" },
    })
}

fn with(claim: &str, value: Value) -> String {
    let mut claims = good();
    claims[claim] = value;
    token(&claims.to_string())
}

fn with_grant(grant: &str, value: Value) -> String {
    let mut claims = good();
    claims["video"][grant] = value;
    token(&claims.to_string())
}

fn without(claim: &str) -> String {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(claim);
    token(&claims.to_string())
}

/// What a join with this token is answered: 200, or the status and the text.
fn answer(token: &str) -> (u16, String) {
    match verify(token, &keys(), now()) {
        Err(error) => (error.status(), error.to_string()),
        Ok(claims) => match authorize_join(&claims) {
            Err(refusal) => (refusal.status(), refusal.to_string()),
            Ok(_) => (200, String::new()),
        },
    }
}

/// `(what, token, status, a word of the text)`
type Row = (&'static str, String, u16, &'static str);

fn check(table: Vec<Row>) {
    for (what, token, status, word) in table {
        let (got, text) = answer(&token);
        assert_eq!((got, text.contains(word)), (status, true), "{what}: {text}");
        let parts = token.split('.').filter(|part| part.len() > 8);
        assert!(
            parts.into_iter().all(|part| !text.contains(part)),
            "{what} repeats the token"
        );
        assert!(
            !text.contains("anna") && !text.contains("lesson"),
            "{what} repeats a claim"
        );
    }
}

#[test]
#[rustfmt::skip]
fn a_token_with_a_bad_shape_is_refused() {
    let fine = token(&good().to_string());
    let parts: Vec<&str> = fine.split('.').collect();
    let [header, payload, signature] = [parts[0], parts[1], parts[2]];
    check(vec![
        ("nothing", String::new(), 401, "three base64url parts"),
        ("a word", "token".into(), 401, "three base64url parts"),
        ("two parts", format!("{header}.{payload}"), 401, "JWT"),
        ("only dots", "..".into(), 401, "JWT"),
        ("no header", format!(".{payload}.{signature}"), 401, "JWT"),
        ("no payload", format!("{header}..{signature}"), 401, "JWT"),
        ("no signature", format!("{header}.{payload}."), 401, "signature"),
        ("four parts", format!("{fine}.{signature}"), 401, "three base64url parts"),
        ("an empty fourth part", format!("{fine}."), 401, "three base64url parts"),
        ("a leading blank", format!(" {fine}"), 401, "three base64url parts"),
        ("a line end", format!("{fine}\n"), 401, "three base64url parts"),
        ("a zero byte", format!("{fine}\0"), 401, "three base64url parts"),
        ("a padded signature", format!("{fine}="), 401, "three base64url parts"),
        ("the standard alphabet", format!("{header}.{payload}.+/+/"), 401, "three base64url parts"),
        ("a payload that is no base64", format!("{header}.!!!.{signature}"), 401, "base64url"),
        (
            "a payload of invalid UTF-8",
            {
                let bytes = URL_SAFE_NO_PAD.encode(b"{\"iss\":\"\xff\xfe\"}");
                format!("{header}.{bytes}.{signature}")
            },
            401,
            "JWT",
        ),
        ("a payload that is no JSON", token("hello"), 401, "JWT"),
        ("a payload that is a list", token("[]"), 401, "JWT"),
        ("a payload cut short", token(r#"{"iss":"app","#), 401, "JWT"),
        ("a payload nested 10,000 deep", token(&"[".repeat(10_000)), 401, "JWT"),
        ("more than 16 KiB", with("metadata", json!("m".repeat(16 * 1024))), 401, "longer than"),
        ("more than 16 KiB of noise", "x".repeat(MAX_TOKEN_BYTES + 1), 401, "longer than"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_token_with_another_algorithm_or_signature_is_refused() {
    let claims = good().to_string();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(SECRET));
    let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(&claims));
    let fine = token(&claims);
    let (message, signature) = fine.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let swapped = {
        let (header, _) = message.split_once('.').unwrap();
        let payload = claims.replace("anna", "eve");
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(payload))
    };
    check(vec![
        ("alg none", unsigned, 401, "HS256"),
        ("alg None, signed", headed(r#"{"alg":"None"}"#), 401, "HS256"),
        ("alg NONE, signed", headed(r#"{"alg":"NONE"}"#), 401, "HS256"),
        ("alg hs256", headed(r#"{"alg":"hs256"}"#), 401, "HS256"),
        ("alg empty", headed(r#"{"alg":""}"#), 401, "HS256"),
        ("alg null", headed(r#"{"alg":null}"#), 401, "HS256"),
        ("alg a list", headed(r#"{"alg":["HS256"]}"#), 401, "HS256"),
        ("no alg", headed(r#"{"typ":"JWT"}"#), 401, "HS256"),
        ("alg twice", headed(r#"{"alg":"none","alg":"HS256"}"#), 401, "HS256"),
        ("a header that is no object", headed("[]"), 401, "HS256"),
        ("HS384", forge(r#"{"alg":"HS384"}"#, &claims, SECRET, Algorithm::HS384), 401, "HS256"),
        ("HS512", forge(r#"{"alg":"HS512"}"#, &claims, SECRET, Algorithm::HS512), 401, "HS256"),
        ("HS384 that says HS256", forge(HS256, &claims, SECRET, Algorithm::HS384), 401, "signature"),
        ("RS256 with the secret as PEM", forge(r#"{"alg":"RS256"}"#, &claims, &pem, Algorithm::HS256), 401, "HS256"),
        ("HS256 with the secret as PEM", forge(HS256, &claims, &pem, Algorithm::HS256), 401, "signature"),
        ("ES256", headed(r#"{"alg":"ES256"}"#), 401, "HS256"),
        ("EdDSA", headed(r#"{"alg":"EdDSA"}"#), 401, "HS256"),
        ("a critical extension", headed(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#), 401, "HS256"),
        ("kid of the other key", forge(r#"{"alg":"HS256","kid":"other"}"#, &claims, OTHER, Algorithm::HS256), 401, "signature"),
        ("kid that is a path", forge(r#"{"alg":"HS256","kid":"../../dev/null"}"#, &claims, "", Algorithm::HS256), 401, "signature"),
        ("a key of its own (jwk)", forge(r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#, &claims, "\0\0\0", Algorithm::HS256), 401, "signature"),
        ("the wrong secret", forge(HS256, &claims, OTHER, Algorithm::HS256), 401, "signature"),
        ("an empty secret", forge(HS256, &claims, "", Algorithm::HS256), 401, "signature"),
        (
            "the secret decoded from base64",
            {
                let bytes = STANDARD.encode(SECRET);
                forge(HS256, &claims, &bytes, Algorithm::HS256)
            },
            401,
            "signature",
        ),
        ("a flipped signature", format!("{message}.{flipped}{}", &signature[1..]), 401, "signature"),
        ("a signature cut short", fine[..fine.len() - 3].to_owned(), 401, "signature"),
        ("another payload", swapped, 401, "signature"),
        ("an unknown key", with("iss", json!("nobody")), 401, "API key"),
        ("a key in other letters", with("iss", json!("APP")), 401, "API key"),
        ("an empty key", with("iss", json!("")), 401, "`iss`"),
        ("no key", without("iss"), 401, "`iss`"),
        ("a list of keys", with("iss", json!(["app"])), 401, "`iss`"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_token_with_bad_claims_is_refused() {
    let video = r#""video":{"roomJoin":true,"room":"lesson"}"#;
    let doubled = |claims: &str| token(&format!(r#"{{"iss":"app","sub":"anna",{claims}}}"#));
    check(vec![
        ("exp a text", with("exp", json!("9999999999")), 401, "`exp`"),
        ("exp negative", with("exp", json!(-1)), 401, "`exp`"),
        ("exp a list", with("exp", json!([NOW + 60])), 401, "`exp`"),
        ("exp true", with("exp", json!(true)), 401, "`exp`"),
        ("exp beyond all numbers", doubled(&format!(r#""exp":1e999,{video}"#)), 401, "JWT"),
        ("exp null", with("exp", Value::Null), 401, "never expires"),
        ("no exp", without("exp"), 401, "never expires"),
        ("exp zero", with("exp", json!(0)), 401, "expired"),
        ("expired by more than the leeway", with("exp", json!(NOW - 61)), 401, "expired"),
        ("exp in milliseconds of the past as a fraction", with("exp", json!(0.5)), 401, "expired"),
        ("nbf beyond the leeway", with("nbf", json!(NOW + 61)), 401, "not valid yet"),
        ("nbf a text", with("nbf", json!("0")), 401, "`nbf`"),
        ("nbf negative", with("nbf", json!(-5)), 401, "`nbf`"),
        ("exp twice", doubled(&format!(r#""exp":1,"exp":{},{video}"#, NOW + 60)), 401, "once"),
        ("video twice", doubled(&format!(r#""exp":{},{video},{video}"#, NOW + 60)), 401, "once"),
        ("iss twice", doubled(&format!(r#""iss":"other","exp":{},{video}"#, NOW + 60)), 401, "once"),
        ("roomJoin twice", doubled(&format!(r#""exp":{},"video":{{"roomJoin":false,"roomJoin":true,"room":"lesson"}}"#, NOW + 60)), 401, "once"),
        ("sub a number", with("sub", json!(7)), 401, "`sub`"),
        ("name an object", with("name", json!({})), 401, "`name`"),
        ("metadata an object", with("metadata", json!({"a": 1})), 401, "`metadata`"),
        ("attributes of numbers", with("attributes", json!({"a": 1})), 401, "`attributes`"),
        ("attributes a text", with("attributes", json!("role=expert")), 401, "`attributes`"),
        ("roomConfig with a bad number", with("roomConfig", json!({"emptyTimeout": "soon"})), 401, "`roomConfig`"),
        ("video a text", with("video", json!("all")), 401, "`video`"),
        ("roomJoin a text", with_grant("roomJoin", json!("true")), 401, "`video`"),
        ("roomJoin a number", with_grant("roomJoin", json!(1)), 401, "`video`"),
        ("room a list", with_grant("room", json!(["lesson"])), 401, "`video`"),
        ("sources a text", with_grant("canPublishSources", json!("camera")), 401, "`video`"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_token_that_allows_no_join_is_refused() {
    let nobody = json!({"iss": "app", "exp": NOW + 60, "video": good()["video"]}).to_string();
    check(vec![
        ("no video", without("video"), 401, "roomJoin"),
        ("video null", with("video", Value::Null), 401, "roomJoin"),
        ("an empty video", with("video", json!({})), 401, "roomJoin"),
        ("roomJoin false", with_grant("roomJoin", json!(false)), 401, "roomJoin"),
        ("roomJoin null", with_grant("roomJoin", Value::Null), 401, "roomJoin"),
        ("only roomAdmin", with("video", json!({"roomAdmin": true, "room": "lesson"})), 401, "roomJoin"),
        ("grants in snake case", with("video", json!({"room_join": true, "room": "lesson"})), 401, "roomJoin"),
        ("an empty room", with_grant("room", json!("")), 403, "names no room"),
        ("no room", with("video", json!({"roomJoin": true})), 403, "names no room"),
        ("an empty identity", with("sub", json!("")), 403, "no identity"),
        ("no identity", token(&nobody), 403, "no identity"),
        ("an identity with a byte order mark", with("sub", json!("\u{feff}anna")), 403, "U+FEFF"),
        ("a long identity", with("sub", json!("i".repeat(257))), 403, "257 bytes"),
        ("a long identity in characters of two bytes", with("sub", json!("ü".repeat(129))), 403, "258 bytes"),
        ("an identity of control characters", with("sub", json!("\u{1}".repeat(65))), 403, "390 bytes in JSON"),
        ("a room of quotes", with_grant("room", json!("\"".repeat(193))), 403, "386 bytes in JSON"),
        ("a long room", with_grant("room", json!("r".repeat(257))), 403, "257 bytes"),
        ("an unknown role", with("attributes", json!({"role": "boss"})), 403, "expert, customer"),
        ("a role in capitals", with("attributes", json!({"role": "Expert"})), 403, "expert, customer"),
        ("a minor by another word", with("attributes", json!({"minor": "yes"})), 403, "`true` or `false`"),
        ("an unknown source", with_grant("canPublishSources", json!(["hologram"])), 403, "camera"),
    ]);
}

fn join(token: &str) -> Join {
    authorize_join(&verify(token, &keys(), now()).unwrap()).unwrap()
}

#[test]
fn the_tokens_that_sdks_make_are_accepted() {
    let python = json!({
        "iss": "app", "sub": "anna", "nbf": NOW, "exp": NOW + 21_600, "name": "Anna",
        "video": { "roomJoin": true, "room": "lesson", "canPublish": true, "canSubscribe": true },
        "agentEndpoint": {}, "agentThread": {"x": 1}, "aud": "somebody else", "iat": NOW + 3600,
    });
    for (what, token) in [
        ("the plain one", token(&good().to_string())),
        ("no typ", headed(r#"{"alg":"HS256"}"#)),
        (
            "unknown header fields",
            headed(r#"{"alg":"HS256","kid":"x","foo":1}"#),
        ),
        ("Python: nbf and exp, no iat", token(&python.to_string())),
        ("expired within the leeway", with("exp", json!(NOW - 60))),
        ("nbf within the leeway", with("nbf", json!(NOW + 60))),
        ("exp with a fraction", with("exp", json!(1_800_000_060.5))),
        ("nulls", with("metadata", Value::Null)),
        ("explicit false", with_grant("hidden", json!(false))),
        ("unknown kind", with("kind", json!("robot"))),
        ("256 bytes of identity", with("sub", json!("i".repeat(256)))),
        ("the far future", with("exp", json!(u64::MAX))),
    ] {
        assert_eq!(answer(&token).0, 200, "{what}: {}", answer(&token).1);
    }
    let by_jti =
        json!({"iss": "app", "sub": "", "jti": "bert", "exp": NOW + 9, "video": good()["video"]});
    assert_eq!(join(&token(&by_jti.to_string())).identity.as_str(), "bert");
    let other = forge(
        HS256,
        &good().to_string().replace("app", "other"),
        OTHER,
        Algorithm::HS256,
    );
    assert_eq!(join(&other).identity.as_str(), "anna");
}

#[test]
fn absent_grants_take_livekits_defaults() {
    let all = join(&token(&good().to_string())).permissions;
    assert!(all.can_publish && all.can_subscribe && all.can_publish_data);
    assert!(!all.can_update_own_metadata && !all.can_subscribe_metrics && !all.hidden);
    assert!(all.allows_source(TrackSource::Unknown));
    let mute = join(&with_grant("canPublish", json!(false))).permissions;
    assert!(!mute.can_publish && !mute.can_publish_data && mute.can_subscribe);
    let camera = join(&with_grant("canPublishSources", json!(["camera"]))).permissions;
    assert!(camera.allows_source(TrackSource::Camera));
    assert!(!camera.allows_source(TrackSource::ScreenShare));
}

#[test]
fn role_policy_kind_and_room_settings_come_from_the_token() {
    let mut claims = good();
    claims["attributes"] = json!({"role": "expert", "policy": "trial", "seat": "3"});
    claims["video"]["agent"] = json!(true);
    claims["roomConfig"] = json!({"name": "x", "emptyTimeout": 300, "departure_timeout": "20", "maxParticipants": 2, "egress": {}});
    let join = join(&token(&claims.to_string()));
    assert_eq!(
        (join.role, join.policy.as_deref()),
        (Some(Role::Expert), Some("trial"))
    );
    assert_eq!(
        (join.kind, join.attributes.len()),
        (ParticipantKind::Agent, 3)
    );
    let room = join.room_config;
    assert_eq!(
        (room.empty_timeout, room.departure_timeout),
        (Some(300), Some(20))
    );
    assert_eq!(room.max_participants, Some(2));
}

#[test]
fn server_owned_attributes_are_known_by_name() {
    assert!(
        ["role", "policy", "minor", "recording", "beistand.side"].map(is_server_owned) == [true; 5]
    );
    assert!(["seat", "roles", "beistand", ""].map(is_server_owned) == [false; 4]);
}

fn claims_for(seconds: u64) -> Claims {
    let mut claims = Claims::new("app", "anna", Unix((NOW + seconds) * 1000));
    claims.attributes = [("role", "customer"), ("empty", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    claims.metadata = "{}".to_owned();
    claims.video.room = Some("lesson".to_owned());
    claims.video.room_join = Some(true);
    claims
}

#[test]
fn a_signed_token_verifies_to_the_claims_it_was_made_of() {
    let claims = claims_for(60);
    let token = sign(&claims, &keys(), now()).unwrap();
    assert_eq!(verify(&token, &keys(), now()).unwrap(), claims);
    let payload = token.split('.').nth(1).unwrap();
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(
        payload["video"],
        json!({"room": "lesson", "roomJoin": true}),
        "no nulls"
    );
    let lost = Claims {
        key: "gone".to_owned(),
        ..claims
    };
    assert_eq!(sign(&lost, &keys(), now()), Err(TokenError::UnknownKey));
}

/// The claims of the token that a client is given for one of `claims`.
fn given(claims: &Claims, keys: &Keys) -> Claims {
    let token = sign(&refreshed(claims, now()), keys, now()).unwrap();
    verify(&token, keys, now()).unwrap()
}

#[test]
fn a_refreshed_token_lives_for_what_remains_and_ten_minutes_at_least() {
    for (remaining, validity) in [(60, 600), (600, 600), (7200, 7200)] {
        let claims = claims_for(remaining);
        let fresh = given(&claims, &keys());
        assert_eq!(fresh.expires, Unix((NOW + validity) * 1000));
        assert_eq!(fresh.attributes, claims.attributes);
    }
}

#[test]
fn the_header_wins_over_the_query_and_must_be_bearer() {
    assert_eq!(presented(Some("Bearer a"), Some("b")), Ok("a"));
    assert_eq!(presented(None, Some("b")), Ok("b"));
    for header in ["bearer a", "BEARER a", "bEaReR   a"] {
        assert_eq!(presented(Some(header), None), Ok("a"), "{header}");
    }
    for header in ["Basic a", "bearers a", "bearer\ta", "a", ""] {
        assert_eq!(
            presented(Some(header), Some("b")),
            Err(TokenError::NotBearer)
        );
    }
    assert_eq!(
        presented(Some("Bearer "), Some("b")),
        Err(TokenError::Missing)
    );
    assert_eq!(presented(None, Some("")), Err(TokenError::Missing));
    assert_eq!(presented(None, None), Err(TokenError::Missing));
}

#[test]
fn a_short_secret_is_refused_and_no_secret_or_name_is_printed() {
    let short = Keys::new([("app", "short")]).map(|_| ());
    assert_eq!(
        short,
        Err(KeyError::ShortSecret {
            key: "app".to_owned(),
            bytes: 5
        })
    );
    assert!(Keys::new([("", SECRET)]).is_err());
    assert!(!format!("{:?}", keys()).contains(SECRET));
    let claims = claims_for(60);
    let join = authorize_join(&claims).unwrap();
    let printed = format!("{claims:?} {:?} {join:?}", claims.video);
    assert!(
        !printed.contains("anna") && !printed.contains("lesson"),
        "{printed}"
    );
}

#[test]
fn each_duty_needs_its_grant_and_a_named_room_is_the_only_one() {
    const DUTIES: [Duty<'_>; 4] = [
        Duty::Create,
        Duty::List,
        Duty::Administer,
        Duty::AdministerRoom("lesson"),
    ];
    type Answers = [Result<(), AdminRefusal>; 4];
    let (create, list) = (Err(AdminRefusal::NoCreate), Err(AdminRefusal::NoList));
    let (admin, other) = (Err(AdminRefusal::NoAdmin), Err(AdminRefusal::OtherRoom));
    let table: [(Value, Answers); 7] = [
        (json!({}), [create, list, admin, admin]),
        (json!({"roomJoin": true}), [create, list, admin, admin]),
        (json!({"roomCreate": true}), [Ok(()), list, admin, admin]),
        (json!({"roomList": true}), [create, Ok(()), admin, admin]),
        (json!({"roomAdmin": true}), [create, list, Ok(()), Ok(())]),
        (
            json!({"roomAdmin": true, "room": "lesson"}),
            [create, list, Ok(()), Ok(())],
        ),
        (
            json!({"roomAdmin": true, "room": "other"}),
            [create, list, Ok(()), other],
        ),
    ];
    for (video, expected) in table {
        let claims = verify(&with("video", video.clone()), &keys(), now()).unwrap();
        let answers = DUTIES.map(|duty| authorize_admin(&claims, duty));
        assert_eq!(answers, expected, "{video}");
    }
}

#[test]
fn whoever_records_sees_all_of_their_rooms_and_an_expert_what_is_shared_in_their_own() {
    use crate::base::Purpose;
    let (no, other) = (Err(AdminRefusal::NoRecord), Err(AdminRefusal::OtherRoom));
    let qa = Err(AdminRefusal::OtherPurpose);
    type Answers = [Result<(), AdminRefusal>; 3];
    let joins = json!({"roomJoin": true, "room": "lesson"});
    let elsewhere = json!({"roomJoin": true, "room": "other"});
    // To see what is shared of the room, what is for quality, and to delete.
    let table: [(Value, &str, Answers); 13] = [
        (json!({}), "", [no; 3]),
        (json!({"roomCreate": true, "roomList": true}), "", [no; 3]),
        (json!({"roomRecord": true}), "", [Ok(()); 3]),
        (json!({"roomAdmin": true}), "", [Ok(()); 3]),
        (
            json!({"roomRecord": true, "room": "lesson"}),
            "",
            [Ok(()); 3],
        ),
        (json!({"roomAdmin": true, "room": "other"}), "", [other; 3]),
        (joins.clone(), "expert", [Ok(()), qa, no]),
        (joins.clone(), "customer", [no; 3]),
        (joins.clone(), "guest", [no; 3]),
        (joins.clone(), "observer", [no; 3]),
        (joins, "", [no; 3]),
        (elsewhere, "expert", [other, other, no]),
        (json!({"room": "lesson"}), "expert", [no; 3]),
    ];
    for (video, role, expected) in table {
        let mut claims = verify(&with("video", video.clone()), &keys(), now()).unwrap();
        claims.attributes.insert("role".to_owned(), role.to_owned());
        let reach = authorize_recordings(&claims);
        let answers = [
            reach
                .clone()
                .and_then(|reach| reach.see("lesson", Purpose::Shared).map(drop)),
            reach
                .clone()
                .and_then(|reach| reach.see("lesson", Purpose::Qa).map(drop)),
            reach.and_then(|reach| reach.direct("lesson")),
        ];
        assert_eq!(answers, expected, "{video} {role}");
    }
}

#[test]
fn an_expert_sees_what_is_shared_of_their_own_sessions_and_not_of_all_that_used_the_room() {
    use crate::base::Purpose;
    let mut claims = Claims::new("app", "erika", Unix(0));
    claims.video.room = Some("lesson".to_owned());
    claims.video.room_join = Some(true);
    let role = ("role".to_owned(), "expert".to_owned());
    claims.attributes.extend([role]);
    let part = |claims: &Claims| {
        let reach = authorize_recordings(claims).unwrap();
        reach.see("lesson", Purpose::Shared).unwrap().cloned()
    };
    assert_eq!(part(&claims), Some(Part::Taken("erika".into())));
    let tie = (SESSION.to_owned(), "SE_a".to_owned());
    claims.attributes.extend([tie]);
    assert_eq!(part(&claims), Some(Part::Named("SE_a".into())));
    claims.video.room_record = Some(true);
    assert_eq!(part(&claims), None, "whoever records sees the whole room");
}

#[test]
fn a_token_is_of_the_project_whose_key_signed_it_and_a_key_is_of_one() {
    let acme = ProjectId::from("acme");
    let keys = keys()
        .with(&acme, [("tenant", SECRET), ("rotated", OTHER)])
        .unwrap();
    for (key, project) in [
        ("app", &ProjectId::default()),
        ("other", &ProjectId::default()),
        ("tenant", &acme),
        ("rotated", &acme),
    ] {
        assert_eq!(keys.project(key), Some(project));
        let mut claims = Claims::new(key, "erika", Unix(now().unix.0 + 60_000));
        claims.video.room = Some("lesson".to_owned());
        claims.video.room_join = Some(true);
        let token = sign(&claims, &keys, now()).unwrap();
        let join = authorize_join(&verify(&token, &keys, now()).unwrap()).unwrap();
        assert_eq!(join.room, RoomKey::new(project, "lesson"), "{key}");
        let fresh = given(&verify(&token, &keys, now()).unwrap(), &keys);
        assert_eq!(fresh.project, *project, "{key}");
    }
    let twice = keys.with(&"bolt".into(), [("app", SECRET)]).map(drop);
    assert_eq!(twice, Err(KeyError::TwoProjects("app".to_owned())));
}
