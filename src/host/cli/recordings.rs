//! `beistand recordings …`: what can be asked of recordings at a command line.

use super::args::DataArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

pub(super) const RECORDINGS_EXAMPLES: &str = "\
Examples:
  beistand recordings list --data ./data
  beistand recordings verify RC_3fPq0aXbLm2k_shared --data ./data

None of them changes anything of the node, and it may run or not.";

const LIST_EXAMPLES: &str = "\
Examples:
  beistand recordings list --data ./data
  beistand recordings list --config /etc/beistand.toml --session SE_3fPq0aXbLm2k --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  beistand recordings show RC_3fPq0aXbLm2k_shared --data ./data
  beistand recordings show RC_3fPq0aXbLm2k_qa --config /etc/beistand.toml --json";

const VERIFY_EXAMPLES: &str = "\
Examples:
  beistand recordings verify RC_3fPq0aXbLm2k_shared --data ./data
  beistand recordings verify ./evidence/RC_3fPq0aXbLm2k_shared --public-key 3b6a27bc…

Checks the signature, the size and SHA-256 of every file, and that every file can be read to its end.
A recording that was exported is named by its directory; without --public-key it is checked against
the key that it names itself, which shows that nothing was changed since, but not by whom it was made.
Exit code 1 means that something differs; the output says what.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  beistand recordings export RC_3fPq0aXbLm2k_shared --to ./evidence --data ./data

Makes ./evidence/RC_3fPq0aXbLm2k_shared, and checks what was copied as `recordings verify` does.";

/// `beistand recordings …`
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum RecordingsCommand {
    /// Print all recordings
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Print what is known of one: its files, who is in it, and what was said about it
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Check that a finished recording is what was signed
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyRecordingArgs),
    /// Copy a finished recording to a directory
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArgs),
}

/// `beistand recordings list`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ListArgs {
    /// Only those of this session
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Where the ledger is.
    #[command(flatten)]
    pub place: DataArgs,
}

/// `beistand recordings show`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ShowArgs {
    /// The recording
    pub id: String,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Where the ledger is.
    #[command(flatten)]
    pub place: DataArgs,
}

/// `beistand recordings verify`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct VerifyRecordingArgs {
    /// The recording, or the directory to which it was exported
    #[arg(value_name = "ID|DIR")]
    pub what: String,
    /// The node's public key, 64 hexadecimal digits; for an ID it is taken from the node itself
    #[arg(long, value_name = "HEX")]
    pub public_key: Option<String>,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Where the ledger is.
    #[command(flatten)]
    pub place: DataArgs,
}

/// `beistand recordings export`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ExportArgs {
    /// The recording
    pub id: String,
    /// The directory in which a directory with its name is made
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Write over files that are there already
    #[arg(long)]
    pub force: bool,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Where the ledger is.
    #[command(flatten)]
    pub place: DataArgs,
}
