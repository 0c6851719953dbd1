//! What requests and answers say of themselves: hosts, proxies, origins, and what a browser is to hold to.
//! And what the log says of those who came.

use crate::api::{Answer, Api, admin_token, exchange};
use crate::driver::{Driver, Sdk, join, tokens};
use crate::node::Node;
use crate::place::Folder;
use crate::receiver::Receiver;
use crate::reload::reload;
use crate::{doors, turn, wait};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

/// A request with these headers, `Host` among them.
fn request(node: &Node, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut text = format!("{line} HTTP/1.0\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    exchange(&node.http, &format!("{text}\r\n{body}"))
}

fn get(node: &Node, path: &str, headers: &[(&str, &str)]) -> Answer {
    request(node, &format!("GET {path}"), headers, "")
}

/// What the link of a booking that is made with these headers begins with.
fn link(node: &Node, headers: &[(&str, &str)]) -> String {
    let token = format!("Bearer {}", admin_token());
    let mut all = vec![
        ("Authorization", token.as_str()),
        ("Content-Type", "application/json"),
    ];
    all.extend(headers);
    let body = json!({"participants": [{"identity": "e", "role": "expert"}]}).to_string();
    let booked = request(node, "POST /v1/sessions", &all, &body);
    let url = booked.body["participants"][0]["join_url"].as_str();
    let url = url.unwrap_or_else(|| panic!("no link: {booked:?}"));
    url.split("/join.html")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Adds lines to `[http]`, and reads the configuration again.
fn set_http(node: &Node, lines: &str) {
    node.reconfigure(|text| text.replace("[http]\n", &format!("[http]\n{lines}\n")));
    let answer = reload(node);
    assert!(
        answer.status == 200 && answer.body["restart_needed"] == json!([]),
        "{answer:?}"
    );
}

const HOST: (&str, &str) = ("Host", "media.example.com");
const PROTO: (&str, &str) = ("X-Forwarded-Proto", "https");

#[test]
fn links_begin_with_what_trusted_proxies_say_and_with_the_public_address_where_it_is_set() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let own = ("Host", node.http.as_str());
    let public = ("X-Forwarded-Host", "media.example.com");
    let all = [own, PROTO, public, ("X-Forwarded-Prefix", "/calls")];
    assert_eq!(link(&node, &all), node.url(), "nobody is trusted yet");
    set_http(&node, "trusted_proxies = [\"127.0.0.1\"]");
    assert_eq!(link(&node, &[HOST]), "http://media.example.com");
    assert_eq!(link(&node, &[HOST, PROTO]), "https://media.example.com");
    assert_eq!(link(&node, &all), "https://media.example.com/calls");
    let forwarded = (
        "Forwarded",
        "for=192.0.2.1;proto=https;host=media.example.com",
    );
    assert_eq!(link(&node, &[own, forwarded]), "https://media.example.com");
    set_http(&node, "public_url = \"https://public.example/calls/\"");
    for headers in [
        vec![own],
        vec![("Host", "evil.example")],
        all.to_vec(),
        vec![own, forwarded],
    ] {
        assert_eq!(
            link(&node, &headers),
            "https://public.example/calls",
            "{headers:?}"
        );
    }
}

#[test]
fn a_host_that_is_no_authority_is_refused_at_every_door() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    for path in [
        "/",
        "/join.html",
        "/rtc",
        "/rtc/validate",
        "/v1/sessions",
        "/openapi.json",
        "/nothere",
    ] {
        for host in [
            "a b",
            "a/b",
            "me@node",
            "node:x",
            "node:99999",
            "[::1",
            "<script>",
            "",
        ] {
            let answer = get(&node, path, &[("Host", host)]);
            assert_eq!(answer.status, 400, "{path} {host:?}: {answer:?}");
        }
        let two = get(&node, path, &[("Host", "a"), ("Host", "b")]);
        assert_eq!(two.status, 400, "{path}: {two:?}");
        assert_ne!(get(&node, path, &[HOST]).status, 400, "{path}");
    }
}

#[test]
fn every_answer_tells_a_browser_what_it_may_do_and_who_may_embed_the_page() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let policy = |answer: &Answer| {
        let line = answer
            .head
            .lines()
            .find_map(|line| line.strip_prefix("content-security-policy: "));
        line.unwrap_or_else(|| panic!("no policy: {answer:?}"))
            .to_owned()
    };
    for path in [
        "/join.html",
        "/",
        "/assets/nothere.js",
        "/rtc/validate",
        "/v1/sessions",
        "/nothere",
        "/openapi.json",
    ] {
        let answer = get(&node, path, &[HOST, ("Accept", "text/html")]);
        for header in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "x-frame-options: deny",
        ] {
            assert!(answer.head.contains(header), "{path}: {}", answer.head);
        }
        assert!(
            policy(&answer).ends_with("frame-ancestors 'none'"),
            "{path}: {}",
            answer.head
        );
    }
    for page in ["/join.html", "/"] {
        let answer = get(&node, page, &[HOST, ("Accept", "text/html")]);
        assert!(answer.text.contains("<html"), "{answer:?}");
        let told = policy(&answer);
        assert!(told.starts_with("default-src 'self'; "), "{told}");
        assert!(
            told.contains("connect-src 'self' ws://media.example.com wss://media.example.com;"),
            "{told}"
        );
    }
    set_http(&node, "embed_origins = [\"https://app.example\"]");
    let embedded = get(&node, "/join.html", &[HOST]);
    assert!(
        policy(&embedded).ends_with("frame-ancestors https://app.example"),
        "{embedded:?}"
    );
    assert!(!embedded.head.contains("x-frame-options"), "{embedded:?}");
}

#[test]
fn a_site_that_a_developer_visits_reads_nothing_of_dev_and_reaches_it_by_no_name_of_its_own() {
    let _turn = turn::shared();
    let node = Node::dev();
    let own = ("Host", node.http.as_str());
    let origin = node.url();
    for (from, read) in [
        (origin.as_str(), true),
        ("http://evil.example", false),
        ("null", false),
    ] {
        for path in ["/rtc/validate", "/v1/sessions", "/"] {
            let answer = get(&node, path, &[own, ("Origin", from)]);
            let allowed = answer.head.contains("access-control-allow-origin");
            assert_eq!(allowed, read, "{path} {from}: {}", answer.head);
        }
        let asked = [
            own,
            ("Origin", from),
            ("Access-Control-Request-Method", "POST"),
        ];
        let preflight = request(&node, "OPTIONS /v1/sessions", &asked, "");
        assert_eq!(
            preflight.head.contains("access-control-allow-origin"),
            read,
            "{from}: {preflight:?}"
        );
    }
    let rebound = format!(
        "evil.example:{}",
        node.http.rsplit(':').next().unwrap_or_default()
    );
    for path in ["/dev/links", "/dev/webhooks"] {
        assert_eq!(get(&node, path, &[own]).status, 200, "{path}");
        let answer = get(&node, path, &[("Host", &rebound)]);
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
    }
    let open = get(
        &Node::with(&[]),
        "/rtc/validate",
        &[HOST, ("Origin", "https://app.example")],
    );
    assert!(
        open.head.contains("access-control-allow-origin: *"),
        "{open:?}"
    );
}

#[test]
fn neither_hidden_files_nor_links_are_served_from_the_directory_of_the_page() {
    let _turn = turn::shared();
    let mut node = Node::with(&[]);
    let folder = Folder::new();
    let web = folder.join("web");
    std::fs::create_dir_all(web.join(".git")).expect("a folder can be made");
    for file in ["join.html", ".env", ".git/config", "../secret"] {
        std::fs::write(web.join(file), "what is in it").expect("a file can be written");
    }
    std::os::unix::fs::symlink(folder.join("secret"), web.join("link.html"))
        .expect("a link can be made");
    std::os::unix::fs::symlink(folder.join("secret"), web.join("index.html"))
        .expect("a link can be made");
    node.reconfigure(|text| {
        let lines = text
            .lines()
            .map(|line| match line.strip_prefix("web_dir = ") {
                Some(_) => format!("web_dir = \"{}\"", web.display()),
                None => line.to_owned(),
            });
        lines.collect::<Vec<_>>().join("\n")
    });
    node.restart();
    assert_eq!(get(&node, "/join.html", &[HOST]).text, "what is in it");
    for path in [
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/link.html",
        "/index.html",
        "/..%2fsecret",
        "//.env",
    ] {
        let answer = get(&node, path, &[HOST]);
        assert!(
            answer.status == 404 && answer.text.is_empty(),
            "{path}: {answer:?}"
        );
    }
    let root = get(&node, "/", &[HOST, ("Accept", "text/html")]);
    assert_eq!(root.text, "OK");
}

#[test]
fn the_log_has_one_line_of_each_start_join_refusal_failed_delivery_and_end() {
    let turn = turn::alone();
    let receiver = Receiver::start(&json!([503]));
    let node = Node::with(&[&receiver]);
    let token = tokens(Sdk::Python, "told", &[("karl", "customer")]).remove(0);
    let mut driver = Driver::people();
    driver.ask(&join(&node, "karl", &token, &["audio"]));
    let (refused, _) = doors::join(&node.http, "no.good.token");
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let api = Api::of(&node);
    let session = wait::until("the session runs", wait::PATIENCE, || {
        let found = api.ask("GET /v1/sessions?state=running", &json!(null), "");
        let id = found.body["sessions"][0]["id"].as_str().map(str::to_owned);
        id.ok_or(found.text)
    });
    api.expect(
        200,
        &format!("POST /v1/sessions/{session}/end"),
        &json!(null),
    );
    let lines = wait::until("all of it is told", wait::PATIENCE, || {
        let logged = node.logged();
        let words = [
            "a session ended",
            "a delivery failed",
            "a participant joined",
        ];
        let told = words.iter().all(|words| logged.contains(words));
        if told { Ok(logged) } else { Err(logged) }
    });
    drop((driver, turn));
    for (words, more) in [
        ("a session started", vec![session.as_str(), "default"]),
        (
            "a participant joined",
            vec![session.as_str(), "customer", "PA_"],
        ),
        ("a join was refused", vec!["401", "token"]),
        (
            "a delivery failed",
            vec![session.as_str(), "receiver-0", "503"],
        ),
        (
            "a session ended",
            vec![
                session.as_str(),
                "ended_by_api",
                "billable_ms",
                "waiting_ms",
            ],
        ),
    ] {
        let of: Vec<&str> = lines.lines().filter(|line| line.contains(words)).collect();
        assert_eq!(of.len(), 1, "{words}: {lines}");
        assert!(
            of[0].contains("INFO") && more.iter().all(|word| of[0].contains(word)),
            "{words}: {}",
            of[0]
        );
    }
    assert!(
        !lines.contains("karl") && !lines.contains(&token),
        "{lines}"
    );
    assert!(!lines.contains("the floor"), "{lines}");
}

#[test]
fn nobody_without_a_token_has_the_node_wait_for_a_body_and_nobody_with_one_for_long() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let promised = ("Content-Length", "50000");
    let kind = ("Content-Type", "application/json");
    // The body never comes: the answer does.
    for path in [
        "/v1/preflights",
        "/v1/sessions",
        "/v1/sessions/SE_x/tokens",
        "/v1/sessions/SE_x/end",
    ] {
        let answer = begin(&node, path, &[HOST, promised, kind]);
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
    }
    let token = format!("Bearer {}", admin_token());
    let begun = wait::now();
    let answer = begin(
        &node,
        "/v1/sessions",
        &[HOST, promised, kind, ("Authorization", &token)],
    );
    assert!(
        answer.status == 400 && answer.text.contains("within 10 s"),
        "{answer:?}"
    );
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
}

/// The head of a POST, and nothing after it.
fn begin(node: &Node, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut text = format!("POST {path} HTTP/1.0\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    exchange(&node.http, &format!("{text}\r\n"))
}

#[test]
fn idle_sockets_of_one_address_are_held_to_their_share_and_leave_after_a_rest_and_the_operator_is_answered()
 {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    node.reconfigure(|text| {
        text.replace(
            "connections_per_address = 10000",
            "connections_per_address = 8",
        )
    });
    assert_eq!(reload(&node).status, 200);
    let mut idle: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(&node.http).expect("the kernel accepts connections"))
        .collect();
    assert_eq!(doors::get(&node.admin, "/healthz").0, 200);
    let refused = "beistand_sockets_refused_total{limit=\"address\"} ";
    let refused = wait::until("the others are refused", wait::PATIENCE, || {
        let page = doors::get(&node.admin, "/metrics").1;
        let count = page.lines().find_map(|line| line.strip_prefix(refused));
        let count: u32 = count.and_then(|count| count.parse().ok()).unwrap_or(0);
        if count >= 92 { Ok(count) } else { Err(page) }
    });
    assert_eq!(refused, 92);
    assert!(
        node.logged().contains("limits.connections_per_address"),
        "the log names the cause"
    );
    // A handshake's time is over for those who say nothing; then there is place again.
    wait::until("there is place again", wait::PATIENCE, || {
        let mut stream = TcpStream::connect(&node.http).map_err(|error| error.to_string())?;
        let asked = write!(stream, "GET /rtc/validate HTTP/1.0\r\nHost: a\r\n\r\n");
        asked.map_err(|error| error.to_string())?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .map_err(|error| error.to_string())?;
        if answer.starts_with("HTTP/1.0 401") {
            Ok(())
        } else {
            Err(answer)
        }
    });
    idle.clear();
}

/// HTTP/2 without TLS, of which nothing follows its preface: it rests, and is closed.
#[test]
fn a_socket_that_speaks_http_2_and_rests_is_closed_within_20_s() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let mut stream = TcpStream::connect(&node.http).expect("the node accepts connections");
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    hello.extend(settings);
    // A request for nothing that there is: the first one, so that the time for it is not what ends it.
    let get = [
        0, 0, 9, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 0x04, b'n', b'o', b'd', b'e',
    ];
    hello.extend(get);
    stream.write_all(&hello).expect("it is sent");
    stream
        .set_read_timeout(Some(wait::PATIENCE))
        .expect("a limit of time can be set");
    let begun = wait::now();
    let mut all = Vec::new();
    // An answer, and then the end.
    drop(stream.read_to_end(&mut all));
    assert!(all.len() > 20, "{all:?}");
    let took = begun.elapsed().as_secs();
    assert!((13..20).contains(&took), "closed after {took} s");
}

/// The limit of open files is low: what the node needs itself is kept.
#[test]
fn a_flood_of_idle_sockets_takes_no_descriptor_that_the_node_needs() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    node.limit_files(600);
    assert_eq!(reload(&node).status, 200);
    let idle: Vec<TcpStream> = (0..1_000)
        .map(|_| TcpStream::connect(&node.http).expect("the kernel accepts connections"))
        .collect();
    let begun = wait::now();
    assert_eq!(doors::get(&node.admin, "/healthz").0, 200);
    assert!(begun.elapsed().as_millis() < 1_000, "{:?}", begun.elapsed());
    wait::until("the cause is in the log", wait::PATIENCE, || {
        let logged = node.logged();
        let named =
            logged.contains("the limit of open files") && logged.contains("a socket was refused");
        if named { Ok(()) } else { Err(logged) }
    });
    assert!(
        !node.logged().contains("Too many open files"),
        "{}",
        node.logged()
    );
    drop(idle);
}
