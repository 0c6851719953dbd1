//! What a preflight has to say about a join: `floor.admission`.

use crate::base::{Role, Verdict, Warning};
use crate::peer::signal::token::{Join, ParticipantKind};
use crate::session::{Admission, Floor};

/// Where to get a verdict.
const HOW: &str = "measure the connection first: open the page of this session, or run \
                   `beistand preflight`";

/// Whether the floor is promised to this participant: observers, hidden ones and programs have no
/// part in it.
pub fn is_promised(join: &Join) -> bool {
    let standard = join.kind == ParticipantKind::Standard;
    standard && !join.permissions.hidden && join.role != Some(Role::Observer)
}

/// What is missing for the promise, in words; none if nothing is.
pub fn shortfall(verdict: Option<&Verdict>, floor: &Floor) -> Option<String> {
    let (up_bps, down_bps) = (floor.up_bps, floor.down_bps);
    match verdict {
        Some(verdict) if verdict.meets(up_bps, down_bps) => None,
        Some(verdict) => Some(verdict.text_for(up_bps, down_bps)),
        None if up_bps == 0 && down_bps == 0 => None,
        None => Some("no preflight of the last 10 minutes".to_owned()),
    }
}

/// Why a participant who is new to the room is not let in; none if they are.
pub fn refusal(join: &Join, verdict: Option<&Verdict>, floor: &Floor) -> Option<String> {
    if floor.admission != Admission::Require || !is_promised(join) {
        return None;
    }
    let missing = shortfall(verdict, floor)?;
    Some(format!("this session needs a preflight: {missing}; {HOW}"))
}

/// What is said of someone who is let in although their connection may not do; none if it may.
pub(in crate::node) fn warning(
    join: &Join,
    verdict: Option<Verdict>,
    floor: &Floor,
) -> Option<Warning> {
    if floor.admission == Admission::Off || !is_promised(join) {
        return None;
    }
    let text = shortfall(verdict.as_ref(), floor)?;
    let checked = verdict.is_some();
    let text = if checked {
        text
    } else {
        format!("was not checked: {text}")
    };
    Some(Warning::preflight(&join.identity, checked, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Unix;
    use crate::peer::signal::token::{Claims, authorize_join};

    fn join(role: &str) -> Join {
        let mut claims = Claims::new("key", "karl", Unix(1));
        claims.video.room = Some("room".to_owned());
        claims.video.room_join = Some(true);
        claims.attributes = [("role".to_owned(), role.to_owned())].into();
        authorize_join(&claims).unwrap()
    }

    fn verdict(up_bps: u64, down_bps: u64) -> Verdict {
        Verdict::new(up_bps, down_bps, Unix(1)).against(1_000_000, 1_000_000)
    }

    #[test]
    fn only_require_refuses_and_only_those_to_whom_the_floor_is_promised() {
        let slow = verdict(800_000, 1_500_000);
        let good = verdict(1_000_000, 1_000_000);
        for (admission, role, verdict, refused) in [
            (Admission::Require, "customer", None, true),
            (Admission::Require, "customer", Some(&slow), true),
            (Admission::Require, "customer", Some(&good), false),
            (Admission::Require, "guest", None, true),
            (Admission::Require, "observer", None, false),
            (Admission::Warn, "customer", None, false),
            (Admission::Off, "customer", Some(&slow), false),
        ] {
            let floor = Floor {
                admission,
                ..Floor::default()
            };
            let got = refusal(&join(role), verdict, &floor);
            assert_eq!(got.is_some(), refused, "{admission:?} {role}: {got:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_was_measured_what_is_needed_and_what_to_do() {
        let floor = Floor {
            admission: Admission::Require,
            ..Floor::default()
        };
        let join = join("customer");
        assert_eq!(
            refusal(&join, Some(&verdict(812_345, 1_500_000)), &floor).unwrap(),
            "this session needs a preflight: the connection is too slow: measured were \
             0.81 Mbit/s up and 1.50 Mbit/s down, needed are 1.00 Mbit/s up and 1.00 Mbit/s down; \
             measure the connection first: open the page of this session, or run `beistand preflight`"
        );
        let none = refusal(&join, None, &floor).unwrap();
        assert!(none.contains("no preflight of the last 10 minutes"));
    }

    #[test]
    fn a_verdict_is_held_against_the_floor_of_the_session_and_not_the_one_it_was_made_for() {
        let floor = |up_bps| Floor {
            up_bps,
            down_bps: 0,
            ..Floor::default()
        };
        assert!(shortfall(Some(&verdict(1_500_000, 0)), &floor(1_500_000)).is_none());
        assert!(shortfall(Some(&verdict(1_500_000, 0)), &floor(1_500_001)).is_some());
        assert!(shortfall(None, &floor(0)).is_none());
    }

    #[test]
    fn who_was_not_checked_is_told_to_the_app_alone_and_who_was_found_too_slow_to_all() {
        let floor = Floor::default();
        let warned = |verdict| warning(&join("customer"), verdict, &floor);
        let unchecked = warned(None).unwrap();
        assert!(unchecked.is_for_app_alone());
        assert_eq!(unchecked.checked, Some(false));
        let words = "was not checked: no preflight of the last 10 minutes";
        assert_eq!(unchecked.text.as_deref(), Some(words));
        let slow = warned(Some(verdict(800_000, 1_500_000))).unwrap();
        assert!(!slow.is_for_app_alone());
        assert_eq!(slow.checked, Some(true));
        assert!(slow.text.unwrap().contains("too slow"));
        assert!(warned(Some(verdict(1_500_000, 1_500_000))).is_none());
    }
}
