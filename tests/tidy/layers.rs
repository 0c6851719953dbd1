//! Layers: gravity points down. A room may use the rooms of lower layers only; the rooms of one
//! layer never know each other and meet in the layer above.

use crate::source::{Finding, Source};
use crate::walk::{Found, walk};

/// The plan of the house: each room and its layer. `main.rs` and `lib.rs` stand above all.
const ROOMS: [(&str, u8); 13] = [
    ("base", 0),
    ("media", 1),
    ("peer", 2),
    ("wire", 2),
    ("room", 2),
    ("session", 2),
    ("usage", 2),
    ("record", 2),
    ("cluster", 2),
    ("node", 3),
    ("api", 4),
    ("client", 4),
    ("host", 5),
];

fn layer(room: &str) -> Option<u8> {
    ROOMS
        .iter()
        .find(|(name, _)| *name == room)
        .map(|(_, layer)| *layer)
}

pub fn check(source: &Source) -> Vec<Finding> {
    let Some(module) = source.module() else {
        return Vec::new();
    };
    let Some(own) = module.first() else {
        return check_root(source);
    };
    let Some(own_layer) = layer(own) else {
        return vec![source.finding(1, format!("`{own}` is no room of the house"), UNKNOWN)];
    };
    let walk = walk(&source.tokens);
    walk.paths
        .iter()
        .filter_map(|path| {
            let target = resolve(&module, path)?;
            let wrong = judge(own, own_layer, &target)?;
            Some(source.finding(path.line, wrong, remedy(&target)))
        })
        .collect()
}

const UNKNOWN: &str = "put it into the room that it belongs to, or give it a layer in \
                       tests/tidy/layers.rs and a place in ARCHITECTURE.md";
const UPWARD: &str = "say it as a plain enum and let node/ carry it, or move what you need down";
const ROOT: &str = "name the room that you mean";

fn remedy(target: &str) -> &'static str {
    match layer(target) {
        Some(_) => UPWARD,
        None if target.is_empty() || target == "*" => ROOT,
        None => UNKNOWN,
    }
}

/// What is wrong with a path from the room `own` to the room `target`.
fn judge(own: &str, own_layer: u8, target: &str) -> Option<String> {
    if own == target {
        return None;
    }
    let from = format!("`{own}` (L{own_layer})");
    match layer(target) {
        Some(other) if other < own_layer => None,
        Some(other) if other == own_layer => {
            Some(format!("{from} uses its sibling `{target}` (L{other})"))
        }
        Some(other) => Some(format!(
            "{from} uses `{target}` (L{other}), which is above it"
        )),
        None if target.is_empty() || target == "*" => {
            Some(format!("{from} takes names from the root of the crate"))
        }
        None => Some(format!(
            "{from} uses `{target}`, which is no room of the house"
        )),
    }
}

/// The room that a path leads to, when it leads out of the room it is in (or back into it).
fn resolve(module: &[String], path: &Found) -> Option<String> {
    let words: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    match *words.first()? {
        "crate" | "beistand" => Some(words.get(1).copied().unwrap_or_default().to_owned()),
        "super" | "self" => {
            let mut here: Vec<&str> = module
                .iter()
                .chain(&path.inside)
                .map(String::as_str)
                .collect();
            let mut rest = words.as_slice();
            while let Some((first, after)) = rest.split_first() {
                match *first {
                    "super" => drop(here.pop()),
                    "self" => {}
                    _ => break,
                }
                rest = after;
            }
            here.extend(rest);
            Some(here.first().copied().unwrap_or_default().to_owned())
        }
        _ => None,
    }
}

/// `lib.rs` is the plan and nothing else: the modules that it opens are rooms.
fn check_root(source: &Source) -> Vec<Finding> {
    if source.text.name() != "lib.rs" {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for item in &source.file.items {
        if let syn::Item::Mod(room) = item
            && layer(&room.ident.to_string()).is_none()
        {
            let line = room.ident.span().start().line;
            let wrong = format!("`{}` is no room of the house", room.ident);
            findings.push(source.finding(line, wrong, UNKNOWN));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(path: &str, text: &str) -> Vec<String> {
        check(&Source::example(path, text))
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    #[test]
    fn a_way_up_or_aside_or_into_the_unknown_is_found() {
        for (path, text, says) in [
            ("src/room/forward.rs", "use crate::node::Shard;", "above it"),
            (
                "src/room/forward.rs",
                "use crate::{base::Ids, wire::Egress};",
                "sibling `wire`",
            ),
            (
                "src/media/mod.rs",
                "fn f() { crate::room::new() }",
                "above it",
            ),
            (
                "src/media/mod.rs",
                "fn f(x: crate::room::Room) {}",
                "above it",
            ),
            (
                "src/session/mod.rs",
                "use super::usage::Meter;",
                "sibling `usage`",
            ),
            (
                "src/session/state.rs",
                "mod t { use super::super::super::node; }",
                "above it",
            ),
            (
                "src/session/mod.rs",
                "fn f() { assert_eq!(crate::usage::X, 1) }",
                "sibling",
            ),
            (
                "src/session/mod.rs",
                "#[cfg(test)] mod tests { use crate::node::X; }",
                "above it",
            ),
            ("src/api/mod.rs", "use crate::client::Load;", "sibling"),
            ("src/base/mod.rs", "use crate::tools::X;", "no room"),
            ("src/base/mod.rs", "use crate::*;", "root of the crate"),
            ("src/base/mod.rs", "use super::*;", "root of the crate"),
            ("src/tools.rs", "", "no room"),
            (
                "src/lib.rs",
                "pub mod base;\nmod tools;",
                "lib.rs:2: `tools` is no room",
            ),
        ] {
            let found = wrong(path, text);
            assert!(
                found.len() == 1 && found[0].contains(says),
                "{path}: {text}: {found:?}"
            );
        }
    }

    #[test]
    fn a_way_down_and_any_way_inside_a_room_are_free() {
        for (path, text) in [
            (
                "src/room/forward.rs",
                "use crate::{base::Now, media::{Header, munge}};",
            ),
            (
                "src/room/forward.rs",
                "use super::room::Room; use self::x::Y; use super::*;",
            ),
            (
                "src/room/mod.rs",
                "#[cfg(test)] mod tests { use super::*; use crate::room::Room; }",
            ),
            (
                "src/node/mod.rs",
                "use crate::session::State; use crate::usage::Meter;",
            ),
            ("src/main.rs", "use beistand::host;"),
            ("src/base/mod.rs", "use std::node::X; use other::room::Y;"),
        ] {
            assert_eq!(wrong(path, text), Vec::<String>::new(), "{path}: {text}");
        }
    }
}
