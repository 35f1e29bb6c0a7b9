//! Send and Data indications beside ChannelData.

use std::fs;
use std::time::Duration;

use crate::draft::Draft;
use crate::scene::{Scene, client_of, launch};
use crate::wire::Server;

/// Packets of one measurement, and how many are on their way at once.
const PACKETS: usize = 2000;
const WINDOW: usize = 50;
/// Measurements of each kind; the cheapest is the one that other work on the machine disturbed least.
const ROUNDS: usize = 7;
/// In a hundred: a throughput that is lower by a fifth. Without optimisation parsing weighs more than it will.
const COST_MAX: u32 = if cfg!(debug_assertions) { 200 } else { 125 };

/// Throughput is what a worker's core can do, so what is compared is the time that the server computed, which does not
/// depend on what else the machine does.
pub(super) fn int_004_send_is_about_as_fast_as_channel_data() {
    let server = launch("default", "allowed-peer-ip = [\"127.0.0.1\"]").start();
    let mut indications = Scene::over(client_of(&server));
    let mut channels = Scene::over(client_of(&server)).with_channel();
    let data = [7; 1000];
    let send = Draft::send(indications.peer.addr(), &data).bytes(None);
    let channel_data = [&[0x40, 0x00, 0x03, 0xE8], &data[..]].concat();
    let mut to_peer = [Duration::MAX; 2];
    let mut to_client = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        let cheaper = |best: &mut Duration, cost: Duration| *best = cost.min(*best);
        cheaper(&mut to_peer[0], cost_to_peer(&server, &mut indications, &send));
        cheaper(&mut to_peer[1], cost_to_peer(&server, &mut channels, &channel_data));
        cheaper(&mut to_client[0], cost_to_client(&server, &mut indications, &data));
        cheaper(&mut to_client[1], cost_to_client(&server, &mut channels, &data));
    }
    for (way, [indication, channel]) in [("peer", to_peer), ("client", to_client)] {
        assert!(indication * 100 < channel * COST_MAX, "to the {way}: {indication:?} against {channel:?} on a channel");
    }
}

fn cost_to_peer(server: &Server, scene: &mut Scene, message: &[u8]) -> Duration {
    let before = computed(server);
    for _ in 0..PACKETS / WINDOW {
        (0..WINDOW).for_each(|_| scene.probe.send_bytes(message));
        (0..WINDOW).for_each(|_| drop(scene.peer.receive()));
    }
    computed(server) - before
}

fn cost_to_client(server: &Server, scene: &mut Scene, data: &[u8]) -> Duration {
    let before = computed(server);
    for _ in 0..PACKETS / WINDOW {
        (0..WINDOW).for_each(|_| scene.peer_sends(data));
        (0..WINDOW).for_each(|_| drop(scene.probe.receive_bytes()));
    }
    computed(server) - before
}

/// How long all threads of the server have run so far.
fn computed(server: &Server) -> Duration {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it runs");
    let of_thread = |thread: std::io::Result<fs::DirEntry>| -> u64 {
        let path = thread.expect("a thread").path().join("schedstat");
        let text = fs::read_to_string(path).expect("Linux has it");
        text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds")
    };
    Duration::from_nanos(threads.map(of_thread).sum())
}
