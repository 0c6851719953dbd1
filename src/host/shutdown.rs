//! Why and how the process ends: asked by a signal, or forced by a ledger that cannot be written.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What the process is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Serve.
    Running,
    /// The ledger is lost: exit at once, non-zero.
    Lost,
}

/// The alarm that the ledger's thread raises.
pub type Alarm = watch::Sender<Phase>;

/// An alarm that is not raised.
pub fn alarm() -> (Alarm, watch::Receiver<Phase>) {
    watch::channel(Phase::Running)
}

/// Waits for SIGTERM or SIGINT (`Running`: end in order), or for the alarm (`Lost`).
///
/// # Errors
/// The operating system does not deliver signals.
pub async fn wait(mut alarm: watch::Receiver<Phase>) -> std::io::Result<Phase> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let lost = async {
        // The sender lives as long as the ledger's thread.
        if alarm.wait_for(|phase| *phase == Phase::Lost).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    Ok(tokio::select! {
        _ = terminate.recv() => Phase::Running,
        _ = interrupt.recv() => Phase::Running,
        () = lost => Phase::Lost,
    })
}
