//! What a publisher asks of its link, measured on the wire: links are made as narrow as a test wants
//! them in proportion to that, and times count from the moment at which it was there.

use crate::proxy::{Kind, Link, Proxy, Tape};
use crate::wait;
use std::time::Duration;

/// A demand stands when it has stood for so long.
const STANDS: Duration = Duration::from_secs(2);
/// Headers and the wavering of a frame more or less, in percent of what is asked of an encoder.
const ABOUT_PERCENT: u64 = 25;

/// Rates on the wire, in bits per second.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Of the sound.
    pub sound_bps: u64,
    /// Of each layer of the picture, the lowest first.
    pub layers_bps: Vec<u64>,
}

impl Demand {
    /// Waits until each layer takes about what its encoder was told, for a while.
    pub fn of(proxy: &Proxy, publisher: &Link, layers_bps: &[u64]) -> Demand {
        wait::until("the publisher sends its layers", wait::PATIENCE, || {
            let from = proxy.now().saturating_sub(STANDS);
            let tape = publisher.sent_up(from);
            let demand = Demand::on(&tape);
            let is_about = |(is, wanted): (&u64, &u64)| {
                let percent = is * 100 / wanted;
                (100 - ABOUT_PERCENT..=100 + ABOUT_PERCENT).contains(&percent)
            };
            let stands = demand.sound_bps > 0
                && demand.layers_bps.len() == layers_bps.len()
                && demand.layers_bps.iter().zip(layers_bps).all(is_about);
            if stands {
                println!("{demand:?}");
                Ok(demand)
            } else {
                Err(format!("{demand:?}"))
            }
        })
    }

    fn on(tape: &Tape) -> Demand {
        let streams = tape.of(Kind::Picture).streams();
        let mut layers_bps: Vec<u64> = streams.values().map(|one| one.bps(STANDS)).collect();
        layers_bps.sort_unstable();
        Demand {
            sound_bps: tape.of(Kind::Sound).bps(STANDS),
            layers_bps,
        }
    }

    /// A layer and the sound.
    pub fn with_sound(&self, layer: usize) -> u64 {
        self.layers_bps[layer] + self.sound_bps
    }

    /// Everything.
    pub fn whole(&self) -> u64 {
        self.layers_bps.iter().sum::<u64>() + self.sound_bps
    }
}

/// Waits until pictures have arrived at this rate for a second, and returns that moment.
pub fn until_carried(proxy: &Proxy, viewer: &Link, least_bps: u64) -> Duration {
    let second = Duration::from_secs(1);
    let what = format!("pictures arrive at {least_bps} bit/s");
    wait::until(&what, wait::PATIENCE, || {
        let now = proxy.now();
        let from = now.saturating_sub(second);
        let arrived = viewer.arrived_down(from).of(Kind::Picture).bps(second);
        if arrived >= least_bps {
            return Ok(now);
        }
        Err(format!("{arrived} bit/s"))
    })
}
