//! `docs/SCANNERS.md` a second time: every offset, every rule, no state, nothing clever. The token rules are read from the page.

#![expect(clippy::string_slice, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use inspect::{Hit, Scanners};
use model::{Act, Duties, FindingGroup, FindingKind, Side};

use super::context;

pub(crate) const PAGE: &str = include_str!("../../../../docs/SCANNERS.md");

struct Row {
    kind: String,
    prefixes: Vec<String>,
    not_after: String,
    class: String,
    min: usize,
    distinct: usize,
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let rows =
        PAGE.lines().skip_while(|line| !line.starts_with("| kind | prefixes |")).skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Row> = rows
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            Row {
                kind: cells[1].to_owned(),
                prefixes: cells[2].split(' ').map(|prefix| prefix.trim_matches('`').to_owned()).collect(),
                not_after: cells[3].to_owned(),
                class: cells[4].to_owned(),
                min: cells[5].parse().unwrap(),
                distinct: cells[6].parse().unwrap(),
            }
        })
        .collect();
    assert!(rows.len() > 20, "the table of token rules was not found");
    rows
});

pub(crate) static COUNTRIES: LazyLock<Vec<(String, usize)>> = LazyLock::new(|| {
    let words = PAGE.split("Countries:").nth(1).unwrap().split("**").next().unwrap();
    let words = words.split_whitespace().map(|word| word.trim_end_matches('.'));
    words.map(|word| (word[..2].to_owned(), word[2..].parse().unwrap())).collect()
});

/// A prefix, the class and the length behind it that make a match of this kind.
pub(crate) fn example(kind: &str) -> Option<(&'static str, &'static str, usize)> {
    let row = ROWS.iter().find(|row| row.kind == kind)?;
    Some((row.prefixes.first()?, &row.class, row.min))
}

/// Kinds of personal data that this file knows.
const BOUNDED: [&str; 4] = ["CREDIT_CARD", "IBAN_CODE", "US_SSN", "EMAIL_ADDRESS"];

/// Kinds told by form and words. Their second implementation is `tests/oracle_pii.py`, which `tests/test_pii.py` holds against the
/// scanners; here they are what a scan of the whole text finds, which a lane has to find as well.
const PERSONAL: &str = "IP_ADDRESS DOMAIN_NAME PHONE_NUMBER DATE_OF_BIRTH CRYPTO PASSPORT US_DRIVER_LICENSE \
    US_ITIN US_NPI MEDICAL_LICENSE MEDICAL_RECORD DE_TAX_ID DE_ID_CARD FR_NIR IT_FISCAL_CODE ES_NIF ES_NIE \
    PL_PESEL RO_CNP NL_BSN BE_NATIONAL_NUMBER CZ_BIRTH_NUMBER SE_PERSONNUMMER PT_NIF GR_AMKA GR_AFM UK_NHS UK_NINO";

/// How many kinds of personal data there are.
pub(crate) fn n_pii() -> usize {
    BOUNDED.len() + PERSONAL.split_whitespace().count()
}

/// The kinds in the order of the rules.
pub(crate) static KINDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut kinds: Vec<String> = Vec::new();
    for row in ROWS.iter() {
        if row.kind == "portcullis-api-key" {
            kinds.push("private-key".to_owned());
        }
        if !kinds.contains(&row.kind) {
            kinds.push(row.kind.clone());
        }
    }
    kinds.extend(context::kinds());
    kinds.extend(BOUNDED.iter().map(|kind| (*kind).to_owned()));
    kinds.extend(PERSONAL.split_whitespace().map(str::to_owned));
    kinds
});

pub(crate) fn in_class(class: &str, byte: u8) -> bool {
    let character = char::from(byte);
    let alnum = character.is_ascii_alphanumeric();
    match class {
        "any" => false,
        "alnum" => alnum,
        "word" => alnum || "_".contains(character),
        "urlsafe" => alnum || "_-".contains(character),
        "hex" => character.is_ascii_hexdigit(),
        "upper" => character.is_ascii_uppercase() || character.is_ascii_digit(),
        "upper-" => character.is_ascii_uppercase() || character.is_ascii_digit() || character == '-',
        "alnum-" => alnum || "-".contains(character),
        "urlsafe." => alnum || "_-.".contains(character),
        "path" => alnum || "+/".contains(character),
        "sendgrid" => alnum || "_-=.".contains(character),
        "jwt" => alnum || "_-+/=.".contains(character),
        "second" => alnum || "_-/+".contains(character),
        "base64" => alnum || "+/=".contains(character),
        "digit" => character.is_ascii_digit(),
        "urlsafe=" => alnum || "_-=".contains(character),
        "teams" => alnum || "-@/".contains(character),
        "azure" => alnum || "_.~".contains(character),
        "azure-" => alnum || "_.~-".contains(character),
        "base64url" => alnum || "_-+/=".contains(character),
        "header" => alnum || "_-+/=.~@".contains(character),
        "alnum%" => alnum || "%".contains(character),
        "dash" => "_-".contains(character),
        "equals" => "=".contains(character),
        "visible" => character.is_ascii_graphic() && !"'\"`\\".contains(character),
        "label" => alnum || "_ ".contains(character),
        "local" => alnum || "._%+-".contains(character),
        "domain" => alnum || ".-".contains(character),
        other => panic!("the page names a class `{other}` that it does not define"),
    }
}

pub(crate) fn run(class: &str, bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| in_class(class, **byte)).count()
}

/// A match: the rule's number, start, end.
pub(crate) type Found = (usize, usize, usize);

fn number(kind: &str) -> usize {
    KINDS.iter().position(|known| known == kind).unwrap()
}

fn is_context(rule: usize) -> bool {
    static FIRST: LazyLock<usize> = LazyLock::new(|| number(&context::kinds().next().unwrap()));
    rule >= *FIRST && rule + n_pii() < KINDS.len()
}

/// Every match that counts, in no particular order.
pub(crate) fn matches(text: &str) -> Vec<Found> {
    static ALONE: LazyLock<Vec<usize>> = LazyLock::new(|| (0..KINDS.len()).filter(|number| !is_context(*number)).collect());
    let bytes = text.as_bytes();
    let mut all = BTreeSet::new();
    for start in 0..bytes.len() {
        all.extend(ALONE.iter().filter_map(|number| Some((*number, start, match_at(&KINDS[*number], bytes, start)?))));
    }
    let mut all = outermost(&all);
    let tokens: BTreeSet<usize> = all.iter().filter(|(number, ..)| is_token(*number)).map(|(_, start, _)| *start).collect();
    let mut by_context = BTreeSet::new();
    for start in (0..bytes.len()).filter(|start| !tokens.contains(start)) {
        by_context.extend(context::match_at(bytes, start).map(|(kind, end)| (number(kind), start, end)));
    }
    all.append(&mut outermost(&by_context));
    all.append(&mut outermost(&personal(text).into_iter().collect()));
    all
}

fn is_token(number: usize) -> bool {
    group(number) == FindingGroup::Secret && !is_context(number)
}

/// Without the matches that lie inside another one of the same rule.
fn outermost(all: &BTreeSet<Found>) -> Vec<Found> {
    let inside = |a: &Found, b: &Found| a != b && a.0 == b.0 && b.1 <= a.1 && a.2 <= b.2;
    all.iter().filter(|found| !all.iter().any(|other| inside(found, other))).copied().collect()
}

/// What a scan of the whole text finds of [`PERSONAL`].
fn personal(text: &str) -> Vec<Found> {
    static SCANNERS: LazyLock<Scanners> = LazyLock::new(|| {
        let others: Vec<&str> =
            KINDS.iter().map(String::as_str).filter(|kind| !PERSONAL.split_whitespace().any(|own| own == *kind)).collect();
        Scanners::all().without(&others)
    });
    let hits = SCANNERS.scan(text);
    hits.iter().flat_map(Hit::matches).map(|(kind, _, span)| (number(kind.as_str()), span.start, span.end)).collect()
}

fn match_at(kind: &str, bytes: &[u8], start: usize) -> Option<usize> {
    let before = start.checked_sub(1).map(|at| bytes[at]);
    let rest = &bytes[start..];
    match kind {
        "CREDIT_CARD" => card(bytes, start),
        "IBAN_CODE" => iban(bytes, start),
        "US_SSN" => ssn(bytes, start),
        "EMAIL_ADDRESS" => email(bytes, start),
        personal if PERSONAL.split_whitespace().any(|own| own == personal) => None,
        "private-key" => pem(rest).map(|length| start + length),
        kind => {
            let rows = ROWS.iter().filter(|row| row.kind == kind);
            let row = rows.filter_map(|row| token(row, before, rest)).next();
            let second = || if kind == "jwt" { segments(before, rest) } else { None };
            row.or_else(second).map(|length| start + length)
        }
    }
}

fn token(row: &Row, before: Option<u8>, rest: &[u8]) -> Option<usize> {
    if before.is_some_and(|byte| in_class(&row.not_after, byte)) {
        return None;
    }
    row.prefixes.iter().find_map(|prefix| {
        let body = rest.strip_prefix(prefix.as_bytes())?;
        let length = run(&row.class, body);
        let is_long = length >= row.min;
        let distinct = body.iter().take(row.min).collect::<BTreeSet<_>>().len();
        let is_name = || row.class == "alnum" && row.min >= 32 && is_name(prefix, &body[..row.min]);
        (is_long && distinct >= row.distinct && !is_name()).then_some(prefix.len() + length)
    })
}

/// The CRC-32 in base 62.
fn checksum(bytes: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for bit in bytes.iter().flat_map(|byte| (0..8).map(move |bit| u32::from(byte >> bit & 1))) {
        crc = if (crc ^ bit) & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    }
    let letters: Vec<u8> = (b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z').collect();
    (0..6).rev().map(|place| letters[(!crc / 62u32.pow(place) % 62) as usize]).collect()
}

/// Words, and no checksum.
fn is_name(prefix: &str, body: &[u8]) -> bool {
    let mut in_words = 0;
    let mut at = 0;
    while at < body.len() {
        let small = body[at..].iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        if small >= 3 {
            in_words += small + usize::from(at > 0 && body[at - 1].is_ascii_uppercase());
        }
        at += small.max(1);
    }
    let digits = body.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_checked = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "npm_"].contains(&prefix) && checksum(&body[..30]) == body[30..36];
    digits <= 2 && in_words * 10 >= body.len() * 7 && !is_checked
}

fn segments(before: Option<u8>, rest: &[u8]) -> Option<usize> {
    if before.is_some_and(|byte| in_class("urlsafe", byte)) {
        return None;
    }
    let first = rest.strip_prefix(b"ey")?;
    let length = run("urlsafe", first);
    let second = first[length..].strip_prefix(b".ey")?;
    let fits = (17..=512).contains(&length) && run("second", second) >= 17;
    fits.then(|| 2 + length + 3 + run("jwt", second))
}

fn pem_line(rest: &[u8], marker: &str) -> Option<(String, usize)> {
    let lower = String::from_utf8(
        rest.iter().take(11 + 128 + 5).map(u8::to_ascii_lowercase).map(|byte| if byte < 128 { byte } else { b'?' }).collect(),
    )
    .unwrap();
    let after = lower.strip_prefix(marker)?;
    let label = &after[..run("label", after.as_bytes())];
    (label.len() <= 128 && after[label.len()..].starts_with("-----")).then(|| (label.to_owned(), marker.len() + label.len() + 5))
}

fn pem(rest: &[u8]) -> Option<usize> {
    let (label, header) = pem_line(rest, "-----begin ")?;
    if !label.ends_with("private key") && !label.ends_with("private key block") {
        return None;
    }
    let body = &rest[header..];
    let window = &body[..body.len().min(512)];
    if !window.windows(20).any(|stretch| run("base64", stretch) == 20) {
        return None;
    }
    let closing = &rest[header - 5..];
    let end = (0..closing.len()).find_map(|at| pem_line(&closing[at..], "-----end ").map(|(_, length)| at + length));
    Some(header - 5 + end.unwrap_or(closing.len()))
}

fn card(bytes: &[u8], start: usize) -> Option<usize> {
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let previous = start.checked_sub(1);
    let is_fraction = previous.is_some_and(|at| bytes[at] == b'.') && is_digit(start.checked_sub(2));
    if !is_digit(Some(start)) || is_digit(previous) || is_fraction {
        return None;
    }
    // Every end within reach, judged on its own.
    (start + 13..=(start + 23).min(bytes.len())).rev().find(|end| {
        let text = &bytes[start..*end];
        let digits: Vec<u32> = text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0')).collect();
        let groups: Vec<&[u8]> = text.split(|byte| matches!(byte, b' ' | b'-')).collect();
        let is_shaped = groups.len() <= 5
            && groups.iter().all(|group| !group.is_empty() && group.iter().all(u8::is_ascii_digit))
            && !is_digit(Some(*end));
        let luhn: u32 = digits
            .iter()
            .rev()
            .enumerate()
            .map(|(at, digit)| if at % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
            .sum();
        is_shaped && (13..=19).contains(&digits.len()) && luhn.is_multiple_of(10) && is_issued(&digits)
    })
}

fn is_issued(digits: &[u32]) -> bool {
    let head = |n: usize| digits[..n].iter().fold(0, |value, digit| value * 10 + digit);
    let n = digits.len();
    head(1) == 4 && [13, 16, 19].contains(&n)
        || n == 16 && ((51..=55).contains(&head(2)) || (2221..=2720).contains(&head(4)))
        || n == 15 && [34, 37].contains(&head(2))
        || n >= 14 && ((300..=305).contains(&head(3)) || head(4) == 3095 || [36, 38, 39].contains(&head(2)))
        || n >= 16
            && ((3528..=3589).contains(&head(4))
                || head(4) == 6011
                || (644..=659).contains(&head(3))
                || head(2) == 62
                || (8100..=8171).contains(&head(4)))
        || [5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763].contains(&head(4))
}

fn iban(bytes: &[u8], start: usize) -> Option<usize> {
    let before = start.checked_sub(1).map(|at| bytes[at]);
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric()) || bytes.len() < start + 2 {
        return None;
    }
    let (_, length) = COUNTRIES.iter().find(|(code, _)| code.as_bytes().eq_ignore_ascii_case(&bytes[start..start + 2]))?;
    let mut characters = String::new();
    let mut at = start;
    while characters.len() < *length {
        if characters.len().is_multiple_of(4) && !characters.is_empty() && bytes.get(at) == Some(&b' ') {
            at += 1;
        }
        let byte = bytes.get(at).filter(|byte| byte.is_ascii_alphanumeric())?;
        characters.push(char::from(byte.to_ascii_uppercase()));
        at += 1;
    }
    let checks = characters[2..4].bytes().all(|byte| byte.is_ascii_digit());
    if !checks || bytes.get(at).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let moved = format!("{}{}", &characters[4..], &characters[..4]);
    let digits: String = moved.chars().map(|character| character.to_digit(36).unwrap().to_string()).collect();
    let rest = digits.chars().fold(0, |rest, digit| (rest * 10 + digit.to_digit(10).unwrap()) % 97);
    (rest == 1).then_some(at)
}

fn ssn(bytes: &[u8], start: usize) -> Option<usize> {
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let length = if bytes.get(start + 3).is_some_and(u8::is_ascii_digit) { 9 } else { 11 };
    let text = std::str::from_utf8(bytes.get(start..start + length)?).ok()?;
    let shape: String = text.chars().map(|character| if character.is_ascii_digit() { '9' } else { character }).collect();
    let is_told = || {
        let words = words_before(bytes, start);
        words.contains(&"ssn".to_owned())
            || words.contains(&"ssns".to_owned())
            || (words.contains(&"social".to_owned()) && words.contains(&"security".to_owned()))
    };
    let is_shaped = shape == "999-99-9999" || (["999 99 9999", "999999999"].contains(&&*shape) && is_told());
    if !is_shaped || is_digit(start.checked_sub(1)) || is_digit(Some(start + length)) {
        return None;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let unissued =
        ["000", "666"].contains(&&digits[..3]) || digits.starts_with('9') || &digits[3..5] == "00" || &digits[5..] == "0000";
    (!unissued).then_some(start + length)
}

/// The words within 64 bytes before a place, in lower case, up to the nearest one with a digit.
fn words_before(bytes: &[u8], at: usize) -> Vec<String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 128;
    let mut words = Vec::new();
    let mut word = String::new();
    for place in (at.saturating_sub(65)..at).rev() {
        if is_word(bytes[place]) {
            word.insert(0, char::from(bytes[place]).to_ascii_lowercase());
        }
        let is_over = !is_word(bytes[place]) || place == 0;
        if is_over && !word.is_empty() {
            if word.bytes().any(|byte| byte.is_ascii_digit()) {
                break;
            }
            words.push(std::mem::take(&mut word));
        }
    }
    words
}

fn email(bytes: &[u8], start: usize) -> Option<usize> {
    let local = run("local", &bytes[start..bytes.len().min(start + 65)]);
    let at = start + local;
    // Right only if the local part that ends before this `@` begins here.
    let is_whole = local == 64 || start == 0 || !in_class("local", bytes[start - 1]);
    if !(1..=64).contains(&local) || bytes.get(at) != Some(&b'@') || !is_whole {
        return None;
    }
    let domain = &bytes[at + 1..][..run("domain", &bytes[at + 1..]).min(255)];
    let labels: Vec<&[u8]> = domain.split(|byte| *byte == b'.').take_while(|label| !label.is_empty()).collect();
    let last =
        (1..labels.len()).rev().find(|at| labels[*at].len() > 1 && labels[*at][..2].iter().all(u8::is_ascii_alphabetic))?;
    Some(at + 1 + labels[..=last].iter().map(|label| label.len() + 1).sum::<usize>() - 1)
}

fn group(number: usize) -> FindingGroup {
    if number + n_pii() < KINDS.len() { FindingGroup::Secret } else { FindingGroup::Pii }
}

/// What is released of a whole text, or the kind that is denied.
pub(crate) fn redact(text: &str, duties: &Duties) -> Result<String, String> {
    let judge = |found: &Found| duties.act(Side::Response, &FindingKind::made(KINDS[found.0].clone()), group(found.0));
    let mut found: Vec<Found> = matches(text).into_iter().filter(|found| judge(found) != Act::Allow).collect();
    found.sort_by_key(|(number, start, end)| {
        let is_bounded = !is_token(*number);
        (*start, is_bounded, if is_bounded { usize::MAX - end } else { 0 }, *number)
    });
    if let Some(denied) = found.iter().find(|found| judge(found) == Act::Deny) {
        return Err(KINDS[denied.0].clone());
    }
    let mut released = String::new();
    let mut at = 0;
    while let Some(first) = found.first().copied() {
        let (mut end, mut members) = (first.2, 0);
        while let Some(next) = found.get(members).filter(|next| next.1 < end) {
            end = end.max(next.2);
            members += 1;
        }
        let act = found.drain(..members).map(|member| judge(&member)).max().unwrap();
        released.push_str(&text[at..first.1]);
        let whole = &text[first.1..end];
        if act == Act::Mask && whole.len() <= 16_384 {
            let n = whole.chars().count();
            released.extend(whole.chars().enumerate().map(|(at, character)| if at + 4 < n { '*' } else { character }));
        } else {
            released.push_str(&format!("[redacted:{}]", KINDS[first.0]));
        }
        at = end;
    }
    released.push_str(&text[at..]);
    Ok(released)
}
