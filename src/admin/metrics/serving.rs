//! The server itself: workers, streams, certificate, configuration.

use super::super::health::Health;
use super::family::Family;
use crate::clock;
use crate::stream::{CloseReason, LoadCounts};
use crate::turn::time::UnixTime;
use crate::udp::{Beat, Readings};

pub(super) fn families(health: &Health, profile: &'static str) -> Vec<Family> {
    let readings = &health.readings;
    let (configuration, (certificate, good_until)) = (readings.reloads(), readings.certificate());
    [
        state(health, profile),
        workers(health),
        streams(readings),
        loads(&RELOADS, configuration),
        loads(&CERTIFICATES, certificate),
        vec![
            Family::gauge(
                "turnserver_certificate_expiry_time_seconds",
                "Until when the certificate in use is good, in seconds since 1970; there is none without TLS.",
            )
            .maybe(good_until.map(|until| until.0)),
        ],
    ]
    .concat()
}

fn state(health: &Health, profile: &'static str) -> Vec<Family> {
    let is_ready = health.reasons().is_empty();
    vec![
        Family::gauge("turnserver_build_info", "1, with the version of the server and the profile it runs under.")
            .each(["version", "profile"], [([env!("CARGO_PKG_VERSION"), profile], 1)]),
        Family::gauge("turnserver_ready", "1 while /readyz says that new clients may be sent here.")
            .value(u64::from(is_ready)),
        Family::gauge("turnserver_draining", "1 while no new allocations are given.")
            .value(u64::from(health.readings.is_draining())),
    ]
}

fn workers(health: &Health) -> Vec<Family> {
    let beats = health.pulse.beats(clock::now().mono).into_iter().enumerate();
    let up = beats.map(|(worker, beat)| ([worker.to_string()], u64::from(!matches!(beat, Beat::Ended))));
    let (faults, break_offs) = health.readings.faults_and_break_offs();
    vec![
        Family::gauge("turnserver_worker_up", "1 while the worker's thread runs.").each(["worker"], up),
        Family::counter("turnserver_faults_total", "Bugs of the server that ended one session each.").value(faults),
        Family::counter(
            "turnserver_worker_break_offs_total",
            "How often a worker had to begin anew, without its allocations.",
        )
        .value(break_offs),
    ]
}

fn streams(readings: &Readings) -> Vec<Family> {
    let (open, unallocated) = readings.streams();
    let [opened, refused, handshakes, dropped] = readings.stream_counts();
    vec![
        Family::gauge("turnserver_stream_connections", "TCP and TLS connections, with and without an allocation.")
            .each(["state"], [(["allocated"], open - unallocated), (["unallocated"], unallocated)]),
        Family::counter("turnserver_stream_connections_opened_total", "Connections taken.").value(opened),
        Family::counter(
            "turnserver_stream_connections_refused_total",
            "Connections closed at once, as their source or all together had too many without an allocation.",
        )
        .value(refused),
        Family::counter("turnserver_stream_connections_closed_total", "Connections that ended, by reason.")
            .each(["reason"], CloseReason::ALL.map(|reason| ([reason.name()], readings.streams_closed(reason)))),
        Family::counter("turnserver_tls_handshakes_total", "TLS handshakes completed.").value(handshakes),
        Family::counter(
            "turnserver_stream_relayed_dropped_total",
            "Messages with data dropped as the client reads its connection too slowly.",
        )
        .value(dropped),
    ]
}

/// Names and meanings of the metrics of something that is loaded again while the server runs.
struct Loading {
    total: (&'static str, &'static str),
    last_failed: (&'static str, &'static str),
    last_success: (&'static str, &'static str),
}

const RELOADS: Loading = Loading {
    total: ("turnserver_reloads_total", "How often the configuration was read again, by result."),
    last_failed: ("turnserver_last_reload_failed", "1 when the last one failed: what was in force before still is."),
    last_success: (
        "turnserver_last_reload_success_time_seconds",
        "When the configuration was last read again with success, in seconds since 1970.",
    ),
};

const CERTIFICATES: Loading = Loading {
    total: ("turnserver_certificate_loads_total", "How often the certificate was loaded, by result."),
    last_failed: (
        "turnserver_last_certificate_load_failed",
        "1 when the last one failed: TLS goes on with the certificate before, if there was one.",
    ),
    last_success: (
        "turnserver_last_certificate_load_success_time_seconds",
        "When the certificate was last loaded with success, in seconds since 1970.",
    ),
};

fn loads(loading: &Loading, counts: LoadCounts) -> Vec<Family> {
    let Loading { total, last_failed, last_success } = loading;
    let results = [(["success"], counts.succeeded), (["failure"], counts.failed)];
    vec![
        Family::counter(total.0, total.1).each(["result"], results),
        Family::gauge(last_failed.0, last_failed.1).value(u64::from(counts.last_failed)),
        Family::gauge(last_success.0, last_success.1).maybe(counts.last_success.map(|UnixTime(secs)| secs)),
    ]
}
