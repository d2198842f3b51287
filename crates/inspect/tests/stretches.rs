//! Text in disguise in a text that arrives in pieces: the same is found however it is cut, nothing more is held than said, prose
//! flows.

#![cfg(test)]

mod common;

use std::sync::Arc;

use common::texts::{Random, jwt, pem, planted};
use common::{Passed, duties, run_lane, run_reading_lane};
use inspect::{Lane, MAX_DISGUISED, Scanners};
use model::{Duties, Side};
use text::evasion;

/// Cut in two, so that no scanner of other people's stops here.
const KEY: [&str; 2] = ["AKIA", "Q3EGRVYP2TQ7XN5K"];
const PROSE: &str = "They asked the desk to keep every key in boxes, then the ghost of the skipper sold three dozen eyes. ";

fn written(name: &str, text: &str) -> String {
    let (_, write) = evasion::all().iter().find(|(known, _)| *known == name).unwrap();
    write(text)
}

fn letters(text: &str) -> Vec<String> {
    text.chars().map(String::from).collect()
}

fn pieces(text: &str, length: usize) -> Vec<String> {
    letters(text).chunks(length).map(<[String]>::concat).collect()
}

fn run(duties: &Arc<Duties>, pieces: &[String]) -> Passed {
    run_reading_lane(&Arc::new(Scanners::all()), duties, pieces.iter().map(String::as_str))
}

#[test]
fn a_key_in_disguise_leaves_no_trace() {
    let key = KEY.concat();
    for (name, write) in evasion::all().iter().filter(|(name, _)| *name != "leet") {
        let disguised = write(&key);
        let text = format!("{PROSE}Here it is: {disguised} and that is all. {PROSE}");
        for length in [1, 5, 64, text.len()] {
            let Passed { text: released, .. } = run(&Arc::default(), &pieces(&text, length));
            assert!(released.contains("[redacted:aws-access-token]"), "{name} {length}: {released}");
            assert!(released.starts_with(PROSE) && released.ends_with(PROSE), "{name}: {released}");
            let half = disguised.get(..disguised.floor_char_boundary(disguised.len() / 2)).unwrap();
            assert!(!released.contains(half), "{name} {length}: {released}");
        }
    }
}

#[test]
fn it_does_not_matter_where_a_text_is_cut() {
    let mut random = Random::new(41);
    let acts = [Arc::default(), Arc::new(duties(&["both:redact:pii"])), Arc::new(duties(&["both:mask:pii", "both:mask:secret"]))];
    let kinds = ["aws-access-token", "EMAIL_ADDRESS", "IBAN_CODE", "CREDIT_CARD", "github-pat", "PHONE_NUMBER", "US_SSN"];
    for round in 0..60 {
        let mut text = String::new();
        for _ in 0..random.below(8) {
            let value = planted(random.pick::<&str>(&kinds), &mut random);
            let (_, write) = random.pick(evasion::all());
            let around = [" ", "\n", "", "\u{4e2d}", " <b>", " a b c d e f g ", "é", &PROSE.repeat(random.below(20))];
            text.push_str(random.pick::<&str>(&around));
            text.push_str(&write(&value));
            text.push_str(random.pick::<&str>(&around));
        }
        let acts = &acts[round % acts.len()];
        let whole = run(acts, &[text.clone()]);
        for length in [1, 3, 17, 300, 1500] {
            assert_eq!(run(acts, &pieces(&text, length)), whole, "{length} {text}");
        }
        // What is found as it stands is found all the same.
        let plain = run_lane(&Arc::new(Scanners::all()), acts, [text.as_str()]);
        for hit in plain.hits {
            let is_covered = |(_, start, end): &&(String, usize, usize)| *start <= hit.1 && hit.2 <= *end;
            assert!(whole.hits.iter().find(is_covered).is_some(), "{hit:?} {text}");
        }
    }
}

/// A block is longer than what is held: it is read by halves, each key in one of them, wherever it stands.
#[test]
fn a_long_block_hides_nothing() {
    let key = KEY.concat();
    for name in ["base64", "base64url", "base32", "hex", "url", "entities-hex", "hex-pairs", "zero-width", "spaced"] {
        for before in (0..1700).step_by(113) {
            let inside = format!("{} {key} {}", "lorem ipsum dolor ".repeat(100).get(..before).unwrap(), "sit amet ".repeat(200));
            let text = format!("{PROSE}see {}. {PROSE}", written(name, &inside));
            let Passed { text: released, .. } = run(&Arc::default(), &pieces(&text, 97));
            assert!(released.contains("[redacted:aws-access-token]"), "{name} {before}");
            assert!(released.ends_with(PROSE) && released.len() * 2 > text.len(), "{name} {before}: {released}");
        }
    }
}

/// What has no end in one part of a block goes on in the next: a private key, encoded as a whole.
#[test]
fn what_is_longer_than_a_part_is_swallowed_to_the_end() {
    let mut random = Random::new(43);
    let key = pem(&mut random, 2600);
    for name in ["base64", "hex", "base32"] {
        let text = format!("{PROSE}take {} as it is. {PROSE}", written(name, &key));
        let Passed { text: released, .. } = run(&Arc::default(), &pieces(&text, 33));
        assert!(released.contains("[redacted:private-key]") && released.ends_with(PROSE), "{name}: {released}");
        assert!(released.len() < 2 * PROSE.len() + 200, "{name}: {released}");
    }
}

/// A key that is longer than a part as it stands ends where it ends.
#[test]
fn prose_behind_a_long_key_stays() {
    let mut random = Random::new(44);
    for key in [jwt(&mut random, 8000), pem(&mut random, 4096), pem(&mut random, 9000)] {
        let text = format!("Use {key} now, please. {PROSE}");
        let plain = run_lane(&Arc::new(Scanners::all()), &Arc::default(), [text.as_str()]);
        assert!(plain.text.ends_with(&format!("] now, please. {PROSE}")));
        for length in [1, 100, text.len()] {
            assert_eq!(run(&Arc::default(), &pieces(&text, length)).text, plain.text);
        }
    }
}

#[test]
fn what_is_held_is_bounded() {
    let scanners = Arc::new(Scanners::all());
    let texts = [
        "c2VjcmV0".repeat(9000),
        "4 ".repeat(9000),
        " ".repeat(9000),
        "<a ".repeat(9000),
        "<!-- ".repeat(9000),
        "\u{200B}".repeat(9000),
        "a=b ".repeat(9000),
        "ж".repeat(9000),
        "\u{FF21}".repeat(9000),
        format!("{} word word ", "x1".repeat(30)).repeat(300),
    ];
    for text in texts {
        let mut lane = Lane::new(Arc::clone(&scanners), Arc::default(), Side::Response).with_readings();
        for piece in pieces(&text, 7) {
            let range = lane.push(&piece);
            assert!(lane.held() <= MAX_DISGUISED, "{} of {:?}", lane.held(), text.get(..12));
            assert!(range.end - lane.stable() <= u64::try_from(MAX_DISGUISED).unwrap());
        }
    }
}

/// Words of prose leave one by one, in several languages; what has digits waits for the two words behind it.
#[test]
fn prose_flows() {
    let text = "They asked the desk to keep every key as in GB or DE; it is up to us, at noon, isn’t it? Übrigens: été, où ça. \
                Ключи лежат у двери, а не здесь. 中文字符也没问题。 日本語のテキストです。 Nobody knows \u{2014} not even me.";
    let mut lane = Lane::new(Arc::new(Scanners::all()), Arc::new(duties(&["both:mask:pii"])), Side::Response).with_readings();
    let mut at = 0;
    for character in text.chars() {
        lane.push(character.encode_utf8(&mut [0; 4]));
        at += character.len_utf8();
        let words: Vec<&str> = text.get(..at).unwrap().rsplitn(4, ' ').collect();
        let most: usize = words.iter().take(3).map(|word| word.len() + 1).sum();
        assert!(lane.held() <= most, "{} held behind {:?}", lane.held(), text.get(..at));
    }
    let number = "and then there were 4096 boxes left ";
    lane.push(number);
    assert_eq!(lane.held(), 0, "two words behind the number have ended");
}
