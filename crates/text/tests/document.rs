//! The reader against `serde_json`, and its own stricter rules.

#![cfg(test)]
#![expect(clippy::string_slice, reason = "a test may fail by panicking")]

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;
use text::{Document, JsonError, Kind, Limits, NodeId, quote};

fn parse(text: &str) -> Result<Document<'_>, JsonError> {
    Document::parse(text.as_bytes(), &Limits::default())
}

/// Rebuilds a value through the document's own interface.
fn rebuild(document: &Document<'_>, id: NodeId) -> Value {
    match document.kind(id) {
        Kind::Object => Value::Object(
            document.children(id).map(|child| (document.key(child).unwrap().into_owned(), rebuild(document, child))).collect(),
        ),
        Kind::Array => Value::Array(document.children(id).map(|child| rebuild(document, child)).collect()),
        Kind::String => Value::String(document.text(id).unwrap().into_owned()),
        Kind::Number => serde_json::from_str(document.lexeme(id)).unwrap(),
        Kind::True => Value::Bool(true),
        Kind::False => Value::Bool(false),
        Kind::Null => Value::Null,
    }
}

/// Every promise about one accepted document, checked on every node.
fn check_document(bytes: &[u8], document: &Document<'_>) {
    let ids: Vec<NodeId> = document.nodes().collect();
    assert_eq!(ids.first(), Some(&document.root()));
    let mut pointers = HashSet::new();
    for id in ids {
        let span = document.span(id);
        assert_eq!(document.lexeme(id).as_bytes(), &bytes[span.clone()]);
        let alone = Document::parse(&bytes[span.clone()], &Limits::default()).expect("a value's span is a document");
        assert_eq!(rebuild(&alone, alone.root()), rebuild(document, id));
        let pointer = document.pointer(id);
        assert_eq!(document.at(&pointer), Some(id), "{pointer}");
        assert!(pointers.insert(pointer));
        let children: Vec<NodeId> = document.children(id).collect();
        assert_eq!(children.len(), document.count(id));
        for child in children {
            assert_eq!(document.parent(child), Some(id));
            let inner = document.span(child);
            assert!(span.start < inner.start && inner.end < span.end);
            if let Some(key) = document.key(child) {
                assert_eq!(document.get(id, &key), Some(child));
                let raw = document.key_span(child).unwrap();
                assert!(raw.end < inner.start);
                assert_eq!(serde_json::from_slice::<String>(&bytes[raw]).unwrap(), key);
            }
        }
        if let Some(text) = document.text(id) {
            assert_eq!(matches!(text, Cow::Borrowed(_)), !document.lexeme(id).contains('\\'));
        }
    }
}

fn has_duplicate_keys(bytes: &[u8]) -> bool {
    matches!(Document::parse(bytes, &Limits::default()), Err(JsonError::DuplicateKey { .. }))
}

/// Agreement with `serde_json`, but for duplicate keys, and numbers that no float holds (kept here as written).
fn check_agreement(bytes: &[u8]) {
    let theirs = serde_json::from_slice::<Value>(bytes);
    match Document::parse(bytes, &Limits::default()) {
        Ok(document) => {
            check_document_if_floats_fit(bytes, &document, theirs);
        }
        Err(error) => assert!(theirs.is_err() || has_duplicate_keys(bytes), "refused alone: {error}"),
    }
}

fn check_document_if_floats_fit(bytes: &[u8], document: &Document<'_>, theirs: serde_json::Result<Value>) {
    match theirs {
        Ok(value) => {
            assert_eq!(rebuild(document, document.root()), value);
            check_document(bytes, document);
        }
        Err(error) => assert!(error.to_string().contains("number out of range"), "accepted alone: {error}"),
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ -~]{0,20}".prop_map(Value::from),
        "[\\\\\"/\u{0}-\u{1f}é😀~]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 80, 24, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..24).prop_map(Value::from),
            prop::collection::btree_map("[a-z/~\\\\\"é\u{1}]{0,5}", inner, 0..24)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The same value, with every character of every string written as an escape.
fn write_escaped(value: &Value, out: &mut String) {
    let string = |text: &str, out: &mut String| {
        out.push('"');
        for unit in text.encode_utf16() {
            write!(out, "\\u{unit:04X}").unwrap();
        }
        out.push('"');
    };
    match value {
        Value::String(text) => string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { " ,\n" });
                write_escaped(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "\t" } else { "\r, " });
                string(key, out);
                out.push_str(" : ");
                write_escaped(member, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_value_reads_as_serde_json_reads_it(value in value()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let document = parse(&text).unwrap();
            prop_assert_eq!(rebuild(&document, document.root()), serde_json::from_str::<Value>(&text).unwrap());
            check_document(text.as_bytes(), &document);
        }
        let mut escaped = String::new();
        write_escaped(&value, &mut escaped);
        let document = parse(&escaped).unwrap();
        prop_assert_eq!(rebuild(&document, document.root()), serde_json::from_str::<Value>(&escaped).unwrap());
        check_document(escaped.as_bytes(), &document);
    }

    #[test]
    fn damaged_documents_are_judged_as_serde_json_judges_them(value in value(), cuts in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![
        prop::sample::select(b"{}[],:\"\\u0123456789dDaAeE+-. \n\x00\x1f\x7f\xc3\xa9\xff/tfn".to_vec()).prop_map(Some), Just(None)]), 1..4)) {
        let mut bytes = value.to_string().into_bytes();
        for (index, replacement) in cuts {
            if bytes.is_empty() { break; }
            let at = index.index(bytes.len());
            match replacement {
                Some(byte) => bytes[at] = byte,
                None => { bytes.remove(at); }
            }
        }
        check_agreement(&bytes);
    }

    #[test]
    fn token_soup_is_judged_as_serde_json_judges_it(tokens in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"b\"", "\"\\u0061\"", "\\", "\\n", "\\ud83d", "\\ude00", "\"\\ud83d\\ude00\"", "0", "1", "-", ".", "e", "E+1",
        "true", "false", "null", "nul", " ", "\n", "\u{feff}", "\u{a0}", "é", "1e999", "01"]), 0..14)) {
        check_agreement(tokens.concat().as_bytes());
    }

    #[test]
    fn quote_is_read_back_by_both(text in any::<String>()) {
        let quoted = quote(&text);
        prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), &*text);
        prop_assert_eq!(&quoted, &serde_json::to_string(&text).unwrap());
        let document = parse(&quoted).unwrap();
        prop_assert_eq!(document.text(document.root()).unwrap(), text);
    }

    #[test]
    fn raw_ranges_point_at_the_same_characters(text in "[a\\\\\"\u{1}é😀/]{0,20}", all_escaped in any::<bool>()) {
        let literal = if all_escaped {
            let mut out = String::new();
            write_escaped(&Value::from(text.clone()), &mut out);
            out
        } else { quote(&text) };
        let whole = format!("[1,{literal}]");
        let document = parse(&whole).unwrap();
        let id = document.at("/1").unwrap();
        let ranges: Vec<_> = text.char_indices().map(|(at, character)| at..at + character.len_utf8()).collect();
        let raw = document.raw_ranges(&document.span(id), &ranges);
        prop_assert_eq!(raw.len(), ranges.len());
        let mut next = document.span(id).start + 1;
        for (range, raw) in ranges.iter().zip(&raw) {
            prop_assert_eq!(raw.start, next);
            next = raw.end;
            let one = format!("\"{}\"", &whole[raw.clone()]);
            prop_assert_eq!(serde_json::from_str::<String>(&one).unwrap(), &text[range.clone()]);
        }
        prop_assert_eq!(next, document.span(id).end - 1);
    }
}

#[test]
fn faults_are_named_where_they_are() {
    let malformed = |offset, expected| JsonError::Malformed { offset, expected };
    let duplicate = |pointer: &str| JsonError::DuplicateKey { pointer: pointer.to_owned() };
    let facts: Vec<(&[u8], JsonError)> = vec![
        (b"", malformed(0, "a value")),
        (b" ", malformed(1, "a value")),
        ("\u{feff}{}".as_bytes(), malformed(0, "a value")),
        (b"{}x", malformed(2, "the end of the document")),
        (b"{} {}", malformed(3, "the end of the document")),
        (b"[1,]", malformed(3, "a value")),
        (b"[1 2]", malformed(3, "`,` or `]`")),
        (b"{\"a\":1,}", malformed(7, "a key")),
        (b"{\"a\" 1}", malformed(5, "`:`")),
        (b"{\"a\":1]", malformed(6, "`,` or `}`")),
        (b"{a:1}", malformed(1, "a key")),
        (b"[", malformed(1, "a value")),
        (b"\"abc", malformed(4, "`\"`")),
        (b"\"a\nb\"", malformed(2, "an escape instead of a control character")),
        (b"\"\\x\"", malformed(1, "an escape of RFC 8259")),
        (b"\"\\u12g4\"", malformed(1, "an escape of RFC 8259")),
        (b"\"\\u+123\"", malformed(1, "an escape of RFC 8259")),
        (b"\"\\", malformed(1, "an escape of RFC 8259")),
        (b"01", malformed(1, "the end of the document")),
        (b"-", malformed(1, "a digit")),
        (b"1.", malformed(2, "a digit")),
        (b"1e+", malformed(3, "a digit")),
        (b".5", malformed(0, "a value")),
        (b"+1", malformed(0, "a value")),
        (b"nul", malformed(0, "a value")),
        (b"NaN", malformed(0, "a value")),
        (b"[\"\xff\"]", JsonError::NotUtf8 { offset: 2 }),
        (b"[\"\xed\xa0\x80\"]", JsonError::NotUtf8 { offset: 2 }),
        (b"\"ab\\ud83d\"", JsonError::Surrogate { offset: 3 }),
        (b"\"\\ude00\\ud83d\"", JsonError::Surrogate { offset: 1 }),
        (b"\"\\ud83d\\u0041\"", JsonError::Surrogate { offset: 1 }),
        (b"\"\\ud83dx\"", JsonError::Surrogate { offset: 1 }),
        (b"{\"a\":1,\"a\":2}", duplicate("/a")),
        (b"{\"a\":1,\"\\u0061\":2}", duplicate("/a")),
        (b"{\"\\u0061\":1,\"a\":2}", duplicate("/a")),
        (b"{\"\\u0061\":1,\"\\u0061\":2}", duplicate("/a")),
        (b"[0,{\"x\":{\"\":1,\"\":2}}]", duplicate("/1/x/")),
        (b"{\"a/~\":{\"b\":1,\"c\":2,\"b\":2}}", duplicate("/a~1~0/b")),
    ];
    for (bytes, expected) in facts {
        assert_eq!(Document::parse(bytes, &Limits::default()).err(), Some(expected), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn duplicates_are_found_in_large_objects_and_long_keys() {
    let members = |n: usize| (0..n).map(|index| format!("\"key{index}\":{index}")).collect::<Vec<_>>();
    for n in [2, 15, 16, 17, 18, 40, 5000] {
        let plain = format!("{{{}}}", members(n).join(","));
        let document = parse(&plain).unwrap();
        assert_eq!(document.at(&format!("/key{}", n - 1)).map(|id| document.lexeme(id)), Some(&*(n - 1).to_string()));
        for twice in [0, n / 2, n - 1] {
            for key in [format!("key{twice}"), format!("\\u006Bey{twice}")] {
                let mut with = members(n);
                with.push(format!("\"{key}\":0"));
                let error = parse(&format!("{{{}}}", with.join(","))).err();
                assert_eq!(error, Some(JsonError::DuplicateKey { pointer: format!("/key{twice}") }), "{n} {key}");
            }
        }
    }
    let long = "x".repeat(300);
    let escaped = format!("\\u0078{}", "x".repeat(299));
    for (first, second) in [(&long, &escaped), (&escaped, &long), (&escaped, &escaped), (&long, &long)] {
        assert!(has_duplicate_keys(format!("{{\"{first}\":0,\"b\":1,\"{second}\":2}}").as_bytes()));
    }
    assert!(parse(&format!("{{\"{escaped}\":0,\"b\":1,\"{long}x\":2}}")).is_ok());
}

#[test]
fn bounds_hold_exactly() {
    let limits = Limits { max_depth: 3, max_nodes: 5 };
    let facts: [(&str, Option<JsonError>); 6] = [
        ("[[[1]]]", None),
        ("[[[[1]]]]", Some(JsonError::TooDeep { limit: 3 })),
        ("{\"a\":[{\"b\":[]}]}", Some(JsonError::TooDeep { limit: 3 })),
        ("[1,2,3,4]", None),
        ("[1,2,3,4,5]", Some(JsonError::TooMany { limit: 5 })),
        ("[[],[],{},[],1]", Some(JsonError::TooMany { limit: 5 })),
    ];
    for (text, expected) in facts {
        assert_eq!(Document::parse(text.as_bytes(), &limits).err(), expected, "{text}");
    }
    let deep = "[".repeat(1_000_000);
    assert_eq!(parse(&deep).err(), Some(JsonError::TooDeep { limit: 64 }));
    assert!(parse(&format!("{}{}", "[".repeat(64), "]".repeat(64))).is_ok());
    let wide = format!("[{}]", vec!["0"; 199_999].join(","));
    assert_eq!(parse(&wide).unwrap().nodes().len(), 200_000);
    assert_eq!(parse(&format!("[{}]", vec!["0"; 200_000].join(","))).err(), Some(JsonError::TooMany { limit: 200_000 }));
}

/// Each of these takes minutes when a step is quadratic, and well under a second when it is not.
#[test]
fn huge_containers_cost_linear_time() {
    let elements = format!("[{}]", vec!["\"x\""; 150_000].join(","));
    let document = parse(&elements).unwrap();
    for id in document.nodes() {
        assert_eq!(document.at(&document.pointer(id)), Some(id));
    }
    let members: Vec<String> = (0..150_000).map(|index| format!("\"a{index}\":0")).collect();
    let object = format!("{{{}}}", members.join(","));
    let document = parse(&object).unwrap();
    for id in document.nodes() {
        assert_eq!(document.at(&document.pointer(id)), Some(id));
    }
    let long = "\\u0061".repeat(20_000);
    let keys: Vec<String> = (0..16).map(|index| format!("\"{long}{index}\":0")).collect();
    assert!(parse(&format!("{{{}}}", keys.join(","))).is_ok());
}

#[test]
fn pointers_follow_rfc_6901() {
    let text = r#"{"foo":["bar","baz"],"":0,"a/b":1,"m~n":8," ":7,"deep":{"x":[[5]]}}"#;
    let document = parse(text).unwrap();
    let facts: [(&str, Option<&str>); 17] = [
        ("", Some(text)),
        ("/foo", Some(r#"["bar","baz"]"#)),
        ("/foo/0", Some("\"bar\"")),
        ("/", Some("0")),
        ("/a~1b", Some("1")),
        ("/m~0n", Some("8")),
        ("/ ", Some("7")),
        ("/deep/x/0/0", Some("5")),
        ("/foo/2", None),
        ("/foo/-", None),
        ("/foo/00", None),
        ("/foo/", None),
        ("/foo/+0", None),
        ("foo", None),
        ("/m~n", None),
        ("/a~2b", None),
        ("/foo/0/x", None),
    ];
    for (pointer, expected) in facts {
        assert_eq!(document.at(pointer).map(|id| document.lexeme(id)), expected, "{pointer}");
    }
}

#[test]
fn debug_shows_no_content() {
    let document = parse("{\"secret\":\"value\"}").unwrap();
    assert_eq!(format!("{document:?}"), "Document { bytes: 18, nodes: 2 }");
}
