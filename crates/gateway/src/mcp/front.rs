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

use super::features::{self, Edits};
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
    /// That address, by its name.
    pub(super) through: Option<Name>,
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
    let through = members.map(|_| mcp.server.clone());
    Place { server, tool, is_joined: members.is_some(), through, speaks }
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

    /// What of a call is told otherwise: the tool's name, what each revision says of itself in a request, and, in a session that is not
    /// the caller's, by what the call and its progress are known (`own`). What stays is inspected as in any other call.
    pub(super) fn edits(
        &self,
        document: &Document<'_>,
        message: &Message<'_>,
        (version, told): (Version, Version),
        own: Option<&str>,
    ) -> Edits {
        let mut edits = Vec::new();
        let Some(params) = message.params() else { return edits };
        if let (true, Some(tool), Some(name)) = (self.is_joined, &self.tool, document.get(params, "name")) {
            edits.push((document.span(name), quote(tool)));
        }
        let meta = document.get(params, "_meta");
        if self.is_turned(version) {
            let is_kept = |member: NodeId| !is_of_revision(document, member);
            edits.extend(meta.into_iter().flat_map(|meta| features::only(document, meta, is_kept)));
        }
        if !version.is_stateless() && told.is_stateless() {
            edits.push(introduced(document, params, meta, told));
        }
        if let Some(own) = own {
            let progress = meta.and_then(|meta| document.get(meta, meta::PROGRESS_TOKEN));
            let names = [document.get(document.root(), "id"), progress];
            edits.extend(names.into_iter().flatten().map(|name| (document.span(name), quote(own))));
        }
        edits
    }
}

/// Whether a member of the metadata is one by which revisions without sessions say what a request is; in whatever letters, for some
/// readers make no difference.
fn is_of_revision(document: &Document<'_>, member: NodeId) -> bool {
    let known = [meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES, meta::CLIENT_INFO, meta::LOG_LEVEL];
    document.key(member).is_some_and(|key| known.iter().any(|known| key.eq_ignore_ascii_case(known)))
}

/// Says in a request which revision it is of. The caller cannot be asked for anything. What it says of that itself is left out.
fn introduced(document: &Document<'_>, params: NodeId, meta: Option<NodeId>, told: Version) -> (std::ops::Range<usize>, String) {
    let says = format!(r#""{}":"{told}","{}":{{}}"#, meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES);
    let at = document.span(meta.unwrap_or(params)).start.saturating_add(1);
    let is_more = |meta: NodeId| document.children(meta).any(|member| !is_of_revision(document, member));
    let comma = if meta.map_or_else(|| document.count(params) > 0, is_more) { "," } else { "" };
    let text = if meta.is_some() { format!("{says}{comma}") } else { format!(r#""_meta":{{{says}}}{comma}"#) };
    (at..at, text)
}

/// By what a call and its progress are known in a session that is not the caller's: other callers of the same task are told there too, and
/// clients number their calls alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    /// What the server is told, as the id and as the name of the progress.
    name: String,
    /// What the caller calls the progress, JSON; none where it wants no news of it.
    progress: Option<String>,
}

impl Own {
    /// For the call of a message; none for what is no request.
    pub(super) fn of(name: &str, document: &Document<'_>, message: &Message<'_>) -> Option<Self> {
        let Body::Request { params, .. } = &message.body else { return None };
        let meta = params.and_then(|params| document.get(params, "_meta"));
        let progress = meta.and_then(|meta| document.get(meta, meta::PROGRESS_TOKEN));
        Some(Self { name: name.to_owned(), progress: progress.map(|progress| document.lexeme(progress).to_owned()) })
    }

    /// The id under which the server is asked.
    pub(super) fn id(&self) -> Id {
        Id::Text(self.name.clone())
    }

    /// Whether a message says something that is not for this caller: of the progress of another call, or that something is not wanted any
    /// more which nobody here was asked for.
    pub(super) fn is_foreign(&self, document: &Document<'_>, message: &Message<'_>) -> bool {
        match message.method().and_then(Method::named) {
            Some(Method::Progress) => {
                let token = progress(document, message).and_then(|token| document.text(token));
                self.progress.is_none() || token.as_deref() != Some(&self.name)
            }
            Some(Method::Cancelled) => true,
            _ => false,
        }
    }

    /// The caller's own names, in the place of those that the server was told.
    pub(super) fn given_back(&self, document: &Document<'_>, message: &Message<'_>, asked: Option<&Id>) -> Edits {
        let id = document.get(document.root(), "id").filter(|id| document.text(*id).as_deref() == Some(&self.name));
        let is_answer = matches!(message.body, Body::Result { .. } | Body::Error { .. });
        let answered = id.filter(|_| is_answer).zip(asked).map(|(id, asked)| (document.span(id), asked.to_json()));
        let token = progress(document, message).zip(self.progress.as_ref());
        let told = token.map(|(token, progress)| (document.span(token), progress.clone()));
        answered.into_iter().chain(told).collect()
    }
}

/// Whose progress a message tells of.
fn progress(document: &Document<'_>, message: &Message<'_>) -> Option<NodeId> {
    let is_progress = message.method().and_then(Method::named) == Some(Method::Progress);
    message.params().filter(|_| is_progress).and_then(|params| document.get(params, meta::PROGRESS_TOKEN))
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
