//! Credentials and every id that comes as text.

use std::fmt::Display;
use std::str::FromStr;

use identity::{ENTROPY, Handles, Mark, Plane, mint, parse};
use model::{Digest, Duty, LockTarget, Name, PrincipalId, RequestId};

use zeroize::Zeroizing;

use super::{Outcome, Target, ensure, seen, texts};

pub(super) const TARGET: Target = Target {
    name: "keys",
    what: "credentials and ids: one text for each, and no byte of a credential may change",
    seeds: || {
        let minted = [Plane::Data, Plane::Admin].map(|plane| mint(plane, [7; ENTROPY]).secret.expose().as_bytes().to_vec());
        let ids = texts(&[
            "user:alice",
            "agent:travel",
            "model:small",
            "both:redact:pii",
            "request:mask:CREDIT_CARD",
            "credential:pcl_x",
        ]);
        [minted.to_vec(), ids, vec![RequestId::new(model::UnixMillis(1), [3; 10]).to_string().into_bytes()], vec![vec![b'a'; 64]]]
            .concat()
    },
    words: &[
        "pcl_", "pclop_", "_", "-", ":", "user", "agent", "service", "*", "both:", "redact", "secret", "=", "+", "/", "0", "O",
        "l",
    ],
    max_len: 300,
    run,
    hostile: &["pcl_", "a:", "A", "_"],
    floor: 2000.0,
};

pub(super) const HANDLES: Target = Target {
    name: "handles",
    what: "ids of stored responses: only what was sealed opens, and only for whom it was sealed",
    seeds: || {
        let mark = Mark::of("small", "first");
        ["resp_1", "", "a.b.c", "resp_\u{e9}"]
            .iter()
            .filter_map(|name| handles().seal(OWNER, mark, name))
            .map(String::into_bytes)
            .collect()
    },
    words: &[".", "_", "-", "resp_", "0", "f", "F", "00000000", "\u{0}", "\u{e9}", "pcl"],
    max_len: 600,
    run: opened,
    hostile: &["pcl", ".", "a", "resp_"],
    floor: 2000.0,
};

const OWNER: &str = "user:ada agent:bot";

fn handles() -> Handles {
    Handles::new(&[Zeroizing::new([1; 32]), Zeroizing::new([2; 32])])
}

fn opened(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(seen("not text")) };
    let handles = handles();
    ensure(handles.open("user:eve agent:bot", text).is_none(), || "another's handle opens".to_owned())?;
    let Some(opened) = handles.open(OWNER, text) else { return Ok(seen((text.len().min(80), text.contains('.')))) };
    let again = handles.seal(OWNER, opened.mark, opened.name);
    ensure(again.as_deref() == Some(text), || format!("{text:?} was never sealed"))?;
    Ok(seen(("opened", opened.name.len().min(8))))
}

fn run(bytes: &[u8]) -> Outcome {
    let presented = parse(bytes);
    if presented.is_ok() {
        for at in 0..bytes.len() {
            let mut altered = bytes.to_vec();
            altered.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1);
            ensure(parse(&altered).is_err(), || format!("byte {at} of a credential may change"))?;
        }
    }
    let mut ways = vec![presented.map(|presented| presented.plane == Plane::Data).map_err(|error| error.to_string())];
    if let Ok(text) = std::str::from_utf8(bytes) {
        for is_read in [
            reads_back::<Name>(text)?,
            reads_back::<PrincipalId>(text)?,
            reads_back::<RequestId>(text)?,
            // Digests are read in capitals too.
            reads_back::<Digest>(&text.to_ascii_lowercase())?,
            reads_back::<Duty>(text)?,
            reads_back::<LockTarget>(text)?,
        ] {
            ways.push(Ok(is_read));
        }
    }
    Ok(seen(ways))
}

/// What is read and written again is the same text: no two texts name one thing.
fn reads_back<T: FromStr + Display>(text: &str) -> Result<bool, String> {
    let Ok(read) = text.parse::<T>() else { return Ok(false) };
    ensure(read.to_string() == text, || format!("{text:?} reads as {:?}", read.to_string()))?;
    Ok(true)
}
