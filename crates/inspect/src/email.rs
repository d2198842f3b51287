//! E-mail addresses, found from their `@`.

use memchr::memchr;

use crate::bounded::Input;
use crate::class::Class;

/// Most bytes of the local part; of a longer run the last 64 count (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// Most bytes of the domain; of a longer run the first 255 count (RFC 5321 section 4.5.3.1.2).
const MAX_DOMAIN: usize = 255;

const LOCAL: Class = Class::WORD.or(Class::DOT).or(Class::PERCENT).or(Class::PLUS).or(Class::DASH);
const DOMAIN: Class = Class::ALNUM.or(Class::DOT).or(Class::DASH);

/// A finder: see [`crate::bounded::Find`].
pub(crate) fn scan(input: Input<'_>, report: &mut dyn FnMut(usize, usize, usize)) -> usize {
    let Input { text, from, is_final, .. } = input;
    let mut next = from;
    while let Some(offset) = memchr(b'@', text.get(next..).unwrap_or_default()) {
        let at = next + offset;
        next = at + 1;
        let local = LOCAL.run_back(text.get(from..at).unwrap_or_default(), MAX_LOCAL);
        if local == 0 {
            continue;
        }
        let rest = text.get(next..).unwrap_or_default();
        let run = DOMAIN.run(rest.get(..MAX_DOMAIN).unwrap_or(rest));
        if run == rest.len() && run < MAX_DOMAIN && !is_final {
            return at - local;
        }
        if let Some(length) = domain_length(rest.get(..run).unwrap_or_default()) {
            report(0, at - local, next + length);
        }
    }
    if is_final {
        return text.len();
    }
    text.len() - LOCAL.run_back(text.get(from..).unwrap_or_default(), MAX_LOCAL)
}

/// How much of a run of domain bytes is a domain: up to the end of the last label that begins with two letters, where a label is
/// not the first and no label before it is empty.
fn domain_length(run: &[u8]) -> Option<usize> {
    let mut end = 0;
    let mut length = None;
    for (place, label) in run.split(|byte| *byte == b'.').enumerate() {
        if label.is_empty() {
            break;
        }
        end += label.len() + usize::from(place > 0);
        if place > 0 && label.len() >= 2 && label.iter().take(2).all(u8::is_ascii_alphabetic) {
            length = Some(end);
        }
    }
    length
}
