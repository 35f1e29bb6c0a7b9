//! The write queue in virtual time.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const START: Mono = Mono(5_000_000_000);

fn after_millis(millis: u64) -> Mono {
    START + Duration::from_millis(millis)
}

fn contents(queue: &WriteQueue) -> Vec<u8> {
    queue.slices().iter().flat_map(|slice| slice.to_vec()).collect()
}

#[test]
fn pieces_become_one_message_in_order() {
    let mut queue = WriteQueue::default();
    queue.push(START, [b"ab", b"", b"c"]);
    queue.push(START, [b"", b"def", b""]);
    assert_eq!((contents(&queue).as_slice(), queue.len()), (&b"abcdef"[..], 6));
    queue.consume(4);
    assert_eq!(contents(&queue), b"ef");
}

#[test]
fn it_is_full_at_its_length() {
    let mut queue = WriteQueue::default();
    queue.push(START, [&vec![0; QUEUE_LEN_MAX - 1], b"", b""]);
    assert!(!queue.is_full(START));
    queue.push(START, [b"x", b"", b""]);
    assert!(queue.is_full(START));
    queue.consume(1);
    assert!(!queue.is_full(START));
}

#[test]
fn it_is_full_when_its_first_byte_is_late() {
    let mut queue = WriteQueue::default();
    assert!(!queue.is_full(after_millis(1_000_000)));
    queue.push(START, [b"old", b"", b""]);
    queue.push(after_millis(150), [b"new", b"", b""]);
    assert!(!queue.is_full(after_millis(200)));
    assert!(queue.is_full(after_millis(201)));
    queue.consume(2);
    assert!(queue.is_full(after_millis(201)), "a byte of the old one is still there");
    queue.consume(1);
    assert!(!queue.is_full(after_millis(350)));
    assert!(queue.is_full(after_millis(351)));
    queue.consume(3);
    assert!(!queue.is_full(after_millis(1_000_000)));
}

#[test]
fn it_counts_late_from_the_first_of_close_ones_on() {
    let mut queue = WriteQueue::default();
    for millis in 0..100 {
        queue.push(after_millis(millis), [b"x", b"", b""]);
    }
    assert!(queue.marks.len() <= 10, "{} marks", queue.marks.len());
    queue.consume(50);
    let age = queue.age(after_millis(100));
    assert!(age >= Duration::from_millis(50) && age < Duration::from_millis(60), "{age:?}");
}

#[test]
fn empty_it_owns_no_memory() {
    let mut queue = WriteQueue::default();
    queue.push(START, [&[1; 5000], b"", b""]);
    queue.consume(5000);
    assert_eq!((queue.bytes.capacity(), queue.marks.capacity()), (0, 0));
    queue.push(START, [b"", b"", b""]);
    assert!(queue.is_empty() && queue.marks.is_empty());
}

#[test]
fn the_front_is_in_one_piece() {
    let mut queue = WriteQueue::default();
    queue.push(START, [&[1; 100], b"", b""]);
    queue.consume(90);
    let room = queue.bytes.capacity() - queue.len();
    queue.push(START, [&vec![2; room], b"", b""]);
    let all = contents(&queue);
    assert_eq!(queue.front(15), &all[..15]);
    assert_eq!(queue.front(usize::MAX), all);
}

proptest! {
    /// Whatever is pushed and consumed, the bytes come out as they went in, and the age is that of the first of them.
    #[test]
    fn it_is_a_queue(steps in vec((0..40u64, vec(any::<u8>(), 0..50), 0..80usize, any::<bool>()), 0..60)) {
        let mut queue = WriteQueue::default();
        let mut model: VecDeque<(u8, Mono)> = VecDeque::new();
        let mut now = START;
        for (millis, bytes, consumed, look) in steps {
            now = now + Duration::from_millis(millis);
            let (head, tail) = bytes.split_at(bytes.len() / 3);
            queue.push(now, [head, tail, b""]);
            model.extend(bytes.iter().map(|byte| (*byte, now)));
            if look {
                let expected: Vec<u8> = model.iter().take(20).map(|(byte, _)| *byte).collect();
                prop_assert_eq!(queue.front(20), expected);
            }
            let consumed = consumed.min(model.len());
            queue.consume(consumed);
            model.drain(..consumed);
            let bytes: Vec<u8> = model.iter().map(|(byte, _)| *byte).collect();
            prop_assert_eq!(contents(&queue), bytes);
            let age = model.front().map_or(Duration::ZERO, |(_, since)| now.since(*since));
            let seen = queue.age(now);
            prop_assert!(seen >= age && seen < age + MARK_EVERY, "{seen:?} for {age:?}");
        }
    }
}
