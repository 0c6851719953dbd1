//! What the links of a room carry: shared among subscriptions, held against the floor, told.

use super::live_room::{Context, LiveRoom};
use super::recording::RECORDER;
use crate::base::{
    Bitrate, Direction, FloorReport, FloorState, LimitedBy, Millis, Mono, TrackKind,
};
use crate::peer::signal::Response;
use crate::peer::transport::LinkReport;
use crate::room::{
    Budget, CongestionDetector, Downlink, EstimateWatchdog, Evidence, Floor, FloorConfig,
    MemberKey, Padding, ProbeCeiling, PublisherProbe, TrackKey, Uplink, View,
};
use crate::session::{Floor as Promise, OnBreach};

/// Links are looked at this often: a fall of an estimate is answered within it.
const LOOK: Millis = Millis(100);

/// Clients are told the state of the floors this often even if nothing changed: a newcomer learns it.
const TELL_EVERY: Millis = Millis::from_secs(5);

/// An uplink of which only loss says that it is short is asked for filler: the floor for so long.
const PROBE: Millis = Millis::from_secs(1);
/// At most this often.
const PROBE_EVERY: Millis = Millis::from_secs(30);

/// Before the first feedback (libwebrtc's own start).
const FIRST_ESTIMATE: Bitrate = Bitrate::kbps(300);

/// The promise to one member, both ways.
#[derive(Clone, Debug)]
pub(super) struct Floors {
    up: Floor,
    down: Floor,
    /// When the uplink last lost or queued much.
    pressed: Option<Mono>,
    /// When it last queued much: a link that is full, and no loss by chance.
    queued: Option<Mono>,
    probed: Option<Mono>,
    /// When the downlink's controller began to work.
    since: Option<Mono>,
    looked: Mono,
    watchdog: EstimateWatchdog,
    ceiling: ProbeCeiling,
    publisher_probe: PublisherProbe,
    detector: CongestionDetector,
    padding: Padding,
    measured_up: Bitrate,
    measured_down: Option<Bitrate>,
    limited_up: Option<LimitedBy>,
    limited_down: Option<LimitedBy>,
}

/// How many subscriptions and floors are in each state now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Video subscriptions paused for want of downlink.
    pub paused: u64,
    /// Video subscriptions in which nothing flows for another reason.
    pub off: u64,
    /// Video subscriptions by layer: low, medium, high.
    pub layers: [u64; 3],
    /// Video subscriptions by what limits them, in the order of [`LimitedBy::ALL`].
    pub limited: [u64; 5],
    /// Floors upwards, in the order of [`FloorState::ALL`].
    pub up: [u64; 4],
    /// Floors downwards, likewise.
    pub down: [u64; 4],
}

/// One direction as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FloorView {
    pub(super) state: FloorState,
    pub(super) floor: Bitrate,
    pub(super) measured: Option<Bitrate>,
    pub(super) limited_by: Option<LimitedBy>,
}

impl Floors {
    pub(super) fn new(promise: &Promise) -> Floors {
        let floor = |bps| {
            Floor::new(FloorConfig {
                floor: Bitrate(bps),
                short_after: promise.short_after(),
                breach_after: promise.breach_after(),
                restore_after: promise.restore_after(),
            })
        };
        Floors {
            up: floor(promise.up_bps),
            down: floor(promise.down_bps),
            pressed: None,
            queued: None,
            probed: None,
            since: None,
            looked: Mono::ZERO,
            watchdog: EstimateWatchdog::default(),
            ceiling: ProbeCeiling::default(),
            publisher_probe: PublisherProbe::default(),
            detector: CongestionDetector::default(),
            padding: Padding::default(),
            measured_up: Bitrate::ZERO,
            measured_down: None,
            limited_up: None,
            limited_down: None,
        }
    }

    pub(super) fn view(&self, direction: Direction) -> FloorView {
        let (floor, measured, limited_by) = match direction {
            Direction::Up => (&self.up, Some(self.measured_up), self.limited_up),
            Direction::Down => (&self.down, self.measured_down, self.limited_down),
        };
        FloorView {
            state: floor.state(),
            floor: floor.config().floor,
            measured,
            limited_by,
        }
    }

    /// The worse of both directions.
    pub(super) fn worst(&self) -> FloorState {
        self.up.state().max(self.down.state())
    }

    /// Judges the way up; true if its state changed.
    fn look_up(&mut self, link: LinkReport, demand: Bitrate, now: Mono) -> bool {
        if Uplink::presses(link.lost_in, link.queue) {
            self.pressed = Some(now);
        }
        if Uplink::presses(0, link.queue) {
            self.queued = Some(now);
        }
        let uplink = Uplink {
            received: link.received,
            demand,
            pressed: self.pressed.map(|at| now.since(at)),
        };
        self.measured_up = link.received;
        let evidence = uplink.evidence(self.up.config().floor);
        self.limited_up = match evidence {
            Evidence::Less => Some(LimitedBy::Uplink),
            Evidence::Nothing => Some(LimitedBy::Source),
            Evidence::Enough => None,
        };
        self.up.handle_evidence(evidence, now)
    }

    /// True if the uplink seems short by loss alone, which its sender may have bent to without need.
    fn wants_probe(&mut self, now: Mono) -> bool {
        let lately = |at: Option<Mono>| at.is_some_and(|at| now.since(at) < PROBE_EVERY);
        let wants =
            self.up.state() == FloorState::Short && !lately(self.queued) && !lately(self.probed);
        if wants {
            self.probed = Some(now);
        }
        wants
    }

    /// Judges the way down; true if its state changed.
    fn look_down(
        &mut self,
        link: LinkReport,
        (demand, carried): (Bitrate, Bitrate),
        now: Mono,
    ) -> bool {
        let downlink = Downlink {
            estimate: link.estimate,
            demand,
            carried,
            lost: link.lost_out,
            age: self.since.map_or(Millis::ZERO, |since| now.since(since)),
        };
        self.measured_down = link.estimate;
        let evidence = downlink.evidence(self.down.config().floor);
        self.limited_down = match evidence {
            Evidence::Less => Some(LimitedBy::Downlink),
            Evidence::Nothing => Some(LimitedBy::Source),
            Evidence::Enough => None,
        };
        self.down.handle_evidence(evidence, now)
    }
}

impl LiveRoom {
    pub(super) fn add_links(&self, links: &mut Links) {
        let videos = |view: &View| {
            let publication = self.room.publication(view.track);
            publication.is_some_and(|publication| publication.spec.kind == TrackKind::Video)
        };
        let views = self.room.views().into_iter().filter(videos);
        for view in views.filter(|view| view.subscriber != RECORDER) {
            let layer = view.rung.map(|rung| usize::from(rung.quality.min(2)));
            match layer {
                _ if view.paused => links.paused += 1,
                Some(layer) => links.layers[layer] += 1,
                None => links.off += 1,
            }
            let by = LimitedBy::ALL.iter().position(|by| *by == view.limited_by);
            links.limited[by.unwrap_or(0)] += 1;
        }
        for (_, member) in self.members.iter().filter(|(_, member)| member.active) {
            let place = |direction| {
                let state = member.floors.view(direction).state;
                let place = FloorState::ALL.iter().position(|other| *other == state);
                place.unwrap_or(0)
            };
            links.up[place(Direction::Up)] += 1;
            links.down[place(Direction::Down)] += 1;
        }
    }

    /// Looks at every link, gives what it carries to the most important, and judges the floor.
    pub(super) fn tend_bandwidth(&mut self, context: &mut Context<'_>) {
        let now = context.now.mono;
        for key in self.keys() {
            let active = self.members[key].active;
            if active && now.since(self.members[key].floors.looked) >= LOOK {
                self.members[key].floors.looked = now;
                self.look_at(key, context);
            }
        }
        self.room.handle_timeout(now);
        self.settle(context);
        if now.since(self.floors_told) >= TELL_EVERY {
            self.tell_floors(context);
        }
    }

    fn look_at(&mut self, key: usize, context: &mut Context<'_>) {
        let now = context.now.mono;
        let promise = &self.policy.floor;
        let member = &mut self.members[key];
        let down = member.subscriber.link(now);
        let up = member.publisher.link(now);
        member.floors.since.get_or_insert(now);
        let detector = &mut member.floors.detector;
        detector.handle_report(down.lost_out, down.rtt, now);
        let budget = Budget {
            estimate: down.estimate.unwrap_or(FIRST_ESTIMATE),
            congested: detector.is_congested(),
            calm: detector.is_calm(now),
            may_pause: promise.does(OnBreach::Shed),
            floor: Bitrate(promise.down_bps),
        };
        let allocated = self.room.allocate(MemberKey(key), budget, now);
        let demand = self.room.demand_of(MemberKey(key));
        let member = &mut self.members[key];
        let ceiling = member.floors.ceiling.handle_estimate(budget.estimate);
        let climbing = allocated.minimum > Bitrate::ZERO;
        let minimum = if member.floors.padding.handle_demand(climbing, now) {
            allocated.minimum.min(ceiling)
        } else {
            Bitrate::ZERO
        };
        let desired = allocated.desired.min(ceiling);
        member.subscriber.set_bandwidth(minimum, desired);
        let more_wanted = climbing || budget.estimate < budget.floor;
        let watchdog = &mut member.floors.watchdog;
        if watchdog.handle_estimate(budget.estimate, more_wanted, now) {
            member.subscriber.restart_estimate(budget.estimate);
        }
        member.touched = true;
        let changed_up = member.floors.look_up(up, demand, now);
        let pressed = member.floors.pressed.map(|at| now.since(at));
        let rates = (up.received, demand);
        let probing = member
            .floors
            .publisher_probe
            .handle_uplink(pressed, rates, now);
        self.room.handle_publisher_probe(MemberKey(key), probing);
        let sums = (allocated.demand, allocated.carried);
        let changed_down = member.floors.look_down(down, sums, now);
        for (changed, direction) in [(changed_up, Direction::Up), (changed_down, Direction::Down)] {
            self.report_floor(key, direction, context);
            if changed {
                self.on_floor(key, direction, context);
            }
        }
    }

    /// Tells billing how a floor stands.
    fn report_floor(&mut self, key: usize, direction: Direction, context: &Context<'_>) {
        let member = &self.members[key];
        let view = member.floors.view(direction);
        let report = FloorReport {
            state: view.state,
            measured_bps: view.measured.map(|rate| rate.0),
            floor_bps: view.floor.0,
            limited_by: view.limited_by,
        };
        self.billing
            .handle_floor(&member.join.identity, direction, report, context.now);
    }

    fn on_floor(&mut self, key: usize, direction: Direction, context: &mut Context<'_>) {
        let member = &mut self.members[key];
        let view = member.floors.view(direction);
        if direction == Direction::Up && member.floors.wants_probe(context.now.mono) {
            let asked = serde_json::json!({ "bps": view.floor.0, "ms": PROBE });
            self.tell_one(key, "beistand.probe", &asked.to_string());
        }
        let member = &mut self.members[key];
        let worst = member.floors.worst().as_str();
        if member.card.set_attribute("beistand.floor", Some(worst)) {
            self.broadcast(key, context);
        }
        tracing::info!(
            session = %self.session(),
            participant = %self.members[key].sid,
            direction = direction.as_str(),
            state = view.state.as_str(),
            floor_bps = view.floor.0,
            measured_bps = view.measured.map(|rate| rate.0),
            "the floor"
        );
        self.tell_floors(context);
    }

    /// Tells everyone how the floors stand.
    fn tell_floors(&mut self, context: &Context<'_>) {
        self.floors_told = context.now.mono;
        let side = |view: FloorView| {
            serde_json::json!({
                "state": view.state.as_str(),
                "floor_bps": view.floor.0,
                "measured_bps": view.measured.map(|rate| rate.0),
                "limited_by": view.limited_by.map(LimitedBy::as_str),
            })
        };
        let visible = self
            .members
            .iter()
            .filter(|(_, member)| member.active && !member.hidden());
        let participants: Vec<serde_json::Value> = visible
            .map(|(_, member)| {
                serde_json::json!({
                    "identity": member.identity().as_str(),
                    "up": side(member.floors.view(Direction::Up)),
                    "down": side(member.floors.view(Direction::Down)),
                })
            })
            .collect();
        if !participants.is_empty() {
            let told = serde_json::json!({ "participants": participants });
            self.tell_all("beistand.floor", &told.to_string());
        }
    }

    pub(super) fn on_stream_state(
        &self,
        member: MemberKey,
        track: TrackKey,
        paused: bool,
        context: &mut Context<'_>,
    ) {
        let Some(publication) = self.room.publication(track) else {
            return;
        };
        let Some(publisher) = self.members.get(publication.publisher.0) else {
            return;
        };
        let state = Response::StreamState(
            publisher.sid.to_string(),
            publication.spec.sid.to_string(),
            paused,
        );
        self.send(member.0, state, context);
    }

    pub(super) fn on_quality_wanted(
        &self,
        track: TrackKey,
        quality: Option<u8>,
        context: &mut Context<'_>,
    ) {
        let Some(publication) = self.room.publication(track) else {
            return;
        };
        let (publisher, sid) = (publication.publisher.0, &publication.spec.sid);
        let Some(published) = self
            .members
            .get(publisher)
            .and_then(|m| m.published.get(sid))
        else {
            return;
        };
        let wanted = Response::QualityWanted(sid.to_string(), quality, published.codec);
        self.send(publisher, wanted, context);
    }
}
