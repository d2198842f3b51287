//! What a message sets apart: quoted lines, fenced and tagged blocks, what stands between rules, forwarded mails.
//!
//! A block ends at the *last* mark in the message that could close it: the first may have come with what was pasted. So what a user
//! says between two blocks of one kind counts as pasted too, which can cost a question and never gives a value an origin.

use std::ops::Range;

use super::mail;

/// Most marks that are looked at; a message with more has no words of the user's behind them.
const MAX_MARKS: usize = 64;
/// Marks that set apart wherever they stand, and what closes them.
const FENCES: [(&str, &str); 5] = [("```", "```"), ("~~~", "~~~"), ("\"\"\"", "\"\"\""), ("'''", "'''"), ("<<<", ">>>")];
/// Tags of HTML that have no end.
const VOID: [&str; 8] = ["br", "hr", "img", "input", "link", "meta", "wbr", "source"];

/// A mark that begins a block.
struct Mark {
    start: usize,
    /// Behind it.
    end: usize,
    closing: String,
    /// Whether without an end it is no mark.
    needs_end: bool,
}

/// The bytes of a message that are set apart, up to `most` bytes of it; in order.
pub(super) fn apart(message: &str, most: usize) -> Vec<Range<usize>> {
    let lower = message.to_ascii_lowercase();
    let seen = message.floor_char_boundary(most);
    let lines = lines(message);
    let mut found: Vec<Range<usize>> = Vec::new();
    let (mut from, mut n_marks) = (0, 0_usize);
    for (number, line) in lines.iter().enumerate().take_while(|(_, line)| line.start <= most) {
        if line.end < from {
            continue;
        }
        let text = message.get(line.clone()).unwrap_or_default();
        if line.start >= from {
            let texts = || lines.iter().skip(number).map(|line| message.get(line.clone()).unwrap_or_default());
            if mail::is_forwarded(texts()) {
                found.push(line.start..message.len());
                return found;
            }
            if text.trim_start().starts_with('>') {
                found.push(line.clone());
                continue;
            }
            let before = number.checked_sub(1).and_then(|before| message.get(lines.get(before)?.clone())).unwrap_or_default();
            n_marks = n_marks.saturating_add(usize::from(rule(text).is_some()));
            if n_marks > MAX_MARKS {
                found.push(line.start..message.len());
                return found;
            }
            if let Some(end) = ruled(message, &lines, number, text, before) {
                found.push(line.start..end);
                from = end;
                continue;
            }
        }
        let mut at = line.start.max(from);
        while let Some(mark) = next_mark(&lower, at..line.end.min(seen)) {
            n_marks = n_marks.saturating_add(1);
            let rest = lower.get(mark.end..).unwrap_or_default();
            let closing = rest.rfind(&mark.closing).map(|closing| mark.end + closing + mark.closing.len());
            if n_marks > MAX_MARKS || (closing.is_none() && !mark.needs_end) {
                found.push(mark.start..message.len());
                return found;
            }
            if let Some(end) = closing {
                found.push(mark.start..end);
            }
            at = closing.unwrap_or(mark.end);
            from = from.max(at);
            if at >= line.end {
                break;
            }
        }
    }
    found
}

/// The bytes of each line, without its end.
fn lines(message: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let one = |line: &str| {
        let range = start..start + line.len();
        start = range.end + 1;
        range
    };
    message.split('\n').map(one).collect()
}

/// Where a block ends that begins with a line of dashes or equal signs.
fn ruled(message: &str, lines: &[Range<usize>], number: usize, text: &str, before: &str) -> Option<usize> {
    let sign = rule(text)?;
    let is_bare = is_bare(text, sign);
    let ends = |line: &&Range<usize>| {
        let line = message.get((*line).clone()).unwrap_or_default();
        rule(line) == Some(sign) && (!is_bare || self::is_bare(line, sign))
    };
    let behind = lines.get(number + 1..).unwrap_or_default();
    let last = behind.iter().rev().find(ends).map(|line| line.end);
    // `Title` and a line of equal signs below it, `=== Title ===`: a heading.
    let is_under = is_bare && !before.trim().is_empty() && !before.trim_end().ends_with(':');
    let is_heading = sign == '=' && (is_under || !is_bare && text.trim_end().ends_with("==="));
    // A heading of dashes on its own line is one.
    let is_title = sign == '-' && !is_bare && last.is_none();
    if last.is_none() && (is_heading || is_title) { None } else { Some(last.unwrap_or(message.len())) }
}

/// The sign that a line begins with three of.
fn rule(line: &str) -> Option<char> {
    let line = line.trim_start();
    ['-', '='].into_iter().find(|sign| line.chars().take(3).filter(|char| char == sign).count() == 3)
}

fn is_bare(line: &str, sign: char) -> bool {
    line.trim().chars().all(|char| char == sign)
}

/// The first mark within a line; `message` is in lower case.
fn next_mark(message: &str, line: Range<usize>) -> Option<Mark> {
    let text = message.get(line.clone())?;
    let fence = FENCES.iter().filter_map(|(open, close)| {
        let start = line.start + text.find(open)?;
        Some(Mark { start, end: start + open.len(), closing: (*close).to_owned(), needs_end: false })
    });
    let tag = text.match_indices('<').find_map(|(at, _)| tag(message, line.start + at, &line));
    fence.chain(tag).min_by_key(|mark| mark.start)
}

/// A tag that begins here: `<document>`, and not `<br>`, `<https://example.org>` or `<b/>`.
fn tag(message: &str, start: usize, line: &Range<usize>) -> Option<Mark> {
    let rest = message.get(start + 1..line.end)?;
    let name = rest.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_' || char == '-')).next()?;
    let behind = rest.get(name.len()..)?;
    let inside = behind.get(..behind.find('>')?)?;
    let is_tag = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && (inside.is_empty() || inside.starts_with([' ', '\t', '/']))
        && !inside.ends_with('/')
        && !VOID.contains(&name);
    let end = start + 1 + name.len() + inside.len() + 1;
    let is_in_text = !message.get(line.start..start)?.trim().is_empty() && !message.get(end..line.end)?.trim().is_empty();
    is_tag.then(|| Mark { start, end, closing: format!("</{name}>"), needs_end: is_in_text })
}
