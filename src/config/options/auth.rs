//! Who may allocate.

use super::{BASE, Category, Definition, Kind, always, by_profile, described};

const AUTH: Definition = Definition { category: Category::Auth, reloadable: true, ..BASE };

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "realm",
        short: Some('r'),
        kind: Kind::Text("REALM"),
        default: described("turnserver, with a warning; required in the hardened profile"),
        shipped: Some("turnserver"),
        doc: "The realm of this server, usually its domain.",
        more: "1 to 127 bytes. Clients mix it into their keys: keys made for another realm are void when it changes.",
        apply: |raw, it| it.text().map(|realm| raw.realm = Some(it.at(realm.to_owned()))),
        ..AUTH
    },
    Definition {
        name: "secret-file",
        kind: Kind::Text("FILE"),
        default: described("none"),
        shipped: Some("turn.secret"),
        doc: "A file that holds a shared secret; made, with a random one, on the first start.",
        more: "Implies use-auth-secret. A relative path lies in the state directory: /var/lib/turn where that can be \
               written, else ./.turnserver.",
        apply: |raw, it| it.path().map(|path| raw.secret_file = Some(it.at(path))),
        ..AUTH
    },
    Definition {
        name: "use-auth-secret",
        doc: "Ask for time-limited credentials made from a shared secret (TURN REST).",
        more: "A client's user name is an expiry time, the separator and any name; its password is the base64 of \
               HMAC-SHA1 of that user name under the secret.",
        apply: |raw, it| it.switch().map(|on| raw.use_auth_secret = it.at(on)),
        ..AUTH
    },
    Definition {
        name: "static-auth-secret",
        kind: Kind::Text("SECRET"),
        repeatable: true,
        secret: true,
        default: described("none"),
        example: &["a long random text of your own"],
        doc: "A shared secret of time-limited credentials.",
        more: "Implies use-auth-secret. Several may be in force, so that a secret can be changed without a break. On \
               a command line other users of the machine can read it: prefer a file.",
        apply: |raw, it| it.text().map(|secret| raw.secrets.push(it.at(secret.to_owned()))),
        ..AUTH
    },
    Definition {
        name: "rest-api-separator",
        short: Some('C'),
        kind: Kind::Text("CHARACTER"),
        default: always(":"),
        doc: "Stands between expiry time and name in the user name of a time-limited credential.",
        apply: |raw, it| it.character().map(|character| raw.separator = it.at(character)),
        ..AUTH
    },
    Definition {
        name: "strict-expiry",
        default: by_profile("false", "false", "true"),
        doc: "End an allocation when the time-limited credential it was made with ends.",
        more: "Off, it lives as long as its client refreshes it; no new one is made with the credential either way.",
        apply: |raw, it| it.switch().map(|on| raw.strict_expiry = it.at(on)),
        ..AUTH
    },
    Definition {
        name: "sha256",
        default: by_profile("true", "false", "true"),
        doc: "Offer SHA-256 beside MD5 and SHA-1 to clients of RFC 8489.",
        more: "Others go on as they are used to. Not offered where a user is given by an MD5 key.",
        apply: |raw, it| it.switch().map(|on| raw.sha256 = it.at(on)),
        ..AUTH
    },
    Definition {
        name: "lt-cred-mech",
        short: Some('a'),
        doc: "Ask for long-term credentials of static users.",
        more: "On by itself as soon as there is a user.",
        apply: |raw, it| it.switch().map(|on| raw.lt_cred_mech = it.at(on)),
        ..AUTH
    },
    Definition {
        name: "user",
        short: Some('u'),
        kind: Kind::Text("NAME:PASSWORD"),
        repeatable: true,
        secret: true,
        default: described("none"),
        example: &["alice:a-password-of-her-own"],
        doc: "A static user with a password, or with a key as NAME:0xKEY.",
        more: "KEY is the MD5 of name:realm:password in 32 hex digits. Users are ignored when there is a shared secret.",
        apply: |raw, it| it.user().map(|user| raw.users.push(it.at(user))),
        ..AUTH
    },
    Definition {
        name: "no-auth",
        short: Some('z'),
        doc: "Let anybody allocate: an open relay.",
        more: "Only for a network that strangers cannot reach. Refused in the hardened profile.",
        apply: |raw, it| it.switch().map(|on| raw.no_auth = it.at(on)),
        ..AUTH
    },
    Definition {
        name: "stale-nonce",
        kind: Kind::Integer { min: 0, max: super::YEAR_SECS, alone: Some(600) },
        default: always("600"),
        doc: "How long a nonce lives, in seconds; 0: for ever.",
        more: "Clients whose nonce is too old are given a new one and try again.",
        apply: |raw, it| it.integer().map(|secs| raw.stale_nonce = it.at(secs)),
        ..AUTH
    },
    Definition {
        name: "nonce-secret",
        aliases: &["stateless-nonce-secret"],
        kind: Kind::Text("SECRET"),
        secret: true,
        default: described("a random key of this server, kept in the state directory"),
        example: &["another long random text"],
        doc: "What the servers of a fleet make nonces with, so that each takes those of the others.",
        more: "For servers that send clients to each other or share an address. A nonce is then good from any port of \
               the client's address. On a command line other users of the machine can read it: prefer a file.",
        apply: |raw, it| it.text().map(|secret| raw.nonce_secret = Some(it.at(secret.to_owned()))),
        ..AUTH
    },
];
