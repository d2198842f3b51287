//! Context rules on a table of their own: by hand, and cut at every place.

use proptest::prelude::*;

use super::{Clue, ContextRule, Contexts, form, run, some, text};
use crate::bounded::Input;
use crate::class::Class;

const RULES: &[ContextRule] = &[
    ContextRule {
        kind: "first",
        clue: Clue::Assigned(&["acme", "bolt_co"]),
        forms: &[form([text("k-"), run(Class::HEX, 8)]), form([run(Class::URL_SAFE, 12)]).entropy(2.5)],
    },
    ContextRule { kind: "second", clue: Clue::Assigned(&["acme"]), forms: &[form([some(Class::ALNUM, 6, 20)])] },
    ContextRule { kind: "free", clue: Clue::None, forms: &[form([run(Class::DIGIT, 6), text("|"), run(Class::ALNUM, 6)])] },
    ContextRule {
        kind: "own",
        clue: Clue::Own(|before| before.head().ends_with(b"curl -u ")),
        forms: &[form([some(Class::WORD, 3, 20), text(":"), some(Class::WORD, 3, 20)])],
    },
];

/// What is found in a whole text.
fn whole(text: &str) -> Vec<(&'static str, &str)> {
    let mut found = Vec::new();
    let input = Input { text: text.as_bytes(), from: 0, is_final: true, enabled: u64::MAX };
    let end = Contexts::new(RULES, |_| true).find(input, &mut false, &mut |place, start, end| {
        found.push((RULES[place].kind, text.get(start..end).unwrap()));
    });
    assert_eq!(end, text.len());
    found
}

/// The same in pieces.
fn in_pieces<'t>(text: &'t str, cuts: &[usize]) -> Vec<(&'static str, &'t str)> {
    let contexts = Contexts::new(RULES, |_| true);
    let (mut found, mut from) = (Vec::new(), 0);
    for (known, is_final) in cuts.iter().map(|cut| (*cut, false)).chain([(text.len(), true)]) {
        let input = Input { text: &text.as_bytes()[..known], from, is_final, enabled: u64::MAX };
        let next = contexts.find(input, &mut false, &mut |place, start, end| {
            found.push((RULES[place].kind, text.get(start..end).unwrap()));
        });
        assert!(next >= from && next <= known && known - next <= 300, "{text} {known} {next}");
        from = next;
    }
    found
}

/// Texts and what is found in them.
const FACTS: &[(&str, &[(&str, &str)])] = &[
    ("", &[]),
    ("acme_token = \"k-0123abcd\"", &[("first", "k-0123abcd")]),
    ("{\"acmeKey\":\"k-0123abcd\\n\"", &[("first", "k-0123abcd")]),
    ("MY_ACME_KEY: 'abcdefgh-1jk'", &[("first", "abcdefgh-1jk")]),
    ("myAcme=>abcdefgh-1jk.", &[("first", "abcdefgh-1jk")]),
    ("the acme password is abc1234, ok", &[("second", "abc1234")]),
    ("set(\"bolt_co\", \"abcdefgh=1jk", &[]),
    ("set(\"bolt_co\", \"abcdefgh_1jk", &[("first", "abcdefgh_1jk")]),
    ("acme: abcdefghijkl", &[]),
    ("acme: aaaaaaaaaaa1 ", &[("second", "aaaaaaaaaaa1")]),
    ("macme: abc1234 acme abc1234 acme:\nabc1234", &[("second", "abc1234")]),
    ("acme = abc1234.example", &[]),
    ("acme = abc1234-", &[]),
    ("acme = a=abc1234", &[]),
    ("x123456|abcdef 123456|abcdef,123456|abcdefg", &[("free", "123456|abcdef")]),
    ("curl -u jane:pass1word x", &[("own", "jane:pass1word")]),
    ("curl -x jane:pass1word x", &[]),
];

#[test]
fn facts() {
    for (text, expected) in FACTS {
        assert_eq!(whole(text), *expected, "{text}");
    }
}

#[test]
fn every_cut_finds_the_same() {
    let joined = FACTS.iter().map(|(text, _)| *text).collect::<Vec<_>>().join(" \n");
    for text in FACTS.iter().map(|(text, _)| *text).chain([joined.as_str()]) {
        for cut in 0..=text.len() {
            assert_eq!(in_pieces(text, &[cut]), whole(text), "{text} {cut}");
        }
        let every: Vec<usize> = (0..text.len()).collect();
        assert_eq!(in_pieces(text, &every), whole(text), "{text}");
    }
}

proptest! {
    /// What is turned is looked for only where `find` saw a name.
    #[test]
    fn what_no_word_names_is_not_turned_either(
        text in "(acme|boltCo|_key|Key|x|: |=| is |, |\"| |4321cba|nop1234|dcba3210-k|x-0123nopq|[a-z]{1,3}|[0-9]){0,25}",
    ) {
        let contexts = Contexts::new(RULES, |_| true);
        let (mut is_named, mut n_turned) = (false, 0);
        contexts.find(Input { text: text.as_bytes(), from: 0, is_final: true, enabled: u64::MAX }, &mut is_named, &mut |_, _, _| ());
        contexts.find_turned(text.as_bytes(), |_, _, _| n_turned += 1);
        prop_assert!(is_named || n_turned == 0, "{}", text);
    }
}

/// Each of these takes minutes when a step is quadratic.
#[test]
fn hostile_texts_cost_linear_time() {
    for scrap in
        ["a=", "1=", "acme=1", "acme=a", "acme: ", "a1=", "=1", "12345|", "born ", "a ", "-1", "1.", "a:b|c=1,", "curl -u a1:"]
    {
        let text = scrap.repeat(1_000_000 / scrap.len());
        whole(&text);
        let cuts: Vec<usize> = (0..text.len().min(100_000)).step_by(16).collect();
        in_pieces(&text, &cuts);
    }
}
