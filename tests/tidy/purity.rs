//! Absences: what the machines below `api` never do, and what `usage` never counts with. A
//! machine that reads no clock and waits for nothing runs a thousand times faster in a test.

use crate::source::{Finding, Source};
use crate::walk::{Found, walk};

/// Rooms that touch the world: everything else is sans-IO.
const WORLDLY: [&str; 3] = ["host", "api", "client"];

/// Beginnings of paths that mean input, output, waiting or sharing.
const WORLD: [&[&str]; 17] = [
    &["std", "fs"],
    &["std", "env"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "net", "UdpSocket"],
    &["std", "net", "TcpStream"],
    &["std", "net", "TcpListener"],
    &["std", "net", "ToSocketAddrs"],
    &["std", "os"],
    &["std", "io", "stdin"],
    &["std", "io", "stdout"],
    &["std", "io", "stderr"],
    &["std", "sync", "mpsc"],
    &["std", "sync", "Mutex"],
    &["std", "sync", "RwLock"],
    &["std", "sync", "Condvar"],
    &["std", "sync", "Barrier"],
];

fn is_worldly(path: &Found) -> bool {
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    WORLD.iter().any(|start| segments.starts_with(start))
        || segments.ends_with(&["Instant", "now"])
        || segments.ends_with(&["SystemTime", "now"])
}

pub fn check(source: &Source) -> Vec<Finding> {
    let Some(module) = source.module() else {
        return Vec::new();
    };
    let Some(room) = module.first() else {
        return Vec::new();
    };
    if WORLDLY.contains(&room.as_str()) || source.text.is_test() {
        return Vec::new();
    }
    let walk = walk(&source.tokens);
    let paths = walk.paths.iter().filter(|p| !p.test_only && is_worldly(p));
    let words = walk.words.iter().filter(|w| {
        !w.test_only
            && (w.word == "async" || w.word == "await" || is_print(&w.word, w.called_as_macro))
    });
    let mut findings: Vec<Finding> = paths
        .map(|p| {
            source.finding(
                p.line,
                format!("`{room}` uses `{}`", p.segments.join("::")),
                REMEDY,
            )
        })
        .collect();
    findings.extend(
        words.map(|w| source.finding(w.line, format!("`{room}` uses `{}`", w.word), REMEDY)),
    );
    findings
}

fn is_print(word: &str, called_as_macro: bool) -> bool {
    called_as_macro && matches!(word, "print" | "println" | "eprint" | "eprintln")
}

const REMEDY: &str = "below api/ there are machines only: take it as an input, answer with an \
                      output, and let host/ do it";

/// Money is whole milliseconds.
pub fn check_integers(source: &Source) -> Vec<Finding> {
    if source
        .module()
        .and_then(|m| m.into_iter().next())
        .as_deref()
        != Some("usage")
    {
        return Vec::new();
    }
    let walk = walk(&source.tokens);
    let in_paths = walk
        .paths
        .iter()
        .flat_map(|p| p.segments.iter().map(move |s| (s, p.line)));
    let in_words = walk.words.iter().map(|w| (&w.word, w.line));
    in_paths
        .chain(in_words)
        .filter(|(word, _)| is_float(word))
        .map(|(word, line)| {
            let wrong = format!("`usage` counts with a fraction, `{word}`");
            source.finding(line, wrong, "count in whole milliseconds, in integers")
        })
        .collect()
}

fn is_float(word: &str) -> bool {
    let is_number = word.starts_with(|c: char| c.is_ascii_digit());
    matches!(word, "f32" | "f64")
        || (is_number && !word.starts_with("0x") && (word.contains('.') || word.contains("f")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Source::example(path, text)).len()
    }

    #[test]
    fn a_machine_that_touches_the_world_is_found() {
        for text in [
            "use std::fs::File;",
            "use std::{sync::{Arc, Mutex}, time::Duration};",
            "fn f() { let now = std::time::Instant::now(); }",
            "use std::time::SystemTime; fn f() { g(SystemTime::now()); }",
            "async fn f() {}",
            "use std::net::{IpAddr, UdpSocket};",
            "fn f() { std::thread::spawn(g); }",
            "fn f() { println!(\"x\"); }",
        ] {
            assert_eq!(found("src/room/mod.rs", text), 1, "{text}");
        }
    }

    #[test]
    fn tests_and_the_rooms_of_the_world_are_free() {
        let text = "use std::fs::File;";
        assert_eq!(found("src/host/store.rs", text), 0);
        assert_eq!(found("src/room/tests.rs", text), 0);
        assert_eq!(found("src/main.rs", text), 0);
        assert_eq!(
            found(
                "src/room/a.rs",
                &format!("#[cfg(test)] mod tests {{ {text} }}")
            ),
            0
        );
        assert_eq!(
            found(
                "src/room/a.rs",
                "use std::{net::IpAddr, sync::Arc, time::Instant};"
            ),
            0
        );
    }

    #[test]
    fn a_fraction_in_usage_is_found() {
        let found = |path, text| check_integers(&Source::example(path, text)).len();
        assert_eq!(
            found("src/usage/meter.rs", "fn f(x: u64) -> f64 { x as f64 }"),
            2
        );
        assert_eq!(
            found("src/usage/meter.rs", "const A: u64 = (1.5) as u64;"),
            1
        );
        assert_eq!(
            found("src/usage/meter.rs", "fn f() -> u64 { f64::MAX as u64 }"),
            1
        );
        assert_eq!(
            found(
                "src/usage/meter.rs",
                "const A: u64 = 0x1f; fn f(x: (u8, u8)) { x.0; }"
            ),
            0
        );
        assert_eq!(found("src/media/rate.rs", "const A: f64 = 1.5;"), 0);
    }
}
