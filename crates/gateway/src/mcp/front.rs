//! Where the gate itself is the server: several servers under one address, and one that speaks another revision than the caller.
//!
//! It serves tools and nothing else, and has no sessions. A call goes to the tool's own server, under the tool's own name, in the
//! revision that this server speaks; a server with sessions is met first, once for each task.

use bytes::Bytes;
use engine::{Member, Server};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use mcp::{Body, Id, Message, Method, Version, meta};
use model::Name;
use serde_json::{Value, json};
use text::{Document, Kind, NodeId, quote};

use super::features::Edits;
use super::{Asked, Mcp, Servers};
use crate::sse;

/// What the gate calls itself.
const NAME: &str = "portcullis";

/// Where a message goes.
pub(super) struct Place {
    /// The server that it is for.
    pub(super) server: Name,
    /// The tool, by the name that its server gives it.
    pub(super) tool: Option<String>,
    /// Whether it came under another address than the server's own.
    is_joined: bool,
    /// The revision that the server speaks, where operators say so.
    speaks: Option<Version>,
}

/// Where a message goes that calls this tool, or none.
pub(super) fn place(mcp: &Mcp, servers: &Servers, called: Option<&str>) -> Place {
    let front: Option<&Server> = servers.get(&mcp.server).map(|server| &**server);
    let members = front.and_then(|front| front.members.as_ref());
    let member: Option<&Member> = members.zip(called).and_then(|(members, called)| members.tools.get(called));
    let server = member.map_or(&mcp.server, |member| &member.server).clone();
    let speaks = servers.get(&server).and_then(|server| server.revision);
    let tool = member.map_or(called, |member| Some(&member.tool)).map(ToOwned::to_owned);
    Place { server, tool, is_joined: members.is_some(), speaks }
}

impl Place {
    /// Whether the caller speaks to the gate and not to a server of its own revision.
    pub(super) fn is_front(&self, version: Version) -> bool {
        self.is_joined || self.speaks.is_some_and(|speaks| speaks.is_stateless() != version.is_stateless())
    }

    /// Whether a call is told in another revision than the caller's, or in a session that the caller does not know.
    pub(super) fn is_turned(&self, version: Version) -> bool {
        let is_plain = version.is_stateless() && self.speaks.unwrap_or(version).is_stateless();
        self.is_front(version) && !is_plain
    }

    /// Whether a method is served.
    pub(super) fn takes(&self, method: Method, version: Version) -> bool {
        use Method as M;
        let is_of_tools =
            matches!(method, M::Discover | M::Initialize | M::Initialized | M::Ping | M::ListTools | M::CallTool | M::Cancelled);
        is_of_tools || !self.is_front(version)
    }

    /// Whether the gate answers it.
    pub(super) fn is_own(&self, method: Option<Method>, version: Version) -> bool {
        self.is_front(version) && method != Some(Method::CallTool)
    }

    /// The revision in which a message is told.
    pub(super) fn told(&self, method: Option<Method>, version: Version) -> Version {
        let is_turned = method == Some(Method::CallTool) && self.is_front(version);
        self.speaks.filter(|_| is_turned).unwrap_or(version)
    }

    /// The revision of the session in which a call is told whose caller has none.
    pub(super) fn introduces(&self, method: Option<Method>, version: Version, session: Option<&str>) -> Option<Version> {
        let is_call = method == Some(Method::CallTool) && session.is_none() && self.is_front(version);
        Some(self.told(method, version)).filter(|told| is_call && !told.is_stateless())
    }

    /// What of a call is told otherwise: the tool's name, and what each revision says of itself in a request.
    pub(super) fn edits(&self, document: &Document<'_>, message: &Message<'_>, version: Version, told: Version) -> Edits {
        let mut edits = Vec::new();
        let Some(params) = message.params() else { return edits };
        if let (true, Some(tool), Some(name)) = (self.is_joined, &self.tool, document.get(params, "name")) {
            edits.push((document.span(name), quote(tool)));
        }
        let meta = document.get(params, "_meta");
        match (version.is_stateless(), told.is_stateless()) {
            (false, true) => edits.push(introduced(document, params, meta, told)),
            (true, false) => edits.extend(meta.map(|meta| (document.span(meta), plain(document, meta)))),
            (true, true) | (false, false) => {}
        }
        edits
    }
}

/// Says in a request which revision it is of. The caller cannot be asked for anything.
fn introduced(document: &Document<'_>, params: NodeId, meta: Option<NodeId>, told: Version) -> (std::ops::Range<usize>, String) {
    let says = format!(r#""{}":"{told}","{}":{{}}"#, meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES);
    let at = document.span(meta.unwrap_or(params)).start.saturating_add(1);
    let comma = if document.count(meta.unwrap_or(params)) == 0 { "" } else { "," };
    let text = if meta.is_some() { format!("{says}{comma}") } else { format!(r#""_meta":{{{says}}}{comma}"#) };
    (at..at, text)
}

/// The metadata of a request without those that only revisions without sessions have.
fn plain(document: &Document<'_>, meta: NodeId) -> String {
    let is_kept =
        |key: &str| ![meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES, meta::CLIENT_INFO, meta::LOG_LEVEL].contains(&key);
    let members = document.children(meta).filter_map(|member| {
        let key = document.key(member).filter(|key| is_kept(key))?;
        Some(format!("{}:{}", quote(&key), document.lexeme(member)))
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// The revision of a handshake: the one that is asked for, if that is spoken and has handshakes.
pub(super) fn agreed(document: &Document<'_>, message: Option<&Message<'_>>, method: Option<Method>) -> Option<Version> {
    let params = message.filter(|_| method == Some(Method::Initialize)).and_then(Message::params)?;
    let asked = document.get(params, "protocolVersion").filter(|asked| document.kind(*asked) == Kind::String);
    let asked = asked.and_then(|asked| document.text(asked)).and_then(|asked| Version::named(&asked));
    Some(asked.filter(|asked| !asked.is_stateless()).unwrap_or(Version::V2025_11_25))
}

/// What the gate answers to a handshake and its like; none to anything else.
pub(super) fn answer(asked: &Asked) -> Option<(StatusCode, HeaderMap, Bytes)> {
    let info = || json!({"name": NAME, "version": env!("CARGO_PKG_VERSION")});
    let tools = || json!({"tools": {"listChanged": false}});
    let result: Value = match asked.method {
        Some(Method::Discover) => json!({
            "supportedVersions": Version::ALL.map(Version::as_str),
            "capabilities": tools(),
            "resultType": "complete",
            "ttlMs": 0,
            "cacheScope": "private",
            "_meta": {"io.modelcontextprotocol/serverInfo": info()},
        }),
        Some(Method::Initialize) => {
            let agreed = asked.agreed.unwrap_or(Version::V2025_11_25);
            json!({"protocolVersion": agreed.as_str(), "capabilities": tools(), "serverInfo": info()})
        }
        Some(Method::Ping) => json!({}),
        // What a client tells is taken, and nothing comes of it.
        Some(Method::Initialized | Method::Cancelled) => return Some((StatusCode::ACCEPTED, HeaderMap::new(), Bytes::new())),
        _ => return None,
    };
    let (headers, body) = told(Some(asked), &result.to_string());
    Some((StatusCode::OK, headers, body))
}

/// A result as the answer to what was asked.
pub(super) fn told(asked: Option<&Asked>, result: &str) -> (HeaderMap, Bytes) {
    let id = asked.and_then(|asked| asked.id.as_ref()).map_or_else(|| "null".to_owned(), Id::to_json);
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    let is_stream = asked.is_some_and(|asked| asked.prefers_streams);
    let kind = if is_stream { "text/event-stream" } else { "application/json" };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    (headers, if is_stream { sse::write(Some("message"), body.as_bytes()) } else { Bytes::from(body) })
}

/// The revision that a server agrees on, in its answer to the first message of an introduction.
pub(super) fn agreed_by(document: &Document<'_>) -> Option<Option<Version>> {
    let message = Message::read(document).ok()?;
    match message.body {
        Body::Result { result, .. } => {
            let told = document.get(result, "protocolVersion").and_then(|told| document.text(told));
            Some(told.and_then(|told| Version::named(&told)).filter(|version| !version.is_stateless()))
        }
        Body::Error { .. } => Some(None),
        Body::Request { .. } | Body::Notification { .. } => None,
    }
}

/// How the gate meets a server with sessions: the handshake, and its end.
pub(crate) fn introduction(version: Version) -> [Bytes; 2] {
    let params = json!({
        "protocolVersion": version.as_str(),
        // Whoever calls cannot be asked for anything.
        "capabilities": {},
        "clientInfo": {"name": NAME, "version": env!("CARGO_PKG_VERSION")},
    });
    let begin = json!({"jsonrpc": "2.0", "id": 0, "method": Method::Initialize.as_str(), "params": params});
    let end = json!({"jsonrpc": "2.0", "method": Method::Initialized.as_str()});
    [Bytes::from(begin.to_string()), Bytes::from(end.to_string())]
}
