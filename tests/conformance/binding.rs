//! Section 2: Binding.

use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Class, Message, Method};

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::row::{Section, rows};
use crate::stun::vectors;
use crate::target::Target;
use crate::wire::{Client, Launch, Link, Received, Reply};
use crate::world::World;

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire bind_001_the_mapped_address_is_the_source,
        wire bind_002_the_mapped_address_over_ipv6,
        wire bind_003_over_streams_it_is_the_remote_end,
        wire bind_004_an_indication_gets_no_answer,
        wire bind_005_udp_and_tcp_are_answered,
        wire bind_006_no_credentials_are_needed,
        configured bind_007_nobody_is_redirected,
        wire bind_008_no_mapped_address,
        wire bind_009_attributes_of_ice_are_unknown,
        both bind_010_an_allocation_is_not_changed,
        wire bind_011_fingerprint_is_echoed,
        wire bind_012_the_transmit_counter_is_ignored_or_echoed,
    ],
    partly: &[],
    later: &[],
    left_out: &[],
};

/// TRANSACTION_TRANSMIT_COUNTER (RFC 7982 section 3.3).
const TRANSMIT_COUNTER: AttributeType = AttributeType(0x8025);

fn binding() -> Draft {
    Draft::request(Method::BINDING)
}

fn bind_001_the_mapped_address_is_the_source() {
    let mut probe = Probe::udp();
    assert!(probe.local().is_ipv4());
    assert_eq!(probe.ask(&binding()).mapped(), probe.local());
}

fn bind_002_the_mapped_address_over_ipv6() {
    let row = vectors::named("rfc5769-2.3-ipv6-response");
    let bytes = row.message().expect("a message");
    let vector = Reply::new(bytes);
    assert_eq!(Some(vector.mapped()), row.xor_mapped_address(), "the reader of this row undoes the XOR");
    let mut probe = Probe::udp_v6();
    for _ in 0..3 {
        let reply = probe.ask(&binding());
        assert_eq!(reply.value(AttributeType::XOR_MAPPED_ADDRESS).map(|value| value.len()), Some(20));
        assert_eq!(reply.mapped(), probe.local());
    }
}

fn bind_003_over_streams_it_is_the_remote_end() {
    for (over, mut probe) in Probe::over_each() {
        assert_eq!(probe.ask(&binding()).mapped(), probe.local(), "over {over}");
    }
    if let Some(addr) = Target::get().addr_v6 {
        let mut probe = Probe::over(Link::tcp(addr));
        assert_eq!(probe.ask(&binding()).mapped(), probe.local(), "over TCP and IPv6");
    }
}

fn bind_004_an_indication_gets_no_answer() {
    for (_, mut probe) in Probe::over_each() {
        let bytes = probe.bytes(&Draft::of(Method::BINDING, Class::Indication));
        assert_eq!(bytes[..2], [0x00, 0x11]);
        probe.is_mute(&bytes);
    }
}

fn bind_005_udp_and_tcp_are_answered() {
    assert_eq!(Probe::udp().code(&binding()), 0);
    assert_eq!(Probe::tcp().code(&binding()), 0);
}

fn bind_006_no_credentials_are_needed() {
    for (over, mut probe) in Probe::over_each() {
        assert_eq!(probe.code(&binding()), 0);
        let wrong =
            binding().with(AttributeType::USERNAME, b"evtj:h6vY").with(AttributeType::MESSAGE_INTEGRITY, &[7; 20]);
        let reply = probe.ask(&wrong);
        assert_eq!((reply.code(), reply.has(AttributeType::MESSAGE_INTEGRITY)), (0, false), "over {over}");
        assert_eq!(reply.mapped(), probe.local());
    }
}

fn bind_007_nobody_is_redirected() {
    let elsewhere = "127.0.0.9:4000".parse().expect("an address");
    let user = ["-a", "--realm=r", "--user=alice:secret", "--alternate-server=127.0.0.9:4000"];
    for profile in ["default", "coturn", "hardened"] {
        let server = Launch::new(&user).and(&[&format!("--profile={profile}")]).start();
        for client in [Client::udp(server.addr), Client::tcp(server.addr)] {
            let mut client = client.with_user("alice", "secret");
            for _ in 0..2 {
                let reply = client.binding();
                assert_eq!((reply.code(), reply.mapped()), (0, client.local()), "{profile}");
                assert_eq!(reply.alternates(), [], "{profile}");
                // The redirect is on, and has not been used up.
                let redirected = client.allocate();
                assert_eq!((redirected.code(), redirected.alternates()), (300, vec![elsewhere]), "{profile}");
            }
        }
    }
}

fn bind_008_no_mapped_address() {
    for (over, mut probe) in Probe::over_each() {
        assert!(!probe.ask(&binding()).has(AttributeType::MAPPED_ADDRESS), "over {over}");
    }
}

fn bind_009_attributes_of_ice_are_unknown() {
    let mut probe = Probe::udp();
    for (kind, value) in [(0x0024_u16, &[0x6E, 0, 1, 0xFF][..]), (0x0025, &[])] {
        let reply = probe.ask(&binding().with(AttributeType(kind), value));
        let named = reply.value(AttributeType::UNKNOWN_ATTRIBUTES);
        assert_eq!((reply.code(), named), (420, Some(kind.to_be_bytes().to_vec())));
    }
    assert_eq!(probe.code(&binding().with(AttributeType(0x802A), &[0x55; 8])), 0);
}

fn bind_010_an_allocation_is_not_changed() {
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    let relayed = probe.allocate();
    assert_eq!((probe.permit(peer.addr()), probe.bind(0x4000, peer.addr())), (0, 0));
    for draft in [binding(), binding().fingerprint()] {
        let reply = probe.ask(&draft);
        assert_eq!((reply.code(), reply.mapped()), (0, probe.local()));
        peer.send(relayed, b"as before");
        assert_eq!(probe.receive(), Received::Channel(0x4000, b"as before".to_vec()));
    }
    if Target::get().is_ours() {
        lifetime_is_unchanged();
    }
}

/// Keep-alives do not keep an allocation.
fn lifetime_is_unchanged() {
    for with_fingerprint in [false, true] {
        let world = World::of(Profile::Default);
        let client = world.client();
        client.allocate().expect("an allocation");
        for _ in 0..6 {
            world.advance(99);
            let request = client.request(Method::BINDING).bare();
            let request = if with_fingerprint { request.fingerprint() } else { request };
            assert_eq!(request.once().map(|reply| reply.code()), Some(200));
            assert_eq!(world.allocations(), 1);
        }
        world.advance(7);
        assert_eq!((world.allocations(), client.refresh(None)), (0, Err(437)), "601 s have passed");
    }
}

fn bind_011_fingerprint_is_echoed() {
    for (over, mut probe) in Probe::over_each() {
        let reply = probe.ask(&binding().fingerprint());
        assert!(reply.has(AttributeType::FINGERPRINT) && reply.message().fingerprint_holds(), "over {over}");
        assert!(!probe.ask(&binding()).has(AttributeType::FINGERPRINT), "over {over}");
    }
}

fn bind_012_the_transmit_counter_is_ignored_or_echoed() {
    let mut probe = Probe::udp();
    let reply = probe.ask(&binding().with(TRANSMIT_COUNTER, &[0, 0, 3, 0]));
    assert_eq!(reply.code(), 0);
    assert!(matches!(counter(&reply), None | Some([0, 0, 3, 0])), "{:?}", counter(&reply));
    // The same Allocate sent once more; only the counter differs, and with it the integrity.
    probe.challenged();
    let first = Draft::allocate().with(TRANSMIT_COUNTER, &[0, 0, 1, 0]);
    let mut second = Draft::allocate().with(TRANSMIT_COUNTER, &[0, 0, 2, 0]);
    second.id = first.id;
    let replies = [probe.ask(&first), probe.ask(&second)];
    assert_eq!(replies.each_ref().map(Reply::code), [0, 0]);
    assert_eq!(replies[0].relayed(), replies[1].relayed());
}

fn counter(reply: &Reply) -> Option<[u8; 4]> {
    let message: Message<'_> = reply.message();
    let value = message.attributes().find(|(kind, _)| *kind == TRANSMIT_COUNTER).map(|(_, value)| value);
    value.map(|value| value.try_into().expect("four bytes"))
}
