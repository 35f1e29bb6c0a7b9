//! A hundred thousand allocations that come and go.

use std::net::{TcpStream, UdpSocket};

use crate::closes::{PORTS, assert_all_ports, range, reset};
use crate::figures::{Figures, assert_healthy, await_descriptors, descriptors};
use crate::wire::{Client, Server, free_ports};
use crate::{alice, launch, own_network, times};

/// One of so many is over TCP and ends with its connection, one with a reset, the others are freed over UDP.
const KINDS: usize = 10;

fn cycle(server: &Server, number: usize) {
    match number % KINDS {
        0 => {
            let mut client = alice(Client::tcp(server.addr));
            client.relayed();
            assert_eq!(client.refresh(0).code(), 0);
        }
        1 => {
            let stream = TcpStream::connect(server.addr).expect("the server listens");
            alice(Client::on_stream(stream.try_clone().expect("a descriptor"))).relayed();
            reset(stream);
        }
        _ => {
            // What is freed leaves nothing on its 5-tuple, so ports of clients may come again.
            let socket = UdpSocket::bind((server.addr.ip(), 0)).expect("a free port");
            socket.connect(server.addr).expect("a route to the server");
            let mut client = alice(Client::on(socket));
            client.relayed();
            assert_eq!(client.refresh(0).code(), 0);
        }
    }
}

#[test]
fn allocations_come_and_go_without_a_trace() {
    let _network = own_network();
    let cycles = times(2000, 100_000);
    let first = free_ports(PORTS);
    let server = launch(&range(first).each_ref().map(String::as_str)).start();
    let empty = descriptors(&server);
    // Code paged in, tables at the size they have with every port allocated; then whatever lasts some seconds, as the
    // rest of ports does, is at its usual level.
    assert_all_ports(&server, first);
    (0..cycles / 10).for_each(|number| cycle(&server, number));
    await_descriptors(&server, empty);
    let mut before = Figures::of(&server);
    for number in 0..cycles {
        cycle(&server, number);
        if number % 20 == 0 {
            before.sample(&server);
        }
    }
    await_descriptors(&server, empty);
    assert_all_ports(&server, first);
    await_descriptors(&server, empty);
    let after =
        before.report(&server, format!("{cycles} allocations made and freed, all {PORTS} ports are free again"));
    before.assert_memory(&after);
    assert_healthy(server);
}
