//! Which methods are served, and which members their params have.

use mcp::{Message, Method, Version, meta};
use model::{ReasonCode, Refusal};
use text::{Document, Kind, NodeId};

/// Members of a request that goes on after the client was asked for something (2026-07-28).
pub(super) const RESPONSES: &str = "inputResponses";
pub(super) const STATE: &str = "requestState";

/// Whether the gate serves it: a closed list, for what has no row has no decision either.
pub(super) const fn is_served(method: Method) -> bool {
    of(method).is_some()
}

/// The members that the params of a method have, beside `_meta`; none for what is not served. Others are refused: one that differs by
/// the case of a letter is the same to some readers, and what asks for something that is not passed on is not passed on either.
const fn of(method: Method) -> Option<&'static [&'static str]> {
    match method {
        Method::CallTool | Method::GetPrompt => Some(&["name", "arguments"]),
        Method::ListTools | Method::ListResources | Method::ListTemplates | Method::ListPrompts => Some(&["cursor"]),
        Method::ReadResource | Method::Subscribe | Method::Unsubscribe => Some(&["uri"]),
        Method::Complete => Some(&["ref", "argument", "context"]),
        Method::Listen => Some(&["notifications"]),
        Method::Initialize => Some(&["protocolVersion", "capabilities", "clientInfo"]),
        Method::Discover | Method::Initialized | Method::Ping | Method::RootsChanged => Some(&[]),
        Method::SetLevel => Some(&["level"]),
        Method::Cancelled => Some(&["requestId", "reason"]),
        Method::Progress => Some(&["progressToken", "progress", "total", "message"]),
        _ => None,
    }
}

/// Whether a request of this method can go on after the client was asked for something.
pub(super) const fn goes_on(method: Method, version: Version) -> bool {
    version.is_stateless() && matches!(method, Method::CallTool | Method::GetPrompt | Method::ReadResource)
}

/// Whether the params have no other members than those of the method; `is_asked`: whether the server may ask its clients for something.
pub(super) fn closed(
    document: &Document<'_>,
    message: &Message<'_>,
    method: Option<Method>,
    version: Version,
    is_asked: bool,
) -> Result<(), Refusal> {
    let (Some(params), Some(method)) = (message.params(), method) else { return Ok(()) };
    let Some(known) = of(method) else { return Ok(()) };
    // What is said beside is read by its members, or not at all.
    let meta = document.get(params, "_meta");
    let capabilities = meta.and_then(|meta| document.get(meta, meta::CLIENT_CAPABILITIES));
    let told = document.get(params, "capabilities").filter(|_| method == Method::Initialize);
    if [meta, capabilities, told].into_iter().flatten().any(|node| document.kind(node) != Kind::Object) {
        return Err(Refusal::because(ReasonCode::FieldType, "/params: `_meta` and capabilities are objects"));
    }
    let is_known = |member: NodeId| {
        let key = document.key(member).unwrap_or_default();
        let is_further = goes_on(method, version) && (key == STATE || key == RESPONSES && is_asked);
        key == "_meta" || known.contains(&&*key) || is_further
    };
    if document.children(params).all(is_known) {
        return Ok(());
    }
    Err(Refusal::because(ReasonCode::FieldUnknown, "/params: a member that this method does not have, or that is not served"))
}
