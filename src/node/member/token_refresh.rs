//! When a client gets a new token, with which it can always come back: at its join, since the token that
//! it joined with may be about to expire, and again at half of what is left of each one.

use crate::base::Unix;

/// The token that a client was given last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TokenRefresh {
    given: Unix,
    /// Half of its time is over then. At the join that is at once.
    half: Unix,
}

impl TokenRefresh {
    /// Of a client that joins.
    pub(super) const fn at_join(now: Unix) -> TokenRefresh {
        TokenRefresh {
            given: now,
            half: now,
        }
    }

    /// Whether the client needs a new one. Tokens go by wall time: where that was set back, the last one
    /// is not valid yet.
    pub(super) fn is_due(self, now: Unix) -> bool {
        now >= self.half || now < self.given
    }

    /// The client was given one that expires at `expires`.
    pub(super) fn give(&mut self, expires: Unix, now: Unix) {
        let left = expires.0.saturating_sub(now.0);
        *self = TokenRefresh {
            given: now,
            half: Unix(now.0.saturating_add(left / 2)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_due_at_the_join_and_at_half_of_what_is_left_of_each() {
        let at = |secs: u64| Unix(1_800_000_000_000 + secs * 1_000);
        let mut refresh = TokenRefresh::at_join(at(0));
        assert!(refresh.is_due(at(0)));
        // One of an hour, then those of ten minutes.
        for (now, expires, due) in [
            (0, 3_600, 1_800),
            (1_800, 3_600, 2_700),
            (2_700, 3_600, 3_150),
            (3_150, 3_750, 3_450),
            (3_450, 4_050, 3_750),
        ] {
            refresh.give(at(expires), at(now));
            assert!(!refresh.is_due(at(due - 1)), "{due}");
            assert!(refresh.is_due(at(due)), "{due}");
        }
    }

    #[test]
    fn a_token_that_is_not_valid_yet_because_the_clock_was_set_back_is_due() {
        let mut refresh = TokenRefresh::at_join(Unix(10_000));
        refresh.give(Unix(610_000), Unix(10_000));
        assert!(!refresh.is_due(Unix(10_000)));
        assert!(refresh.is_due(Unix(9_000)));
        refresh.give(Unix(609_000), Unix(9_000));
        assert!(!refresh.is_due(Unix(9_100)));
    }
}
