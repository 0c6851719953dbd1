//! Gives each subscriber's videos what its downlink carries, and tells publishers what is wanted.

use super::allocator::{Cost, Want, allocate};
use crate::base::{Bitrate, LimitedBy, Millis, Mono, Role, TrackKind, TrackSource};
use crate::room::room::{Event, MemberKey, Room};
use crate::room::tracks::publication::{Publication, Rung, TrackKey};
use crate::room::tracks::subscription::Subscription;

/// Less is wanted of a publisher only after this long (LiveKit's dynacast): a resize or a hidden
/// window is often undone at once.
const WANT_LESS_AFTER: Millis = Millis::from_secs(5);

/// Part of the estimate that is given away; retransmissions and RTCP take the rest.
const SHARED_PERCENT: u64 = 95;

/// Above what is wanted the congestion controller looks for so many hundredths, as a climb needs them.
const DESIRED_PERCENT: u64 = 125;

/// What one subscriber's downlink carries.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// What the congestion controller believes.
    pub estimate: Bitrate,
    /// The link loses or queues packets.
    pub congested: bool,
    /// It has done neither for a while.
    pub calm: bool,
    /// Videos may be paused where it does not suffice.
    pub may_pause: bool,
    /// What is promised: looked for even if less is wanted.
    pub floor: Bitrate,
}

/// What followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocated {
    /// What the subscriber would get of a perfect link.
    pub demand: Bitrate,
    /// What it gets.
    pub carried: Bitrate,
    /// To be looked for.
    pub desired: Bitrate,
    /// To be kept flowing while something better is wanted: the next rung.
    pub minimum: Bitrate,
}

/// One video of a subscriber, to be ranked.
struct Candidate {
    /// The most important first.
    rank: (u8, u32, TrackKey),
    rungs: Vec<Rung>,
    want: Want,
}

impl From<&Rung> for Cost {
    fn from(rung: &Rung) -> Cost {
        Cost {
            now: rung.rate,
            most: rung.most,
        }
    }
}

/// One subscription as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Who gets it.
    pub subscriber: MemberKey,
    /// What.
    pub track: TrackKey,
    /// The layer and temporal layer; none: nothing flows.
    pub rung: Option<Rung>,
    /// Paused for want of downlink.
    pub paused: bool,
    /// What keeps it from more.
    pub limited_by: LimitedBy,
    /// Changes of rung so far.
    pub switches: u64,
}

impl Room {
    /// Shares a subscriber's downlink among what it gets.
    pub fn allocate(&mut self, member: MemberKey, budget: Budget, now: Mono) -> Allocated {
        let audio = self.audio(member, now);
        let mut candidates = self.candidates(member, budget, now);
        candidates.sort_by_key(|candidate| candidate.rank);
        let wants: Vec<Want> = candidates.iter().map(|c| c.want.clone()).collect();
        let shared = budget.estimate.percent(SHARED_PERCENT);
        let given = allocate(shared.saturating_sub(audio), &wants, budget.may_pause);
        let mut sums = Allocated {
            demand: audio,
            carried: audio,
            ..Allocated::default()
        };
        let mut next = Bitrate::ZERO;
        let mut left = shared.saturating_sub(audio);
        for (candidate, given) in candidates.iter().zip(given) {
            let cost = |index: usize| candidate.want.rungs.get(index);
            let got = given.and_then(cost).map_or(Bitrate::ZERO, |cost| cost.now);
            sums.demand += candidate
                .want
                .rungs
                .last()
                .map_or(Bitrate::ZERO, |cost| cost.now);
            sums.carried += got;
            let better = cost(given.map_or(0, |index| index + 1));
            if let Some(better) = better.filter(|_| next == Bitrate::ZERO) {
                next = better.most.saturating_sub(got);
            }
            let pinched = budget.congested && given == Some(0) && got > left;
            left = left.saturating_sub(got);
            self.apply(member, candidate, (given, pinched), now);
        }
        sums.desired = sums.demand.max(budget.floor).percent(DESIRED_PERCENT);
        if next > Bitrate::ZERO {
            sums.minimum = (sums.carried + next).percent(DESIRED_PERCENT);
        }
        sums
    }

    /// Rate of the sound that a subscriber gets.
    fn audio(&mut self, member: MemberKey, now: Mono) -> Bitrate {
        let mut sum = Bitrate::ZERO;
        for (_, publication) in &mut self.publications {
            let enabled = publication
                .subscriptions
                .get(&member)
                .is_some_and(|subscription| subscription.settings.enabled);
            if enabled && publication.spec.kind == TrackKind::Audio {
                let rungs = publication.rungs(2, 0, now);
                sum += rungs.last().map_or(Bitrate::ZERO, |rung| rung.rate);
            }
        }
        sum
    }

    fn candidates(&mut self, member: MemberKey, budget: Budget, now: Mono) -> Vec<Candidate> {
        let mine = self.members.get(&member).and_then(|m| m.options.role);
        let mut candidates = Vec::new();
        for (key, publication) in &mut self.publications {
            let theirs = self
                .members
                .get(&publication.publisher)
                .and_then(|m| m.options.role);
            let Some(subscription) = publication.subscriptions.get(&member) else {
                continue;
            };
            let settings = subscription.settings;
            if publication.spec.kind != TrackKind::Video || !settings.enabled {
                continue;
            }
            let class = class(settings.priority, publication.spec.source, mine, theirs);
            let (backoff, before) = (subscription.backoff, subscription.rung);
            let rungs = publication.rungs(
                publication.quality_wanted(&settings),
                settings.temporal(),
                now,
            );
            let at = before.and_then(|before| {
                let at_most = |rung: &Rung| {
                    (rung.quality, rung.temporal) <= (before.quality, before.temporal)
                };
                rungs
                    .iter()
                    .rposition(at_most)
                    .or((!rungs.is_empty()).then_some(0))
            });
            let held_at = before.filter(|_| backoff.held(now)).map(|before| {
                let same = |rung: &Rung| rung.quality <= before.quality;
                rungs.iter().rposition(same).unwrap_or(0)
            });
            let priority = if settings.priority == 0 {
                u32::MAX
            } else {
                settings.priority
            };
            candidates.push(Candidate {
                rank: (class, priority, TrackKey(key)),
                want: Want {
                    rungs: rungs.iter().map(Cost::from).collect(),
                    at,
                    held_at,
                    pinched: backoff.pinched(now),
                    congested: budget.congested,
                    calm: budget.calm,
                },
                rungs,
            });
        }
        candidates
    }

    fn apply(
        &mut self,
        member: MemberKey,
        candidate: &Candidate,
        (given, pinched): (Option<usize>, bool),
        now: Mono,
    ) {
        let track = candidate.rank.2;
        let Some(publication) = self.publications.get_mut(track.0) else {
            return;
        };
        let limited_by = limited_by(publication, member, candidate, given);
        let Some(subscription) = publication.subscriptions.get_mut(&member) else {
            return;
        };
        subscription.limited_by = limited_by;
        subscription.backoff.handle_pinch(pinched, now);
        if candidate.rungs.is_empty() {
            // Nothing flows that could be judged: whatever comes may start.
            return;
        }
        let rung = given.and_then(|index| candidate.rungs.get(index)).copied();
        let place = |rung: Option<Rung>| rung.map(|rung| (rung.quality, rung.temporal));
        let quality = |rung: Option<Rung>| rung.map(|rung| rung.quality);
        let before = quality(subscription.rung);
        if quality(rung) > before {
            subscription.backoff.handle_climb(now);
        } else if quality(rung) < before {
            // Only what still flows, and does not fit any more, is a fall of the downlink's.
            let flows = candidate.rungs.iter().any(|r| quality(Some(*r)) >= before);
            subscription.backoff.handle_fall(flows, now);
        }
        subscription.rung = rung;
        let was_paused = subscription.allowed.is_none();
        subscription.allowed = place(rung);
        if was_paused != rung.is_none() {
            if rung.is_none() {
                subscription.stop();
            }
            self.events.push_back(Event::StreamState {
                member,
                track,
                paused: rung.is_none(),
            });
        }
    }

    /// Tells publishers which layers are wanted: more at once, less after a while.
    pub fn handle_timeout(&mut self, now: Mono) {
        for (key, publication) in &mut self.publications {
            if publication.spec.kind != TrackKind::Video || publication.mid.is_none() {
                continue;
            }
            let wanted = publication
                .subscriptions
                .values()
                .filter(|subscription| subscription.settings.enabled)
                .map(|subscription| publication.quality_wanted(&subscription.settings))
                .max();
            let probed = self.probed.contains(&publication.publisher);
            let wanted = if probed { wanted.map(|_| 0) } else { wanted };
            let less = !probed && publication.wanted.is_some_and(|told| wanted < told);
            let since = *publication.wanted_less_since.get_or_insert(now);
            if !less {
                publication.wanted_less_since = None;
            }
            let due = !less || now.since(since) >= WANT_LESS_AFTER;
            if due && publication.wanted != Some(wanted) {
                publication.wanted = Some(wanted);
                publication.wanted_less_since = None;
                self.events.push_back(Event::QualityWanted {
                    track: TrackKey(key),
                    quality: wanted,
                });
            }
        }
    }

    /// A publisher shall send its lowest layers alone for a moment, or all that is wanted again.
    pub fn handle_publisher_probe(&mut self, publisher: MemberKey, probed: bool) {
        if probed {
            self.probed.insert(publisher);
        } else {
            self.probed.remove(&publisher);
        }
    }

    /// The publisher mutes a track, or speaks again.
    pub fn handle_muted(&mut self, track: TrackKey, muted: bool) {
        if let Some(publication) = self.publications.get_mut(track.0) {
            publication.muted = muted;
        }
    }

    /// What a publisher would send if everything that is wanted of it reached us: the announced
    /// rates of its layers up to the best one wanted.
    pub fn demand_of(&self, publisher: MemberKey) -> Bitrate {
        let tracks = self
            .publications
            .iter()
            .filter(|(_, publication)| publication.publisher == publisher && !publication.muted);
        tracks
            .map(|(_, publication)| {
                let wanted = publication.wanted.unwrap_or(Some(2));
                let layers = publication.spec.layers.iter();
                let up_to = layers.filter(|layer| Some(layer.quality) <= wanted);
                up_to.map(|layer| layer.bitrate).sum::<Bitrate>()
            })
            .sum()
    }

    /// All subscriptions as they are now.
    pub fn views(&self) -> Vec<View> {
        let mut views = Vec::new();
        for (key, publication) in &self.publications {
            for (member, subscription) in &publication.subscriptions {
                views.push(View {
                    subscriber: *member,
                    track: TrackKey(key),
                    rung: subscription.rung.filter(|_| subscription.flowing),
                    paused: subscription.allowed.is_none(),
                    limited_by: subscription.limited_by,
                    switches: subscription.backoff.switches,
                });
            }
        }
        views
    }
}

/// The order of the contract: what is pinned, screen share, the counterpart's camera, the rest.
fn class(priority: u32, source: TrackSource, mine: Option<Role>, theirs: Option<Role>) -> u8 {
    let counterpart = matches!(
        (mine, theirs),
        (Some(Role::Customer), Some(Role::Expert)) | (Some(Role::Expert), Some(Role::Customer))
    );
    match source {
        _ if priority == 1 => 0,
        TrackSource::ScreenShare => 1,
        TrackSource::Camera if counterpart => 2,
        TrackSource::Camera
        | TrackSource::Unknown
        | TrackSource::Microphone
        | TrackSource::ScreenShareAudio => 3,
    }
}

/// What keeps a subscription from more.
fn limited_by(
    publication: &Publication,
    member: MemberKey,
    candidate: &Candidate,
    given: Option<usize>,
) -> LimitedBy {
    let best = candidate.rungs.len().checked_sub(1);
    if given < best {
        return LimitedBy::Downlink;
    }
    let wanted = publication
        .subscriptions
        .get(&member)
        .map_or(2, |subscription: &Subscription| {
            publication.quality_wanted(&subscription.settings)
        });
    let flows = candidate.rungs.last().map_or(0, |rung| rung.quality);
    let announced = publication
        .spec
        .layers
        .last()
        .map_or(2, |spec| spec.quality);
    if wanted < announced && flows >= wanted {
        LimitedBy::Request
    } else if flows < wanted.min(announced) && best.is_some() {
        LimitedBy::Uplink
    } else {
        LimitedBy::Source
    }
}
