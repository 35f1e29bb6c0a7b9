//! Whose an allocation is, and what needs no owner.

use std::net::{IpAddr, Ipv4Addr};

use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::row::not_asked;
use crate::target::Target;
use crate::wire::Received;

/// A peer of another address than the others', whose permission is its own. Only loopback surely has a second address; on
/// any other one the effect of CreatePermission is not seen.
fn stranger() -> Peer {
    match Target::get().peer_ip {
        IpAddr::V4(ip) if ip.is_loopback() => Peer::at(Ipv4Addr::new(127, 0, 0, 2).into()),
        ip => Peer::at(ip),
    }
}

pub(super) fn auth_024_only_the_owner_changes_an_allocation() {
    let target = Target::get();
    let other = target.other.as_ref().unwrap_or_else(|| not_asked("USER2 is not set"));
    for (_, mut probe) in Probe::over_each() {
        let (peer, stranger) = (Peer::new(), stranger());
        let relayed = probe.allocate();
        assert_eq!(probe.bind(0x4000, peer.addr()), 0);
        probe.become_user(other);
        let drafts = [
            Draft::request(Method::REFRESH).lifetime(0),
            Draft::request(Method::CREATE_PERMISSION).peer(stranger.addr()),
            Draft::request(Method::CHANNEL_BIND).channel(0x4001).peer(stranger.addr()),
        ];
        for draft in drafts {
            assert_eq!(probe.code(&draft), 441);
        }
        probe.become_user(&target.user);
        probe.send_channel(0x4001, b"on a channel that nobody bound");
        if stranger.addr().ip() != peer.addr().ip() {
            probe.tell(&Draft::send(stranger.addr(), b"to whom the owner permitted nothing"));
            stranger.send(relayed, b"from whom the owner permitted nothing");
        }
        stranger.receives_nothing(&mut probe);
        probe.receives_nothing();
        peer.send(relayed, b"as before");
        assert_eq!(probe.receive(), Received::Channel(0x4000, b"as before".to_vec()));
        assert_eq!(probe.code(&Draft::request(Method::CHANNEL_BIND).channel(0x4001).peer(stranger.addr())), 0);
        assert_eq!(probe.refresh(600), 0);
    }
}

pub(super) fn auth_027_indications_are_never_authenticated() {
    for (_, mut probe) in Probe::over_each() {
        let peer = Peer::new();
        let relayed = probe.allocate();
        assert_eq!(probe.permit(peer.addr()), 0);
        let garbage = [
            Draft::send(peer.addr(), b"data").with(AttributeType::MESSAGE_INTEGRITY, &[0x5A; 20]),
            Draft::send(peer.addr(), b"data")
                .with(AttributeType::USERNAME, b"nobody-at-all")
                .with(AttributeType::MESSAGE_INTEGRITY, &[0; 20]),
        ];
        for draft in garbage {
            probe.tell(&draft);
            assert_eq!(peer.receive(), (b"data".to_vec(), relayed));
        }
    }
}
