//! What clients do and what is relayed for them.

use super::family::Family;
use crate::turn::address::Transport;
use crate::turn::event::EndReason;
use crate::turn::{AuthFailure, DropReason};
use crate::udp::{CODES, Leg, METHODS, Readings, Side};

/// Series of relay ports at most; a host with more addresses has the rest summed up under `other`.
const ADDRESSES_MAX: usize = 64;

/// The answers to Allocate that give nothing, and what the operator calls the reason.
const REFUSALS: [(u16, &str); 13] = [
    (300, "redirected"),
    (400, "bad_request"),
    (401, "unauthenticated"),
    (403, "forbidden"),
    (420, "unknown_attribute"),
    (437, "already_allocated"),
    (438, "stale_nonce"),
    (440, "family_not_served"),
    (441, "wrong_credentials"),
    (442, "transport_not_served"),
    (486, "quota_reached"),
    (500, "server_error"),
    (508, "no_capacity"),
];

pub(super) fn families(readings: &Readings) -> Vec<Family> {
    [allocations(readings), traffic(readings), messages(readings), ports(readings)].concat()
}

fn allocations(readings: &Readings) -> Vec<Family> {
    let transports = || Transport::ALL.into_iter();
    let ends = transports().flat_map(|transport| EndReason::ALL.map(|reason| (transport, reason)));
    let (permissions, channels) = readings.permissions_and_channels();
    vec![
        Family::gauge("turnserver_allocations", "Allocations that live, by the transport of their clients.")
            .each(["transport"], transports().map(|over| ([over.name()], readings.allocations_over(over)))),
        Family::counter("turnserver_allocations_created_total", "Allocations begun.")
            .each(["transport"], transports().map(|over| ([over.name()], readings.created(over)))),
        Family::counter("turnserver_allocations_ended_total", "Allocations ended, by reason.").each(
            ["transport", "reason"],
            ends.map(|(over, reason)| ([over.name(), reason.name()], readings.ended(over, reason))),
        ),
        Family::counter(
            "turnserver_allocations_refused_total",
            "Error answers to Allocate, by reason. The first request of every client is unauthenticated.",
        )
        .each(["code", "reason"], refusals(readings)),
        Family::gauge("turnserver_permissions", "Permissions of all allocations.").value(permissions),
        Family::gauge("turnserver_channels", "Channels of all allocations.").value(channels),
    ]
}

fn refusals(readings: &Readings) -> impl Iterator<Item = ([String; 2], u64)> {
    let allocate = METHODS.iter().position(|(_, name)| *name == "allocate").map(|method| readings.answers()[method]);
    REFUSALS.into_iter().map(move |(code, reason)| {
        let place = CODES.iter().position(|known| *known == code);
        let count = place.zip(allocate).map_or(0, |(place, answers)| answers[place]);
        ([code.to_string(), reason.to_owned()], count)
    })
}

fn traffic(readings: &Readings) -> Vec<Family> {
    let legs = || Leg::ALL.into_iter().flat_map(|leg| Transport::ALL.map(|over| (leg, over)));
    let relayed = legs().map(|(leg, over)| ([leg.name(), over.name()], readings.relayed(leg, over)));
    let relayed: Vec<_> = relayed.collect();
    let drops = Side::ALL.into_iter().flat_map(|side| DropReason::ALL.map(|reason| (side, reason)));
    let drops = drops.filter(|(_, reason)| *reason != DropReason::Parked);
    let (listeners, relays) = readings.overflows();
    vec![
        Family::counter(
            "turnserver_relayed_packets_total",
            "Datagrams and messages with data that passed a leg of their way, by the transport of the client.",
        )
        .each(["leg", "transport"], relayed.iter().map(|(labels, sum)| (*labels, sum.packets))),
        Family::counter("turnserver_relayed_bytes_total", "Bytes of payload in them, without headers.")
            .each(["leg", "transport"], relayed.iter().map(|(labels, sum)| (*labels, sum.bytes))),
        Family::counter(
            "turnserver_dropped_packets_total",
            "Datagrams and messages that went nowhere, by whose they were and why; bandwidth: beyond a limit.",
        )
        .each(
            ["from", "reason"],
            drops.map(|(side, reason)| ([side.name(), reason.name()], readings.dropped(side, reason))),
        ),
        Family::counter("turnserver_unsent_datagrams_total", "Datagrams that the system did not take.")
            .value(readings.unsent()),
        Family::counter(
            "turnserver_receive_queue_overflows_total",
            "Datagrams lost as they came faster than they were taken; a relay socket's count when it is closed.",
        )
        .each(["socket"], [(["listener"], listeners), (["relay"], relays)]),
    ]
}

fn messages(readings: &Readings) -> Vec<Family> {
    let methods: Vec<&str> = METHODS.iter().map(|(_, name)| *name).chain(["other"]).collect();
    let code = |place: usize| match CODES[place] {
        0 => "success".to_owned(),
        999 => "other".to_owned(),
        code => code.to_string(),
    };
    let requests = methods.iter().copied().zip(readings.requests());
    let answers = methods.iter().zip(readings.answers()).flat_map(|(method, counts)| {
        let of_code = |(place, count)| ([(*method).to_owned(), code(place)], count);
        counts.into_iter().enumerate().map(of_code)
    });
    let (unauthenticated, guesses) = readings.kept_back();
    vec![
        Family::counter("turnserver_requests_total", "Well-formed requests that were looked at, by method.")
            .each(["method"], requests.map(|(method, count)| ([method], count))),
        Family::counter("turnserver_responses_total", "Answers sent, by method and error code.")
            .each(["method", "code"], answers),
        Family::counter(
            "turnserver_responses_withheld_total",
            "Answers not given: beyond unauthorized-ratelimit, or beyond auth-failures-per-minute.",
        )
        .each(["reason"], [(["unauthorized_ratelimit"], unauthenticated), (["auth_failures"], guesses)]),
        Family::counter(
            "turnserver_auth_failures_total",
            "Requests that did not show who asks, by reason. Every client's first request is unsigned.",
        )
        .each(["reason"], AuthFailure::ALL.map(|why| ([why.name()], readings.auth_failures(why)))),
        Family::counter("turnserver_new_peers_limited_total", "Requests refused by new-peers-per-minute.")
            .value(readings.new_peers_limited()),
    ]
}

fn ports(readings: &Readings) -> Vec<Family> {
    let mut counts: Vec<(String, _)> =
        readings.port_counts().into_iter().map(|(ip, counts)| (ip.to_string(), counts)).collect();
    if counts.len() > ADDRESSES_MAX {
        let others = counts.split_off(ADDRESSES_MAX - 1).into_iter().map(|(_, counts)| counts);
        let sum = others.reduce(|a, b| a + b).unwrap_or_default();
        counts.push(("other".to_owned(), sum));
    }
    let states = counts.into_iter().flat_map(|(address, ports)| {
        let states = [("in_use", ports.in_use), ("resting", ports.resting), ("free", ports.free)];
        states.map(|(state, count)| ([address.clone(), state.to_owned()], count as u64))
    });
    vec![
        Family::gauge("turnserver_relay_ports", "Relay ports by relay address: in use, resting after use, free.")
            .each(["address", "state"], states),
    ]
}
