//! What comes from a server: which messages may come now, and what of them a client is shown.

use std::sync::atomic::Ordering;

use engine::ports::{AnswerView, Shown};
use engine::{DocumentPlace, Server};
use mcp::{Body, Message, Method, Sender, uri};
use text::{Document, Kind, NodeId};

use super::features::{self, Edits};
use super::{Asked, Mcp, Verb};

/// What is said of one message.
pub(super) fn view(mcp: &Mcp, document: &Document<'_>, in_stream: bool) -> AnswerView {
    let Ok(message) = Message::read(document) else {
        return AnswerView { refused: Some("it is no message of MCP"), ..AnswerView::default() };
    };
    if is_untold(mcp, document, &message) {
        return AnswerView { shown: Shown::Never, ..AnswerView::default() };
    }
    let refused = may_come(mcp, document, &message, in_stream).and_then(|()| is_passed_on(mcp, document, &message)).err();
    let Body::Result { result, .. } = message.body else { return AnswerView { refused, ..AnswerView::default() } };
    let replaced = shown(mcp, document, result);
    // A state goes back to the server as it is, and to nobody else's.
    let handles = document.get(result, "requestState").into_iter().collect();
    AnswerView { refused, replaced, handles, joined: vec![texts(document, result)], ..AnswerView::default() }
}

/// News of a document that nobody has declared are told to nobody.
fn is_untold(mcp: &Mcp, document: &Document<'_>, message: &Message<'_>) -> bool {
    if message.method() != Some(Method::ResourceUpdated.as_str()) {
        return false;
    }
    let uri = message.params().and_then(|params| document.get(params, "uri")).and_then(|uri| document.text(uri));
    let documents = mcp.asked.get().into_iter().flat_map(|asked| asked.documents.values());
    !uri.is_some_and(|uri| fits(documents.map(|document| &document.place), &uri))
}

/// Whether an address is that of a document among `places`.
fn fits<'p>(mut places: impl Iterator<Item = &'p DocumentPlace>, address: &str) -> bool {
    let is_at = |place: &DocumentPlace| matches!(place, DocumentPlace::Resource(pattern) if pattern.fits(address));
    uri::check(address).is_ok() && places.any(is_at)
}

/// Whether a message may come from the server now: notifications and what it may ask, and behind them the one answer to what was
/// asked.
fn may_come(mcp: &Mcp, document: &Document<'_>, message: &Message<'_>, in_stream: bool) -> Result<(), &'static str> {
    let Some(Asked { id, version: Some(version), features, .. }) = mcp.asked.get() else { return Err("nothing was asked") };
    if mcp.is_answered.load(Ordering::Relaxed) && mcp.verb == Verb::Tell {
        return Err("a message behind the answer");
    }
    let id = id.as_ref().or_else(|| mcp.resumed.get().filter(|_| !mcp.is_answered.load(Ordering::Relaxed)));
    let is_known = || message.asks(Sender::Server, *version).is_ok();
    let answers = match &message.body {
        Body::Result { id: answered, .. } => id == Some(answered),
        // A server that could not read what was asked cannot say which request it was.
        Body::Error { id: answered, .. } => answered.is_none() || answered.as_ref() == id,
        Body::Notification { .. } if in_stream && is_known() => return Ok(()),
        Body::Request { method, params, .. } if in_stream && is_known() => {
            let is_alive = *method == Method::Ping.as_str();
            let feature = features::asked(document, method, *params);
            let may = is_alive || feature.is_some_and(|feature| features.contains(&feature));
            return if may { Ok(()) } else { Err("a server asks for something that it may not ask for") };
        }
        Body::Notification { .. } | Body::Request { .. } => return Err("a message that is not passed on"),
    };
    if !answers {
        return Err("an answer to something that was not asked");
    }
    mcp.is_answered.store(true, Ordering::Relaxed);
    Ok(())
}

/// Whether an answer is of a kind that is passed on: one that asks the client for something asks only for what it may.
fn is_passed_on(mcp: &Mcp, document: &Document<'_>, message: &Message<'_>) -> Result<(), &'static str> {
    let Body::Result { result, .. } = &message.body else { return Ok(()) };
    let kind = document.get(*result, "resultType");
    let requests = document.get(*result, "inputRequests");
    if kind.is_none_or(|kind| document.text(kind).as_deref() == Some("complete")) {
        return if requests.is_none() { Ok(()) } else { Err("a complete result asks for something") };
    }
    let Some(Asked { version: Some(version), method: Some(method), features, .. }) = mcp.asked.get() else {
        return Err("nothing was asked");
    };
    let is_open = version.is_stateless() && matches!(method, Method::CallTool | Method::GetPrompt | Method::ReadResource);
    let is_kind = kind.is_some_and(|kind| document.text(kind).as_deref() == Some("input_required"));
    if !is_kind || !is_open {
        return Err("a result of a kind that is not passed on");
    }
    if document.get(*result, "requestState").is_some_and(|state| document.kind(state) != Kind::String) {
        return Err("a state that is no text");
    }
    if requests.is_none_or(|requests| features::may_ask(document, requests, features)) {
        return Ok(());
    }
    Err("a server asks for something that it may not ask for")
}

/// What of a result stays here: capabilities that are not served, documents and prompts that the caller may not read.
fn shown(mcp: &Mcp, document: &Document<'_>, result: NodeId) -> Edits {
    let Some(Asked { method: Some(method), serves, .. }) = mcp.asked.get() else { return Vec::new() };
    let places = mcp.shown.get().map(Vec::as_slice).unwrap_or_default();
    let text = |node: NodeId, key: &str| document.get(node, key).and_then(|value| document.text(value));
    let is_prompt = |name: &str| places.iter().any(|place| matches!(place, DocumentPlace::Prompt(prompt) if prompt == name));
    let list = |key: &str, is_kept: &dyn Fn(NodeId) -> bool| {
        let list = document.get(result, key).filter(|list| document.kind(*list) == Kind::Array);
        list.map(|list| features::only(document, list, is_kept)).unwrap_or_default()
    };
    match method {
        Method::Initialize | Method::Discover => {
            let capabilities = document.get(result, "capabilities").filter(|node| document.kind(*node) == Kind::Object);
            let is_served = |member: NodeId| document.key(member).is_some_and(|key| serves.has(&key));
            capabilities.map(|capabilities| features::only(document, capabilities, is_served)).unwrap_or_default()
        }
        Method::ListResources => list("resources", &|item| text(item, "uri").is_some_and(|uri| fits(places.iter(), &uri))),
        Method::ListTemplates => list("resourceTemplates", &|item| {
            let filled = text(item, "uriTemplate").and_then(|template| uri::of_template(&template).ok());
            filled.is_some_and(|filled| fits(places.iter(), &filled))
        }),
        Method::ListPrompts => list("prompts", &|item| text(item, "name").is_some_and(|name| is_prompt(&name))),
        _ => Vec::new(),
    }
}

/// The texts of a tool's result, which clients may join.
fn texts(document: &Document<'_>, result: NodeId) -> Vec<NodeId> {
    let content = document.get(result, "content").filter(|node| document.kind(*node) == Kind::Array);
    let parts = content.into_iter().flat_map(|content| document.children(content));
    parts.filter_map(|part| document.get(part, "text").filter(|text| document.kind(*text) == Kind::String)).collect()
}

/// Which capabilities of a server are served here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Serves {
    /// Whether operators have declared resources.
    pub(super) resources: bool,
    /// Whether they have declared prompts.
    pub(super) prompts: bool,
}

impl Serves {
    /// By what operators have declared of a server.
    pub(super) fn of(server: Option<&Server>) -> Self {
        let is_resource = |document: &engine::Document| matches!(document.place, DocumentPlace::Resource(_));
        let any =
            |kind: bool| server.is_some_and(|server| server.documents.values().any(|document| is_resource(document) == kind));
        Self { resources: any(true), prompts: any(false) }
    }

    /// Whether a method is served: what nobody has declared is not asked for either.
    pub(super) const fn takes(self, method: Method) -> bool {
        match method {
            Method::ListResources | Method::ListTemplates | Method::ReadResource | Method::Subscribe | Method::Unsubscribe => {
                self.resources
            }
            Method::ListPrompts | Method::GetPrompt => self.prompts,
            Method::Complete => self.resources || self.prompts,
            _ => true,
        }
    }

    fn has(self, capability: &str) -> bool {
        match capability {
            "tools" | "logging" => true,
            "resources" => self.resources,
            "prompts" => self.prompts,
            "completions" => self.resources || self.prompts,
            _ => false,
        }
    }
}
