//! What an auditor reads of a log that somebody hands over.

use evidence::{
    Checkpoint, EntryKind, Header, InclusionProof, LogSigner, LogVerifier, Peek, decode, decode_bundle, decode_trusted, encode,
    encode_bundle, peek,
};
use model::{AdminAct, Bundle, Digest, Registry, UnixMillis};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Outcome, Target, ensure, magnitude, seen};

const ORIGIN: &str = "example.com/log";

pub(super) const TARGET: Target = Target {
    name: "log",
    what: "entries, bundles of entries, checkpoints, proofs, keys, acts of administration: one form for each thing",
    seeds,
    words: &[
        "\u{1}",
        "{\"kind\":\"intent\"",
        "\"at\":",
        "\"request\":",
        "\"observed\":[",
        "\"notes\":[]",
        "c2sp.org/tlog-proof@v1\n",
        "index ",
        "extra ",
        "\n",
        "\n\n",
        "\u{2014} ",
        "example.com/log",
        "PRIVATE+KEY+",
        "+",
        "=",
        "\u{0}",
        "\u{0}\u{1}",
        "AAAA",
        "{",
        "}",
        ",",
        "null",
        "18446744073709551615",
    ],
    max_len: 4000,
    run,
    hostile: &["\u{0}\u{1}a", "index 0\n", "\u{2014} a b\n", "{\"a\":", "\u{1}[", "\n", "a+"],
    floor: 500.0,
};

fn seeds() -> Vec<Vec<u8>> {
    let header = Header::new(EntryKind::Intent, UnixMillis(1_790_000_000_123));
    let entry = encode(&header).unwrap_or_default();
    let bundle = encode_bundle([entry.as_slice(), b"x", b""]).unwrap_or_default();
    let golden = include_bytes!("../../../evidence/tests/golden/intent-observed.entry").to_vec();
    let mut seeds = vec![entry, bundle, golden];
    if let Ok(signer) = LogSigner::from_seed(ORIGIN, &[3; 32]) {
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 300, root: Digest([9; 32]) };
        let note = checkpoint.sign(&signer).unwrap_or_default();
        let proof =
            InclusionProof { extra: Some(b"extra".to_vec()), index: 7, path: vec![Digest([1; 32]); 9], checkpoint: note.clone() };
        seeds.extend([note, proof.to_text(), signer.verifier_text().into_bytes()]);
    }
    seeds.push(LogSigner::text_from_seed(ORIGIN, &[3; 32]).unwrap_or_default().into_bytes());
    let bundle = Bundle {
        format: 1,
        registry: Registry::default(),
        policies: [("a".to_owned(), "b".to_owned())].into(),
        rules: model::RuleFiles::default(),
    };
    let act = AdminAct::BundleApplied { digest: Digest([1; 32]) };
    seeds.extend([serde_json::to_vec(&bundle), serde_json::to_vec(&act)].into_iter().flatten());
    seeds
}

fn run(bytes: &[u8]) -> Outcome {
    let entry = decode(bytes);
    if let Ok(header) = &entry {
        let is_one = encode(header).is_ok_and(|again| again == bytes) && decode_trusted(bytes).as_ref() == Ok(header);
        ensure(is_one && peek(bytes) == Ok(Peek::from(header)), || "three readers of one entry disagree".to_owned())?;
    }
    let bundle = decode_bundle(bytes);
    if let Ok(entries) = &bundle {
        let again = encode_bundle(entries.iter().copied());
        ensure(again.is_ok_and(|again| again == bytes), || "a bundle has two forms".to_owned())?;
    }
    let proof = InclusionProof::from_text(bytes);
    if let Ok(proof) = &proof {
        ensure(proof.to_text() == bytes, || "a proof has two forms".to_owned())?;
    }
    let ways = (
        entry.is_ok(),
        entry.as_ref().err().map(std::mem::discriminant),
        magnitude(bundle.map_or(0, |entries| entries.len())),
        proof.map(|proof| magnitude(proof.path.len())).map_err(|error| error.to_string()),
    );
    Ok(seen((ways, signed(bytes)?, stated::<AdminAct>(bytes)?, stated::<Bundle>(bytes)?)))
}

/// Notes and keys.
fn signed(bytes: &[u8]) -> Result<(bool, bool, bool), String> {
    let signer = LogSigner::from_seed(ORIGIN, &[3; 32]).map_err(|error| error.to_string())?;
    let verifier = signer.verifier().map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::open(bytes, &verifier);
    if let Ok(checkpoint) = &checkpoint {
        // The only signed checkpoint there is; other signatures may stand beside ours.
        ensure(checkpoint.size == 300 && checkpoint.root == Digest([9; 32]), || "a forged checkpoint".to_owned())?;
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let verifier = LogVerifier::parse(text);
    if let Ok(verifier) = &verifier {
        ensure(text.starts_with(verifier.name()), || "a key under another name".to_owned())?;
    }
    let key = LogSigner::parse(text);
    if let Ok(key) = &key {
        ensure(key.verifier().is_ok(), || "a key that verifies nothing".to_owned())?;
    }
    Ok((checkpoint.is_ok(), verifier.is_ok(), key.is_ok()))
}

/// What reads is written and reads as the same again.
pub(super) fn stated<T: DeserializeOwned + Serialize + PartialEq>(bytes: &[u8]) -> Result<bool, String> {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return Ok(false) };
    let written = serde_json::to_vec(&read).map_err(|error| format!("what was read cannot be written: {error}"))?;
    let again: T = serde_json::from_slice(&written).map_err(|error| format!("what was written does not read: {error}"))?;
    ensure(again == read, || "what was written reads as something else".to_owned())?;
    Ok(true)
}
