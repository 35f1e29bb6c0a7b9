//! Allocate (RFC 8656 section 7.2): the request, and its completion when the relayed addresses are there.

use std::net::IpAddr;

use rand_chacha::rand_core::RngCore;

use super::family_code;
use crate::stun::{AttributeType, ErrorCode, Message};
use crate::turn::address::{EvenPort, Families, Family, RequestId, ReservationToken};
use crate::turn::allocation::{Allocation, Owner, Relay, Replay};
use crate::turn::answer::{Allocated, AnswerBuf, Head, Reject, Success};
use crate::turn::client::Request;
use crate::turn::drop_reason::DropReason;
use crate::turn::event::Event;
use crate::turn::io::{Claim, ClientPath, Credit, OpenRelay, Output, RelayGrant};
use crate::turn::limits::REPLAY_SECS;
use crate::turn::parked::{NoRoom, Parked, Waiting};
use crate::turn::server::{Refusal, Server};
use crate::turn::settings::Midway;
use crate::turn::time::Now;

/// The protocol number of UDP in REQUESTED-TRANSPORT.
const PROTOCOL_UDP: u8 = 17;

/// What a well-formed request wants.
enum Wish {
    Open { families: Families, even: Option<EvenPort> },
    Claim(ReservationToken),
}

/// Asks the world for relayed addresses; the answer comes later, retransmissions of an answered request get it again.
pub(super) fn handle(
    server: &mut Server,
    now: Now,
    request: &Request<'_, '_>,
    caller: &Owner,
    answer: &mut AnswerBuf,
) -> Result<Success, Reject> {
    let message = request.message;
    if let Some(id) = server.allocations.of_tuple(&request.path.tuple) {
        server.sweep(id, now);
        if let Some(allocation) = server.allocations.get(id) {
            // RFC 8489 section 6.3.1 against RFC 8656 section 7.2 step 2: the same request is answered the same.
            let replay = allocation.replay.as_ref();
            let replay = replay.filter(|replay| replay.id == message.id() && now.mono < replay.until);
            let replay = replay.ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
            answer.set(&replay.answer);
            return Ok(Success::Replayed);
        }
    }
    if is_tunnelled(request.path.tuple.client.ip()) {
        return Err(ErrorCode::FORBIDDEN.into());
    }
    let wish = read_wish(server, message)?;
    let lifetime_secs = server.negotiate_lifetime(now, message, &caller.user)?;
    // At whatever step the server wants (RFC 8656 section 7.2); but whoever has a token has a port here.
    if matches!(wish, Wish::Open { .. })
        && let Some(alternate) = server.alternate_for(&request.path.tuple)
    {
        return Err(Reject::Redirected(alternate));
    }
    // The port of a token is in use here: with it goes on what began before.
    if server.settings.draining && matches!(wish, Wish::Open { .. }) {
        return Err(server.draining_code().into());
    }
    let reserves = match &wish {
        Wish::Open { even: Some(EvenPort::EvenAndReserve(token)), .. } => Some(*token),
        _ => None,
    };
    let waiting = Waiting::Relay { owner: caller.clone(), lifetime_secs, reserves };
    let parked = Parked { path: request.path, head: Head::of(message), waiting };
    let id = server.parked.park(parked, now.mono).map_err(|error| match error {
        NoRoom::Retransmission => Reject::Silent(DropReason::Parked),
        NoRoom::Full => Reject::Silent(DropReason::Busy),
    })?;
    let user = caller.quota.clone();
    server.outputs.push_back(match wish {
        Wish::Open { families, even } => {
            Output::OpenRelay(OpenRelay { request: id, user, server: request.path.tuple.server, families, even })
        }
        Wish::Claim(token) => Output::Claim(Claim { request: id, token, user }),
    });
    Ok(Success::Parked)
}

/// RFC 8656 section 21.4: Teredo (2001::/32) and 6to4 (2002::/16) clients could have a tunnel and this server send each
/// other the same packet again and again.
fn is_tunnelled(client: IpAddr) -> bool {
    matches!(client, IpAddr::V6(ip) if matches!(ip.segments(), [0x2001, 0, ..] | [0x2002, ..]))
}

/// RFC 8656 section 7.2, steps 3 to 9 as far as they need no port.
fn read_wish(server: &mut Server, message: &Message<'_>) -> Result<Wish, Reject> {
    check_transport(server, message)?;
    if message.value(AttributeType::DONT_FRAGMENT).is_some_and(|value| !value.is_empty()) {
        return Err(ErrorCode::BAD_REQUEST.into());
    }
    let requested = family_code(message, AttributeType::REQUESTED_ADDRESS_FAMILY)?;
    let additional = family_code(message, AttributeType::ADDITIONAL_ADDRESS_FAMILY)?;
    // Only the first bit of EVEN-PORT counts; a client once sent it with four bytes.
    let even = match message.value(AttributeType::EVEN_PORT) {
        None => None,
        Some([first, ..]) => Some(first & 0x80 != 0),
        Some([]) => return Err(ErrorCode::BAD_REQUEST.into()),
    };
    if let Some(token) = message.value(AttributeType::RESERVATION_TOKEN) {
        let is_alone = even.is_none() && requested.is_none() && additional.is_none();
        let token = token.try_into().ok().filter(|_| is_alone).ok_or(ErrorCode::BAD_REQUEST)?;
        return Ok(Wish::Claim(ReservationToken(token)));
    }
    let families = match (requested, additional) {
        (Some(_), Some(_)) => return Err(ErrorCode::BAD_REQUEST.into()),
        (Some(code), None) => Families::One(Family::from_code(code).ok_or(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED)?),
        (None, Some(code)) if Family::from_code(code) == Some(Family::V6) && even != Some(true) => Families::Both,
        (None, Some(_)) => return Err(ErrorCode::BAD_REQUEST.into()),
        // Whatever the client's own family is (RFC 8656 section 7.2 step 7).
        (None, None) => Families::One(Family::V4),
    };
    let even = even.map(|reserves| match reserves {
        true => EvenPort::EvenAndReserve(server.new_token()),
        false => EvenPort::Even,
    });
    Ok(Wish::Open { families, even })
}

fn check_transport(server: &Server, message: &Message<'_>) -> Result<(), Reject> {
    match message.value(AttributeType::REQUESTED_TRANSPORT) {
        Some(&[PROTOCOL_UDP, _, _, _]) => Ok(()),
        Some(&[_, _, _, _]) if !server.settings.config.protocol.coturn_errors => {
            Err(ErrorCode::UNSUPPORTED_TRANSPORT.into())
        }
        _ => Err(ErrorCode::BAD_REQUEST.into()),
    }
}

impl Server {
    /// What Allocate answers while the server drains.
    fn draining_code(&self) -> ErrorCode {
        match self.settings.config.protocol.coturn_errors {
            true => ErrorCode::FORBIDDEN,
            false => ErrorCode::INSUFFICIENT_CAPACITY,
        }
    }

    /// A token nobody guesses; its first byte names this worker.
    fn new_token(&mut self) -> ReservationToken {
        let mut token = [0; 8];
        self.rng.fill_bytes(&mut token);
        token[0] = self.worker.0;
        ReservationToken(token)
    }

    /// The relayed addresses are open: the allocation begins.
    pub(in crate::turn) fn resume_with_relays(
        &mut self,
        now: Now,
        request: RequestId,
        first: RelayGrant,
        second: Option<Result<RelayGrant, (Family, ErrorCode)>>,
    ) {
        let (second, missing) = match second {
            Some(Ok(grant)) => (Some(grant), None),
            Some(Err(missing)) => (None, Some(missing)),
            None => (None, None),
        };
        let relays = [Some(first), second];
        let Some(Parked { path, head, waiting: Waiting::Relay { owner, lifetime_secs, reserves } }) =
            self.parked.take(request)
        else {
            return self.give_back(relays);
        };
        if self.allocations.of_tuple(&path.tuple).is_some() {
            // Another Allocate of this client was quicker.
            self.give_back(relays);
            self.outputs.extend(reserves.map(Output::Release));
            return self.answer_refused(path, head, &owner, ErrorCode::ALLOCATION_MISMATCH);
        }
        self.settings.hooks.midway(Midway::Opened, &path.tuple);
        let allocated = Allocated { relays, mapped: path.tuple.client, lifetime_secs, token: reserves, missing };
        let mut answer = std::mem::take(&mut self.late_answer);
        self.reply(head, owner.seal()).success(&Success::Allocated(allocated), &mut answer);
        self.late_answer = answer;

        let expires = now.mono.plus_secs(lifetime_secs);
        let user = owner.user.clone();
        let held = relays.map(|grant| grant.map(|grant| Relay { grant, expires }));
        let answer = self.late_answer.bytes().into();
        let replay = Replay { id: head.id, answer, until: now.mono.plus_secs(REPLAY_SECS) };
        let id = self.allocations.insert(Allocation::new(path, owner, held, replay, now.mono));
        // Told at once: whatever breaks off from here on, its end will be told as well.
        self.tell(Event::AllocationCreated { allocation: id, path, user, relays, lifetime_secs });
        self.settings.hooks.midway(Midway::Inserted, &path.tuple);
        self.share_bandwidth(id, now.mono);
        self.arm(id);
        if let Some(token) = reserves {
            self.reserve(token, now);
        }
        self.transmit_late(path, Credit::Authenticated);
    }

    /// The world gave no relayed address: nothing begins.
    pub(in crate::turn) fn resume_refused(&mut self, request: RequestId, refusal: Refusal) {
        let Some(Parked { path, head, waiting: Waiting::Relay { owner, .. } }) = self.parked.take(request) else {
            return;
        };
        let code = match refusal {
            Refusal::QuotaReached => ErrorCode::ALLOCATION_QUOTA_REACHED,
            Refusal::NoCapacity => ErrorCode::INSUFFICIENT_CAPACITY,
            Refusal::FamilyNotServed => ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED,
        };
        let user = Some(owner.user.clone());
        self.tell(Event::Refused { tuple: path.tuple, method: head.method, code, user, why: None });
        self.answer_refused(path, head, &owner, code);
    }

    fn answer_refused(&mut self, path: ClientPath, head: Head, owner: &Owner, code: ErrorCode) {
        let mut answer = std::mem::take(&mut self.late_answer);
        self.reply(head, owner.seal()).error(code, &mut answer);
        self.late_answer = answer;
        self.transmit_late(path, Credit::Authenticated);
    }

    fn give_back(&mut self, relays: [Option<RelayGrant>; 2]) {
        for grant in relays.into_iter().flatten() {
            self.outputs.push_back(Output::CloseRelay(grant.relay));
        }
    }
}
