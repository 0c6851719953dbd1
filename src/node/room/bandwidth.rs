//! Carries reports of the members' links to those who decide, and their decisions back: to the
//! transports, to billing, and to the clients.

use super::membership::Membership;
use super::parts::Parts;
use crate::base::{Direction, FloorState, LimitedBy, Millis, Mono, Now, SessionId, TrackKind};
use crate::node::io::LinkCounts;
use crate::node::member::{Side, downward, upward};
use crate::room::{FloorView, MemberKey, Room, View};

/// Links are looked at this often: a fall of an estimate is answered within it.
const LOOK_EVERY: Millis = Millis(100);

/// Clients are told the state of the floors this often even if nothing changed: a newcomer learns it.
const TELL_EVERY: Millis = Millis::from_secs(5);

/// Adds how many subscriptions and floors are in each state.
pub(in crate::node) fn add_links(room: &Room, members: &Membership, links: &mut LinkCounts) {
    let videos = |view: &View| {
        let publication = room.publication(view.track);
        publication.is_some_and(|publication| publication.spec.kind == TrackKind::Video)
    };
    for view in room.views().into_iter().filter(videos) {
        let layer = view.rung.map(|rung| usize::from(rung.quality.min(2)));
        match layer {
            _ if view.paused => links.paused += 1,
            Some(layer) => links.layers[layer] += 1,
            None => links.off += 1,
        }
        let by = LimitedBy::ALL.iter().position(|by| *by == view.limited_by);
        links.limited[by.unwrap_or(0)] += 1;
    }
    for (_, member) in members.iter().filter(|(_, member)| member.active) {
        let place = |direction| {
            let state = member.links.view(direction).state;
            let place = FloorState::ALL.iter().position(|other| *other == state);
            place.unwrap_or(0)
        };
        links.up[place(Direction::Up)] += 1;
        links.down[place(Direction::Down)] += 1;
    }
}

/// The bandwidth of a room's members.
pub(in crate::node) struct Bandwidth {
    session: SessionId,
    told: Mono,
}

impl Bandwidth {
    pub(in crate::node) const fn new(session: SessionId, now: Mono) -> Bandwidth {
        Bandwidth { session, told: now }
    }

    /// Looks at every link, gives what it carries to the most important, and judges the floor.
    pub(in crate::node) fn handle_timeout(&mut self, parts: &mut Parts, now: Now) {
        for key in parts.members.keys() {
            let Some(member) = parts.members.at_mut(key) else {
                continue;
            };
            if member.active && now.mono.since(member.links.looked) >= LOOK_EVERY {
                member.links.looked = now.mono;
                self.look_at(key, parts, now);
            }
        }
        parts.room.handle_timeout(now.mono);
        if now.mono.since(self.told) >= TELL_EVERY {
            self.tell_floors(parts, now.mono);
        }
    }

    fn look_at(&mut self, key: usize, parts: &mut Parts, now: Now) {
        let changed = [
            (Direction::Up, look_up(parts, key, now.mono)),
            (Direction::Down, look_down(parts, key, now.mono)),
        ];
        ask_for_filler(parts, key, now.mono);
        for (direction, changed) in changed {
            report_floor(parts, key, direction, now);
            if changed {
                self.on_floor(key, direction, parts, now.mono);
            }
        }
    }

    fn on_floor(&mut self, key: usize, direction: Direction, parts: &mut Parts, now: Mono) {
        let Some(member) = parts.members.at_mut(key) else {
            return;
        };
        let view = member.links.view(direction);
        tracing::debug!(
            session = %self.session,
            participant = %member.sid,
            direction = direction.as_str(),
            state = view.state.as_str(),
            floor_bps = view.floor.0,
            measured_bps = view.measured.map(|rate| rate.0),
            "the floor"
        );
        let worst = member.links.worst().as_str();
        parts.set_attribute(key, "beistand.floor", Some(worst));
        self.tell_floors(parts, now);
    }

    /// Tells everyone how the floors stand.
    fn tell_floors(&mut self, parts: &mut Parts, now: Mono) {
        self.told = now;
        let side = |view: FloorView| {
            serde_json::json!({
                "state": view.state.as_str(),
                "floor_bps": view.floor.0,
                "measured_bps": view.measured.map(|rate| rate.0),
                "limited_by": view.limited_by.map(LimitedBy::as_str),
            })
        };
        let members = parts.members.iter().map(|(_, member)| member);
        let visible = members.filter(|member| member.active && !member.hidden());
        let participants: Vec<serde_json::Value> = visible
            .map(|member| {
                serde_json::json!({
                    "identity": member.identity().as_str(),
                    "up": side(member.links.view(Direction::Up)),
                    "down": side(member.links.view(Direction::Down)),
                })
            })
            .collect();
        if !participants.is_empty() {
            let state = serde_json::json!({ "participants": participants });
            parts.notices.data("beistand.floor", state.to_string());
        }
    }
}

/// Carries the report of the way down into the room, and its decision to the transport; true if
/// the floor's state changed.
fn look_down(parts: &mut Parts, key: usize, now: Mono) -> bool {
    let Some(member) = parts.members.at_mut(key) else {
        return false;
    };
    let transport = member.connections.write(Side::Subscriber);
    let report = downward(transport.link(now));
    let look = member.links.downlink.handle_report(report, now);
    let allocated = parts.room.allocate(MemberKey(key), look.budget, now);
    let downlink = &mut member.links.downlink;
    let decision = downlink.handle_allocated(look, allocated, now);
    transport.set_bandwidth(decision.pad_to, decision.look_for);
    if let Some(estimate) = decision.restart {
        transport.restart_estimate(estimate);
    }
    member.links.down.handle_reading(decision.reading, now)
}

/// Likewise the way up.
fn look_up(parts: &mut Parts, key: usize, now: Mono) -> bool {
    let demand = parts.room.demand_of(MemberKey(key));
    let Some(member) = parts.members.at_mut(key) else {
        return false;
    };
    let report = upward(member.connections.transport(Side::Publisher).link(now));
    let decision = member.links.uplink.handle_report(report, demand, now);
    parts
        .room
        .handle_publisher_probe(MemberKey(key), decision.lowest_only);
    member.links.up.handle_reading(decision.reading, now)
}

/// Asks a publisher for filler where only that shows what its way carries.
fn ask_for_filler(parts: &mut Parts, key: usize, now: Mono) {
    let Some(member) = parts.members.at_mut(key) else {
        return;
    };
    let state = member.links.up.state();
    if let Some(filler) = member.links.uplink.handle_floor(state, now) {
        let asked = serde_json::json!({ "bps": filler.rate, "ms": filler.span });
        parts
            .notices
            .data_to(key, "beistand.probe", asked.to_string());
    }
}

/// Tells billing how a floor stands.
fn report_floor(parts: &mut Parts, key: usize, direction: Direction, now: Now) {
    if let Some(member) = parts.members.at(key) {
        let report = member.links.report(direction);
        parts
            .billing
            .handle_floor(member.identity(), direction, report, now);
    }
}
