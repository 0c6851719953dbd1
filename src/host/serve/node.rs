//! A running node, and what it tells of itself once it is ready.

use super::bind::reachable;
use super::reload::Reloader;
use crate::api::{self, AppState};
use crate::host::cli::ServeArgs;
use crate::host::clock::Clock;
use crate::host::print::print;
use crate::host::recordings::janitor::RunningJanitor;
use crate::host::roll::Roll;
use crate::host::store::running::RunningStore;
use crate::host::worker::WorkerEnds;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A running node.
pub(super) struct Node {
    pub clock: Clock,
    pub state: AppState,
    pub roll: Roll,
    pub reloader: Arc<Reloader>,
    pub http: SocketAddr,
    pub admin: SocketAddr,
    pub udp: Vec<SocketAddr>,
    pub threads: Vec<JoinHandle<()>>,
    pub ends: Vec<WorkerEnds>,
    pub store: RunningStore,
    pub janitor: RunningJanitor,
    pub delivery: JoinSet<()>,
    pub stop_delivery: Option<oneshot::Sender<()>>,
    pub listening: api::Listening,
    pub tasks: JoinSet<()>,
}

impl Node {
    /// Says that it is ready, and where.
    ///
    /// # Errors
    /// Nobody reads standard output.
    pub fn announce(&self, args: &ServeArgs) -> anyhow::Result<()> {
        tracing::info!(http = %self.http, admin = %self.admin, "ready");
        let links = self.links();
        if args.print_ports.is_some() {
            let ports = Ports {
                http: self.http,
                udp: &self.udp,
                admin: self.admin,
            };
            let ports = serde_json::to_string(&ports)?;
            print(&format!("{ports}\n"))?;
            return Ok(());
        }
        print(&links.unwrap_or_default())?;
        Ok(())
    }

    /// With `--dev`: what to open in a browser.
    fn links(&self) -> Option<String> {
        let dev = self.state.dev()?;
        let scheme = self.state.site().scheme();
        let base = format!("{scheme}://{}", reachable(self.http));
        let now = self.clock.now();
        let [expert, customer] = dev.links(&self.state.settings().keys, &base, "demo", now)?;
        Some(format!(
            "\nBeistand runs at {base}/\n\nOpen both links, in two windows or two browsers:\n\n  \
             expert    {expert}\n\n  customer  {customer}\n\n"
        ))
    }
}

/// The line of `--print-ports json`.
#[derive(serde::Serialize)]
struct Ports<'a> {
    http: SocketAddr,
    udp: &'a [SocketAddr],
    admin: SocketAddr,
}
