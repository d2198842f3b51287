//! Facts about the text form.

use proptest::prelude::*;

use super::{CROCKFORD, ENTROPY, IdentityError, Plane, checksum, mint, parse};

fn planes() -> impl Strategy<Value = Plane> {
    prop_oneof![Just(Plane::Data), Just(Plane::Admin)]
}

/// 40 bytes 0, 1, 2, … so that the golden texts can be recomputed by hand.
fn counting() -> [u8; ENTROPY] {
    std::array::from_fn(|index| u8::try_from(index).unwrap())
}

#[test]
fn golden_texts() {
    // Computed independently with Python's hashlib and base64: credentials in the field depend on every character.
    let facts = [
        (
            Plane::Data,
            "pcl_7g1a02c02800_CAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicX5apLz",
            "ddef34e18062d86dd59459328b953b8ddf573658563c82a0f83f1883a7ba696b",
        ),
        (
            Plane::Admin,
            "pclop_7g1a02c02800_CAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJic7qq-wt",
            "0b45c55db9f4144e564025c6f852d7ca326142f4d64009e0999d7ba303817e4d",
        ),
    ];
    for (plane, text, hash) in facts {
        let minted = mint(plane, counting());
        assert_eq!(minted.secret.expose(), text);
        assert_eq!(minted.hash.to_string(), hash);
        assert_eq!(format!("{minted:?}").matches("CAkKCwwN").count(), 0, "Debug must not show the secret");
    }
}

#[test]
fn what_is_not_a_credential() {
    let minted = mint(Plane::Data, counting());
    let good = minted.secret.expose().to_owned();
    let operator = mint(Plane::Admin, counting()).secret.expose().to_owned();
    let resummed = |body: &str| format!("{body}{}", checksum(body.as_bytes()).as_str());
    let body = good.split_at(60).0;
    let facts: Vec<(String, IdentityError)> = vec![
        (String::new(), IdentityError::Prefix),
        ("sk-proj-1234".to_owned(), IdentityError::Prefix),
        (good.to_uppercase(), IdentityError::Prefix),
        (format!(" {good}"), IdentityError::Prefix),
        ("pcl_".to_owned(), IdentityError::Length),
        (good.split_at(65).0.to_owned(), IdentityError::Length),
        (format!("{good} "), IdentityError::Length),
        (format!("{good}\n"), IdentityError::Length),
        // The other plane's prefix before this plane's text, and the reverse: the length alone refuses both.
        (good.replacen("pcl_", "pclop_", 1).split_at(66).0.to_owned(), IdentityError::Length),
        (operator.replacen("pclop_", "pcl_", 1), IdentityError::Checksum),
        (good.replacen("pcl_", "pclop_", 1), IdentityError::Checksum),
        (good.replacen('_', "-", 2).replacen("pcl-", "pcl_", 1), IdentityError::Alphabet),
        // An id outside of Crockford's alphabet is refused even with a fitting checksum.
        (resummed(&format!("pcl_I{}", body.split_at(5).1)), IdentityError::Alphabet),
        (resummed(&format!("pcl_A{}", body.split_at(5).1)), IdentityError::Alphabet),
        // The spare bits of the last character: a second text for the same secret.
        (resummed(&format!("{}d", body.split_at(59).0)), IdentityError::Alphabet),
        (resummed(&format!("{}=", body.split_at(59).0)), IdentityError::Alphabet),
        (format!("{body}AAAAAA"), IdentityError::Checksum),
    ];
    for (text, expected) in facts {
        assert_eq!(parse(text.as_bytes()), Err(expected), "{text}");
    }
    assert_eq!(parse(&[b"pcl_".as_slice(), &[0xFF; 62]].concat()), Err(IdentityError::Alphabet));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_minted_reads_back(plane in planes(), random in prop::array::uniform32(any::<u8>()), id in any::<[u8; 8]>()) {
        let mut entropy = [0; ENTROPY];
        entropy[..8].copy_from_slice(&id);
        entropy[8..].copy_from_slice(&random);
        let minted = mint(plane, entropy);
        let text = minted.secret.expose();
        let read = parse(text.as_bytes()).unwrap();
        prop_assert_eq!(read.plane, plane);
        prop_assert_eq!(read.hash, minted.hash);
        prop_assert!(text.starts_with(read.id.as_str()), "{} is shown as {}", text, read.id);
        prop_assert_eq!(read.id, minted.id);
        prop_assert_eq!(text.len(), if plane == Plane::Data { 66 } else { 68 });
    }

    #[test]
    fn one_changed_byte_is_refused(plane in planes(), random in any::<[u8; 32]>(), at in 0_usize..66, byte in any::<u8>()) {
        let mut entropy = [7; ENTROPY];
        entropy[8..].copy_from_slice(&random);
        let mut text = mint(plane, entropy).secret.expose().as_bytes().to_vec();
        prop_assume!(text[at] != byte);
        text[at] = byte;
        // 36 bits of checksum: a false accept has a chance of 1 in 69 thousand million per case.
        prop_assert!(parse(&text).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_parse_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(parse(&bytes).is_err());
    }

    #[test]
    fn well_shaped_guesses_never_parse(
        prefix in prop_oneof![Just("pcl_"), Just("pclop_")],
        id in "[0-9a-hjkmnp-tv-z]{12}",
        rest in "[A-Za-z0-9_-]{49}",
    ) {
        let text = format!("{prefix}{id}_{rest}");
        prop_assert!(parse(text.as_bytes()).is_err(), "{}", text);
    }

    #[test]
    fn ids_use_the_whole_alphabet_and_no_other(id in any::<[u8; 8]>()) {
        let mut entropy = [0; ENTROPY];
        entropy[..8].copy_from_slice(&id);
        let minted = mint(Plane::Data, entropy);
        prop_assert!(minted.id.as_str().bytes().skip(4).all(|byte| CROCKFORD.contains(&byte)));
    }
}
