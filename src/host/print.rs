//! What commands print.

use super::cli::args::Exit;
use anyhow::Context;
use std::io::Write;

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
