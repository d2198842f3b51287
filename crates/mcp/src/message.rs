//! One JSON-RPC 2.0 message, strictly: what two readers could read differently is refused.

use std::borrow::Cow;

use text::{Document, Kind, NodeId};

use crate::method::{Form, Method, Sender};
use crate::version::Version;

/// Longest id in bytes, as text or as digits.
const MAX_ID: usize = 256;
/// Longest name of a method in bytes.
const MAX_METHOD: usize = 128;

/// Largest whole number that every reader of JSON reads alike: of two larger ones a reader may make the same.
const SAFE: u64 = (1 << 53) - 1;

/// The members that a message has. No other one may stand in it, be it for the case of a letter.
const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// What a request is known by. Numbers and texts are never the same: `1` is not `"1"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    /// A whole number, of 53 bits.
    Number(i64),
    /// A text, at most 256 bytes.
    Text(String),
}

impl Id {
    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text::quote(text),
        }
    }

    /// What [`Self::to_json`] wrote.
    #[must_use]
    pub fn from_json(json: &str) -> Option<Self> {
        let document = Document::parse(json.as_bytes(), &text::Limits::default()).ok()?;
        Self::read(&document, document.root())
    }

    fn read(document: &Document<'_>, node: NodeId) -> Option<Self> {
        match document.kind(node) {
            Kind::Number => {
                let lexeme = document.lexeme(node);
                let number: i64 = lexeme.parse().ok()?;
                // `-0` is a number that would come back as another text.
                (number.to_string() == lexeme && number.unsigned_abs() <= SAFE).then_some(Self::Number(number))
            }
            Kind::String => document.text(node).filter(|text| text.len() <= MAX_ID).map(|text| Self::Text(text.into_owned())),
            Kind::Object | Kind::Array | Kind::True | Kind::False | Kind::Null => None,
        }
    }
}

/// A message, over the document that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'d> {
    /// What it says.
    pub body: Body<'d>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'d> {
    /// Something to be answered.
    Request {
        /// What the answer will name.
        id: Id,
        /// The method as written; it may be one that nobody knows.
        method: Cow<'d, str>,
        /// An object, if there is one.
        params: Option<NodeId>,
    },
    /// Something that is only told.
    Notification {
        /// The method as written.
        method: Cow<'d, str>,
        /// An object, if there is one.
        params: Option<NodeId>,
    },
    /// An answer that says what was asked for.
    Result {
        /// What it answers.
        id: Id,
        /// An object.
        result: NodeId,
    },
    /// An answer that says why not.
    Error {
        /// What it answers; none if that could not be read.
        id: Option<Id>,
        /// What kind of error it is.
        code: i64,
        /// For people.
        message: Cow<'d, str>,
        /// More of it.
        data: Option<NodeId>,
    },
}

/// Why bytes are no message. Holds no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A list: revisions from 2025-06-18 on have no batches.
    #[error("several messages at once (a batch) are not taken")]
    Batch,
    /// It is no object.
    #[error("a message is a JSON object")]
    NotAnObject,
    /// `jsonrpc` is not `"2.0"`.
    #[error("`jsonrpc` has to be \"2.0\"")]
    NotJsonRpc,
    /// A member that no message has, or one in other letters.
    #[error("a message has a member that JSON-RPC does not know")]
    UnknownMember,
    /// An id that is no text and no whole number, or is too long.
    #[error("`id` has to be a text of at most 256 bytes or a whole number of 53 bits")]
    BadId,
    /// A method that is no text, or too long.
    #[error("`method` has to be a text of at most 128 bytes")]
    BadMethod,
    /// Params that are no object.
    #[error("`params` has to be an object")]
    BadParams,
    /// Neither a request nor an answer, or both.
    #[error("a message is either a request (`method`) or an answer (`result` or `error`)")]
    NeitherNorBoth,
    /// A result that is no object.
    #[error("`result` has to be an object")]
    BadResult,
    /// An error without a whole code and a message.
    #[error("`error` has to be an object with a whole `code` and a `message`")]
    BadError,
}

/// Why a message is not what such a party sends in such a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is an answer.
    #[error("an answer, where a request or a notification is expected")]
    Answer,
    /// No revision has the method, or not this one, or the other side sends it.
    #[error("the method is not known")]
    UnknownMethod,
    /// A request without an id, or a notification with one.
    #[error("a request has an id, and a notification has none")]
    WrongForm,
}

impl<'d> Message<'d> {
    /// Reads the one message of a document.
    ///
    /// # Errors
    /// See [`Fault`]; [`id_of`] tells whom to answer even then.
    pub fn read(document: &'d Document<'_>) -> Result<Self, Fault> {
        let root = document.root();
        match document.kind(root) {
            Kind::Object => {}
            Kind::Array => return Err(Fault::Batch),
            _ => return Err(Fault::NotAnObject),
        }
        let is_known = |member: NodeId| document.key(member).is_some_and(|key| MEMBERS.contains(&&*key));
        if !document.children(root).all(is_known) {
            return Err(Fault::UnknownMember);
        }
        let version = document.get(root, "jsonrpc").and_then(|node| document.text(node));
        if version.as_deref() != Some("2.0") {
            return Err(Fault::NotJsonRpc);
        }
        let [method, result, error] = ["method", "result", "error"].map(|member| document.get(root, member));
        let body = match (method, result, error) {
            (Some(method), None, None) => ask(document, method)?,
            (None, Some(result), None) => answer(document, result)?,
            (None, None, Some(error)) => failure(document, error)?,
            _ => return Err(Fault::NeitherNorBoth),
        };
        Ok(Self { body })
    }

    /// The method, if it is one that such a party sends in that revision, in the form that it has there.
    ///
    /// # Errors
    /// See [`Unfit`].
    pub fn asks(&self, sender: Sender, version: Version) -> Result<Method, Unfit> {
        let (method, form) = match &self.body {
            Body::Request { method, .. } => (method, Form::Request),
            Body::Notification { method, .. } => (method, Form::Notification),
            Body::Result { .. } | Body::Error { .. } => return Err(Unfit::Answer),
        };
        let known = Method::named(method).filter(|method| method.may_come_from(sender, version)).ok_or(Unfit::UnknownMethod)?;
        if known.form() == form { Ok(known) } else { Err(Unfit::WrongForm) }
    }

    /// The params of a request or notification.
    #[must_use]
    pub const fn params(&self) -> Option<NodeId> {
        match &self.body {
            Body::Request { params, .. } | Body::Notification { params, .. } => *params,
            Body::Result { .. } | Body::Error { .. } => None,
        }
    }

    /// The method of a request or notification, as written.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match &self.body {
            Body::Request { method, .. } | Body::Notification { method, .. } => Some(method),
            Body::Result { .. } | Body::Error { .. } => None,
        }
    }
}

/// The id of what may be no message: whom an error answers.
#[must_use]
pub fn id_of(document: &Document<'_>) -> Option<Id> {
    Id::read(document, document.get(document.root(), "id")?)
}

fn ask<'d>(document: &'d Document<'_>, method: NodeId) -> Result<Body<'d>, Fault> {
    let root = document.root();
    let method = document.text(method).filter(|method| !method.is_empty() && method.len() <= MAX_METHOD);
    let method = method.ok_or(Fault::BadMethod)?;
    let params = document.get(root, "params");
    if params.is_some_and(|params| document.kind(params) != Kind::Object) {
        return Err(Fault::BadParams);
    }
    match document.get(root, "id") {
        None => Ok(Body::Notification { method, params }),
        Some(id) => Ok(Body::Request { id: Id::read(document, id).ok_or(Fault::BadId)?, method, params }),
    }
}

fn answer<'d>(document: &Document<'_>, result: NodeId) -> Result<Body<'d>, Fault> {
    if document.get(document.root(), "params").is_some() {
        return Err(Fault::NeitherNorBoth);
    }
    if document.kind(result) != Kind::Object {
        return Err(Fault::BadResult);
    }
    Ok(Body::Result { id: id_of(document).ok_or(Fault::BadId)?, result })
}

fn failure<'d>(document: &'d Document<'_>, error: NodeId) -> Result<Body<'d>, Fault> {
    let root = document.root();
    if document.get(root, "params").is_some() {
        return Err(Fault::NeitherNorBoth);
    }
    let code = document.get(error, "code").filter(|code| document.kind(*code) == Kind::Number);
    let code = code.and_then(|code| document.lexeme(code).parse().ok()).ok_or(Fault::BadError)?;
    let message = document.get(error, "message").and_then(|message| document.text(message)).ok_or(Fault::BadError)?;
    let data = document.get(error, "data");
    let id = match document.get(root, "id") {
        None => None,
        // What could not be read has no id; earlier revisions write that so.
        Some(id) if document.kind(id) == Kind::Null => None,
        Some(id) => Some(Id::read(document, id).ok_or(Fault::BadId)?),
    };
    Ok(Body::Error { id, code, message, data })
}

#[cfg(test)]
mod tests {
    use text::{Document, Limits};

    use super::{Body, Fault, Id, Message, Unfit, id_of};
    use crate::method::{Method, Sender};
    use crate::version::Version;

    fn read(json: &str) -> Result<String, Fault> {
        let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
        Message::read(&document).map(|message| match message.body {
            Body::Request { id, method, params } => format!("request {} {method} {}", id.to_json(), params.is_some()),
            Body::Notification { method, params } => format!("notification {method} {}", params.is_some()),
            Body::Result { id, .. } => format!("result {}", id.to_json()),
            Body::Error { id, code, message, data } => {
                format!("error {:?} {code} {message} {}", id.map(|id| id.to_json()), data.is_some())
            }
        })
    }

    #[test]
    fn messages_are_read() {
        let facts = [
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, "request 1 tools/list false"),
            (r#"{"jsonrpc":"2.0","id":"a\"b","method":"x","params":{}}"#, r#"request "a\"b" x true"#),
            (r#"{"jsonrpc":"2.0","id":-7,"method":"x"}"#, "request -7 x false"),
            (r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#, "notification notifications/progress true"),
            (r#"{"jsonrpc":"2.0","id":0,"result":{}}"#, "result 0"),
            (r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"no"}}"#, r#"error Some("2") -32601 no false"#),
            (r#"{"jsonrpc":"2.0","error":{"code":1,"message":"no","data":[]}}"#, "error None 1 no true"),
            (r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#, "error None 1  false"),
        ];
        for (json, expected) in facts {
            assert_eq!(read(json).as_deref(), Ok(expected), "{json}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let facts = [
            (r#"[{"jsonrpc":"2.0","id":1,"method":"x"}]"#, Fault::Batch),
            ("[]", Fault::Batch),
            ("1", Fault::NotAnObject),
            (r#"{"id":1,"method":"x"}"#, Fault::NotJsonRpc),
            (r#"{"jsonrpc":2.0,"id":1,"method":"x"}"#, Fault::NotJsonRpc),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","Method":"y"}"#, Fault::UnknownMember),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","extra":1}"#, Fault::UnknownMember),
            (r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#, Fault::BadId),
            (r#"{"jsonrpc":"2.0","id":1.0,"method":"x"}"#, Fault::BadId),
            (r#"{"jsonrpc":"2.0","id":1e2,"method":"x"}"#, Fault::BadId),
            (r#"{"jsonrpc":"2.0","id":-0,"method":"x"}"#, Fault::BadId),
            (r#"{"jsonrpc":"2.0","id":9223372036854775808,"method":"x"}"#, Fault::BadId),
            (r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"x"}"#, Fault::BadId),
            (r#"{"jsonrpc":"2.0","id":-9007199254740992,"method":"x"}"#, Fault::BadId),
            (r#"{"jsonrpc":"2.0","id":[1],"method":"x"}"#, Fault::BadId),
            (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, Fault::BadMethod),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, Fault::BadMethod),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}"#, Fault::BadParams),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":null}"#, Fault::BadParams),
            (r#"{"jsonrpc":"2.0","id":1}"#, Fault::NeitherNorBoth),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{}}"#, Fault::NeitherNorBoth),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#, Fault::NeitherNorBoth),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"params":{}}"#, Fault::NeitherNorBoth),
            (r#"{"jsonrpc":"2.0","id":1,"result":[]}"#, Fault::BadResult),
            (r#"{"jsonrpc":"2.0","result":{}}"#, Fault::BadId),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"no"}}"#, Fault::BadError),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#, Fault::BadError),
            (r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#, Fault::BadError),
        ];
        for (json, expected) in facts {
            assert_eq!(read(json), Err(expected), "{json}");
        }
        let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"x"}}"#, "i".repeat(257));
        assert_eq!(read(&long), Err(Fault::BadId));
        let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "m".repeat(129));
        assert_eq!(read(&long), Err(Fault::BadMethod));
    }

    #[test]
    fn a_message_is_one_that_its_sender_sends() {
        let asks = |json: &str, sender, version| {
            let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
            Message::read(&document).unwrap().asks(sender, version)
        };
        let now = Version::V2026_07_28;
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#;
        assert_eq!(asks(call, Sender::Client, now), Ok(Method::CallTool));
        assert_eq!(asks(call, Sender::Server, now), Err(Unfit::UnknownMethod));
        assert_eq!(asks(r#"{"jsonrpc":"2.0","method":"tools/call"}"#, Sender::Client, now), Err(Unfit::WrongForm));
        let told = r#"{"jsonrpc":"2.0","id":1,"method":"notifications/progress"}"#;
        assert_eq!(asks(told, Sender::Client, now), Err(Unfit::WrongForm));
        assert_eq!(asks(r#"{"jsonrpc":"2.0","id":1,"method":"tools/Call"}"#, Sender::Client, now), Err(Unfit::UnknownMethod));
        assert_eq!(asks(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Sender::Client, now), Err(Unfit::Answer));
    }

    #[test]
    fn an_error_knows_whom_it_answers() {
        let document = Document::parse(br#"{"id":"q","method":"x"}"#, &Limits::default()).unwrap();
        assert_eq!(Message::read(&document), Err(Fault::NotJsonRpc));
        assert_eq!(id_of(&document), Some(Id::Text("q".to_owned())));
        for json in ["[1]", "{}", r#"{"id":null}"#] {
            assert_eq!(id_of(&Document::parse(json.as_bytes(), &Limits::default()).unwrap()), None, "{json}");
        }
    }
}
