//! However a text is cut, a lane releases what the page says of the whole text.

#![cfg(test)]
#![expect(clippy::string_slice, reason = "a test may fail by panicking")]

mod common;

use std::sync::Arc;

use common::texts::{Random, clue_and_value, jwt, mixed, pem, planted, words};
use common::{Passed, duties, oracle, run_lane};
use inspect::{Lane, MAX_HELD, MAX_UNDECIDED, Scanners, redact_text};
use model::{Duties, Side};

fn duty_sets() -> Vec<Arc<Duties>> {
    let sets: [&[&str]; 5] = [
        &[],
        &["both:redact:pii"],
        &["both:mask:pii", "both:mask:secret"],
        &["both:mask:pii", "both:allow:jwt", "both:redact:CREDIT_CARD", "both:mask:github-pat", "both:allow:openai-api-key"],
        &[
            "both:redact:pii",
            "response:deny:US_SSN",
            "response:deny:github-pat",
            "both:deny:private-key",
            "both:mask:EMAIL_ADDRESS",
        ],
    ];
    sets.iter().map(|set| Arc::new(duties(set))).collect()
}

fn pieces<'t>(text: &'t str, cuts: &[usize]) -> Vec<&'t str> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([text.len()]) {
        let cut = text.floor_char_boundary(cut).max(from);
        pieces.push(&text[from..cut]);
        from = cut;
    }
    pieces
}

fn one_byte_cuts(text: &str) -> Vec<usize> {
    (1..text.len()).collect()
}

/// The released text of a cut stream is the whole text's, or a beginning of it if something is denied.
fn check_cut(
    scanners: &Arc<Scanners>,
    duties: &Arc<Duties>,
    text: &str,
    cuts: &[usize],
    expected: &Result<String, String>,
    hits: &[(String, usize, usize)],
) {
    let Passed { text: released, denied, hits: seen } = run_lane(scanners, duties, pieces(text, cuts));
    match expected {
        Ok(expected) => {
            assert_eq!(denied, None, "{text:?} {cuts:?}");
            assert_eq!(&released, expected, "{text:?} {cuts:?} {duties:?}");
            assert_eq!(seen, hits, "{text:?} {cuts:?}");
        }
        Err(kind) => assert_eq!(denied.as_ref(), Some(kind), "{text:?} {cuts:?} {duties:?}"),
    }
}

fn check_text(scanners: &Arc<Scanners>, sets: &[Arc<Duties>], text: &str, random: &mut Random, all_cuts: bool) {
    let found = scanners.scan(text);
    let mut hits: Vec<(String, usize, usize)> = found
        .iter()
        .flat_map(inspect::Hit::matches)
        .map(|(kind, _, span)| (kind.as_str().to_owned(), span.start, span.end))
        .collect();
    hits.sort();
    let mut expected_hits: Vec<_> =
        oracle::matches(text).into_iter().map(|(kind, start, end)| (oracle::KINDS[kind].clone(), start, end)).collect();
    expected_hits.sort();
    assert_eq!(hits, expected_hits, "{text:?}");
    for duties in sets {
        let expected = oracle::redact(text, duties);
        let whole = redact_text(text, &found, duties, Side::Response);
        assert_eq!(whole.map(|text| text.is_some()).is_err(), expected.is_err());
        let whole = redact_text(text, &found, duties, Side::Response);
        let whole =
            whole.map(|changed| changed.unwrap_or_else(|| text.to_owned())).map_err(|denied| denied.kind.as_str().to_owned());
        assert_eq!(whole, expected, "{text:?} {duties:?}");
        check_cut(scanners, duties, text, &[], &expected, &hits);
        check_cut(scanners, duties, text, &one_byte_cuts(text), &expected, &hits);
        if all_cuts {
            for cut in 1..text.len() {
                check_cut(scanners, duties, text, &[cut], &expected, &hits);
            }
        }
        for _ in 0..6 {
            let mut cuts: Vec<usize> = (0..random.below(12)).map(|_| random.below(text.len() + 1)).collect();
            cuts.sort_unstable();
            check_cut(scanners, duties, text, &cuts, &expected, &hits);
        }
    }
}

#[test]
fn every_cut_releases_the_same_text() {
    let scanners = Arc::new(Scanners::all());
    let sets = duty_sets();
    let mut random = Random::new(1);
    for _ in 0..300 {
        let text = mixed(&mut random, &oracle::KINDS);
        check_text(&scanners, &sets, &text, &mut random, true);
    }
}

/// A text that is looked at step by step holds what it holds; every step is told.
#[test]
fn a_scan_that_tells_how_far_it_is_finds_the_same() {
    let scanners = Scanners::all();
    let mut random = Random::new(12);
    for _ in 0..60 {
        let text = mixed(&mut random, &oracle::KINDS);
        let whole = format!("{:?}", scanners.scan_whole(&text));
        for step in [1, 7, 64, text.len().max(1), usize::MAX] {
            let mut told = Vec::new();
            let found = scanners.scan_whole_telling(&text, step, &mut |bytes| told.push(bytes));
            assert_eq!(format!("{found:?}"), whole, "{step} {text:?}");
            assert!(told.is_sorted() && told.last().is_none_or(|last| *last == text.len()), "{step} {told:?}");
            // A character is never cut, so a step may be told twice.
            assert!(told.is_empty() || told.len() == text.len().div_ceil(step).max(1), "{step} {}: {told:?}", text.len());
        }
    }
}

#[test]
fn many_more_texts_cut_at_random() {
    let scanners = Arc::new(Scanners::all());
    let sets = duty_sets();
    let mut random = Random::new(2);
    for _ in 0..700 {
        let text = mixed(&mut random, &oracle::KINDS);
        check_text(&scanners, &sets, &text, &mut random, false);
    }
}

/// Long enough that the lane lets go of spent text again and again.
#[test]
fn long_texts_are_followed_to_their_end() {
    let scanners = Arc::new(Scanners::all());
    let mut random = Random::new(8);
    let bounded: Vec<String> = oracle::KINDS.iter().filter(|kind| *kind != "private-key").cloned().collect();
    for _ in 0..6 {
        let mut text = String::new();
        while text.len() < 12_000 {
            text.push_str(&mixed(&mut random, &bounded).replace("-----", "--"));
            text.push_str(&"1.4111111111111111 xghp_ aAKIA é ".repeat(random.below(4)));
        }
        for duties in duty_sets() {
            let expected = oracle::redact(&text, &duties);
            for longest in [1, 4, 40, 1500] {
                let mut cuts = vec![0];
                while let Some(last) = cuts.last().copied().filter(|last| *last < text.len()) {
                    cuts.push(last + 1 + random.below(longest));
                }
                let Passed { text: released, denied, .. } = run_lane(&scanners, &duties, pieces(&text, &cuts[..cuts.len() - 1]));
                match &expected {
                    Ok(expected) => assert!(released == *expected, "{longest} {duties:?}\n{text}"),
                    Err(kind) => assert_eq!(denied.as_ref(), Some(kind)),
                }
            }
        }
    }
}

/// Left boundaries hold across text that the lane has let go of. Without the e-mail scanner nothing else keeps that text.
#[test]
fn boundaries_outlive_spent_text() {
    let scanners = Arc::new(Scanners::all().without(&["EMAIL_ADDRESS"]));
    let duties = Arc::new(duties(&["both:redact:pii"]));
    let mut random = Random::new(9);
    for scrap in
        ["1.4111111111111111 ", "xAKIAABCDEFGHIJ234567 ", "é4111111111111111 ", "1GB33BUKB20201555555555 ", "9123-45-6789 "]
    {
        let text = scrap.repeat(20_000 / scrap.len());
        let expected = redact_text(&text, &scanners.scan(&text), &duties, Side::Response).unwrap();
        assert_eq!(expected.is_some(), scrap.starts_with('é'));
        for longest in [1, 2, 7] {
            let cuts: Vec<usize> = (1..text.len()).filter(|_| random.below(longest) == 0).collect();
            assert_eq!(run_lane(&scanners, &duties, pieces(&text, &cuts)).text, *expected.as_ref().unwrap_or(&text), "{scrap}");
        }
    }
}

#[test]
fn awkward_texts() {
    let scanners = Arc::new(Scanners::all());
    let mut random = Random::new(3);
    let local = "a".repeat(70);
    let domain = ["b".repeat(60), "c".repeat(60), "d".repeat(60), "e".repeat(60), "fg".repeat(20)].join(".");
    let header = "x".repeat(500);
    let token = planted("github-pat", &mut random);
    let texts = [
        format!("{local}@{domain}.com"),
        format!("{local}@b.co"),
        format!("a@{domain}"),
        format!("{token}@example.com"),
        format!("a.{token}@example.com"),
        format!("{token}@{domain}"),
        format!("x{token}.{token}@{token}.com"),
        "a@b.co@c.co@d.co@e.co@f.co and 4111 1111 1111 1111 1111 1111".to_owned(),
        format!("eyx{header}.ey{header}"),
        format!("eyx{header}{header}.ey{header}"),
        format!("ey{}.ey{header}", "y".repeat(512)),
        format!("ey{}.ey{header}", "y".repeat(513)),
        format!("eyJhbGciOi{header}@example.com"),
        format!("-----BEGIN {}PRIVATE KEY-----{}ABCDEFGHIJKLMNOPQRST-----END X-----", "A".repeat(117), "\n".repeat(492)),
        format!("-----BEGIN {}PRIVATE KEY-----{}ABCDEFGHIJKLMNOPQRST-----END X-----", "A".repeat(118), "\n".repeat(492)),
        format!("-----BEGIN PRIVATE KEY-----{}ABCDEFGHIJKLMNOPQRST-----END X-----", "\n".repeat(493)),
        format!(
            "-----BEGIN PRIVATE KEY-----\nABCDEFGHIJKLMNOPQRST -----END {}------END {} -----END Y------",
            "Z".repeat(129),
            "é"
        ),
        "-----BEGIN PRIVATE KEY-----\nABCDEFGHIJKLMNOPQRST and a@b.co never ends é".to_owned(),
        format!("-----BEGIN PRIVATE KEY-----END X-----\n{} and after", "Z".repeat(30)),
        format!(
            "-----BEGIN PRIVATE KEY-----\n{0}\n-----END PRIVATE KEY-----BEGIN PRIVATE KEY-----\n{0}\n-----END A----- b",
            "Z".repeat(30)
        ),
        format!("{0}-----END {1}{0}-----END {1} and after", "-----BEGIN PRIVATE KEY", "Z".repeat(30)),
        format!("{token}ghp_{}", &token[4..]),
        format!("{token}{token}{token}"),
        format!("{0}{1}{0}{1} {0}", "hooks.slack.com/services/", "T0B1x/".repeat(7)),
        format!("https://{0}{1}{0}{1}", "hooks.slack.com/services/", "T0B1x/".repeat(7)),
        "4111111111111111-4111111111111111 4111111111111111".to_owned(),
        "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0".to_owned(),
        "4".repeat(60),
    ];
    for text in &texts {
        check_text(&scanners, &duty_sets(), text, &mut random, true);
    }
}

#[test]
fn a_mask_ends_at_its_limit() {
    let scanners = Arc::new(Scanners::all());
    let duties = Arc::new(duties(&["both:mask:secret"]));
    for (length, expected) in [(16_384, format!("<{}abcd>", "*".repeat(16_380))), (16_385, "<[redacted:jwt]>".to_owned())] {
        let text = format!("<eyJhbGciOi{}abcd>", "x".repeat(length - 14));
        assert_eq!(oracle::redact(&text, &duties).as_ref(), Ok(&expected));
        assert_eq!(redact_text(&text, &scanners.scan(&text), &duties, Side::Request).unwrap().as_ref(), Some(&expected));
        for step in [5, 1000, 16_385, 20_000] {
            let cuts: Vec<usize> = (1..text.len()).step_by(step).collect();
            assert!(run_lane(&scanners, &duties, pieces(&text, &cuts)).text == expected, "{length} {step}");
        }
    }
}

/// An 8 KB JWT and a 4 KB key, longer ones, and one that a mask does not cover any more.
#[test]
fn long_secrets_leave_nothing() {
    let scanners = Arc::new(Scanners::all());
    let mut random = Random::new(4);
    for (bytes, secret) in [(8192, true), (4096, false), (16_100, true), (16_384, true), (40_000, false)] {
        let secret = if secret { jwt(&mut random, bytes) } else { pem(&mut random, bytes) };
        let text = format!("before {secret} after, jane@example.com");
        for duties in duty_sets() {
            let expected = oracle::redact(&text, &duties);
            for step in [if bytes < 9000 { 1 } else { 7 }, 700, 9000] {
                let cuts: Vec<usize> = (1..text.len()).step_by(step).collect();
                let Passed { text: released, denied, .. } = run_lane(&scanners, &duties, pieces(&text, &cuts));
                match &expected {
                    Ok(expected) => assert!(released == *expected, "{bytes} {step}"),
                    Err(kind) => {
                        assert_eq!(denied.as_ref(), Some(kind));
                        assert!("before ".starts_with(&released));
                    }
                }
            }
        }
    }
}

#[test]
fn nothing_of_a_planted_secret_is_released() {
    let scanners = Arc::new(Scanners::all());
    let duties = Arc::new(duties(&["both:redact:pii"]));
    let mut random = Random::new(5);
    for kind in oracle::KINDS.iter() {
        for _ in 0..20 {
            let (clue, value) = clue_and_value(kind, &mut random);
            let text = format!("look: \"{clue}{value}\" that is all");
            for cut in 0..text.len() {
                let Passed { text: released, .. } = run_lane(&scanners, &duties, pieces(&text, &[cut]));
                assert_eq!(released, format!("look: \"{clue}{}[redacted:{kind}]\" that is all", words(kind)), "{text}");
            }
        }
    }
}

/// A denied match: nothing from its start on, whatever the cut; what stands before it may go out.
#[test]
fn a_denied_match_stops_the_lane() {
    let scanners = Arc::new(Scanners::all());
    let duties = Arc::new(duties(&["both:deny:secret", "both:redact:pii"]));
    let mut random = Random::new(6);
    for kind in oracle::KINDS.iter().filter(|kind| kind.chars().all(|character| !character.is_ascii_uppercase())) {
        let (clue, value) = clue_and_value(kind, &mut random);
        let text = format!("a jane@example.com {clue}{value} more of it");
        let start = scanners.scan(&text).iter().find(|hit| hit.kind.as_str() == kind).unwrap().span.start;
        for cut in 0..text.len() {
            let mut lane = Lane::new(Arc::clone(&scanners), Arc::clone(&duties), Side::Request);
            let mut ranges = Vec::new();
            for piece in pieces(&text, &[cut]) {
                ranges.push(lane.push(piece));
                assert!(lane.stable() <= u64::try_from(start).unwrap());
            }
            lane.finish();
            assert_eq!(lane.denied().map(model::FindingKind::as_str), Some(kind.as_str()));
            assert!(lane.stable() <= u64::try_from(start).unwrap());
            let released: String = ranges.into_iter().filter_map(|range| lane.take(range)).map(|piece| piece.text).collect();
            assert!(format!("a [redacted:EMAIL_ADDRESS] {clue}").starts_with(&released), "{released}");
            assert_eq!(lane.held(), 0);
        }
    }
}

#[test]
fn held_bytes_are_bounded() {
    let scanners = Arc::new(Scanners::all());
    let mut random = Random::new(7);
    let mut worst = [0, 0];
    let masked = Arc::new(duties(&["both:mask:secret", "both:mask:pii"]));
    let redacted = Arc::new(duties(&["both:redact:pii"]));
    let mut texts: Vec<String> = (0..300).map(|_| mixed(&mut random, &oracle::KINDS)).collect();
    texts.push(jwt(&mut random, 60_000));
    texts.push(pem(&mut random, 60_000));
    texts.push("a@b.co".repeat(10_000));
    texts.push("a".repeat(40_000));
    texts.push("-----BEGIN PRIVATE KEY-----\n".repeat(1000));
    texts.push(format!("-----BEGIN {}PRIVATE KEY-----{}", "A".repeat(117), " a".repeat(1000)));
    texts.push(format!("ey{}", "z".repeat(4000)));
    texts.push(format!("a@{}", "b.".repeat(4000)));
    texts.push("4 ".repeat(4000));
    for text in &texts {
        for (place, duties) in [&redacted, &masked].into_iter().enumerate() {
            let mut lane = Lane::new(Arc::clone(&scanners), Arc::clone(duties), Side::Response);
            for piece in pieces(text, &(1..text.len()).step_by(3).collect::<Vec<_>>()) {
                let range = lane.push(piece);
                worst[place] = lane.held().max(worst[place]);
                assert!(range.end - lane.stable() <= u64::try_from(MAX_HELD).unwrap());
            }
        }
    }
    assert!(worst[0] <= MAX_UNDECIDED, "{worst:?}");
    assert!(worst[1] <= MAX_HELD && worst[1] > 16_000, "{worst:?}");
}

/// Prose flows: never more than the current word is held.
#[test]
fn prose_is_held_by_the_word() {
    let text = "They asked the desk to keep every key in 12 boxes, as in GB or DE; then, at 10:45, the ghost of the skipper sold 3 \
                dozen eyes. Übrigens: été, 中文字符也没问题. Type names like AKIRA, SKILL or hfx, e.g. on page 42 of 100.";
    let mut lane = Lane::new(Arc::new(Scanners::all()), Arc::new(duties(&["both:mask:pii"])), Side::Response);
    let mut at = 0;
    for character in text.chars() {
        lane.push(character.encode_utf8(&mut [0; 4]));
        at += character.len_utf8();
        let word = text[..at]
            .chars()
            .rev()
            .take_while(|character| character.is_ascii_alphanumeric() || "-._:".contains(*character))
            .count();
        let number = usize::from(text[..at].ends_with(' ')) * 3;
        assert!(lane.held() <= word.max(number), "{} held behind {:?}", lane.held(), &text[..at]);
    }
}

#[test]
fn pieces_come_in_order_and_once() {
    let mut lane = Lane::new(Arc::new(Scanners::all()), Arc::new(Duties::default()), Side::Response);
    let (first, second, empty) = (lane.push("one "), lane.push("two "), lane.push(""));
    assert_eq!((first.clone(), second.clone(), empty.clone()), (0..4, 4..8, 8..8));
    assert_eq!(lane.take(second.clone()), None);
    assert_eq!(lane.take(first.clone()).unwrap().text, "one ");
    assert_eq!(lane.take(first), None);
    assert_eq!(lane.take(second).unwrap().text, "two ");
    assert_eq!(lane.take(empty).unwrap().text, "");
    let word = lane.push("word");
    assert_eq!(lane.take(word.clone()), None);
    lane.finish();
    assert!(!lane.take(word).unwrap().changed);
    let late = lane.push("late");
    lane.finish();
    assert_eq!(lane.take(late), None);
}
