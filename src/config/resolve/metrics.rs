//! Where metrics are shown, if they are.

use std::net::{IpAddr, Ipv4Addr};

use super::super::metrics::PORT;
use super::super::raw::Raw;
use super::super::{Listen, Metrics, Profile};
use super::Found;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) fn metrics(raw: &Raw, listen: &Listen, certified: bool, found: &mut Found) -> Option<Metrics> {
    refuse_labels(raw, found);
    let is_coturn = raw.profile == Profile::Coturn;
    let tls = &raw.prometheus_tls;
    if tls.value {
        let hint = "they are shown on loopback only; put a proxy in front that has the certificate";
        found.doubtful(&tls.place, "prometheus-tls: metrics are not served over TLS yet", hint);
    }
    // As coturn: who asks for TLS asks for metrics.
    if !(raw.prometheus.value || tls.value) {
        return None;
    }
    let (port, path) = (&raw.prometheus_port, &raw.prometheus_path);
    let takes_streams = listen.tcp || (listen.tls && certified);
    if takes_streams && listen.ports(certified).contains(&port.value) {
        let place = if port.is_set() { &port.place } else { &raw.listening_port.place };
        let message = format!("prometheus-port {} is a port of clients as well", port.value);
        found.wrong(place, message, "a port of its own, or prometheus=false");
    }
    if !is_path(&path.value) {
        let message = format!("prometheus-path: {:?} is no path for metrics", path.value);
        let hint = "a slash, then letters, digits, and - . _ ~ / ; not /, /livez or /readyz";
        found.wrong(&path.place, message, hint);
    }
    let asked = raw.prometheus_address.as_ref().map(|address| address.value);
    let ip = match asked.filter(|_| !tls.value) {
        Some(ip) if ip.is_unspecified() && ip.is_ipv6() => None,
        Some(ip) => Some(ip),
        None if is_coturn && !tls.value => None,
        None => Some(LOOPBACK),
    };
    let is_default = ip == Some(LOOPBACK) && port.value == PORT;
    let required = !is_coturn && !is_default;
    Some(Metrics { ip, port: port.value, path: path.value.clone(), coturn_names: is_coturn, required })
}

fn refuse_labels(raw: &Raw, found: &mut Found) {
    let labels = &raw.prometheus_username_labels;
    if labels.value {
        let message = "prometheus-username-labels: a label that clients can multiply is not given";
        let hint = "leave it out; what a user does stands in the log";
        match raw.profile {
            Profile::Coturn => found.doubtful(&labels.place, message, hint),
            Profile::Default | Profile::Hardened => found.wrong(&labels.place, message, hint),
        }
    }
}

/// Whether metrics can be found there, beside the paths that are taken.
fn is_path(path: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    path.starts_with('/') && path.chars().all(is_plain) && !["/", "/livez", "/readyz"].contains(&path)
}
