//! Rules and texts that somebody wrote to keep the gate busy.

#![expect(clippy::disallowed_methods, reason = "what is tested is how long something takes")]

use std::time::{Duration, Instant};

use super::{compiled, found, load_text, rule};
use crate::{Progress, Rules};

#[test]
fn an_expression_that_is_too_large_is_refused() {
    for regex in ["(?:[a-z]{1000}){500}", r"\pL{20000}", "(?:(?:a{500}){50}){500}"] {
        let loaded = load_text(&rule(&format!("regex = '''{regex}'''"))).unwrap();
        let problems = Rules::compile(&loaded.rules).map(|rules| rules.n_rules()).expect_err(regex);
        let told = problems[0].to_string();
        assert!(told.starts_with("main.toml:1:1: rule `acme-token`: its automaton needs more than 4 MB"), "{told}");
    }
}

#[test]
fn too_much_is_refused() {
    let many: String = (0..2001).map(|number| format!("[[rules]]\nid = \"r{number}\"\nregex = 'x'\n")).collect();
    assert_eq!(
        load_text(&many).map(|loaded| loaded.rules.len()).expect_err("many"),
        ["main.toml:1:1: 2001 rules, the most are 2000"]
    );
    let long = rule(&format!("regex = '{}'", "x".repeat(17_000)));
    assert_eq!(
        load_text(&long).map(|loaded| loaded.rules.len()).expect_err("long")[0],
        "main.toml:3:9: `regex` is longer than 16384 bytes"
    );
    let deep = format!("a = {}1{}", "[".repeat(5000), "]".repeat(5000));
    assert!(load_text(&deep).is_err());
}

/// Two hundred rules of the shapes that files of this format have.
fn two_hundred() -> String {
    let one = |number: u32| {
        let regex = match number % 4 {
            0 => format!("\\b(acme{number}_[a-zA-Z0-9]{{32}})\\b"),
            1 => format!(
                r#"(?i)[\w.-]{{0,50}}?(?:corp{number})(?:[ \t\w.-]{{0,20}})[\s'"]{{0,3}}(?:=|>|:{{1,3}}=|\|\||:|=>|\?=|,)[\x60'"\s=]{{0,5}}([a-z0-9]{{40}})(?:[\x60'"\s;]|\\[nr]|$)"#
            ),
            2 => format!("sv{number}-[0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{12}}"),
            _ => format!("-----BEGIN VENDOR{number} KEY-----[\\s\\S-]{{64,}}?-----END VENDOR{number} KEY-----"),
        };
        let word = match number % 4 {
            0 => "acme",
            1 => "corp",
            2 => "sv",
            _ => "vendor",
        };
        format!("[[rules]]\nid = \"rule-{number}\"\nregex = '''{regex}'''\nentropy = 2.5\nkeywords = [\"{word}{number}\"]\n")
    };
    (0..200).map(one).collect()
}

#[test]
fn two_hundred_rules_are_compiled_in_time() {
    let text = two_hundred();
    let begun = Instant::now();
    let rules = compiled(&text);
    let took = begun.elapsed();
    assert_eq!(rules.n_rules(), 200);
    println!("200 rules: {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    let key = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f80912";
    let secret = format!("my_corp1_token = \"{key}\"");
    assert_eq!(found(&rules, &secret), [(1, 18..58)]);
}

/// Hostile to rules: what many of them begin with, and never end.
const TEXTS: &[&str] = &[
    "corp1 = ",
    "acme0_",
    "a",
    "-----BEGIN VENDOR3 KEY-----",
    "sv2-0123abcd-0123-",
    "corp1corp5corp9",
    "a b c ",
    "\u{301}",
    "=\"'` ",
];

fn time(run: impl Fn()) -> Duration {
    let begun = Instant::now();
    run();
    begun.elapsed()
}

#[test]
fn hostile_texts_take_linear_time() {
    let rules = compiled(&two_hundred());
    for unit in TEXTS {
        let (small, large) = (unit.repeat((100 << 10) / unit.len()), unit.repeat((1 << 20) / unit.len()));
        let whole = |text: &str| time(|| rules.scan(text.as_bytes(), &mut |_, _| {}));
        let lane = |text: &str| {
            time(|| {
                let mut progress = Progress::default();
                rules.advance(&mut progress, text.as_bytes(), 0, true, &mut |_, _| {});
            })
        };
        for (name, run) in [("whole", &whole as &dyn Fn(&str) -> Duration), ("lane", &lane)] {
            // The first run makes states that later ones find.
            run(&small);
            let short = run(&small).max(Duration::from_millis(5));
            let long = run(&large);
            println!("{name:6} {unit:30} {short:?} {long:?}");
            assert!(long < short * 30, "{name}, {unit}: {short:?} for 100 KB, {long:?} for 1 MB");
            assert!(long < Duration::from_secs(20), "{name}, {unit}: {long:?}");
        }
    }
}
