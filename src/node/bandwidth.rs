//! What the links of a room carry: shared among subscriptions, held against the floor, told.

use super::live_room::{Context, LiveRoom};
use crate::base::{
    Bitrate, Direction, FloorReport, FloorState, LimitedBy, Millis, Mono, TrackKind,
};
use crate::peer::signal::Response;
use crate::peer::transport::LinkReport;
use crate::room::{
    Downlink, DownlinkConfig, DownlinkReport, Floor, FloorConfig, FloorView, MemberKey, TrackKey,
    Uplink, UplinkReport, View,
};
use crate::session::{Floor as Promise, OnBreach};

/// Links are looked at this often: a fall of an estimate is answered within it.
const LOOK: Millis = Millis(100);

/// Clients are told the state of the floors this often even if nothing changed: a newcomer learns it.
const TELL_EVERY: Millis = Millis::from_secs(5);

/// The links of one member, and what is promised of them.
#[derive(Clone, Debug)]
pub(super) struct Floors {
    uplink: Uplink,
    downlink: Downlink,
    up: Floor,
    down: Floor,
    looked: Mono,
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

impl Floors {
    pub(super) fn new(promise: &Promise) -> Floors {
        let floor = |direction, bps| {
            Floor::new(FloorConfig {
                direction,
                floor: Bitrate(bps),
                short_after: promise.short_after(),
                breach_after: promise.breach_after(),
                restore_after: promise.restore_after(),
            })
        };
        Floors {
            uplink: Uplink::new(Bitrate(promise.up_bps)),
            downlink: Downlink::new(DownlinkConfig {
                floor: Bitrate(promise.down_bps),
                may_pause: promise.does(OnBreach::Shed),
            }),
            up: floor(Direction::Up, promise.up_bps),
            down: floor(Direction::Down, promise.down_bps),
            looked: Mono::ZERO,
        }
    }

    pub(super) const fn view(&self, direction: Direction) -> FloorView {
        match direction {
            Direction::Up => self.up.view(),
            Direction::Down => self.down.view(),
        }
    }

    /// The worse of both directions.
    pub(super) fn worst(&self) -> FloorState {
        self.up.state().max(self.down.state())
    }
}

/// What the room asks of the way down.
const fn downward(link: LinkReport) -> DownlinkReport {
    DownlinkReport {
        estimate: link.estimate,
        lost: link.lost_out,
        rtt: link.rtt,
    }
}

/// What the room asks of the way up.
const fn upward(link: LinkReport) -> UplinkReport {
    UplinkReport {
        received: link.received,
        queue: link.queue,
        lost: link.lost_in,
    }
}

impl LiveRoom {
    pub(super) fn add_links(&self, links: &mut Links) {
        let videos = |view: &View| {
            let publication = self.room.publication(view.track);
            publication.is_some_and(|publication| publication.spec.kind == TrackKind::Video)
        };
        let views = self.room.views().into_iter().filter(videos);
        for view in views {
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
        let changed = [
            (Direction::Up, self.look_up(key, context.now.mono)),
            (Direction::Down, self.look_down(key, context.now.mono)),
        ];
        self.ask_for_filler(key, context.now.mono);
        for (direction, changed) in changed {
            self.report_floor(key, direction, context);
            if changed {
                self.on_floor(key, direction, context);
            }
        }
    }

    /// Carries the report of the way down into the room, and its decision to the transport; true if
    /// the floor's state changed.
    fn look_down(&mut self, key: usize, now: Mono) -> bool {
        let member = &mut self.members[key];
        let report = downward(member.subscriber.link(now));
        let look = member.floors.downlink.handle_report(report, now);
        let allocated = self.room.allocate(MemberKey(key), look.budget, now);
        let downlink = &mut member.floors.downlink;
        let decision = downlink.handle_allocated(look, allocated, now);
        let (pad_to, look_for) = (decision.pad_to, decision.look_for);
        member.subscriber.set_bandwidth(pad_to, look_for);
        if let Some(estimate) = decision.restart {
            member.subscriber.restart_estimate(estimate);
        }
        member.touched = true;
        member.floors.down.handle_reading(decision.reading, now)
    }

    /// Likewise the way up.
    fn look_up(&mut self, key: usize, now: Mono) -> bool {
        let demand = self.room.demand_of(MemberKey(key));
        let member = &mut self.members[key];
        let report = upward(member.publisher.link(now));
        let decision = member.floors.uplink.handle_report(report, demand, now);
        let lowest_only = decision.lowest_only;
        self.room
            .handle_publisher_probe(MemberKey(key), lowest_only);
        member.floors.up.handle_reading(decision.reading, now)
    }

    fn ask_for_filler(&mut self, key: usize, now: Mono) {
        let floors = &mut self.members[key].floors;
        if let Some(filler) = floors.uplink.handle_floor(floors.up.state(), now) {
            let asked = serde_json::json!({ "bps": filler.rate, "ms": filler.span });
            self.tell_one(key, "beistand.probe", &asked.to_string());
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
