//! What a stream client gets in one piece.

use crate::ip_header::capture::Capture;
use crate::probe::Probe;
use crate::scene::Scene;
use crate::wire::Received;

/// Datagrams of a peer in one go: less than a segment of loopback, and than the server holds back.
const BURST: usize = 20;
const BURSTS: usize = 20;

/// Past clients misread a message that was cut, so a segment holds whole messages, and a client that waits for more than
/// an empty message has it at least alone and at once.
pub(super) fn int_006_stream_messages_are_written_whole() {
    let mut scene = Scene::over(Probe::tcp()).with_channel();
    let capture = Capture::segments_to(scene.probe.local());
    scene.peer_sends(b"");
    assert_eq!(scene.probe.receive(), Received::Channel(0x4000, Vec::new()));
    for burst in 0..BURSTS {
        let data = |place: usize| vec![burst as u8; 900 + place];
        (0..BURST).for_each(|place| scene.peer_sends(&data(place)));
        for place in 0..BURST {
            assert_eq!(scene.probe.receive(), Received::Channel(0x4000, data(place)));
        }
    }
    let Some(mut capture) = capture else { return };
    let mut segments = std::iter::from_fn(|| Some(capture.next().payload)).filter(|payload| !payload.is_empty());
    assert_eq!(segments.next().as_deref(), Some(&[0x40, 0x00, 0, 0][..]), "four bytes in one segment");
    // A packet socket sees what passes loopback twice, so the segments are told apart by what they hold.
    let mut messages = 0;
    let mut last = Vec::new();
    while messages < BURST * BURSTS {
        let segment = segments.next().expect("they pass");
        if segment != last {
            messages += count_whole(&segment);
        }
        last = segment;
    }
}

/// How many messages a segment holds; none of them is cut.
fn count_whole(segment: &[u8]) -> usize {
    let (mut rest, mut count) = (segment, 0);
    while !rest.is_empty() {
        let &[0x40, 0x00, high, low, ..] = rest else { panic!("a segment does not begin with a message: {rest:02x?}") };
        let len = 4 + usize::from(u16::from_be_bytes([high, low])).next_multiple_of(4);
        assert!(len <= rest.len(), "a message of {len} bytes is cut after {}", rest.len());
        (rest, count) = (&rest[len..], count + 1);
    }
    count
}
