//! A booked session that is recorded, and what is asked about its recordings.

use super::footage::Footage;
use crate::api::{Answer, Api, transfer};
use crate::driver::run;
use crate::node::{KEY, Node, SECRET};
use crate::place::{self, Folder};
use crate::wait;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The session.
#[derive(Debug)]
pub struct Studio {
    /// A client of the API.
    pub api: Api,
    /// Its id.
    pub session: String,
    /// Its room.
    pub room: String,
}

/// A participant as a test wants them.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Who.
    pub identity: &'static str,
    /// Their role.
    pub role: &'static str,
    /// The ground of their picture.
    pub colour: [u8; 3],
    /// The tone of their sound, in hertz.
    pub hz: u32,
}

/// Blue, 1 kHz.
pub const ERIKA: Part = Part {
    identity: "erika",
    role: "expert",
    colour: [0, 0, 255],
    hz: 1_000,
};
/// Green, 1.7 kHz.
pub const KARL: Part = Part {
    identity: "karl",
    role: "customer",
    colour: [0, 255, 0],
    hz: 1_700,
};

impl Part {
    /// Its ground in the words of [`Footage::colours`].
    pub fn ground(&self) -> String {
        let third = |part: u8| (u32::from(part) + 42) / 85;
        self.colour.map(|part| third(part).to_string()).concat()
    }

    /// Its ground as CSS has it.
    pub fn css(&self) -> String {
        let [red, green, blue] = self.colour;
        format!("rgb({red} {green} {blue})")
    }

    /// Its tone in the words of [`Footage::tones`].
    pub fn tone(&self) -> String {
        self.hz.to_string()
    }
}

impl Studio {
    /// Books one with this table of its policy.
    pub fn book(node: &Node, room: &str, recording: &Value) -> Studio {
        let api = Api::of(node);
        let wanted = json!({"room": room, "overrides": {"recording": recording}});
        let booked = api.expect(201, "POST /v1/sessions", &wanted);
        let session = booked["id"].as_str().unwrap_or_default().to_owned();
        Studio {
            api,
            session,
            room: room.to_owned(),
        }
    }

    /// The same session on the node that was started again.
    pub fn again(&mut self, node: &Node) {
        self.api = Api::of(node);
    }

    /// A token for someone, who may be a minor.
    pub fn token(&self, part: &Part, minor: bool) -> String {
        if !minor {
            let wanted = json!({"identity": part.identity, "role": part.role});
            let request = format!("POST /v1/sessions/{}/tokens", self.session);
            let made = self.api.expect(200, &request, &wanted);
            return made["token"].as_str().unwrap_or_default().to_owned();
        }
        let wanted = json!({
            "identity": part.identity, "role": part.role, "room": self.room,
            "attributes": {"minor": "true"},
        });
        let spec = json!({"key": KEY, "secret": SECRET, "wanted": [wanted]}).to_string();
        let made = run("tokens.py", &place::python(), &spec);
        made[0]["tokens"][0].as_str().unwrap_or_default().to_owned()
    }

    /// Says by the API what someone answers.
    pub fn consent(&self, identity: &str, purpose: &str, given: bool) -> Answer {
        let body = json!({
            "identity": identity, "purpose": purpose, "given": given, "wording": "test-1"
        });
        self.api.ask(
            &format!("POST /v1/sessions/{}/consent", self.session),
            &body,
            "",
        )
    }

    /// Starts or stops a recording.
    pub fn record(&self, action: &str, purpose: &str) -> Answer {
        let body = json!({"action": action, "purpose": purpose});
        let request = format!("POST /v1/sessions/{}/recordings", self.session);
        self.api.ask(&request, &body, "")
    }

    /// Ends it.
    pub fn end(&self) {
        let request = format!("POST /v1/sessions/{}/end", self.session);
        self.api.expect(200, &request, &Value::Null);
    }

    /// The id of its recording for a purpose.
    pub fn id(&self, purpose: &str) -> String {
        let random = self.session.trim_start_matches("SE_");
        format!("RC_{random}_{purpose}")
    }

    /// What is known of that recording.
    pub fn shown(&self, purpose: &str) -> Answer {
        let request = format!("GET /v1/recordings/{}", self.id(purpose));
        self.api.ask(&request, &Value::Null, "")
    }

    /// Waits until it stands there.
    pub fn until(&self, purpose: &str, state: &str) -> Value {
        let what = format!("{} is {state}", self.id(purpose));
        wait::until(&what, wait::PATIENCE, || {
            let shown = self.shown(purpose);
            if shown.status == 200 && shown.body["state"] == state {
                return Ok(shown.body);
            }
            Err(format!("{}: {}", shown.status, shown.body))
        })
    }

    /// Everything that it recorded, finished and fetched by the signed links.
    pub fn finished(&self, node: &Node, purpose: &str) -> Finished {
        let record = self.until(purpose, "ready");
        let folder = Folder::new();
        let listed = record["files"].as_array().cloned().unwrap_or_default();
        let files: Vec<Fetched> = listed
            .into_iter()
            .map(|told| {
                let name = told["name"].as_str().unwrap_or_default();
                let path = folder.join(name);
                let (head, bytes) = fetch(&node.http, &link(&told));
                assert!(head.contains(" 200 "), "{head}");
                std::fs::write(&path, bytes).expect("the file is kept");
                Fetched { told, path }
            })
            .collect();
        assert!(!files.is_empty(), "no file: {record}");
        Finished {
            record,
            files,
            _folder: folder,
        }
    }
}

/// A finished recording.
#[derive(Debug)]
pub struct Finished {
    /// What the API says of it.
    pub record: Value,
    /// Its files.
    pub files: Vec<Fetched>,
    _folder: Folder,
}

/// One of its files.
#[derive(Debug)]
pub struct Fetched {
    /// What the API says of it.
    pub told: Value,
    /// Where it was put.
    pub path: PathBuf,
}

impl Finished {
    /// The files of this kind: `participant`, `session`, `poster`, `manifest`, `signature`.
    pub fn of(&self, kind: &str) -> Vec<&Fetched> {
        let all = self.files.iter();
        all.filter(|file| file.told["kind"] == kind).collect()
    }

    /// What the one file of the session shows; it plays without a complaint.
    pub fn session(&self) -> Footage {
        let [file] = self.of("session")[..] else {
            panic!("one file of the session: {}", self.record);
        };
        let footage = Footage::read(file.path.clone());
        footage.check();
        footage
    }

    /// What the file of a participant shows; it plays without a complaint.
    pub fn participant(&self, identity: &str) -> Footage {
        let files = self.of("participant");
        let mut of = files
            .iter()
            .filter(|file| file.told["identity"] == identity);
        let file = of.next();
        let file = file.unwrap_or_else(|| panic!("no file of {identity}: {}", self.record));
        assert!(of.next().is_none(), "two files of {identity}");
        let footage = Footage::read(file.path.clone());
        footage.check();
        footage
    }

    /// Whose files there are, in the order of the alphabet.
    pub fn whose(&self) -> Vec<String> {
        let files = self.of("participant");
        let mut whose: Vec<String> = files
            .iter()
            .map(|file| {
                file.told["identity"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        whose.sort();
        whose
    }

    /// The manifest.
    pub fn manifest(&self) -> Value {
        let [file] = self.of("manifest")[..] else {
            panic!("one manifest: {}", self.record);
        };
        let text = std::fs::read(&file.path).expect("the manifest is there");
        serde_json::from_slice(&text).expect("the manifest is JSON")
    }
}

/// The path and the query of a file's link.
pub fn link(told: &Value) -> String {
    let url = told["url"].as_str().unwrap_or_default();
    let at = url
        .find("/v1/")
        .unwrap_or_else(|| panic!("no link: {told}"));
    url[at..].to_owned()
}

/// Fetches what lies behind a link, with nothing but the link.
pub fn fetch(address: &str, link: &str) -> (String, Vec<u8>) {
    let request = format!("GET {link} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    transfer(address, &request)
}

/// Plays a file by its link in the browser, to its end.
pub fn play(driver: &mut crate::driver::Driver, node: &Node, told: &Value) -> Value {
    let url = format!("{}{}", node.url(), link(told));
    driver.ask(&json!({"do": "play", "url": url}))["played"].take()
}
