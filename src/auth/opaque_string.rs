//! Names, realms and passwords in the one form in which they are compared and hashed: without quotes and trailing NULs
//! (RFC 8489 section 9.2.2), as the profile OpaqueString maps them (RFC 8265 section 4.2).
//!
//! What the profile forbids is left as it is instead of being refused: a name that nobody has fails like any other, and
//! to judge all code points of a long name costs far more than what a stranger may cost.

use std::borrow::Cow;

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::Rules;

/// `text` as it is compared. ASCII, and what is no text at all, is copied nowhere.
pub fn prepare(text: &[u8]) -> Cow<'_, [u8]> {
    let bare = unquoted(text);
    if bare.is_ascii() {
        return Cow::Borrowed(bare);
    }
    match std::str::from_utf8(bare).map(map) {
        Ok(Cow::Owned(mapped)) => Cow::Owned(mapped.into_bytes()),
        Ok(Cow::Borrowed(_)) | Err(_) => Cow::Borrowed(bare),
    }
}

/// `text` without trailing NULs and the quotes around it.
pub fn unquoted(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    match &text[..end] {
        [b'"', inner @ .., b'"'] => inner,
        bare => bare,
    }
}

/// RFC 8265 section 4.2.2: spaces beyond ASCII become U+0020, then NFC.
fn map(text: &str) -> Cow<'_, str> {
    let profile = OpaqueString::new();
    let mapped = profile.additional_mapping_rule(text).and_then(|spaced| profile.normalization_rule(spaced));
    mapped.unwrap_or(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_trailing_nuls_go() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"alice", b"alice"),
            (b"\"alice\"", b"alice"),
            (b"alice\0\0", b"alice"),
            (b"\"alice\"\0", b"alice"),
            (b"\"\"", b""),
            (b"\"", b"\""),
            (b"al\"ice", b"al\"ice"),
            (b"\"alice", b"\"alice"),
            (b"al\0ice", b"al\0ice"),
            (b"\0", b""),
            (b"", b""),
        ];
        for (text, bare) in cases {
            assert_eq!((unquoted(text), &*prepare(text)), (*bare, *bare), "{text:?}");
        }
    }

    #[test]
    fn spaces_become_ascii_and_letters_are_composed() {
        let cases = [
            ("a\u{A0}b", "a b"),
            ("a\u{2003}\u{3000}b", "a  b"),
            ("e\u{301}", "\u{E9}"),
            ("\u{212B}", "\u{C5}"),
            ("マトリックス", "マトリックス"),
            // NFC keeps what only NFKC would change, and nothing is refused here.
            ("The\u{AD}Matr\u{2168}", "The\u{AD}Matr\u{2168}"),
            ("a\tb\u{A0}", "a\tb "),
        ];
        for (text, mapped) in cases {
            assert_eq!(prepare(text.as_bytes()), mapped.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn ascii_and_what_is_no_text_is_borrowed() {
        for text in [&b"alice"[..], b"1433895918:fred", b"\"quoted\"", b"\xFF\xFE", "マトリックス".as_bytes()] {
            assert!(matches!(prepare(text), Cow::Borrowed(_)), "{text:?}");
        }
    }
}
