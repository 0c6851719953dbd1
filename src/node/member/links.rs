//! The links of one member: what each way carries, and what is promised of it.

use crate::base::{Bitrate, Direction, FloorReport, FloorState, Mono};
use crate::peer::transport::LinkReport;
use crate::room::{
    Downlink, DownlinkConfig, DownlinkReport, Floor, FloorConfig, FloorView, Uplink, UplinkReport,
};
use crate::session::{Floor as Promise, OnBreach};

/// The links of one member, and what is promised of them.
#[derive(Clone, Debug)]
pub(in crate::node) struct Links {
    pub(in crate::node) uplink: Uplink,
    pub(in crate::node) downlink: Downlink,
    pub(in crate::node) up: Floor,
    pub(in crate::node) down: Floor,
    pub(in crate::node) looked: Mono,
}

impl Links {
    pub(in crate::node) fn new(promise: &Promise) -> Links {
        let floor = |direction, bps| {
            Floor::new(FloorConfig {
                direction,
                floor: Bitrate(bps),
                short_after: promise.short_after(),
                breach_after: promise.breach_after(),
                restore_after: promise.restore_after(),
            })
        };
        Links {
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

    pub(in crate::node) const fn view(&self, direction: Direction) -> FloorView {
        match direction {
            Direction::Up => self.up.view(),
            Direction::Down => self.down.view(),
        }
    }

    /// How a floor stands, for billing and for the API.
    pub(in crate::node) fn report(&self, direction: Direction) -> FloorReport {
        let view = self.view(direction);
        FloorReport {
            state: view.state,
            floor_bps: view.floor.0,
            measured_bps: view.measured.map(|rate| rate.0),
            limited_by: view.limited_by,
        }
    }

    /// The worse of both directions.
    pub(in crate::node) fn worst(&self) -> FloorState {
        self.up.state().max(self.down.state())
    }
}

/// What the room asks of the way down.
pub(in crate::node) const fn downward(link: LinkReport) -> DownlinkReport {
    DownlinkReport {
        estimate: link.estimate,
        lost: link.lost_out,
        rtt: link.rtt,
    }
}

/// What the room asks of the way up.
pub(in crate::node) const fn upward(link: LinkReport) -> UplinkReport {
    UplinkReport {
        received: link.received,
        queue: link.queue,
        lost: link.lost_in,
    }
}
