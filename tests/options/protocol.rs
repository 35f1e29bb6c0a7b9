//! Choices where clients, coturn and the RFCs differ.

use std::net::UdpSocket;

use turnserver::stun::AttributeType;

use crate::wire::{Client, Launch, Received};
use crate::{ALICE, PRIVATE_PEER, alice, start};

pub(crate) fn stun_only_answers_binding_alone() {
    for (args, allocate) in [(&["-S"][..], 0), (&["--stun-only"], 0), (&["--stun-only=off"], 1)] {
        let mut server = start(args);
        let mut client = Client::tcp(server.addr);
        client.send_allocate();
        assert_eq!((client.binding().code(), client.unread()), (0, allocate), "{args:?}");
        assert!(server.terminate().success());
        assert_eq!(server.log.count(&["dropped", "stun_only", "count=1"]), 1 - allocate, "{args:?}");
    }
    let bare = Launch::new(&["--stun-only", "--profile=hardened"]).start();
    assert_eq!(Client::udp(bare.addr).binding().code(), 0);
    assert_eq!(bare.log.count(&["WARN", "no users"]), 0, "it was asked for: {}", bare.log.text());
    let nothing = Launch::new(&["--stun-only", "--no-stun"]).run();
    assert!(nothing.log.contains("stun-only and no-stun leave nothing to serve"), "{}", nothing.log);
}

pub(crate) fn no_stun_answers_no_binding() {
    for (args, binding) in [(&["--no-stun"][..], 0), (&[], 1)] {
        let mut server = start(args);
        let mut client = Client::tcp(server.addr);
        client.send_binding();
        assert_eq!((client.refresh_once().code(), client.unread()), (401, binding), "{args:?}");
        assert_eq!(alice(&server).allocate().code(), 0, "{args:?}");
        assert!(server.terminate().success());
        assert_eq!(server.log.count(&["dropped", "no_stun", "count=1"]), 1 - binding, "{args:?}");
    }
}

pub(crate) fn secure_stun_tells_users_alone() {
    let server = start(&["--secure-stun"]);
    assert_eq!(Client::udp(server.addr).binding().code(), 401);
    let mut client = alice(&server).challenged();
    let told = client.signed_binding();
    assert_eq!((told.code(), told.mapped()), (0, client.local()));
    assert_eq!(Client::udp(server.addr).with_user("alice", "a guess").challenged().signed_binding().code(), 401);
    assert_eq!(client.allocate().code(), 0);
    let only = start(&["--secure-stun", "--stun-only"]);
    let mut client = Client::udp(only.addr).with_user(ALICE.0, ALICE.1);
    let challenge = client.binding();
    let challenge = challenge.value(AttributeType::REALM).zip(challenge.value(AttributeType::NONCE));
    client = client.with_challenge(&challenge.expect("a challenge"));
    assert_eq!(client.signed_binding().code(), 0, "users matter without allocations");
    let nobody = Launch::new(&["--secure-stun", "--stun-only", "--profile=default"]).run();
    assert!(nobody.log.contains("secure-stun is on and nobody has credentials"), "{}", nobody.log);
}

pub(crate) fn upper_channel_numbers_need_to_be_opened() {
    let peer = (PRIVATE_PEER, 7).into();
    for (args, upper) in [
        (&["--rfc5766-channel-numbers=off"][..], 400),
        (&["--rfc5766-channel-numbers"], 0),
        (&["--profile=default", "--allowed-peer-ip=10.1.2.3"], 400),
        (&["--profile=default", "--allowed-peer-ip=10.1.2.3", "--rfc5766-channel-numbers"], 0),
    ] {
        let server = start(args);
        let mut client = alice(&server);
        client.relayed();
        assert_eq!(client.bind(0x5000, peer).code(), upper, "{args:?}");
        let lower = client.bind(0x4FFF, (PRIVATE_PEER, 8).into()).code();
        assert_eq!((lower, client.bind(0x8000, (PRIVATE_PEER, 9).into()).code()), (0, 400), "{args:?}");
    }
}

pub(crate) fn a_channel_may_keep_its_permission() {
    for extends in [true, false] {
        let option = format!("--channel-extends-permission={extends}");
        let server = start(&[&option, "--permission-lifetime=1", "--allow-loopback-peers", "-V"]);
        let mut client = alice(&server);
        let relayed = client.relayed();
        let peer = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
        assert_eq!(client.bind(0x4000, peer.local_addr().expect("a bound socket")).code(), 0);
        // A permission made later and without a channel ends: that one of the channel had its second as well.
        assert_eq!(client.permit([127, 0, 0, 9].into()).code(), 0);
        assert!(server.log.find(&["permission ended", "127.0.0.9"]).is_some());
        peer.send_to(b"late", relayed).expect("loopback has a route");
        if extends {
            assert_eq!(client.receive(), Received::Channel(0x4000, b"late".to_vec()));
        } else {
            client.settle();
            assert_eq!(client.pending(), [], "the permission had ended");
        }
    }
}

pub(crate) fn fingerprint_is_on_every_message() {
    for (args, is_on) in [(&[][..], false), (&["-f"], true), (&["--fingerprint"], true)] {
        let server = start(&[args, &["--allow-loopback-peers"]].concat());
        let mut client = alice(&server);
        assert_eq!(client.binding().has(AttributeType::FINGERPRINT), is_on, "{args:?}");
        let reply = client.allocate();
        assert_eq!(reply.has(AttributeType::FINGERPRINT), is_on, "{args:?}");
        assert!(reply.message().fingerprint_holds());
    }
}

pub(crate) fn the_software_is_named() {
    let server = start(&["--software-attribute"]);
    let mut client = alice(&server);
    for reply in [client.binding(), client.allocate()] {
        assert_eq!(reply.text(AttributeType::SOFTWARE), concat!("turnserver-", env!("CARGO_PKG_VERSION")));
    }
    let silent = start(&[]);
    assert!(!alice(&silent).binding().has(AttributeType::SOFTWARE), "nobody is told by default");
}

pub(crate) fn errors_have_a_phrase() {
    for (args, unsigned, signed) in [
        (&[][..], "", ""),
        (&["--include-reason-string"], "Unauthorized", "Forbidden"),
        (&["--profile=default"], "", "Forbidden"),
        (&["--profile=default", "--include-reason-string=false"], "", ""),
    ] {
        let server = start(args);
        let mut stranger = Client::udp(server.addr);
        assert_eq!(stranger.allocate().phrase(), unsigned, "{args:?}");
        let mut client = alice(&server);
        client.relayed();
        assert_eq!(client.permit([169, 254, 0, 1].into()).phrase(), signed, "{args:?}");
    }
}
