//! What the generator has to make: counted over the seeds, so that it cannot silently stop.

use crate::scenario::{Act, Action, Ending, Life, Micros, SEC, Trouble};
use crate::world::Case;
use beistand::base::{Millis, Now, SessionState};
use beistand::node::billing::Clock;

/// Top-ups in the last seconds of a quota are the ones that can go wrong.
pub const NEARLY: Millis = Millis::from_secs(5);

/// A process is down for less than this.
pub const LONGEST_DOWN: Micros = 10 * SEC;

pub const fn of_trouble(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Full => "a full disk",
        Trouble::Slow(_) => "a slow disk",
    }
}

fn word(state: SessionState) -> &'static str {
    state.reason().unwrap_or_else(|| state.as_str())
}

/// An input that was taken, with the clock before it, and the state of the disk.
pub fn of_input(
    case: &Case,
    action: &Action,
    (before, now, trouble): (Clock, Now, Option<Trouble>),
) -> Vec<String> {
    let disk = trouble.map_or("a good disk", of_trouble);
    match action.act {
        Act::Connect => {
            let earlier = case.inputs.iter().any(|input| {
                input.act == Act::Connect && input.who == action.who && input.at < action.at
            });
            let rejoins = earlier.then(|| format!("a rejoin with {disk}"));
            rejoins.into_iter().collect()
        }
        Act::Extend { .. } | Act::Grant { .. } => {
            let (what, more) = if let Act::Extend { quota_s, .. } = action.act {
                ("a top-up", quota_s.is_some())
            } else {
                ("a grant", true)
            };
            let mut kinds = vec![
                format!("{what} while {}", word(before.state)),
                format!("{what} with {disk}"),
            ];
            if case.continues.is_some() {
                kinds.push(format!("{what} of a session that continues"));
            }
            let left = before.quota_left_ms.filter(|left| *left > Millis::ZERO);
            if let Some(left) = left.filter(|_| before.state == SessionState::Live) {
                let open = now.mono.since(before.settled);
                if more && left <= NEARLY {
                    kinds.push(format!("{what} of the last seconds"));
                }
                if more && left <= open {
                    kinds.push(format!("{what} of what is used up and not announced"));
                }
            }
            kinds
        }
        Act::Packet { .. }
        | Act::Leave { .. }
        | Act::Pause
        | Act::Resume
        | Act::Confirm { .. }
        | Act::Floor { .. }
        | Act::Consent { .. }
        | Act::Record { .. } => Vec::new(),
    }
}

/// How the process ended under a session that ran.
pub fn of_ending(life: &Life) -> Option<String> {
    let how = match life.ending {
        Ending::Crash => "a crash",
        Ending::Drain => "an orderly stop",
        Ending::Api | Ending::Quiet => return None,
    };
    let disk = life.trouble(life.end).map_or("a good disk", of_trouble);
    Some(format!("{how} with {disk}"))
}
