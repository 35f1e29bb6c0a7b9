//! After a panic of the core, which is our bug: what it concerned ends, everybody else goes on. Whoever called the core
//! catches the panic and says here what the call was about.

use super::address::{FiveTuple, LinkId, RelayId, ReservationToken};
use super::allocation::{AllocationId, Allocations};
use super::event::EndReason;
use super::io::{Answer, Direction, Output, Path};
use super::server::Server;
use super::time::Now;

/// Whose request an answer of the world is about, asked before the core takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concern {
    /// The client.
    pub tuple: FiveTuple,
    /// The way to it; none: its connection is gone.
    pub link: Option<LinkId>,
}

/// Whose turn it is where many have theirs one after the other, should it make the core panic.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    Allocation(AllocationId),
    /// A request that was taken out, and will not be answered.
    Request,
    Reservation(ReservationToken),
}

impl Server {
    /// Whom `answer` is about; none: no request waits for it.
    pub fn concern_of(&self, answer: &Answer) -> Option<Concern> {
        if let Answer::Disconnected { tuple } = answer {
            return Some(Concern { tuple: *tuple, link: None });
        }
        let path = self.parked.get(answer.request()?)?.path;
        Some(Concern { tuple: path.tuple, link: Some(path.link) })
    }

    /// Something that came by `path` made the core panic. Builds the indexes anew and ends the allocation concerned.
    pub fn handle_fault(&mut self, now: Now, path: &Path) {
        self.end_faulty(now, |allocations| match path {
            Path::Client(path) => allocations.of_tuple(&path.tuple),
            Path::Peer { relay, .. } => allocations.of_relay(*relay),
        });
    }

    /// The same for an answer.
    pub fn handle_answer_fault(&mut self, now: Now, concern: &Concern) {
        self.end_faulty(now, |allocations| allocations.of_tuple(&concern.tuple));
    }

    /// The same for what could not be sent.
    pub fn handle_unsent_fault(&mut self, now: Now, direction: &Direction) {
        self.end_faulty(now, |allocations| match direction {
            Direction::ToClient(tuple) => allocations.of_tuple(tuple),
            Direction::ToPeer(relay) => allocations.of_relay(*relay),
        });
    }

    /// The same for whatever had its turn. Whether anything had.
    pub fn handle_turn_fault(&mut self, now: Now) -> bool {
        let Some(turn) = self.in_turn.take() else { return false };
        if let Turn::Reservation(token) = turn {
            self.reservations.remove(&token);
        }
        self.end_faulty(now, |_| match turn {
            Turn::Allocation(id) => Some(id),
            Turn::Request | Turn::Reservation(_) => None,
        });
        true
    }

    fn end_faulty(&mut self, now: Now, find: impl FnOnce(&Allocations) -> Option<AllocationId>) {
        self.allocations.index_anew();
        if let Some(id) = find(&self.allocations) {
            self.end(id, now, EndReason::Fault);
        }
    }

    /// Whether a relay socket is an allocation's, or about to be closed. After a panic one may be neither.
    pub fn accounts_for_relay(&self, relay: RelayId) -> bool {
        self.allocations.of_relay(relay).is_some() || self.outputs.contains(&Output::CloseRelay(relay))
    }

    /// Whether a reservation will end some time, or is about to. After a panic one may not.
    pub fn accounts_for_reservation(&self, token: ReservationToken) -> bool {
        self.reservations.contains_key(&token) || self.outputs.contains(&Output::Release(token))
    }
}

impl Answer {
    /// The request it answers.
    fn request(&self) -> Option<super::address::RequestId> {
        match self {
            Answer::Opened { request, .. }
            | Answer::QuotaReached { request }
            | Answer::NoCapacity { request }
            | Answer::FamilyNotServed { request }
            | Answer::User { request, .. }
            | Answer::LookUpFailed { request }
            | Answer::Unheard { request }
            | Answer::Claimed { request, .. }
            | Answer::Gone { request } => Some(*request),
            Answer::Disconnected { .. } => None,
        }
    }
}
