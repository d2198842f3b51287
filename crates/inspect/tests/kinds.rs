//! One case per kind: found, found by that scanner alone, and missed when it is switched off.

#![cfg(test)]
#![expect(clippy::string_slice, reason = "a test may fail by panicking")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::texts::{DIGITS, Random, iban, luhn, planted};
use common::{duties, oracle, run_lane};
use inspect::{Scanners, redact_text};
use model::{FindingGroup, Side};

fn kinds(scanners: &Scanners, text: &str) -> Vec<String> {
    scanners.scan(text).iter().flat_map(inspect::Hit::matches).map(|(kind, _, _)| kind.as_str().to_owned()).collect()
}

#[test]
fn the_page_names_exactly_the_kinds() {
    let (kinds, groups): (Vec<_>, Vec<_>) = Scanners::kinds().into_iter().map(|(kind, group)| (kind.to_string(), group)).unzip();
    assert_eq!(kinds, *oracle::KINDS);
    assert_eq!(groups.iter().filter(|group| **group == FindingGroup::Secret).count(), kinds.len() - oracle::n_pii());
    assert!(kinds.len() >= 24);
}

/// Rules by context that find what a stricter rule names better.
const BROADER: &[&str] = &["generic-api-key", "bittrex-access-key"];

#[test]
fn every_scanner_is_missed_when_it_is_off() {
    let all: BTreeSet<&str> = oracle::KINDS.iter().map(String::as_str).collect();
    let duties = Arc::new(duties(&["both:redact:pii"]));
    let mut random = Random::new(11);
    for kind in &all {
        let text = format!("value: {}\n", planted(kind, &mut random));
        // What such a value holds besides: an address, a token of another kind.
        let also = match *kind {
            "slack-webhook-url" | "microsoft-teams-webhook" => "DOMAIN_NAME",
            "sidekiq-sensitive-url" => "EMAIL_ADDRESS",
            "slack-config-access-token" => "slack-bot-token",
            "slack-config-refresh-token" => "slack-user-token",
            _ => "",
        };
        assert_eq!(kinds(&Scanners::all().without(&[also]), &text), [(*kind).to_owned()], "{text}");
        let others: Vec<&str> = all.iter().copied().filter(|other| other != kind).collect();
        assert_eq!(kinds(&Scanners::all().without(&others), &text), [(*kind).to_owned()], "{text}");
        let without = Arc::new(Scanners::all().without(&[kind, also]));
        let found = kinds(&without, &text);
        if found.iter().any(|kind| BROADER.contains(&kind.as_str())) {
            // A broader rule takes its place, under the broader name.
            assert!(common::context::kinds().any(|known| known == *kind), "{text}");
        } else {
            assert_eq!(found, [] as [&str; 0], "{text}");
            let released = run_lane(&without, &duties, [text.as_str()]);
            assert_eq!((released.text, released.hits), (text.clone(), vec![]));
        }
        let released = run_lane(&Arc::new(Scanners::all()), &duties, [text.as_str()]);
        assert!(released.text.contains(&format!("[redacted:{kind}]\n")));
    }
    assert_eq!(
        Scanners::all().without(&oracle::KINDS.iter().map(String::as_str).collect::<Vec<_>>()).scan(&planted("jwt", &mut random)),
        []
    );
}

/// Texts and what is found in them, by hand.
#[test]
fn facts() {
    let b = |length: usize| "aB3dE5gH7j".repeat(length.div_ceil(10))[..length].to_owned();
    let facts: Vec<(String, Vec<(&str, &str)>)> = vec![
        (String::new(), vec![]),
        ("a@b.c".to_owned(), vec![]),
        ("a@b.co".to_owned(), vec![("EMAIL_ADDRESS", "a@b.co")]),
        ("mail <jane.doe+tag@mail.example.co.uk>, or".to_owned(), vec![("EMAIL_ADDRESS", "jane.doe+tag@mail.example.co.uk")]),
        ("end of jane@example.com. Next".to_owned(), vec![("EMAIL_ADDRESS", "jane@example.com")]),
        ("@handle and user@localhost and root@10.0.0.1".to_owned(), vec![("IP_ADDRESS", "10.0.0.1")]),
        ("card 4111 1111 1111 1111.".to_owned(), vec![("CREDIT_CARD", "4111 1111 1111 1111")]),
        ("card 4111-1111-1111-1112.".to_owned(), vec![]),
        (
            "378282246310005,5555555555554444".to_owned(),
            vec![("CREDIT_CARD", "378282246310005"), ("CREDIT_CARD", "5555555555554444")],
        ),
        ("0.4111111111111111 41111111111111110".to_owned(), vec![]),
        ("no 1234567812345670 issuer".to_owned(), vec![]),
        (
            "GB33BUKB20201555555555 gb33 bukb 2020 1555 5555 55".to_owned(),
            vec![("IBAN_CODE", "GB33BUKB20201555555555"), ("IBAN_CODE", "gb33 bukb 2020 1555 5555 55")],
        ),
        ("GB33BUKB20201555555556 XX33BUKB20201555555555 xGB33BUKB20201555555555".to_owned(), vec![]),
        (
            "ssn 123-45-6789 987-65-4321 000-12-3456 123-00-4567 123-45-0000 666-12-3456".to_owned(),
            vec![("US_SSN", "123-45-6789")],
        ),
        ("AKIAIOSFODNN7EXAMPLE".to_owned(), vec![("aws-access-token", "AKIAIOSFODNN7EXAMPLE")]),
        ("TODAYINASIAASACKOFRICEFELLOVER AKIAXXXXXXXXXXXXXXXX".to_owned(), vec![]),
        ("gho_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx task-abcdefghijklmnopqrstuvwxyz0123456789".to_owned(), vec![]),
        (format!("ghp_{}", b(35)), vec![]),
        (format!("the key sk-ant-api03-{}!", b(95)), vec![("anthropic-api-key", "sk-ant-api03-")]),
        (format!("sk-{} sk-proj-{}", b(48), b(40)), vec![("openai-api-key", "sk-a"), ("openai-api-key", "sk-proj-")]),
        ("-----BEGIN PRIVATE KEY-----\nanything\n-----END PRIVATE KEY-----".to_owned(), vec![]),
        (format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", b(64)), vec![]),
        (format!("x -----begin openssh private key-----\n{}\n", b(64)), vec![("private-key", "-----begin")]),
        ("ordinary text that asks the desk for keys, e.g. eye, SKU-1234567, 12:30, 3.14159265358979".to_owned(), vec![]),
    ];
    for (text, expected) in facts {
        let hits = Scanners::all().scan(&text);
        let found: Vec<(&str, &str)> = hits.iter().map(|hit| (hit.kind.as_str(), &text[hit.span.start..hit.span.end])).collect();
        assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
        for ((kind, value), (expected_kind, expected_value)) in found.iter().zip(expected) {
            assert_eq!(*kind, expected_kind, "{text}");
            assert!(value.starts_with(expected_value), "{text}: {value}");
        }
    }
}

/// The first digits that issuers use, and the ones beside them, with every length.
#[test]
fn cards_have_an_issuer_and_its_length() {
    let long: Vec<usize> = (16..=19).collect();
    let diners: Vec<usize> = (14..=19).collect();
    let maestro: Vec<usize> = (13..=19).collect();
    let issuers: [(&[&str], &[usize]); 8] = [
        (&["40", "49"], &[13, 16, 19]),
        (&["51", "55", "2221", "2720"], &[16]),
        (&["34", "37"], &[15]),
        (&["300", "305", "3095", "36", "38", "39"], &diners),
        (&["3528", "3589", "6011", "644", "649", "650", "659", "62", "8100", "8171"], &long),
        (&["5018", "5020", "5038", "5893"], &maestro),
        (&["6304", "6759", "6761", "6763"], &maestro),
        (
            &[
                "0", "1", "2220", "2721", "306", "3094", "33", "35270", "3590", "50190", "56", "6010", "643", "66", "6760",
                "6764", "7", "8099", "8172", "9",
            ],
            &[],
        ),
    ];
    let mut random = Random::new(13);
    for (heads, lengths) in issuers {
        for head in heads {
            for length in 12..=20 {
                let number = luhn(&format!("{head}{}", random.string(DIGITS, length - 1 - head.len())));
                let expected = if lengths.contains(&length) { vec!["CREDIT_CARD".to_owned()] } else { vec![] };
                assert_eq!(kinds(&Scanners::all(), &format!("no {number}.")), expected, "{number}");
            }
        }
    }
}

#[test]
fn ibans_have_their_country_and_its_length() {
    let mut random = Random::new(14);
    assert!(oracle::COUNTRIES.len() > 80);
    for (country, length) in oracle::COUNTRIES.iter() {
        for other in [length - 1, *length, length + 1] {
            let value = iban(&mut random, country, other);
            let hits = Scanners::all().scan(&value);
            let found = hits.iter().any(|hit| hit.kind.as_str() == "IBAN_CODE");
            assert_eq!(found, other == *length, "{value}");
        }
    }
}

/// What an allowed match hides behind: a token inside of an allowed e-mail address is redacted all the same.
#[test]
fn an_allowed_match_shields_nothing() {
    let token = planted("github-pat", &mut Random::new(12));
    let text = format!("write to {token}@example.com and jane.{token}@example.com now");
    let hits = Scanners::all().scan(&text);
    assert_eq!(hits.len(), 2);
    assert!(hits.iter().all(|hit| hit.parts.len() == 2));
    let facts: [(&[&str], &str); 4] = [
        (&[], "write to [redacted:github-pat]@example.com and jane.[redacted:github-pat]@example.com now"),
        (&["both:redact:pii"], "write to [redacted:github-pat] and [redacted:EMAIL_ADDRESS] now"),
        (&["both:redact:pii", "both:allow:secret"], "write to [redacted:EMAIL_ADDRESS] and [redacted:EMAIL_ADDRESS] now"),
        (&["both:allow:secret"], &text),
    ];
    for (set, expected) in facts {
        let released = redact_text(&text, &hits, &duties(set), Side::Request).unwrap();
        assert_eq!(released.as_deref().unwrap_or(&text), expected, "{set:?}");
    }
    let denied = redact_text(&text, &hits, &duties(&["request:deny:github-pat"]), Side::Request).unwrap_err();
    assert_eq!(denied.kind.as_str(), "github-pat");
    assert!(redact_text(&text, &hits, &duties(&["response:deny:github-pat"]), Side::Request).is_ok());
}

/// Each of these takes minutes when a step is quadratic.
#[test]
fn hostile_texts_cost_linear_time() {
    let scanners = Arc::new(Scanners::all());
    let duties = Arc::new(duties(&["both:mask:pii", "both:mask:secret"]));
    for scrap in [
        "sk-proj-",
        "ghp_",
        "SG.",
        "ey",
        "eyJhbGciOi",
        "ey.",
        "AIza",
        "github_pat_",
        "-",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----AAAAAAAAAAAAAAAAAAAAAAAA",
        "-----END ",
        "@",
        "a@",
        "a@b.co",
        "a@b.co ",
        "1",
        "1 ",
        "4111 ",
        "123-45-6789",
        "GB",
        "GB33 ",
        "xoxb-1",
        "pcl_",
        "a",
        "é",
        "hooks.slack.com/services/",
        ".",
        "a.",
        "1.",
        "1.1.1.1",
        "a.com ",
        "https://",
        ":",
        "1:",
        "::1",
        "+",
        "+1 ",
        "(1)",
        "12-",
        "phone 123456 ",
        "123456789 ",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa ",
        "A1<",
        "May 1 ",
        "AB 1 ",
        "api_key=1",
        "api_key=a1b2c3d4e5f6=",
        "discord: ",
        "password=\"a1",
        "kind:secret data: a1 ",
        "curl -u a1:",
        "123456789012345|",
        "1-",
        "=a1",
        "twitter twitter 1,",
    ] {
        let text = scrap.repeat(400_000 / scrap.len());
        let hits = scanners.scan(&text);
        assert!(redact_text(&text, &hits, &duties, Side::Request).is_ok());
        let cut: Vec<&str> = text
            .char_indices()
            .step_by(16)
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
            .windows(2)
            .map(|pair| &text[pair[0]..pair[1]])
            .collect();
        run_lane(&scanners, &duties, cut);
    }
}
