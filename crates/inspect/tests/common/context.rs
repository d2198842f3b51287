//! The rules by context of `docs/SCANNERS.md` a second time: the table and the lists of words are read from the page.

#![expect(clippy::string_slice, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::oracle::{PAGE, in_class, run};
use super::texts::{ALNUM, DIGITS, HEX, Random, URL_SAFE};

/// A part of a value: a literal, or a class with least and most.
enum Part {
    Text(String),
    Run(String, usize, usize),
}

struct Form {
    parts: Vec<Part>,
    is_open: bool,
}

struct Row {
    kind: String,
    words: Vec<String>,
    is_test: bool,
    forms: Vec<Form>,
    bits: f64,
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let lines = PAGE.lines().skip_while(|line| !line.starts_with("| kind | words |")).skip(2);
    let rows: Vec<Row> = lines.take_while(|line| line.starts_with('|')).map(row).collect();
    assert!(rows.len() > 100, "the table of rules by context was not found");
    rows
});

/// The kinds in the order of the table.
pub(crate) fn kinds() -> impl Iterator<Item = String> {
    ROWS.iter().map(|row| row.kind.clone())
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let words = cells[2].split(' ').filter(|word| word.starts_with('`')).map(|word| word.trim_matches('`').to_owned());
    Row {
        kind: cells[1].to_owned(),
        words: words.collect(),
        is_test: cells[2] == "*test*",
        forms: cells[3].trim_matches('`').split(" or ").map(form).collect(),
        bits: cells[4].parse().unwrap(),
    }
}

fn form(text: &str) -> Form {
    let parts = text.split(' ').filter(|part| *part != "open").map(|part| match part.strip_prefix('"') {
        Some(literal) => Part::Text(literal.strip_suffix('"').unwrap().replace("\\x7c", "|")),
        None => {
            let (class, count) = part.rsplit_once(':').unwrap();
            let (min, max) = count.split_once('-').unwrap_or((count, count));
            Part::Run(class.to_owned(), min.parse().unwrap(), max.parse().unwrap())
        }
    });
    Form { parts: parts.collect(), is_open: text.ends_with(" open") }
}

/// The list of words behind `- name: ` on the page.
fn list(name: &str) -> &'static [&'static str] {
    static LISTS: LazyLock<BTreeMap<&str, Vec<&str>>> = LazyLock::new(|| {
        let lines = PAGE.lines().filter_map(|line| line.strip_prefix("- ")?.split_once(": "));
        lines.map(|(name, words)| (name, words.split(' ').collect())).collect()
    });
    &LISTS[name]
}

/// The match of the first rule at a start: kind and end.
pub(crate) fn match_at(bytes: &[u8], start: usize) -> Option<(&'static str, usize)> {
    let before = start.checked_sub(1).map(|at| bytes[at]);
    if !in_class("urlsafe", bytes[start]) || before.is_some_and(|byte| in_class("urlsafe", byte) || b".~".contains(&byte)) {
        return None;
    }
    let scene = Scene::new(&bytes[..start]);
    ROWS.iter().find_map(|row| {
        let length = row.forms.iter().find_map(|form| fit(row, form, &bytes[start..]))?;
        let is_clued = match (row.is_test, row.words.is_empty()) {
            (true, _) => scene.as_ref().is_some_and(|scene| scene.passes(&row.kind)),
            (false, true) => true,
            (false, false) => scene.as_ref().is_some_and(|scene| scene.has_word(&row.words)),
        };
        is_clued.then_some((row.kind.as_str(), start + length))
    })
}

fn fit(row: &Row, form: &Form, rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    for part in &form.parts {
        at += match part {
            Part::Text(text) => rest[at..].starts_with(text.as_bytes()).then_some(text.len())?,
            Part::Run(class, min, max) => Some(run(class, &rest[at..]).min(*max)).filter(|length| length >= min)?,
        };
    }
    let goes_on = match &rest[at..] {
        [b'.', next, ..] => next.is_ascii_alphanumeric(),
        [next, ..] => next.is_ascii_alphanumeric() || b"_-+/=~@".contains(next),
        [] => false,
    };
    let value = &rest[..at];
    let is_fit = (form.is_open || !goes_on) && value.iter().any(u8::is_ascii_digit) && entropy(value) >= row.bits - 1e-9;
    let is_fit = is_fit
        && match row.kind.as_str() {
            "generic-api-key" => is_random(value),
            "curl-auth-user" => is_login(value),
            _ => true,
        };
    is_fit.then_some(at)
}

fn entropy(value: &[u8]) -> f64 {
    let mut counts = BTreeMap::new();
    value.iter().for_each(|byte| *counts.entry(byte).or_insert(0_u32) += 1);
    let total = f64::from(u32::try_from(value.len()).unwrap());
    counts.values().map(|count| f64::from(*count) / total).map(|share| share * (1.0 / share).log2()).sum()
}

fn is_login(value: &[u8]) -> bool {
    let colon = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
    let password = value.get(colon + 1..).unwrap_or_default();
    let secret = if password.is_empty() { &value[..colon] } else { password };
    secret.len() >= 3 && secret.iter().any(u8::is_ascii_digit) && !b"$<[{*%".contains(&secret[0])
}

fn is_random(value: &[u8]) -> bool {
    let text = String::from_utf8(value.to_vec()).unwrap();
    let text = text.strip_suffix('.').unwrap_or(&text);
    let is_placeholder = list("placeholders").iter().any(|word| text.to_lowercase().contains(word));
    let has_letter = text.contains(|character: char| character.is_ascii_alphabetic());
    let mut pieces = text.split(|character: char| !character.is_ascii_alphanumeric()).filter(|piece| !piece.is_empty());
    has_letter && entropy(text.as_bytes()) >= 3.5 - 1e-9 && !is_placeholder && pieces.any(|piece| !is_written(piece))
}

fn is_written(piece: &str) -> bool {
    let kinds: Vec<bool> = piece.chars().map(|character| character.is_ascii_digit()).collect();
    let changes = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let letters = kinds.iter().filter(|is_digit| !**is_digit).count();
    let capitals = piece.chars().filter(char::is_ascii_uppercase).count();
    letters == 0 || (piece.len() <= 32 && changes <= 2 && (capitals == letters || capitals * 3 <= letters))
}

/// What stands before a start.
struct Scene {
    head: String,
    /// With the byte before it, if there is one.
    key: String,
    before_key: Option<char>,
    is_assigned: bool,
    has_operator: bool,
}

const JOINT: &str = "=:>,|+?()[]'\"`\\ \t\r\n";
const J: &str = ":=>,'\"`\\ \t\r\n";
const BLANKS: &str = " \t\r\n";

impl Scene {
    fn new(bytes: &[u8]) -> Option<Self> {
        let shown = &bytes[bytes.len().saturating_sub(256)..];
        let head: String = shown.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\u{1}' }).collect();
        let back = |text: &str, most: usize, allowed: &dyn Fn(char) -> bool| {
            text.chars().rev().take(most).take_while(|character| allowed(*character)).count()
        };
        let joint = back(&head, 24, &|character: char| JOINT.contains(character));
        if joint == 0 {
            return None;
        }
        let (before, joint) = head.split_at(head.len() - joint);
        let key = back(before, 64, &|character: char| character.is_ascii_alphanumeric() || "_-. \t".contains(character));
        let (outside, key) = before.split_at(before.len() - key);
        let has_sign = joint.contains(|character: char| "=:>,|".contains(character));
        let is_sentence = !has_sign && key.to_ascii_lowercase().ends_with(" is");
        Some(Self {
            key: if is_sentence { key[..key.len() - 3].to_owned() } else { key.to_owned() },
            before_key: outside.chars().next_back(),
            is_assigned: is_sentence || joint.contains(|character: char| "=:>".contains(character)),
            has_operator: has_sign || is_sentence,
            head,
        })
    }

    /// Where words begin in the key.
    fn word_starts(&self) -> Vec<usize> {
        let key: Vec<char> = self.key.chars().collect();
        let starts = (0..key.len()).filter(|at| {
            let before = if *at == 0 { self.before_key } else { key.get(at - 1).copied() }.unwrap_or(' ');
            let next = key.get(at + 1).copied().unwrap_or(' ');
            let is_capital = key[*at].is_ascii_uppercase();
            key[*at].is_ascii_alphabetic()
                && (!before.is_ascii_alphabetic()
                    || (is_capital && before.is_ascii_lowercase())
                    || (is_capital && next.is_ascii_lowercase()))
        });
        starts.collect()
    }

    fn has_word(&self, words: &[String]) -> bool {
        let key = self.key.to_ascii_lowercase();
        let fits = |at: usize, word: &str| key[at..].starts_with(word) && key.len() - at - word.len() <= 32;
        self.has_operator && self.word_starts().into_iter().any(|at| words.iter().any(|word| fits(at, word)))
    }

    fn passes(&self, kind: &str) -> bool {
        let lower = self.head.to_ascii_lowercase();
        let is_quoted = self.head.ends_with(['"', '\'', '`']);
        match kind {
            "curl-auth-header" => self.is_header(&lower),
            "curl-auth-user" => is_curl_user(&self.head),
            "kubernetes-secret-yaml" => {
                let behind = |text: &str| text.trim_start_matches(|character: char| J.contains(character)).to_owned();
                let is_secret = |text: &str| behind(text).strip_prefix("secret").is_some_and(|rest| rest.contains("data:"));
                self.has_operator && (0..lower.len()).any(|at| lower[at..].strip_prefix("kind:").is_some_and(is_secret))
            }
            "nuget-config-password" => {
                let name = end(&lower).strip_suffix("value").and_then(|rest| end(rest).strip_suffix("password"));
                name.is_some_and(|name| name.contains("<add key="))
            }
            "password" => is_quoted && self.is_assigned && self.key.to_ascii_lowercase().trim_end().ends_with("password"),
            "generic-api-key" => (self.is_assigned || (self.has_operator && is_quoted)) && self.is_secret_key(),
            other => panic!("the page names a test `{other}` that it does not define"),
        }
    }

    fn is_header(&self, lower: &str) -> bool {
        let name = end(lower);
        let schemes = ["bearer", "basic", "token", "apikey", "api-key"];
        let is_scheme = schemes.iter().filter_map(|scheme| name.strip_suffix(scheme));
        let mut is_scheme = is_scheme.filter(|rest| rest.ends_with(|character: char| J.contains(character)));
        let headers = ["authorization", "x-api-key", "x-api-token", "x-auth-token", "x-access-token"];
        let option = ["key", "token"].iter().filter_map(|word| name.strip_suffix(word)).any(|rest| {
            let rest = rest.trim_end_matches(|character: char| character.is_ascii_alphanumeric() || character == '-');
            let as_written = self.head[..rest.len()].strip_suffix(['"', '\'']);
            let option = as_written.map(|option| option.trim_end_matches(|character: char| " \t\r\n=".contains(character)));
            option.is_some_and(|option| option.ends_with("-H") || option.ends_with("--header"))
        });
        is_scheme.any(|rest| end(rest).ends_with("authorization"))
            || (self.has_operator && (option || headers.iter().any(|header| name.ends_with(header))))
    }

    fn is_secret_key(&self) -> bool {
        let starts = self.word_starts();
        let word = |at: usize| {
            let next = starts.iter().copied().find(|start| *start > at).unwrap_or(self.key.len());
            self.key[at..next].chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_lowercase()
        };
        let words: Vec<String> = starts.iter().map(|at| word(*at)).collect();
        let is_in = |name: &str, word: &str| list(name).contains(&word);
        let is_key = |at: usize| words[at] == "key" && at > 0 && is_in("owners", &words[at - 1]);
        !words.iter().any(|word| is_in("weak", word)) && (0..words.len()).any(|at| is_in("strong", &words[at]) || is_key(at))
    }
}

/// Without the J at its end.
fn end(text: &str) -> &str {
    text.trim_end_matches(|character: char| J.contains(character))
}

fn is_curl_user(head: &str) -> bool {
    let blank = |character: char| BLANKS.contains(character);
    let word = head.rfind(blank).map_or(0, |at| at + 1);
    let options = if head[word..].starts_with("--user=") {
        Some(&head[..word])
    } else {
        let named = head[..word].trim_end_matches(blank);
        named.strip_suffix("-u").or_else(|| named.strip_suffix("--user"))
    };
    let is_expanded = ["$", "${", "%{", "{{"].iter().any(|sign| head.ends_with(sign));
    !is_expanded && options.is_some_and(|options| options.ends_with(blank) && options.contains("curl"))
}

/// A text in which a value of the kind stands with its clue: what comes before the value, and the value.
pub(crate) fn example(kind: &str, random: &mut Random) -> Option<(String, String)> {
    let row = ROWS.iter().find(|row| row.kind == kind)?;
    let form = random.pick(&row.forms);
    let value = loop {
        let value: String = form.parts.iter().map(|part| sample(part, random)).collect();
        if fit(row, form, value.as_bytes()) == Some(value.len()) {
            break value;
        }
    };
    let clue = match kind {
        "curl-auth-header" => "Authorization: Bearer ".to_owned(),
        "curl-auth-user" => "curl -u ".to_owned(),
        "kubernetes-secret-yaml" => "kind: Secret\ndata:\n  ca: ".to_owned(),
        "nuget-config-password" => "<add key=\"Password\" value=\"".to_owned(),
        "password" => "password = \"".to_owned(),
        "generic-api-key" => "api_token=".to_owned(),
        _ if row.words.is_empty() => String::new(),
        _ => format!("{}{}", random.pick(&row.words), random.pick(&[": ", " = ", "Id=", "\":\"", " is "])),
    };
    Some((clue, value))
}

fn sample(part: &Part, random: &mut Random) -> String {
    match part {
        Part::Text(text) => text.clone(),
        Part::Run(class, min, max) => {
            let length = min + random.below((max - min).min(20) + 1);
            match class.as_str() {
                "hex" => random.string(HEX, length),
                "digit" => random.string(DIGITS, length),
                "urlsafe" => random.string(ALNUM, 1.min(length)) + &random.string(URL_SAFE, length.saturating_sub(1)),
                "dash" => random.string("_-", length),
                "equals" => random.string("=", length),
                _ => random.string(ALNUM, length),
            }
        }
    }
}
