//! Requests of those who do not own the allocation.

use turnserver::auth::LongTermKey;
use turnserver::config::Profile;
use turnserver::stun::Method;

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::row::not_asked;
use crate::scene::Scene;
use crate::target::Target;
use crate::wire::Received;
use crate::world::World;

/// What a forger would like: the end of the allocation, data of another host, a channel to it. Such a host is on another
/// address than the peer, as permissions know no port.
fn wishes(other: &Peer) -> [Draft; 3] {
    [
        Draft::request(Method::REFRESH).lifetime(0),
        Draft::request(Method::CREATE_PERMISSION).peer(other.addr()),
        Draft::request(Method::CHANNEL_BIND).channel(0x4007).peer(other.addr()),
    ]
}

fn is_refusal(code: u16) -> bool {
    matches!(code, 401 | 437 | 438 | 441)
}

/// Nothing of that came true.
fn is_untouched(scene: &mut Scene, other: &Peer) {
    scene.probe.send_channel(0x4007, b"on a channel that is not there");
    other.send(scene.relayed, b"from a stranger");
    scene.probe.receives_nothing();
    other.receives_nothing(&mut scene.probe);
    scene.send(b"as before");
    scene.peer_gets(b"as before");
    scene.peer_sends(b"and back");
    assert_eq!(scene.probe.receive(), Received::Indication(scene.peer.addr(), b"and back".to_vec()));
}

/// A user with a spoofed source is one who speaks from the owner's 5-tuple.
pub(super) fn sec_001_requests_cannot_be_forged() {
    let other_user = Target::get().other.clone().unwrap_or_else(|| not_asked("USER2 is not set"));
    let owner = Target::get().user.clone();
    let mut scene = Scene::new();
    let other = Peer::at("127.0.0.2".parse().expect("an address"));
    for wish in wishes(&other) {
        // Captured on its way, sent from elsewhere.
        let captured = scene.probe.bytes(&wish);
        let reply = Probe::udp().ask_bytes(&captured).expect("an answer");
        assert!(is_refusal(reply.code()), "from another 5-tuple: {}", reply.code());
        let mut thief = Probe::udp();
        thief.allocate();
        let reply = thief.ask_bytes(&captured).expect("an answer");
        assert!(is_refusal(reply.code()), "from another allocation: {}", reply.code());

        let wrong = LongTermKey::derive(owner.name.as_bytes(), Target::get().realm.as_bytes(), b"a guess");
        assert_eq!(scene.probe.code(&wish.anew().signed_with(wrong)), 401, "a wrong key");

        scene.probe.become_user(&other_user);
        assert_eq!(scene.probe.code(&wish.anew()), 441, "another user on the owner's 5-tuple");
        scene.probe.become_user(&owner);
    }
    is_untouched(&mut scene, &other);
}

pub(super) fn sec_002_a_replay_after_the_nonce_is_438() {
    let world = World::of(Profile::Default);
    let (client, peer) = (world.client(), world.peer("8.8.8.8:5000"));
    let reply = client.request(Method::ALLOCATE).transport(17).lifetime(3600).send().expect("an answer");
    client.learn(&reply);
    assert_eq!(reply.code(), 200);
    let captured = [
        client.request(Method::CREATE_PERMISSION).peer(peer.addr()),
        client.request(Method::CHANNEL_BIND).channel(0x4000).peer(peer.addr()),
        client.request(Method::REFRESH).lifetime(0),
    ];
    world.advance(601);
    for request in captured {
        client.datagram(&request.bytes());
        let replies = client.replies(request.transaction());
        assert_eq!(replies.iter().map(|reply| reply.code()).collect::<Vec<_>>(), [438]);
    }
    assert_eq!(world.allocations(), 1, "and nothing came of it");
    peer.send_to(client.relayed(), b"no permission");
    client.channel_send(0x4000, b"no channel");
    assert_eq!((client.received().len(), peer.received().len()), (0, 0));
}
