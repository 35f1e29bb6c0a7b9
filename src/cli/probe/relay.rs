//! Numbered datagrams through two relays and back.

use std::net::SocketAddr;
use std::time::Duration;

use super::client::Client;
use super::failure::Failure;
use crate::clock;
use crate::turn::time::Mono;

/// How long one datagram is waited for before the next one is sent.
const WAIT: Duration = Duration::from_secs(1);
/// The mark of a run and a datagram's number.
const HEADER_LEN: usize = 12;

/// Lengths of a datagram that hold its number and fit a client's messages.
pub(super) const LENGTHS: std::ops::RangeInclusive<u64> = HEADER_LEN as u64..=8192;

/// What is sent.
#[derive(Clone, Copy)]
pub(super) struct Datagrams {
    pub(super) count: u32,
    pub(super) length: usize,
    /// Tells the datagrams of this run from what others may send to a relayed address.
    pub(super) mark: [u8; 8],
}

impl Datagrams {
    fn payload(&self, number: u32) -> Vec<u8> {
        let mut payload = self.mark.to_vec();
        payload.extend(number.to_be_bytes());
        payload.extend((0..self.length.saturating_sub(HEADER_LEN)).map(|place| (place as u8) ^ (number as u8)));
        payload
    }

    /// The number of a datagram that is one of these, unaltered.
    fn number(&self, payload: &[u8]) -> Option<u32> {
        let (mark, rest) = payload.split_first_chunk::<8>()?;
        let number = u32::from_be_bytes(*rest.first_chunk::<4>()?);
        (*mark == self.mark && number < self.count && payload == self.payload(number)).then_some(number)
    }
}

/// What became of them.
#[derive(Debug, Default)]
pub(super) struct RoundTrips {
    /// When each datagram was sent, and how long it took to come back.
    sent: Vec<(Mono, Option<Duration>)>,
}

impl RoundTrips {
    pub(super) fn sent(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn returned(&self) -> usize {
        self.times().count()
    }

    fn times(&self) -> impl Iterator<Item = Duration> {
        self.sent.iter().filter_map(|(_, time)| *time)
    }

    /// Shortest, mean and longest; none when nothing came back.
    pub(super) fn min_avg_max(&self) -> Option<(Duration, Duration, Duration)> {
        let count = u32::try_from(self.returned()).ok().filter(|count| *count > 0)?;
        Some((self.times().min()?, self.times().sum::<Duration>() / count, self.times().max()?))
    }

    fn note(&mut self, number: u32, now: Mono) {
        if let Some((sent, time)) = self.sent.get_mut(number as usize) {
            time.get_or_insert(now.since(*sent));
        }
    }
}

/// A client and its relayed address.
pub(super) struct End<'c> {
    pub(super) client: &'c mut Client,
    pub(super) relayed: SocketAddr,
}

/// Sends the datagrams one after the other from `near` to `far`'s relayed address and back. Late ones count, as long as
/// later ones are waited for; when nothing at all comes back for `timeout`, the rest is not sent.
pub(super) fn round_trips(
    near: &mut End<'_>,
    far: &mut End<'_>,
    datagrams: &Datagrams,
    timeout: Duration,
) -> Result<RoundTrips, Failure> {
    let mut trips = RoundTrips::default();
    let mut heard = clock::now().mono;
    for number in 0..datagrams.count {
        let now = clock::now().mono;
        if now.since(heard) >= timeout {
            break;
        }
        trips.sent.push((now, None));
        near.client.send_data(far.relayed, &datagrams.payload(number))?;
        send_back(near.relayed, far, datagrams, number, now + WAIT)?;
        if collect(near, datagrams, number, now + WAIT, &mut trips)? {
            heard = clock::now().mono;
        }
    }
    Ok(trips)
}

/// Sends back what arrives at the far end, until the datagram of `number` does.
fn send_back(
    to: SocketAddr,
    far: &mut End<'_>,
    datagrams: &Datagrams,
    number: u32,
    until: Mono,
) -> Result<(), Failure> {
    while let Some((_, payload)) = far.client.receive_data(until)? {
        let Some(arrived) = datagrams.number(&payload) else { continue };
        far.client.send_data(to, &payload)?;
        if arrived == number {
            break;
        }
    }
    Ok(())
}

/// Notes what comes back to the near end, until the datagram of `number` does. Returns whether any did.
fn collect(
    near: &mut End<'_>,
    datagrams: &Datagrams,
    number: u32,
    until: Mono,
    trips: &mut RoundTrips,
) -> Result<bool, Failure> {
    let mut any = false;
    while let Some((_, payload)) = near.client.receive_data(until)? {
        let Some(returned) = datagrams.number(&payload) else { continue };
        trips.note(returned, clock::now().mono);
        any = true;
        if returned == number {
            break;
        }
    }
    Ok(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATAGRAMS: Datagrams = Datagrams { count: 3, length: 172, mark: *b"\x01\x02\x03\x04\x05\x06\x07\x08" };

    #[test]
    fn a_datagram_is_known_by_its_mark_number_and_bytes() {
        for number in 0..3 {
            let payload = DATAGRAMS.payload(number);
            assert_eq!(payload.len(), 172);
            assert_eq!(DATAGRAMS.number(&payload), Some(number));
            for place in 0..payload.len() {
                let mut altered = payload.clone();
                altered[place] ^= 0x80;
                assert_eq!(DATAGRAMS.number(&altered), None, "byte {place}");
            }
            assert_eq!(DATAGRAMS.number(&payload[..171]), None);
        }
        assert_eq!(DATAGRAMS.number(&DATAGRAMS.payload(3)), None, "more than were sent");
        assert_eq!(DATAGRAMS.number(b""), None);
    }

    #[test]
    fn the_shortest_datagram_is_its_header() {
        let datagrams = Datagrams { length: HEADER_LEN, ..DATAGRAMS };
        assert_eq!(datagrams.payload(2).len(), HEADER_LEN);
        assert_eq!(datagrams.number(&datagrams.payload(2)), Some(2));
    }

    #[test]
    fn times_are_counted_once_per_datagram() {
        let ms = |ms: u64| Mono(ms * 1_000_000);
        let mut trips = RoundTrips { sent: vec![(ms(0), None), (ms(10), None), (ms(20), None)] };
        assert_eq!(trips.min_avg_max(), None);
        trips.note(0, ms(4));
        trips.note(2, ms(22));
        trips.note(0, ms(30));
        trips.note(7, ms(30));
        assert_eq!((trips.sent(), trips.returned()), (3, 2));
        let millis = Duration::from_millis;
        assert_eq!(trips.min_avg_max(), Some((millis(2), millis(3), millis(4))));
    }
}
