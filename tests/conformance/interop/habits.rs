//! Habits of single clients.

use std::net::SocketAddr;

use turnserver::stun::{AttributeType, Class, Method, TransactionId};

use crate::draft::Draft;
use crate::probe::Probe;
use crate::scene::{Scene, client_of, launch};
use crate::target::Target;
use crate::wire::{Link, Reply};

/// What one allocation may permit here.
const PERMISSIONS_MAX: usize = 256;

fn permission(peer: SocketAddr) -> Draft {
    Draft::request(Method::CREATE_PERMISSION).peer(peer)
}

/// Public addresses; nothing is ever sent to them.
fn host(number: usize, port: u16) -> SocketAddr {
    SocketAddr::from(([8, 8, (number / 250) as u8, (number % 250) as u8 + 1], port))
}

/// libwebrtc asks for every candidate at once: ten ports on each of five hosts.
pub(super) fn int_003_bursts_are_served() {
    for (over, mut probe) in Probe::over_each() {
        probe.allocate();
        let drafts: Vec<Draft> = (0..50).map(|number| permission(host(number / 10, 5000 + number as u16))).collect();
        let burst: Vec<Vec<u8>> = drafts.iter().map(|draft| probe.bytes(draft)).collect();
        burst.iter().for_each(|request| probe.send_bytes(request));
        let mut granted: Vec<TransactionId> = Vec::new();
        for _ in &burst {
            let reply = Reply::new(probe.receive_bytes());
            assert_eq!(reply.code(), 0, "over {over}");
            granted.push(reply.message().id());
        }
        assert!(drafts.iter().all(|draft| granted.contains(&draft.id)), "each has its own answer over {over}");
    }
    if Target::get().is_ours() {
        permissions_are_counted_per_address();
    }
}

fn permissions_are_counted_per_address() {
    let mut probe = Probe::udp();
    probe.allocate();
    for number in 0..PERMISSIONS_MAX {
        assert_eq!(probe.code(&permission(host(number, 5000))), 0, "{number}");
    }
    for port in 5001..5020 {
        assert_eq!(probe.code(&permission(host(0, port))), 0, "another port is no other permission");
    }
    assert_eq!(probe.code(&permission(host(PERMISSIONS_MAX, 5000))), 508, "another address is");
}

/// The bound of unauthenticated answers is at its default, so that whatever the keep-alives cost would be missed behind.
pub(super) fn int_005_keep_alives_of_pjnath_are_no_abuse() {
    let server = launch("default", "allowed-peer-ip = [\"127.0.0.1\"]").and(&["-V"]).start();
    let mut scene = Scene::over(client_of(&server));
    let keep_alive = Draft::of(Method::SEND, Class::Indication).with(AttributeType::DATA, b"").bytes(None);
    scene.nothing_moves();
    server.log.find(&["permission installed"]).expect("the last line so far");
    let lines = server.log.text().lines().count();
    for round in 0..1000 {
        scene.probe.send_bytes(&keep_alive);
        if round % 100 == 0 {
            scene.probe.settle();
        }
    }
    scene.nothing_moves();
    assert_eq!(server.log.text().lines().count(), lines, "{}", server.log.text());
    let Link::Udp(socket) = scene.probe.link() else { panic!("a client over UDP") };
    let questions = 300;
    for _ in 0..questions {
        socket.send(&Draft::request(Method::BINDING).bytes(None)).expect("the server is there");
        socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).expect("a socket of ours");
        socket.recv(&mut [0; 100]).expect("its budget is there");
    }
    assert_eq!(scene.probe.refresh(600), 0, "the allocation is alive");
    scene.send(b"and relays");
    scene.peer_gets(b"and relays");
}

/// All orders of six attributes before MESSAGE-INTEGRITY.
pub(super) fn int_007_any_order_of_attributes() {
    let orders = orders(6);
    assert_eq!(orders.len(), 720);
    for order in orders {
        let mut probe = Probe::udp();
        let credentials = probe.challenged().clone();
        let attributes = [
            (AttributeType::USERNAME, credentials.person.name.into_bytes()),
            (AttributeType::REALM, credentials.realm),
            (AttributeType::NONCE, credentials.nonce),
            (AttributeType::REQUESTED_TRANSPORT, vec![17, 0, 0, 0]),
            (AttributeType::LIFETIME, 700_u32.to_be_bytes().to_vec()),
            (AttributeType::SOFTWARE, b"any order".to_vec()),
        ];
        let own = [AttributeType::USERNAME, AttributeType::REALM, AttributeType::NONCE];
        let bare = own.into_iter().fold(Draft::request(Method::ALLOCATE), Draft::without);
        let draft = order.iter().fold(bare, |draft, place| draft.with(attributes[*place].0, &attributes[*place].1));
        let reply = probe.ask(&draft);
        assert_eq!(reply.code(), 0, "{order:?}");
        assert_eq!(reply.lifetime(), 700, "{order:?}");
        assert_eq!(probe.refresh(0), 0);
    }
}

/// Every order of the numbers below `count`.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let longer = |shorter: Vec<usize>| {
        (0..=shorter.len()).map(move |place| {
            let mut order = shorter.clone();
            order.insert(place, order.len());
            order
        })
    };
    (0..count).fold(vec![Vec::new()], |orders, _| orders.into_iter().flat_map(longer).collect())
}

pub(super) fn int_008_after_a_restart_a_lost_allocation_is_told() {
    let mut server = launch("default", "allowed-peer-ip = [\"127.0.0.1\"]").start();
    let mut probe = client_of(&server);
    probe.allocate();
    assert_eq!(probe.refresh(600), 0);
    server.restart();
    let refresh = Draft::request(Method::REFRESH).lifetime(600);
    let reply = probe.ask(&refresh);
    let code = match reply.code() {
        438 => {
            probe.learn(&reply);
            probe.code(&refresh.anew())
        }
        code => code,
    };
    assert_eq!(code, 437);
    assert_eq!(probe.permit("127.0.0.1:9".parse().expect("an address")), 437);
    assert_eq!(probe.bind(0x4000, "127.0.0.1:9".parse().expect("an address")), 437);
    probe.allocate();
}
