//! Ten thousand allocations that do nothing: what each costs.

use std::net::SocketAddr;

use crate::figures::{Figures, assert_healthy};
use crate::wire::{Client, Server};
use crate::{LOOPBACK, alice, launch, own_network, raise_descriptors, times};

/// Resident memory of an allocation with a permission and a channel; the kernel's part of its socket is not in it.
const BYTES_MAX: u64 = 2048;

fn settle_in(server: &Server) -> Client {
    let mut client = alice(Client::udp(server.addr));
    client.relayed();
    assert_eq!(client.permit(LOOPBACK).code(), 0);
    assert_eq!(client.bind(0x4000, SocketAddr::new(LOOPBACK, 9)).code(), 0);
    client
}

#[test]
fn an_idle_allocation_costs_two_kilobytes_at_most() {
    let _network = own_network();
    let count = times(1000, 10_000);
    // The server keeps a fifth for connections, and some for itself.
    raise_descriptors(count as u64 * 3 / 2 + 1000);
    let server = launch(&["--max-allocate-lifetime=3600", "--min-port=10000", "--max-port=32000"]).start();
    // Code paged in; the tables grow with what is measured.
    let mut clients: Vec<Client> = (0..50).map(|_| settle_in(&server)).collect();
    let before = Figures::of(&server);
    clients.extend((0..count).map(|_| settle_in(&server)));
    let after = Figures::of(&server);
    let bytes = after.rss_kib.saturating_sub(before.rss_kib) * 1024 / count as u64;
    before.report(&server, format!("{count} idle allocations, {bytes} bytes each"));
    assert!(bytes <= BYTES_MAX, "{bytes} bytes of resident memory for each of {count} allocations");
    // They were idle, not gone.
    let last = clients.len() - 1;
    assert_eq!((clients[0].refresh(600).code(), clients[last].refresh(600).code()), (0, 0));
    assert_healthy(server);
}
