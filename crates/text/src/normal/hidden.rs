//! Characters that a reader does not see and a model does.

use std::ops::Range;

use super::draft::Draft;
use super::{Hidden, HiddenKind};

/// What kind of unseen character this is, if any. ASCII never is.
pub(super) const fn hidden_kind(character: char) -> Option<HiddenKind> {
    Some(match character {
        '\u{E0000}'..='\u{E007F}' => HiddenKind::TagCharacter,
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => HiddenKind::BidiControl,
        '\u{AD}' | '\u{34F}' | '\u{180E}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2065}' => HiddenKind::ZeroWidth,
        '\u{206A}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' => HiddenKind::ZeroWidth,
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' | '\u{180B}'..='\u{180D}' | '\u{180F}' => {
            HiddenKind::VariationSelector
        }
        '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{3164}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' => {
            HiddenKind::Filler
        }
        '\u{1D173}'..='\u{1D17A}' | '\u{E0080}'..='\u{E00FF}' | '\u{E01F0}'..='\u{E0FFF}' => HiddenKind::Filler,
        _ => return None,
    })
}

/// The place of the next byte at or behind `from` that is not ASCII.
pub(super) fn next_wide(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let plain = rest.chunks_exact(32).take_while(|chunk| chunk.is_ascii()).count() * 32;
    let wide = rest.get(plain..)?.iter().position(|byte| !byte.is_ascii())?;
    Some(from + plain + wide)
}

/// The unseen characters of `text` with their places and kinds, in order.
fn unseen(text: &str) -> impl Iterator<Item = (usize, char, HiddenKind)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at = next_wide(text.as_bytes(), at)?;
            let character = text.get(at..)?.chars().next()?;
            let start = at;
            at += character.len_utf8();
            if let Some(kind) = hidden_kind(character) {
                return Some((start, character, kind));
            }
        }
    })
}

/// `text` without its unseen characters. `None` when it has none.
pub(super) fn strip(text: &str, room: usize) -> Option<Draft<'_>> {
    let mut draft = Draft::new(text, room);
    let mut kept = 0;
    for (at, character, _) in unseen(text) {
        draft.keep(kept..at);
        kept = at + character.len_utf8();
    }
    if kept == 0 {
        return None;
    }
    draft.keep(kept..text.len());
    Some(draft)
}

/// `text` with its tag characters as the ASCII that they mirror and without other unseen ones. `None` without such tags.
pub(super) fn tags_as_ascii(text: &str, room: usize) -> Option<Draft<'_>> {
    next_wide(text.as_bytes(), 0)?;
    let mut draft = Draft::new(text, room);
    let mut kept = 0;
    let mut has_tags = false;
    for (at, character, _) in unseen(text) {
        draft.keep(kept..at);
        kept = at + character.len_utf8();
        if let Some(mirrored) = mirrored(character) {
            has_tags = true;
            draft.put_char(mirrored, at..kept);
        }
    }
    draft.keep(kept..text.len());
    has_tags.then_some(draft)
}

/// The ASCII character that a tag mirrors.
fn mirrored(tag: char) -> Option<char> {
    let ascii = u32::from(tag).checked_sub(0xE_0000)?;
    char::from_u32(ascii).filter(|ascii| matches!(ascii, ' '..='~' | '\n' | '\t'))
}

/// What is hidden in `text` by its characters: neighbours of one kind are one. Left out is what writing needs: variation
/// selectors and joiners of emoji, joiners within the scripts that join, a lone selector behind an ideograph, the flags of
/// England, Scotland and Wales.
pub(super) fn report(text: &str) -> Vec<Hidden> {
    let mut found: Vec<Hidden> = Vec::new();
    let mut flag_ends = 0;
    let mut previous_end = None;
    for (at, character, kind) in unseen(text) {
        let end = at + character.len_utf8();
        let is_first = previous_end != Some(at);
        previous_end = Some(end);
        if at < flag_ends {
            continue;
        }
        if kind == HiddenKind::TagCharacter && is_first {
            flag_ends = flag(text, at).unwrap_or(at);
            if flag_ends > at {
                continue;
            }
        }
        if is_needed(text, at..end, character) {
            continue;
        }
        match found.last_mut() {
            Some(last) if last.kind == kind && last.span.end == at => last.span.end = end,
            _ => found.push(Hidden { kind, span: at..end }),
        }
    }
    found
}

/// The end of a flag's tags that begin at `at`.
fn flag(text: &str, at: usize) -> Option<usize> {
    let (before, tags) = text.split_at_checked(at)?;
    let ascii: String = tags.chars().take(6).filter_map(mirrored_or_end).collect();
    let is_flag = before.ends_with('\u{1F3F4}') && matches!(ascii.as_str(), "gbeng\u{7F}" | "gbsct\u{7F}" | "gbwls\u{7F}");
    is_flag.then_some(at + 6 * 4)
}

fn mirrored_or_end(tag: char) -> Option<char> {
    if tag == '\u{E007F}' { Some('\u{7F}') } else { mirrored(tag) }
}

/// Whether the unseen character at `span` does what it is there for.
fn is_needed(text: &str, span: Range<usize>, character: char) -> bool {
    let mut back = text.get(..span.start).unwrap_or_default().chars().rev();
    let previous = back.next().unwrap_or_default();
    let next = text.get(span.end..).and_then(|rest| rest.chars().next()).unwrap_or_default();
    match character {
        '\u{FE0E}' | '\u{FE0F}' => is_emoji(previous) || matches!(previous, '0'..='9' | '#' | '*'),
        '\u{FE00}'..='\u{FE0D}' | '\u{E0100}'..='\u{E01EF}' => {
            matches!(previous, '\u{3400}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}')
        }
        '\u{180B}'..='\u{180F}' => matches!(previous, '\u{1820}'..='\u{18AA}'),
        '\u{200C}' | '\u{200D}' => {
            let base = if previous == '\u{FE0F}' { back.next().unwrap_or_default() } else { previous };
            let is_emoji_join = character == '\u{200D}' && is_emoji(base) && is_emoji(next);
            is_emoji_join || joins(previous) && (joins(next) || !next.is_alphanumeric() && hidden_kind(next).is_none())
        }
        _ => false,
    }
}

/// Letters of scripts that are written with joiners: Arabic and its neighbours, the Indic scripts, Burmese, Khmer, Mongolian.
const fn joins(character: char) -> bool {
    matches!(character, '\u{620}'..='\u{65F}' | '\u{66E}'..='\u{6D3}' | '\u{6FA}'..='\u{8FF}' | '\u{900}'..='\u{DFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17B3}' | '\u{17B6}'..='\u{17FF}' | '\u{1820}'..='\u{18AA}')
}

/// Pictures, roughly: the blocks that hold emoji.
const fn is_emoji(character: char) -> bool {
    matches!(character, '\u{A9}' | '\u{AE}' | '\u{203C}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21FF}' | '\u{2300}'..='\u{23FF}' | '\u{24C2}' | '\u{25A0}'..='\u{27BF}' | '\u{2934}' | '\u{2935}' | '\u{2B00}'..='\u{2BFF}' | '\u{3030}' | '\u{303D}' | '\u{3297}' | '\u{3299}' | '\u{1F000}'..='\u{1FAFF}')
}

#[cfg(test)]
mod tests {
    use super::{HiddenKind, next_wide, report, strip, tags_as_ascii};

    #[test]
    fn what_is_hidden_is_reported_and_what_writing_needs_is_not() {
        use HiddenKind::{BidiControl, Filler, TagCharacter, VariationSelector, ZeroWidth};
        type Fact<'a> = (&'a str, &'a [(HiddenKind, std::ops::Range<usize>)]);
        let facts: &[Fact<'_>] = &[
            ("plain", &[]),
            ("a\u{200B}\u{200B}b\u{2060}", &[(ZeroWidth, 1..7), (ZeroWidth, 8..11)]),
            ("a\u{202E}\u{E0041}\u{E0042}", &[(BidiControl, 1..4), (TagCharacter, 4..12)]),
            ("\u{2764}\u{FE0F} 1\u{FE0F}\u{20E3}", &[]),
            ("a\u{FE0F}", &[(VariationSelector, 1..4)]),
            ("\u{1F600}\u{FE0F}\u{E0130}\u{E0131}", &[(VariationSelector, 7..15)]),
            ("\u{845B}\u{E0100}", &[]),
            ("\u{845B}\u{E0100}\u{E0101}", &[(VariationSelector, 7..11)]),
            ("\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467} \u{1F3F3}\u{FE0F}\u{200D}\u{1F308}", &[]),
            ("\u{1F468}\u{200D}x", &[(ZeroWidth, 4..7)]),
            ("\u{645}\u{6CC}\u{200C}\u{62E}\u{648}\u{627}\u{647}", &[]),
            ("\u{915}\u{94D}\u{200D}\u{937}", &[]),
            ("\u{645}\u{200C}\u{200C}", &[(ZeroWidth, 2..8)]),
            ("\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}", &[]),
            ("\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0068}\u{E007F}", &[(TagCharacter, 4..28)]),
            ("\u{3164}\u{AD}", &[(Filler, 0..3), (ZeroWidth, 3..5)]),
        ];
        for (text, expected) in facts {
            let found: Vec<_> = report(text).into_iter().map(|hidden| (hidden.kind, hidden.span)).collect();
            assert_eq!(found, *expected, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn unseen_characters_go_and_tags_become_ascii() {
        let text = "a\u{200B}b\u{E0068}\u{E0069}c\u{1F600}\u{FE0F}";
        assert_eq!(strip(text, 99).unwrap().text(), "abc\u{1F600}");
        assert_eq!(tags_as_ascii(text, 99).unwrap().text(), "abhic\u{1F600}");
        assert!(strip("ab\u{e9}", 99).is_none());
        assert!(tags_as_ascii("a\u{200B}", 99).is_none());
    }

    #[test]
    fn the_next_wide_byte_is_found_wherever_it_stands() {
        for before in 0..100 {
            let text = "x".repeat(before) + "\u{e9}";
            assert_eq!(next_wide(text.as_bytes(), before / 2), Some(before));
            assert_eq!(next_wide(text.as_bytes(), before + 2), None);
        }
    }
}
