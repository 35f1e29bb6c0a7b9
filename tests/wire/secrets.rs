//! Secrets of a server, looked for in whatever it lets out: as they are, in hexadecimal and in base64.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What must not be seen, each with its name.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<(String, Vec<Vec<u8>>)>);

impl Secrets {
    /// One more. Half of it is too much already.
    pub(crate) fn and(mut self, name: &str, secret: &[u8]) -> Secrets {
        let half = &secret[..secret.len().div_ceil(2)];
        assert!(half.len() >= 6, "{name} is so short that it is found by chance");
        let mut forms = vec![half.to_vec(), secret[secret.len() / 2..].to_vec()];
        let hex = hex::encode(half);
        forms.extend([hex.to_uppercase().into_bytes(), hex.into_bytes()]);
        // In base64 it looks different by its place among what is encoded with it.
        for skipped in 0..3 {
            let whole = &half[skipped..skipped + (half.len() - skipped) / 3 * 3];
            forms.extend([STANDARD_NO_PAD.encode(whole).into_bytes(), URL_SAFE_NO_PAD.encode(whole).into_bytes()]);
        }
        forms.retain(|form| form.len() >= 4);
        self.0.push((name.to_owned(), forms));
        self
    }

    /// The name of a secret that `bytes` show.
    pub(crate) fn shown_by(&self, bytes: &[u8]) -> Option<&str> {
        let is_shown = |form: &Vec<u8>| bytes.windows(form.len()).any(|window| window == form);
        self.0.iter().find(|(_, forms)| forms.iter().any(is_shown)).map(|(name, _)| name.as_str())
    }

    /// Fails when `bytes` show one of them.
    pub(crate) fn assert_hidden(&self, what: &str, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        if let Some(name) = self.shown_by(bytes) {
            panic!("{what} shows {name}:\n{}", String::from_utf8_lossy(bytes));
        }
    }
}

#[test]
fn secrets_are_found_in_every_form() {
    let secret = b"correct-horse-battery";
    let secrets = Secrets::default().and("a password", secret);
    assert_eq!(secrets.shown_by(b"nothing of it, not even correct"), None);
    for text in [
        "password=correct-horse-battery".to_owned(),
        "password=correct-hor...".to_owned(),
        hex::encode(secret),
        hex::encode_upper(secret),
        STANDARD_NO_PAD.encode(secret),
        STANDARD_NO_PAD.encode([b"u:", &secret[..]].concat()),
        URL_SAFE_NO_PAD.encode([b"user:", &secret[..]].concat()),
        URL_SAFE_NO_PAD.encode([b"users:", &secret[..]].concat()),
    ] {
        assert_eq!(secrets.shown_by(text.as_bytes()), Some("a password"), "{text}");
    }
}
