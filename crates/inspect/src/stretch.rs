//! Text in disguise in a text that arrives in pieces.
//!
//! A reading is of a whole text, and a stream has none until it has ended. So a stream is read by *stretches*: from a word that
//! could carry something disguised ([`word`]) to the second word of prose behind the last such one. A stretch is held back, read
//! in every way ([`nested::disguised`]) together with some text before it, and let go. Prose is never held; of a long stretch the
//! older half is let go whenever it has [`WINDOW`] bytes.
//!
//! Where stretches and halves begin and end is a function of the text alone, so what is found does not depend on the pieces.

mod word;

use text::Look;

use self::word::{Class, Word};
use crate::nested;
use crate::rules::RuleId;
use crate::scan::Scanners;
use crate::track::Match;
use crate::views;

/// Most bytes of a stretch that are held back, but for one character; in disguise a secret may take half of it and is found.
pub(crate) const WINDOW: usize = 2048;
/// So many bytes of a stretch that goes on are let go of at once.
const STEP: usize = WINDOW / 2;
/// Bytes before a stretch that are read with it: what names a value stands there. At most what a lane keeps.
const BEFORE: usize = 128;
/// Longest name that is looked for in disguise, with what stands around it, in bytes.
const NAME: usize = 40;
/// So many words of prose end a stretch: what a turned number is called stands behind it.
const TAIL: u32 = 2;
/// So many short words in a row are a stretch.
const ROW: u32 = 4;
/// Longest tag or comment of HTML whose words are no prose.
const TAG: usize = 256;

/// Text that could hold something, and where it is read.
#[derive(Debug, Clone, Copy)]
enum Mode {
    /// Prose.
    Outside,
    /// So many short words in a row.
    Row(u32),
    /// A stretch, and how many words of prose came last.
    Inside(u32),
}

/// The stretches of one text.
#[derive(Debug)]
pub(crate) struct Stretches {
    /// What begins below is known: where the stretch or the current word begins.
    at: usize,
    /// What is looked at next.
    next: usize,
    mode: Mode,
    word: Word,
    /// Where the tag began that has not ended.
    tag: Option<usize>,
    /// The character before is a `<`.
    is_behind_angle: bool,
    /// The stretch began before [`at`](Self::at).
    is_continued: bool,
    /// What was found at the end of the part before, and goes on to the last word of the stretch that is no prose.
    open: Option<RuleId>,
    /// Where that word ends, as far as is known.
    carried: usize,
    /// A part had more readings than were read.
    is_cut: bool,
    /// Up to where names in disguise were looked for.
    seen: usize,
    /// The end of what may name a value that stands behind it: of such a name, of a stretch that has a reading.
    named: usize,
}

/// The text as far as it is kept.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub(crate) text: &'a str,
    /// Where it begins.
    pub(crate) base: usize,
    /// Nothing follows.
    pub(crate) is_final: bool,
}

impl<'a> Kept<'a> {
    fn get(&self, from: usize, to: usize) -> &'a str {
        let (from, to) = (from.saturating_sub(self.base), to.saturating_sub(self.base));
        self.text.get(from..to).unwrap_or_default()
    }

    fn floor(&self, at: usize) -> usize {
        self.base + self.text.floor_char_boundary(at.saturating_sub(self.base))
    }
}

impl Stretches {
    pub(crate) fn new() -> Self {
        Self {
            at: 0,
            next: 0,
            mode: Mode::Outside,
            word: Word::default(),
            tag: None,
            is_behind_angle: false,
            is_continued: false,
            open: None,
            carried: 0,
            is_cut: false,
            seen: 0,
            named: 0,
        }
    }

    /// Every match in disguise that begins below is known.
    pub(crate) const fn decided(&self) -> usize {
        self.at
    }

    /// Whether something had more readings than were read since the last call.
    pub(crate) fn take_cut(&mut self) -> bool {
        std::mem::take(&mut self.is_cut)
    }

    /// Reads as far as the text goes, and adds what is found, each with its end. `kept` reaches back to [`BEFORE`] bytes before
    /// [`decided`](Self::decided). Linear: every byte is read twice at most, and what stands before a stretch once more.
    pub(crate) fn advance(&mut self, scanners: &Scanners, kept: Kept<'_>, matches: &mut Vec<Match>) {
        for character in kept.text.get(self.next.saturating_sub(kept.base)..).unwrap_or_default().chars() {
            if self.next.saturating_sub(self.at) >= WINDOW {
                self.read_half(scanners, kept, matches);
            }
            match u8::try_from(character) {
                Ok(byte) if byte.is_ascii() => self.ascii(byte, scanners, kept, matches),
                _ => self.wide(character, scanners, kept, matches),
            }
            self.next += character.len_utf8();
            if matches!(self.mode, Mode::Outside) && !self.word.is_begun() {
                self.at = self.next;
            }
        }
        if kept.is_final {
            self.end_word(scanners, kept, matches);
            if matches!(self.mode, Mode::Inside(_)) {
                self.read_rest(scanners, kept, matches);
            }
            self.at = self.next;
        }
    }

    fn ascii(&mut self, byte: u8, scanners: &Scanners, kept: Kept<'_>, matches: &mut Vec<Match>) {
        if byte.is_ascii_whitespace() {
            self.end_word(scanners, kept, matches);
        } else {
            if self.is_behind_angle && matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'/' | b'!') {
                self.tag = Some(self.next);
            } else if byte == b'>' {
                self.tag = None;
            }
            self.word.push_ascii(byte);
        }
        self.is_behind_angle = byte == b'<';
    }

    fn wide(&mut self, character: char, scanners: &Scanners, kept: Kept<'_>, matches: &mut Vec<Match>) {
        self.is_behind_angle = false;
        match Look::of(character) {
            Look::Own => {
                self.end_word(scanners, kept, matches);
                self.follow(Class::Plain, self.next, scanners, kept, matches);
            }
            look => self.word.push_wide(look),
        }
    }

    fn end_word(&mut self, scanners: &Scanners, kept: Kept<'_>, matches: &mut Vec<Match>) {
        if self.word.is_begun() {
            let class = std::mem::take(&mut self.word).class();
            self.follow(class, self.next, scanners, kept, matches);
        }
    }

    /// What a word does that has ended.
    fn follow(&mut self, class: Class, end: usize, scanners: &Scanners, kept: Kept<'_>, matches: &mut Vec<Match>) {
        if class != Class::Plain {
            self.carried = end;
        }
        let is_in_tag = self.tag.is_some_and(|start| end.saturating_sub(start) <= TAG);
        self.mode = match (self.mode, class) {
            (Mode::Outside, Class::Short) => Mode::Row(1),
            (Mode::Row(n_words), Class::Short) if n_words + 1 < ROW => Mode::Row(n_words + 1),
            (Mode::Row(_), Class::Short) | (_, Class::Suspicious) => Mode::Inside(0),
            (Mode::Inside(n_words), Class::Short) => Mode::Inside(n_words),
            (Mode::Inside(n_words), Class::Plain) if is_in_tag => Mode::Inside(n_words),
            (Mode::Inside(n_words), Class::Plain) if n_words + 1 < TAIL => Mode::Inside(n_words + 1),
            (Mode::Inside(_), Class::Plain) => {
                self.read_rest(scanners, kept, matches);
                Mode::Outside
            }
            (Mode::Outside | Mode::Row(_), Class::Plain) => {
                self.at = end;
                Mode::Outside
            }
        };
    }

    /// Reads the stretch to its end.
    fn read_rest(&mut self, scanners: &Scanners, kept: Kept<'_>, matches: &mut Vec<Match>) {
        self.read(self.next, self.next, self.carried, scanners, kept, matches);
        (self.at, self.is_continued, self.open) = (self.next, false, None);
    }

    /// Reads a stretch that goes on, and lets go of the older half.
    fn read_half(&mut self, scanners: &Scanners, kept: Kept<'_>, matches: &mut Vec<Match>) {
        let half = self.half(kept);
        self.read(half, self.next, self.next, scanners, kept, matches);
        (self.at, self.is_continued) = (half, true);
        if !matches!(self.mode, Mode::Inside(_)) {
            self.mode = Mode::Inside(0);
        }
    }

    /// Where the newer half begins: at a word, or so that blocks of base64, base32 and hex are cut between two groups of letters.
    fn half(&self, kept: Kept<'_>) -> usize {
        let most = kept.floor(self.at + STEP);
        let older = kept.get(self.at, most).as_bytes();
        let is_of_block = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        let n_letters = older.iter().rev().take_while(|byte| is_of_block(byte)).count();
        let n_spare = if older.len() - n_letters > STEP / 2 { n_letters } else { n_letters % 8 };
        most - n_spare
    }

    /// Reads the text from `self.at` to `end` in every way; what begins below `limit` counts, and what was open goes on to `carried`.
    fn read(&mut self, limit: usize, end: usize, carried: usize, scanners: &Scanners, kept: Kept<'_>, matches: &mut Vec<Match>) {
        let from = self.context(kept);
        if self.is_plain(from, end, scanners, kept) {
            return;
        }
        let text = kept.get(from, end);
        let mut found = Vec::new();
        // What stands before was read before; but what was cut may go on.
        let within = if self.is_continued { 0 } else { self.at - from }..limit - from;
        let readings = nested::disguised(scanners, text, &within, true, &mut found);
        self.is_cut |= !readings.are_all;
        if !readings.are_none {
            self.named = end;
        }
        let open = self.open.filter(|_| self.at < carried);
        // What stands there as it is, is known already, and where it ends.
        let plain = if found.is_empty() { Vec::new() } else { scanners.matches(text) };
        let reach = |found: &Match| found.end.unwrap_or(text.len());
        let covers = |plain: &Match, found: &Match| plain.start <= found.start && reach(found) <= reach(plain);
        for found in found {
            let (start, stop) = (from + found.start, from + reach(&found));
            let is_known = plain.iter().any(|plain| plain.rule == found.rule && covers(plain, &found));
            let is_before = stop <= self.at || (start < self.at && self.is_continued);
            if is_known || is_before || (start >= limit && limit < end) {
                continue;
            }
            if stop >= end && limit < end {
                self.open = Some(found.rule);
            }
            matches.push(found.at(&(start.max(self.at)..stop)));
        }
        if let Some(rule) = open {
            matches.push(Match::known(rule, self.at..carried));
        }
    }

    /// Whether the stretch from `self.at` to `end` has no reading, nor anything before it that could name a value in it, be it in
    /// leet, turned, in other letters or encoded. Most stretches are such: a number, a date, a path. Each byte is looked at once.
    fn is_plain(&mut self, from: usize, end: usize, scanners: &Scanners, kept: Kept<'_>) -> bool {
        let news = kept.floor(from.max(self.seen.saturating_sub(NAME)));
        if views::has_names(scanners, kept.get(news, end)) {
            self.named = end;
        }
        self.seen = end;
        let text = kept.get(self.at, end);
        let may_be = self.named <= from && self.open.is_none() && !self.is_continued;
        may_be && memchr::memchr(b'\\', text.as_bytes()).is_none() && text::is_plain(text)
    }

    /// Where the text begins that is read with a stretch: at a word, unless one is cut.
    fn context(&self, kept: Kept<'_>) -> usize {
        let from = kept.floor(self.at.saturating_sub(BEFORE));
        if self.is_continued || from == 0 {
            return from;
        }
        let before = kept.get(from, self.at);
        from + before.find(char::is_whitespace).unwrap_or(before.len())
    }
}
