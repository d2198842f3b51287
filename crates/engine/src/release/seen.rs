//! What an answer uses, as far as it was seen: what the upstream says, and an estimate of what came without it saying.

use text::Document;

use crate::ports::{AnswerView, LeafUse, Reported};

/// What was seen of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    /// What the upstream said.
    pub(crate) reported: Reported,
    /// An estimate of the tokens that arrived.
    pub(crate) arrived: u64,
    /// Whether something arrived that can be charged for: a whole document, or a stream.
    pub(crate) has_begun: bool,
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
        let arrived = if in_stream { pieces(document, view) } else { budget::tokens(document.bytes()) };
        self.arrived = self.arrived.saturating_add(arrived);
    }
}

/// The texts that are written piece by piece; their final copies are not written again.
fn pieces(document: &Document<'_>, view: &AnswerView) -> u64 {
    let is_piece = |leaf_use: &LeafUse| matches!(leaf_use, LeafUse::Piece { .. });
    let texts = view.pieces.iter().filter(|(_, leaf_use)| is_piece(leaf_use)).filter_map(|(node, _)| document.text(*node));
    texts.map(|text| budget::tokens(text.as_bytes())).fold(0, u64::saturating_add)
}
