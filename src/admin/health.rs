//! Whether new clients should be sent here, and why not.

use std::time::Duration;

use crate::clock;
use crate::turn::address::Family;
use crate::udp::{Beat, Pulse, Readings};

/// A worker that was asked so long ago and has not answered hangs.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// With a smaller share of the relay ports left, in hundredths, clients should go elsewhere.
const PORTS_LEFT_MIN: usize = 5;

/// Judges a running server.
#[derive(Clone, Debug)]
pub struct Health {
    pub(super) readings: Readings,
    pub(super) pulse: Pulse,
}

impl Health {
    /// Of what these tell.
    pub fn new(readings: Readings, pulse: Pulse) -> Health {
        Health { readings, pulse }
    }

    /// Why no new clients should be sent here; empty: they should.
    pub fn reasons(&self) -> Vec<String> {
        let draining = self.readings.is_draining().then(|| "draining: no new allocations are given".to_owned());
        draining.into_iter().chain(self.scarce_ports()).chain(self.silent_workers()).collect()
    }

    fn scarce_ports(&self) -> Vec<String> {
        let counts = self.readings.port_counts();
        let scarce = |family: Family| {
            let of_family = counts.iter().filter(|(ip, _)| Family::of(*ip) == family);
            let (left, all) = of_family.fold((0, 0), |(left, all), (_, ports)| {
                let unused = ports.resting + ports.free;
                (left + unused, all + unused + ports.in_use)
            });
            let name = if family == Family::V4 { "IPv4" } else { "IPv6" };
            (left * 100 < all * PORTS_LEFT_MIN).then(|| format!("relay ports: {left} of {all} are left for {name}"))
        };
        [Family::V4, Family::V6].into_iter().filter_map(scarce).collect()
    }

    fn silent_workers(&self) -> Vec<String> {
        let beats = self.pulse.beats(clock::now().mono).into_iter().enumerate();
        let reason = |(worker, beat)| match beat {
            Beat::Ended => Some(format!("worker {worker} has stopped")),
            Beat::Waiting(silence) if silence > SILENCE_MAX => {
                Some(format!("worker {worker} has not answered for {} s", silence.as_secs()))
            }
            Beat::Waiting(_) | Beat::Answered(_) => None,
        };
        beats.filter_map(reason).collect()
    }
}
