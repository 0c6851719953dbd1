//! A bare client of the Sessions API.

use crate::node::{Node, beistand};
use crate::wait;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// The client, with a token for everything.
#[derive(Debug)]
pub struct Api {
    address: String,
    token: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// The body, if it is JSON.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

/// A token for the Sessions API, from the command line.
pub fn admin_token() -> String {
    let made = beistand(&["token", "--dev", "--admin"])
        .output()
        .expect("the binary runs");
    assert!(made.status.success(), "{made:?}");
    String::from_utf8_lossy(&made.stdout).trim().to_owned()
}

/// A token by a key of this configuration, from the command line.
pub fn token_of(config: &Path, key: &str, words: &[&str]) -> String {
    let file = config.display().to_string();
    let mut command = beistand(&["token", "--config", &file, "--key", key]);
    let made = command.args(words).output().expect("the binary runs");
    assert!(made.status.success(), "{made:?}");
    String::from_utf8_lossy(&made.stdout).trim().to_owned()
}

impl Api {
    /// A client of this node, until it restarts.
    pub fn of(node: &Node) -> Api {
        Api {
            address: node.http.clone(),
            token: admin_token(),
        }
    }

    /// A client with another token.
    pub fn with(node: &Node, token: &str) -> Api {
        Api {
            address: node.http.clone(),
            token: token.to_owned(),
        }
    }

    /// Asks, with a body if there is one and with more headers.
    pub fn ask(&self, request: &str, body: &Value, headers: &str) -> Answer {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let head = format!(
            "{request} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
            self.address,
            self.token,
            text.len()
        );
        exchange(&self.address, &format!("{head}{text}"))
    }

    /// The same without more headers; panics unless the status is this one.
    pub fn expect(&self, status: u16, request: &str, body: &Value) -> Value {
        let answer = self.ask(request, body, "");
        assert_eq!(answer.status, status, "{request} {body}: {answer:?}");
        answer.body
    }
}

/// Sends bytes and reads the answer to its end.
pub fn exchange(address: &str, request: &str) -> Answer {
    let (head, body) = transfer(address, request);
    let body = String::from_utf8_lossy(&body);
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Answer {
        status: status.unwrap_or(0),
        head: head.to_ascii_lowercase(),
        body: serde_json::from_str(&body).unwrap_or_else(|_| Value::from(&*body)),
        text: body.into_owned(),
    }
}

/// The same: head and body as they are.
pub fn transfer(address: &str, request: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("the node accepts connections");
    stream
        .set_read_timeout(Some(wait::PATIENCE))
        .expect("a limit of time can be set");
    stream
        .write_all(request.as_bytes())
        .expect("the request is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer is read");
    let end = b"\r\n\r\n";
    let at = answer.windows(4).position(|window| window == end);
    let at = at.unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..at]).into_owned();
    let body = answer.get(at + 4..).unwrap_or_default().to_vec();
    (head, body)
}
