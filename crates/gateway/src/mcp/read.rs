//! Reads one message: whom it is for, what it wants, and which headers go with it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use engine::Server;
use engine::ports::{Aim, Head as RequestHead, Mirrored, ServerCall, Understood, Wants};
use http::header::{ACCEPT, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue};
use mcp::heads::{Head, Heads};
use mcp::{Body, Message, Meta, Method, Sender, Unfit, Version, heads, meta};
use model::{Name, ReasonCode, Refusal};
use text::{Document, Kind, NodeId};

use super::come::{self, Serves};
use super::features::{self, Edits};
use super::{Asked, Mcp, Servers, Verb, front, members, wants};

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
/// Longest name of a revision that is told back, in bytes.
const MAX_REVISION: usize = 64;
/// What headers begin with that repeat an argument.
const PARAM: &str = "mcp-param-";

/// See [`Mcp::read`]; remembers whom an answer is for, however the reading ends.
pub(super) fn understood(
    mcp: &Mcp,
    head: &RequestHead,
    document: &Document<'_>,
    servers: &Servers,
) -> Result<Understood, Refusal> {
    let front = servers.get(&mcp.server).map(|server| &**server);
    let serves = |server: &Name| {
        *mcp.serving.lock().unwrap_or_else(PoisonError::into_inner) = servers.get(server).map(Arc::clone);
    };
    serves(&mcp.server);
    if mcp.verb != Verb::Tell {
        if front.is_some_and(|front| front.members.is_some() || front.revision.is_some_and(Version::is_stateless)) {
            return Err(Refusal::because(ReasonCode::MethodNotAllowed, "use POST: there are no sessions here"));
        }
        return without_message(mcp, head);
    }
    let message = Message::read(document);
    let revision = revision(head, document, message.as_ref().ok());
    let method = message.as_ref().ok().and_then(Message::method).and_then(Method::named);
    let id = match message.as_ref().map(|message| &message.body) {
        Ok(Body::Request { id, .. }) => Some(id.clone()),
        Ok(_) => None,
        Err(_) => mcp::id_of(document),
    };
    let requested = told_revision(document, message.as_ref().ok()).filter(|_| revision.is_err());
    let uri = message.as_ref().ok().and_then(|message| document.get(message.params()?, "uri"));
    let uri = uri.and_then(|uri| document.text(uri)).map(Cow::into_owned);
    let is_standing = method == Some(Method::Listen);
    let called = message.as_ref().ok().filter(|_| method == Some(Method::CallTool));
    let called = called.and_then(|message| document.text(document.get(message.params()?, "name")?)).map(Cow::into_owned);
    let place = front::place(mcp, servers, called.as_deref());
    serves(&place.server);
    let server = servers.get(&place.server).map(|server| &**server);
    // A message that is judged anew is the same message.
    mcp.asked.get_or_init(|| {
        let version = revision.as_ref().ok().copied();
        let prefers_streams = prefers_streams(&head.headers);
        let names = uri.as_deref().zip(server).map(|(uri, server)| server.at(uri).cloned().collect()).unwrap_or_default();
        let agreed = front::agreed(document, message.as_ref().ok(), method);
        let is_turned = version.is_some_and(|version| place.is_turned(version));
        let own = own(mcp, document, message.as_ref().ok(), version.zip(method), &place);
        let tool = place.tool.clone();
        Asked { id, method, version, requested, tool, uri, names, agreed, is_turned, own, is_standing, prefers_streams }
    });
    origin(&head.headers)?;
    let message = message.map_err(|fault| Refusal::because(ReasonCode::MessageInvalid, fault.to_string()))?;
    let version = revision?;
    let method = match message.asks(Sender::Client, version) {
        Ok(method) if members::is_served(method) && Serves::of(server).takes(method) && place.takes(method, version) => {
            Some(method)
        }
        Ok(_) => return Err(ReasonCode::RpcMethodUnknown.into()),
        // Before 2026-07-28 servers ask in the streams of their answers; clients answer in messages of their own.
        Err(Unfit::Answer) if !version.is_stateless() && !place.is_front(version) => None,
        Err(Unfit::UnknownMethod) => return Err(ReasonCode::RpcMethodUnknown.into()),
        Err(unfit) => return Err(Refusal::because(ReasonCode::MessageInvalid, unfit.to_string())),
    };
    let is_asked = server.is_some_and(|server| !server.features.is_empty());
    members::closed(document, &message, method, version, is_asked)?;
    let name = name(document, &message, method)?;
    if version.is_stateless() {
        stateless(head, document, &message, name.as_deref())?;
    } else {
        older(head, version, &message, name.as_deref())?;
    }
    let name = place.tool.clone().or(name);
    let wants = wants::of(document, &message, method, name.clone(), server)?;
    let told_in = place.told(method, version);
    let headers = repeated(told_in, method, name.as_deref())?;
    let session = session(head, version, method, place.is_front(version))?;
    let mirrors = turned_mirrors(head, document, &wants, server, (version, told_in));
    let is_own = place.is_own(method, version);
    let introduces = place.introduces(method, version, session.as_deref());
    // Without a name of its own nothing is said in a session that is others', too.
    let own = introduces.map(|_| mcp.name.as_deref().ok_or(ReasonCode::Internal)).transpose()?;
    let turned = place.edits(document, &message, (version, told_in), own);
    let (told, state) = going_on(document, &message)?;
    let open = open(document, &message, method, told);
    let joined = vec![come::texts(document, &open)];
    // What the caller can do is told to nobody who could not ask for it.
    let is_told = !place.is_turned(version);
    let mut edits = if is_told { capabilities(document, &message, method, server) } else { Vec::new() };
    edits.extend(words(document, &message, method));
    edits.extend(turned);
    let goes_on = method.is_some_and(|method| members::goes_on(method, version));
    let call = ServerCall {
        server: place.server,
        through: place.through,
        wants,
        session,
        headers,
        mirrors,
        edits,
        method: http::Method::POST,
        open,
        told,
        state,
        goes_on,
        last_event: None,
        is_standing,
        is_own,
        introduces,
    };
    Ok(Understood { joined, ..of(call) })
}

/// By what a call is known in a session that is not the caller's.
fn own(
    mcp: &Mcp,
    document: &Document<'_>,
    message: Option<&Message<'_>>,
    called: Option<(Version, Method)>,
    place: &front::Place,
) -> Option<front::Own> {
    let (version, method) = called?;
    place.introduces(Some(method), version, None)?;
    front::Own::of(mcp.name.as_deref()?, document, message?)
}

const fn of(call: ServerCall) -> Understood {
    Understood { aim: Aim::Server(call), stream: false, effects: Vec::new(), uninspected: Vec::new(), joined: Vec::new() }
}

/// A request for what is new in a session, or for its end. Only revisions with sessions have these.
fn without_message(mcp: &Mcp, head: &RequestHead) -> Result<Understood, Refusal> {
    let told = one(&head.headers, &VERSION)?;
    let version = told.as_deref().and_then(Version::named);
    mcp.asked.get_or_init(|| Asked { version, is_standing: mcp.verb == Verb::Hear, ..Asked::default() });
    origin(&head.headers)?;
    let missing =
        || Refusal::because(ReasonCode::HeaderMismatch, heads::Mismatch::Missing("MCP-Protocol-Version".into()).to_string());
    told.ok_or_else(missing)?;
    let version = version.ok_or(ReasonCode::ProtocolVersionUnsupported)?;
    if version.is_stateless() {
        return Err(Refusal::because(ReasonCode::MethodNotAllowed, "use POST"));
    }
    let session = one(&head.headers, &SESSION)?;
    if session.is_none() {
        return Err(Refusal::because(ReasonCode::SessionUnknown, "expected the header `Mcp-Session-Id`"));
    }
    let mut headers = HeaderMap::new();
    headers.insert(VERSION, HeaderValue::from_static(version.as_str()));
    let method = if mcp.verb == Verb::Hear { http::Method::GET } else { http::Method::DELETE };
    Ok(of(ServerCall {
        server: mcp.server.clone(),
        through: None,
        wants: Wants::Talk,
        session,
        headers,
        mirrors: Ok(Vec::new()),
        edits: Vec::new(),
        is_standing: method == http::Method::GET,
        method,
        open: Vec::new(),
        told: None,
        state: None,
        goes_on: false,
        is_own: false,
        introduces: None,
        last_event: if mcp.verb == Verb::Hear { one(&head.headers, &LAST_EVENT)? } else { None },
    }))
}

/// The headers that repeat what a message says, in the revision in which the server is told.
fn repeated(version: Version, method: Option<Method>, name: Option<&str>) -> Result<HeaderMap, Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert(VERSION, HeaderValue::from_static(version.as_str()));
    if version.is_stateless() {
        write(&mut headers, &METHOD, method.map(Method::as_str))?;
        write(&mut headers, &NAME, name.map(heads::encode).as_deref())?;
    } else if method == Some(Method::Initialize) {
        // The handshake finds out which revision is spoken.
        headers.remove(VERSION);
    }
    Ok(headers)
}

/// The session that a message belongs to. Where the gate itself is the server there are none.
fn session(head: &RequestHead, version: Version, method: Option<Method>, is_front: bool) -> Result<Option<String>, Refusal> {
    let session = if version.is_stateless() { None } else { one(&head.headers, &SESSION)? };
    if session.is_some() && is_front {
        return Err(Refusal::because(ReasonCode::SessionUnknown, "there are no sessions here"));
    }
    if session.is_none() && !is_front && matches!(method, None | Some(Method::Cancelled | Method::Progress)) {
        // Without a session the server cannot tell whose request is meant, and the number may be another party's.
        return Err(Refusal::because(ReasonCode::SessionUnknown, "what is said of another request belongs to a session"));
    }
    Ok(session)
}

/// The values of a message that can be told in part: arguments, and answers to what was asked.
fn open(document: &Document<'_>, message: &Message<'_>, method: Option<Method>, told: Option<NodeId>) -> Vec<NodeId> {
    let get = |member| message.params().and_then(|params| document.get(params, member));
    let answer = match &message.body {
        Body::Result { result, .. } => Some(*result),
        Body::Error { data, .. } => *data,
        Body::Request { .. } | Body::Notification { .. } => None,
    };
    let argued = matches!(method, Some(Method::CallTool | Method::GetPrompt));
    let completed = method == Some(Method::Complete);
    let parts = [get("arguments").filter(|_| argued), get("argument").filter(|_| completed), told, answer];
    parts.into_iter().flatten().collect()
}

/// What a client tells of what it was asked, and the state that the server gave it then.
fn going_on(document: &Document<'_>, message: &Message<'_>) -> Result<(Option<NodeId>, Option<NodeId>), Refusal> {
    let get = |member| message.params().and_then(|params| document.get(params, member));
    let (told, state) = (get(members::RESPONSES), get(members::STATE));
    if told.is_some_and(|told| document.kind(told) != Kind::Object) {
        return Err(Refusal::because(ReasonCode::FieldType, "/params/inputResponses: expected an object"));
    }
    if state.is_some_and(|state| document.kind(state) != Kind::String) {
        return Err(Refusal::because(ReasonCode::FieldType, "/params/requestState: expected a string"));
    }
    Ok((told, state))
}

/// Whether a client names streams first of what it takes.
fn prefers_streams(headers: &HeaderMap) -> bool {
    let first = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).and_then(|accept| accept.split([',', ';']).next());
    first.is_some_and(|first| first.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// The revision that a request's own metadata name, as written.
fn told_revision(document: &Document<'_>, message: Option<&Message<'_>>) -> Option<String> {
    let params = message.and_then(Message::params)?;
    let told = document.get(document.get(params, "_meta")?, meta::PROTOCOL_VERSION)?;
    document.text(told).filter(|told| told.len() <= MAX_REVISION).map(Cow::into_owned)
}

/// The revision that a message speaks: what its own metadata say; without them, what the header says; in a handshake the newest
/// with one. The metadata are read before anything else is known, for an answer has to be in the same revision.
fn revision(head: &RequestHead, document: &Document<'_>, message: Option<&Message<'_>>) -> Result<Version, Refusal> {
    let unsupported = || Refusal::new(ReasonCode::ProtocolVersionUnsupported);
    let params = message.and_then(Message::params);
    let told = params.and_then(|params| document.get(document.get(params, "_meta")?, meta::PROTOCOL_VERSION));
    if let Some(told) = told {
        let told = document.text(told).ok_or_else(unsupported)?;
        if matches!(head_of(&head.headers, &VERSION), Head::One(header) if header != told.as_bytes()) {
            let mismatch = heads::Mismatch::Differs("MCP-Protocol-Version".into());
            return Err(Refusal::because(ReasonCode::HeaderMismatch, mismatch.to_string()));
        }
        return Version::named(&told).ok_or_else(unsupported);
    }
    if message.and_then(Message::method) == Some(Method::Initialize.as_str()) {
        return Ok(Version::V2025_11_25);
    }
    let header = one(&head.headers, &VERSION)?.ok_or_else(|| {
        Refusal::because(ReasonCode::HeaderMismatch, heads::Mismatch::Missing("MCP-Protocol-Version".into()).to_string())
    })?;
    Version::named(&header).ok_or_else(unsupported)
}

/// A page of another origin can make a browser send requests, with what it has stored for this one; and a name of its own can be made
/// to lead here, so only names of this machine say that a page is the gate's.
pub(crate) fn origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let refused = || Refusal::because(ReasonCode::HostNotAllowed, "the Origin is not this gate");
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).ok_or_else(refused)?;
    let origin = origin.to_str().map_err(|_| refused())?;
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit())).map_or(host, |(name, _)| name);
    let is_here = engine::is_here(name);
    let is_own = is_here && authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host));
    let is_one = headers.get_all(ORIGIN).iter().count() == 1;
    if is_own && is_one { Ok(()) } else { Err(refused()) }
}

/// What a request of 2026-07-28 has to say of itself, and its headers with it.
fn stateless(head: &RequestHead, document: &Document<'_>, message: &Message<'_>, name: Option<&str>) -> Result<(), Refusal> {
    let meta = Meta::read(document, message.params());
    let meta = meta.map_err(|error| Refusal::because(ReasonCode::FieldMissing, error.to_string()))?;
    let [version, method, called] = [&VERSION, &METHOD, &NAME].map(|name| head_of(&head.headers, name));
    heads::check(&Heads { version, method, name: called }, &meta.version, message.method().unwrap_or_default(), name)
        .map_err(|mismatch| Refusal::because(ReasonCode::HeaderMismatch, mismatch.to_string()))
}

fn head_of<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Head<'h> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Head::Absent,
        (Some(value), None) => Head::One(value.as_bytes().trim_ascii()),
        (Some(_), Some(_)) => Head::Several,
    }
}

/// The one value of a header.
pub(crate) fn one(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Refusal> {
    match head_of(headers, name) {
        Head::Absent => Ok(None),
        Head::One(value) => match std::str::from_utf8(value) {
            Ok(value) => Ok(Some(value.to_owned())),
            Err(_) => Err(Refusal::because(ReasonCode::HeaderRefused, name.as_str())),
        },
        Head::Several => Err(Refusal::because(ReasonCode::HeaderRefused, format!("{name} stands there more than once"))),
    }
}

/// What a message names: the tool, the prompt, the resource.
fn name(document: &Document<'_>, message: &Message<'_>, method: Option<Method>) -> Result<Option<String>, Refusal> {
    let Some(member) = method.and_then(Method::name_member) else { return Ok(None) };
    let node = message.params().and_then(|params| document.get(params, member));
    let missing = || Refusal::because(ReasonCode::FieldMissing, format!("/params/{member}"));
    let text = document.text(node.ok_or_else(missing)?);
    let wrong = || Refusal::because(ReasonCode::FieldType, format!("/params/{member}: expected a string"));
    Ok(Some(text.ok_or_else(wrong)?.into_owned()))
}

/// Words for people in what is only told of another request: nothing decides on them, and they could be anything.
fn words(document: &Document<'_>, message: &Message<'_>, method: Option<Method>) -> Edits {
    let is_told = matches!(method, Some(Method::Cancelled | Method::Progress));
    let params = message.params().filter(|_| is_told);
    let is_kept = |member: NodeId| document.key(member).is_none_or(|key| !matches!(&*key, "reason" | "message"));
    params.map(|params| features::only(document, params, is_kept)).unwrap_or_default()
}

/// What the client says that it can do for a server, as far as the server is told of it.
fn capabilities(document: &Document<'_>, message: &Message<'_>, method: Option<Method>, server: Option<&Server>) -> Edits {
    let Some(params) = message.params() else { return Vec::new() };
    let of_handshake = document.get(params, "capabilities").filter(|_| method == Some(Method::Initialize));
    let of_request = document.get(params, "_meta").and_then(|meta| document.get(meta, meta::CLIENT_CAPABILITIES));
    let told = of_handshake.into_iter().chain(of_request);
    let nothing = BTreeSet::new();
    let allowed = server.map_or(&nothing, |server| &server.features);
    told.flat_map(|node| features::announced(document, node, allowed)).collect()
}

fn write(headers: &mut HeaderMap, name: &HeaderName, value: Option<&str>) -> Result<(), Refusal> {
    let Some(value) = value else { return Ok(()) };
    let value = HeaderValue::from_str(value).map_err(|_| Refusal::because(ReasonCode::HeaderRefused, name.as_str()))?;
    headers.insert(name, value);
    Ok(())
}

/// Revisions with sessions have no headers that repeat the body but the version; what stands there all the same says what it says.
fn older(head: &RequestHead, version: Version, message: &Message<'_>, name: Option<&str>) -> Result<(), Refusal> {
    let is_handshake = message.method() == Some(Method::Initialize.as_str());
    let says = |header: &HeaderName, expected: Option<&str>| match head_of(&head.headers, header) {
        Head::Absent => true,
        Head::One(value) => expected.is_some_and(|expected| expected.as_bytes() == value),
        Head::Several => false,
    };
    let is_version = is_handshake && head.headers.contains_key(&VERSION) || says(&VERSION, Some(version.as_str()));
    let named = name.map(heads::encode);
    let has_params = head.headers.keys().any(|name| name.as_str().starts_with(PARAM));
    if is_version && says(&METHOD, message.method()) && says(&NAME, named.as_deref()) && !has_params {
        return Ok(());
    }
    Err(Refusal::because(ReasonCode::HeaderMismatch, "a header of a later revision does not say what the body says"))
}

/// The headers that repeat arguments, where the caller's revision and the one in which the server is told may differ in having them.
fn turned_mirrors(
    head: &RequestHead,
    document: &Document<'_>,
    wants: &Wants,
    server: Option<&Server>,
    (version, told): (Version, Version),
) -> Result<Vec<Mirrored>, Refusal> {
    match (version.is_stateless(), told.is_stateless()) {
        (true, true) => mirrors(Some(head), document, wants, server),
        (false, true) => mirrors(None, document, wants, server),
        (true, false) => mirrors(Some(head), document, wants, server).map(|_| Vec::new()),
        (false, false) => Ok(Vec::new()),
    }
}

/// Holds the headers that repeat arguments against these, and writes them anew: which there are says the approved definition. Without a
/// head there are none to be held against anything: the caller speaks a revision that has none.
fn mirrors(
    head: Option<&RequestHead>,
    document: &Document<'_>,
    wants: &Wants,
    server: Option<&Server>,
) -> Result<Vec<Mirrored>, Refusal> {
    let mismatch = |mismatch: heads::Mismatch| Refusal::because(ReasonCode::HeaderMismatch, mismatch.to_string());
    let (tool, arguments) = match wants {
        Wants::Tool { name, arguments } => (server.and_then(|server| server.tools.get(name)), *arguments),
        _ => (None, None),
    };
    let declared = tool.map(|tool| tool.definition().mirrors()).unwrap_or_default();
    let is_declared = |name: &str| declared.iter().any(|mirror| mirror.header.eq_ignore_ascii_case(name));
    if head.is_some_and(|head| head.headers.keys().any(|name| name.as_str().starts_with(PARAM) && !is_declared(name.as_str()))) {
        // Its name is a text of the client's.
        return Err(Refusal::because(
            ReasonCode::HeaderMismatch,
            "a header `Mcp-Param-…` repeats what the tool does not declare",
        ));
    }
    let mut mirrored = Vec::new();
    for mirror in declared {
        let name = HeaderName::from_bytes(mirror.header.as_bytes()).map_err(|_| Refusal::new(ReasonCode::Internal))?;
        if let Some(head) = head {
            mirror.check(head_of(&head.headers, &name), document, arguments).map_err(mismatch)?;
        }
        let node = arguments.and_then(|arguments| mirror.value(document, arguments));
        let value = arguments.map(|arguments| mirror.write(document, arguments)).transpose().map_err(mismatch)?.flatten();
        if let (Some(node), Some(value)) = (node, value) {
            let value = HeaderValue::from_str(&value).map_err(|_| Refusal::because(ReasonCode::HeaderRefused, "Mcp-Param-…"))?;
            mirrored.push(Mirrored { name, value, node });
        }
    }
    Ok(mirrored)
}
