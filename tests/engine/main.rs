//! The engine around the core, over real sockets: several workers, one server.

mod broken_workers;
mod circles;
mod descriptors;
mod exhaustion;
mod faults;
mod inside;
mod journal;
mod letters;
mod look_ups;
mod midway;
mod own_addresses;
mod peers;
mod process;
mod quotas;
mod relay_addresses;
mod standard_streams;
mod state;
mod traffic;
#[path = "../wire/mod.rs"]
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use turnserver::stun::{AttributeType, Method};
use wire::{Client, Launch, Received, Reply, Server};

/// More clients than it takes for both workers to have some, however the kernel deals them out.
const CLIENTS: usize = 64;

fn two_workers() -> Server {
    Launch::new(&["-a", "--realm=r", "--user=alice:secret", "--allow-loopback-peers", "--relay-threads=2"]).start()
}

/// Allocates with EVEN-PORT and a reservation; its token begins with the worker's number.
fn ask_for_pair(client: &mut Client) -> Reply {
    let reply = client.ask(Method::ALLOCATE, |writer| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        writer.attribute(AttributeType::EVEN_PORT, &[0x80]);
    });
    assert_eq!(reply.code(), 0);
    reply
}

/// The same for a client of its own.
fn allocate_pair(server: SocketAddr) -> (Client, Reply) {
    let mut client = Client::udp(server).with_user("alice", "secret");
    let reply = ask_for_pair(&mut client);
    (client, reply)
}

fn token(reply: &Reply) -> Vec<u8> {
    reply.value(AttributeType::RESERVATION_TOKEN).expect("a reservation was asked for")
}

/// One client on each of two workers.
fn one_on_each_worker(server: SocketAddr) -> [(Client, Reply); 2] {
    let mut by_worker: BTreeMap<u8, (Client, Reply)> = BTreeMap::new();
    for _ in 0..CLIENTS {
        let (client, reply) = allocate_pair(server);
        by_worker.insert(token(&reply)[0], (client, reply));
        if by_worker.len() == 2 {
            break;
        }
    }
    let both: Vec<_> = by_worker.into_values().collect();
    both.try_into().unwrap_or_else(|_| panic!("{CLIENTS} clients were all dealt to one worker"))
}

#[test]
fn clients_on_different_workers_relay_to_each_other() {
    let server = two_workers();
    let [(mut a, a_reply), (mut b, b_reply)] = one_on_each_worker(server.addr);
    let (a_relayed, b_relayed) = (a_reply.relayed(), b_reply.relayed());
    assert_eq!(a.permit(b_relayed.ip()).code(), 0);
    assert_eq!(b.bind(0x4000, a_relayed).code(), 0);

    a.send(b_relayed, b"from a");
    assert_eq!(b.receive(), Received::Channel(0x4000, b"from a".to_vec()));
    b.send_channel(0x4000, b"from b");
    assert_eq!(a.receive(), Received::Indication(b_relayed, b"from b".to_vec()));
}

/// RFC 8656 section 7.2 step 5: whoever shows the token gets the port, on whichever worker.
#[test]
fn a_reservation_is_honoured_on_another_worker() {
    let server = two_workers();
    let [(_first, reserved), _] = one_on_each_worker(server.addr);
    let (token, worker) = (token(&reserved), token(&reserved)[0]);
    // Who can tell on which worker a client is? One that makes a reservation of its own, then deletes its allocation.
    let mut elsewhere = (0..CLIENTS)
        .map(|_| allocate_pair(server.addr))
        .find(|(_, reply)| self::token(reply)[0] != worker)
        .map(|(client, _)| client)
        .expect("both workers have clients");
    assert_eq!(elsewhere.refresh(0).code(), 0);
    let claim = |client: &mut Client| {
        client.ask(Method::ALLOCATE, |writer| {
            writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
            writer.attribute(AttributeType::RESERVATION_TOKEN, &token);
        })
    };
    let claimed = claim(&mut elsewhere);
    assert_eq!(claimed.code(), 0);
    assert_eq!(claimed.relayed().port(), reserved.relayed().port() + 1);
    assert_eq!(claimed.relayed().ip(), reserved.relayed().ip());

    let mut late = Client::udp(server.addr).with_user("alice", "secret");
    assert_eq!(claim(&mut late).code(), 508, "a token is good once");
}

#[test]
fn a_second_instance_on_the_same_port_is_refused() {
    let server = two_workers();
    let port = format!("--listening-port={}", server.addr.port());
    for transport in ["--no-tcp", "--no-udp"] {
        let ended = Launch::new(&["-a", "--realm=r", "--user=alice:secret", &port, transport]).run();
        assert_eq!(ended.status.code(), Some(255), "{transport}");
        assert!(ended.log.contains(&format!("{} is in use", server.addr)), "{transport}: {}", ended.log);
    }
    assert_eq!(Client::udp(server.addr).binding().code(), 0, "the first one goes on");
}

#[test]
fn shortfalls_are_said_once_and_name_the_setting() {
    let server = two_workers();
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").expect("Linux has it");
    let last: u16 = range.split_whitespace().nth(1).and_then(|last| last.parse().ok()).expect("two numbers");
    let reserved = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports").expect("Linux has it");
    let expected = usize::from(last >= 49152 && reserved.trim().is_empty());
    assert_eq!(server.log.count(&["WARN", "ip_local_reserved_ports"]), expected, "{}", server.log.text());
    assert!(server.log.count(&["WARN", "net.core.rmem_max"]) <= 1);
    assert!(server.log.count(&["WARN", "LimitNOFILE"]) <= 1);
}

/// RFC 8656 section 7.2: beyond what the descriptors allow, 508; the server goes on.
#[test]
fn without_descriptors_an_allocation_is_answered_508() {
    let server =
        Launch::new(&["-a", "--realm=r", "--user=alice:secret", "--allow-loopback-peers"]).with_descriptors(64).start();
    assert_eq!(server.log.count(&["WARN", "LimitNOFILE"]), 1, "{}", server.log.text());
    let mut clients: Vec<Client> = Vec::new();
    let refused = (0..64).any(|_| {
        let mut client = Client::udp(server.addr).with_user("alice", "secret");
        let code = client.allocate().code();
        clients.push(client);
        code == 508
    });
    assert!(refused, "64 descriptors held 64 relay sockets");
    assert_eq!(clients[0].refresh(0).code(), 0);
    assert_eq!(
        Client::udp(server.addr).with_user("alice", "secret").allocate().code(),
        0,
        "what is freed is given again"
    );
}
