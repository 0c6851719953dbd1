//! A driver of real clients: JSON commands in, JSON answers out.

use crate::child::Child;
use crate::node::{KEY, Node, SECRET};
use crate::place::{self, Folder};
use crate::wait;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// Above every deadline inside a driver, so that its own words are read.
const ANSWER: Duration = Duration::from_secs(200);
/// End of an interpreter or a browser.
const END: Duration = Duration::from_secs(10);

/// A driver that takes commands.
#[derive(Debug)]
pub struct Driver {
    child: Child,
    _folder: Folder,
}

impl Driver {
    /// The participants of the Python SDK.
    pub fn people() -> Driver {
        Driver::start("people.py", Command::new(place::python()))
    }

    /// Pages in a headless Chromium.
    pub fn browsers() -> Driver {
        place::chromium();
        Driver::start("browsers.mjs", Command::new(place::node_js()))
    }

    /// Pages in a headless Firefox.
    pub fn firefox() -> Driver {
        place::firefox();
        Driver::start("firefox.mjs", Command::new(place::node_js()))
    }

    /// Clients of the stock SDK in a headless Chromium, whose pictures are drawn to measure.
    pub fn clients() -> Driver {
        place::chromium();
        Driver::start("links.mjs", Command::new(place::node_js()))
    }

    /// Clients whose pictures and sounds tell when they were sent, and a player.
    pub fn recorded() -> Driver {
        place::chromium();
        Driver::start("recorded.mjs", Command::new(place::node_js()))
    }

    fn start(name: &str, mut command: Command) -> Driver {
        let folder = Folder::new();
        command
            .arg(place::driver(name))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let child = Child::start(name, &mut command, &folder.join("driver.log"));
        let mut driver = Driver {
            child,
            _folder: folder,
        };
        driver.answer("its start", wait::PATIENCE);
        driver
    }

    /// Gives a command and returns its answer; panics with the driver's words if it failed.
    pub fn ask(&mut self, command: &Value) -> Value {
        self.child.tell(&command.to_string());
        self.answer(&command.to_string(), ANSWER)
    }

    /// Gives a command that must fail, and returns the driver's words for it.
    pub fn refused(&mut self, command: &Value) -> String {
        self.child.tell(&command.to_string());
        let line = self.child.line(&command.to_string(), ANSWER);
        let answer = parse(&line);
        assert_eq!(
            answer["ok"],
            json!(false),
            "{command} is not refused: {answer}"
        );
        answer["error"].as_str().unwrap_or_default().to_owned()
    }

    fn answer(&mut self, what: &str, limit: Duration) -> Value {
        let line = self.child.line(what, limit);
        let answer = parse(&line);
        assert_eq!(answer["ok"], json!(true), "{what}: {}", answer["error"]);
        answer
    }

    /// Kills it, and so its clients, who say no goodbye.
    pub fn kill(&mut self) {
        self.child.kill();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.child.close(END);
    }
}

/// Which stock SDK makes tokens.
#[derive(Clone, Copy, Debug)]
pub enum Sdk {
    /// `livekit-api` of `PyPI`.
    Python,
    /// `livekit-server-sdk` of npm.
    Node,
}

/// Tokens for `room`, for pairs of identity and role; an empty role means none.
pub fn tokens(sdk: Sdk, room: &str, people: &[(&str, &str)]) -> Vec<String> {
    let wanted: Vec<Value> = people
        .iter()
        .map(|(identity, role)| json!({"identity": identity, "role": role, "room": room}))
        .collect();
    let spec = json!({"key": KEY, "secret": SECRET, "wanted": wanted}).to_string();
    let lines = match sdk {
        Sdk::Python => run("tokens.py", &place::python(), &spec),
        Sdk::Node => run("tokens.mjs", &place::node_js(), &spec),
    };
    let tokens = lines[0]["tokens"].as_array().cloned().unwrap_or_default();
    assert_eq!(tokens.len(), people.len(), "tokens of {sdk:?}: {lines:?}");
    tokens
        .iter()
        .map(|token| token.as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Runs a driver of one purpose to its end and returns its lines.
pub fn run(name: &str, program: &Path, spec: &str) -> Vec<Value> {
    let output = Command::new(program)
        .arg(place::driver(name))
        .arg(spec)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
    lines_of(name, &output)
}

/// The lines of a driver that has ended well.
pub fn lines_of(name: &str, output: &Output) -> Vec<Value> {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} fails: {errors}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<Value> = text.lines().map(parse).collect();
    assert!(!lines.is_empty(), "{name} says nothing: {errors}");
    lines
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}: {line}"))
}

/// The command to join for the participants of Python.
pub fn join(node: &Node, identity: &str, token: &str, publish: &[&str]) -> Value {
    json!({"do": "join", "identity": identity, "url": node.ws_url(), "token": token, "publish": publish})
}
