//! Choices where clients, coturn and the RFCs differ.

use std::net::UdpSocket;

use turnserver::stun::AttributeType;

use crate::wire::{Client, Received};
use crate::{PRIVATE_PEER, alice, start};

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
