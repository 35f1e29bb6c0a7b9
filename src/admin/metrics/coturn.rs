//! The same counts under coturn's names, for dashboards that were made for it. They move while allocations live, where
//! coturn's wait for their end; `user` labels there are none.

use super::family::Family;
use crate::stun::Method;
use crate::turn::address::Transport;
use crate::turn::{AuthFailure, DropReason};
use crate::udp::{CODES, Leg, METHODS, Readings, Relayed, Side};

/// What is counted on a leg: packets with their names and bytes with theirs, by realm and in all.
struct Names {
    leg: Leg,
    of_realm: [&'static str; 2],
    in_all: [&'static str; 2],
}

const TRAFFIC: [Names; 4] = [
    Names {
        leg: Leg::ClientToServer,
        of_realm: ["turn_traffic_rcvp", "turn_traffic_rcvb"],
        in_all: ["turn_total_traffic_rcvp", "turn_total_traffic_rcvb"],
    },
    Names {
        leg: Leg::ServerToClient,
        of_realm: ["turn_traffic_sentp", "turn_traffic_sentb"],
        in_all: ["turn_total_traffic_sentp", "turn_total_traffic_sentb"],
    },
    Names {
        leg: Leg::PeerToServer,
        of_realm: ["turn_traffic_peer_rcvp", "turn_traffic_peer_rcvb"],
        in_all: ["turn_total_traffic_peer_rcvp", "turn_total_traffic_peer_rcvb"],
    },
    Names {
        leg: Leg::ServerToPeer,
        of_realm: ["turn_traffic_peer_sentp", "turn_traffic_peer_sentb"],
        in_all: ["turn_total_traffic_peer_sentp", "turn_total_traffic_peer_sentb"],
    },
];

pub(super) fn families(readings: &Readings, realm: &str) -> Vec<Family> {
    let traffic = TRAFFIC.iter().flat_map(|names| of_leg(readings, names, realm));
    traffic.chain(stun(readings)).chain(unauthenticated(readings)).chain(turn(readings)).collect()
}

fn of_leg(readings: &Readings, names: &Names, realm: &str) -> [Family; 4] {
    let Relayed { packets, bytes } = sum(readings, names.leg);
    let [packets_of_realm, bytes_of_realm] = names.of_realm;
    let [packets_in_all, bytes_in_all] = names.in_all;
    let of_realm = |name, help, count| Family::counter(name, help).each(["realm"], [([realm], count)]);
    [
        of_realm(packets_of_realm, "Packets relayed on this leg.", packets),
        of_realm(bytes_of_realm, "Bytes of payload relayed on this leg.", bytes),
        Family::counter(packets_in_all, "Packets relayed on this leg.").value(packets),
        Family::counter(bytes_in_all, "Bytes of payload relayed on this leg.").value(bytes),
    ]
}

fn sum(readings: &Readings, leg: Leg) -> Relayed {
    Transport::ALL.into_iter().fold(Relayed::default(), |sum, transport| {
        let more = readings.relayed(leg, transport);
        Relayed { packets: sum.packets + more.packets, bytes: sum.bytes + more.bytes }
    })
}

fn stun(readings: &Readings) -> [Family; 3] {
    let binding = METHODS.iter().position(|(method, _)| *method == Method::BINDING).unwrap_or_default();
    let answers = readings.answers()[binding];
    let requests = readings.requests()[binding];
    let [success, errors @ ..] = answers;
    [
        Family::counter("stun_binding_request", "Binding requests.").value(requests),
        Family::counter("stun_binding_response", "Binding success answers.").value(success),
        Family::counter("stun_binding_error", "Binding error answers.").value(errors.into_iter().sum()),
    ]
}

fn unauthenticated(readings: &Readings) -> [Family; 3] {
    let place = CODES.iter().position(|code| *code == 401).unwrap_or_default();
    let answers = readings.answers().into_iter().map(|answers| answers[place]).sum();
    let name = "turn_unauthenticated_401_requests";
    [
        Family::counter(name, "Requests without credentials.").value(readings.auth_failures(AuthFailure::Unsigned)),
        Family::counter("turn_unauthenticated_401_responses", "Answers 401.").value(answers),
        Family::counter("turn_unauthenticated_401_dropped_responses", "Answers kept back.")
            .value(readings.kept_back().0),
    ]
}

fn turn(readings: &Readings) -> [Family; 3] {
    let kinds = [("UDP", Transport::Udp), ("TCP", Transport::Tcp), ("TLS/TCP", Transport::Tls)];
    let allocations = kinds.map(|(kind, transport)| ([kind], readings.allocations_over(transport)));
    let [received, from_peers] = [Leg::ClientToServer, Leg::PeerToServer].map(|leg| sum(readings, leg).packets);
    let drops = Side::ALL.into_iter().flat_map(|side| DropReason::ALL.map(|reason| (side, reason)));
    let dropped: u64 = drops
        .filter(|(_, reason)| *reason != DropReason::Parked)
        .map(|(side, reason)| readings.dropped(side, reason))
        .sum();
    let requests: u64 = readings.requests().into_iter().sum();
    [
        Family::gauge("turn_total_allocations", "Allocations that live.").each(["type"], allocations),
        Family::counter("turn_packet_processed", "Requests and data looked at.")
            .value(received + from_peers + requests + dropped),
        Family::counter("turn_packet_dropped", "Packets that went nowhere.").value(dropped),
    ]
}
