//! Answers of the Responses API: whole documents, and events that say in their type what they are.

use engine::ports::AnswerView;
use text::Document;

use crate::dialect::lanes::{Lanes, event_type};

/// The last event of a stream, whichever it is.
const LAST: &[&str] = &["response.completed", "response.failed", "response.incomplete", "error"];

/// See [`crate::dialect::view`].
///
/// `X.delta` continues the lane of its item and part, `X.done` ends it. Every copy of a finished text is a whole value: it is
/// read like any other, and so comes out as its lane did.
pub(in crate::dialect) fn view(document: &Document<'_>, name: Option<&str>, in_stream: bool) -> AnswerView {
    let mut lanes = Lanes::new(document);
    if !in_stream {
        return lanes.view;
    }
    let kind = event_type(document, name);
    lanes.unknown_event(&kind, 0);
    if let Some(text) = kind.strip_suffix(".done") {
        lanes.end_events(&format!("{text}.delta"));
    }
    lanes.view.is_last = LAST.contains(&&*kind);
    lanes.view
}
