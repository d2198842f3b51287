//! Reads one message: whom it is for, what it wants, and which headers go with it.

use engine::ports::{Aim, Head as RequestHead, ServerCall, Understood, Wants};
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue};
use mcp::heads::{Head, Heads};
use mcp::{Body, Definition, Message, Meta, Method, Sender, Unfit, Version, heads, meta};
use model::{ReasonCode, Refusal};
use text::{Document, Kind, Limits, NodeId};

use super::{Asked, Mcp, Servers};

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// What headers begin with that repeat an argument.
const PARAM: &str = "mcp-param-";

/// See [`Mcp::read`]; remembers whom an answer is for, however the reading ends.
pub(super) fn understood(
    mcp: &Mcp,
    head: &RequestHead,
    document: &Document<'_>,
    servers: &Servers,
) -> Result<Understood, Refusal> {
    let message = Message::read(document);
    let revision = revision(head, document, message.as_ref().ok());
    let method = message.as_ref().ok().and_then(Message::method).and_then(Method::named);
    let id = match message.as_ref().map(|message| &message.body) {
        Ok(Body::Request { id, .. }) => Some(id.clone()),
        Ok(_) => None,
        Err(_) => mcp::id_of(document),
    };
    // A message that is judged anew is the same message.
    mcp.asked.get_or_init(|| Asked { id, method, version: revision.as_ref().ok().copied() });
    origin(&head.headers)?;
    let message = message.map_err(|fault| Refusal::because(ReasonCode::MessageInvalid, fault.to_string()))?;
    let version = revision?;
    let method = match message.asks(Sender::Client, version) {
        Ok(method) if is_served(method) => Some(method),
        Ok(_) => return Err(ReasonCode::RpcMethodUnknown.into()),
        // Before 2026-07-28 servers ask, in the streams of their answers, and clients answer in messages of their own.
        Err(Unfit::Answer) if !version.is_stateless() => None,
        Err(Unfit::UnknownMethod) => return Err(ReasonCode::RpcMethodUnknown.into()),
        Err(unfit) => return Err(Refusal::because(ReasonCode::MessageInvalid, unfit.to_string())),
    };
    let name = name(document, &message, method)?;
    if version.is_stateless() {
        stateless(head, document, &message, name.as_deref())?;
    }
    let wants = wants(document, &message, method, name.clone())?;
    let mut headers = HeaderMap::new();
    headers.insert(VERSION, HeaderValue::from_static(version.as_str()));
    if version.is_stateless() {
        write(&mut headers, &METHOD, method.map(Method::as_str))?;
        write(&mut headers, &NAME, name.as_deref().map(heads::encode).as_deref())?;
        params(mcp, head, document, &wants, servers, &mut headers)?;
    } else if method == Some(Method::Initialize) {
        // The handshake finds out which revision is spoken.
        headers.remove(VERSION);
    }
    let session = if version.is_stateless() { None } else { one(&head.headers, &SESSION)? };
    Ok(Understood {
        aim: Aim::Server(ServerCall { server: mcp.server.clone(), wants, session, headers }),
        stream: false,
        effects: Vec::new(),
        uninspected: Vec::new(),
        joined: Vec::new(),
    })
}

/// The revision that a message speaks: what its own metadata say; without them, what the header says; in a handshake the newest
/// with one. The metadata are read before anything else is known, for an answer has to be in the same revision.
fn revision(head: &RequestHead, document: &Document<'_>, message: Option<&Message<'_>>) -> Result<Version, Refusal> {
    let unsupported = || Refusal::new(ReasonCode::ProtocolVersionUnsupported);
    let params = message.and_then(Message::params);
    let told = params.and_then(|params| document.get(document.get(params, "_meta")?, meta::PROTOCOL_VERSION));
    if let Some(told) = told {
        return document.text(told).and_then(|told| Version::named(&told)).ok_or_else(unsupported);
    }
    if message.and_then(Message::method) == Some(Method::Initialize.as_str()) {
        return Ok(Version::V2025_11_25);
    }
    let header = one(&head.headers, &VERSION)?.ok_or_else(|| {
        Refusal::because(ReasonCode::HeaderMismatch, heads::Mismatch::Missing("MCP-Protocol-Version".into()).to_string())
    })?;
    Version::named(&header).ok_or_else(unsupported)
}

/// A page of another origin can make a browser send requests, with what it has stored for this one.
fn origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let refused = || Refusal::because(ReasonCode::HostNotAllowed, "the Origin is not this gate");
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).ok_or_else(refused)?;
    let origin = origin.to_str().map_err(|_| refused())?;
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let is_own = authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host));
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
fn one(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Refusal> {
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

/// Whether the gate serves it: a closed list, for what has no row has no decision either.
const fn is_served(method: Method) -> bool {
    matches!(
        method,
        Method::CallTool
            | Method::ListTools
            | Method::Discover
            | Method::Initialize
            | Method::Initialized
            | Method::Ping
            | Method::SetLevel
            | Method::Cancelled
            | Method::Progress
            | Method::RootsChanged
    )
}

/// What a message that is served wants.
fn wants(document: &Document<'_>, message: &Message<'_>, method: Option<Method>, name: Option<String>) -> Result<Wants, Refusal> {
    match method {
        Some(Method::CallTool) => {
            let arguments = message.params().and_then(|params| document.get(params, "arguments"));
            if arguments.is_some_and(|arguments| document.kind(arguments) != Kind::Object) {
                return Err(Refusal::because(ReasonCode::FieldType, "/params/arguments: expected an object"));
            }
            Ok(Wants::Tool { name: name.unwrap_or_default(), arguments })
        }
        Some(Method::ListTools) => Ok(Wants::Tools),
        None | Some(_) => Ok(Wants::Talk),
    }
}

fn write(headers: &mut HeaderMap, name: &HeaderName, value: Option<&str>) -> Result<(), Refusal> {
    let Some(value) = value else { return Ok(()) };
    let value = HeaderValue::from_str(value).map_err(|_| Refusal::because(ReasonCode::HeaderRefused, name.as_str()))?;
    headers.insert(name, value);
    Ok(())
}

/// Holds the headers that repeat arguments against these, and writes them anew: which there are says the approved definition.
fn params(
    mcp: &Mcp,
    head: &RequestHead,
    document: &Document<'_>,
    wants: &Wants,
    servers: &Servers,
    headers: &mut HeaderMap,
) -> Result<(), Refusal> {
    let mismatch = |mismatch: heads::Mismatch| Refusal::because(ReasonCode::HeaderMismatch, mismatch.to_string());
    let definition = match wants {
        Wants::Tool { name, .. } => servers.get(&mcp.server).and_then(|server| server.tools.get(name)),
        Wants::Tools | Wants::Talk => None,
    };
    let parsed = definition.map(|text| Document::parse(text.as_bytes(), &Limits::default())).transpose();
    let parsed = parsed.map_err(|_| Refusal::new(ReasonCode::Internal))?;
    let definition = parsed.as_ref().map(|parsed| Definition::read(parsed, parsed.root())).transpose();
    let definition = definition.map_err(|_| Refusal::new(ReasonCode::Internal))?;
    let mirrors = definition.as_ref().map(Definition::mirrors).unwrap_or_default();
    let arguments: Option<NodeId> = if let Wants::Tool { arguments, .. } = wants { *arguments } else { None };
    for mirror in mirrors {
        let name = HeaderName::from_bytes(mirror.header.as_bytes()).map_err(|_| Refusal::new(ReasonCode::Internal))?;
        mirror.check(head_of(&head.headers, &name), document, arguments).map_err(mismatch)?;
        let value = arguments.map(|arguments| mirror.write(document, arguments)).transpose().map_err(mismatch)?.flatten();
        write(headers, &name, value.as_deref())?;
    }
    let is_declared = |name: &str| mirrors.iter().any(|mirror| mirror.header.eq_ignore_ascii_case(name));
    match head.headers.keys().find(|name| name.as_str().starts_with(PARAM) && !is_declared(name.as_str())) {
        Some(name) => Err(mismatch(heads::Mismatch::Unasked(name.as_str().to_owned().into()))),
        None => Ok(()),
    }
}
