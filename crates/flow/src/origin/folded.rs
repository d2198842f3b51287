//! Texts in the form in which they are compared, and where a value stands in one as a whole.
//!
//! Folded are letters' case and runs of white space, and nothing else: look-alikes and encodings are kept apart, because what is sent
//! is the value as it is written. So a disguise can only cost a value its origin, never give it one.

/// A text in the form in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Folded(String);

impl Folded {
    pub(crate) fn new(text: &str) -> Self {
        let mut folded = String::with_capacity(text.len());
        let mut is_gap = true;
        for char in text.chars() {
            if char.is_whitespace() {
                if !is_gap {
                    folded.push(' ');
                }
                is_gap = true;
            } else if char.is_ascii() {
                folded.push(char.to_ascii_lowercase());
                is_gap = false;
            } else {
                folded.extend(char.to_lowercase());
                is_gap = false;
            }
        }
        if folded.ends_with(' ') {
            folded.pop();
        }
        Self(folded)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Characters that are no white space.
    pub(crate) fn n_chars(&self) -> usize {
        self.0.chars().filter(|char| *char != ' ').count()
    }

    /// Its words: runs of letters and digits.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split(|char| !is_word(char)).filter(|word| !word.is_empty())
    }

    /// Whether `value` stands in it with no letter or digit beside it.
    pub(crate) fn has(&self, value: &Self) -> bool {
        self.stands(value, |mut beside| beside.next().is_some_and(is_word), |mut beside| beside.next().is_some_and(is_word))
    }

    /// Whether `value` stands in it as a whole: no letter, digit or sign that would make it a part of something longer beside it.
    pub(crate) fn holds(&self, value: &Self) -> bool {
        self.stands(value, joins_before, |beside| joins(beside))
    }

    fn stands(
        &self,
        value: &Self,
        is_joined_before: impl Fn(std::iter::Rev<std::str::Chars<'_>>) -> bool,
        is_joined_behind: impl Fn(std::str::Chars<'_>) -> bool,
    ) -> bool {
        let text = &self.0;
        !value.is_empty()
            && memchr::memmem::find_iter(text.as_bytes(), value.0.as_bytes()).take(MAX_TRIES).any(|start| {
                let end = start.saturating_add(value.0.len());
                let (before, behind) = (text.get(..start), text.get(end..));
                before.is_some_and(|before| !is_joined_before(before.chars().rev()))
                    && behind.is_some_and(|behind| !is_joined_behind(behind.chars()))
            })
    }
}

/// How many places of a value in one text are looked at; a text that holds a value this often as a part of others only is hostile.
const MAX_TRIES: usize = 4096;

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Whether what goes before, read backwards, is a part of the same word, address or number.
fn joins_before(beside: std::iter::Rev<std::str::Chars<'_>>) -> bool {
    let mut further = beside.clone();
    // `O'Brien` is one name; `l'hotel` and `d'Anna` are two words.
    if further.next().is_some_and(|char| matches!(char, '\'' | '\u{2019}')) {
        let letter = further.next();
        let is_elided = letter.is_some_and(|char| "dlcjmnst".contains(char)) && !further.next().is_some_and(is_word);
        return letter.is_some_and(is_word) && !is_elided;
    }
    joins(beside)
}

/// Whether what follows is a part of the same word, address or number.
fn joins(mut beside: impl Iterator<Item = char>) -> bool {
    match beside.next() {
        // `Anna's` is Anna's, `Bo'sun` is another.
        Some('\'' | '\u{2019}') => match beside.next() {
            Some('s') => beside.next().is_some_and(is_word),
            char => char.is_some_and(is_word),
        },
        None => false,
        Some(char) if char.is_alphanumeric() || char == '_' => true,
        // Signs that stand inside addresses, numbers and identifiers join where something goes on behind them.
        Some('.' | ',' | '-' | '@' | '/' | ':' | '+' | '&' | '=' | '#' | '%' | '~' | '\\' | '$' | '?') => {
            beside.next().is_some_and(|char| char.is_alphanumeric() || matches!(char, '_' | '/' | '.' | '-'))
        }
        // A mark of its own kind: one that changes the letter before it, or cannot be seen.
        Some(char) => !char.is_ascii() && !char.is_whitespace() && !is_mark(char),
    }
}

/// Punctuation outside ASCII that ends a word.
const fn is_mark(char: char) -> bool {
    matches!(char, '\u{2013}'..='\u{2014}' | '\u{2018}'..='\u{201f}' | '\u{2026}' | '«' | '»' | '¿' | '¡' | '、' | '。' | '（' | '）')
}
