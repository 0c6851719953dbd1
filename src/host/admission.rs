//! What admission must know of this machine: the ledger's disk and how busy the cores are. And the
//! bookings whose time is over.

use super::clock::{Clock, StepDetector};
use super::store::running::StoreHandle;
use crate::api::AppState;
use crate::base::Mono;
use crate::node::Cpu;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// What this process has used so far.
const STAT: &str = "/proc/self/stat";
/// The kernel counts processor time for user space in hundredths of a second, on all machines that
/// we run on (`USER_HZ`).
const TICK_MICROS: u64 = 10_000;
/// The place of `utime` behind the name of the process in [`STAT`] (proc_pid_stat(5), field 14).
const UTIME: usize = 11;
/// Time constants of the two averages.
const SHORT_MICROS: u64 = 5_000_000;
const LONG_MICROS: u64 = 60_000_000;

/// Looks once a second, until the node ends.
pub(super) async fn watch(state: AppState, store: StoreHandle, clock: Clock) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut meter = Meter::new(cores);
    let mut steps = StepDetector::new(clock.now());
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let used = std::fs::read_to_string(STAT).ok();
        let cpu = meter.handle_used(used.as_deref().and_then(used_micros), clock.now().mono);
        {
            let control = state.workers().control.lock();
            let mut control = control.unwrap_or_else(PoisonError::into_inner);
            control.set_ledger(store.stats().trouble());
            control.set_cpu(cpu);
        }
        if let Some(step_ms) = steps.handle_now(clock.now()) {
            tracing::warn!(
                step_ms,
                "the wall clock was set: tokens, webhooks, windows and labels follow it, durations do not"
            );
            state.note_clock_step(step_ms).await;
        }
        state.expire_bookings().await;
    }
}

/// Processor time, user and system, in microseconds.
fn used_micros(stat: &str) -> Option<u64> {
    // The name in brackets may hold blanks and brackets itself.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(UTIME);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) * TICK_MICROS)
}

/// Averages of the share of all cores, in millionths.
#[derive(Debug)]
struct Meter {
    cores: u64,
    last: Option<(u64, Mono)>,
    short: u64,
    long: u64,
}

impl Meter {
    fn new(cores: usize) -> Meter {
        Meter {
            cores: u64::try_from(cores).unwrap_or(1).max(1),
            last: None,
            short: 0,
            long: 0,
        }
    }

    /// Processor time used so far. Where the kernel does not say, the averages stay.
    fn handle_used(&mut self, used: Option<u64>, now: Mono) -> Cpu {
        let before = self.last;
        self.last = used.map(|used| (used, now)).or(before);
        if let (Some(used), Some((was, then))) = (used, before) {
            let span = now.micros().saturating_sub(then.micros()).max(1);
            let share = used.saturating_sub(was) * 1_000_000 / span / self.cores;
            self.short = mix(self.short, share, span, SHORT_MICROS);
            self.long = mix(self.long, share, span, LONG_MICROS);
        }
        let percent = |share: u64| u8::try_from(share.min(1_000_000) / 10_000).unwrap_or(100);
        Cpu {
            short: percent(self.short),
            long: percent(self.long),
        }
    }
}

/// An average that forgets with a time constant.
fn mix(average: u64, newest: u64, span: u64, constant: u64) -> u64 {
    (average * constant + newest * span) / (constant + span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read_whatever_the_name_of_the_process() {
        let line = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 77";
        assert_eq!(used_micros(line), Some(3_000_000));
        assert_eq!(used_micros("42 (a) S 1 2"), None);
        let own = std::fs::read_to_string(STAT).unwrap();
        assert!(used_micros(&own).is_some(), "{own}");
    }

    #[test]
    fn a_burst_moves_the_short_average_and_only_a_long_load_the_long_one() {
        let mut meter = Meter::new(2);
        let mut used = 0;
        let mut run = |seconds: std::ops::Range<u64>, cores: u64| {
            let mut cpu = Cpu::default();
            for second in seconds {
                used += cores * 1_000_000;
                cpu = meter.handle_used(Some(used), Mono::from_millis(second * 1000));
            }
            cpu
        };
        let burst = run(0..10, 2);
        assert!(burst.short > 75 && burst.long < 25, "{burst:?}");
        let long = run(10..200, 2);
        assert!(long.short > 95 && long.long > 90, "{long:?}");
        let half = run(200..500, 1);
        assert!((48..=52).contains(&half.long), "{half:?}");
    }
}
