//! What a request says of its sender, and who that may be (RFC 8489 section 9.2.4).

use turnserver::config::AuthMode;

use super::names::{bare, timed};
use super::{Clock, Model, Signer, Who};
use crate::plan::{REALM, SECRET};
use crate::proof::{Key, LIST, PROMISE, Scheme};
use crate::wire::{self, View};

/// RFC 8489: USERNAME, REALM and NONCE have less than this many bytes.
const NAME_LEN_END: usize = 764;

/// How old a nonce is.
#[derive(PartialEq, Eq)]
pub(super) enum Age {
    Fresh,
    Stale,
    Foreign,
}

/// Who a request is from, it says.
pub(super) struct Claims {
    pub(super) user: Vec<u8>,
    pub(super) scheme: Scheme,
    pub(super) age: Age,
}

impl Model {
    /// Who a request says it is from, and how old its nonce is.
    pub(super) fn claims(&self, clock: Clock, who: Who, view: &View<'_>) -> Result<Claims, u16> {
        if !view.has(wire::INTEGRITY) && !view.has(wire::INTEGRITY_SHA256) {
            return Err(401);
        }
        let short = |kind: u16| view.value(kind).filter(|value| value.len() < NAME_LEN_END);
        let (Some(realm), Some(nonce)) = (short(wire::REALM), short(wire::NONCE)) else { return Err(400) };
        let (has_name, has_hash) = (view.has(wire::USERNAME), view.has(wire::USERHASH));
        if has_name == has_hash || has_name && short(wire::USERNAME).is_none() {
            return Err(400);
        }
        let age = self.age(nonce, clock, who);
        if age == Age::Foreign {
            return Err(438);
        }
        let scheme = scheme(view, nonce).ok_or(400_u16)?;
        match short(wire::USERNAME) {
            Some(user) if has_name && bare(realm) == REALM.as_bytes() => {
                Ok(Claims { user: self.name_of(user), scheme, age })
            }
            _ => Err(401),
        }
    }

    fn age(&self, nonce: &[u8], clock: Clock, who: Who) -> Age {
        let Some(issued) = self.nonces.get(nonce) else { return Age::Foreign };
        // Over UDP the port counts, as an address alone can be forged; a client's streams share their nonces. Where
        // clients are sent elsewhere they take them along, to any port.
        let is_alone = self.rules.alternates.iter().all(Vec::is_empty);
        let key = |who: Who| (who.1.ip(), (is_alone && who.0 == 0).then(|| who.1.port()));
        if key(issued.who) != key(who) || issued.wall > clock.wall + 5 {
            return Age::Foreign;
        }
        let age = clock.wall.saturating_sub(issued.wall);
        if self.rules.nonce_secs != 0 && age > self.rules.nonce_secs { Age::Stale } else { Age::Fresh }
    }

    /// Of two integrity attributes only the stronger counts.
    pub(super) fn is_signed(&self, view: &View<'_>, signer: &Signer) -> bool {
        let (Some((_, covered, value)), Some(key)) = (view.seal(), self.key(signer)) else { return false };
        self.signed.get(value).is_some_and(|(known, by)| *known == covered && by == key)
    }

    /// The key of a user who may be let in now, and whose quota it is.
    pub(super) fn credentials(&mut self, name: &[u8], clock: Clock) -> Option<(Key, Vec<u8>)> {
        if self.rules.mode == AuthMode::LongTerm {
            let password = self.passwords.get(name)?.clone();
            return Some((self.key_of(name, &password), name.to_vec()));
        }
        let (ends, quota) = timed(name)?;
        if ends < clock.wall || self.rules.ahead_secs_max.is_some_and(|max| ends > clock.wall + max) {
            return None;
        }
        let key = Key::timed(name, REALM, SECRET);
        self.known_keys.entry(key.raw).or_insert_with(|| key.clone());
        Some((key, quota))
    }
}

/// What a request says of its key; none where somebody meddled with it. What no nonce promised is not looked at.
fn scheme(view: &View<'_>, nonce: &[u8]) -> Option<Scheme> {
    if !nonce.starts_with(PROMISE) {
        return Some(Scheme::Unnamed);
    }
    match (view.value(wire::PASSWORD_ALGORITHMS), view.value(wire::PASSWORD_ALGORITHM)) {
        (None, None) => Some(Scheme::Unnamed),
        _ if !view.has(wire::INTEGRITY_SHA256) => None,
        (Some(list), Some(chosen)) if *list == LIST => Scheme::of_chosen(chosen),
        _ => None,
    }
}
