//! What comes from a server: which messages may come now, and what of them a client is shown.

use std::sync::atomic::Ordering;

use engine::ports::{AnswerView, Shown, Told};
use engine::{DocumentPlace, Server};
use mcp::{Body, Message, Method, Sender, uri};
use model::{Count, Counted, Name};
use text::{Document, JsonError, Kind, Limits, NodeId};

use super::features::{self, Edits};
use super::{Asked, Mcp, Verb, front};

/// Most entries of a list that is passed on in part.
const MOST_LISTED: usize = 5_000;

/// What is said of one message.
pub(super) fn view(mcp: &Mcp, document: &Document<'_>, in_stream: bool) -> AnswerView {
    let Ok(message) = Message::read(document) else {
        return AnswerView { refused: Some("it is no message of MCP"), ..AnswerView::default() };
    };
    if is_untold(mcp, document, &message) {
        return AnswerView { shown: Shown::Never, ..AnswerView::default() };
    }
    let Some(server) = mcp.serving() else { return AnswerView { refused: Some("no server"), ..AnswerView::default() } };
    let comes = may_come(mcp, &server, document, &message, in_stream);
    let refused = comes.and_then(|()| is_passed_on(mcp, &server, document, &message)).err();
    let joined = |of: NodeId| vec![texts(document, &[of])];
    let Body::Result { result, .. } = message.body else {
        let joined = message.params().map(joined).unwrap_or_default();
        let is_announcement = message.method() == Some(Method::ToolsChanged.as_str());
        let told = Told { is_announcement, ..Told::default() };
        let replaced = given_back(mcp, document, &message);
        return AnswerView { refused, joined, told, replaced, ..AnswerView::default() };
    };
    let (replaced, refused) = match shown(mcp, &server, document, result) {
        Ok(mut replaced) => {
            replaced.extend(complete(mcp, document, result));
            replaced.extend(given_back(mcp, document, &message));
            (replaced, refused)
        }
        Err(why) => (Vec::new(), refused.or(Some(why))),
    };
    // A state goes back to the server as it is, and to nobody else's.
    let handles = document.get(result, "requestState").into_iter().collect();
    let counted = counted(mcp, &server, document, result);
    let mut joined = joined(result);
    joined.extend(lists(document, result));
    AnswerView { refused, replaced, handles, counted, joined, ..AnswerView::default() }
}

/// What the caller calls its call, where the server was told another name.
fn given_back(mcp: &Mcp, document: &Document<'_>, message: &Message<'_>) -> Edits {
    let Some(Asked { id, own: Some(own), .. }) = mcp.asked.get() else { return Vec::new() };
    own.given_back(document, message, id.as_ref())
}

/// What a result says of itself from 2026-07-28 on, where its server speaks an older revision.
fn complete(mcp: &Mcp, document: &Document<'_>, result: NodeId) -> Option<(std::ops::Range<usize>, String)> {
    let asked = mcp.asked.get()?;
    let is_missing = asked.is_turned && asked.version?.is_stateless() && document.get(result, "resultType").is_none();
    let at = document.span(result).start.saturating_add(1);
    let comma = if document.count(result) == 0 { "" } else { "," };
    (is_missing && document.kind(result) == Kind::Object).then(|| (at..at, format!(r#""resultType":"complete"{comma}"#)))
}

/// News of a document that the caller may not read are not told; nor are any to who did not ask for news.
fn is_untold(mcp: &Mcp, document: &Document<'_>, message: &Message<'_>) -> bool {
    let is_turned = mcp.asked.get().is_some_and(|asked| asked.is_turned);
    if is_turned && matches!(&message.body, Body::Request { method, .. } if *method == Method::Ping.as_str()) {
        // Whether somebody is there the server sees when its answer is taken.
        return true;
    }
    if mcp.asked.get().and_then(|asked| asked.own.as_ref()).is_some_and(|own| own.is_foreign(document, message)) {
        return true;
    }
    if message.method() != Some(Method::ResourceUpdated.as_str()) {
        return false;
    }
    let uri = message.params().and_then(|params| document.get(params, "uri")).and_then(|uri| document.text(uri));
    let places = mcp.shown.get().map(Vec::as_slice).unwrap_or_default();
    !uri.is_some_and(|uri| fits(places.iter(), &uri))
}

/// Whether an address is that of a document among `places`.
fn fits<'p>(mut places: impl Iterator<Item = &'p DocumentPlace>, address: &str) -> bool {
    let is_at = |place: &DocumentPlace| matches!(place, DocumentPlace::Resource(pattern) if pattern.fits(address));
    uri::check(address).is_ok() && places.any(is_at)
}

/// Whether a message may come from the server now: notifications and what it may ask, and behind them the one answer to what was
/// asked.
fn may_come(
    mcp: &Mcp,
    server: &Server,
    document: &Document<'_>,
    message: &Message<'_>,
    in_stream: bool,
) -> Result<(), &'static str> {
    let Some(Asked { id, version: Some(version), own, .. }) = mcp.asked.get() else { return Err("nothing was asked") };
    if mcp.is_answered.load(Ordering::Relaxed) && mcp.verb == Verb::Tell {
        return Err("a message behind the answer");
    }
    // The server knows the call by the name that it was told.
    let own = own.as_ref().map(front::Own::id);
    let id = own.as_ref().or(id.as_ref()).or_else(|| mcp.resumed.get().filter(|_| !mcp.is_answered.load(Ordering::Relaxed)));
    let is_known = || message.asks(Sender::Server, *version).is_ok();
    let answers = match &message.body {
        Body::Result { id: answered, .. } => id == Some(answered),
        // A server that could not read what was asked cannot say which request it was.
        Body::Error { id: None, .. } => mcp.verb == Verb::Tell,
        Body::Error { id: answered, .. } => answered.as_ref() == id,
        Body::Notification { .. } if in_stream && is_known() => return Ok(()),
        Body::Request { method, params, .. } if in_stream && is_known() => {
            let is_alive = *method == Method::Ping.as_str();
            let feature = features::asked(document, method, *params);
            params.map_or(Ok(()), |params| features::plain(document, params))?;
            let is_turned = mcp.asked.get().is_some_and(|asked| asked.is_turned);
            let may = is_alive || feature.is_some_and(|feature| !is_turned && server.features.contains(&feature));
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
fn is_passed_on(mcp: &Mcp, server: &Server, document: &Document<'_>, message: &Message<'_>) -> Result<(), &'static str> {
    let result = match &message.body {
        Body::Error { data: Some(data), .. } => return features::asks_within(document, *data, &server.features),
        Body::Result { result, .. } => result,
        _ => return Ok(()),
    };
    features::plain(document, *result)?;
    contents(mcp, server, document, *result)?;
    let kind = document.get(*result, "resultType");
    let requests = document.get(*result, "inputRequests");
    if kind.is_none_or(|kind| document.text(kind).as_deref() == Some("complete")) {
        return if requests.is_none() { Ok(()) } else { Err("a complete result asks for something") };
    }
    let Some(Asked { version: Some(version), method: Some(method), .. }) = mcp.asked.get() else {
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
    if requests.is_none_or(|requests| features::may_ask(document, requests, &server.features)) {
        return Ok(());
    }
    Err("a server asks for something that it may not ask for")
}

/// Whether what was read is what was asked for: what stands at another address was decided on by nobody.
fn contents(mcp: &Mcp, server: &Server, document: &Document<'_>, result: NodeId) -> Result<(), &'static str> {
    let Some(Asked { method: Some(Method::ReadResource), names, .. }) = mcp.asked.get() else { return Ok(()) };
    let places = || names.iter().filter_map(|name| server.documents.get(name)).map(|document| &document.place);
    let contents = document.get(result, "contents").into_iter().flat_map(|contents| document.children(contents));
    let is_asked = |part: NodeId| {
        let uri = document.get(part, "uri").and_then(|uri| document.text(uri));
        uri.is_some_and(|uri| fits(places(), &uri)) && features::plain(document, part).is_ok()
    };
    let mut contents = contents;
    if contents.all(is_asked) { Ok(()) } else { Err("contents of a document that was not asked for") }
}

/// What of a result stays here: capabilities that are not served, documents and prompts that the caller may not read.
fn shown(mcp: &Mcp, server: &Server, document: &Document<'_>, result: NodeId) -> Result<Edits, &'static str> {
    let Some(Asked { method: Some(method), .. }) = mcp.asked.get() else { return Ok(Vec::new()) };
    let places = mcp.shown.get().map(Vec::as_slice).unwrap_or_default();
    let text = |node: NodeId, key: &str| document.get(node, key).and_then(|value| document.text(value));
    let is_prompt = |name: &str| places.iter().any(|place| matches!(place, DocumentPlace::Prompt(prompt) if prompt == name));
    let list = |key: &str, is_kept: &dyn Fn(NodeId) -> bool| match document.get(result, key) {
        Some(list) if document.kind(list) == Kind::Array && document.count(list) <= MOST_LISTED => {
            let mut items = document.children(list);
            items.try_for_each(|item| features::plain(document, item))?;
            Ok(features::only(document, list, is_kept))
        }
        Some(_) => Err("a list that is none, or has more than 5,000 entries"),
        None => Ok(Vec::new()),
    };
    match method {
        Method::Initialize | Method::Discover => {
            let serves = Serves::of(Some(server));
            let is_served = |member: NodeId| document.key(member).is_some_and(|key| serves.has(&key));
            match document.get(result, "capabilities") {
                Some(capabilities) if document.kind(capabilities) == Kind::Object => {
                    Ok(features::only(document, capabilities, is_served))
                }
                Some(_) => Err("capabilities that are no object"),
                None => Ok(Vec::new()),
            }
        }
        Method::ListResources => list("resources", &|item| text(item, "uri").is_some_and(|uri| fits(places.iter(), &uri))),
        Method::ListTemplates => list("resourceTemplates", &|item| {
            let filled = text(item, "uriTemplate").and_then(|template| uri::of_template(&template).ok());
            filled.is_some_and(|filled| fits(places.iter(), &filled))
        }),
        Method::ListPrompts => list("prompts", &|item| text(item, "name").is_some_and(|name| is_prompt(&name))),
        _ => Ok(Vec::new()),
    }
}

/// What the result of a tool's call adds up to, where operators have its rows counted: in what it says as values, else in a text of it
/// that is JSON.
fn counted(mcp: &Mcp, server: &Server, document: &Document<'_>, result: NodeId) -> Vec<(Name, u64)> {
    let Some(Asked { tool: Some(tool), .. }) = mcp.asked.get() else { return Vec::new() };
    let rows = |(name, count): (&Name, &Count)| match &count.of {
        Counted::Rows(place) => Some((name.clone(), rows(document, result, place)?)),
        Counted::Sum(_) | Counted::Entries(_) => None,
    };
    server.counts.get(tool).into_iter().flatten().filter_map(rows).collect()
}

fn rows(document: &Document<'_>, result: NodeId, place: &str) -> Option<u64> {
    if let Some(values) = document.get(result, "structuredContent") {
        return engine::rows(document, values, place);
    }
    let parts = document.get(result, "content").into_iter().flat_map(|content| document.children(content));
    let texts = parts.filter_map(|part| document.get(part, "text")).filter_map(|text| document.text(text));
    let told = texts.filter_map(|text| match Document::parse(text.as_bytes(), &Limits::default()) {
        Ok(within) => engine::rows(&within, within.root(), place),
        // More than is read is more than any room.
        Err(JsonError::TooMany { .. } | JsonError::TooDeep { .. }) => Some(u64::MAX),
        Err(_) => None,
    });
    told.reduce(u64::saturating_add)
}

/// The texts within some values, which readers may join: parts of what a tool, a document, a prompt or a person says, values that complete
/// an argument.
pub(super) fn texts(document: &Document<'_>, within: &[NodeId]) -> Vec<NodeId> {
    let spans: Vec<_> = within.iter().map(|node| document.span(*node)).collect();
    let is_within = |node: NodeId| {
        let span = document.span(node);
        spans.iter().any(|whole| whole.start <= span.start && span.end <= whole.end)
    };
    let is_value = |node: NodeId| {
        let list = document.parent(node);
        let is_listed = document.key(node).is_none() && list.and_then(|list| document.key(list)).as_deref() == Some("values");
        document.key(node).as_deref() == Some("text") || is_listed
    };
    let is_text = |node: &NodeId| document.kind(*node) == Kind::String && is_value(*node) && is_within(*node);
    document.nodes().filter(is_text).collect()
}

/// The texts of each list among the values of a tool's result, which readers may join: of a tool that gives a list of texts these are its
/// parts once more.
fn lists(document: &Document<'_>, result: NodeId) -> Vec<Vec<NodeId>> {
    let Some(values) = document.get(result, "structuredContent").map(|values| document.span(values)) else { return Vec::new() };
    let is_within = |node: &NodeId| {
        let span = document.span(*node);
        values.start <= span.start && span.end <= values.end
    };
    // Those of that name are joined with everything else that is said.
    let is_list = |node: &NodeId| document.kind(*node) == Kind::Array && document.key(*node).as_deref() != Some("values");
    let texts = |list: NodeId| document.children(list).filter(|entry| document.kind(*entry) == Kind::String).collect::<Vec<_>>();
    document.nodes().filter(|node| is_list(node) && is_within(node)).map(texts).filter(|texts| texts.len() > 1).collect()
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
