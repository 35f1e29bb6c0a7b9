//! Which families relayed addresses are of, and what is said when one is missing.

use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::relaying::{
    V4, V6, allocate_both, exchanges_data, is_signed, own_server, peer_ip_v6, permit_all, probe_of, relayed_of,
};
use crate::wire::{Link, Reply, free_ports};
use crate::world::World;

pub(super) fn alloc_013_a_family_that_is_not_served() {
    let server = own_server(&["127.0.0.1"], "");
    let mut probe = probe_of(&server);
    for family in [V6, 0x00, 0x03, 0xFF] {
        let reply = probe.ask(&Draft::allocate().requested_family(family));
        assert_eq!((reply.code(), is_signed(&reply)), (440, true), "family {family}");
    }
    let reply = probe.ask(&Draft::allocate().requested_family(V4));
    assert_eq!((reply.code(), reply.relayed().is_ipv4()), (0, true));
}

pub(super) fn alloc_014_ipv4_unless_asked() {
    for asked in [None, Some(V4), Some(V6)] {
        let mut probe = Probe::udp_v6();
        let draft = asked.into_iter().fold(Draft::allocate(), Draft::requested_family);
        let reply = probe.ask(&draft);
        let relayed = relayed_of(&reply);
        assert_eq!((reply.code(), relayed.len()), (0, 1), "asked {asked:?}");
        assert_eq!(relayed[0].is_ipv4(), asked != Some(V6), "asked {asked:?}: {relayed:?}");
    }
}

pub(super) fn alloc_015_ipv4_is_not_served() {
    let server = own_server(&["127.0.0.1"], "relay-ip = \"::1\"");
    let mut probe = probe_of(&server);
    for draft in [Draft::allocate(), Draft::allocate().requested_family(V4)] {
        let reply = probe.ask(&draft);
        assert_eq!((reply.code(), is_signed(&reply)), (440, true));
    }
    let reply = probe.ask(&Draft::allocate().requested_family(V6));
    assert_eq!((reply.code(), reply.relayed().is_ipv6()), (0, true));
}

pub(super) fn alloc_024_both_families_in_one_answer() {
    let mut probe = Probe::udp();
    let [v4, v6] = allocate_both(&mut probe);
    let peers = [Peer::new(), Peer::at(peer_ip_v6())];
    assert_eq!(permit_all(&mut probe, peers.iter().map(Peer::addr)), 0);
    exchanges_data(&mut probe, v4, &peers[0]);
    exchanges_data(&mut probe, v6, &peers[1]);
    assert_eq!(probe.code(&Draft::allocate()), 437, "both are one allocation");
}

pub(super) fn alloc_025_one_of_two_families_says_what_is_missing() {
    let ask_both = |probe: &mut Probe| probe.ask(&Draft::allocate().additional_family(V6));
    // What ADDRESS-ERROR-CODE holds: family, 13 reserved bits that are 0, class, number.
    let lacks = |reply: &Reply, value: [u8; 4]| {
        assert_eq!((reply.code(), relayed_of(reply).len(), is_signed(reply)), (0, 1, true));
        assert_eq!(relayed_of(reply)[0].is_ipv4(), value[0] == V6, "the other one is there");
        assert_eq!(reply.value(AttributeType::ADDRESS_ERROR_CODE), Some(value.to_vec()));
    };
    let ipv4_only = own_server(&["127.0.0.1"], "");
    lacks(&ask_both(&mut probe_of(&ipv4_only)), [V6, 0, 4, 40]);
    let ipv6_only = own_server(&["127.0.0.1"], "relay-ip = \"::1\"");
    lacks(&ask_both(&mut probe_of(&ipv6_only)), [V4, 0, 4, 40]);

    let port = free_ports(1);
    let one_port_each = own_server(&["127.0.0.1", "::1"], &format!("min-port = {port}\nmax-port = {port}"));
    let mut first = probe_of(&one_port_each);
    assert_eq!(first.code(&Draft::allocate().requested_family(V6)), 0, "the only port of IPv6");
    let mut second = probe_of(&one_port_each);
    lacks(&ask_both(&mut second), [V6, 0, 5, 8]);
    let reply = ask_both(&mut probe_of(&one_port_each));
    assert_eq!((reply.code(), is_signed(&reply)), (508, true), "both are full");
    assert_eq!((reply.has(AttributeType::XOR_RELAYED_ADDRESS), reply.has(AttributeType::LIFETIME)), (false, false));
    assert_eq!(second.refresh(0), 0);
    lacks(&ask_both(&mut Probe::over(Link::udp(one_port_each.addr))), [V6, 0, 5, 8]);
}

pub(super) fn alloc_033_tunnelled_sources_are_refused() {
    let world = World::of(Profile::Default);
    for tunnelled in ["[2002:c000:201::1]:4000", "[2002::]:1", "[2001::]:1", "[2001:0:c000:201::1]:4000"] {
        let client = world.client().at(tunnelled);
        assert_eq!(client.request(Method::ALLOCATE).transport(17).bare().code(), 401, "{tunnelled}");
        let reply = client.request(Method::ALLOCATE).transport(17).send().expect("an answer");
        assert_eq!((reply.code(), reply.is_signed()), (403, true), "{tunnelled}");
        assert_eq!(client.request(Method::REFRESH).code(), 437, "{tunnelled}");
    }
    assert_eq!((world.allocations(), world.relay_sockets()), (0, 0));
    for plain in ["[2001:1::1]:4000", "[2003::1]:4000", "[2a00:9::5]:4000", "203.0.113.5:4000"] {
        assert!(world.client().at(plain).allocate().is_ok(), "{plain}");
    }
}
