//! Operators' own rules beside the gate's scanners: in texts, in documents, in streams.

#![cfg(test)]

mod common;

use std::sync::Arc;

use common::texts::Random;
use common::{Passed, duties, run_lane};
use inspect::{MAX_UNDECIDED, Scanners, findings, inspect_document, load_rules, redact_document, redact_text};
use model::{Duties, FindingGroup, Side};
use text::{Document, Limits, Splices};

const RULES: &str = r#"
[[rules]]
id = "acme-token"
regex = '''\bacme_[a-z0-9]{8,40}\b'''
keywords = ["acme_"]

[[rules]]
id = "Corp Number"
regex = '''(?i)corp[ -](?:no|number)[:. ]{1,3}([0-9]{3}(?:-[0-9]{3}){1,2})'''
keywords = ["corp"]
[[rules.allowlists]]
stopwords = ["000"]

[[rules]]
id = "aws-access-token"
regex = '''AKIA[0-9]{4}TEST'''

[[rules]]
id = "note"
regex = '''<<[^<>]{1,60}>>'''

[[rules]]
id = "word"
regex = '''\bephemeral\b'''
"#;

fn scanners() -> Arc<Scanners> {
    let loaded = load_rules(&["own.toml".to_owned()], &mut |_| Ok(RULES.to_owned())).unwrap();
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    Arc::new(Scanners::all().with(Arc::new(rulefile::Rules::compile(&loaded.rules).unwrap())))
}

fn told(scanners: &Scanners, text: &str) -> Vec<(String, String)> {
    let hits = scanners.scan_layers(text);
    let all = hits.iter().flat_map(inspect::Hit::matches);
    all.filter(|(_, group, _)| *group == FindingGroup::Secret)
        .map(|(kind, _, span)| (kind.to_string(), text.get(span.start..span.end).unwrap().to_owned()))
        .collect()
}

#[test]
fn each_rule_finds_and_names_what_it_finds() {
    let scanners = scanners();
    let facts: &[(&str, &[(&str, &str)])] = &[
        ("an acme_0123abcd here", &[("ACME_TOKEN", "acme_0123abcd")]),
        ("xacme_0123abcd", &[]),
        ("Corp No: 123-456", &[("CORP_NUMBER", "123-456")]),
        ("Corp No: 123-000", &[]),
        ("AKIA1234TEST", &[("aws-access-token", "AKIA1234TEST")]),
        // A text shorter than anything that the gate's own scanners find.
        ("<<a>>", &[("NOTE", "<<a>>")]),
        // One that stands in nearly every document, and in which the gate's own scanners find nothing.
        ("ephemeral", &[("WORD", "ephemeral")]),
        // Both stand there; the union is told with both.
        ("<<acme_0123abcd>>", &[("NOTE", "<<acme_0123abcd>>"), ("ACME_TOKEN", "acme_0123abcd")]),
        // Behind JSON escapes, and in disguise.
        (r"k\u003d acm\u0065_0123abcd", &[("ACME_TOKEN", r"acm\u0065_0123abcd")]),
        ("an ac\u{200b}me_0123abcd", &[("ACME_TOKEN", "ac\u{200b}me_0123abcd")]),
        ("an %61cme_0123abcd", &[("ACME_TOKEN", "%61cme_0123abcd")]),
    ];
    for (text, expected) in facts {
        let expected: Vec<(String, String)> =
            expected.iter().map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned())).collect();
        assert_eq!(told(&scanners, text), expected, "{text}");
    }
}

#[test]
fn duties_speak_of_them() {
    let scanners = scanners();
    let text = "acme_0123abcd and AKIA1234TEST";
    let facts: &[(&[&str], Option<&str>)] = &[
        (&[], Some("[redacted:ACME_TOKEN] and [redacted:aws-access-token]")),
        (&["both:allow:ACME_TOKEN"], Some("acme_0123abcd and [redacted:aws-access-token]")),
        (&["both:mask:secret"], Some("*********abcd and ********TEST")),
        (&["both:deny:ACME_TOKEN"], None),
        (&["both:allow:aws-access-token", "both:allow:ACME_TOKEN"], Some(text)),
    ];
    for (list, expected) in facts {
        let changed = redact_text(text, &scanners.scan(text), &duties(list), Side::Request);
        let changed = changed.ok().map(|changed| changed.unwrap_or_else(|| text.to_owned()));
        assert_eq!(changed.as_deref(), *expected, "{list:?}");
    }
}

#[test]
fn every_leaf_of_a_document_is_looked_at() {
    let scanners = scanners();
    let json = r#"{"acme_0123abcd": 1, "a": ["x acme_0123abcd", "{\"k\": \"acme_4567\\u0061bcd\"}"], "n": 5}"#;
    let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
    let leaves = inspect_document(&scanners, &document);
    let places: Vec<String> = findings(&document, &leaves, Side::Request).into_iter().map(|finding| finding.place).collect();
    assert_eq!(places, ["/[redacted:ACME_TOKEN]", "/a/0", "/a/1"]);
    let mut splices = Splices::new();
    redact_document(&document, &leaves, &Duties::default(), Side::Request, &mut splices).unwrap();
    let redacted = String::from_utf8(splices.apply(json.as_bytes()).unwrap()).unwrap();
    assert_eq!(
        redacted,
        r#"{"[redacted:ACME_TOKEN]": 1, "a": ["x [redacted:ACME_TOKEN]", "{\"k\": \"[redacted:ACME_TOKEN]\"}"], "n": 5}"#
    );
}

/// Texts of what the rules and the gate's own scanners are about.
fn text(random: &mut Random) -> String {
    const ATOMS: &[&str] = &[
        "acme_",
        "acme_0123abcd",
        "0123abcd",
        "corp ",
        "Corp No: ",
        "123-456",
        "-000",
        "-789",
        "AKIA",
        "1234TEST",
        "AKIAQ3EGRVYP2TQ7XN5K",
        "<<",
        ">>",
        "<",
        "a",
        " ",
        "\n",
        "ä",
        "jane@example.com",
        "4111111111111111",
        ". It was agreed that ",
        "_",
        "\u{200b}",
    ];
    (0..random.below(24)).map(|_| *random.pick(ATOMS)).collect()
}

#[test]
fn a_stream_releases_what_the_whole_text_becomes_however_it_is_cut() {
    let scanners = scanners();
    let sets =
        [vec![], vec!["both:mask:secret"], vec!["both:allow:NOTE"], vec!["both:deny:CORP_NUMBER"], vec!["both:redact:pii"]];
    let sets: Vec<Arc<Duties>> = sets.iter().map(|set| Arc::new(duties(set))).collect();
    let mut random = Random::new(24);
    let mut n_found = 0;
    for round in 0..600 {
        let text = text(&mut random);
        let hits = scanners.scan(&text);
        n_found += hits.len();
        let duties = &sets[round % sets.len()];
        let expected = redact_text(&text, &hits, duties, Side::Response).map(|changed| changed.unwrap_or_else(|| text.clone()));
        let mut cuts: Vec<Vec<usize>> = vec![Vec::new(), (1..text.len()).collect()];
        cuts.extend((0..6).map(|_| (0..random.below(10)).map(|_| random.below(text.len() + 1)).collect()));
        for mut cut in cuts {
            cut.sort_unstable();
            let Passed { text: released, denied, .. } = run_lane(&scanners, duties, pieces(&text, &cut));
            match &expected {
                Ok(expected) => assert_eq!((&released, denied), (expected, None), "{text:?} {cut:?} {duties:?}"),
                Err(refused) => {
                    assert_eq!(denied.as_deref(), Some(refused.kind.as_str()), "{text:?} {cut:?}");
                }
            }
        }
    }
    assert!(n_found > 500, "{n_found}");
}

fn pieces<'t>(text: &'t str, cuts: &[usize]) -> Vec<&'t str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for cut in cuts.iter().map(|cut| text.floor_char_boundary(*cut)).chain([text.len()]) {
        if cut >= start {
            pieces.push(text.get(start..cut).unwrap());
            start = cut;
        }
    }
    pieces
}

/// What is held back is bounded, whatever the rules say and the text goes on with.
#[test]
fn an_endless_match_is_cut_at_the_bound() {
    let rules =
        "[[rules]]\nid = \"long\"\nregex = '''begin[\\s\\S]{4,}end'''\n[[rules]]\nid = \"run\"\nregex = '''run_[a-z]{4,}'''";
    let loaded = load_rules(&["own.toml".to_owned()], &mut |_| Ok(rules.to_owned())).unwrap();
    let scanners = Arc::new(Scanners::all().with(Arc::new(rulefile::Rules::compile(&loaded.rules).unwrap())));
    let duties = Arc::new(Duties::default());
    for text in ["begin and nothing ".repeat(400), format!("run_{}", "a".repeat(5000)), "run_ä".repeat(1000)] {
        let mut lane = inspect::Lane::new(Arc::clone(&scanners), Arc::clone(&duties), Side::Response);
        for piece in pieces(&text, &(0..text.len()).step_by(7).collect::<Vec<_>>()) {
            lane.push(piece);
            assert!(lane.held() <= MAX_UNDECIDED, "{}", lane.held());
        }
        lane.finish();
        assert_eq!(lane.stable(), u64::try_from(text.len()).unwrap());
    }
}

/// They run where every kind of the gate's own is switched off.
#[test]
fn they_do_not_need_the_others() {
    let kinds = Scanners::kinds();
    let all: Vec<&str> = kinds.iter().map(|(kind, _)| kind.as_str()).collect();
    let loaded = load_rules(&["own.toml".to_owned()], &mut |_| Ok(RULES.to_owned())).unwrap();
    let rules = Arc::new(rulefile::Rules::compile(&loaded.rules).unwrap());
    for alone in [Scanners::all().without(&all).with(Arc::clone(&rules)), Scanners::all().with(rules).without(&all)] {
        let text = "acme_0123abcd AKIAQ3EGRVYP2TQ7XN5K";
        assert_eq!(told(&alone, text), [("ACME_TOKEN".to_owned(), "acme_0123abcd".to_owned())]);
        let document = Document::parse(b"[\"acme_0123abcd\"]", &Limits::default()).unwrap();
        assert_eq!(inspect_document(&alone, &document).len(), 1);
    }
}

/// A gate without rule files does as it did.
#[test]
fn no_rule_changes_nothing() {
    let loaded = load_rules(&[], &mut |_| Err("nothing is read".to_owned())).unwrap();
    assert!(loaded.rules.is_empty());
    let with = Scanners::all().with(Arc::new(rulefile::Rules::compile(&loaded.rules).unwrap()));
    let without = Scanners::all();
    let mut random = Random::new(7);
    for _ in 0..200 {
        let text = text(&mut random);
        assert_eq!(with.scan_layers(&text), without.scan_layers(&text), "{text:?}");
    }
}
