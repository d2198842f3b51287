//! Lanes of streams and whole documents through the scanners.

use std::sync::{Arc, LazyLock};

use inspect::{Lane, MAX_HELD, Scanners, inspect_document, load_rules, redact_document, redact_text};
use model::{Duties, Side};
use text::{Document, Limits, Splices, quote};

use super::{Outcome, Target, ensure, magnitude, seen, texts};
use crate::Random;

const SECRETS: &[&str] = &[
    "AKIAZ7QHT3KXW5M2NV4D",
    "AKIA",
    "ghp_",
    "sk-",
    "eyJhbGciOiJIUzI1NiJ9.",
    "eyJ",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----END",
    "4111 1111 1111 1111",
    "536-22-8726",
    "DE89 3704 0044 0532 0130 00",
    "mia@example.org",
    "@",
    "pcl_",
    "xoxb-",
    "0",
    "1",
    "-",
    ".",
    " ",
    "\\u0041",
    "\\n",
    "\\\"",
    "\u{200b}",
];

pub(super) const TARGET: Target = Target {
    name: "lanes",
    what: "a lane of a stream: cut anywhere, it releases what redaction of the whole text gives",
    seeds,
    words: SECRETS,
    max_len: 3000,
    run,
    hostile: &[
        "0",
        "1",
        "@",
        "ey",
        "-",
        "a@b.",
        "4111 ",
        "A",
        "-----BEGIN",
        "sk-",
        "DE89",
        ".",
        "eyJ.",
        "a@",
        "AKIA",
        "\\",
        "\\u",
        "\\\\u0041",
        "xoxb-",
    ],
    floor: 150.0,
};

pub(super) const DOCUMENTS: Target = Target {
    name: "documents",
    what: "findings in JSON documents: redacted ones still parse, and hold none of what was redacted",
    seeds: document_seeds,
    words: &[
        "\"",
        ",",
        ":",
        "{",
        "}",
        "[",
        "]",
        "\\",
        "\\u0041",
        "\\\\u0041",
        "\\\"",
        "\"a\":",
        "\"mia@example.org\":",
        "AKIAZ7QHT3KXW5M2NV4D",
        "4111 1111 1111 1111",
        "4111111111111111",
        "\"[redacted:EMAIL_ADDRESS]\":",
        "536-22-8726",
        "{\\\"a\\\":\\\"",
        "\\n",
        "0",
        "1.5",
        "null",
    ],
    max_len: 3000,
    run: document,
    hostile: &["[\"a\",", "\"\\u0041", "\"\\\\u0041", "[\"4111 1111 1111 1111\",", "{\"mia@example.org\":", "\\\\"],
    floor: 150.0,
};

pub(super) const OWN_RULES: Target = Target {
    name: "ownrules",
    what: "the same lanes with operators' own rules: cut anywhere, the same is found",
    seeds: || {
        texts(&[
            "an acme_0123abcd here, corp no. 123-456, <<a note>> and AKIAZ7QHT3KXW5M2NV4D",
            "acme_0123456789abcdefghij0123456789abcdefghijx Corp Number: 000-111-222 <<",
        ])
    },
    words: &[
        "acme_",
        "acme_0123abcd",
        "corp no. ",
        "Corp-Number: ",
        "123-456",
        "000",
        "-",
        "<<",
        ">>",
        " ",
        "\u{17f}",
        "A",
        "0",
        "\n",
        "\u{200b}",
    ],
    run: |bytes| judged(bytes, OWN.as_ref().map_err(Clone::clone)?),
    hostile: &["<<", "acme_", "corp no. 1", "corp ", "<<a>>", "acme_a ", "0"],
    floor: 50.0,
    ..TARGET
};

/// Rules of bounded length: longer matches are cut in streams, as docs/SCANNERS.md says.
const RULES: &str = r#"
[[rules]]
id = "acme-token"
regex = '''\bacme_[a-z0-9]{8,40}\b'''
keywords = ["acme_"]
[[rules]]
id = "corp-number"
regex = '''(?i)corp[ -](?:no|number)[:. ]{1,3}([0-9]{3}(?:-[0-9]{3}){1,2})'''
keywords = ["corp"]
[[rules.allowlists]]
stopwords = ["000"]
[[rules]]
id = "note"
regex = '''<<[^<>]{1,60}>>'''
"#;

static OWN: LazyLock<Result<Arc<Scanners>, String>> = LazyLock::new(|| {
    let loaded =
        load_rules(&["own.toml".to_owned()], &mut |_| Ok(RULES.to_owned())).map_err(|problems| format!("{problems:?}"))?;
    let rules = rulefile::Rules::compile(&loaded.rules).map_err(|problems| format!("{problems:?}"))?;
    Ok(Arc::new(Scanners::all().with(Arc::new(rules))))
});

static SCANNERS: LazyLock<Arc<Scanners>> = LazyLock::new(|| Arc::new(Scanners::all()));
static DUTIES: LazyLock<Vec<Arc<Duties>>> = LazyLock::new(|| {
    let sets: [&[&str]; 4] = [
        &[],
        &["both:redact:pii"],
        &["both:mask:pii", "both:mask:secret"],
        &["both:redact:pii", "response:deny:US_SSN", "both:mask:EMAIL_ADDRESS", "both:allow:jwt"],
    ];
    let parsed = sets.iter().map(|set| Duties::new(vec![set.iter().filter_map(|duty| duty.parse().ok()).collect()]));
    parsed.map(Arc::new).collect()
});

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "Use AKIAZ7QHT3KXW5M2NV4D and the card 4111 1111 1111 1111, then write to mia.keller@example.org.",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\n-----END RSA PRIVATE KEY----- then 536-22-8726",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlc2lnbmF0dXJl DE89370400440532013000 ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "{\"a\":\"\\u0041KIAZ7QHT3KXW5M2NV4D \\u0034111 1111 1111 1111\"}",
    ])
}

fn run(bytes: &[u8]) -> Outcome {
    judged(bytes, &SCANNERS)
}

fn judged(bytes: &[u8], scanners: &Arc<Scanners>) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    let mut random = Random::of(bytes);
    let hits = scanners.scan(&text);
    let mut last = 0;
    for hit in &hits {
        let is_sound = text.get(hit.span.start..hit.span.end).is_some_and(|found| !found.is_empty()) && hit.span.start >= last;
        ensure(is_sound, || format!("{:?} at {:?}, behind {last}", hit.kind, hit.span))?;
        last = hit.span.end;
    }
    for hit in &scanners.scan_layers(&text) {
        ensure(text.get(hit.span.start..hit.span.end).is_some(), || format!("{:?} at {:?}", hit.kind, hit.span))?;
    }
    let duties = random.one(&DUTIES).ok_or("no duties")?;
    let whole = redact_text(&text, &hits, duties, Side::Response).map(|changed| changed.unwrap_or_else(|| text.to_string()));
    let (released, is_denied) = lane(plain(scanners, duties), &text, &mut random)?;
    match &whole {
        Ok(whole) => ensure(!is_denied && released == *whole, || format!("released {released:?}, the whole gives {whole:?}"))?,
        Err(_) => ensure(is_denied, || "denied as a whole, released in pieces".to_owned())?,
    }
    // With readings: the same however it is cut.
    let mut apart = [None, None];
    for outcome in &mut apart {
        *outcome = Some(lane(plain(scanners, duties).with_readings(), &text, &mut random)?);
    }
    let is_same = match &apart {
        // How much had left before what is denied came, depends on the pieces; that nothing else did, does not.
        [Some((one, true)), Some((other, true))] => one.starts_with(other.as_str()) || other.starts_with(one.as_str()),
        [one, other] => one == other,
    };
    ensure(is_same, || format!("cut in two ways: {apart:?}"))?;
    let kinds: Vec<String> = hits.iter().take(4).map(|hit| hit.kind.to_string()).collect();
    Ok(seen((kinds, is_denied)))
}

fn plain(scanners: &Arc<Scanners>, duties: &Arc<Duties>) -> Lane {
    Lane::new(Arc::clone(scanners), Arc::clone(duties), Side::Response)
}

/// What a lane releases of a text that is cut by chance, and whether it was denied.
fn lane(mut lane: Lane, text: &str, random: &mut Random) -> Result<(String, bool), String> {
    let (mut released, mut taken, mut from) = (String::new(), 0, 0);
    let mut waiting = std::collections::VecDeque::new();
    for piece in random.cut(text.as_bytes()) {
        let to = text.ceil_char_boundary(from.max(taken) + piece.len()).max(from);
        waiting.push_back(lane.push(text.get(from..to).unwrap_or_default()));
        (taken, from) = (to, to);
        release(&mut lane, &mut waiting, &mut released)?;
    }
    waiting.push_back(lane.push(text.get(from..).unwrap_or_default()));
    lane.finish();
    release(&mut lane, &mut waiting, &mut released)?;
    ensure(lane.denied().is_some() || waiting.is_empty(), || "text was kept back at the end".to_owned())?;
    Ok((released, lane.denied().is_some()))
}

fn release(
    lane: &mut Lane,
    waiting: &mut std::collections::VecDeque<std::ops::Range<u64>>,
    released: &mut String,
) -> Result<(), String> {
    ensure(lane.held() <= MAX_HELD, || format!("{} bytes are held", lane.held()))?;
    while let Some(piece) = waiting.front().and_then(|range| lane.take(range.clone())) {
        released.push_str(&piece.text);
        waiting.pop_front();
    }
    Ok(())
}

fn document_seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"messages":[{"role":"user","content":"Use AKIAZ7QHT3KXW5M2NV4D, mail mia@example.org"}],"n":4111111111111111}"#,
        r#"{"mia@example.org":1,"arguments":"{\"key\":\"\\u0041KIAZ7QHT3KXW5M2NV4D\"}","[redacted:EMAIL_ADDRESS]":2}"#,
        r#"["4111 1111 1111 1111","\u0034111\u00201111 1111 1111",["DE89 3704 0044 0532 0130 00"]]"#,
    ])
}

fn document(bytes: &[u8]) -> Outcome {
    let limits = Limits::default();
    let quoted = quote(&String::from_utf8_lossy(bytes));
    // What is no document is a text in one.
    let (bytes, document) = match Document::parse(bytes, &limits) {
        Ok(document) => (bytes, document),
        Err(_) => (
            quoted.as_bytes(),
            Document::parse(quoted.as_bytes(), &limits).map_err(|error| format!("`quote` wrote no JSON: {error}"))?,
        ),
    };
    let leaves = inspect_document(&SCANNERS, &document);
    let duties = DUTIES.get(1).ok_or("no duties")?;
    let mut splices = Splices::default();
    let changed =
        redact_document(&document, &leaves, duties, Side::Response, &mut splices).map_err(|denied| format!("{denied:?}"))?;
    ensure(changed.is_empty() == leaves.is_empty(), || {
        format!("{} leaves with findings, {} changed", leaves.len(), changed.len())
    })?;
    let spliced = splices.apply(bytes).map_err(|error| format!("splices that do not fit: {error:?}"))?;
    let after = Document::parse(&spliced, &limits).map_err(|error| format!("redacted to no JSON: {error}"))?;
    ensure(after.nodes().len() == document.nodes().len(), || "redaction changed the shape".to_owned())?;
    let places: Vec<String> = leaves.iter().take(3).map(|leaf| format!("{:?} {}", leaf.leaf, leaf.hits.len())).collect();
    Ok(seen((magnitude(leaves.len()), magnitude(changed.len()), magnitude(document.nodes().len()), places)))
}
