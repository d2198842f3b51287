//! The same thing written a second time, without a thought for speed, and texts in pieces.

use std::ops::Range;

use proptest::prelude::*;

use super::{compiled, found};
use crate::{Progress, Rules};

/// A rule as the oracle has it.
struct Plain {
    regex: &'static str,
    group: usize,
    entropy: f64,
    keywords: &'static [&'static str],
    stopwords: &'static [&'static str],
    allowed: Option<&'static str>,
}

const RULES: &[Plain] = &[
    Plain { regex: "acme_[a-z0-9]{4,8}", group: 0, entropy: 0.0, keywords: &["acme"], stopwords: &[], allowed: None },
    Plain { regex: "[0-9]{4}-[0-9]{4}", group: 0, entropy: 1.5, keywords: &[], stopwords: &["0000"], allowed: None },
    Plain {
        regex: "(?i)key([ =:]{1,3})([a-z0-9]{3,})",
        group: 2,
        entropy: 0.0,
        keywords: &["KEY"],
        stopwords: &[],
        allowed: Some("^b"),
    },
    Plain { regex: "a+b|a", group: 0, entropy: 0.0, keywords: &["corp"], stopwords: &[], allowed: None },
    Plain { regex: r"\b(b|c)[a-c]{2}\b", group: 1, entropy: 0.0, keywords: &[], stopwords: &[], allowed: None },
    Plain { regex: "<<[^>]{2,}?>>", group: 0, entropy: 0.0, keywords: &[], stopwords: &["corp"], allowed: Some("key") },
    Plain { regex: "(?m)^corp$", group: 0, entropy: 0.0, keywords: &[], stopwords: &[], allowed: None },
];

fn toml() -> String {
    RULES
        .iter()
        .enumerate()
        .map(|(number, rule)| {
            let mut text = format!(
                "[[rules]]\nid = \"r{number}\"\nregex = '''{}'''\nsecretGroup = {}\nentropy = {}\nkeywords = {:?}\n",
                rule.regex, rule.group, rule.entropy, rule.keywords
            );
            if !rule.stopwords.is_empty() || rule.allowed.is_some() {
                let regexes: Vec<&str> = rule.allowed.into_iter().collect();
                text.push_str(&format!("[[rules.allowlists]]\nstopwords = {:?}\nregexes = {regexes:?}\n", rule.stopwords));
            }
            text
        })
        .collect()
}

fn bits(text: &str) -> f64 {
    let of = |wanted: char| f64::from(u32::try_from(text.chars().filter(|c| *c == wanted).count()).unwrap());
    let length = f64::from(u32::try_from(text.len()).unwrap());
    text.chars().map(|character| -(of(character) / length).log2() / length).sum()
}

/// What a plain reading of the rules finds; keywords anywhere, or up to a match's end.
fn naive(text: &str, up_to_the_end: bool) -> Vec<(usize, Range<usize>)> {
    let mut all = Vec::new();
    for (number, rule) in RULES.iter().enumerate() {
        // A boundary is one of ASCII words, as in Go.
        let pattern = rule.regex.replace(r"\b", r"(?-u:\b)");
        for captures in regex::Regex::new(&pattern).unwrap().captures_iter(text) {
            let whole = captures.get(0).unwrap();
            let seen = if up_to_the_end { text.get(..whole.end()).unwrap() } else { text };
            let seen = seen.to_ascii_lowercase();
            if !rule.keywords.is_empty() && !rule.keywords.iter().any(|word| seen.contains(&word.to_ascii_lowercase())) {
                continue;
            }
            let secret = if rule.group > 0 { captures.get(rule.group) } else { captures.iter().skip(1).flatten().next() };
            let secret = secret.unwrap_or(whole);
            if rule.entropy > 0.0 && bits(secret.as_str()) <= rule.entropy + 1e-12 {
                continue;
            }
            let is_stopped = rule.stopwords.iter().any(|word| secret.as_str().to_ascii_lowercase().contains(word));
            let is_allowed = rule.allowed.is_some_and(|allowed| regex::Regex::new(allowed).unwrap().is_match(secret.as_str()));
            if !is_stopped && !is_allowed {
                all.push((number, secret.range()));
            }
        }
    }
    all.sort_by_key(|(rule, span)| (*rule, span.start, span.end));
    all
}

/// What is found in a text that arrives in pieces; what is decided is let go of as a lane lets go of it.
fn in_pieces(rules: &Rules, text: &str, cuts: &[usize]) -> Vec<(usize, Range<usize>)> {
    let mut all = Vec::new();
    let mut progress = Progress::default();
    let mut base = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut % (text.len() + 1))).collect();
    ends.sort_unstable();
    let mut decided = 0;
    for end in ends {
        let known = all.len();
        let now =
            rules.advance(&mut progress, &text.as_bytes()[base..end], base, false, &mut |rule, span| all.push((rule, span)));
        assert!(now >= decided && now <= end && end - now < 1004, "{decided} {now} {end}");
        // Nothing comes to stand where everything was decided.
        assert!(all[known..].iter().all(|(_, span)| span.start >= decided));
        decided = now;
        base = text.floor_char_boundary(decided.saturating_sub(260)).max(base);
    }
    let end = rules.advance(&mut progress, &text.as_bytes()[base..], base, true, &mut |rule, span| all.push((rule, span)));
    assert_eq!(end, text.len());
    all.sort_by_key(|(rule, span)| (*rule, span.start, span.end));
    all
}

/// Texts of what the rules are about.
fn texts() -> impl Strategy<Value = String> {
    let atoms = prop::sample::select(vec![
        "acme_", "acme", "corp", "\ncorp\n", "key", "KEY=", " = ", ": ", "0000", "1234", "-", "12", "a", "aa", "aaaab", "b", "c",
        "bcc", "<<", ">>", "ä", "\n", " ", "x9", "zz", "\u{301}",
    ]);
    prop::collection::vec(atoms, 0..40).prop_map(|atoms| atoms.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_whole_text_is_read_as_the_rules_say(text in texts()) {
        prop_assert_eq!(found(&rules(), &text), naive(&text, false), "{:?}", text);
    }

    #[test]
    fn cuts_change_nothing(text in texts(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        prop_assert_eq!(in_pieces(&rules(), &text, &cuts), naive(&text, true), "{:?}", text);
    }
}

fn rules() -> std::sync::Arc<Rules> {
    static RULES: std::sync::LazyLock<std::sync::Arc<Rules>> =
        std::sync::LazyLock::new(|| std::sync::Arc::new(compiled(&toml())));
    std::sync::Arc::clone(&RULES)
}

#[test]
fn prose_is_not_held() {
    let rules = rules();
    let text = "It was agreed that nobody would be asked to wait for anything at all. ";
    let mut progress = Progress::default();
    let decided = rules.advance(&mut progress, text.as_bytes(), 0, false, &mut |_, _| {});
    assert_eq!(decided, text.len());
    let open = "and here is an acme_ab";
    let mut progress = Progress::default();
    assert_eq!(rules.advance(&mut progress, open.as_bytes(), 0, false, &mut |_, _| {}), 15);
}

#[test]
fn what_is_longer_than_the_bound_is_cut_there() {
    let rules = compiled("[[rules]]\nid = \"r\"\nregex = '''acme_[a-z]{4,}'''\n");
    let text = format!("acme_{} ", "a".repeat(3000));
    assert_eq!(found(&rules, &text), [(0, 0..3005)], "a whole text has no such bound");
    for step in [1, 7, 1000, 4000] {
        let cuts: Vec<usize> = (1..text.len()).step_by(step).collect();
        assert_eq!(in_pieces(&rules, &text, &cuts), [(0, 0..crate::MAX_MATCH)], "{step}");
    }
}
