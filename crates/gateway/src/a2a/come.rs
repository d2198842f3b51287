//! What comes from an agent: whether it answers what was asked, and what of it is an id, words or a file.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use ::a2a::Answer;
use engine::ports::{AnswerView, Form, LaneId, LeafUse};
use mcp::{Body, Message};
use text::{Document, NodeId};

use super::{A2a, Asked};

/// What is said of one message.
pub(super) fn view(a2a: &A2a, document: &Document<'_>, in_stream: bool) -> AnswerView {
    match read(a2a, document, in_stream) {
        Ok(Some(answer)) => told(document, answer),
        Ok(None) => AnswerView::default(),
        Err(why) => AnswerView { refused: Some(why), ..AnswerView::default() },
    }
}

/// The result that a message holds; none for an error.
fn read(a2a: &A2a, document: &Document<'_>, in_stream: bool) -> Result<Option<Answer>, &'static str> {
    let message = Message::read(document).map_err(|_| "it is no message of JSON-RPC")?;
    let Some(Asked { id: Some(id), method: Some(method), .. }) = a2a.asked.get() else { return Err("nothing was asked") };
    if a2a.has_failed.load(Ordering::Relaxed) {
        return Err("a message behind an error");
    }
    let was_answered = a2a.is_answered.load(Ordering::Relaxed);
    match &message.body {
        Body::Result { id: answered, result } if answered == id => {
            if in_stream != method.is_streaming() || was_answered && !in_stream {
                return Err("an answer of another form than what was asked for");
            }
            let mut course = a2a.course.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = course.as_mut().ok_or("nothing was asked")?.read(document, *result)?;
            drop(course);
            a2a.is_answered.store(true, Ordering::Relaxed);
            Ok(Some(answer))
        }
        // An agent that could not read what was asked cannot say which request it was.
        Body::Error { id: answered, .. } if answered.as_ref().is_none_or(|answered| answered == id) => {
            a2a.is_answered.store(true, Ordering::Relaxed);
            a2a.has_failed.store(true, Ordering::Relaxed);
            Ok(None)
        }
        Body::Result { .. } | Body::Error { .. } => Err("an answer to something that was not asked"),
        Body::Request { .. } | Body::Notification { .. } => Err("a message that is not passed on"),
    }
}

/// Most files of one document that are found one by one: their kind is the same, and so is what is done with each.
const MOST_FILES: usize = 64;

fn told(document: &Document<'_>, answer: Answer) -> AnswerView {
    // What comes in pieces is put together by clients, by the artifact that it is of.
    let piece = |(node, artifact): (NodeId, String)| {
        let lane = LaneId(format!("artifact/{artifact}"));
        (node, LeafUse::Piece { lane, choice: 0, form: Form::Text })
    };
    AnswerView {
        pieces: answer.pieces.into_iter().map(piece).collect(),
        joined: answer.joined,
        handles: answer.ids,
        replaced: answer.foreign.into_iter().map(|list| (document.span(list), "[]".to_owned())).collect(),
        uninspected: answer.files.into_iter().take(MOST_FILES).map(|node| (node, "file")).collect(),
        ..AnswerView::default()
    }
}
