//! The delivery against a real store and a small HTTP server on loopback.

mod disabled;
mod reach;

use super::super::store::fixture::{Dir, PATIENCE, clock, soon};
use super::super::store::open::Store;
use super::super::store::parts::{Hooks, StoreConfig};
use super::super::store::running::RunningStore;
use super::*;
use crate::usage::ledger::fixture::life;
use crate::usage::webhook::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What the server does with a request; after the last one it answers 200.
#[derive(Clone, Copy)]
enum Answer {
    Code(u16, &'static str),
    Silence,
    EndlessBody,
    HangUp,
}

/// One request as it arrived.
#[derive(Debug)]
struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// A server that stops with its end.
struct Server {
    url: String,
    requests: mpsc::Receiver<Request>,
    _task: JoinSet<()>,
}

impl Server {
    async fn start(answers: &[Answer]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(VecDeque::from(answers.to_vec())));
        let (sender, requests) = mpsc::channel(10_000);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, answers.clone(), sender.clone()));
            }
        });
        Server {
            url,
            requests,
            _task: task,
        }
    }

    async fn request(&mut self) -> Request {
        timeout(PATIENCE, self.requests.recv())
            .await
            .unwrap()
            .unwrap()
    }

    async fn ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.request().await.headers["webhook-id"].clone());
        }
        ids
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: mpsc::Sender<Request>,
) {
    let mut bytes = Vec::new();
    while let Some(request) = read(&mut stream, &mut bytes).await {
        let answer = answers
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Answer::Code(200, ""));
        requests.send(request).await.unwrap();
        match answer {
            Answer::Code(code, headers) => {
                let answer = format!("HTTP/1.1 {code} x\r\ncontent-length: 2\r\n{headers}\r\nok");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            Answer::Silence => std::future::pending().await,
            Answer::EndlessBody => {
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n";
                stream.write_all(head.as_bytes()).await.unwrap();
                while stream.write_all(&[b'x'; 8_192]).await.is_ok() {}
                return;
            }
            Answer::HangUp => return,
        }
    }
}

async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Request> {
    loop {
        let text = String::from_utf8_lossy(bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines();
            let line = lines.next()?.to_owned();
            let headers: BTreeMap<String, String> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            if body.len() >= headers["content-length"].parse().unwrap() {
                bytes.clear();
                return Some(Request {
                    line,
                    headers,
                    body: body.to_owned(),
                });
            }
        }
        let mut chunk = [0; 4_096];
        let read = stream
            .read(&mut chunk)
            .await
            .ok()
            .filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
    }
}

/// A store with its delivery.
struct Bench {
    clock: ReadClock,
    inlet: Inlet,
    store: RunningStore,
    stats: Arc<DeliverStats>,
    stop: oneshot::Sender<()>,
    task: JoinSet<()>,
}

fn endpoint(name: &str, url: &str) -> Endpoint {
    let (name, url, secret) = (name.to_owned(), url.to_owned(), SECRET.to_owned());
    Endpoint {
        name,
        url,
        secret,
        allow_http: true,
        allow_private: true,
    }
}

fn start(dir: &Dir, endpoints: Vec<Endpoint>) -> Bench {
    start_with(dir, endpoints, OutboxConfig::default())
}

fn start_with(dir: &Dir, endpoints: Vec<Endpoint>, outbox: OutboxConfig) -> Bench {
    let inlet = Inlet::new(&endpoints);
    let config = StoreConfig {
        dir: dir.0.clone(),
        node: None,
        endpoints: inlet.names(),
        ballast_bytes: 0,
    };
    let store = Store::open(&config, soon()).unwrap().0;
    let feed = inlet.clone();
    let store = store
        .start(Hooks {
            on_reply: Box::new(move |reply| feed.handle_reply(&reply)),
            on_fatal: Box::new(|told| panic!("{told}")),
            on_commit: Box::new(|_| {}),
            clock: clock(),
        })
        .unwrap();
    let config = DeliverConfig {
        endpoints,
        timeout_ms: Millis(400),
        outbox: OutboxConfig {
            first_retry: Millis(10),
            longest_retry: Millis(40),
            gone_after: Millis(1),
            ..outbox
        },
        seed: 7,
    };
    let delivery = Delivery::new(config, &inlet, store.handle(), clock()).unwrap();
    let (stats, (stop, stopped)) = (delivery.stats(), oneshot::channel());
    let mut task = JoinSet::new();
    task.spawn(delivery.run(async move { drop(stopped.await) }));
    Bench {
        clock: clock(),
        inlet,
        store,
        stats,
        stop,
        task,
    }
}

impl Bench {
    fn append_life(&self, session: &str) {
        for append in life(session) {
            self.store
                .handle()
                .send(Job::Append(Box::new(append)))
                .unwrap();
        }
    }

    /// The configuration names these endpoints from now on.
    fn change(&self, endpoints: &[Endpoint]) {
        let targets = Targets::new(endpoints, Millis(400)).unwrap();
        self.inlet.handle_targets(targets);
    }

    /// Stops the delivery, then the store: all outcomes are on disk after this.
    async fn stop(mut self) -> Arc<DeliverStats> {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.task.join_next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        self.store.close();
        self.stats
    }
}

fn states(dir: &Dir) -> Vec<(String, String, u32)> {
    let conn = dir.sqlite();
    let sql = "SELECT event_id, state, attempts FROM outbox ORDER BY endpoint, session, event_seq";
    let mut select = conn.prepare(sql).unwrap();
    let rows = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

fn evt(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(|n| format!("evt_a_{n}")).collect()
}

#[tokio::test]
async fn each_event_arrives_in_order_and_once_through_500_silence_404_and_200() {
    let dir = Dir::new();
    let trouble = [
        Answer::Code(500, ""),
        Answer::Silence,
        Answer::Code(404, ""),
        Answer::Code(200, ""),
    ];
    let mut server = Server::start(&trouble).await;
    let bench = start(&dir, vec![endpoint("app", &server.url)]);
    bench.append_life("SE_a");
    let appends = life("SE_a");
    let mut arrived = Vec::new();
    for _ in 0..10 {
        let request = server.request().await;
        assert_eq!(request.line, "POST /hook HTTP/1.1");
        let header = |name: &str| request.headers[name].as_str();
        assert_eq!(
            header("content-type"),
            "application/cloudevents+json; charset=utf-8"
        );
        assert_eq!(
            header("user-agent"),
            concat!("Beistand/", env!("CARGO_PKG_VERSION"))
        );
        let (id, timestamp) = (
            header("webhook-id"),
            header("webhook-timestamp").parse().unwrap(),
        );
        let expected = Secret::parse(SECRET)
            .unwrap()
            .headers(id, timestamp, &request.body);
        assert_eq!(header("webhook-signature"), expected.signature);
        let events = appends.iter().flat_map(|append| &append.events);
        assert!(
            events
                .clone()
                .any(|event| event.id == id && event.body == request.body)
        );
        arrived.push(id.to_owned());
    }
    assert_eq!(arrived, evt(&[1, 1, 1, 1, 2, 3, 4, 5, 6, 7]));
    let stats = bench.stop().await;
    let counts = [
        &stats.ok,
        &stats.client_error,
        &stats.server_error,
        &stats.timeout,
        &stats.network,
    ];
    assert_eq!(counts.map(|count| count.load(Relaxed)), [7, 1, 1, 1, 0]);
    let delivered = states(&dir);
    assert!(
        delivered.iter().all(|(_, state, _)| state == "delivered"),
        "{delivered:?}"
    );
    assert_eq!(
        delivered
            .iter()
            .map(|(_, _, attempts)| *attempts)
            .collect::<Vec<_>>(),
        [4, 1, 1, 1, 1, 1, 1]
    );
}

#[tokio::test]
async fn what_was_not_delivered_goes_out_after_a_restart_in_order() {
    let dir = Dir::new();
    let mut sick = Server::start(&[
        Answer::Code(200, ""),
        Answer::Code(200, ""),
        Answer::Silence,
    ])
    .await;
    let bench = start(&dir, vec![endpoint("app", &sick.url)]);
    bench.append_life("SE_a");
    assert_eq!(sick.ids(3).await, evt(&[1, 2, 3]));
    // Stopped within the third attempt: it ends (by its time limit), and its outcome is kept.
    bench.stop().await;
    assert_eq!(
        states(&dir)[2],
        ("evt_a_3".to_owned(), "pending".to_owned(), 1)
    );
    let mut well = Server::start(&[]).await;
    let bench = start(&dir, vec![endpoint("app", &well.url)]);
    assert_eq!(well.ids(5).await, evt(&[3, 4, 5, 6, 7]));
    assert_eq!(bench.stop().await.ok.load(Relaxed), 5);
}

#[tokio::test]
async fn redirects_hang_ups_and_bodies_without_end_harm_nothing() {
    let dir = Dir::new();
    let redirect = Answer::Code(302, "location: http://169.254.169.254/\r\n");
    let slow = Answer::Code(503, "retry-after: 0\r\n");
    let trouble = [redirect, Answer::HangUp, slow, Answer::EndlessBody];
    let mut server = Server::start(&trouble).await;
    let bench = start(&dir, vec![endpoint("app", &server.url)]);
    bench.append_life("SE_a");
    assert_eq!(server.ids(10).await, evt(&[1, 1, 1, 1, 2, 3, 4, 5, 6, 7]));
    let stats = bench.stop().await;
    let counts = [
        &stats.ok,
        &stats.redirect,
        &stats.network,
        &stats.server_error,
    ];
    assert_eq!(counts.map(|count| count.load(Relaxed)), [7, 1, 1, 1]);
}

#[tokio::test]
async fn a_sick_endpoint_and_one_that_is_gone_hold_up_no_other() {
    let dir = Dir::new();
    let mut good = Server::start(&[]).await;
    let mut gone = Server::start(&[Answer::Code(410, ""); 3]).await;
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls_to_plain = format!("https://{}/hook", plain.local_addr().unwrap());
    let mut hang_up = JoinSet::new();
    hang_up.spawn(async move {
        while let Ok((stream, _)) = plain.accept().await {
            drop(stream)
        }
    });
    let endpoints = vec![
        endpoint("bad-tls", &tls_to_plain),
        endpoint("gone", &gone.url),
        endpoint("good", &good.url),
    ];
    let bench = start(&dir, endpoints);
    bench.append_life("SE_a");
    assert_eq!(gone.ids(3).await, evt(&[1, 1, 1]));
    assert_eq!(good.ids(7).await, evt(&[1, 2, 3, 4, 5, 6, 7]));
    until("it is disabled", || bench.stats.disabled.load(Relaxed) == 1).await;
    let stats = bench.stop().await;
    assert_eq!(
        (stats.ok.load(Relaxed), stats.disabled.load(Relaxed)),
        (7, 1)
    );
    assert!(stats.network.load(Relaxed) >= 1);
    assert!(
        gone.requests.try_recv().is_err(),
        "three requests and no more"
    );
    let pending = states(&dir)
        .iter()
        .filter(|(_, state, _)| state == "pending")
        .count();
    assert_eq!(pending, 14);
}

#[tokio::test]
async fn many_sessions_go_out_side_by_side_each_in_its_order() {
    let dir = Dir::new();
    let mut server = Server::start(&[Answer::Code(500, ""); 20]).await;
    let bench = start(&dir, vec![endpoint("app", &server.url)]);
    (0..40).for_each(|n| bench.append_life(&format!("SE_{n}")));
    let mut newest: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..(40 * 7 + 20) {
        let id = server.request().await.headers["webhook-id"].clone();
        let (session, seq) = id.rsplit_once('_').unwrap();
        let (seq, before) = (
            seq.parse().unwrap(),
            newest.get(session).copied().unwrap_or(0),
        );
        assert!(seq == before + 1 || seq == before, "{id} after {before}");
        newest.insert(session.to_owned(), seq);
    }
    assert!(newest.len() == 40 && newest.values().all(|seq| *seq == 7));
    let stats = bench.stop().await;
    assert_eq!(
        (stats.ok.load(Relaxed), stats.server_error.load(Relaxed)),
        (280, 20)
    );
}

#[tokio::test]
async fn what_waits_for_many_sessions_goes_out_after_a_restart_though_the_config_changes_meanwhile()
{
    let dir = Dir::new();
    let bench = start(&dir, vec![endpoint("app", "http://127.0.0.1:1/hook")]);
    let sessions = 1_010;
    for n in 0..sessions {
        let first = life(&format!("SE_{n}")).remove(0);
        let job = Job::Append(Box::new(first));
        bench.store.handle().send(job).unwrap();
    }
    bench.stop().await;
    assert_eq!(states(&dir).len(), sessions);
    let server = Server::start(&[]).await;
    let bench = start(&dir, vec![endpoint("app", &server.url)]);
    bench.change(&[endpoint("app", &server.url), endpoint("b", &server.url)]);
    let ok = || bench.stats.ok.load(Relaxed);
    // The node was gone, so that each session has ended since.
    let events = 3 * sessions as u64;
    until("a third", || ok() >= events / 3).await;
    until("two thirds", || ok() >= events * 2 / 3).await;
    until("all", || ok() >= events).await;
    bench.change(&[endpoint("b", &server.url)]);
    bench.stop().await;
    let delivered = states(&dir);
    assert_eq!(delivered.len() as u64, events);
    assert!(delivered.iter().all(|(_, state, _)| state == "delivered"));
}

#[tokio::test]
async fn two_endpoints_of_one_name_are_refused() {
    let dir = Dir::new();
    let endpoints = vec![
        endpoint("app", "http://127.0.0.1:1/"),
        endpoint("app", "http://127.0.0.1:2/"),
    ];
    let bench = start(&dir, vec![]);
    let config = DeliverConfig {
        endpoints: endpoints.clone(),
        timeout_ms: DEFAULT_TIMEOUT,
        outbox: OutboxConfig::default(),
        seed: 7,
    };
    let refused = Delivery::new(
        config,
        &Inlet::new(&endpoints),
        bench.store.handle(),
        clock(),
    );
    assert!(matches!(refused.err(), Some(EndpointError::Twice(name)) if name == "app"));
    bench.stop().await;
}

#[tokio::test]
async fn what_is_posted_after_a_new_secret_is_signed_with_it_and_nothing_is_lost() {
    let dir = Dir::new();
    let mut server = Server::start(&[]).await;
    let bench = start(&dir, vec![endpoint("app", &server.url)]);
    bench.append_life("SE_a");
    let signed = |request: &Request, secret: &str| {
        let header = |name: &str| request.headers[name].as_str();
        let timestamp = header("webhook-timestamp").parse().unwrap();
        let expected = Secret::parse(secret).unwrap();
        let expected = expected.headers(header("webhook-id"), timestamp, &request.body);
        header("webhook-signature") == expected.signature
    };
    for _ in 0..7 {
        assert!(signed(&server.request().await, SECRET));
    }
    let next = "whsec_cmVhbC1jbGllbnRzLW9mLWJlaXN0YW5kLTIwMjYtMTE=";
    bench.change(&[Endpoint {
        secret: next.to_owned(),
        ..endpoint("app", &server.url)
    }]);
    // The change is taken before what is pending after it.
    bench.append_life("SE_b");
    for _ in 0..7 {
        assert!(signed(&server.request().await, next));
    }
    assert_eq!(bench.stop().await.ok.load(Relaxed), 14);
}

#[tokio::test]
async fn a_new_endpoint_gets_events_from_then_on_and_a_removed_one_has_dead_letters() {
    let dir = Dir::new();
    let mut old = Server::start(&[Answer::Silence]).await;
    let mut new = Server::start(&[]).await;
    let bench = start(&dir, vec![endpoint("old", &old.url)]);
    bench.append_life("SE_a");
    assert_eq!(old.ids(1).await, evt(&[1]));
    bench.change(&[endpoint("new", &new.url)]);
    until("they are dead letters", || {
        bench.stats.dead.load(Relaxed) == 7
    })
    .await;
    bench.append_life("SE_b");
    let ids: Vec<String> = (1..=7).map(|n| format!("evt_b_{n}")).collect();
    assert_eq!(new.ids(7).await, ids);
    bench.stop().await;
    assert!(old.requests.try_recv().is_err(), "nothing more");
    let states: Vec<String> = states(&dir)
        .into_iter()
        .map(|(_, state, _)| state)
        .collect();
    let expected = [vec!["delivered"; 7], vec!["dead"; 7]].concat();
    assert_eq!(states, expected);
}

#[tokio::test]
async fn rows_of_an_endpoint_that_was_removed_while_the_node_was_down_are_dead_letters_at_its_start()
 {
    let dir = Dir::new();
    let mut old = Server::start(&[Answer::Silence]).await;
    let bench = start(&dir, vec![endpoint("old", &old.url)]);
    bench.append_life("SE_a");
    assert_eq!(old.ids(1).await, evt(&[1]));
    bench.stop().await;
    let bench = start(&dir, vec![]);
    until("they are dead letters", || {
        bench.stats.dead.load(Relaxed) == 7
    })
    .await;
    bench.stop().await;
    assert!(states(&dir).iter().all(|(_, state, _)| state == "dead"));
}

#[tokio::test]
async fn a_date_and_seconds_to_wait_hold_for_all_sessions_of_an_endpoint() {
    let far = "retry-after: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
    for header in [far, "retry-after: 3600\r\n"] {
        let dir = Dir::new();
        let mut server = Server::start(&[Answer::Code(503, header); 16]).await;
        let bench = start(&dir, vec![endpoint("app", &server.url)]);
        let began = clock_ms(&bench);
        bench.append_life("SE_0");
        server.ids(1).await;
        until("it waits", || bench.stats.server_error.load(Relaxed) == 1).await;
        (1..40).for_each(|n| bench.append_life(&format!("SE_{n}")));
        server.ids(15).await;
        let took = clock_ms(&bench) - began;
        assert!(
            took >= 15 * 40,
            "a rest of 40 ms, which is the longest here, before each: {took} ms"
        );
        bench.stop().await;
    }
}

fn clock_ms(bench: &Bench) -> u64 {
    (bench.clock)().mono.millis().0
}

/// Waits until something holds that is counted by the delivery.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let looks = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(PATIENCE, looks).await.is_ok(), "{what}");
}
