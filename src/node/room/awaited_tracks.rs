//! Subscriptions to tracks that are not there yet: kept until the track comes, or for a while.

use crate::base::{Millis, Mono, TrackSid};

/// As long as an announced track may take to come: whoever learnt of it by other ways gets it.
const WAIT: Millis = Millis::from_secs(30);

/// Of one member; more is no subscriber but a flood.
const MAX_OF_ONE: usize = 64;

/// Who waits for what.
#[derive(Debug, Default)]
pub(in crate::node) struct AwaitedTracks {
    awaited: Vec<Awaited>,
}

#[derive(Debug)]
struct Awaited {
    member: usize,
    track: TrackSid,
    since: Mono,
}

impl AwaitedTracks {
    /// False where the member waits for too many already.
    pub(in crate::node) fn want(&mut self, member: usize, track: TrackSid, now: Mono) -> bool {
        let mine = || self.awaited.iter().filter(|one| one.member == member);
        if mine().any(|one| one.track == track) {
            return true;
        }
        if mine().count() >= MAX_OF_ONE {
            return false;
        }
        self.awaited.push(Awaited {
            member,
            track,
            since: now,
        });
        true
    }

    pub(in crate::node) fn forget(&mut self, member: usize, track: &str) {
        self.awaited
            .retain(|one| one.member != member || one.track.as_str() != track);
    }

    pub(in crate::node) fn forget_all(&mut self, member: usize) {
        self.awaited.retain(|one| one.member != member);
    }

    /// The track is there: who waited for it, in the order of asking.
    pub(in crate::node) fn take(&mut self, track: &TrackSid) -> Vec<usize> {
        let taken = self.awaited.extract_if(.., |one| one.track == *track);
        taken.map(|one| one.member).collect()
    }

    /// Those that waited too long.
    pub(in crate::node) fn expire(&mut self, now: Mono) -> Vec<(usize, TrackSid)> {
        let stale = |one: &mut Awaited| now.since(one.since) >= WAIT;
        let expired = self.awaited.extract_if(.., stale);
        expired.map(|one| (one.member, one.track)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(name: &str) -> TrackSid {
        TrackSid::from(name)
    }

    #[test]
    fn whoever_waits_gets_the_track_once_and_nobody_else_does() {
        let mut awaited = AwaitedTracks::default();
        for (member, track) in [(2, "TR_a"), (1, "TR_a"), (1, "TR_b"), (2, "TR_a")] {
            assert!(awaited.want(member, sid(track), Mono::ZERO));
        }
        awaited.forget(1, "TR_b");
        assert_eq!(awaited.take(&sid("TR_a")), [2, 1]);
        assert!(awaited.take(&sid("TR_a")).is_empty());
        assert!(awaited.take(&sid("TR_b")).is_empty());
    }

    #[test]
    fn a_wish_ends_after_thirty_seconds_or_with_its_member() {
        let mut awaited = AwaitedTracks::default();
        awaited.want(1, sid("TR_a"), Mono::ZERO);
        awaited.want(2, sid("TR_a"), Mono::ZERO);
        awaited.want(1, sid("TR_b"), Mono::from_millis(1));
        awaited.forget_all(2);
        assert!(awaited.expire(Mono::from_millis(29_999)).is_empty());
        let expired = awaited.expire(Mono::from_millis(30_000));
        assert_eq!(expired, [(1, sid("TR_a"))]);
        assert_eq!(awaited.take(&sid("TR_b")), [1]);
    }

    #[test]
    fn one_member_waits_for_sixty_four_tracks_at_most() {
        let mut awaited = AwaitedTracks::default();
        let track = |index: usize| sid(&format!("TR_{index}"));
        assert!((0..64).all(|index| awaited.want(1, track(index), Mono::ZERO)));
        assert!(!awaited.want(1, track(64), Mono::ZERO));
        assert!(awaited.want(1, track(0), Mono::ZERO), "known already");
        assert!(awaited.want(2, track(64), Mono::ZERO), "someone else");
    }
}
