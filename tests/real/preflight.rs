//! Preflights over links of a known rate, from the command line and from the page; and doors that
//! ask for a verdict.

use crate::doors::get;
use crate::driver::{Sdk, run, tokens};
use crate::node::{Node, beistand};
use crate::proxy::{Proxy, Shape};
use crate::{place, turn, wait};
use serde_json::{Value, json};
use std::thread;

/// The floor of the default policy, and what is measured at most.
const FLOOR_BPS: u64 = 1_000_000;
const MOST_BPS: u64 = 1_500_000;
/// What a measured rate may be off, in percent.
const OFF_PERCENT: u64 = 15;
/// Runs of each link, unless `cargo xtask preflight --runs N` asks for more.
const RUNS: usize = 3;
/// `beistand preflight`: the link is below the floor.
const BELOW: i32 = 3;
/// A link that is no limit.
const FAST: Shape = Shape {
    rate_bps: Some(20_000_000),
    queue_ms: 300,
    delay_ms: 5,
    jitter_ms: 0,
    loss_permille: 0,
};

/// A link with a bottleneck in one direction.
#[derive(Clone, Copy, Debug)]
struct Narrow {
    up: bool,
    bps: u64,
}

impl Narrow {
    const ALL: [Narrow; 8] = {
        const fn narrow(up: bool, bps: u64) -> Narrow {
            Narrow { up, bps }
        }
        [
            narrow(true, 300_000),
            narrow(true, 800_000),
            narrow(true, 1_200_000),
            narrow(true, 3_000_000),
            narrow(false, 300_000),
            narrow(false, 800_000),
            narrow(false, 1_200_000),
            narrow(false, 3_000_000),
        ]
    };

    fn name(self) -> &'static str {
        if self.up { "up" } else { "down" }
    }

    /// A node whose clients come over this link.
    fn node(self, seed: u64) -> (Proxy, Node) {
        let proxy = Proxy::start(seed);
        let node = Node::behind(&proxy, &[]);
        let link = proxy.assign("link");
        let narrow = Shape {
            rate_bps: Some(self.bps),
            ..FAST
        };
        link.set_up(if self.up { narrow } else { FAST });
        link.set_down(if self.up { FAST } else { narrow });
        (proxy, node)
    }

    /// What is wrong with this verdict of a link like this one; none if nothing is.
    fn wrong(self, verdict: &Value) -> Option<String> {
        // The other direction is as wide as can be; of it whole percents count.
        let narrow = self.bps.min(MOST_BPS);
        let (what, other) = if self.up {
            ("up_bps", "down_bps")
        } else {
            ("down_bps", "up_bps")
        };
        let measured = |what: &str| verdict[what].as_u64().unwrap_or(0);
        let off = (measured(what).abs_diff(narrow) * 100 > narrow * OFF_PERCENT)
            .then(|| format!("{what} is {}, not {narrow}", measured(what)));
        let slow = (measured(other).abs_diff(MOST_BPS) * 100 / MOST_BPS > OFF_PERCENT)
            .then(|| format!("{other} is {}, not {MOST_BPS}", measured(other)));
        let passed = verdict["passed"] == json!(self.bps >= FLOOR_BPS);
        let judged = (!passed).then(|| format!("passed is {}", verdict["passed"]));
        off.or(slow).or(judged)
    }
}

/// One measurement by our own client: its exit code and its report.
fn measure(node: &Node, token: &str) -> (Option<i32>, Value) {
    let url = node.ws_url();
    let arguments = ["preflight", "--url", &url, "--token", token, "--json"];
    let output = beistand(&arguments).output().expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no report: {output:?}"));
    (output.status.code(), report)
}

fn token_for(room: &str) -> String {
    tokens(Sdk::Python, room, &[("karl", "customer")]).remove(0)
}

fn runs() -> usize {
    let wanted = std::env::var("BEISTAND_PREFLIGHT_RUNS").ok();
    wanted.map_or(RUNS, |runs| runs.parse().expect("a number of runs"))
}

/// All runs over one link: the verdicts, and what is wrong with which.
fn watch(narrow: Narrow, seed: u64, token: &str, runs: usize) -> (Vec<Value>, Vec<String>) {
    let (_proxy, node) = narrow.node(seed);
    let (mut verdicts, mut wrong) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let (exit, verdict) = measure(&node, token);
        let code = if narrow.bps >= FLOOR_BPS { 0 } else { BELOW };
        let found = narrow.wrong(&verdict);
        let found = found.or((exit != Some(code)).then(|| format!("exit code {exit:?}")));
        wrong.extend(found.map(|what| format!("{narrow:?}, run {run}: {what}: {verdict}")));
        verdicts.push(verdict);
    }
    (verdicts, wrong)
}

fn row(narrow: Narrow, verdicts: &[Value], wrong: usize) -> String {
    let of =
        |what: &str| -> Vec<u64> { verdicts.iter().filter_map(|v| v[what].as_u64()).collect() };
    let span = |what: &str| {
        let all = of(what);
        let ends = (all.iter().min(), all.iter().max());
        format!("{:>9}-{:<9}", ends.0.unwrap_or(&0), ends.1.unwrap_or(&0))
    };
    format!(
        "{:>4} {:>9} {} {} {:>3} of {}",
        narrow.name(),
        narrow.bps,
        span("up_bps"),
        span("down_bps"),
        verdicts.len() - wrong,
        verdicts.len()
    )
}

#[test]
fn each_direction_of_a_link_is_measured_within_15_percent_and_judged_right() {
    let _turn = turn::shared();
    let (token, runs) = (token_for("measured"), runs());
    let token = token.as_str();
    let found: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = Narrow::ALL
            .into_iter()
            .zip(1..)
            .map(|(narrow, seed)| {
                (
                    narrow,
                    scope.spawn(move || watch(narrow, seed, token, runs)),
                )
            })
            .collect();
        let ended = started.into_iter();
        ended
            .map(|(narrow, run)| (narrow, run.join().expect("a link is measured")))
            .collect()
    });
    println!("link  bit/s      up, least-most      down, least-most     right");
    let mut all_wrong = Vec::new();
    for (narrow, (verdicts, wrong)) in found {
        println!("{}", row(narrow, &verdicts, wrong.len()));
        all_wrong.extend(wrong);
    }
    assert!(all_wrong.is_empty(), "{}", all_wrong.join("\n"));
}

/// What the driver of a browser says.
fn browse(node: &Node, token: &str, what: &str) -> Value {
    place::chromium();
    let spec = json!({"url": node.url(), "token": token, "do": what});
    run("preflight.mjs", &place::node_js(), &spec.to_string())[0].clone()
}

#[test]
fn the_page_measures_as_the_command_line_does() {
    let _turn = turn::shared();
    let token = token_for("page");
    for (up, bps) in [
        (true, 300_000),
        (true, 800_000),
        (true, 1_200_000),
        (false, 800_000),
        (false, 3_000_000),
    ] {
        let narrow = Narrow { up, bps };
        let (_proxy, node) = narrow.node(bps);
        let verdict = browse(&node, &token, "measure")["verdict"].take();
        println!("{narrow:?}: {verdict}");
        assert_eq!(narrow.wrong(&verdict), None, "{narrow:?}: {verdict}");
    }
}

/// How a stock client fares at the door: `None` if it is in, else what it is told.
fn told(answer: &Value) -> Option<String> {
    let words = answer["error"].as_str().map(str::to_owned);
    assert_eq!(words.is_none(), answer["joined"] == true, "{answer}");
    words
}

fn knock_in_python(node: &Node, token: &str) -> Option<String> {
    let spec = json!({"url": node.ws_url(), "token": token});
    told(&run("knock.py", &place::python(), &spec.to_string())[0])
}

fn knock_in_javascript(node: &Node, token: &str) -> Option<String> {
    told(&browse(node, token, "connect"))
}

#[test]
fn where_a_verdict_is_required_stock_clients_are_refused_with_the_reason_and_join_with_one() {
    let _turn = turn::shared();
    let proxy = Proxy::start(9);
    let mut node = Node::requiring_verdicts(&proxy);
    let link = proxy.assign("link");
    for (name, knock) in [
        (
            "python",
            knock_in_python as fn(&Node, &str) -> Option<String>,
        ),
        ("javascript", knock_in_javascript),
    ] {
        let token = token_for(name);
        let words = knock(&node, &token).unwrap_or_else(|| panic!("{name} is in"));
        assert!(
            words.contains("no preflight of the last 10 minutes"),
            "{name}: {words}"
        );
        assert!(words.contains("beistand preflight"), "{name}: {words}");
        link.set_up(Shape::rate(800_000));
        assert_eq!(measure(&node, &token).0, Some(BELOW), "{name}");
        let words = knock(&node, &token).unwrap_or_else(|| panic!("{name} is in"));
        assert!(words.contains("too slow"), "{name}: {words}");
        assert!(
            words.contains("needed are 1.00 Mbit/s up"),
            "{name}: {words}"
        );
        link.set_up(Shape::default());
        assert_eq!(measure(&node, &token).0, Some(0), "{name}");
        assert_eq!(knock(&node, &token), None, "{name}");
    }
    let watcher = tokens(Sdk::Python, "python", &[("olga", "observer")]);
    assert_eq!(knock_in_python(&node, &watcher[0]), None);
    for room in ["python", "javascript"] {
        the_record_has_the_verdict(&node, room);
    }
    // The verdicts went with the process, and the session did not: it goes on for whoever it had.
    node.restart();
    assert_eq!(validate(&node, "javascript").0, 200);
    let (status, words) = validate(&node, "another");
    assert_eq!(status, 403, "{words}");
    assert!(
        words.contains("no preflight of the last 10 minutes"),
        "{words}"
    );
}

fn validate(node: &Node, room: &str) -> (u16, String) {
    let token = token_for(room);
    get(&node.http, &format!("/rtc/validate?access_token={token}"))
}

fn the_record_has_the_verdict(node: &Node, room: &str) {
    let verdict = wait::until("the verdict is in the record", wait::PATIENCE, || {
        let sessions = node.usage();
        let session = sessions.iter().find(|session| session["room"] == room);
        let found = session.map(|session| session["participants"]["karl"]["preflight"].clone());
        found
            .filter(Value::is_object)
            .ok_or_else(|| json!(sessions).to_string())
    });
    assert_eq!(verdict["passed"], true, "{verdict}");
    assert_eq!(verdict["up_floor_bps"], FLOOR_BPS, "{verdict}");
}
