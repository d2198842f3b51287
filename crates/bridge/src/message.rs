//! Messages on their way through: whose they are, with other ids, and otherwise byte for byte as they came.

use std::ops::Range;

use mcp::{Body, Id, Message};
use text::{Document, Kind, Limits, NodeId, Splices};

/// The notification that names a progress token.
const PROGRESS: &str = "notifications/progress";
/// The notification that names a request.
const CANCELLED: &str = "notifications/cancelled";

/// Why bytes are no message. Holds no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// They are no strict JSON.
    #[error("it is no JSON: {0}")]
    Json(String),
    /// They are JSON and no message.
    #[error("it is no message: {0}")]
    Message(mcp::Fault),
}

/// What a server says, and whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An answer to the request of this number; `None` for one that names nothing the bridge has asked.
    Answer {
        /// The number.
        number: Option<u64>,
        /// Where it stands.
        at: Option<Range<usize>>,
    },
    /// Progress of the request of this number.
    Progress {
        /// The number.
        number: u64,
        /// Where it stands.
        at: Range<usize>,
    },
    /// Another notification.
    Told,
    /// A question, with its id as JSON.
    Asked {
        /// The id.
        id: String,
        /// Whether it only wants to know if somebody is there.
        is_ping: bool,
    },
}

/// Reads a line that a server wrote.
///
/// # Errors
/// What is no message.
pub fn heard(line: &[u8]) -> Result<Heard, Fault> {
    let document = parsed(line)?;
    let message = Message::read(&document).map_err(Fault::Message)?;
    let own = |id: &Id| if let Id::Number(number) = id { u64::try_from(*number).ok() } else { None };
    Ok(match &message.body {
        Body::Result { id, .. } => Heard::Answer { number: own(id), at: span(&document, document.at("/id")) },
        Body::Error { id, .. } => Heard::Answer { number: id.as_ref().and_then(own), at: span(&document, document.at("/id")) },
        Body::Request { id, method, .. } => Heard::Asked { id: id.to_json(), is_ping: method == "ping" },
        Body::Notification { method, params } => {
            let token = params.filter(|_| method == PROGRESS).and_then(|params| document.get(params, "progressToken"));
            let number = token.and_then(|token| document.lexeme(token).parse().ok());
            match (number, span(&document, token)) {
                (Some(number), Some(at)) => Heard::Progress { number, at },
                _ => Heard::Told,
            }
        }
    })
}

/// What the gate sends on.
#[derive(Debug)]
pub(crate) enum Sent {
    /// Something to be answered.
    Request { id: Id, at: Range<usize>, token: Option<(String, Range<usize>)>, opens: bool },
    /// A request is given up.
    Cancelled { id: Id, at: Range<usize> },
    /// Something that is only told.
    Told,
    /// An answer to what a server asked, which the bridge has answered itself.
    Answer,
}

/// Reads a message of the gate.
pub(crate) fn sent(bytes: &[u8]) -> Result<Sent, Fault> {
    let document = parsed(bytes)?;
    let message = Message::read(&document).map_err(Fault::Message)?;
    Ok(match &message.body {
        Body::Request { id, method, params } => {
            let meta = params.and_then(|params| document.get(params, "_meta"));
            let token = meta.and_then(|meta| document.get(meta, "progressToken"));
            let is_token = |node: &NodeId| matches!(document.kind(*node), Kind::String | Kind::Number);
            let token = token.filter(is_token).map(|node| (document.lexeme(node).to_owned(), document.span(node)));
            let at = span(&document, document.at("/id")).unwrap_or_default();
            Sent::Request { id: id.clone(), at, token, opens: method == "initialize" }
        }
        Body::Notification { method, params } => {
            let id = params.filter(|_| method == CANCELLED).and_then(|params| document.get(params, "requestId"));
            match id.and_then(|node| Some((id_of(&document, node)?, document.span(node)))) {
                Some((id, at)) => Sent::Cancelled { id, at },
                None => Sent::Told,
            }
        }
        Body::Result { .. } | Body::Error { .. } => Sent::Answer,
    })
}

fn parsed(bytes: &[u8]) -> Result<Document<'_>, Fault> {
    Document::parse(bytes, &Limits::default()).map_err(|error| Fault::Json(error.to_string()))
}

fn span(document: &Document<'_>, node: Option<NodeId>) -> Option<Range<usize>> {
    node.map(|node| document.span(node))
}

fn id_of(document: &Document<'_>, node: NodeId) -> Option<Id> {
    match document.kind(node) {
        Kind::String => document.text(node).map(|text| Id::Text(text.into_owned())),
        Kind::Number => document.lexeme(node).parse().ok().map(Id::Number),
        Kind::Object | Kind::Array | Kind::True | Kind::False | Kind::Null => None,
    }
}

/// The bytes with other texts at these places; `None` if the places are none.
#[must_use]
pub fn with(bytes: &[u8], edits: &[(&Range<usize>, &str)]) -> Option<Vec<u8>> {
    let mut splices = Splices::new();
    edits.iter().for_each(|(at, text)| splices.replace((*at).clone(), text.as_bytes()));
    splices.apply(bytes).ok()
}

/// A message as a line: between values a line break says nothing, and within them none can stand.
pub(crate) fn line(mut bytes: Vec<u8>) -> Vec<u8> {
    for byte in &mut bytes {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    bytes.push(b'\n');
    bytes
}

/// An error as an answer to the request with this id; `text` is the bridge's own.
pub(crate) fn error(id: &str, code: i32, text: &str) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{}}}}}"#, text::quote(text)).into_bytes()
}

#[cfg(test)]
mod tests {
    use mcp::Id;

    use super::{Heard, Sent, error, heard, line, sent, with};

    #[test]
    fn what_servers_say() {
        let facts = [
            (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, Heard::Answer { number: Some(7), at: Some(22..23) }),
            (r#"{"jsonrpc":"2.0","id":"7","result":{}}"#, Heard::Answer { number: None, at: Some(22..25) }),
            (r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#, Heard::Told),
            (r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#, Heard::Asked { id: "\"a\"".to_owned(), is_ping: true }),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":12,"progress":1}}"#,
                Heard::Progress { number: 12, at: 77..79 },
            ),
        ];
        for (text, expected) in facts {
            assert_eq!(heard(text.as_bytes()).unwrap(), expected, "{text}");
        }
        for text in ["", "Starting up...", "[]", "{}", r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#] {
            assert!(heard(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn ids_change_and_nothing_else() {
        let text = "{ \"jsonrpc\":\"2.0\",\n\"id\": \"a\", \"method\":\"tools/call\",\"params\":{\"n\":1.50,\"_meta\":{\"progressToken\":\"t\"}}}";
        let Sent::Request { id, at, token: Some((token, place)), opens: false } = sent(text.as_bytes()).unwrap() else {
            panic!()
        };
        assert_eq!((id, token.as_str()), (Id::Text("a".to_owned()), "\"t\""));
        let changed = line(with(text.as_bytes(), &[(&at, "5"), (&place, "5")]).unwrap());
        let expected = "{ \"jsonrpc\":\"2.0\", \"id\": 5, \"method\":\"tools/call\",\"params\":{\"n\":1.50,\"_meta\":{\"progressToken\":5}}}\n";
        assert_eq!(String::from_utf8(changed).unwrap(), expected);
        let cancelled = br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}"#;
        assert!(matches!(sent(cancelled).unwrap(), Sent::Cancelled { id: Id::Text(_), .. }));
        assert_eq!(error("1", -32000, "a \"b\""), br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"a \"b\""}}"#);
    }
}
