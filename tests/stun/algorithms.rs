//! Password algorithms and the features a nonce announces (RFC 8489 sections 14.11, 14.12 and 18.1).

use proptest::prelude::*;
use turnserver::stun::{PasswordAlgorithm, SecurityFeatures};

use PasswordAlgorithm::{Md5, Sha256};

#[test]
fn algorithms_have_their_numbers_and_no_parameters() {
    assert_eq!((Md5.encode(), Sha256.encode()), ([0, 1, 0, 0], [0, 2, 0, 0]));
    assert_eq!(PasswordAlgorithm::LIST, [0, 2, 0, 0, 0, 1, 0, 0], "the stronger one first");
    assert_eq!(
        (PasswordAlgorithm::decode(&[0, 1, 0, 0]), PasswordAlgorithm::decode(&[0, 2, 0, 0])),
        (Some(Md5), Some(Sha256))
    );
    let others: [&[u8]; 8] = [
        &[],
        &[0, 1],
        &[0, 0, 0, 0],
        &[0, 3, 0, 0],
        &[1, 0, 0, 0],
        &[0, 2, 0, 1],
        &[0, 2, 0, 1, 7],
        &[0, 2, 0, 0, 0, 1, 0, 0],
    ];
    for value in others {
        assert_eq!(PasswordAlgorithm::decode(value), None, "{value:?}");
    }
}

// Bit 0 is the leftmost of 24, in base64.
#[test]
fn features_stand_behind_the_nonce_cookie() {
    assert_eq!(&SecurityFeatures::NONE.prefix(), b"obMatJos2AAAA");
    assert_eq!(&SecurityFeatures::PASSWORD_ALGORITHMS.prefix(), b"obMatJos2gAAA");
    for (nonce, lists, rest) in [
        (&b"obMatJos2gAAAown"[..], true, &b"own"[..]),
        (b"obMatJos2wAAAown", true, b"own"),
        (b"obMatJos2QAAAown", false, b"own"),
        (b"obMatJos2AAAAown", false, b"obMatJos2AAAAown"),
        (b"obMatJos2gAAA", true, b""),
        (b"obMatJos2gAA", false, b"obMatJos2gAA"),
        (b"obMatJos2g*AAown", false, b"obMatJos2g*AAown"),
        (b"obmatjos2gAAAown", false, b"obmatjos2gAAAown"),
        (b"own", false, b"own"),
        (b"", false, b""),
    ] {
        let (features, left) = SecurityFeatures::split_off(nonce);
        assert_eq!((features.contain(SecurityFeatures::PASSWORD_ALGORITHMS), left), (lists, rest), "{nonce:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    // What is split off is what stands there: nothing else reads as the same features. A prefix that announces nothing is
    // none.
    #[test]
    fn any_prefix_is_what_its_features_write(tail in "[A-Za-z0-9+/]{4}", own in prop::collection::vec(any::<u8>(), 0..40)) {
        let nonce = [b"obMatJos2", tail.as_bytes(), &own].concat();
        let (features, rest) = SecurityFeatures::split_off(&nonce);
        let prefix = if features == SecurityFeatures::NONE { Vec::new() } else { features.prefix().to_vec() };
        prop_assert_eq!([&prefix[..], rest].concat(), nonce);
    }
}
