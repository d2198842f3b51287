//! Whatever way of writing hides a key or an address from a plain scan: the readings of the text find it, of a whole one and of
//! one that arrives in pieces.

#![cfg(test)]

mod common;

use std::sync::Arc;

use common::texts::{Random, planted};
use common::{context, run_reading_lane};
use inspect::Scanners;
use model::{FindingGroup, FindingKind, Span};
use text::evasion;

/// Values of each kind under each transform.
const TIMES: usize = 6;

/// What tells a kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Its own form: tokens, cards, accounts, addresses of mail.
    Itself,
    /// What stands before it.
    Context,
    /// Its form and words: other personal data.
    Words,
}

fn kinds(told: Told) -> Vec<FindingKind> {
    let by_context: Vec<String> = context::kinds().collect();
    let tells = |kind: &FindingKind, group| match kind.as_str() {
        context if by_context.iter().any(|known| known == context) => Told::Context,
        "CREDIT_CARD" | "IBAN_CODE" | "US_SSN" | "EMAIL_ADDRESS" => Told::Itself,
        _ if group == FindingGroup::Secret => Told::Itself,
        _ => Told::Words,
    };
    Scanners::kinds().into_iter().filter(|(kind, group)| tells(kind, *group) == told).map(|(kind, _)| kind).collect()
}

/// How a text comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comes {
    Whole,
    /// In pieces of so many characters.
    Streamed(usize),
}

/// Whether something of this kind was found that touches `span`.
fn finds(scanners: &Arc<Scanners>, comes: Comes, kind: &FindingKind, text: &str, span: &Span) -> bool {
    let touches = |start: usize, end: usize| start < span.end && span.start < end;
    match comes {
        Comes::Whole => {
            let hits = scanners.scan_layers(text);
            hits.iter().any(|hit| hit.matches().any(|(found, _, at)| found == kind && touches(at.start, at.end)))
        }
        Comes::Streamed(length) => {
            let characters: Vec<char> = text.chars().collect();
            let pieces: Vec<String> = characters.chunks(length).map(|piece| piece.iter().collect()).collect();
            let passed = run_reading_lane(scanners, &Arc::default(), pieces.iter().map(String::as_str));
            passed.hits.iter().any(|(found, start, end)| found == kind.as_str() && touches(*start, *end))
        }
    }
}

/// A text with a value written so, and where it stands.
fn embedded(value: &str) -> (String, Span) {
    let before = "Please keep this to yourself: ";
    (format!("{before}{value} is all I have."), Span { start: before.len(), end: before.len() + value.len() })
}

/// Random texts of the shape of a value that are looked at.
const SHAPES: usize = 1000;

/// Whether nobody can tell what a value is that is written so among plain words. Two rules, each of which says why:
///
/// - Moved or turned, a value of letters, digits, spaces, dots, dashes and slashes without a word before it is one more value of
///   that shape. If more than one in a thousand random texts of its shape is of its kind, so are one in a thousand numbers of
///   orders and parts, and to take them all would be wrong a thousand times.
/// - In leet, letters and digits of a value are the same digit. Of a value with a check over both (no other digit would do), what is
///   left does not say which value it was.
fn is_beyond_reading(scanners: &Arc<Scanners>, kind: &FindingKind, value: &str, transform: &str, random: &mut Random) -> bool {
    let is_of_kind = |value: &str| {
        let (text, span) = embedded(value);
        finds(scanners, Comes::Whole, kind, &text, &span)
    };
    match transform {
        "rot13" | "reversed" | "base64-reversed" | "spaced-reversed" => {
            let has_words = !common::texts::words(kind.as_str()).is_empty();
            let is_ordinary = |letter: char| letter.is_ascii_alphanumeric() || " .-/".contains(letter);
            let is_one = |_: &usize| is_of_kind(&of_shape(value, random));
            !has_words && value.chars().all(is_ordinary) && (0..SHAPES).filter(is_one).count() > SHAPES / 1000
        }
        "leet" => {
            let words = common::texts::words(kind.as_str());
            let bare = value.strip_prefix(words).unwrap_or(value);
            let is_changed = bare.contains(['o', 'i', 'e', 'a', 's', 't']);
            is_changed
                && (0..bare.len()).any(|at| other_digit(bare, at).is_some_and(|other| !is_of_kind(&format!("{words}{other}"))))
        }
        _ => false,
    }
}

/// A random text with digits and letters where `value` has them.
fn of_shape(value: &str, random: &mut Random) -> String {
    let classes = ["0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"];
    let class = |letter: char| classes.into_iter().find(|class| class.contains(letter));
    value.chars().map(|letter| class(letter).map_or(String::from(letter), |class| random.string(class, 1))).collect()
}

/// The value with another digit at this place, if one stands there.
fn other_digit(value: &str, at: usize) -> Option<String> {
    let digit = value.get(at..at + 1)?.parse::<u32>().ok()?;
    Some(format!("{}{}{}", value.get(..at)?, (digit + 1) % 10, value.get(at + 1..)?))
}

/// A transform; how many are found, of how many, alone and as a whole text; and the kinds of the others.
type Row = (&'static str, [usize; 2], [usize; 2], Vec<String>);

/// What of these kinds together is still found under each transform: first when the value alone is written so, then the whole text.
fn recall(kinds: &[FindingKind], comes: Comes, told: Told) -> Vec<Row> {
    let scanners = Arc::new(Scanners::all());
    let mut random = Random::new(29);
    let mut values = Vec::new();
    for kind in kinds {
        let found = std::iter::repeat_with(|| planted(kind.as_str(), &mut random)).take(TIMES).filter(|value| {
            let (text, span) = embedded(value);
            finds(&scanners, Comes::Whole, kind, &text, &span)
        });
        values.extend(found.collect::<Vec<_>>().into_iter().map(|value| (kind.clone(), value)));
    }
    assert!(values.len() * 10 > kinds.len() * TIMES * 9, "{} samples are found as they stand", values.len());
    let rows = evasion::all().iter().map(|(name, write)| {
        let (mut found, mut all) = ([0, 0], [values.len(); 2]);
        let mut lost = Vec::new();
        for (kind, value) in &values {
            // A text that is turned as a whole has turned words, which tell; one in leet has lost the value all the same.
            let is_left_out = told == Told::Words && is_beyond_reading(&scanners, kind, value, name, &mut random);
            let asked = [!is_left_out, !is_left_out || *name != "leet"];
            let (alone, span) = embedded(&write(value));
            let whole = write(&embedded(value).0);
            let everywhere = Span { start: 0, end: whole.len() };
            let are_found = [finds(&scanners, comes, kind, &alone, &span), finds(&scanners, comes, kind, &whole, &everywhere)];
            for place in 0..2 {
                found[place] += usize::from(asked[place] && are_found[place]);
                all[place] -= usize::from(!asked[place]);
                lost.extend((asked[place] && !are_found[place]).then(|| kind.as_str().to_owned()));
            }
        }
        lost.sort();
        lost.dedup();
        (*name, found, all, lost)
    });
    rows.collect()
}

/// Of a hundred values, how many are found at least under a transform: the value alone written so, and the whole text.
type Least = &'static [(&'static str, [usize; 2])];

/// How many values with words are left out at most under a transform, as [`is_beyond_reading`] says; none under the others.
const MOST_LEFT_OUT: &[(&str, usize)] =
    &[("rot13", 28), ("reversed", 30), ("base64-reversed", 30), ("spaced-reversed", 30), ("leet", 10)];

/// Checks every transform; 98 of a hundred where nothing else is said.
fn check(told: Told, comes: Comes, least: Least) {
    let mut failed = Vec::new();
    let rows = recall(&kinds(told), comes, told);
    let n_values = rows.iter().flat_map(|(_, _, all, _)| all).copied().max().unwrap();
    for (name, found, all, lost) in rows {
        println!("{name:20} {found:?} of {all:?}  {}", lost.join(" "));
        let least = least.iter().find(|(known, _)| *known == name).map_or([98, 98], |(_, least)| *least);
        let most = MOST_LEFT_OUT.iter().find(|(known, _)| *known == name && told == Told::Words).map_or(0, |(_, most)| *most);
        assert!(
            all.into_iter().all(|all| all > 0 && all + most >= n_values),
            "{name}: {all:?} of {n_values} values are asked for"
        );
        if found[0] * 100 < all[0] * least[0] || found[1] * 100 < all[1] * least[1] {
            failed.push((name, found, all));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn no_transform_hides_more_than_one_value_in_fifty() {
    check(Told::Itself, Comes::Whole, &[]);
}

/// How many of a hundred values with a clue are found at least under the transforms that hide more than two. In leet, letters of the
/// value are digits too, so it is a value of another form, or has too few different letters for one; and names of three or four
/// letters with more behind them (`5nykId`) are parts of too many words to be read.
const LEAST: Least = &[("leet", [95, 95])];

/// Of those that anybody could read: see [`is_beyond_reading`].
#[test]
fn numbers_with_words_are_read_as_far_as_they_can() {
    check(Told::Words, Comes::Whole, &[]);
}

/// A clue has to be found as well as its value.
#[test]
fn a_clue_is_read_as_its_value_is() {
    check(Told::Context, Comes::Whole, LEAST);
}

#[test]
fn a_stream_hides_no_more_than_a_text() {
    check(Told::Itself, Comes::Streamed(7), &[]);
    check(Told::Words, Comes::Streamed(3), &[]);
    check(Told::Context, Comes::Streamed(3), LEAST);
}
