//! What an answer must say, and whether bytes say just that.

use turnserver::config::ReasonPhrases;

use super::{Clock, Merit, Model, Signer, Who};
use crate::plan::REALM;
use crate::proof::LIST;
use crate::wire::{self, View};

/// An answer to come.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) who: Who,
    pub(crate) method: u16,
    pub(crate) id: [u8; 12],
    /// 200 for a success.
    pub(crate) code: u16,
    /// Types and values beside ERROR-CODE, REALM, NONCE, PASSWORD-ALGORITHMS, SOFTWARE, integrity and FINGERPRINT.
    pub(crate) attributes: Vec<(u16, Vec<u8>)>,
    /// Whose key signs it, and how that was asked for.
    pub(crate) signer: Option<Signer>,
    pub(crate) fingerprint: bool,
    pub(crate) merit: Merit,
}

impl Model {
    /// Compares an answer with what was foretold; its signature is computed only where `thorough`.
    pub(crate) fn check_answer(
        &mut self,
        reply: &Reply,
        bytes: &[u8],
        clock: Clock,
        thorough: bool,
    ) -> Result<(), String> {
        let view = View::parse(bytes).map_err(|junk| format!("an answer is {junk:?}"))?;
        let class = if reply.code == 200 { wire::SUCCESS } else { wire::ERROR };
        let mut attributes: Vec<(u16, Vec<u8>)> = view.all().map(|(kind, value)| (kind, value.to_vec())).collect();
        let mut take = |kind: u16| {
            let at = attributes.iter().position(|(held, _)| *held == kind)?;
            Some(attributes.remove(at).1)
        };
        let error = take(wire::ERROR_CODE);
        let code = match &error {
            Some(value) if value.len() >= 4 => u16::from(value[2] & 7) * 100 + u16::from(value[3]),
            Some(_) => return Err("a short ERROR-CODE".to_owned()),
            None => 200,
        };
        if (view.class, view.method, view.id, code) != (class, reply.method, reply.id, reply.code) {
            let found = (view.method, code);
            return Err(format!("the answer is {found:?}, foretold was {:?}", (reply.method, reply.code)));
        }
        if error.is_some_and(|value| (value.len() > 4) != self.has_phrase(reply)) {
            return Err(format!("a reason phrase where none belongs, or none, in a {code}"));
        }
        let is_challenge = code == 401 || code == 438;
        let (realm, nonce) = (take(wire::REALM), take(wire::NONCE));
        if (realm.is_some(), nonce.is_some()) != (is_challenge, is_challenge) {
            return Err(format!("REALM and NONCE belong into 401 and 438, this is {code}"));
        }
        if realm.is_some_and(|realm| realm != REALM.as_bytes()) {
            return Err("another REALM".to_owned());
        }
        if take(wire::SOFTWARE).is_some() != self.rules.software {
            return Err("SOFTWARE where it is off, or none where it is on".to_owned());
        }
        // RFC 8489 section 9.2.5: a nonce that promises the list comes with it.
        let list = (is_challenge && self.rules.offers).then(|| LIST.to_vec());
        if take(wire::PASSWORD_ALGORITHMS) != list {
            return Err(format!("PASSWORD-ALGORITHMS is missing, another, or where it does not belong in a {code}"));
        }
        let seals = [wire::INTEGRITY, wire::INTEGRITY_SHA256].into_iter().filter(|kind| take(*kind).is_some());
        if !seals.eq(reply.signer.map(|signer| signer.scheme.answer())) {
            return Err(format!("a {code} is signed, or not, against the rules"));
        }
        let servers = |all: &[(u16, Vec<u8>)]| -> Vec<Vec<u8>> {
            all.iter().filter(|(kind, _)| *kind == wire::ALTERNATE_SERVER).map(|(_, value)| value.clone()).collect()
        };
        if servers(&attributes) != servers(&reply.attributes) {
            return Err("the first choice of a 300 is of the client's family, the second one of the other".to_owned());
        }
        let mut foretold = reply.attributes.clone();
        foretold.sort();
        attributes.sort();
        if attributes != foretold {
            return Err(format!("the {code} says {attributes:x?}, foretold was {foretold:x?}"));
        }
        if view.has_fingerprint() != (reply.fingerprint || self.rules.fingerprint) || !view.fingerprint_holds() {
            return Err("FINGERPRINT is wrong, or where it does not belong".to_owned());
        }
        if thorough && let Some(signer) = &reply.signer {
            let key = self.key(signer).ok_or("a key nobody has")?;
            if !view.is_signed_by(signer.scheme.answer(), key) {
                return Err(format!("the signature of a {code} is wrong"));
            }
        }
        nonce.map_or(Ok(()), |nonce| self.note_nonce(&nonce, clock, reply.who))
    }

    fn has_phrase(&self, reply: &Reply) -> bool {
        match self.rules.phrases {
            ReasonPhrases::Never => false,
            ReasonPhrases::Signed => reply.signer.is_some(),
            ReasonPhrases::Always => true,
        }
    }
}
