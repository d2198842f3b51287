//! One look, one text: normal forms and look-alikes.

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::draft::Draft;
use super::hidden::next_wide;
use super::look_alikes::{is_mark_on, read_as};

/// Longest cluster that is normalised at once, in scalars; a longer one is cut (UAX 15's stream-safe form cuts at 30 marks).
const CLUSTER: usize = 32;

/// `text` in NFKC, a base with its marks at a time. `None` for ASCII, and for what certainly is in that form.
pub(super) fn compatibility(text: &str, room: usize) -> Option<Draft<'_>> {
    if text.is_ascii() || is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        return None;
    }
    let mut draft = Draft::new(text, room);
    let mut kept = 0;
    while let Some(wide) = next_wide(text.as_bytes(), kept) {
        // The mark may belong to an ASCII letter.
        let is_mark = text.get(wide..).and_then(|rest| rest.chars().next()).is_some_and(continues);
        let start = if is_mark && wide > kept { wide - 1 } else { wide };
        draft.keep(kept..start);
        let end = start + cluster(text.get(start..).unwrap_or_default());
        let cluster = text.get(start..end).unwrap_or_default();
        if cluster.nfkc().eq(cluster.chars()) {
            draft.keep(start..end);
        } else {
            draft.put(&cluster.nfkc().collect::<String>(), start..end);
        }
        kept = end;
    }
    if kept == 0 {
        return None;
    }
    draft.keep(kept..text.len());
    Some(draft)
}

/// Bytes of the first cluster: one scalar and what continues it. Not empty for a text that is not.
fn cluster(text: &str) -> usize {
    let mut characters = text.chars();
    let first = characters.next().map_or(0, char::len_utf8);
    first + characters.take(CLUSTER).take_while(|next| continues(*next)).map(char::len_utf8).sum::<usize>()
}

/// Whether `character` may combine with the one before it: marks, and the vowels and finals of Hangul.
fn continues(character: char) -> bool {
    is_combining_mark(character)
        || matches!(character, '\u{1161}'..='\u{1175}' | '\u{11A8}'..='\u{11C2}' | '\u{FF9E}' | '\u{FF9F}')
}

/// `text` without marks and with look-alikes as ASCII. ASCII stays as it is. `None` for ASCII.
pub(super) fn skeleton(text: &str, room: usize) -> Option<Draft<'_>> {
    if text.is_ascii() {
        return None;
    }
    let mut draft = Draft::new(text, room);
    let mut cache = Cache::new();
    let mut base = None;
    let mut at = 0;
    while let Some(wide) = next_wide(text.as_bytes(), at) {
        if wide > at {
            draft.keep(at..wide);
            base = Some('a');
        }
        let Some(character) = text.get(wide..).and_then(|rest| rest.chars().next()) else { break };
        at = wide + character.len_utf8();
        if is_mark_on(character, base) {
            continue;
        }
        let reading = cache.read(character);
        if reading.chars().eq(std::iter::once(character)) {
            draft.keep(wide..at);
        } else {
            draft.put(reading, wide..at);
        }
        base = reading.chars().next_back().or(base);
        if draft.is_full() {
            break;
        }
    }
    if at == 0 {
        return None;
    }
    draft.keep(at..text.len());
    Some(draft)
}

/// The readings of the characters that were read last: one slot for each value of the low bits.
struct Cache {
    slots: Vec<(char, String)>,
}

const SLOTS: usize = 256;

impl Cache {
    fn new() -> Self {
        Self { slots: vec![('\0', String::new()); SLOTS] }
    }

    fn read(&mut self, character: char) -> &str {
        let slot = usize::try_from(u32::from(character)).unwrap_or_default() % SLOTS;
        let Some((held, reading)) = self.slots.get_mut(slot) else { return "" };
        if *held != character {
            *held = character;
            reading.clear();
            read_as(character, reading);
        }
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::{compatibility, skeleton};

    #[test]
    fn ascii_stays_and_the_rest_becomes_ascii_where_it_can() {
        let facts = [
            ("m01I cl\u{E9}", "m01I cle"),
            ("p\u{301}a\u{20DD}s\u{338}s\u{489}", "pass"),
            ("\u{430}\u{301}b", "ab"),
            ("\u{645}\u{64E}\u{62F}", "\u{645}\u{62F}"),
            ("\u{915}\u{93F}\u{924}\u{93E}\u{92C}", "\u{915}\u{93F}\u{924}\u{93E}\u{92C}"),
            ("a\u{903}b", "ab"),
            ("\u{301}\u{302}", ""),
        ];
        for (text, expected) in facts {
            assert_eq!(skeleton(text, 999).unwrap().text(), expected, "{text}");
        }
        assert!(skeleton("plain", 99).is_none());
    }

    #[test]
    fn compatibility_is_nfkc() {
        use unicode_normalization::UnicodeNormalization;
        for text in [
            "e\u{301}",
            "\u{FF21}\u{FF22}c",
            "\u{FB03}",
            "\u{1112}\u{1161}\u{11AB}",
            "\u{30AB}\u{FF9E}",
            "x\u{301}\u{302} y",
            "\u{FDFA}",
        ] {
            assert_eq!(compatibility(text, 999).unwrap().text(), text.nfkc().collect::<String>(), "{text}");
        }
        assert!(compatibility("plain", 99).is_none());
    }
}
