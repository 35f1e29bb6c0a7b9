//! Whose an allocation is, and what needs no owner.

use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::row::not_asked;
use crate::target::Target;
use crate::wire::Received;

pub(super) fn auth_024_only_the_owner_changes_an_allocation() {
    let target = Target::get();
    let other = target.other.as_ref().unwrap_or_else(|| not_asked("USER2 is not set"));
    for (_, mut probe) in Probe::over_each() {
        let (peer, stranger) = (Peer::new(), Peer::new());
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
        stranger.receives_nothing(&mut probe);
        peer.send(relayed, b"as before");
        assert_eq!(probe.receive(), Received::Channel(0x4000, b"as before".to_vec()));
        // The address of the stranger is the peer's, so that a permission of it cannot be told from one for both.
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
