//! One door per dependency: where the name of a third-party crate may be written. Whoever wants
//! to replace a dependency looks behind its door and nowhere else.

use crate::metadata::Dependency;
use crate::source::{Finding, Source};
use crate::walk::walk;

/// Anywhere in `src`: words of the language rather than a facility.
const ANYWHERE: &[&str] = &[""];
const HOST: &[&str] = &["host"];
const API: &[&str] = &["api"];
const TRANSPORT: &[&str] = &["peer/transport"];
const PROTOCOL: &[&str] = &["peer/signal", "api/twirp"];

/// Each crate and its doors: a folder or a file under `src`, without `.rs`. Rows for crates that
/// the house does not depend on yet say where they will enter.
const DOORS: &[(&str, &[&str])] = &[
    // The network and its security.
    ("str0m", TRANSPORT),
    ("str0m_proto", TRANSPORT),
    ("dimpl", TRANSPORT),
    ("livekit_protocol", PROTOCOL),
    ("prost", PROTOCOL),
    ("icu_normalizer", &["peer/signal/topic"]),
    ("icu_properties", &["peer/signal/topic"]),
    ("aws_lc_rs", &["base/crypto"]),
    ("jsonwebtoken", &["peer/signal/token"]),
    // The doors that people and programs knock at.
    ("axum", API),
    ("http_body", API),
    ("utoipa", API),
    ("tower", API),
    ("tower_http", API),
    ("axum_server", &["host", "api"]),
    ("rustls", &["host", "api"]),
    ("standardwebhooks", &["api/dev", "usage/webhook"]),
    ("tokio", &["host", "api", "client"]),
    // What touches the operating system.
    ("mio", HOST),
    ("quinn", HOST),
    ("quinn_udp", HOST),
    ("async_nats", HOST),
    ("rusqlite", HOST),
    ("reqwest", &["host", "client"]),
    ("httpdate", &["host/deliver"]),
    ("object_store", HOST),
    ("cap_std", HOST),
    ("rustix", &["host/space", "host/descriptors"]),
    ("prometheus", HOST),
    ("clap", HOST),
    ("toml", HOST),
    ("tracing_subscriber", HOST),
    ("anyhow", &["host", "main"]),
    // Words.
    ("base64", ANYWHERE),
    ("bytes", ANYWHERE),
    ("humantime", ANYWHERE),
    ("serde", ANYWHERE),
    ("serde_json", ANYWHERE),
    ("slab", ANYWHERE),
    ("thiserror", ANYWHERE),
    ("tracing", ANYWHERE),
];

fn doors(name: &str) -> Option<&'static [&'static str]> {
    DOORS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, doors)| *doors)
}

/// Is the file `inside` (under `src`, without `.rs`) this door, or behind it?
fn is_behind(inside: &str, door: &str) -> bool {
    door.is_empty()
        || inside
            .strip_prefix(door)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub fn check(source: &Source) -> Vec<Finding> {
    let path = source.text.path.as_str();
    let Some(inside) = path
        .strip_prefix("src/")
        .and_then(|p| p.strip_suffix(".rs"))
    else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for found in walk(&source.tokens).paths {
        let Some(name) = found.segments.first() else {
            continue;
        };
        let Some(doors) = doors(name) else { continue };
        if !doors.iter().any(|door| is_behind(inside, door)) {
            let wrong = format!("`{name}` is used outside its door, {}", doors.join(" or "));
            findings.push(source.finding(found.line, wrong, REMEDY));
        }
    }
    findings
}

const REMEDY: &str = "let the room behind that door answer in words of our own, and use those";

/// Development dependencies need no row: the compiler keeps them out of what we ship.
pub fn check_rows(dependencies: &[Dependency]) -> Vec<Finding> {
    dependencies
        .iter()
        .filter(|d| !d.for_development && doors(&d.name).is_none())
        .map(|d| Finding {
            path: "Cargo.toml".to_owned(),
            line: d.line,
            wrong: format!("the dependency `{}` has no door", d.name),
            remedy: "do without it, or give it a row in DOORS in tests/tidy/doors.rs".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Source::example(path, text)).len()
    }

    #[test]
    fn a_crate_outside_its_door_is_found() {
        for (path, text) in [
            ("src/node/mod.rs", "use str0m::Rtc;"),
            ("src/peer/negotiate.rs", "fn f(rtc: &str0m::Rtc) {}"),
            ("src/peer/transportation.rs", "use str0m::Rtc;"),
            (
                "src/peer/signal/frame.rs",
                "use {jsonwebtoken::decode, serde::Serialize};",
            ),
            (
                "src/room/mod.rs",
                "#[cfg(test)] mod tests { use livekit_protocol as proto; }",
            ),
            ("src/main.rs", "#[tokio::main] async fn main() {}"),
            ("src/api/mod.rs", "fn f() -> anyhow::Result<()> { Ok(()) }"),
            ("src/host/store.rs", "extern_check!(axum::Router);"),
            ("src/api/router.rs", "use ::rusqlite::Connection;"),
        ] {
            assert_eq!(found(path, text), 1, "{path}: {text}");
        }
    }

    #[test]
    fn behind_its_door_a_crate_is_free() {
        for (path, text) in [
            ("src/peer/transport/ice.rs", "use str0m::Rtc;"),
            ("src/peer/transport.rs", "use str0m::Rtc;"),
            ("src/peer/signal/token/mod.rs", "use jsonwebtoken::decode;"),
            ("src/base/crypto.rs", "use aws_lc_rs::aead;"),
            ("src/main.rs", "fn main() -> anyhow::Result<()> { Ok(()) }"),
            (
                "src/room/mod.rs",
                "use bytes::Bytes; use crate::tokio::x; use std::{toml::x};",
            ),
            ("tests/real/main.rs", "use tokio::net::TcpStream;"),
        ] {
            assert_eq!(found(path, text), 0, "{path}: {text}");
        }
    }

    #[test]
    fn a_dependency_without_a_row_is_found() {
        let row = |name: &str, for_development| Dependency {
            name: name.to_owned(),
            for_development,
            line: 7,
        };
        let given = [
            row("left_pad", false),
            row("left_pad_tests", true),
            row("serde", false),
        ];
        let findings = check_rows(&given);
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0]
                .to_string()
                .starts_with("Cargo.toml:7: the dependency `left_pad`")
        );
    }
}
