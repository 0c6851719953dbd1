//! Endpoints that are gone (410), and posted to again.

use super::*;

#[tokio::test]
async fn an_endpoint_that_was_disabled_gets_all_that_waits_once_the_config_names_it_anew() {
    let dir = Dir::new();
    let mut gone = Server::start(&[Answer::Code(410, ""); 3]).await;
    let endpoints = [endpoint("app", &gone.url)];
    let bench = start(&dir, endpoints.to_vec());
    bench.append_life("SE_a");
    assert_eq!(gone.ids(3).await, evt(&[1, 1, 1]));
    until("it is disabled", || bench.stats.disabled.load(Relaxed) == 1).await;
    bench.change(&endpoints);
    assert_eq!(gone.ids(7).await, evt(&[1, 2, 3, 4, 5, 6, 7]));
    until("it is not any more", || {
        bench.stats.disabled.load(Relaxed) == 0
    })
    .await;
    assert_eq!(bench.stop().await.dead.load(Relaxed), 0);
}

#[tokio::test]
async fn an_endpoint_that_was_disabled_gets_all_that_waits_once_it_is_enabled_and_another_does_not()
{
    let dir = Dir::new();
    let mut gone = Server::start(&[Answer::Code(410, ""); 3]).await;
    let mut other = Server::start(&[Answer::Code(410, ""); 9]).await;
    let endpoints = [endpoint("app", &gone.url), endpoint("other", &other.url)];
    let bench = start(&dir, endpoints.to_vec());
    bench.append_life("SE_a");
    assert_eq!(gone.ids(3).await, evt(&[1, 1, 1]));
    assert_eq!(other.ids(3).await, evt(&[1, 1, 1]));
    let disabled = || bench.inlet.disabled().len();
    until("both are disabled", || disabled() == 2).await;
    bench.inlet.handle_enable("nobody");
    bench.inlet.handle_enable("app");
    assert_eq!(gone.ids(7).await, evt(&[1, 2, 3, 4, 5, 6, 7]));
    let one = BTreeSet::from([Arc::from("other")]);
    until("one is not any more", || bench.inlet.disabled() == one).await;
    until("and is counted", || bench.stats.disabled.load(Relaxed) == 1).await;
    assert_eq!(bench.stop().await.ok.load(Relaxed), 7);
    assert!(other.requests.try_recv().is_err(), "nothing more");
}

#[tokio::test]
async fn dead_letters_that_are_pending_again_go_out_in_their_order() {
    let dir = Dir::new();
    let mut server = Server::start(&[Answer::Code(500, ""); 7]).await;
    let outbox = OutboxConfig {
        give_up_after: Millis::ZERO,
        give_up_attempts: 1,
        ..OutboxConfig::default()
    };
    let bench = start_with(&dir, vec![endpoint("app", &server.url)], outbox);
    bench.append_life("SE_a");
    assert_eq!(server.ids(7).await, evt(&[1, 2, 3, 4, 5, 6, 7]));
    until("all are dead letters", || {
        bench.stats.dead.load(Relaxed) == 7
    })
    .await;
    let replay = crate::api::Replay {
        endpoint: "app".to_owned(),
        events: evt(&[6, 2, 4]),
    };
    let work = crate::api::Work::Replay(Box::new(replay));
    let write = Job::Write { number: 1, work };
    bench.store.handle().send(write).unwrap();
    assert_eq!(server.ids(3).await, evt(&[2, 4, 6]));
    assert_eq!(bench.stop().await.ok.load(Relaxed), 3);
    let delivered = states(&dir)
        .into_iter()
        .filter(|(_, state, _)| state == "delivered");
    let attempts: Vec<u32> = delivered.map(|(_, _, attempts)| attempts).collect();
    assert_eq!(attempts, [1, 1, 1], "as if they were new");
}
