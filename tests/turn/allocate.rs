//! Allocate, attribute by attribute (RFC 8656 section 7.2).

use std::collections::BTreeSet;

use crate::world::{self, RELAY_V4, RELAY_V6, Reply, Request, Setup, TestClient, World, ip, sock};
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::address::Transport;

/// Sends a signed Allocate from a new client and gives the answer.
fn ask(world: &World, fill: impl FnOnce(Request<'_>) -> Request<'_>) -> Reply {
    let client = world.client();
    let reply = fill(client.request(Method::ALLOCATE)).send().expect("Allocate is answered");
    assert_eq!(reply.is_signed_by(&client.key()), reply.is_signed(), "a signature is right");
    reply
}

fn code(world: &World, fill: impl FnOnce(Request<'_>) -> Request<'_>) -> u16 {
    ask(world, fill).code()
}

// ALLOC-001, ALLOC-002, AUTH-013
#[test]
fn success_says_relayed_and_mapped_address_and_lifetime_signed() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
            let client = world.client().over(transport);
            let reply = client.request(Method::ALLOCATE).transport(17).send().expect("an answer");
            let kinds = [
                AttributeType::XOR_RELAYED_ADDRESS,
                AttributeType::XOR_MAPPED_ADDRESS,
                AttributeType::LIFETIME,
                AttributeType::MESSAGE_INTEGRITY,
            ];
            assert_eq!((reply.code(), reply.kinds()), (200, kinds.to_vec()), "{profile} {transport:?}");
            assert_eq!(reply.mapped(), Some(client.tuple().client));
            assert_eq!(reply.relayed()[0].ip(), ip(RELAY_V4));
            assert!(reply.is_signed_by(&client.key()));
        }
    }
}

// ALLOC-005, ALLOC-006; our rules: coturn says 400 to an unknown transport.
#[test]
fn requested_transport_must_be_there_well_formed_and_udp() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let not_served = if profile == Profile::Coturn { 400 } else { 442 };
        assert_eq!(code(&world, |request| request), 400, "absent");
        for len in [0, 1, 3, 5, 8] {
            let value = vec![17; len];
            assert_eq!(code(&world, |request| request.attribute(AttributeType::REQUESTED_TRANSPORT, &value)), 400);
        }
        for protocol in [0, 1, 6, 16, 18, 132, 255] {
            assert_eq!(code(&world, |request| request.transport(protocol)), not_served, "protocol {protocol}");
        }
        assert_eq!(world.allocations(), 0);
    }
}

// ALLOC-007: what is reserved is ignored.
#[test]
fn reserved_bits_are_ignored() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let ones = |kind: AttributeType, first: u8| {
            ask(&world, |request| {
                let request = match kind {
                    AttributeType::REQUESTED_TRANSPORT => request,
                    _ => request.transport(17),
                };
                request.attribute(kind, &[first, 0xFF, 0xFF, 0xFF])
            })
        };
        assert_eq!(ones(AttributeType::REQUESTED_TRANSPORT, 17).code(), 200);
        assert_eq!(ones(AttributeType::REQUESTED_ADDRESS_FAMILY, 2).relayed()[0].ip(), ip(RELAY_V6));
        assert_eq!(ones(AttributeType::ADDITIONAL_ADDRESS_FAMILY, 2).relayed().len(), 2);
        for (first, has_token) in [(0x7F, false), (0xFF, true), (0x00, false), (0x80, true)] {
            let reply = ask(&world, |request| request.transport(17).attribute(AttributeType::EVEN_PORT, &[first]));
            assert_eq!((reply.code(), reply.token().is_some()), (200, has_token), "EVEN-PORT {first:#04x}");
        }
    }
}

// ALLOC-008
#[test]
fn dont_fragment_is_accepted() {
    let world = World::of(Profile::Default);
    assert_eq!(code(&world, |request| request.transport(17).attribute(AttributeType::DONT_FRAGMENT, &[])), 200);
}

// ALLOC-011, ALLOC-022, STUN-037
#[test]
fn wrong_sizes_are_bad_requests() {
    let cases: &[(AttributeType, &[usize])] = &[
        (AttributeType::LIFETIME, &[0, 1, 2, 3, 5, 8]),
        (AttributeType::DONT_FRAGMENT, &[1, 4]),
        (AttributeType::REQUESTED_ADDRESS_FAMILY, &[0, 1, 3, 5]),
        (AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[0, 1, 3, 5]),
        (AttributeType::RESERVATION_TOKEN, &[0, 4, 7, 9, 12]),
        (AttributeType::EVEN_PORT, &[0]),
    ];
    for profile in Profile::ALL {
        let world = World::of(profile);
        for (kind, lengths) in cases {
            for len in *lengths {
                let value = vec![1; *len];
                let reply = ask(&world, |request| request.transport(17).attribute(*kind, &value));
                assert_eq!(reply.code(), 400, "{kind:?} of {len} bytes");
                assert!(reply.is_signed());
            }
        }
        assert_eq!((world.allocations(), world.reservations(), world.census().0), (0, 0, 0));
    }
}

// ALLOC-022: libnice once sent EVEN-PORT with four bytes.
#[test]
fn of_a_longer_even_port_the_first_bit_counts() {
    let world = World::of(Profile::Default);
    let reply = ask(&world, |request| request.transport(17).attribute(AttributeType::EVEN_PORT, &[0x80, 0, 0, 0]));
    assert_eq!((reply.code(), reply.relayed()[0].port() % 2), (200, 0));
    assert!(reply.token().is_some());
}

// ALLOC-026, ALLOC-027
#[test]
fn lifetime_is_what_was_asked_between_600_and_the_maximum() {
    let table = [
        (None, 600),
        (Some(0), 600),
        (Some(1), 600),
        (Some(599), 600),
        (Some(600), 600),
        (Some(601), 601),
        (Some(777), 777),
        (Some(1200), 1200),
        (Some(3600), 3600),
        (Some(3601), 3600),
        (Some(u32::MAX), 3600),
    ];
    for profile in Profile::ALL {
        let world = Setup::with(profile, "user-quota = 0").build();
        for (asked, granted) in table {
            let reply = ask(&world, |request| {
                let request = request.transport(17);
                match asked {
                    Some(secs) => request.lifetime(secs),
                    None => request,
                }
            });
            assert_eq!(reply.lifetime(), Some(granted), "asked {asked:?}");
        }
    }
}

// Our rules: the configured maximum wins.
#[test]
fn a_maximum_below_600_is_what_is_granted() {
    let world = Setup::of(Profile::Default).tune(|config| config.limits.allocate_lifetime_secs_max = 120).build();
    let client = world.client();
    let reply = client.request(Method::ALLOCATE).transport(17).lifetime(900).send().expect("an answer");
    assert_eq!(reply.lifetime(), Some(120));
    assert_eq!(client.refresh(Some(900)), Ok(120));
    world.advance(121);
    assert_eq!(world.allocations(), 0);
}

// ALLOC-003, ALLOC-004, T10; our rules: signed, and from coturn unsigned before authentication.
#[test]
fn a_second_allocate_on_the_5_tuple_is_a_mismatch() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = world.client();
        let relayed = client.allocate().expect("an allocation");
        let reply = client.request(Method::ALLOCATE).transport(17).once().expect("an answer");
        let is_coturn = profile == Profile::Coturn;
        assert_eq!((reply.code(), reply.is_signed()), (437, !is_coturn));
        assert!(!reply.has(AttributeType::NONCE) && !reply.has(AttributeType::REALM));
        let bare = client.request(Method::ALLOCATE).transport(17).bare().once().expect("an answer");
        assert_eq!(bare.code(), if is_coturn { 437 } else { 401 });
        assert_eq!(client.refresh(None), Ok(600), "the first allocation is untouched");
        assert_eq!((world.allocations(), client.relayed()), (1, relayed));
    }
}

// STUN-018, STUN-023, STUN-024, ALLOC-036
#[test]
fn attributes_are_read_in_order_and_up_to_message_integrity() {
    let world = World::of(Profile::Default);
    for kind in [0x7F00, 0x0010, 0x0021, 0x0024] {
        let client = world.client();
        let request = || client.request(Method::ALLOCATE).transport(17).attribute(AttributeType(kind), &[0; 4]);
        assert_eq!(request().bare().code(), 401, "credentials come first");
        let reply = request().once().expect("an answer");
        assert_eq!((reply.code(), reply.is_signed_by(&client.key())), (420, true));
        let named = reply.value(AttributeType::UNKNOWN_ATTRIBUTES).expect("RFC 8489 section 6.3.1");
        assert_eq!(named, u16::to_be_bytes(kind));
        // A transport that is not served is not looked at before.
        assert_eq!(client.request(Method::ALLOCATE).transport(6).attribute(AttributeType(kind), &[]).code(), 420);
    }
    let transport = [17, 0, 0, 0];
    assert_eq!(code(&world, |request| request.behind(AttributeType::REQUESTED_TRANSPORT, &transport)), 400);
    assert_eq!(code(&world, |request| request.transport(17).behind(AttributeType(0x7F00), &[1])), 200);
    let behind = ask(&world, |request| request.transport(17).behind(AttributeType::LIFETIME, &[0, 0, 9, 9]));
    assert_eq!(behind.lifetime(), Some(600));
    let twice = ask(&world, |request| request.transport(17).lifetime(1000).lifetime(2000).transport(6));
    assert_eq!((twice.code(), twice.lifetime()), (200, Some(1000)));
}

// INT-007: any order of the attributes before MESSAGE-INTEGRITY will do.
#[test]
fn attributes_before_message_integrity_come_in_any_order() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let nonce = client.nonce();
    let parts: [(AttributeType, &[u8]); 5] = [
        (AttributeType::USERNAME, b"alice"),
        (AttributeType::REALM, world::REALM.as_bytes()),
        (AttributeType::NONCE, &nonce),
        (AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]),
        (AttributeType::LIFETIME, &[0, 0, 3, 9]),
    ];
    let mut orders = vec![vec![]];
    for part in 0..parts.len() {
        let with = |order: &Vec<usize>| {
            (0..=order.len()).map(|place| [&order[..place], &[part], &order[place..]].concat()).collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(with).collect();
    }
    assert_eq!(orders.len(), 120);
    for order in orders {
        let request = order
            .iter()
            .fold(client.request(Method::ALLOCATE), |request, part| request.attribute(parts[*part].0, parts[*part].1));
        let own = [AttributeType::USERNAME, AttributeType::REALM, AttributeType::NONCE];
        let request = own.into_iter().fold(request, Request::without);
        assert_eq!(request.code(), 200, "{order:?}");
        assert_eq!(client.refresh(Some(0)), Ok(0));
    }
}

// ALLOC-021, ALLOC-032
#[test]
fn without_a_free_port_the_answer_is_508_and_nothing_is_left_behind() {
    let world = Setup::of(Profile::Default).ports(50_000..=50_001).build();
    let (first, second, third) = (world.client(), world.client(), world.client());
    assert!(first.allocate().is_ok() && second.allocate().is_ok());
    assert_eq!(third.allocate(), Err(508));
    assert_eq!((world.allocations(), world.relay_sockets()), (2, 2));
    assert_eq!(first.refresh(Some(0)), Ok(0));
    assert!(third.allocate().is_ok(), "the only port there is does not rest");
}

// ALLOC-032
#[test]
fn a_failed_allocate_does_not_stand_in_the_way() {
    let world = World::of(Profile::Default);
    let client = world.client();
    type Fill = fn(Request<'_>) -> Request<'_>;
    let failures: [(u16, Fill); 5] = [
        (400, |request| request),
        (442, |request| request.transport(6)),
        (440, |request| request.transport(17).family(3)),
        (508, |request| request.transport(17).token(&[9; 8])),
        (420, |request| request.transport(17).attribute(AttributeType(0x7F00), &[])),
    ];
    for (code, fill) in failures {
        assert_eq!(fill(client.request(Method::ALLOCATE)).code(), code);
        assert_eq!((world.allocations(), world.parked(), world.census().0), (0, 0, 0), "after {code}");
    }
    assert!(client.allocate().is_ok());
}

// ALLOC-028, ALLOC-030, TURN-008
#[test]
fn ports_are_in_the_range_unique_and_random() {
    let world = Setup::of(Profile::Coturn).build();
    let port = |_| {
        let client = world.client();
        client.allocate().expect("an allocation").port()
    };
    let ports: Vec<u16> = (0..1000).map(port).collect();
    assert!(ports.iter().all(|port| *port >= 49_152));
    assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 1000, "unique");
    let steps: BTreeSet<i32> = ports.windows(2).map(|pair| i32::from(pair[1]) - i32::from(pair[0])).collect();
    assert!(steps.len() > 900, "no fixed step: {} different ones", steps.len());
    // Sixteen buckets of 62.5 expected; 15 degrees of freedom, and 60 is far beyond any plausible run.
    let mut buckets = [0f64; 16];
    ports.iter().for_each(|port| buckets[usize::from((port - 49_152) / 1024)] += 1.0);
    let chi: f64 = buckets.iter().map(|count| (count - 62.5) * (count - 62.5) / 62.5).sum();
    assert!(chi < 60.0, "chi-square {chi}");
}

// TURN-003
#[test]
fn the_transport_is_part_of_the_5_tuple() {
    let world = World::of(Profile::Default);
    let clients: Vec<TestClient> = [Transport::Udp, Transport::Tcp, Transport::Tls]
        .into_iter()
        .map(|transport| world.client().over(transport).at("203.0.113.77:7777"))
        .collect();
    let relayed: BTreeSet<_> = clients.iter().map(|client| client.allocate().expect("its own")).collect();
    assert_eq!(relayed.len(), 3);
    assert_eq!(clients[0].refresh(Some(0)), Ok(0));
    assert_eq!(clients[1].refresh(None), Ok(600));
}

// ALLOC-033, SEC-009; RFC 8656 section 21.4: MUST NOT accept Teredo or 6to4 addresses in these requests.
#[test]
fn clients_behind_tunnels_get_no_allocation() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        for (addr, code) in [
            ("[2002:c000:201::1]:4000", 403),
            ("[2001::4136:e378:8000:63bf]:4000", 403),
            ("[2001:0:5ef5:79fd::1]:4000", 403),
            ("[2001:1::1]:4000", 200),
            ("[2003::1]:4000", 200),
        ] {
            let client = world.client().at(addr);
            let reply = client.request(Method::ALLOCATE).transport(17).send().expect("an answer");
            assert_eq!(reply.code(), code, "{addr} in {profile}");
            assert!(reply.is_signed_by(&client.key()));
        }
    }
}

// SEC-021
#[test]
fn a_freed_port_is_not_given_to_the_next_client() {
    let world = Setup::of(Profile::Default).ports(50_000..=50_099).build();
    let peer = world.peer("8.8.4.4:5000");
    let first = world.client();
    let relayed = first.allocate().expect("an allocation");
    assert_eq!(first.permit(&[peer.addr()]), 200);
    assert_eq!(first.refresh(Some(0)), Ok(0));
    for _ in 0..99 {
        let client = world.client().at(&sock(&format!("9.0.0.1:{}", world.census().0 + 1000)).to_string());
        assert_ne!(client.allocate().expect("other ports are free").port(), relayed.port());
    }
    assert!(!peer.send_to(relayed, b"late"));
}
