//! Gives each subscriber's videos what its downlink carries.

use super::allocator::{self, Cost, Want};
use crate::base::{Bitrate, LimitedBy, Mono, Role, TrackKind, TrackSource};
use crate::room::event::Event;
use crate::room::keys::{MemberKey, Subscriber, TrackKey};
use crate::room::members::Members;
use crate::room::tracks::layer::Rung;
use crate::room::tracks::publication::Publication;
use crate::room::tracks::subscription::Subscription;
use slab::Slab;
use std::collections::VecDeque;

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

/// What the sharing of a downlink looks at, and what it changes.
pub(in crate::room) struct Context<'a> {
    pub(in crate::room) members: &'a Members,
    pub(in crate::room) publications: &'a mut Slab<Publication>,
    pub(in crate::room) events: &'a mut VecDeque<Event>,
    pub(in crate::room) now: Mono,
}

/// What one video was given.
#[derive(Clone, Copy)]
struct Given {
    /// Which of its rungs; none: it does not fit.
    rung: Option<usize>,
    /// Its lowest rung costs more than there is.
    pinched: bool,
}

/// Shares a subscriber's downlink among what it gets.
pub(in crate::room) fn allocate(
    member: MemberKey,
    budget: Budget,
    context: &mut Context<'_>,
) -> Allocated {
    let audio = audio(member, context);
    let mut candidates = candidates(member, budget, context);
    candidates.sort_by_key(|candidate| candidate.rank);
    let wants: Vec<Want> = candidates.iter().map(|c| c.want.clone()).collect();
    let shared = budget.estimate.percent(SHARED_PERCENT);
    let mut left = shared.saturating_sub(audio);
    let given = allocator::allocate(left, &wants, budget.may_pause);
    let mut sums = Allocated {
        demand: audio,
        carried: audio,
        ..Allocated::default()
    };
    let mut next = Bitrate::ZERO;
    for (candidate, rung) in candidates.iter().zip(given) {
        let cost = |index: usize| candidate.want.rungs.get(index);
        let got = rung.and_then(cost).map_or(Bitrate::ZERO, |cost| cost.now);
        let best = candidate.want.rungs.last();
        sums.demand += best.map_or(Bitrate::ZERO, |cost| cost.now);
        sums.carried += got;
        let better = cost(rung.map_or(0, |index| index + 1));
        if let Some(better) = better.filter(|_| next == Bitrate::ZERO) {
            next = better.most.saturating_sub(got);
        }
        let pinched = budget.congested && rung == Some(0) && got > left;
        left = left.saturating_sub(got);
        apply(member, candidate, Given { rung, pinched }, context);
    }
    sums.desired = sums.demand.max(budget.floor).percent(DESIRED_PERCENT);
    if next > Bitrate::ZERO {
        sums.minimum = (sums.carried + next).percent(DESIRED_PERCENT);
    }
    sums
}

/// Rate of the sound that a subscriber gets.
fn audio(member: MemberKey, context: &mut Context<'_>) -> Bitrate {
    let mut sum = Bitrate::ZERO;
    for (_, publication) in &mut *context.publications {
        let subscription = publication.subscriptions.get(&Subscriber::Member(member));
        let enabled = subscription.is_some_and(|subscription| subscription.settings.enabled);
        if enabled && publication.spec.kind == TrackKind::Audio {
            let rungs = publication.rungs(2, 0, context.now);
            sum += rungs.last().map_or(Bitrate::ZERO, |rung| rung.rate);
        }
    }
    sum
}

/// The videos that a subscriber has not switched off.
fn candidates(member: MemberKey, budget: Budget, context: &mut Context<'_>) -> Vec<Candidate> {
    let mine = context.members.role(member);
    let mut candidates = Vec::new();
    for (key, publication) in &mut *context.publications {
        let theirs = context.members.role(publication.publisher);
        let Some(subscription) = publication.subscriptions.get(&Subscriber::Member(member)) else {
            continue;
        };
        let settings = subscription.settings;
        if publication.spec.kind != TrackKind::Video || !settings.enabled {
            continue;
        }
        let class = class(settings.priority, publication.spec.source, mine, theirs);
        let priority = match settings.priority {
            0 => u32::MAX,
            set => set,
        };
        let (backoff, before) = (subscription.backoff, subscription.rung);
        let limit = publication.quality_wanted(&settings);
        let rungs = publication.rungs(limit, settings.temporal(), context.now);
        let at = before.and_then(|before| {
            let at_most =
                |rung: &Rung| (rung.quality, rung.temporal) <= (before.quality, before.temporal);
            let highest = rungs.iter().rposition(at_most);
            highest.or((!rungs.is_empty()).then_some(0))
        });
        let held_at = before.filter(|_| backoff.held(context.now)).map(|before| {
            let same = |rung: &Rung| rung.quality <= before.quality;
            rungs.iter().rposition(same).unwrap_or(0)
        });
        candidates.push(Candidate {
            rank: (class, priority, TrackKey(key)),
            want: Want {
                rungs: rungs.iter().map(Cost::from).collect(),
                at,
                held_at,
                pinched: backoff.pinched(context.now),
                congested: budget.congested,
                calm: budget.calm,
            },
            rungs,
        });
    }
    candidates
}

fn apply(member: MemberKey, candidate: &Candidate, given: Given, context: &mut Context<'_>) {
    let now = context.now;
    let track = candidate.rank.2;
    let Some(publication) = context.publications.get_mut(track.0) else {
        return;
    };
    let limited_by = limited_by(publication, member, candidate, given.rung);
    let Some(subscription) = publication
        .subscriptions
        .get_mut(&Subscriber::Member(member))
    else {
        return;
    };
    subscription.limited_by = limited_by;
    subscription.backoff.handle_pinch(given.pinched, now);
    if candidate.rungs.is_empty() {
        // Nothing flows that could be judged: whatever comes may start.
        return;
    }
    let rung = given.rung.and_then(|index| candidate.rungs.get(index));
    let rung = rung.copied();
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
    subscription.allowed = rung.map(|rung| (rung.quality, rung.temporal));
    if was_paused != rung.is_none() {
        if rung.is_none() {
            subscription.selector.stop();
        }
        context.events.push_back(Event::StreamState {
            member,
            track,
            paused: rung.is_none(),
        });
    }
}

/// All subscriptions of members as they are now.
pub(in crate::room) fn views(publications: &Slab<Publication>) -> Vec<View> {
    let mut views = Vec::new();
    for (key, publication) in publications {
        for (subscriber, subscription) in &publication.subscriptions {
            let Some(member) = subscriber.member() else {
                continue;
            };
            let flowing = subscription.selector.is_flowing();
            views.push(View {
                subscriber: member,
                track: TrackKey(key),
                rung: subscription.rung.filter(|_| flowing),
                paused: subscription.allowed.is_none(),
                limited_by: subscription.limited_by,
                switches: subscription.backoff.switches,
            });
        }
    }
    views
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
        .get(&Subscriber::Member(member))
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
