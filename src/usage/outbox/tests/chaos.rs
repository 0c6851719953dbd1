//! Whatever endpoints answer and however the config changes: in the end all is delivered, in order.

use super::*;

const ENDPOINTS: [&str; 3] = ["a", "b", "c"];

fn outcome(rng: &mut Rng) -> Outcome {
    let retry_after = (rng.below(3) == 0).then(|| Millis::from_secs(rng.below(200)));
    match rng.below(8) {
        0 => Outcome::TimedOut,
        1 => Outcome::Network,
        2 | 3 => code(410),
        4 => code(400),
        5 | 6 => Outcome::Status {
            code: 503,
            retry_after,
        },
        _ => code(200),
    }
}

/// Some of the endpoints, some of them others than before under their names.
fn some(rng: &mut Rng) -> BTreeMap<Arc<str>, bool> {
    let named = ENDPOINTS.iter().filter_map(|name| {
        let (is_there, is_other) = (rng.below(4) > 0, rng.below(2) == 0);
        is_there.then(|| (Arc::from(*name), is_other))
    });
    named.collect()
}

/// What the store names after the config changed.
fn name_pending(bench: &mut Bench) {
    let left = bench.rows.iter().filter(|(_, rows)| !rows.is_empty());
    let lanes: Vec<Lane> = left.map(|(lane, _)| lane.clone()).collect();
    for lane in lanes {
        bench.outbox.handle_pending(lane);
    }
}

fn live(seed: u64) -> Bench {
    let mut rng = Rng::from_seed(seed);
    let config = OutboxConfig {
        per_endpoint: 2,
        in_all: 4,
        ..OutboxConfig::default()
    };
    let mut bench = Bench::new(config, &ENDPOINTS);
    for step in 0..200 {
        let endpoint = ENDPOINTS[usize::try_from(rng.below(3)).unwrap()];
        let lane = lane(endpoint, &format!("SE_{}", rng.below(6)));
        match rng.below(8) {
            0 | 1 => bench.answer(&lane, [outcome(&mut rng)]),
            2 if bench.rows.get(&lane).is_none_or(Vec::is_empty) => bench.pend(&lane, 3),
            3 if step % 5 == 0 => {
                bench.outbox.handle_endpoints(&some(&mut rng));
                name_pending(&mut bench);
            }
            4 => bench.elapsed += Millis(rng.below(100_000)),
            5 | 6 => drop(bench.jump()),
            _ => bench.drain(),
        }
        let stats = bench.outbox.stats();
        assert!(stats.busy <= 4, "seed {seed}, step {step}: {stats:?}");
    }
    bench
}

#[test]
fn whatever_happens_all_is_delivered_in_the_end_and_in_order() {
    for seed in 0..300 {
        let mut bench = live(seed);
        bench.drain();
        bench.answers.clear();
        let all = ENDPOINTS.iter().map(|name| (Arc::from(*name), false));
        bench.outbox.handle_endpoints(&all.collect());
        name_pending(&mut bench);
        bench.drain();
        while bench.jump().is_some() {}
        let left: Vec<&Lane> = bench
            .rows
            .iter()
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(lane, _)| lane)
            .collect();
        assert!(left.is_empty(), "seed {seed}: {left:?}");
        let stats = bench.outbox.stats();
        let idle = (stats.lanes, stats.busy, stats.queued, stats.resting);
        assert_eq!(idle, (0, 0, 0, 0), "seed {seed}");
        assert_eq!((bench.dead.len(), stats.dead_total), (0, 0), "seed {seed}");
    }
}
