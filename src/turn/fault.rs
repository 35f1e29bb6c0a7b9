//! After a panic of the core, which is our bug: what it concerned ends, everybody else goes on. Whoever called the core
//! catches the panic and says here what the call was about.

use super::address::{RelayId, ReservationToken};
use super::event::EndReason;
use super::io::{Answer, ClientPath, Output, Path};
use super::parked::Waiting;
use super::server::Server;
use super::time::Now;

/// What an answer of the world is about, asked before the core takes it.
#[derive(Clone, Debug)]
pub struct Concern {
    /// Whose request waits for it.
    pub path: ClientPath,
    /// The relay sockets it hands over.
    granted: Vec<RelayId>,
    /// The reservation that the request makes.
    reserves: Option<ReservationToken>,
}

impl Server {
    /// What `answer` is about; none: no request waits for it.
    pub fn concern_of(&self, answer: &Answer) -> Option<Concern> {
        if let Answer::Disconnected { tuple } = answer {
            let path = self.allocations.get(self.allocations.of_tuple(tuple)?)?.path();
            return Some(Concern { path, granted: Vec::new(), reserves: None });
        }
        let parked = self.parked.get(answer.request()?)?;
        let reserves = match &parked.waiting {
            Waiting::Relay { reserves, .. } => *reserves,
            Waiting::User { .. } => None,
        };
        Some(Concern { path: parked.path, granted: answer.granted(), reserves })
    }

    /// Something that came by `path` made the core panic. Ends the allocation concerned and builds the indexes anew.
    pub fn handle_fault(&mut self, now: Now, path: &Path) {
        let id = match path {
            Path::Client(path) => self.allocations.of_tuple(&path.tuple),
            Path::Peer { relay, .. } => self.allocations.of_relay(*relay),
        };
        self.allocations.index_anew();
        if let Some(id) = id {
            self.end(id, now, EndReason::Fault);
        }
    }

    /// An answer made the core panic: its client's allocation ends, and what the answer brought is given back.
    pub fn handle_answer_fault(&mut self, now: Now, concern: &Concern) {
        self.handle_fault(now, &Path::Client(concern.path));
        for relay in &concern.granted {
            let close = Output::CloseRelay(*relay);
            if self.allocations.of_relay(*relay).is_none() && !self.outputs.contains(&close) {
                self.outputs.push_back(close);
            }
        }
        if let Some(token) = concern.reserves.filter(|token| !self.reservations.contains_key(token)) {
            self.outputs.push_back(Output::Release(token));
        }
    }

    /// An allocation made the core panic when its turn came: it ends. Whether there was one.
    pub fn handle_turn_fault(&mut self, now: Now) -> bool {
        let Some(id) = self.in_turn.take() else { return false };
        self.allocations.index_anew();
        self.end(id, now, EndReason::Fault);
        true
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
            | Answer::Claimed { request, .. }
            | Answer::Gone { request } => Some(*request),
            Answer::Disconnected { .. } => None,
        }
    }

    /// The relay sockets it hands over.
    fn granted(&self) -> Vec<RelayId> {
        match self {
            Answer::Opened { first, second, .. } => {
                let second = second.as_ref().and_then(|second| second.as_ref().ok());
                [Some(first), second].into_iter().flatten().map(|grant| grant.relay).collect()
            }
            Answer::Claimed { relay, .. } => vec![relay.relay],
            _ => Vec::new(),
        }
    }
}
