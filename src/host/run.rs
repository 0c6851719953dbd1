//! From a command to its exit code.

use super::cli::{Command, ConfigCommand, Exit, LedgerCommand, environment, make_token, measure};
use super::cli::{TokenArgs, UsageArgs, VerifyArgs};
use super::clock::Clock;
use super::config::{Config, Flags, Problems};
use super::recordings::inspect;
use super::{report, serve, tls};
use anyhow::Context;
use std::io::Write;

/// Does what the command says. What goes wrong is told on standard error.
pub fn run(command: &Command) -> Exit {
    tls::install_provider();
    let done = match command {
        Command::Serve(args) => args
            .load(environment())
            .map_err(anyhow::Error::from)
            .and_then(|config| serve::serve(&config, args)),
        Command::Token(args) => token(args),
        Command::Preflight(args) => {
            measure(args).and_then(|(text, exit)| print(&text).map(|_| exit))
        }
        Command::Usage(args) => usage(args),
        Command::Recordings(command) => {
            inspect(command).and_then(|(text, exit)| print(&text).map(|_| exit))
        }
        Command::Ledger(LedgerCommand::Verify(args)) => verify(args),
        Command::Config(ConfigCommand::Check { file }) => {
            let loaded = Config::load(Some(file), environment(), &Flags::default());
            loaded
                .map_err(Into::into)
                .and_then(|_| print("the configuration is good\n"))
        }
    };
    done.unwrap_or_else(|error| {
        let exit = if error.is::<Problems>() {
            Exit::Usage
        } else {
            Exit::Failed
        };
        // A closed terminal leaves nobody to tell.
        drop(writeln!(std::io::stderr(), "beistand: {error:#}"));
        exit
    })
}

/// To standard output; a reader that has gone away (`| head`) is no failure.
pub(super) fn print(text: &str) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("standard output cannot be written")
        }
        Ok(()) | Err(_) => Ok(Exit::Ok),
    }
}

fn token(args: &TokenArgs) -> anyhow::Result<Exit> {
    let config = args.source.load(environment())?;
    let token = make_token(args, &config, Clock::new().now())?;
    print(&format!("{token}\n"))
}

fn usage(args: &UsageArgs) -> anyhow::Result<Exit> {
    let dir = args.place.dir(environment())?;
    let sessions = report::usage(&dir, args.session.as_deref())?;
    if let (Some(session), true) = (&args.session, sessions.is_empty()) {
        anyhow::bail!("the ledger in {} has no session {session}", dir.display());
    }
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&sessions)?))
    } else {
        print(&report::usage_table(&sessions))
    }
}

fn verify(args: &VerifyArgs) -> anyhow::Result<Exit> {
    let mut exit = Exit::Ok;
    for dir in &args.data {
        let report = report::verify(dir)?;
        if args.json {
            print(&format!("{}\n", serde_json::to_string(&report)?))?;
        } else {
            print(&report::verify_text(&report))?;
        }
        if !report.faults.is_empty() {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}
