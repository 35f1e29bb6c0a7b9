//! Every error an answer can carry, and how each is provoked.

use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::probe::Probe;
use crate::target::{Person, Target};
use crate::wire::{Launch, Link, Reply};

/// Errors of an authenticated client, and how a client gets them that has an allocation and one that has none.
fn authenticated(allocated: &mut Probe, fresh: &mut Probe) -> Vec<(u16, Reply)> {
    let elsewhere = "10.20.30.40:9".parse().expect("an address");
    let other_family = "[2001:db8::1]:9".parse().expect("an address");
    let permission = |peer| Draft::request(Method::CREATE_PERMISSION).peer(peer);
    let family = |code: u8| Draft::allocate().with(AttributeType::REQUESTED_ADDRESS_FAMILY, &[code, 0, 0, 0]);
    let token = Draft::allocate().with(AttributeType::RESERVATION_TOKEN, b"unheard!");
    let of_fresh = [
        (400, Draft::request(Method::ALLOCATE)),
        (420, Draft::allocate().with(AttributeType(0x7F00), b"")),
        (437, Draft::request(Method::REFRESH)),
        (440, family(3)),
        (442, Draft::request(Method::ALLOCATE).transport(99)),
        (508, token),
    ];
    let of_allocated = [
        (400, Draft::request(Method::CREATE_PERMISSION)),
        (403, permission(elsewhere)),
        (437, Draft::allocate()),
        (443, permission(other_family)),
    ];
    let mut replies: Vec<_> = of_fresh.iter().map(|(code, draft)| (*code, fresh.ask(draft))).collect();
    replies.extend(of_allocated.iter().map(|(code, draft)| (*code, allocated.ask(draft))));
    replies
}

/// Errors before authentication.
fn unauthenticated(probe: &mut Probe) -> Vec<(u16, Reply)> {
    let drafts = [
        (400, Draft::allocate().without(AttributeType::NONCE)),
        (401, Draft::allocate().bare()),
        (401, Draft::allocate().instead(AttributeType::USERNAME, b"nobody-at-all")),
        (420, Draft::request(Method::BINDING).with(AttributeType(0x7F00), b"")),
        (438, Draft::allocate().instead(AttributeType::NONCE, b"nobody's")),
    ];
    drafts.iter().map(|(code, draft)| (*code, probe.ask(draft))).collect()
}

fn wrong_user(allocated: &mut Probe, owner: &Person, other: &Person) -> (u16, Reply) {
    allocated.become_user(other);
    let reply = allocated.ask(&Draft::request(Method::REFRESH));
    allocated.become_user(owner);
    (441, reply)
}

/// Errors that must be signed, each with its code, which was checked.
pub(crate) fn signed() -> Vec<(u16, Reply)> {
    let target = Target::get();
    let (mut allocated, mut fresh) = (Probe::udp(), Probe::udp());
    allocated.allocate();
    let mut replies = authenticated(&mut allocated, &mut fresh);
    replies.extend(target.other.iter().map(|other| wrong_user(&mut allocated, &target.user, other)));
    // Quotas are of a configuration.
    replies.extend(target.is_ours().then(quota_reached));
    checked(replies)
}

/// All errors, each with its code, which was checked.
pub(crate) fn provoked() -> Vec<(u16, Reply)> {
    let mut replies = signed();
    replies.extend(unauthenticated(&mut Probe::udp()));
    checked(replies)
}

/// The same from a server of ours that explains itself.
pub(crate) fn with_phrases() -> Vec<(u16, Reply)> {
    let file = "realm = \"example.org\"\nuser = [\"alice:wonderland-7\", \"bob:the-builder-9\"]\n\
                include-reason-string = true\nunauthorized-ratelimit = false";
    let server = Launch::new(&[]).with_file(file).start();
    let (mut allocated, mut fresh) = (Probe::over(Link::udp(server.addr)), Probe::over(Link::udp(server.addr)));
    allocated.allocate();
    let mut replies = authenticated(&mut allocated, &mut fresh);
    replies.extend(unauthenticated(&mut fresh));
    assert!(replies.iter().all(|(_, reply)| !reply.phrase().is_empty()));
    checked(replies)
}

fn quota_reached() -> (u16, Reply) {
    let file = "realm = \"example.org\"\nuser = [\"alice:wonderland-7\"]\nuser-quota = 1";
    let server = Launch::new(&[]).with_file(file).start();
    let (mut first, mut second) = (Probe::over(Link::udp(server.addr)), Probe::over(Link::udp(server.addr)));
    first.allocate();
    (486, second.ask(&Draft::allocate()))
}

/// Each with the code it has. Another server has codes of its own: which one it has is the matter of other rows.
fn checked(replies: Vec<(u16, Reply)>) -> Vec<(u16, Reply)> {
    let is_ours = Target::get().is_ours();
    let judged = replies.into_iter().map(|(expected, reply)| {
        assert!(reply.code() == expected || !is_ours, "{expected} was expected, {} came", reply.code());
        (reply.code(), reply)
    });
    judged.filter(|(code, _)| *code != 0).collect()
}
