//! What the process is asked from outside: to end, or to read its configuration again, by a signal; or to
//! fail, by a ledger that cannot be written.

use tokio::signal::unix::{Signal, SignalKind, signal};
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

/// What the process is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGTERM or SIGINT: end in order.
    Stop,
    /// The ledger is lost: exit at once, non-zero.
    Fail,
}

/// The signals that the process takes. From its making on none of them ends the process by itself.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes them.
    ///
    /// # Errors
    /// The operating system does not deliver signals.
    pub fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal, or for the alarm. Of several the more urgent one counts.
    pub async fn next(&mut self, mut alarm: watch::Receiver<Phase>) -> Asked {
        let lost = async {
            // The sender lives as long as the ledger's thread.
            if alarm.wait_for(|phase| *phase == Phase::Lost).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = lost => Asked::Fail,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}
