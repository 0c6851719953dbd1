//! Keys before a ledger in memory: prompt, late, silent, full; and whose they are.

use super::*;
use crate::api::events::ApiEvent;
use crate::api::idempotency::fixture::{Book, Disk, Noted, gate, repeats};
use crate::api::ports::ledger::request_key;
use crate::base::{Identity, ProjectId, RoomKey};
use crate::node::Settings;
use axum::Json;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::oneshot;

/// The machinery, what it is given, and what it tells.
struct Bench {
    book: Arc<Book>,
    repeats: Arc<Repeats>,
    noted: Noted,
    /// How often the work was done.
    done: Arc<AtomicU64>,
}

impl Bench {
    fn new(disk: Disk) -> Bench {
        let book = Book::new(disk);
        let settings = Settings {
            keys: Arc::default(),
            policies: Arc::default(),
        };
        let (repeats, noted) = repeats(&book, gate(settings));
        Bench {
            book,
            repeats,
            noted,
            done: Arc::default(),
        }
    }

    fn once(&self, key: Option<&str>, path: &str) -> Once {
        let key = key.map(|key| ("Idempotency-Key".parse().unwrap(), key.parse().unwrap()));
        Once {
            repeats: self.repeats.clone(),
            headers: HeaderMap::from_iter(key),
            method: "POST".to_owned(),
            path: path.to_owned(),
        }
    }

    /// Work whose answer names its number.
    fn work(&self) -> impl Future<Output = Result<Json<Value>, Problem>> + Send + use<> {
        let done = self.done.clone();
        async move { Ok(Json(json!({"number": done.fetch_add(1, Relaxed) + 1}))) }
    }

    /// Asks for that.
    async fn ask(&self, asker: Asker, key: Option<&str>, (path, body): (&str, Value)) -> Told {
        let once = self.once(key, path);
        let answer = once.answer(asker, &body, self.work()).await;
        answer.map_or_else(|problem| Told::refused(&problem), Told::Answer)
    }

    async fn end(&self, key: Option<&str>) -> Told {
        self.ask(
            Asker::test_app(None),
            key,
            ("/v1/sessions/SE_a/end", Value::Null),
        )
        .await
    }

    fn noted(&self) -> Vec<ApiEvent> {
        std::mem::take(&mut *self.noted.lock().unwrap())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Answer(Answer),
    /// Status, and whether it says when to come back.
    Refused(u16, bool),
}

impl Told {
    fn refused(problem: &Problem) -> Told {
        let response = problem.clone().into_response();
        let again = response.headers().contains_key(header::RETRY_AFTER);
        Told::Refused(response.status().as_u16(), again)
    }

    fn number(&self) -> u64 {
        let Told::Answer(answer) = self else {
            panic!("refused: {self:?}")
        };
        let body: Value = answer.json().unwrap();
        body["number"].as_u64().unwrap()
    }
}

const fn noted(repeated: Repeated) -> [ApiEvent; 1] {
    [ApiEvent::Repeat(repeated)]
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_without_a_key_everything_is_done_again() {
    let bench = Bench::new(Disk::Prompt);
    let first = bench.end(Some("once")).await;
    assert_eq!((first.number(), bench.noted()), (1, vec![]));
    assert_eq!(bench.end(Some("once")).await, first);
    assert_eq!(bench.noted(), noted(Repeated::Answered));
    let others = [Some("twice"), None, None].map(|key| (key, bench.done.clone()));
    for (expected, (key, _)) in others.into_iter().enumerate() {
        let told = bench.end(key).await;
        assert_eq!(told.number(), expected as u64 + 2, "{key:?}");
    }
    assert_eq!(bench.book.kept.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_key_is_of_one_request_whose_path_and_body_are_the_same() {
    let bench = Bench::new(Disk::Prompt);
    let (end, body) = ("/v1/sessions/SE_a/end", json!({"a": 1, "b": 2}));
    let app = || Asker::test_app(None);
    let first = bench.ask(app(), Some("k"), (end, body.clone())).await;
    for (path, asked, same) in [
        (end, body.clone(), true),
        (end, json!({"b": 2, "a": 1}), true),
        (end, json!({"a": 1}), false),
        (end, Value::Null, false),
        ("/v1/sessions/SE_b/end", body.clone(), false),
        ("/v1/sessions/SE_a/pause", body, false),
    ] {
        let told = bench.ask(app(), Some("k"), (path, asked.clone())).await;
        let (expected, event) = if same {
            (first.clone(), Repeated::Answered)
        } else {
            (Told::Refused(422, false), Repeated::Otherwise)
        };
        assert_eq!(
            (told, bench.noted()),
            (expected, noted(event).to_vec()),
            "{path} {asked}"
        );
    }
    assert_eq!(bench.done.load(Relaxed), 1);
}

#[tokio::test]
async fn a_key_that_made_a_booking_does_nothing_else() {
    let bench = Bench::new(Disk::Prompt);
    let name = request_key(&ProjectId::default(), "booking");
    bench.book.booked.lock().unwrap().insert(name);
    assert_eq!(bench.end(Some("booking")).await, Told::Refused(422, false));
    assert_eq!(bench.done.load(Relaxed), 0);
}

#[tokio::test]
async fn while_the_first_is_under_way_a_repeat_is_to_come_back_and_so_is_a_booking() {
    let bench = Bench::new(Disk::Prompt);
    let (go, gate) = oneshot::channel::<()>();
    let once = bench.once(Some("k"), "/v1/sessions/SE_a/end");
    let work = async move {
        gate.await.unwrap();
        Ok::<_, Problem>(Json(json!({"number": 7})))
    };
    let first = once.answer(Asker::test_app(None), &Value::Null, work);
    let mut first = Box::pin(first);
    assert!(waits(&mut first).await, "it waits for its work");
    assert_eq!(bench.end(Some("k")).await, Told::Refused(409, true));
    assert_eq!(bench.noted(), noted(Repeated::UnderWay));
    // A booking takes its turn at the same place.
    let name = request_key(&ProjectId::default(), "k");
    assert!(bench.repeats.turn(&name).is_err());
    // The caller goes away, the work goes on.
    drop(first);
    go.send(()).unwrap();
    let told = bench.settled("k").await;
    assert_eq!((told.number(), bench.done.load(Relaxed)), (7, 0));
}

#[tokio::test]
async fn a_refusal_is_not_kept_and_the_key_may_succeed_later() {
    let bench = Bench::new(Disk::Prompt);
    for refusal in [
        Problem::conflict("no", None),
        Problem::unavailable("not now"),
    ] {
        let expected = Told::refused(&refusal);
        let once = bench.once(Some("k"), "/v1/sessions/SE_a/end");
        let work = async move { Err::<Json<Value>, _>(refusal) };
        let told = once.answer(Asker::test_app(None), &Value::Null, work).await;
        assert_eq!(Told::refused(&told.unwrap_err()), expected);
    }
    assert_eq!(bench.end(Some("k")).await.number(), 1);
}

#[tokio::test]
async fn what_is_not_kept_in_time_is_503_and_the_key_stays_taken_until_it_is() {
    let bench = Bench::new(Disk::Late);
    assert_eq!(bench.end(Some("k")).await, Told::Refused(503, true));
    assert_eq!(bench.end(Some("k")).await, Told::Refused(409, true));
    bench.book.catch_up();
    let told = bench.settled("k").await;
    assert_eq!((told.number(), bench.done.load(Relaxed)), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_kept_is_503_and_says_that_it_may_have_been_done() {
    for disk in [Disk::Silent, Disk::Full] {
        let bench = Bench::new(disk);
        let once = bench.once(Some("k"), "/v1/sessions/SE_a/end");
        let told = once
            .answer(Asker::test_app(None), &Value::Null, bench.work())
            .await;
        let problem = told.unwrap_err();
        assert_eq!(
            Told::refused(&problem),
            Told::Refused(503, true),
            "{disk:?}"
        );
        let text = serde_json::to_string(&problem).unwrap();
        assert!(text.contains("may have been done"), "{disk:?}: {text}");
        assert_eq!(bench.done.load(Relaxed), 1, "{disk:?}");
        // The key is free again.
        bench.book.catch_up();
        assert_eq!(bench.end(Some("k")).await.number(), 2, "{disk:?}");
    }
}

#[tokio::test]
async fn an_answer_too_long_to_be_kept_is_sent_once_and_what_was_asked_is_not_done_again() {
    for (bytes, kept) in [(KEPT_BYTES - 2, true), (KEPT_BYTES - 1, false)] {
        let bench = Bench::new(Disk::Prompt);
        let once = bench.once(Some("k"), "/v1/sessions/SE_a/end");
        let long = "x".repeat(bytes);
        let work = async move { Ok::<_, Problem>(Json(json!(long))) };
        let first = once
            .answer(Asker::test_app(None), &Value::Null, work)
            .await
            .unwrap();
        assert_eq!(first.body.as_ref().unwrap().len(), bytes + 2);
        let again = bench.end(Some("k")).await;
        let expected = if kept {
            Told::Answer(first)
        } else {
            Told::Refused(409, false)
        };
        assert_eq!(again, expected, "{bytes}");
        assert_eq!(bench.done.load(Relaxed), 0);
    }
}

#[tokio::test]
async fn beyond_a_number_of_keys_or_bytes_of_a_day_a_new_key_is_refused_and_an_old_one_is_not() {
    let room = RoomKey::of_keys("lesson");
    let karl = Asker::participant(&room, &Identity::from("karl"));
    for (asker, most) in [
        (Asker::test_app(None), 100_000),
        (Asker::test_app(Some("lesson")), 2_000),
        (karl, 100),
    ] {
        let bench = Bench::new(Disk::Prompt);
        let asked = || ("/v1/preflights", Value::Null);
        let old = bench.ask(asker.clone(), Some("old"), asked()).await;
        for (keys, bytes, room) in [
            (most - 1, most * 4096 - 1, true),
            (most, 0, false),
            (0, most * 4096, false),
        ] {
            *bench.book.others.lock().unwrap() = (keys, bytes);
            let key = format!("{keys}-{bytes}");
            let told = bench.ask(asker.clone(), Some(&key), asked()).await;
            let refused = told == Told::Refused(429, true);
            assert_eq!(refused, !room, "{asker:?} {key}: {told:?}");
            let events = if room {
                vec![]
            } else {
                noted(Repeated::TooMany).to_vec()
            };
            assert_eq!(bench.noted(), events);
            assert_eq!(bench.ask(asker.clone(), Some("old"), asked()).await, old);
            bench.noted();
            assert!(bench.ask(asker.clone(), None, asked()).await.number() > 1);
        }
    }
}

#[tokio::test]
async fn who_speaks_in_their_own_name_has_keys_of_their_own() {
    let [lesson, other] = ["lesson", "other"].map(RoomKey::of_keys);
    let acme = RoomKey::new(&ProjectId::from("acme"), "lesson");
    let person = |room: &RoomKey, who: &str| Asker::participant(room, &Identity::from(who));
    let bench = Bench::new(Disk::Prompt);
    let asked = || ("/v1/sessions/SE_a/consent", json!({"given": true}));
    let app = bench.ask(Asker::test_app(None), Some("k"), asked()).await;
    // Another app of the project, though its token is for one room.
    let again = bench
        .ask(Asker::test_app(Some("lesson")), Some("k"), asked())
        .await;
    assert_eq!(again, app);
    let mut numbers = BTreeSet::from([app.number()]);
    let people = [
        person(&lesson, "karl"),
        person(&lesson, "erika"),
        person(&other, "karl"),
        person(&acme, "karl"),
        // Names that look like two.
        person(&lesson, "karl\",\"x"),
        person(&lesson, ""),
    ];
    for asker in &people {
        let told = bench.ask(asker.clone(), Some("k"), asked()).await;
        assert!(
            numbers.insert(told.number()),
            "{asker:?} got another's answer"
        );
        let again = bench.ask(asker.clone(), Some("k"), asked()).await;
        assert_eq!(again, told, "{asker:?}");
    }
    let payers: BTreeSet<(String, String)> = (people.iter())
        .map(|asker| (asker.project.to_string(), asker.payer()))
        .collect();
    assert_eq!(payers.len(), people.len());
}

#[tokio::test]
async fn an_answer_is_the_same_from_the_first_byte_to_the_last() {
    let location = [(header::LOCATION, "/v1/x")];
    let made = (StatusCode::CREATED, location, Json(json!({"a": "ü"}))).into_response();
    let kept = answer(made).await.unwrap();
    let again = answer(kept.clone().into_response()).await.unwrap();
    assert_eq!(kept, again);
    let expected = Answer {
        status: 201,
        media_type: Some("application/json".to_owned()),
        location: Some("/v1/x".to_owned()),
        body: Some("{\"a\":\"ü\"}".to_owned()),
    };
    assert_eq!(kept, expected);
}

impl Bench {
    /// What a repeat is answered once the key is free.
    async fn settled(&self, key: &str) -> Told {
        let name = request_key(&ProjectId::default(), key);
        while self.repeats.asking.lock().unwrap().contains(&name) {
            tokio::task::yield_now().await;
        }
        self.end(Some(key)).await
    }
}

/// Polls until it waits for something that only we can give. False if it is ready before.
async fn waits<F: Future + Unpin>(future: &mut F) -> bool {
    for _ in 0..1_000 {
        let ready = std::future::poll_fn(|context| {
            let polled = std::pin::Pin::new(&mut *future).poll(context);
            std::task::Poll::Ready(polled.is_ready())
        });
        if ready.await {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}
