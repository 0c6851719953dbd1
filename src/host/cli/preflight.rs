//! `beistand preflight`: from the arguments to an exit code.

use super::args::Exit;
use crate::client::{PreflightOptions, Report, preflight};
use crate::host::clock::Clock;
use crate::node::preflight::Progress;
use crate::peer::transport::Factory;
use anyhow::Context;
use clap::Args;
use std::io::{IsTerminal, Write};

/// `beistand preflight`
#[derive(Clone, PartialEq, Eq, Args)]
pub struct PreflightArgs {
    /// The node, as its clients reach it: https://HOST or wss://HOST
    #[arg(long)]
    pub url: String,
    /// The token with which the participant will join
    #[arg(long)]
    pub token: String,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

impl std::fmt::Debug for PreflightArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreflightArgs")
            .field("url", &self.url)
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

/// Measures, and gives the text to print and the exit code.
///
/// # Errors
/// It could not be measured; says why.
pub fn measure(args: &PreflightArgs) -> anyhow::Result<(String, Exit)> {
    let clock = Clock::new();
    let factory = Factory::new(clock.anchor())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the network cannot be used")?;
    let options = PreflightOptions {
        url: &args.url,
        token: &args.token,
        factory: &factory,
        clock: &|| clock.now(),
        on_progress: &tell,
    };
    let report = runtime.block_on(preflight(&options))?;
    let text = if args.json {
        format!("{}\n", serde_json::to_string(&report)?)
    } else {
        text(&report)
    };
    Ok((text, exit(&report)))
}

const fn exit(report: &Report) -> Exit {
    match report.passed {
        Some(true) => Exit::Ok,
        Some(false) => Exit::Below,
        None => Exit::Failed,
    }
}

/// For whoever waits at a terminal.
fn tell(progress: Progress) {
    let mut out = std::io::stderr();
    if !out.is_terminal() {
        return;
    }
    let what = match progress {
        Progress::Connecting => "connecting …",
        Progress::Measuring => "measuring both directions, 4 s …",
        Progress::Judging => "waiting for the verdict …",
    };
    // A closed terminal leaves nobody to tell.
    drop(writeln!(out, "{what}"));
}

fn text(report: &Report) -> String {
    let mut text = format!("{}\n", report.text);
    let numbers = (report.rtt_ms, report.jitter_ms);
    let losses = (report.up_loss_permille, report.down_loss_permille);
    if let ((Some(rtt), Some(jitter)), (Some(up), Some(down))) = (numbers, losses) {
        text.push_str(&format!(
            "round trip {rtt} ms, jitter {jitter} ms, lost {}.{} % up and {}.{} % down\n",
            up / 10,
            up % 10,
            down / 10,
            down % 10
        ));
    }
    text
}
