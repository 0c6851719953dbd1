//! The `beistand` program: command line → `host::run` → exit code.

use beistand::host::{cli, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(command) => run(&command).into(),
        Err(refusal) => refusal.print().into(),
    }
}
