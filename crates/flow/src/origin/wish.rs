//! What a user wants done, and what not: naming a value there is no wish to have it used.
//!
//! A sentence that forbids gives nothing, but for what stands apart from that in it beyond doubt: `pay A instead of B`, `if you do
//! not find it, ask A`.

/// Words that say what not to take, and whether a sentence that begins with them comes back to a wish behind a comma.
const CONTRAST: [(&str, bool); 9] = [
    ("instead of ", true),
    ("rather than ", true),
    ("anstelle von ", true),
    ("anstatt ", true),
    ("statt ", true),
    ("other than ", false),
    ("except ", false),
    ("excluding ", false),
    ("außer ", false),
];
/// The same, before a value and nothing else.
const NOT: [&str; 8] = [", not ", ", nicht ", " but not ", " and not ", " aber nicht ", " und nicht ", ", never ", ", nie "];
/// Words that begin a condition.
const IF: [&str; 6] = ["if", "unless", "wenn", "falls", "sofern", "when"];

/// A part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    /// Whether it may be something that the user wants done; no if it says what not to do.
    pub(super) is_wish: bool,
}

impl<'a> Part<'a> {
    const fn wish(text: &'a str) -> Self {
        Self { text, is_wish: true }
    }

    const fn ban(text: &'a str) -> Self {
        Self { text, is_wish: false }
    }
}

/// A list that belongs to what was said above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum List {
    #[default]
    None,
    /// It was announced.
    Announced,
    Entries {
        has_bullets: bool,
    },
    /// An empty line behind entries.
    Paused {
        has_bullets: bool,
    },
}

/// Reads lines in order.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    banned: List,
}

impl Wishes {
    /// The parts of a line; `next` is the first line behind it that is not empty.
    pub(super) fn of<'a>(&mut self, line: &'a str, next: Option<&str>) -> Vec<Part<'a>> {
        let is_empty = line.trim().is_empty();
        self.banned = match self.banned {
            List::Entries { has_bullets } | List::Paused { has_bullets } if is_empty => List::Paused { has_bullets },
            list if is_empty => list,
            List::Announced => List::Entries { has_bullets: has_bullet(line) },
            List::Entries { has_bullets: true } | List::Paused { has_bullets: true } if has_bullet(line) => {
                List::Entries { has_bullets: true }
            }
            List::Entries { has_bullets: false } => List::Entries { has_bullets: false },
            _ => List::None,
        };
        if matches!(self.banned, List::Entries { .. }) {
            return vec![Part::ban(line)];
        }
        let sentences = sentences(line);
        // `Never pay these:` and lines below it.
        let is_head = line.trim_end().ends_with(':') || next.is_some_and(has_bullet);
        if is_head && sentences.last().is_some_and(|last| forbids(last)) {
            self.banned = List::Announced;
        }
        sentences.into_iter().flat_map(clauses).collect()
    }
}

/// Whether a line is an entry of a list.
fn has_bullet(line: &str) -> bool {
    let line = line.trim_start();
    let digits = line.trim_start_matches(|char: char| char.is_ascii_digit());
    line.starts_with(['-', '*', '\u{2022}', '+']) || digits.len() < line.len() && digits.starts_with(['.', ')'])
}

/// What a sentence wants, and what it forbids.
fn clauses(sentence: &str) -> Vec<Part<'_>> {
    if !forbids(sentence) {
        return vec![Part::wish(sentence)];
    }
    apart(sentence).unwrap_or_else(|| vec![Part::ban(sentence)])
}

/// The parts of a sentence that forbids, where it is beyond doubt which of them does.
fn apart(sentence: &str) -> Option<Vec<Part<'_>>> {
    // Byte for byte as long.
    let lower = sentence.to_ascii_lowercase();
    let first = lower.split(|char: char| !char.is_alphabetic()).find(|word| !word.is_empty())?;
    if IF.contains(&first) {
        let (before, behind) = sentence.split_at_checked(sentence.find(',')?)?;
        return (!forbids(behind)).then(|| vec![Part::ban(before), Part::wish(behind)]);
    }
    let is_word = |at: usize| lower.get(..at).is_some_and(|before| !before.ends_with(char::is_alphanumeric));
    let contrast = CONTRAST.iter().filter_map(|(words, resumes)| {
        let at = lower.match_indices(words).map(|(at, _)| at).find(|at| is_word(*at))?;
        Some((at, at + words.len(), *resumes))
    });
    let not = NOT.iter().filter_map(|words| {
        let at = lower.find(words)?;
        Some((at, at + words.len(), false))
    });
    let (at, end, resumes) = contrast.chain(not.filter(|(_, end, _)| names_value(sentence.get(*end..), 2))).min()?;
    let before = sentence.get(..at)?;
    if before.trim().is_empty() {
        let comma = sentence.rfind(',').filter(|comma| resumes && *comma > end)?;
        let (before, behind) = sentence.split_at_checked(comma)?;
        return (!forbids(behind)).then(|| vec![Part::ban(before), Part::wish(behind)]);
    }
    // `keep it instead of paying` forbids what stands before it.
    let is_apart = !forbids(before) && names_value(sentence.get(end..), 3);
    is_apart.then(|| vec![Part::wish(before), Part::ban(sentence.get(at..).unwrap_or_default())])
}

/// Whether one of the first words is written as a name or a number is.
fn names_value(text: Option<&str>, n_words: usize) -> bool {
    let is_value = |word: &str| word.contains(|char: char| char.is_ascii_digit() || char == '@' || char.is_uppercase());
    text.unwrap_or_default().split_whitespace().take(n_words).any(is_value)
}

/// The sentences of a line. One pass: lines are as long as whoever writes them likes.
fn sentences(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut before = ' ';
    let mut chars = line.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        // A sentence ends before white space, or, in haste, before a capital: `our-site.example.They wrote`.
        let is_end = matches!(char, ';' | '.' | '!' | '?') && next == Some(' ');
        let is_glued =
            char == '.' && before.is_lowercase() && next.is_some_and(char::is_uppercase) && is_lower_after(&mut chars.clone());
        if is_end || is_glued {
            let end = at + char.len_utf8();
            parts.push(line.get(start..end).unwrap_or_default());
            start = end;
        }
        before = char;
    }
    let rest = line.get(start..).unwrap_or_default();
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

/// Whether the character behind the next one is a small letter.
fn is_lower_after(chars: &mut impl Iterator<Item = (usize, char)>) -> bool {
    chars.nth(1).is_some_and(|(_, char)| char.is_lowercase())
}

/// Whether a sentence says what not to do. Closed classes of words; one that is missed costs nothing but this one caution.
fn forbids(sentence: &str) -> bool {
    const WORDS: [&str; 13] = [
        "never",
        "avoid",
        "except",
        "excluding",
        "nie",
        "niemals",
        "nicht",
        "jamais",
        "nunca",
        "anstatt",
        "statt",
        "anstelle",
        "außer",
    ];
    const PAIRS: [(&str, &str); 10] = [
        ("do", "not"),
        ("must", "not"),
        ("should", "not"),
        ("may", "not"),
        ("not", "to"),
        ("but", "not"),
        ("and", "not"),
        ("other", "than"),
        ("instead", "of"),
        ("rather", "than"),
    ];
    let lower = sentence.to_lowercase().replace('\u{2019}', "'");
    let words: Vec<&str> =
        lower.split(|char: char| !(char.is_alphanumeric() || char == '\'')).filter(|word| !word.is_empty()).collect();
    let is_word = |word: &&str| WORDS.contains(word) || matches!(*word, "don't" | "dont" | "mustn't" | "shouldn't");
    let is_pair = |pair: &[&str]| matches!(pair, [first, second] if PAIRS.contains(&(*first, *second)));
    // Not to be forgotten is to be done.
    let is_reminder = words.windows(2).any(|pair| {
        matches!(pair, ["not" | "don't" | "dont", "forget" | "hesitate" | "worry" | "only"] | ["nicht", "vergessen" | "nur"])
            || matches!(pair, ["vergiss" | "vergesst", "nicht"])
    });
    !is_reminder && (words.iter().any(is_word) || words.windows(2).any(is_pair))
}

#[cfg(test)]
mod tests {
    use super::Wishes;

    /// What a message wants; what it forbids in brackets.
    fn told(message: &str) -> String {
        let mut wishes = Wishes::default();
        let lines: Vec<&str> = message.split('\n').collect();
        let of = |(at, line): (usize, &&str)| {
            let next = lines[at + 1..].iter().find(|line| !line.trim().is_empty()).copied();
            let parts = wishes.of(line, next).into_iter();
            parts.map(|part| if part.is_wish { part.text.to_owned() } else { format!("[{}]", part.text) }).collect::<String>()
        };
        lines.iter().enumerate().map(of).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_ban_covers_the_list_below_it() {
        assert_eq!(told("Never pay these:\nA-1\nA-2\n\nPay A-3."), "[Never pay these:]\n[A-1]\n[A-2]\n\nPay A-3.");
        assert_eq!(told("Do not pay\n\n- A-1\n\n- A-2\nPay A-3."), "[Do not pay]\n\n[- A-1]\n\n[- A-2]\nPay A-3.");
        assert_eq!(told("Pay all. Never these:\n1. A-1\n2) A-2"), "Pay all.[ Never these:]\n[1. A-1]\n[2) A-2]");
        assert_eq!(told("Don't forget these:\n- A-1"), "Don't forget these:\n- A-1");
        assert_eq!(told("Never mind.\nPay A-1"), "[Never mind.]\nPay A-1");
    }

    #[test]
    fn a_ban_takes_no_more_than_it_must() {
        let cases = [
            ("Pay A-1 instead of A-2.", "Pay A-1 [instead of A-2.]"),
            ("Instead of A-2, pay A-1.", "[Instead of A-2], pay A-1."),
            ("Zahle an A-1, nicht an A-2", "Zahle an A-1[, nicht an A-2]"),
            ("Zahle A-1 statt A-2", "Zahle A-1 [statt A-2]"),
            ("If you do not find it, write to A-1.", "[If you do not find it], write to A-1."),
            ("Wenn du es nicht findest, frag A-1", "[Wenn du es nicht findest], frag A-1"),
            ("Vergiss nicht, A-1 zu zahlen", "Vergiss nicht, A-1 zu zahlen"),
            ("Send it to everybody except A-1 and A-2", "Send it to everybody [except A-1 and A-2]"),
            // Where it is not beyond doubt, all of it goes.
            ("Do not, under any circumstances, pay A-1", "[Do not, under any circumstances, pay A-1]"),
            ("A-1, which is old, must not be paid", "[A-1, which is old, must not be paid]"),
            ("Keep A-1 instead of paying it", "[Keep A-1 instead of paying it]"),
            ("A-1 bitte, nicht bezahlen", "[A-1 bitte, nicht bezahlen]"),
            ("Except A-1, A-2 and A-3", "[Except A-1, A-2 and A-3]"),
            ("If it is late, do not pay A-1", "[If it is late, do not pay A-1]"),
        ];
        for (message, expected) in cases {
            assert_eq!(told(message), expected);
        }
    }
}
