//! The life of a node, from its start to its stop.

use super::node::Node;
use super::reload::Again;
use super::stop::{REQUESTS, blocking};
use crate::host::cli::ServeArgs;
use crate::host::cli::args::{Exit, environment};
use crate::host::clock::Clock;
use crate::host::config::env::of_services;
use crate::host::config::schema::Config;
use crate::host::descriptors;
use crate::host::logs;
use crate::host::shutdown::{self, Asked, Signals};
use anyhow::Context;

/// Threads of the control plane: HTTP, sockets, deliveries. The media has its own.
const CONTROL_THREADS: usize = 2;

/// Runs a node until it is told to stop.
///
/// # Errors
/// It cannot start; says why.
pub(in crate::host) fn serve(config: &Config, args: &ServeArgs) -> anyhow::Result<Exit> {
    let clock = Clock::new();
    let filter = logs::start(&config.log, std::env::var("BEISTAND_LOG").ok(), clock)?;
    descriptors::raise();
    let services = of_services(environment());
    if !services.is_empty() {
        tracing::debug!(variables = ?services,
            "Kubernetes describes a Service with these: they are no settings, and are not read");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .context("the control plane's threads cannot be started")?;
    let done = runtime.block_on(live(config, args, (clock, filter)));
    runtime.shutdown_timeout(REQUESTS);
    done
}

async fn live(
    config: &Config,
    args: &ServeArgs,
    (clock, filter): (Clock, logs::Filter),
) -> anyhow::Result<Exit> {
    let (alarm, raised) = shutdown::alarm();
    // Before anything is announced: from then on SIGHUP must not end the process.
    let mut signals = Signals::new()?;
    let again = args.clone();
    let load = Box::new(move || again.load(environment()));
    let node = Node::start(
        Again { load, filter },
        (config, args.source.dev),
        clock,
        alarm,
    )
    .await?;
    node.announce(args)?;
    loop {
        match signals.next(raised.clone()).await {
            Asked::Reload => {
                let reloader = node.reloader.clone();
                // What it did, or why it did nothing, is in the log.
                blocking(move || drop(reloader.reload())).await;
            }
            Asked::Stop if node.stop().await => return Ok(Exit::Ok),
            Asked::Stop | Asked::Fail => return Ok(Exit::Failed),
        }
    }
}
