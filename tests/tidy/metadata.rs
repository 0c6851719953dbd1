//! What cargo knows about our dependencies, from `cargo metadata`.

use crate::source::root;
use serde_json::Value;
use std::process::Command;

/// A crate that `Cargo.toml` names.
pub struct Dependency {
    /// As it is written in Rust: with `_`.
    pub name: String,
    pub for_development: bool,
    /// Where in `Cargo.toml`.
    pub line: usize,
}

/// A package that takes part in the build, ours included.
pub struct Package {
    pub name: String,
    pub version: String,
    pub licence: Option<String>,
    /// Where it comes from; none if it is ours.
    pub source: Option<String>,
    /// What it wants in any version at all, and not from this house.
    pub wildcards: Vec<String>,
    /// Where in `Cargo.lock`.
    pub line: usize,
}

/// Asks for what is built on this kind of machine: only that is sure to be downloaded.
fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let answer = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            &platform,
        ])
        .current_dir(root())
        .output()
        .unwrap_or_else(|e| panic!("cargo metadata cannot be started: {e}"));
    let error = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "cargo metadata failed:\n{error}");
    serde_json::from_slice(&answer.stdout).unwrap_or_else(|e| panic!("cargo metadata: {e}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("cargo metadata names no `{key}`"))
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// The line of `file` that `is_it`, or the first.
fn line_where(file: &str, is_it: impl Fn(&str) -> bool) -> usize {
    let content = std::fs::read_to_string(root().join(file)).unwrap_or_default();
    content.lines().position(is_it).map_or(1, |at| at + 1)
}

pub fn direct_dependencies() -> Vec<Dependency> {
    let metadata = metadata();
    let ours = list(&metadata, "packages")
        .iter()
        .find(|p| text(p, "name") == "beistand")
        .unwrap_or_else(|| panic!("cargo metadata names no package `beistand`"));
    let found: Vec<Dependency> = list(ours, "dependencies")
        .iter()
        .map(|d| {
            let package = text(d, "name");
            let name = d["rename"].as_str().unwrap_or(&package).replace('-', "_");
            let named = |line: &str| {
                let key = line.split(['=', '.']).next().unwrap_or_default().trim();
                key.trim_matches('"').replace('-', "_") == name
            };
            let line = line_where("Cargo.toml", named);
            Dependency {
                name,
                for_development: d["kind"] == "dev",
                line,
            }
        })
        .collect();
    assert!(
        !found.is_empty(),
        "cargo metadata names no dependency: the rule saw nothing"
    );
    found
}

pub fn packages() -> Vec<Package> {
    let metadata = metadata();
    let nodes = list(&metadata["resolve"], "nodes");
    let found: Vec<Package> = list(&metadata, "packages")
        .iter()
        .filter(|p| nodes.iter().any(|node| node["id"] == p["id"]))
        .map(|p| {
            let name = text(p, "name");
            let line = line_where("Cargo.lock", |line| line == format!("name = \"{name}\""));
            let licence = p["license"].as_str().map(str::to_owned);
            let any = list(p, "dependencies")
                .iter()
                .filter(|d| d["req"] == "*" && d["path"].is_null());
            Package {
                version: text(p, "version"),
                licence,
                source: p["source"].as_str().map(str::to_owned),
                wildcards: any.map(|d| text(d, "name")).collect(),
                line,
                name,
            }
        })
        .collect();
    assert!(
        found.len() > 1,
        "cargo metadata names no package: the rule saw nothing"
    );
    found
}
