//! What duties do to the text of one leaf.

use model::{Act, Duties, FindingKind, Side, Span};

use crate::scan::Hit;
use crate::unite::unite;

/// A united match longer than this many bytes is redacted where a duty says `mask`.
pub const MAX_MASKED: usize = 16_384;

/// How many characters a mask leaves readable.
const SHOWN: usize = 4;

/// Content that a duty refuses to pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{kind}` at `{place}` is refused by a duty")]
pub struct DeniedContent {
    /// What was found.
    pub kind: FindingKind,
    /// Where, as in [`model::Finding::place`]; empty for a text without a place.
    pub place: String,
}

/// A span to replace, with what comes in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) span: Span,
    pub(crate) replacement: String,
}

/// `text` with every duty performed on `hits`; `None` if nothing changes. Matches whose duty is `allow` are as if they were not
/// there; the others are united where they overlap, and the strictest act of each union holds.
///
/// # Errors
/// A duty says `deny`; names the first such match.
pub fn redact_text(text: &str, hits: &[Hit], duties: &Duties, side: Side) -> Result<Option<String>, DeniedContent> {
    let edits = edits(text, hits, duties, side).map_err(|kind| DeniedContent { kind, place: String::new() })?;
    Ok((!edits.is_empty()).then(|| apply(text, &edits)))
}

/// The edits that the duties demand, in order; or the kind that is denied.
pub(crate) fn edits(text: &str, hits: &[Hit], duties: &Duties, side: Side) -> Result<Vec<Edit>, FindingKind> {
    let mut judged = Vec::new();
    for (kind, group, span) in hits.iter().flat_map(Hit::matches) {
        match duties.act(side, kind, group) {
            Act::Allow => {}
            Act::Deny => return Err(kind.clone()),
            act @ (Act::Mask | Act::Redact) => judged.push((kind, act, span)),
        }
    }
    judged.sort_by_key(|(_, _, span)| span.start);
    let united = unite(judged, |(_, _, span)| *span);
    let edits = united.into_iter().filter_map(|(span, members)| {
        let act = members.iter().map(|(_, act, _)| *act).max()?;
        let (kind, _, _) = members.first()?;
        // Offsets that are not this text's are widened, so that nothing found stays.
        let span = Span { start: text.floor_char_boundary(span.start), end: text.ceil_char_boundary(span.end) };
        Some(Edit { span, replacement: replacement(kind, act, text.get(span.start..span.end).unwrap_or_default()) })
    });
    Ok(edits.collect())
}

/// What stands for `found` afterwards.
pub(crate) fn replacement(kind: &FindingKind, act: Act, found: &str) -> String {
    if act == Act::Mask && found.len() <= MAX_MASKED {
        return mask(found);
    }
    format!("[redacted:{kind}]")
}

/// All characters but the last four become `*`.
fn mask(found: &str) -> String {
    let hidden = found.chars().count().saturating_sub(SHOWN);
    found.chars().enumerate().map(|(place, character)| if place < hidden { '*' } else { character }).collect()
}

/// `text` with every edit made; edits are sorted and disjoint.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> String {
    let mut result = String::with_capacity(text.len());
    let mut copied = 0;
    for edit in edits {
        result.push_str(text.get(copied..edit.span.start).unwrap_or_default());
        result.push_str(&edit.replacement);
        copied = edit.span.end;
    }
    result.push_str(text.get(copied..).unwrap_or_default());
    result
}
