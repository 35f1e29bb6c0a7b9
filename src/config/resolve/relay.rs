//! Relay addresses, what they are called outside, and the range of relayed ports.

use std::net::IpAddr;

use super::super::raw::{ExternalForm, Placed, Raw};
use super::super::{External, ExternalPair, Profile, Relay};
use super::{Found, addresses};

/// RFC 8656 section 7.2: a relayed port should not be one of the well-known ones.
const PORT_MIN: u16 = 1024;

pub(super) fn relay(raw: &Raw, found: &mut Found) -> Relay {
    let (min, max) = (&raw.min_port, &raw.max_port);
    for (name, port) in [("min-port", min), ("max-port", max)] {
        if port.value == 0 {
            found.wrong(&port.place, format!("{name}: there is no port 0"), "1024 to 65535");
        } else if port.value < PORT_MIN {
            let message = format!("{name}: a relayed address should never have a port 0..1023, found {}", port.value);
            found.passed_over_by_coturn(raw.profile, &port.place, message, "1024 to 65535");
        }
    }
    if min.value > max.value {
        let place = if max.is_set() { &max.place } else { &min.place };
        let message = format!("min-port {} is above max-port {}", min.value, max.value);
        found.wrong(place, message, "the range is inclusive: min-port <= max-port");
    }
    Relay { ips: addresses(&raw.relay_ips), external: external(raw, found), ports: min.value..=max.value }
}

fn external(raw: &Raw, found: &mut Found) -> External {
    let mut singles: Vec<Placed<IpAddr>> = Vec::new();
    let mut pairs: Vec<ExternalPair> = Vec::new();
    for form in &raw.external {
        match form.value {
            ExternalForm::Single(ip) => {
                add_single(&mut singles, Placed { value: ip, place: form.place.clone() }, raw.profile, found)
            }
            ExternalForm::Pair(pair) => match pairs.iter().find(|known| known.private == pair.private) {
                None => pairs.push(pair),
                Some(known) if known.public == pair.public => {}
                Some(known) => {
                    let message = format!("external-ip: {} stands for {} already", pair.private, known.public);
                    found.wrong(&form.place, message, "one public address per private one");
                }
            },
        }
    }
    External { single: singles.into_iter().map(|single| single.value).collect(), pairs }
}

/// One address per family. Like a scalar, that of the command line replaces that of the environment or file.
fn add_single(singles: &mut Vec<Placed<IpAddr>>, new: Placed<IpAddr>, profile: Profile, found: &mut Found) {
    if new.value.is_unspecified() {
        let message = format!("external-ip: {} is no address that peers could reach", new.value);
        return found.wrong(&new.place, message, "the address the world sees");
    }
    let Some(known) = singles.iter_mut().find(|known| known.value.is_ipv4() == new.value.is_ipv4()) else {
        return singles.push(new);
    };
    if known.value != new.value && known.place.rank() == new.place.rank() {
        let message = format!("external-ip: {} is given already for this family", known.value);
        let hint = "the first one counts; several take the form PUBLIC/PRIVATE";
        return found.passed_over_by_coturn(profile, &new.place, message, hint);
    }
    *known = new;
}
