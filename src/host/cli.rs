//! The command line: the one door to clap.

pub(super) mod args;
pub(super) mod bar;
pub(super) mod preflight;
pub(super) mod recordings;
#[cfg(test)]
mod tests;
pub(super) mod token;
pub(super) mod webhooks;

pub use args::{DataArgs, Exit, Source, environment};
pub use recordings::{ExportArgs, ListArgs, RecordingsCommand, ShowArgs, VerifyRecordingArgs};

use super::config::env::Variable;
use super::config::flags::Flags;
use super::config::origin::Problems;
use super::config::schema::Config;
use clap::{Args, Parser, Subcommand, ValueEnum};
use preflight::PreflightArgs;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use token::TokenArgs;
use webhooks::WebhooksCommand;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the last line on standard error says why
  2  the command line or the configuration is wrong";

/// A media server for help sessions, with a provable record of what was delivered.
#[derive(Debug, Parser)]
#[command(name = "beistand", version, after_help = EXIT_CODES, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run a node
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Print a token: one participant joins one room, or an app uses the Sessions API
    #[command(after_help = TOKEN_EXAMPLES)]
    Token(TokenArgs),
    /// Measure this machine's link to a node, as the page does before a join
    #[command(after_help = PREFLIGHT_EXAMPLES)]
    Preflight(PreflightArgs),
    /// Print what was used: sessions with their billed time
    #[command(after_help = USAGE_EXAMPLES)]
    Usage(UsageArgs),
    /// Look at recordings: list, show, verify, export
    #[command(subcommand, disable_help_subcommand = true, after_help = recordings::RECORDINGS_EXAMPLES)]
    Recordings(RecordingsCommand),
    /// Look after webhooks: list and deliver again what was given up
    #[command(subcommand, disable_help_subcommand = true, after_help = webhooks::WEBHOOKS_EXAMPLES)]
    Webhooks(WebhooksCommand),
    /// Look after the ledger
    #[command(subcommand, disable_help_subcommand = true)]
    Ledger(LedgerCommand),
    /// Look after the configuration
    #[command(subcommand, disable_help_subcommand = true)]
    Config(ConfigCommand),
}

const SERVE_EXAMPLES: &str = "\
Examples:
  beistand serve --dev
  beistand serve --config /etc/beistand.toml
  beistand serve --dev --http 127.0.0.1:0 --udp 127.0.0.1:0 --admin 127.0.0.1:0 --print-ports json

With --print-ports json: {\"http\":\"127.0.0.1:7880\",\"udp\":[\"127.0.0.1:7882\"],\"admin\":\"127.0.0.1:6789\"}

Flags override the environment (BEISTAND_HTTP_BIND=…), which overrides the file.
BEISTAND_LOG sets what is logged, for example BEISTAND_LOG=info,beistand::room=debug.";

const TOKEN_EXAMPLES: &str = "\
Examples:
  beistand token --dev --room lesson-7 --identity anna --role expert --name Anna
  beistand token --config /etc/beistand.toml --room lesson-7 --identity bert --role customer --ttl 90m
  beistand token --dev --room lesson-7 --identity carl --attribute seat=3 --attribute lang=de
  beistand token --dev --admin";

const PREFLIGHT_EXAMPLES: &str = "\
Examples:
  beistand preflight --url https://media.example.com --token \"$TOKEN\"
  beistand preflight --url ws://127.0.0.1:7880 --token \"$TOKEN\" --json

Exit codes:
  0  both directions reach the floor
  1  it could not be measured; the last line says why
  2  the command line is wrong
  3  measured, and below the floor

The verdict lets this participant in for 10 minutes where the policy requires one.";

const USAGE_EXAMPLES: &str = "\
Examples:
  beistand usage --data ./data
  beistand usage --config /etc/beistand.toml --session SE_3fPq0aXbLm2k --json
  beistand usage --config /etc/beistand.toml --project acme

Reads the ledger of a running or a stopped node.";

const LEDGER_EXAMPLES: &str = "\
Examples:
  beistand ledger verify --data ./data
  beistand ledger verify --data /mnt/node-1 --data /mnt/node-2 --json

Exit code 1 means that the ledger is broken; the output says where.";

const CHECK_EXAMPLES: &str = "\
Examples:
  beistand config check /etc/beistand.toml

Prints each problem with its line, what is wrong and what is allowed; exit code 2 if there is one.";

/// `beistand serve`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ServeArgs {
    /// Which configuration.
    #[command(flatten)]
    pub source: Source,
    /// With --dev: allow addresses that other machines can reach, though everyone knows the secret
    #[arg(long, conflicts_with = "config")]
    pub dev_public: bool,
    /// Where clients and apps connect: HTTP and WebSocket; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT")]
    pub http: Option<SocketAddr>,
    /// Where media arrives: the first worker's UDP port, the others take those above it
    #[arg(long, value_name = "IP:PORT")]
    pub udp: Option<SocketAddr>,
    /// Where metrics and health are served
    #[arg(long, value_name = "IP:PORT")]
    pub admin: Option<SocketAddr>,
    /// Directory of the ledger
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Once ready, write all addresses to standard output as one line of JSON
    #[arg(long, value_name = "json", hide_possible_values = true)]
    pub print_ports: Option<PortsFormat>,
}

impl ServeArgs {
    /// The configuration that results.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(&self, env: impl IntoIterator<Item = Variable>) -> Result<Config, Problems> {
        let flags = Flags {
            dev: self.source.dev,
            dev_public: self.dev_public,
            http: self.http,
            udp: self.udp,
            admin: self.admin,
            data: self.data.clone(),
            opens: true,
        };
        Config::load(self.source.config.as_deref(), env, &flags)
    }
}

/// How ports are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PortsFormat {
    /// One JSON object.
    Json,
}

/// `beistand usage`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct UsageArgs {
    /// Only this session
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Only sessions of this project: a NAME of [projects.NAME], or default for those of [keys]
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Where the ledger is.
    #[command(flatten)]
    pub place: DataArgs,
}

/// `beistand ledger …`
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum LedgerCommand {
    /// Check that nothing was lost, changed or counted twice
    #[command(after_help = LEDGER_EXAMPLES)]
    Verify(VerifyArgs),
}

/// `beistand ledger verify`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct VerifyArgs {
    /// Directory of a ledger; may be given several times
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub data: Vec<PathBuf>,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// `beistand config …`
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Check a configuration file, and the environment over it, without starting anything
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// The file
        file: PathBuf,
    },
}

/// Reads the command line.
///
/// # Errors
/// What to print instead of doing anything: help, version, or what is wrong with it.
pub fn parse<I, T>(args: I) -> Result<Command, Refusal>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    Cli::try_parse_from(args)
        .map(|cli| cli.command)
        .map_err(Refusal)
}

/// Help, the version, or what is wrong with a command line.
#[derive(Debug)]
pub struct Refusal(clap::Error);

impl Refusal {
    /// Prints it where it belongs: help to standard output, errors to standard error.
    pub fn print(&self) -> Exit {
        // A closed terminal leaves nobody to tell.
        let _ = self.0.print();
        if self.0.use_stderr() {
            Exit::Usage
        } else {
            Exit::Ok
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
