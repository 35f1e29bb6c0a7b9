//! Who may allocate: which of the credentials given are in force, and what is missing or too weak.

use std::collections::HashMap;

use super::super::profile::Rules;
use super::super::raw::{Placed, Raw};
use super::super::{Auth, AuthMode, Profile, User, UserSecret};
use super::Found;
use crate::config::error::Place;

/// Secrets that stand in documentation, the last ones in our own, so that anybody could sign with them.
const EXAMPLE_SECRETS: &[&str] = &[
    "north",
    "changeme",
    "change-me",
    "secret",
    "logen",
    "coturn",
    "joshua",
    "password",
    "static-auth-secret",
    "a long random text of your own",
    "another long random text",
];

/// Passwords that come with packages and examples.
const EXAMPLE_PASSWORDS: &[&str] = &[
    "changeme",
    "change-me",
    "coturn",
    "joshua",
    "north",
    "password",
    "youhavetochooseapassword",
    "a-password-of-her-own",
];

/// A secret that is shorter can be found by whoever sees one credential (128 bits, if it is random).
const SECRET_LEN_MIN: usize = 16;

/// What is doubtful about a secret by its length.
pub fn short_secret(text: &str) -> Option<String> {
    (text.len() < SECRET_LEN_MIN).then(|| format!("the secret is shorter than {SECRET_LEN_MIN} bytes"))
}

/// Whether documentation uses this secret, so that anybody may know it.
pub fn is_example_secret(text: &str) -> bool {
    EXAMPLE_SECRETS.contains(&text)
}

/// What clients are told when nobody named a realm.
const REALM_DEFAULT: &str = "turnserver";

pub(super) fn auth(raw: &Raw, rules: &Rules, found: &mut Found) -> Auth {
    let secrets = secrets(raw, found);
    let users = users(raw, found);
    let mode = mode(raw, rules, found);
    let challenges = matches!(mode, AuthMode::LongTerm | AuthMode::SharedSecret);
    let users = if mode == AuthMode::LongTerm { users } else { Vec::new() };
    Auth {
        mode,
        realm: realm(raw, challenges, rules, found),
        sha256: sha256(raw, mode, &users, found),
        users,
        secrets: if mode == AuthMode::SharedSecret { secrets } else { Vec::new() },
        separator: raw.separator.value,
        timestamp_ahead_secs_max: rules.timestamp_ahead_secs_max,
        strict_expiry: raw.strict_expiry.value,
        nonce_lifetime_secs: raw.stale_nonce.value,
        nonce_secret: nonce_secret(raw, found),
        secret_file: raw.secret_file.as_ref().filter(|_| mode == AuthMode::SharedSecret).map(|path| path.value.clone()),
    }
}

fn secrets(raw: &Raw, found: &mut Found) -> Vec<String> {
    let mut secrets: Vec<String> = Vec::new();
    for secret in &raw.secrets {
        let danger = "whoever sees a credential can try secrets at leisure";
        judge_secret(raw, "static-auth-secret", secret, danger, found);
        if !secrets.contains(&secret.value) {
            secrets.push(secret.value.clone());
        }
    }
    secrets
}

fn nonce_secret(raw: &Raw, found: &mut Found) -> Option<String> {
    let secret = raw.nonce_secret.as_ref()?;
    judge_secret(raw, "nonce-secret", secret, "whoever sees a nonce can try secrets at leisure", found);
    Some(secret.value.clone())
}

/// A secret that everybody knows is as good as none. Who runs it with coturn is told, and served.
fn judge_secret(raw: &Raw, option: &str, secret: &Placed<String>, danger: &str, found: &mut Found) {
    let text = secret.value.as_str();
    if text.trim().is_empty() {
        found.wrong(&secret.place, format!("{option}: the secret is empty"), "use a long random text");
    } else if is_example_secret(text) {
        let message = format!("{option}: the secret is an example from a documentation, known to everybody");
        match raw.profile {
            Profile::Coturn => found.doubtful(&secret.place, message, "use a long random text"),
            Profile::Default | Profile::Hardened => found.wrong(&secret.place, message, "use a long random text"),
        }
    } else if let Some(short) = short_secret(text) {
        found.doubtful(&secret.place, format!("{option}: {short}"), danger);
    }
}

/// The users, the last one of a name counting.
fn users(raw: &Raw, found: &mut Found) -> Vec<User> {
    let mut users: Vec<User> = Vec::with_capacity(raw.users.len());
    let mut index_of = HashMap::with_capacity(raw.users.len());
    for Placed { value: user, place } in &raw.users {
        judge_password(raw, user, place, found);
        let index = *index_of.entry(user.name.as_str()).or_insert(users.len());
        match users.get_mut(index) {
            None => users.push(user.clone()),
            Some(known) if known == user => {}
            Some(known) => {
                *known = user.clone();
                found.doubtful(place, format!("user {:?} is given twice", user.name), "the last password counts");
            }
        }
    }
    users
}

/// A password that everybody knows is as good as none. Who runs it with coturn is told, and served.
fn judge_password(raw: &Raw, user: &User, place: &Place, found: &mut Found) {
    let UserSecret::Password(password) = &user.secret else { return };
    let message = if EXAMPLE_PASSWORDS.contains(&password.as_str()) {
        format!("user: the password of {:?} is an example from a documentation, known to everybody", user.name)
    } else if **password == user.name {
        format!("user: the password of {:?} is its name", user.name)
    } else {
        return;
    };
    match raw.profile {
        Profile::Coturn => found.doubtful(place, message, "use a random text"),
        Profile::Default | Profile::Hardened => found.wrong(place, message, "use a random text"),
    }
}

fn mode(raw: &Raw, rules: &Rules, found: &mut Found) -> AuthMode {
    let secret = secret_place(raw);
    let database = raw.userdb.as_ref().map(|file| &file.place);
    let users = raw.users.first().map(|user| &user.place);
    if raw.stun_only.value && !raw.secure_stun.value {
        return AuthMode::StunOnly;
    }
    if raw.no_auth.value {
        return anonymous(raw, secret.is_some(), rules, found);
    }
    match (secret, users.or(database)) {
        (Some(_), _) => {
            if let Some(place) = users {
                found.doubtful(place, "static users are ignored", "a shared secret is configured, and it wins");
            }
            if raw.secrets.is_empty()
                && raw.secret_file.is_none()
                && database.is_none()
                && !refused(raw, &["static-auth-secret", "secret-file", "userdb"])
            {
                let hint = "add static-auth-secret, secret-file or userdb";
                nobody(&raw.use_auth_secret.place, "use-auth-secret is on and there is no secret", hint, rules, found);
            }
            AuthMode::SharedSecret
        }
        (None, Some(place)) => {
            if raw.profile == Profile::Coturn && !raw.lt_cred_mech.value {
                let why = if users.is_some() { "there are users" } else { "there is a user database" };
                found.doubtful(place, format!("lt-cred-mech is turned on, for {why}"), "add lt-cred-mech");
            }
            AuthMode::LongTerm
        }
        (None, None) if raw.lt_cred_mech.value => {
            if !refused(raw, &["user", "userdb"]) {
                let message = "lt-cred-mech is on and there is no user";
                nobody(&raw.lt_cred_mech.place, message, "add user = \"NAME:PASSWORD\" or userdb", rules, found);
            }
            AuthMode::LongTerm
        }
        (None, None) => stun_only(raw, rules, found),
    }
}

/// Whether SHA-256 is offered: a client takes it where it is, so that every user must have such a key.
fn sha256(raw: &Raw, mode: AuthMode, users: &[User], found: &mut Found) -> bool {
    if let (true, AuthMode::LongTerm, Some(file)) = (raw.sha256.value, mode, &raw.userdb) {
        let message = "sha256: not offered to anybody, for the user database holds MD5 keys only";
        found.doubtful(&file.place, message, "sha256 = false says that this is meant");
        return false;
    }
    let is_md5_only = |user: &&User| matches!(user.secret, UserSecret::Keys(_));
    let md5_only = users.iter().find(is_md5_only).filter(|_| raw.sha256.value);
    if let Some(user) = md5_only {
        let message = format!("sha256: not offered to anybody, for of {:?} only an MD5 key is given", user.name);
        found.doubtful(&raw.sha256.place, message, "give the password instead, or sha256 = false");
    }
    raw.sha256.value && md5_only.is_none()
}

/// Whatever asks for time-limited credentials, by its place.
fn secret_place(raw: &Raw) -> Option<&Place> {
    let switch = raw.use_auth_secret.value.then_some(&raw.use_auth_secret.place);
    let secret = raw.secrets.first().map(|secret| &secret.place);
    let file = raw.secret_file.as_ref().map(|file| &file.place);
    switch.or(secret).or(file)
}

fn anonymous(raw: &Raw, secret: bool, rules: &Rules, found: &mut Found) -> AuthMode {
    let place = &raw.no_auth.place;
    if raw.lt_cred_mech.value {
        let message = format!("no-auth contradicts lt-cred-mech ({})", raw.lt_cred_mech.place);
        found.wrong(place, message, "choose one of them");
    }
    if let (true, Some(secret)) = (secret, secret_place(raw)) {
        found.wrong(place, format!("no-auth contradicts the shared secret ({secret})"), "choose one of them");
    }
    let database = raw.userdb.as_ref().map(|file| &file.place);
    if let Some(place) = raw.users.first().map(|user| &user.place).or(database) {
        found.doubtful(place, "users are ignored", "no-auth lets everybody in");
    }
    if rules.requires_credentials {
        found.wrong(place, "no-auth is refused in the hardened profile", "add users or a secret");
    } else {
        let message = "no-auth: anybody who reaches this server may relay through it, at your cost and in your name";
        found.doubtful(place, message, "keep strangers out by a firewall, or add users or a secret");
    }
    AuthMode::Anonymous
}

fn stun_only(raw: &Raw, rules: &Rules, found: &mut Found) -> AuthMode {
    if !refused(
        raw,
        &["user", "userdb", "static-auth-secret", "secret-file", "use-auth-secret", "lt-cred-mech", "no-auth"],
    ) {
        let hint = "for TURN add secret-file, static-auth-secret, user or userdb";
        nobody(&Place::Unset, "no users and no secret: only STUN Binding requests are answered", hint, rules, found);
    }
    AuthMode::StunOnly
}

/// Nobody will be able to allocate: safe, yet hardly meant.
fn nobody(place: &Place, message: &str, hint: &str, rules: &Rules, found: &mut Found) {
    if rules.requires_credentials {
        found.wrong(place, message, hint);
    } else {
        found.doubtful(place, message, hint);
    }
}

fn realm(raw: &Raw, challenges: bool, rules: &Rules, found: &mut Found) -> String {
    let Some(realm) = &raw.realm else {
        if challenges && !refused(raw, &["realm"]) {
            if rules.requires_credentials {
                found.wrong(&Place::Unset, "realm is not given", "realm = \"your.domain\"");
            } else {
                let message = format!("realm is not given; clients are told {REALM_DEFAULT:?}");
                found.doubtful(
                    &Place::Unset,
                    message,
                    "set realm to your domain; keys made for another realm are void",
                );
            }
        }
        return REALM_DEFAULT.to_owned();
    };
    // RFC 8489 section 14.9: fewer than 128 characters; it is a quoted-string, and we never need to escape one. Quotes
    // around it, and NULs behind it, are no part of it (section 9.2.2).
    let text = realm.value.trim_end_matches('\0');
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if text.is_empty() || text.len() > 127 {
        let message = format!("realm: expected 1 to 127 bytes, found {}", text.len());
        found.wrong(&realm.place, message, "usually the domain of the server");
    } else if text.contains(|c: char| c.is_control() || c == '"') {
        let message = "realm: control characters and double quotes are not allowed";
        found.wrong(&realm.place, message, "usually the domain of the server");
    }
    text.to_owned()
}

/// Whether a value of one of these options was refused, so that its absence is no news.
fn refused(raw: &Raw, names: &[&str]) -> bool {
    names.iter().any(|name| raw.broken.contains(name))
}
