//! A limit of descriptors that clients reach: who has an allocation keeps it, and the server goes on.

use turnserver::clock;

use crate::wire::{Client, Launch, Server, poll_until};

fn start(descriptors: u32) -> Server {
    Launch::new(&["-a", "--realm=r", "--user=alice:secret"]).with_descriptors(descriptors).start()
}

/// Clients that allocate until one is refused for want of a descriptor; that one is gone.
fn fill(descriptors: usize, connect: impl Fn() -> Client) -> Vec<Client> {
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..descriptors {
        let mut client = connect().with_user("alice", "secret");
        match client.allocate().code() {
            0 => clients.push(client),
            508 => return clients,
            code => panic!("answered {code}"),
        }
    }
    panic!("{descriptors} descriptors held a relay socket for each of {} clients", clients.len());
}

#[test]
fn streams_with_an_allocation_leave_descriptors_for_others() {
    let server = start(64);
    let mut clients = fill(64, || Client::tcp(server.addr));
    assert!((8..32).contains(&clients.len()), "each of {} takes two of 64 descriptors", clients.len());
    for _ in 0..32 {
        assert_eq!(Client::tcp(server.addr).with_user("alice", "secret").allocate().code(), 508);
    }
    assert_eq!((Client::tcp(server.addr).binding().code(), Client::udp(server.addr).binding().code()), (0, 0));
    assert_eq!(server.log.count(&["no descriptor is left"]), 0, "{}", server.log.text());

    let last = clients.len() - 1;
    assert_eq!(clients[last].refresh(600).code(), 0, "who has an allocation keeps it");
    assert_eq!(clients[0].refresh(0).code(), 0);
    drop(clients.remove(0));
    assert_eq!(Client::tcp(server.addr).with_user("alice", "secret").allocate().code(), 0, "what is freed is given");
}

/// A limit so low that what is counted does not suffice: the system itself says no.
#[test]
fn connections_without_a_descriptor_are_closed_and_told_once_a_second() {
    const TOLD: &str = "no descriptor is left";
    let server = start(20);
    let mut clients = fill(20, || Client::udp(server.addr));
    let begin = clock::now().mono;
    let connect = || assert!(Client::tcp(server.addr).is_closed(), "there is no descriptor for it");
    (0..50).for_each(|_| connect());
    // Refusals of requests count as well; a second later there is a line again.
    poll_until("a closed connection is told", || {
        connect();
        (server.log.count(&[TOLD]) > 0).then_some(())
    });
    assert_eq!(Client::udp(server.addr).binding().code(), 0, "the worker goes on");
    let secs = clock::now().mono.since(begin).as_secs() as usize;
    assert!(server.log.count(&[TOLD]) <= secs + 1, "in {secs} s:\n{}", server.log.text());
    assert_eq!(server.log.count(&[TOLD, "suppressed=0"]), 0, "the first line counts those that were not told");

    assert_eq!(clients[0].refresh(0).code(), 0);
    assert_eq!(Client::tcp(server.addr).binding().code(), 0, "what is freed is taken");
}
