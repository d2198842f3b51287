//! Evaluates token rules at one position of a text that may still grow.

use memchr::memchr;

use crate::class::Class;
use crate::rules::{JWT, Left, Shape, TokenRule};
use crate::wordy;

/// What can be said about a rule at one start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eval {
    /// No match begins here, whatever follows.
    No,
    /// More text is needed.
    Pending,
    /// A match begins here for certain; it goes on from `from` as `tail` says.
    Met { tail: Tail, from: usize },
}

/// How a match goes on after its minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Over every byte of the class.
    Run(Class),
    /// To the end of the first PEM end line, or of the text. Begins at the header's last dashes, which the end line may share.
    Pem,
}

/// Where a match ends, or from where to look again when there is more text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    At(usize),
    Beyond { resume: usize },
}

/// Longest first segment of a JWT whose header is not one of the known ones.
const MAX_SEGMENT: usize = 512;
/// Shortest segment of a JWT, after its `ey`.
const MIN_SEGMENT: usize = 17;
/// Longest label of a PEM line.
const MAX_LABEL: usize = 128;
/// A PEM header counts when this many base64 bytes in a row…
const PEM_RUN: usize = 20;
/// …stand within this many bytes behind it.
const PEM_WINDOW: usize = 512;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const LABEL: Class = Class::WORD.or(Class::SPACE);

impl TokenRule {
    /// Whether a match begins at `start`. `is_final`: the text does not go on after `text`.
    pub(crate) fn evaluate(&self, text: &[u8], start: usize, is_final: bool) -> Eval {
        for shape in self.shapes {
            let eval = shape.evaluate(text, start, is_final);
            if eval != Eval::No {
                return eval;
            }
        }
        Eval::No
    }
}

impl TokenRule {
    /// Whether a match that begins inside a run of this rule ends with it: everything it can begin with belongs to every run.
    /// Where this is false, a literal can straddle the end of a run (`ghp_…ghp_…`), or of an end line.
    pub(crate) fn swallows_itself(&self) -> bool {
        let prefixes = self.shapes.iter().map(Shape::prefix);
        prefixes.into_iter().all(|prefix| {
            self.shapes.iter().all(|shape| match shape {
                Shape::Run { class, .. } => class.run(prefix.as_bytes()) == prefix.len(),
                Shape::Segments => true,
                Shape::Pem => false,
            })
        })
    }
}

impl Shape {
    fn evaluate(&self, text: &[u8], start: usize, is_final: bool) -> Eval {
        let before = start.checked_sub(1).and_then(|at| text.get(at)).copied();
        let rest = text.get(start..).unwrap_or_default();
        let missing = if is_final { Eval::No } else { Eval::Pending };
        match *self {
            Self::Run { prefix, left, class, min, distinct } => {
                if !left.admits(before) {
                    return Eval::No;
                }
                let Some(body) = rest.strip_prefix(prefix.as_bytes()) else {
                    return if prefix.as_bytes().starts_with(rest) { missing } else { Eval::No };
                };
                let minimum = body.get(..min).unwrap_or(body);
                if class.run(minimum) < minimum.len() {
                    return Eval::No;
                }
                if minimum.len() < min {
                    return missing;
                }
                if n_distinct(minimum) < distinct || wordy::is_name(prefix, class, minimum) {
                    return Eval::No;
                }
                Eval::Met { tail: Tail::Run(class), from: start + prefix.len() + min }
            }
            Self::Segments if Left::UrlSafe.admits(before) => segments(rest, start, missing),
            Self::Segments => Eval::No,
            Self::Pem => pem(rest, start, missing),
        }
    }
}

impl Tail {
    /// Where the match ends; `from` is where to look first.
    pub(crate) fn end(self, text: &[u8], from: usize, is_final: bool) -> End {
        match self {
            Self::Run(class) => {
                let end = from + class.run(text.get(from..).unwrap_or_default());
                if end < text.len() || is_final { End::At(end) } else { End::Beyond { resume: end } }
            }
            Self::Pem => pem_end(text, from, is_final),
        }
    }
}

fn n_distinct(bytes: &[u8]) -> usize {
    let mut seen = [0_u64; 4];
    for byte in bytes {
        if let Some(word) = seen.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }
    seen.iter().map(|word| usize::try_from(word.count_ones()).unwrap_or(0)).sum()
}

/// `ey`, 17 to 512 base64url bytes, `.ey`, at least 17 base64url or base64 bytes; then everything a JWT may hold.
fn segments(rest: &[u8], start: usize, missing: Eval) -> Eval {
    let Some(first) = rest.strip_prefix(b"ey") else {
        return if b"ey".starts_with(rest) { missing } else { Eval::No };
    };
    let length = Class::URL_SAFE.run(first.get(..=MAX_SEGMENT).unwrap_or(first));
    if length > MAX_SEGMENT {
        return Eval::No;
    }
    if length == first.len() {
        return missing;
    }
    let joint = first.get(length..).unwrap_or_default();
    let Some(second) = joint.strip_prefix(b".ey") else {
        return if length >= MIN_SEGMENT && b".ey".starts_with(joint) { missing } else { Eval::No };
    };
    let minimum = second.get(..MIN_SEGMENT).unwrap_or(second);
    if length < MIN_SEGMENT || Class::URL_SAFE.or(Class::SLASH).or(Class::PLUS).run(minimum) < minimum.len() {
        return Eval::No;
    }
    if minimum.len() < MIN_SEGMENT {
        return missing;
    }
    Eval::Met { tail: Tail::Run(JWT), from: start + 2 + length + 3 + MIN_SEGMENT }
}

/// A PEM line of `marker`, a label and five dashes at the start of `rest`: the label's and the line's end.
enum Line {
    No,
    Missing,
    Whole { label: usize, end: usize },
}

fn pem_line(rest: &[u8], marker: &[u8]) -> Line {
    let (head, after) = rest.split_at(rest.len().min(marker.len()));
    if !marker.get(..head.len()).is_some_and(|wanted| wanted.eq_ignore_ascii_case(head)) {
        return Line::No;
    }
    let label = LABEL.run(after.get(..=MAX_LABEL).unwrap_or(after));
    if label > MAX_LABEL {
        return Line::No;
    }
    let dashes = after.get(label..).unwrap_or_default();
    if dashes.starts_with(DASHES) {
        return Line::Whole { label, end: marker.len() + label + DASHES.len() };
    }
    // An incomplete marker leaves nothing behind it, and nothing is the beginning of five dashes.
    if DASHES.starts_with(dashes) { Line::Missing } else { Line::No }
}

fn pem(rest: &[u8], start: usize, missing: Eval) -> Eval {
    let (label, header) = match pem_line(rest, BEGIN) {
        Line::No => return Eval::No,
        Line::Missing => return missing,
        Line::Whole { label, end } => (rest.get(BEGIN.len()..BEGIN.len() + label).unwrap_or_default(), end),
    };
    if !ends_with_ignore_case(label, b"PRIVATE KEY") && !ends_with_ignore_case(label, b"PRIVATE KEY BLOCK") {
        return Eval::No;
    }
    let body = rest.get(header..).unwrap_or_default();
    let window = body.get(..PEM_WINDOW).unwrap_or(body);
    let mut run = 0;
    for byte in window {
        run = if Class::BASE64.has(*byte) { run + 1 } else { 0 };
        if run == PEM_RUN {
            return Eval::Met { tail: Tail::Pem, from: start + header - DASHES.len() };
        }
    }
    if window.len() < PEM_WINDOW { missing } else { Eval::No }
}

fn ends_with_ignore_case(label: &[u8], end: &[u8]) -> bool {
    label.len().checked_sub(end.len()).and_then(|at| label.get(at..)).is_some_and(|found| found.eq_ignore_ascii_case(end))
}

fn pem_end(text: &[u8], from: usize, is_final: bool) -> End {
    let mut at = from;
    while let Some(offset) = memchr(b'-', text.get(at..).unwrap_or_default()) {
        at += offset;
        match pem_line(text.get(at..).unwrap_or_default(), END) {
            Line::Whole { end, .. } => return End::At(at + end),
            Line::Missing if !is_final => return End::Beyond { resume: at },
            Line::Missing | Line::No => at += 1,
        }
    }
    if is_final { End::At(text.len()) } else { End::Beyond { resume: text.len() } }
}
