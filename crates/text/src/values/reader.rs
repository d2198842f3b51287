//! A forward reader over text, and what counts as the edge of a word.

/// Reads from the front; a copy is a mark to come back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// How many bytes have been read.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Reads one character that fulfils the condition.
    pub(super) fn eat_if(&mut self, condition: impl FnOnce(char) -> bool) -> Option<char> {
        let next = self.peek().filter(|next| condition(*next))?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub(super) fn eat(&mut self, expected: char) -> bool {
        self.eat_if(|next| next == expected).is_some()
    }

    /// Goes forward by a number of bytes that the caller has looked at.
    pub(super) fn skip(&mut self, n_bytes: usize) {
        self.at += n_bytes;
    }

    /// The ASCII digits that come next, at most `max` of them.
    pub(super) fn digits(&mut self, max: usize) -> &'a str {
        self.bytes_while(max, |byte| byte.is_ascii_digit())
    }

    /// The ASCII letters that come next, at most `max` of them.
    pub(super) fn letters(&mut self, max: usize) -> &'a str {
        self.bytes_while(max, |byte| byte.is_ascii_alphabetic())
    }

    fn bytes_while(&mut self, max: usize, condition: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().take(max).take_while(|byte| condition(*byte)).count();
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// Whether no word goes on here.
    pub(super) fn is_word_end(&self) -> bool {
        is_word_end(self.rest())
    }

    /// Whether one of `joiners` stands next, with a letter or digit behind it: then what was read is part of something longer.
    pub(super) fn is_joined(&self, joiners: &[char]) -> bool {
        let mut next = self.rest().chars();
        next.next().is_some_and(|first| joiners.contains(&first)) && next.next().is_some_and(is_word)
    }
}

/// Whether a character belongs to a word: letters, digits and `_`. Scripts from U+0E00 on are written without spaces, often
/// right beside Latin values, so their letters do not count.
pub(super) fn is_word(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    character < '\u{e00}' && character.is_alphanumeric()
}

/// Whether no word goes on at the start of `rest`.
pub(super) fn is_word_end(rest: &str) -> bool {
    !rest.chars().next().is_some_and(is_word)
}

/// A space inside a line: plain, no-break, thin, narrow no-break, figure.
pub(super) const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}')
}

/// `-` and U+2212.
pub(super) const fn is_minus(character: char) -> bool {
    matches!(character, '-' | '\u{2212}')
}
