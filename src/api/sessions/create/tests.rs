//! One `Idempotency-Key`, one booking: whatever the ledger does, and whoever hangs up.

use super::*;
use crate::api::events::Counters;
use crate::api::gate::{Gate, Rules};
use crate::api::idempotency::repeats::Repeats;
use crate::api::limits::{Limits, PreflightLimits, Rate};
use crate::api::lost_sessions::LostSession;
use crate::api::ports::ledger::{Ledger, Work};
use crate::api::sessions::links::JoinLinks;
use crate::base::{GrantKey, Inherited, Millis, Mono, NodeId, Now, Rng};
use crate::node::{Capacity, Continued, Control, Settings};
use crate::peer::signal::token::{Claims, Keys};
use crate::session::{Policies, Policy};
use crate::usage::SessionFacts;
use crate::usage::ledger::fixture::facts;
use serde_json::json;
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

const KEY: &str = "order-7";
/// Longer than any test.
const LONG: Duration = Duration::from_secs(3_600);
/// Ends a test that waits in vain.
const DEADLINE: Duration = Duration::from_secs(20);

/// What the writer does with a booking.
#[derive(Clone, Copy)]
enum Writer {
    Writes,
    Waits,
    HasNoPlace,
}

/// A booking that the writer has and the disk has not.
type Sent = (Booking, Option<Request>, oneshot::Sender<()>);

/// A disk, and the writer before it.
struct Disk {
    writer: Mutex<Writer>,
    sent: Mutex<Vec<Sent>>,
    /// How many came to the writer.
    bookings: Mutex<u32>,
    written: Mutex<BTreeMap<String, (String, Booking)>>,
}

impl Disk {
    fn new(writer: Writer) -> Arc<Disk> {
        Arc::new(Disk {
            writer: Mutex::new(writer),
            sent: Mutex::default(),
            bookings: Mutex::default(),
            written: Mutex::default(),
        })
    }

    fn write(&self, work: Work) -> Option<oneshot::Receiver<()>> {
        let Work::Book(booking, request) = work else {
            panic!("only bookings are written here: {work:?}");
        };
        let writer = *lock(&self.writer);
        if matches!(writer, Writer::HasNoPlace) {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        *lock(&self.bookings) += 1;
        lock(&self.sent).push((*booking, request, answer));
        if matches!(writer, Writer::Writes) {
            self.commit();
        }
        Some(answered)
    }

    /// What the writer has comes to the disk.
    fn commit(&self) {
        for (booking, request, answer) in std::mem::take(&mut *lock(&self.sent)) {
            if let Some(Request { key, digest }) = request {
                lock(&self.written).insert(key, (digest, booking));
            }
            // Whoever asked may have gone.
            let _ = answer.send(());
        }
    }

    fn ledger(disk: &Arc<Disk>, patience: Duration) -> Ledger {
        let [writes, reads] = [disk.clone(), disk.clone()];
        Ledger {
            write: Box::new(move |work| writes.write(work)),
            session: Box::new(|_| Ok(None)),
            sessions: Box::new(|_| Ok(Vec::new())),
            request: Box::new(move |key| Ok(lock(&reads.written).get(&key.asked).cloned())),
            answer: Box::new(|_| Ok(KeyFound::Free { keys: 0, bytes: 0 })),
            patience,
        }
    }
}

/// An answer, as an app reads it.
#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    retry_after: bool,
    body: Value,
}

impl Told {
    fn session(&self) -> &str {
        assert_eq!(self.status, 201, "{self:?}");
        self.body["id"].as_str().unwrap()
    }

    /// Not now; nothing is said to be in the way.
    fn is_under_way(&self) -> bool {
        let words = self.body["detail"].as_str().unwrap_or_default();
        let says = words.contains("with this Idempotency-Key is under way");
        self.status == 409 && self.retry_after && says && self.body.get("session").is_none()
    }
}

/// Where sessions are booked, and the disk behind it.
#[derive(Clone)]
struct Bench {
    bookings: Arc<Bookings>,
    disk: Arc<Disk>,
}

impl Bench {
    fn new(writer: Writer, patience: Duration) -> Bench {
        let disk = Disk::new(writer);
        let secret = "a secret of at least thirty-two bytes";
        let settings = Settings {
            keys: Arc::new(Keys::new([("key", secret)]).unwrap()),
            policies: Arc::new(Policies::of_keys(
                [("default".to_owned(), Policy::default())].into(),
            )),
        };
        let clock = Arc::new(now);
        let rules = Rules {
            limits: limits(),
            preflights: PreflightLimits {
                at_once: 1,
                per_address: 1,
            },
            is_trusted: Box::new(|_| false),
            public_url: None,
            embed_origins: Vec::new(),
        };
        let gate = Arc::new(Gate::new(settings, rules, clock));
        let capacity = Capacity {
            max_sessions: 100,
            egress_bps: 0,
            max_cpu: 100,
        };
        let ledger = Arc::new(Disk::ledger(&disk, patience));
        let bookings = Bookings {
            gate: gate.clone(),
            control: Arc::new(Mutex::new(Control::new(1, capacity))),
            lost: Arc::default(),
            ledger: ledger.clone(),
            links: Arc::new(JoinLinks::new(gate.clone())),
            node: NodeId::from("ND_1"),
            rng: Mutex::new(Rng::from_seed(7)),
            repeats: Arc::new(Repeats {
                gate,
                ledger,
                counters: Arc::new(Counters::new(|_| ())),
                asking: Mutex::default(),
            }),
        };
        Bench {
            bookings: Arc::new(bookings),
            disk,
        }
    }

    async fn ask(&self, key: &str, body: &Value) -> Told {
        let mut claims = Claims::new("key", "app", now().unix);
        claims.video.room_create = Some(true);
        let caller = Caller { claims, now: now() };
        let mut headers = HeaderMap::new();
        headers.insert(KEY_HEADER, key.parse().unwrap());
        let asked = create(
            State(self.bookings.clone()),
            caller,
            Reached("http://node".to_owned()),
            headers,
            Json(body.clone()),
        );
        let response = timeout(DEADLINE, asked)
            .await
            .expect("an answer")
            .into_response();
        let status = response.status().as_u16();
        let retry_after = response.headers().contains_key(header::RETRY_AFTER);
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        Told {
            status,
            retry_after,
            body: serde_json::from_slice(&bytes.unwrap()).unwrap(),
        }
    }

    /// Goes on with a request until the writer has its booking, which is not on disk.
    async fn sent(&self, request: &mut Pin<&mut impl Future<Output = Told>>) {
        let has_come = async {
            while lock(&self.disk.sent).is_empty() {
                yield_now().await;
            }
        };
        tokio::select! {
            told = request => panic!("nothing is on disk yet: {told:?}"),
            () = has_come => {}
        }
    }

    /// What was sent is on disk, and those who wait for it know.
    async fn commit(&self) {
        self.disk.commit();
        everyone_goes_on().await;
    }

    /// Bookings that came to the writer.
    fn booked(&self) -> u32 {
        *lock(&self.disk.bookings)
    }

    /// Sessions that are booked, as the node has them.
    fn known(&self) -> u64 {
        lock(&self.bookings.control).reserved().bookings
    }
}

const KEY_HEADER: &str = "idempotency-key";

/// Whoever has something to do does it.
async fn everyone_goes_on() {
    for _ in 0..16 {
        yield_now().await;
    }
}

fn now() -> Now {
    Now {
        mono: Mono::ZERO,
        unix: Unix(1_800_000_000_000),
    }
}

fn limits() -> Limits {
    let rate = Rate {
        per_s: 100,
        burst: 100,
    };
    Limits {
        connections: 1,
        connections_per_address: 1,
        joins: rate,
        requests: rate,
        messages: rate,
        message_bytes: 1,
        queue_bytes: 1,
        handshake: LONG,
    }
}

/// The two kinds of a body: one is given a room, the other names it.
fn bodies() -> [Value; 2] {
    let people = json!([{"identity": "erika", "role": "expert"}]);
    [
        json!({"external_ref": KEY, "participants": people}),
        json!({"external_ref": KEY, "participants": people, "room": "lesson"}),
    ]
}

fn another_body() -> Value {
    json!({"external_ref": "order-8"})
}

#[tokio::test]
async fn a_repeat_waits_for_the_first_and_then_gets_its_answer() {
    for body in bodies() {
        let bench = Bench::new(Writer::Waits, LONG);
        let mut first = pin!(bench.ask(KEY, &body));
        bench.sent(&mut first).await;
        for repeated in [&body, &another_body()] {
            let told = bench.ask(KEY, repeated).await;
            assert!(told.is_under_way(), "{told:?}");
        }
        bench.commit().await;
        let first = first.await;
        assert_eq!(first.status, 201, "{first:?}");
        // Byte for byte: the tokens as well.
        assert_eq!(bench.ask(KEY, &body).await, first);
        assert_eq!((bench.booked(), bench.known()), (1, 1), "{body}");
    }
}

#[tokio::test]
async fn a_key_is_good_for_one_body_alone() {
    for body in bodies() {
        let bench = Bench::new(Writer::Writes, LONG);
        assert_eq!(bench.ask(KEY, &body).await.status, 201);
        let told = bench.ask(KEY, &another_body()).await;
        assert_eq!(told.status, 422, "{told:?}");
        assert_eq!(told.body["field"], "Idempotency-Key", "{told:?}");
        let other = bench.ask("order-8", &another_body()).await;
        assert_eq!(other.status, 201, "{other:?}");
        assert_eq!(bench.booked(), 2);
    }
}

#[tokio::test]
async fn what_a_silent_ledger_writes_later_is_the_answer_to_the_repeat() {
    for body in bodies() {
        let bench = Bench::new(Writer::Waits, Duration::ZERO);
        let first = bench.ask(KEY, &body).await;
        assert_eq!((first.status, first.retry_after), (503, true), "{first:?}");
        for _ in 0..3 {
            let told = bench.ask(KEY, &body).await;
            assert!(told.is_under_way(), "{told:?}");
        }
        let sent = lock(&bench.disk.sent)[0].0.session.to_string();
        bench.commit().await;
        for _ in 0..3 {
            assert_eq!(bench.ask(KEY, &body).await.session(), sent);
        }
        assert_eq!((bench.booked(), bench.known()), (1, 1), "{body}");
    }
}

#[tokio::test]
async fn whoever_hangs_up_and_asks_again_has_booked_once() {
    for body in bodies() {
        let bench = Bench::new(Writer::Waits, LONG);
        {
            let mut first = pin!(bench.ask(KEY, &body));
            bench.sent(&mut first).await;
        }
        everyone_goes_on().await;
        let told = bench.ask(KEY, &body).await;
        assert!(told.is_under_way(), "{told:?}");
        let sent = lock(&bench.disk.sent)[0].0.session.to_string();
        bench.commit().await;
        assert_eq!(bench.ask(KEY, &body).await.session(), sent);
        assert_eq!((bench.booked(), bench.known()), (1, 1), "{body}");
    }
}

#[tokio::test]
async fn what_the_writer_has_no_place_for_is_taken_back_and_the_repeat_books() {
    for body in bodies() {
        let bench = Bench::new(Writer::HasNoPlace, LONG);
        for _ in 0..2 {
            let told = bench.ask(KEY, &body).await;
            assert_eq!((told.status, told.retry_after), (503, true), "{told:?}");
            assert_eq!((bench.booked(), bench.known()), (0, 0), "{body}");
        }
        *lock(&bench.disk.writer) = Writer::Writes;
        let first = bench.ask(KEY, &body).await;
        assert_eq!(first.status, 201, "{first:?}");
        assert_eq!(bench.ask(KEY, &body).await, first);
        assert_eq!((bench.booked(), bench.known()), (1, 1), "{body}");
    }
}

#[tokio::test]
async fn a_key_is_free_again_when_its_request_was_refused() {
    let bench = Bench::new(Writer::Writes, LONG);
    for (wrong, status) in [
        (json!({"policy": "none"}), 422),
        (json!({"colour": "red"}), 422),
    ] {
        for _ in 0..2 {
            assert_eq!(bench.ask(KEY, &wrong).await.status, status, "{wrong}");
        }
    }
    let [_, named] = bodies();
    assert_eq!(bench.ask("order-8", &named).await.status, 201);
    let taken = bench.ask(KEY, &named).await;
    assert_eq!((taken.status, taken.retry_after), (409, false), "{taken:?}");
    assert_eq!(bench.ask(KEY, &another_body()).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_requests_with_one_key_at_one_time_one_books() {
    for body in bodies() {
        let bench = Bench::new(Writer::Writes, LONG);
        let mut requests = JoinSet::new();
        for _ in 0..32 {
            let (bench, body) = (bench.clone(), body.clone());
            requests.spawn(async move { bench.ask(KEY, &body).await });
        }
        let told = requests.join_all().await;
        let (booked, waits): (Vec<_>, Vec<_>) = told.iter().partition(|told| told.status == 201);
        assert!(waits.iter().all(|told| told.is_under_way()), "{waits:?}");
        let first = booked.first().expect("one of them books");
        assert!(booked.iter().all(|told| told == first), "{booked:?}");
        assert_eq!((bench.booked(), bench.known()), (1, 1), "{body}");
    }
}

#[tokio::test]
async fn a_repeat_is_answered_as_the_booking_was_whatever_was_added_since() {
    let bench = Bench::new(Writer::Writes, LONG);
    let body = json!({"room": "lesson", "overrides": {"duration": {"quota_s": 100}}});
    let first = bench.ask(KEY, &body).await;
    assert_eq!(
        first.body["policy"]["duration"]["quota_s"], 100,
        "{first:?}"
    );
    for (_, booking) in lock(&bench.disk.written).values_mut() {
        assert!(booking.grant(&GrantKey::of("more"), 7).is_ok());
    }
    assert_eq!(bench.ask(KEY, &body).await, first);
}

#[tokio::test]
async fn the_room_of_a_session_that_was_cut_off_is_not_booked_until_that_can_go_on_no_more() {
    let bench = Bench::new(Writer::Writes, LONG);
    let lost = |until: Mono| LostSession {
        session: Continued {
            facts: SessionFacts {
                room: RoomKey::of_keys("lesson"),
                ..facts("SE_lost")
            },
            inherited: Inherited::default(),
        },
        people: BTreeSet::new(),
        until,
    };
    let [free, named] = bodies();
    let room = RoomKey::of_keys("lesson");
    let until = now().mono + Millis(1);
    bench.bookings.lost.insert(room.clone(), lost(until));
    let taken = bench.ask(KEY, &named).await;
    assert_eq!(taken.status, 409, "{taken:?}");
    assert_eq!(taken.body["session"], "SE_lost");
    assert_eq!(bench.ask("order-8", &free).await.status, 201);
    bench.bookings.lost.insert(room, lost(now().mono));
    assert_eq!(bench.ask(KEY, &named).await.status, 201);
}
