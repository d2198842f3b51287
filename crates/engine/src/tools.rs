//! Tool servers: what a message to one is aimed at, and which tools its caller is shown.
//!
//! The gate lists tools itself, from the definitions that operators have approved: what a server announces is read by nobody but
//! them. A list-time answer: a tool is shown exactly when some call of it would be permitted, whatever its arguments are.

use std::collections::HashSet;
use std::sync::Arc;

use http::StatusCode;
use model::{Action, Ask, Integrity, Label, Name, Output, ReasonCode, Refusal, Resource};
use policy::{Could, Listable, Listed, Lister};
use text::NodeId;

use crate::admit::Identified;
use crate::guard::Guard;
use crate::inspection::Inspected;
use crate::interaction::Call;
use crate::models;
use crate::ports::{Aim, Client, Protocol, ServerCall, Understood, Wants, World};
use crate::snapshot::{DocumentPlace, Server, Snapshot};

/// Longest name of a tool that is decided on, in bytes: no definition has a longer one.
const MAX_NAME: usize = 128;

/// What a message is aimed at. A tool may be one that nobody has declared: that is found out where it is decided on, in the same time.
///
/// # Errors
/// [`ReasonCode::ToolNotFound`]: there is no such server.
pub(crate) fn aim(snapshot: &Snapshot, call: &ServerCall) -> Result<Resource, Refusal> {
    let is_declared = snapshot.servers.contains_key(&call.server);
    match &call.wants {
        Wants::Tool { name, .. } if is_declared && name.len() <= MAX_NAME => Ok(tool(&call.server, name)),
        // One that nobody has declared has no name: that is found out where it is decided on, too.
        Wants::Document { names, .. } if is_declared => {
            let first = names.first().map(|name| document(&call.server, name));
            Ok(first.unwrap_or_else(|| Resource::Document(format!("{}/", call.server))))
        }
        Wants::Tools | Wants::Documents | Wants::Answer | Wants::Talk if is_declared => {
            Ok(Resource::ToolServer(call.server.clone()))
        }
        _ => Err(ReasonCode::ToolNotFound.into()),
    }
}

/// The virtual server under whose address a message came, beside what it is aimed at.
pub(crate) fn through(understood: &Understood) -> Option<Resource> {
    let Aim::Server(call) = &understood.aim else { return None };
    call.through.clone().map(Resource::ToolServer)
}

/// The verb, and what policies see as `context.input`: the arguments as the request has them, or the address.
pub(crate) fn asked(inspected: &Inspected<'_>, call: &ServerCall) -> (Action, Option<String>) {
    match &call.wants {
        Wants::Tool { arguments, .. } => {
            let text = arguments.map_or("{}", |arguments| inspected.document().lexeme(arguments));
            (Action::CallTool, Some(text.to_owned()))
        }
        Wants::Document { uri: Some(uri), .. } => (Action::ReadResource, Some(format!("{{\"uri\":{}}}", text::quote(uri)))),
        Wants::Document { uri: None, .. } => (Action::GetPrompt, None),
        Wants::Answer => (Action::AnswerServer, None),
        Wants::Tools | Wants::Documents | Wants::Talk => (Action::ListTools, None),
    }
}

/// What else is asked with it: every further document that the address fits, and the answer to what the server asked before.
pub(crate) fn beside(call: &ServerCall) -> Vec<Ask> {
    let mut asks = Vec::new();
    if let Wants::Document { names, uri } = &call.wants {
        let action = if uri.is_some() { Action::ReadResource } else { Action::GetPrompt };
        let further = names.iter().skip(1);
        asks.extend(further.map(|name| Ask { action, resource: document(&call.server, name) }));
    }
    if call.is_standing && matches!(call.wants, Wants::Document { .. }) {
        asks.push(Ask { action: Action::ListTools, resource: Resource::ToolServer(call.server.clone()) });
    }
    if call.told.is_some() {
        asks.push(Ask { action: Action::AnswerServer, resource: Resource::ToolServer(call.server.clone()) });
    }
    asks
}

/// What a task carries that has read what was asked for: the most of what is declared of it, and for a tool how far its results are
/// vouched for.
pub(crate) fn label(snapshot: &Snapshot, call: &ServerCall) -> Label {
    let server = snapshot.servers.get(&call.server);
    if let Wants::Tool { name, .. } = &call.wants {
        // What operators vouch for is as good as what a model says; anything else anybody may have written.
        let output = server.and_then(|server| server.annotations.get(name)).map(|annotation| &annotation.output);
        let integrity = if output == Some(&Output::Trusted) { Integrity::Trusted } else { Integrity::Untrusted };
        return Label { integrity, ..Label::default() };
    }
    let Wants::Document { names, .. } = &call.wants else { return Label::default() };
    let declared = names.iter().filter_map(|name| server?.documents.get(name));
    declared.fold(Label::default(), |mut label, document| {
        label.level = label.level.max(document.label.level);
        label.compartments.extend(document.label.compartments.iter().cloned());
        label
    })
}

/// The places of those documents and prompts of which some reading could be allowed to the caller.
pub(crate) fn places(snapshot: &Snapshot, identified: &Identified, call: &ServerCall) -> Vec<DocumentPlace> {
    let Some(server) = snapshot.servers.get(&call.server) else { return Vec::new() };
    let lister = lister(identified);
    // What was not found out is left to the reading where callers are told why, and hidden where they are not.
    let explains = snapshot.refusals.explains(identified.chain());
    let shows = |could| could == Could::Yes || (could == Could::Unknown && explains);
    let list = (!snapshot.off.policy).then(|| snapshot.policy.list(&lister, Listable::Resources));
    let open = list.iter().flat_map(|list| list.iter()).filter(|listed| shows(listed.could));
    let open: HashSet<&str> = open.map(|listed| listed.ask.resource.id()).collect();
    let granted = |ask: &Ask| lister.mandate.task.as_ref().is_none_or(|task| task.grant.covers(ask));
    let is_shown = |name: &Name, place: &DocumentPlace| {
        let action = if matches!(place, DocumentPlace::Prompt(_)) { Action::GetPrompt } else { Action::ReadResource };
        let ask = Ask { action, resource: document(&call.server, name) };
        if list.is_some() { open.contains(ask.resource.id()) } else { granted(&ask) }
    };
    let shown = server.documents.iter().filter(|(name, document)| is_shown(name, &document.place));
    shown.map(|(_, document)| document.place.clone()).collect()
}

/// Why a call of a tool does not fit, whatever policies say: its headers, or its arguments. None for anything else.
pub(crate) fn misfit(snapshot: &Snapshot, inspected: &Inspected<'_>) -> Option<Refusal> {
    let Aim::Server(call) = &inspected.understood().aim else { return None };
    if matches!(&call.wants, Wants::Document { names, .. } if names.is_empty()) {
        return Some(ReasonCode::DocumentNotFound.into());
    }
    let Wants::Tool { name, arguments } = &call.wants else { return None };
    let Some(pinned) = snapshot.servers.get(&call.server).and_then(|server| server.tools.get(name)) else {
        return Some(ReasonCode::ToolNotFound.into());
    };
    if let Err(mismatch) = &call.mirrors {
        return Some(mismatch.clone());
    }
    let text = arguments.map_or("{}", |arguments| inspected.document().lexeme(arguments));
    let fits = pinned.arguments().read(text);
    fits.err().map(|misfit| Refusal::because(ReasonCode::ArgumentsInvalid, misfit.to_string()))
}

/// Whether a message is what was decided on after something was taken out of it: only where that can be, and the arguments of a tool fit
/// all the same.
///
/// # Errors
/// [`ReasonCode::ContentDenied`] for what stands elsewhere, [`ReasonCode::ArgumentsInvalid`].
pub(crate) fn still_fits(
    snapshot: &Snapshot,
    inspected: &Inspected<'_>,
    call: &ServerCall,
    redacted: &[NodeId],
    body: &[u8],
) -> Result<(), Refusal> {
    let document = inspected.document();
    let is_within = |node: &NodeId| {
        let changed = document.span(*node);
        let mut parts = call.open.iter().map(|part| document.span(*part));
        parts.any(|span| span.start <= changed.start && changed.end <= span.end)
    };
    if let Some(outside) = redacted.iter().find(|node| !is_within(node)) {
        let place = document.pointer(*outside);
        return Err(Refusal::because(ReasonCode::ContentDenied, format!("{place}, where nothing can be taken out of a message")));
    }
    let Wants::Tool { name, .. } = &call.wants else { return Ok(()) };
    let pinned = snapshot.servers.get(&call.server).and_then(|server| server.tools.get(name)).ok_or(ReasonCode::ToolNotFound)?;
    let fits = pinned.arguments().read_within(body, "/params/arguments");
    fits.map_err(|_| Refusal::because(ReasonCode::ArgumentsInvalid, "what is left of them where a finding was taken out"))
}

/// Whether a refused call is told as if there were no such tool: callers who are told nothing learn of no tool but those that some
/// call of theirs could be allowed.
pub(crate) fn is_hidden(snapshot: &Snapshot, identified: &Identified, inspected: &Inspected<'_>) -> bool {
    let is_call = matches!(&inspected.understood().aim, Aim::Server(call) if matches!(call.wants, Wants::Tool { .. }));
    is_call && hides(snapshot, identified, inspected.aim())
}

/// Whether the caller learns of no such tool.
pub(crate) fn hides(snapshot: &Snapshot, identified: &Identified, tool: &Resource) -> bool {
    if snapshot.refusals.explains(identified.chain()) {
        return false;
    }
    let lister = lister(identified);
    let list = (!snapshot.off.policy).then(|| snapshot.policy.list(&lister, Listable::Tools));
    let is_listed = |listed: &Listed| listed.could == Could::Yes && listed.ask.resource == *tool;
    list.is_some_and(|list| !list.iter().any(is_listed))
}

fn lister(identified: &Identified) -> Lister {
    let (credential, chain) = (identified.credential(), identified.chain());
    Lister { chain: chain.clone(), credential: credential.id.clone(), mandate: identified.mandate().clone() }
}

fn document(server: &Name, name: &Name) -> Resource {
    Resource::Document(format!("{server}/{name}"))
}

fn tool(server: &Name, name: &str) -> Resource {
    Resource::Tool(format!("{server}/{name}"))
}

/// Answers a permitted request for the list.
pub(crate) async fn list<W: World, P: Protocol, C: Client>(
    world: &W,
    protocol: &P,
    client: &mut C,
    call: &mut Call,
    guard: &mut Guard,
    server: &Name,
) -> Result<(), Refusal> {
    let snapshot = Arc::clone(&call.snapshot);
    let declared = snapshot.servers.get(server).ok_or(ReasonCode::ToolNotFound)?;
    let (status, headers, body) = match protocol.own_answer() {
        // A handshake with the gate itself.
        Some(own) => own,
        None => {
            let (headers, body) = protocol.tool_list(&shown(world, &snapshot, call.identified()?, server, declared));
            (StatusCode::OK, headers, body)
        }
    };
    guard.check(world)?;
    models::answer_with(world, client, call, guard, status, (headers, body)).await
}

/// The definitions of those tools that some call of `identified` could be allowed, by policy and by no lock forbidden.
fn shown<'s, W: World>(world: &W, snapshot: &Snapshot, identified: &Identified, name: &Name, server: &'s Server) -> Vec<&'s str> {
    let (credential, chain) = (identified.credential(), identified.chain());
    let lister = lister(identified);
    // What was not found out is left to the call where callers are told why, and hidden where they are not.
    let shows = |could| could == Could::Yes || (could == Could::Unknown && snapshot.refusals.explains(chain));
    let list = (!snapshot.off.policy).then(|| snapshot.policy.list(&lister, Listable::Tools));
    let listed: Option<HashSet<&str>> = list
        .as_ref()
        .map(|list| list.iter().filter(|listed| shows(listed.could)).map(|listed| listed.ask.resource.id()).collect());
    let granted = |ask: &Ask| lister.mandate.task.as_ref().is_none_or(|task| task.grant.covers(ask));
    let locks = world.locks();
    let is_shown = |tool: &Resource| {
        let could = match &listed {
            Some(listed) => listed.contains(tool.id()),
            None => granted(&Ask { action: Action::CallTool, resource: tool.clone() }),
        };
        could && locks.stops(&credential.id, chain, Some(tool)).is_none()
    };
    if let Some(members) = &server.members {
        let members = members.order.iter().filter_map(|of| members.tools.get(of));
        return members.filter(|of| is_shown(&tool(&of.server, &of.tool))).map(|of| of.definition.as_str()).collect();
    }
    let shown = server.order.iter().filter(|of| is_shown(&tool(name, of)));
    shown.filter_map(|of| server.tools.get(of)).map(|pinned| pinned.definition().canonical()).collect()
}
