//! `beistand webhooks …`: what can be asked of deliveries at a command line.

use super::args::DataArgs;
use clap::{ArgGroup, Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

pub(super) const WEBHOOKS_EXAMPLES: &str = "\
Examples:
  beistand webhooks list --data ./data
  beistand webhooks replay billing --all --config /etc/beistand.toml
  beistand webhooks enable acme/billing --admin 127.0.0.1:6789

An endpoint is called as in the configuration, one of [projects.NAME] with NAME/ in front of it.";

const LIST_EXAMPLES: &str = "\
Examples:
  beistand webhooks list --data ./data
  beistand webhooks list --config /etc/beistand.toml --endpoint acme/billing --json

Reads the ledger of a running or a stopped node.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  beistand webhooks replay billing --event evt_3fPq0aXbLm2k_7 --config /etc/beistand.toml
  beistand webhooks replay billing --all --admin 127.0.0.1:6789 --json

Asks the running node, at its admin address. The events are delivered in their order, as if they were new;
an endpoint that got one of them ignores an id that it has seen.";

const ENABLE_EXAMPLES: &str = "\
Examples:
  beistand webhooks enable billing --config /etc/beistand.toml

Asks the running node, at its admin address. An endpoint is disabled when it answers 410 Gone again and again;
what waits for it goes out.";

/// `beistand webhooks …`
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum WebhooksCommand {
    /// Print what could not be delivered: dead letters
    #[command(after_help = LIST_EXAMPLES)]
    List(ListLettersArgs),
    /// Deliver dead letters again
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Post to an endpoint again that was gone
    #[command(after_help = ENABLE_EXAMPLES)]
    Enable(EnableArgs),
}

/// `beistand webhooks list`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ListLettersArgs {
    /// Only those of this endpoint
    #[arg(long, value_name = "NAME")]
    pub endpoint: Option<String>,
    /// At most so many of each endpoint
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub limit: u64,
    /// JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Where the ledger is.
    #[command(flatten)]
    pub place: DataArgs,
}

/// `beistand webhooks replay`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["event", "all"]))]
pub struct ReplayArgs {
    /// The endpoint
    pub endpoint: String,
    /// This event; may be given up to 100 times
    #[arg(long, value_name = "ID")]
    pub event: Vec<String>,
    /// All that the endpoint has
    #[arg(long)]
    pub all: bool,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Where the node is.
    #[command(flatten)]
    pub node: AdminArgs,
}

/// `beistand webhooks enable`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct EnableArgs {
    /// The endpoint
    pub endpoint: String,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Where the node is.
    #[command(flatten)]
    pub node: AdminArgs,
}

/// Where a node listens for operators.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[group(multiple = false)]
pub struct AdminArgs {
    /// The admin address of the node [default: 127.0.0.1:6789, where --dev has it]
    #[arg(long, value_name = "IP:PORT")]
    pub admin: Option<SocketAddr>,
    /// The configuration file that names the address
    #[arg(
        long,
        value_name = "FILE",
        env = "BEISTAND_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
}
