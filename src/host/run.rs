//! From a command to its exit code.

use super::cli::args::{Exit, environment};
use super::cli::preflight::measure;
use super::cli::token::{TokenArgs, make_token};
use super::cli::{Command, ConfigCommand, LedgerCommand, UsageArgs, VerifyArgs};
use super::clock::Clock;
use super::config::flags::Flags;
use super::config::origin::Problems;
use super::config::schema::Config;
use super::print::print;
use super::recordings::inspect::inspect;
use super::serve::life::serve;
use super::webhooks::webhooks;
use super::{report, tls};
use crate::base::ProjectId;
use std::io::Write;

/// Does what the command says. What goes wrong is told on standard error.
pub fn run(command: &Command) -> Exit {
    tls::install_provider();
    let done = match command {
        Command::Serve(args) => args
            .load(environment())
            .map_err(anyhow::Error::from)
            .and_then(|config| serve(&config, args)),
        Command::Token(args) => token(args),
        Command::Preflight(args) => {
            measure(args).and_then(|(text, exit)| print(&text).map(|_| exit))
        }
        Command::Usage(args) => usage(args),
        Command::Recordings(command) => {
            inspect(command).and_then(|(text, exit)| print(&text).map(|_| exit))
        }
        Command::Webhooks(command) => {
            webhooks(command).and_then(|(text, exit)| print(&text).map(|_| exit))
        }
        Command::Ledger(LedgerCommand::Verify(args)) => verify(args),
        Command::Config(ConfigCommand::Check { file }) => {
            let flags = Flags {
                opens: true,
                ..Flags::default()
            };
            let loaded = Config::load(Some(file), environment(), &flags);
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

fn token(args: &TokenArgs) -> anyhow::Result<Exit> {
    let config = args.source.load(environment())?;
    let token = make_token(args, &config, Clock::new().now())?;
    print(&format!("{token}\n"))
}

fn usage(args: &UsageArgs) -> anyhow::Result<Exit> {
    let dir = args.place.dir(environment())?;
    let project = args.project.as_deref().map(ProjectId::from);
    let sessions = report::usage(&dir, args.session.as_deref(), project.as_ref())?;
    if let (Some(session), true) = (&args.session, sessions.is_empty()) {
        let of = project.map_or_else(String::new, |project| format!(" of the project {project}"));
        anyhow::bail!(
            "the ledger in {} has no session {session}{of}",
            dir.display()
        );
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
