//! A client: what it knows from answers that reached it, and the messages it makes of that.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use turnserver::config::AuthMode;
use turnserver::turn::address::{FiveTuple, LinkId, Transport};
use turnserver::turn::io::ClientPath;

use crate::action::{Ask, Kind};
use crate::dice::Dice;
use crate::model::Model;
use crate::plan::{ClientPlan, NAMES, PEERS, REALM, SECRET, SERVER_V4, SERVER_V6, sock};
use crate::proof::{Key, PROMISE, Proof, Scheme};
use crate::wire::{self, Draft, View};

/// Where NATs put their clients.
pub(crate) const OTHER_SOURCES: [&str; 3] = ["203.0.113.201", "203.0.113.202", "2a01:4f8:ffff::1"];

/// A message before it is written.
pub(crate) struct Parts {
    pub(crate) method: u16,
    pub(crate) class: u8,
    pub(crate) id: [u8; 12],
    pub(crate) attributes: Vec<(u16, Vec<u8>)>,
    pub(crate) is_signed: bool,
    /// Instead of the client's own.
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) key: Option<Key>,
    pub(crate) realm: Vec<u8>,
    pub(crate) nonce: Option<Vec<u8>>,
    pub(crate) proof: Proof,
    pub(crate) fingerprint: bool,
}

pub(crate) struct Client {
    pub(crate) plan: ClientPlan,
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
    /// Addresses it had before.
    pub(crate) former: Vec<SocketAddr>,
    pub(crate) link: LinkId,
    pub(crate) name: Vec<u8>,
    key: Option<Key>,
    nonce: Option<Vec<u8>>,
    pub(crate) relayed: Vec<SocketAddr>,
    pub(crate) is_allocated: bool,
    pub(crate) token: Option<[u8; 8]>,
    /// Peers it may send to, and channels it bound, as far as it knows.
    pub(crate) permitted: Vec<usize>,
    pub(crate) bound: Vec<u16>,
    /// What it asked, and whether it may ask again, by transaction.
    asked: BTreeMap<[u8; 12], (Ask, bool)>,
    pub(crate) last: Vec<u8>,
}

impl Client {
    pub(crate) fn new(plan: ClientPlan, link: LinkId) -> Client {
        Client {
            transport: plan.transport,
            address: plan.address,
            former: Vec::new(),
            link,
            name: NAMES[plan.user].as_bytes().to_vec(),
            key: None,
            nonce: None,
            relayed: Vec::new(),
            is_allocated: false,
            token: None,
            permitted: Vec::new(),
            bound: Vec::new(),
            asked: BTreeMap::new(),
            last: Vec::new(),
            plan,
        }
    }

    pub(crate) fn path(&self) -> ClientPath {
        let server = sock(if self.address.is_ipv4() { SERVER_V4 } else { SERVER_V6 });
        let tuple = FiveTuple { transport: self.transport, client: self.address, server };
        ClientPath { tuple, link: self.link }
    }

    /// Its relayed address of a family, or any it was given.
    pub(crate) fn relayed_for(&self, is_ipv4: bool) -> Option<SocketAddr> {
        self.relayed.iter().find(|relayed| relayed.is_ipv4() == is_ipv4).or(self.relayed.first()).copied()
    }

    /// Takes the credentials that are good now, as far as it knows.
    pub(crate) fn log_in(&mut self, mode: AuthMode, wall: u64, is_new: bool, dice: &mut Dice) {
        let name = NAMES[self.plan.user];
        if mode == AuthMode::SharedSecret {
            let ends = wall + self.plan.ttl;
            let text = match dice.below(10) {
                0 => format!("{name}:{ends}"),
                1 => ends.to_string(),
                2 => name.to_owned(),
                _ => format!("{ends}:{name}"),
            };
            self.name = text.into_bytes();
            let secret = if self.plan.password_is_right { SECRET } else { "another secret" };
            self.key = Some(Key::timed(&self.name, REALM, secret));
            return;
        }
        let password: &[u8] = match (self.plan.password_is_right, is_new) {
            (false, _) => b"a guess",
            (true, false) => b"first",
            (true, true) => b"second",
        };
        self.name = name.as_bytes().to_vec();
        self.key = Some(Key::derive(&self.name, REALM, password));
    }

    /// Fills a request in. `addresses` names peers, and behind them the clients' relayed addresses.
    pub(crate) fn compose(
        &self,
        ask: &Ask,
        mode: AuthMode,
        addresses: &[Option<SocketAddr>],
        dice: &mut Dice,
    ) -> Parts {
        let id = dice.id();
        let address = |peer: &usize| addresses[*peer].unwrap_or_else(|| sock(PEERS[0]));
        let mut attributes: Vec<(u16, Vec<u8>)> = Vec::new();
        let method = match ask {
            Ask::Binding => wire::BINDING,
            Ask::Allocate(kind) => {
                attributes = self.allocate(*kind);
                wire::ALLOCATE
            }
            Ask::Refresh { lifetime, family } => {
                attributes.extend(lifetime.map(|secs| (wire::LIFETIME, secs.to_be_bytes().to_vec())));
                attributes.extend(family.map(|code| (wire::FAMILY, vec![code, 0, 0, 0])));
                wire::REFRESH
            }
            Ask::Permit { peers } => {
                let peers = peers.iter().map(|peer| (wire::PEER_ADDRESS, wire::xored(address(peer), &id)));
                attributes.extend(peers);
                wire::CREATE_PERMISSION
            }
            Ask::Scan { network, count } => {
                let host = |host: u8| sock(&format!("9.77.{network}.{host}:7"));
                attributes.extend((0..*count).map(|at| (wire::PEER_ADDRESS, wire::xored(host(at), &id))));
                wire::CREATE_PERMISSION
            }
            Ask::SendTo { peer } => {
                attributes.push((wire::PEER_ADDRESS, wire::xored(address(peer), &id)));
                attributes.push((wire::DATA, vec![5; 9]));
                wire::SEND
            }
            Ask::Bind { number, peer } => {
                let [high, low] = number.to_be_bytes();
                attributes.push((wire::CHANNEL_NUMBER, vec![high, low, 0, 0]));
                attributes.push((wire::PEER_ADDRESS, wire::xored(address(peer), &id)));
                wire::CHANNEL_BIND
            }
        };
        Parts {
            method,
            class: if method == wire::SEND { wire::INDICATION } else { wire::REQUEST },
            id,
            attributes,
            is_signed: mode != AuthMode::Anonymous && method != wire::BINDING && method != wire::SEND,
            name: None,
            key: None,
            realm: REALM.as_bytes().to_vec(),
            nonce: self.nonce.clone(),
            proof: self.proof(dice),
            fingerprint: self.plan.fingerprint,
        }
    }

    /// As the server's nonce lets it: mostly by the attribute that belongs to what it names, now and then by another.
    fn proof(&self, dice: &mut Dice) -> Proof {
        let is_offered = self.nonce.as_ref().is_some_and(|nonce| nonce.starts_with(PROMISE));
        let proof = Proof::of(if is_offered { self.plan.scheme } else { Scheme::Unnamed });
        match dice.below(20) {
            0 => proof.signed_by(&[wire::INTEGRITY]),
            1 => proof.signed_by(&[wire::INTEGRITY_SHA256]),
            2 => proof.signed_by(&[wire::INTEGRITY, wire::INTEGRITY_SHA256]),
            3 => proof.signed_by(&[wire::INTEGRITY_SHA256, wire::INTEGRITY]),
            _ => proof,
        }
    }

    fn allocate(&self, kind: Kind) -> Vec<(u16, Vec<u8>)> {
        let transport = |number: u8| (wire::TRANSPORT, vec![number, 0, 0, 0]);
        let family = |code: u8| (wire::FAMILY, vec![code, 0, 0, 0]);
        let beside = |code: u8| (wire::ADDITIONAL_FAMILY, vec![code, 0, 0, 0]);
        let even = |bits: u8| (wire::EVEN_PORT, vec![bits]);
        let token = |token: [u8; 8]| (wire::TOKEN, token.to_vec());
        match kind {
            Kind::Plain => vec![transport(17)],
            Kind::Long => vec![transport(17), (wire::LIFETIME, 3600_u32.to_be_bytes().to_vec())],
            Kind::Six => vec![transport(17), family(2)],
            Kind::Four => vec![transport(17), family(1)],
            Kind::Both => vec![transport(17), beside(2)],
            Kind::Even => vec![transport(17), even(0)],
            Kind::EvenSix => vec![transport(17), even(0), beside(2)],
            Kind::Reserve => vec![transport(17), even(0x80)],
            Kind::Token(_) => vec![transport(17), token(self.token.unwrap_or([7; 8]))],
            Kind::TokenOfNobody => vec![transport(17), token([9; 8])],
            Kind::TokenAndEven => vec![transport(17), token([9; 8]), even(0)],
            Kind::BothAndReserve => vec![transport(17), beside(2), even(0x80)],
            Kind::BothFamilies => vec![transport(17), family(1), beside(2)],
            Kind::OddFamily => vec![transport(17), family(4)],
            Kind::OverTcp => vec![transport(6)],
            Kind::NoTransport => Vec::new(),
        }
    }

    /// Writes a message, and tells the model what was signed.
    pub(crate) fn encode(&self, parts: &Parts, model: &mut Model) -> Vec<u8> {
        let mut draft = Draft::new(parts.method, parts.class, &parts.id);
        parts.attributes.iter().for_each(|(kind, value)| draft.attribute(*kind, value));
        let key = parts.key.as_ref().or(self.key.as_ref());
        if let (true, Some(key), Some(nonce)) = (parts.is_signed, key, &parts.nonce) {
            draft.attribute(wire::USERNAME, parts.name.as_ref().unwrap_or(&self.name));
            draft.attribute(wire::REALM, &parts.realm);
            draft.attribute(wire::NONCE, nonce);
            parts.proof.list.iter().for_each(|list| draft.attribute(wire::PASSWORD_ALGORITHMS, list));
            parts.proof.chosen.iter().for_each(|chosen| draft.attribute(wire::PASSWORD_ALGORITHM, chosen));
            for seal in &parts.proof.seals {
                let key = if seal.is_right { key.bytes(parts.proof.scheme) } else { b"nobody's" };
                let (covered, value) = draft.sign(seal.kind, key, seal.len);
                model.note_signed(covered, value, key);
            }
        }
        if parts.fingerprint {
            draft.fingerprint();
        }
        draft.bytes
    }

    /// Remembers a request it may have to repeat with another nonce.
    pub(crate) fn note_asked(&mut self, id: [u8; 12], ask: Ask, may_repeat: bool, bytes: &[u8]) {
        if self.asked.len() > 16 {
            self.asked.pop_first();
        }
        self.asked.insert(id, (ask, may_repeat));
        self.last = bytes.to_vec();
    }

    /// Reads what reached it; gives what it asks once more, with the nonce it just learnt.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Option<Ask> {
        let view = View::parse(bytes).ok()?;
        let (ask, may_repeat) = self.asked.remove(&view.id)?;
        match view.class {
            wire::ERROR => {
                if let Some([_, _, 4, 37, ..]) = view.value(wire::ERROR_CODE)
                    && view.method != wire::ALLOCATE
                {
                    self.forget();
                }
                self.nonce = Some(view.value(wire::NONCE)?.to_vec());
                may_repeat.then_some(ask)
            }
            wire::SUCCESS if view.method == wire::ALLOCATE => {
                let relayed = view.all().filter(|(kind, _)| *kind == wire::RELAYED_ADDRESS);
                self.relayed = relayed.filter_map(|(_, value)| wire::unxored(value, &view.id)).collect();
                let token = view.value(wire::TOKEN).and_then(|value| value.try_into().ok());
                self.token = token.or(self.token);
                self.is_allocated = true;
                self.permitted.clear();
                self.bound.clear();
                None
            }
            _ => {
                match ask {
                    Ask::Permit { peers } => self.permitted.extend(peers),
                    Ask::Bind { number, .. } => self.bound.push(number),
                    Ask::Refresh { lifetime: Some(0), .. } => self.forget(),
                    _ => {}
                }
                None
            }
        }
    }

    /// It has no allocation any more.
    pub(crate) fn forget(&mut self) {
        self.permitted.clear();
        self.bound.clear();
        self.is_allocated = false;
    }

    /// A nonce it would use, if any.
    pub(crate) fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }
}
