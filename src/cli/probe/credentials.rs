//! Long-term credentials (RFC 8489 section 9.2): from a challenge to the attributes of the next request.

use anyhow::{Context, ensure};
use stun_rs::attributes::stun::nonce_cookie::StunSecurityFeatures;
use stun_rs::attributes::stun::{
    MessageIntegrity, MessageIntegritySha256, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, UserHash, UserName,
};
use stun_rs::{Algorithm, AlgorithmId, HMACKey, StunAttribute, StunMessage};

use super::failure::Failure;

/// A name and its password.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: String,
}

/// A shared secret as it was given: itself, or behind an @ the file that holds it, which nobody else sees in the list of
/// processes.
pub(super) fn shared_secret(given: &str) -> anyhow::Result<String> {
    let Some(path) = given.strip_prefix('@') else { return Ok(given.to_owned()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the secret from {path}"))?;
    let secret = text.trim();
    ensure!(!secret.is_empty(), "{path} holds no secret");
    Ok(secret.to_owned())
}

/// What a challenge said, and the key made from it.
pub(super) struct Session {
    user: StunAttribute,
    realm: Realm,
    nonce: Nonce,
    /// The algorithms that the server offers and the one taken; none with servers before RFC 8489.
    algorithms: Option<(PasswordAlgorithms, PasswordAlgorithm)>,
    key: HMACKey,
}

impl Session {
    /// Answers a 401.
    pub(super) fn from_challenge(challenge: &StunMessage, credentials: &Credentials) -> Result<Session, Failure> {
        let realm = challenge.get::<Realm>().and_then(|attribute| attribute.as_realm().ok());
        let realm = realm.ok_or_else(|| Failure::Answer("the 401 has no REALM".to_owned()))?.clone();
        let nonce = nonce_of(challenge)?;
        let algorithms = choose_algorithm(challenge, &nonce)?;
        let algorithm = algorithms.as_ref().map_or(AlgorithmId::MD5, |(_, chosen)| chosen.algorithm());
        let Credentials { username, password } = credentials;
        let user = if has_feature(&nonce, StunSecurityFeatures::UserNameAnonymity) {
            UserHash::new(username, realm.as_str())?.into()
        } else {
            UserName::new(username)?.into()
        };
        let key = HMACKey::new_long_term(username, realm.as_str(), password, Algorithm::from(algorithm))?;
        Ok(Session { user, realm, nonce, algorithms, key })
    }

    /// Answers a 438.
    pub(super) fn renew(&mut self, challenge: &StunMessage) -> Result<(), Failure> {
        self.nonce = nonce_of(challenge)?;
        Ok(())
    }

    pub(super) fn password_algorithm(&self) -> &'static str {
        match &self.algorithms {
            Some((_, chosen)) if chosen.algorithm() == AlgorithmId::SHA256 => "SHA-256",
            _ => "MD5",
        }
    }

    pub(super) fn key(&self) -> HMACKey {
        self.key.clone()
    }

    /// What a request carries, the seal last.
    pub(super) fn attributes(&self) -> Vec<StunAttribute> {
        let mut attributes = vec![self.user.clone(), self.realm.clone().into(), self.nonce.clone().into()];
        match &self.algorithms {
            Some((offered, chosen)) => attributes.extend([
                offered.clone().into(),
                chosen.clone().into(),
                MessageIntegritySha256::new(self.key()).into(),
            ]),
            None => attributes.push(MessageIntegrity::new(self.key()).into()),
        }
        attributes
    }
}

fn nonce_of(challenge: &StunMessage) -> Result<Nonce, Failure> {
    let nonce = challenge.get::<Nonce>().and_then(|attribute| attribute.as_nonce().ok());
    nonce.cloned().ok_or_else(|| Failure::Answer("the challenge has no NONCE".to_owned()))
}

/// Reads the cookie at the beginning of a nonce (RFC 8489 section 9.2).
fn has_feature(nonce: &Nonce, feature: StunSecurityFeatures) -> bool {
    nonce.security_features().is_ok_and(|features| features.contains(feature))
}

/// The first algorithm of the server's that is known (RFC 8489 section 9.2.3.2). The list counts only where the nonce
/// announces it, which protects it from being taken out on the way.
fn choose_algorithm(
    challenge: &StunMessage,
    nonce: &Nonce,
) -> Result<Option<(PasswordAlgorithms, PasswordAlgorithm)>, Failure> {
    if !has_feature(nonce, StunSecurityFeatures::PasswordAlgorithms) {
        return Ok(None);
    }
    let offered = challenge.get::<PasswordAlgorithms>().and_then(|attribute| attribute.as_password_algorithms().ok());
    let offered = offered.ok_or_else(|| {
        Failure::Answer("the nonce announces PASSWORD-ALGORITHMS, which the challenge does not have".to_owned())
    })?;
    let known =
        |algorithm: &&PasswordAlgorithm| matches!(algorithm.algorithm(), AlgorithmId::MD5 | AlgorithmId::SHA256);
    let chosen = offered.iter().find(known);
    let chosen = chosen.ok_or_else(|| Failure::Answer("the server offers no password algorithm known".to_owned()))?;
    Ok(Some((offered.clone(), chosen.clone())))
}
