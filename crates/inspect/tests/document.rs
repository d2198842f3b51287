//! Inspection and redaction of JSON documents.

#![cfg(test)]

mod common;

use std::collections::BTreeSet;

use common::texts::{Random, clue_and_value};
use common::{duties, oracle};
use inspect::{Leaf, LeafHits, Scanners, findings, inspect_document, redact_document};
use model::Side;
use serde_json::Value;
use text::{Document, Limits, Splices};

fn parse(text: &str) -> Document<'_> {
    Document::parse(text.as_bytes(), &Limits::default()).unwrap()
}

/// Redacts a document: the new text and the pointers of what changed, or the place of what is denied.
fn redact(text: &str, set: &[&str]) -> Result<(String, Vec<String>), (String, String)> {
    let document = parse(text);
    let leaves = inspect_document(&Scanners::all(), &document);
    let mut splices = Splices::new();
    let changed = redact_document(&document, &leaves, &duties(set), Side::Request, &mut splices);
    let changed = changed.map_err(|denied| {
        assert!(splices.is_empty());
        (denied.kind.as_str().to_owned(), denied.place)
    })?;
    assert_eq!(changed.is_empty(), splices.is_empty());
    let pointers = changed.into_iter().map(|id| document.pointer(id)).collect();
    Ok((String::from_utf8(splices.apply(text.as_bytes()).unwrap()).unwrap(), pointers))
}

const PII: &[&str] = &["both:redact:pii"];

#[test]
fn only_the_found_bytes_change() {
    let facts: [(&str, &[&str], &str, &[&str]); 12] = [
        (r#"{ "a" : "plain\/\u00e9" , "b":[1.50, true,null]}"#, PII, r#"{ "a" : "plain\/\u00e9" , "b":[1.50, true,null]}"#, &[]),
        (r#"{ "a" : "x\/ jane@b.co\u2603" }"#, PII, r#"{ "a" : "x\/ [redacted:EMAIL_ADDRESS]\u2603" }"#, &["/a"]),
        (r#"["\u006aane\u0040b.c\u006F!"]"#, PII, r#"["[redacted:EMAIL_ADDRESS]!"]"#, &["/0"]),
        (r#"["a@b.co a@c.co"]"#, PII, r#"["[redacted:EMAIL_ADDRESS] [redacted:EMAIL_ADDRESS]"]"#, &["/0"]),
        (r#"{"n": 4111111111111111 }"#, PII, r#"{"n": "[redacted:CREDIT_CARD]" }"#, &["/n"]),
        (r#"{"n":4111111111111111}"#, &["both:mask:pii"], r#"{"n":"************1111"}"#, &["/n"]),
        (r#"{"n":4111111111111111}"#, &[], r#"{"n":4111111111111111}"#, &[]),
        (r#"{"n":-4111111111111111.0e1}"#, PII, r#"{"n":"-[redacted:CREDIT_CARD].0e1"}"#, &["/n"]),
        (r#"{"jane@b.co":"jane@b.co"}"#, PII, r#"{"[redacted:EMAIL_ADDRESS]":"[redacted:EMAIL_ADDRESS]"}"#, &["/jane@b.co"]),
        (
            r#"{"a@b.co":{"[redacted:EMAIL_ADDRESS]#2":0,"c@d.co":1},"\u0065@b.co":2,"[redacted:EMAIL_ADDRESS]#2":3}"#,
            PII,
            r#"{"[redacted:EMAIL_ADDRESS]":{"[redacted:EMAIL_ADDRESS]#2":0,"[redacted:EMAIL_ADDRESS]":1},"[redacted:EMAIL_ADDRESS]#3":2,"[redacted:EMAIL_ADDRESS]#2":3}"#,
            &["/a@b.co", "/a@b.co/c@d.co", "/e@b.co"],
        ),
        (r#""jane@b.co""#, PII, r#""[redacted:EMAIL_ADDRESS]""#, &[""]),
        (r#"["a@b.\u0063o\"\n"]"#, &["both:mask:pii"], r#"["**b.co\"\n"]"#, &["/0"]),
    ];
    for (text, set, expected, changed) in facts {
        let (redacted, pointers) = redact(text, set).unwrap();
        assert_eq!(redacted, expected);
        assert_eq!(pointers, changed, "{text}");
        parse(&redacted);
    }
}

#[test]
fn a_denied_leaf_is_named_without_its_content() {
    let text = r#"{"ok":"jane@b.co","list":[0,{"123-45-6789":{"deep":"123-45-6788"}}]}"#;
    let deny = |kind: &str| redact(text, &[&format!("request:deny:{kind}"), "both:redact:pii"]).unwrap_err();
    assert_eq!(deny("EMAIL_ADDRESS"), ("EMAIL_ADDRESS".to_owned(), "/ok".to_owned()));
    assert_eq!(deny("US_SSN"), ("US_SSN".to_owned(), "/list/1/[redacted:US_SSN]".to_owned()));
    assert!(redact(text, &["response:deny:US_SSN"]).is_ok());
}

#[test]
fn findings_hold_no_content() {
    let text = r#"{"ok":"to jane@b.co","list":[0,{"123-45-6789":{"deep/x":"123-45-6788"}}],"n":4111111111111111}"#;
    let document = parse(text);
    let leaves = inspect_document(&Scanners::all(), &document);
    let leaf = |leaves: &[LeafHits]| leaves.iter().map(|leaf| leaf.leaf).collect::<Vec<_>>();
    assert_eq!(leaf(&leaves), [Leaf::Text, Leaf::Key, Leaf::Text, Leaf::Number]);
    let found: Vec<_> = findings(&document, &leaves, Side::Response)
        .into_iter()
        .map(|finding| {
            assert_eq!(finding.side, Side::Response);
            (finding.kind.to_string(), finding.place, finding.span.start, finding.span.end)
        })
        .collect();
    let fact = |kind: &str, place: &str, start, end| (kind.to_owned(), place.to_owned(), start, end);
    assert_eq!(
        found,
        [
            fact("EMAIL_ADDRESS", "/ok", 3, 12),
            fact("US_SSN", "/list/1/[redacted:US_SSN]", 0, 11),
            fact("US_SSN", "/list/1/[redacted:US_SSN]/deep~1x", 0, 11),
            fact("CREDIT_CARD", "/n", 0, 16),
        ]
    );
}

/// A value of every kind in every leaf of a document: nothing stays, and nothing else changes.
#[test]
fn a_secret_in_any_leaf_is_redacted() {
    let shape = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}], "x": {"y": [["z"]]}});
    let text = shape.to_string();
    let document = parse(&text);
    let mut random = Random::new(21);
    for kind in oracle::KINDS.iter() {
        let (clue, secret) = clue_and_value(kind, &mut random);
        let value = clue + &secret;
        let body: String = secret.chars().skip(secret.len() / 2).take(16).collect();
        for id in document.nodes() {
            let spans = [document.text(id).map(|_| document.span(id)), document.key_span(id)];
            for span in spans.into_iter().flatten() {
                for escaped in [false, true] {
                    let quoted = if escaped {
                        format!("\"{}\"", value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>())
                    } else {
                        text::quote(&value)
                    };
                    let mut splices = Splices::new();
                    splices.replace(span.clone(), quoted);
                    let planted = String::from_utf8(splices.apply(text.as_bytes()).unwrap()).unwrap();
                    let (redacted, changed) = redact(&planted, PII).unwrap();
                    let read: Value = serde_json::from_str(&redacted).unwrap();
                    assert!(!read.to_string().contains(&body), "{kind} {redacted}");
                    assert!(redacted.contains(&format!("[redacted:{kind}]\"")), "{kind} {redacted}");
                    assert_eq!(changed.len(), 1);
                    assert_eq!(redact(&redacted, PII).unwrap(), (redacted.clone(), vec![]));
                }
            }
        }
    }
}

#[test]
fn many_equal_keys_cost_linear_time() {
    let members: Vec<String> = (0..40_000).map(|index| format!("\"u{index}@b.co\":{index}")).collect();
    let (redacted, changed) = redact(&format!("{{{}}}", members.join(",")), PII).unwrap();
    let document = parse(&redacted);
    let keys: BTreeSet<String> = document.nodes().filter_map(|id| document.key(id)).map(std::borrow::Cow::into_owned).collect();
    assert_eq!((keys.len(), changed.len()), (40_000, 40_000));
}

/// How a writer of JSON may put down a character.
#[derive(Clone, Copy, Debug)]
enum Writer {
    Plain,
    /// Letters and digits that are first of their text, and what is not ASCII, by number.
    Escaping,
    Everything,
}

/// The inside of a literal.
fn written(text: &str, first: char, writer: Writer) -> String {
    let escape =
        |character: char| -> String { character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect() };
    let quoted = |character: char| -> String {
        let literal = text::quote(&character.to_string());
        literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap().to_owned()
    };
    let write = |character: char| match writer {
        Writer::Escaping if !character.is_ascii() || character == first && first.is_ascii_alphanumeric() => escape(character),
        Writer::Everything => escape(character),
        Writer::Plain | Writer::Escaping => quoted(character),
    };
    text.chars().map(write).collect()
}

/// JSON inside JSON strings stays JSON however deep, and its readers find nothing in it any more.
#[test]
fn json_inside_a_string_is_redacted_and_stays_json() {
    // What may stand right before a value: escapes whose last bytes a match could begin with.
    let before = ["", "x ", "\n", "\t", "\"", "\\", "\u{e9}", "\u{e}", "\u{1}", "\u{1f600}", "\r\n", ": "];
    let mut random = Random::new(7);
    for kind in oracle::KINDS.iter() {
        let (clue, secret) = clue_and_value(kind, &mut random);
        let value = clue + &secret;
        let body: String = secret.chars().skip(secret.len() / 2).take(16).collect();
        let first = value.chars().next().unwrap();
        for (before, writer) in before.iter().flat_map(|b| [Writer::Plain, Writer::Escaping, Writer::Everything].map(|w| (b, w)))
        {
            let inner = written(&format!("{before}{value}"), first, writer);
            let mut text = format!(r#"{{"path":"C:\\new","k":"{inner}","n":1}}"#);
            for depth in 1..=3 {
                text = serde_json::json!({"arguments": text}).to_string();
                let (redacted, changed) = redact(&text, PII).unwrap();
                let fact = format!("{kind} {before:?} {writer:?} {depth}: {redacted}");
                let mut read: Value = serde_json::from_str(&redacted).unwrap();
                for _ in 0..depth {
                    let inner = read["arguments"].as_str().unwrap();
                    read = serde_json::from_str(inner).unwrap_or_else(|error| panic!("{error}: {fact}"));
                }
                assert!(!read.to_string().contains(&body), "{fact}");
                // What looks like a domain as well is named by what begins first.
                let names = [kind.as_str(), if secret.contains('.') { "DOMAIN_NAME" } else { kind.as_str() }];
                let told = read["k"].as_str().unwrap();
                assert!(names.iter().any(|name| told.ends_with(&format!("[redacted:{name}]"))), "{fact}");
                assert_eq!((read["path"].as_str(), read["n"].as_i64()), (Some("C:\\new"), Some(1)), "{fact}");
                assert_eq!(changed, ["/arguments"], "{fact}");
            }
        }
    }
}

#[test]
fn a_text_with_more_readings_than_are_read_is_told() {
    let base64 = text::evasion::all().iter().find(|(name, _)| *name == "base64").unwrap().1;
    let nested = (0..6).fold("the key is behind many layers".to_owned(), |inner, _| base64(&inner));
    for (value, expected) in [("plain words, nothing else".to_owned(), 0), (nested, 1)] {
        let body = serde_json::to_string(&[value]).unwrap();
        let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
        let leaves = inspect_document(&Scanners::all(), &document);
        let told = findings(&document, &leaves, Side::Request);
        let n_unread = told.iter().filter(|finding| finding.kind.as_str() == inspect::UNREAD).count();
        assert_eq!((n_unread, told.len()), (expected, expected), "{body}");
    }
}
