//! What an answer uses, as far as it was seen: what the upstream says, and an estimate of what came without it saying. Beside it
//! what telemetry is told of the answer.

use std::collections::BTreeMap;

use model::Name;
use text::Document;

use crate::ports::{AnswerView, LeafUse, Reported};

/// Most reasons that are kept: one per text of an answer.
const MAX_REASONS: usize = 16;
/// Longest name of a model that is kept, in bytes.
const MAX_MODEL: usize = 128;

/// What was seen of one answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    /// What the upstream said.
    pub(crate) reported: Reported,
    /// An estimate of the tokens that arrived.
    pub(crate) arrived: u64,
    /// Whether something arrived that can be charged for: a whole document, or a stream.
    pub(crate) has_begun: bool,
    /// What the upstream calls the model.
    pub(crate) model: Option<String>,
    /// Why the texts ended.
    pub(crate) finish: Vec<&'static str>,
    /// What a tool's result adds up to, in thousandths, where operators have that counted.
    pub(crate) counted: BTreeMap<Name, u64>,
    /// Whether a tool server has said that its tools are others now.
    pub(crate) is_announced: bool,
}

impl Seen {
    /// Takes the next document of the answer.
    pub(super) fn note(&mut self, document: &Document<'_>, view: &AnswerView, in_stream: bool) {
        let Reported { usage, is_read, is_written, is_to_come } = view.reported;
        let before = self.reported;
        self.reported = Reported {
            usage: before.usage.most(usage),
            is_read: before.is_read || is_read,
            is_written: before.is_written || is_written,
            is_to_come,
        };
        self.has_begun |= !is_to_come;
        if self.model.is_none() {
            let model = view.told.model.and_then(|node| document.text(node)).filter(|model| model.len() <= MAX_MODEL);
            self.model = model.map(std::borrow::Cow::into_owned);
        }
        self.is_announced |= view.told.is_announcement;
        self.counted.extend(view.counted.iter().cloned());
        let room = MAX_REASONS.saturating_sub(self.finish.len());
        self.finish.extend(view.told.finish.iter().take(room));
        let arrived = if in_stream { pieces(document, view) } else { budget::tokens(document.bytes()) };
        self.arrived = self.arrived.saturating_add(arrived);
    }

    /// The model that answered: as the upstream says if that is `configured` with a date or a version behind it, else `configured`.
    /// Any other text of an upstream could say anything.
    pub(crate) fn answered_by<'s>(&'s self, configured: &'s str) -> &'s str {
        let is_version =
            |rest: &str| rest.len() <= 24 && rest.bytes().all(|byte| byte.is_ascii_digit() || b"-.:@v".contains(&byte));
        let exact = self.model.as_deref().filter(|model| model.strip_prefix(configured).is_some_and(is_version));
        exact.unwrap_or(configured)
    }
}

/// The texts that are written piece by piece; their final copies are not written again.
fn pieces(document: &Document<'_>, view: &AnswerView) -> u64 {
    let is_piece = |leaf_use: &LeafUse| matches!(leaf_use, LeafUse::Piece { .. });
    let texts = view.pieces.iter().filter(|(_, leaf_use)| is_piece(leaf_use)).filter_map(|(node, _)| document.text(*node));
    texts.map(|text| budget::tokens(text.as_bytes())).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn a_model_is_named_as_configured_or_with_a_version() {
        let facts = [
            (None, "gpt-x"),
            (Some("gpt-x"), "gpt-x"),
            (Some("gpt-x-2026-08-06"), "gpt-x-2026-08-06"),
            (Some("gpt-x:v2.1"), "gpt-x:v2.1"),
            (Some("gpt-x of jane@example.com"), "gpt-x"),
            (Some("gpt-x-1111111111111111111111111"), "gpt-x"),
            (Some("gpt"), "gpt-x"),
            (Some("other"), "gpt-x"),
        ];
        for (told, expected) in facts {
            let seen = Seen { model: told.map(ToOwned::to_owned), ..Seen::default() };
            assert_eq!(seen.answered_by("gpt-x"), expected, "{told:?}");
        }
    }
}
