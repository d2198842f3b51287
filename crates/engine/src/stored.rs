//! What providers keep for tasks: whether this task may name it, where it is, and what the provider calls it.
//!
//! It stands before inspection, because only the name tells which model a request for something stored is about. To a provider
//! everybody behind the gate is one account, so nothing is asked there before the name was opened for the very task that calls.

use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue};
use identity::Mark;
use model::{ModelName, Name, ReasonCode, Refusal, Resource};
use text::Document;

use crate::admit::Identified;
use crate::decide::Permit;
use crate::ports::{Aim, ModelCall, ServerCall, Understood, Wants, World};
use crate::remote;
use crate::snapshot::Snapshot;
use crate::streams::{self, Resumed, Session};
use crate::tools;

/// What a request names of what a provider keeps; nothing, mostly.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// Where names stand in the body, and what the provider calls what they name.
    pub(crate) spans: Vec<(Range<usize>, String)>,
    /// Every name as the provider writes it, and as the task does.
    pub(crate) names: Vec<(String, String)>,
    /// Which model it was made by, and which upstream keeps it.
    pub(crate) place: Option<(ModelName, Name)>,
    /// The session as the tool server knows it.
    pub(crate) session: Option<String>,
    /// The stream of it that the client comes back to.
    pub(crate) resumed: Option<Resumed>,
}

/// As whom names are sealed: as the task where there is one, else as the credential's own. Neither part holds a control character.
pub(crate) fn owner(identified: &Identified) -> String {
    let ledger = &identified.credential().ledger;
    match &identified.mandate().task {
        Some(task) => format!("{ledger}\u{1}{}", task.id),
        None => ledger.to_string(),
    }
}

/// Opens every name of a request.
///
/// # Errors
/// A name is not this task's, or what it names is where the gate can no longer reach it. What is another's and what never was are
/// told alike.
pub(crate) fn open<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    document: &Document<'_>,
    understood: &Understood,
) -> Result<Named, Refusal> {
    match &understood.aim {
        Aim::Model(call) if call.kept.is_none() && call.handles.is_empty() => Ok(Named::default()),
        Aim::Model(call) => of_model(world, snapshot, &owner(identified), document, call),
        Aim::Server(call) => of_server(world, snapshot, &owner(identified), document, call),
        Aim::Agent(call) => remote::open(world, &owner(identified), document, call),
    }
}

/// What sessions with a tool server are bound to.
fn session_of(server: &Name) -> [u8; 32] {
    identity::digest_of(&["session", server.as_str()])
}

/// Longest name of a session, in bytes.
pub(crate) const LONGEST_SESSION: usize = 256;
/// The header in which a tool server tells a session and is told it.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The header in which a tool server is told which event was the last.
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// Tells a tool server its own name of the session.
pub(crate) fn tell_session(named: &Named, headers: &mut HeaderMap) {
    let resumed = named.resumed.as_ref().map(|resumed| resumed.event.as_str());
    for (name, value) in [(SESSION, named.session.as_deref()), (LAST_EVENT, resumed)] {
        headers.extend(value.and_then(|value| HeaderValue::from_str(value).ok()).map(|value| (name, value)));
    }
}

/// Tells the client a session that a tool server has begun: bound to the task, so that nobody else can go on with it.
///
/// # Errors
/// The server's name of it cannot be bound.
pub(crate) fn seal_session<W: World>(
    world: &W,
    identified: &Identified,
    permit: &Permit,
    told: &HeaderMap,
    headers: &mut HeaderMap,
) -> Result<(), Refusal> {
    let (Resource::ToolServer(server), Some(session)) = (permit.aim(), told.get(SESSION)) else { return Ok(()) };
    let is_one = told.get_all(SESSION).iter().count() == 1;
    let plain = session.to_str().ok().filter(|session| is_one && !session.is_empty() && session.len() <= LONGEST_SESSION);
    // It leaves with the head of the answer, which no lane reads: so nobody can read what the server wrote into it.
    let sealed = plain.and_then(|session| world.handles().hide(&owner(identified), &session_of(server), session));
    let sealed = sealed.and_then(|sealed| HeaderValue::from_str(&sealed).ok());
    headers.insert(SESSION, sealed.ok_or(ReasonCode::UpstreamResponseInvalid)?);
    Ok(())
}

/// What the state of a request is bound to that a tool server has not finished: it goes on as that very request, or not at all. None
/// where a request has none.
pub(crate) fn state(document: &Document<'_>, aim: &Resource, call: &ServerCall) -> Option<[u8; 32]> {
    let arguments = document.get(document.root(), "params").and_then(|params| document.get(params, "arguments"));
    // As they are written: a client asks again with what it asked.
    let arguments = arguments.map_or("{}", |arguments| document.lexeme(arguments));
    let uri = if let Wants::Document { uri: Some(uri), .. } = &call.wants { uri.as_str() } else { "" };
    call.goes_on.then(|| identity::digest_of(&["state", call.server.as_str(), aim.type_name(), aim.id(), uri, arguments]))
}

fn of_server<W: World>(
    world: &W,
    snapshot: &Snapshot,
    owner: &str,
    document: &Document<'_>,
    call: &ServerCall,
) -> Result<Named, Refusal> {
    let handles = world.handles();
    let mut named = Named::default();
    if let Some(sealed) = &call.session {
        let opened = handles.reveal(owner, &session_of(&call.server), sealed).ok_or(ReasonCode::SessionUnknown)?;
        if world.sessions().has(&Session { owner, server: &call.server, name: &opened }) {
            return Err(ReasonCode::SessionUnknown.into());
        }
        if let Some(event) = &call.last_event {
            let resumed = streams::open(snapshot, &handles, owner, call, &opened, event);
            named.resumed = Some(resumed.ok_or(ReasonCode::StateUnknown)?);
        }
        named.session = Some(opened);
    }
    if let Some(node) = call.state {
        let bound = state(document, &tools::aim(snapshot, call)?, call);
        let sealed = document.text(node).unwrap_or_default();
        let opened = bound.and_then(|bound| handles.open_bound(owner, &bound, &sealed));
        named.spans.push((document.span(node), opened.ok_or(ReasonCode::StateUnknown)?.to_owned()));
    }
    Ok(named)
}

fn of_model<W: World>(
    world: &W,
    snapshot: &Snapshot,
    owner: &str,
    document: &Document<'_>,
    call: &ModelCall,
) -> Result<Named, Refusal> {
    let handles = world.handles();
    let mut named = Named::default();
    let mut marks: Vec<Mark> = Vec::new();
    if let Some(kept) = &call.kept {
        let opened = handles.open(owner, &kept.name).filter(|opened| is_segment(opened.name));
        let opened = opened.ok_or(ReasonCode::StoredNotFound)?;
        marks.push(opened.mark);
        named.names.push((opened.name.to_owned(), kept.name.clone()));
    }
    for node in &call.handles {
        let sealed = document.text(*node).unwrap_or_default();
        let foreign = || Refusal::because(ReasonCode::StatefulIdRefused, document.pointer(*node));
        let opened = handles.open(owner, &sealed).ok_or_else(foreign)?;
        marks.push(opened.mark);
        named.spans.push((document.span(*node), opened.name.to_owned()));
        named.names.push((opened.name.to_owned(), sealed.to_string()));
    }
    let Some(first) = marks.first() else { return Ok(named) };
    let place = place(snapshot, *first).filter(|_| marks.iter().all(|mark| mark == first));
    named.place = Some(place.ok_or(ReasonCode::StoredUpstreamGone)?);
    Ok(named)
}

/// The route that has a mark. A look at each is as much work as the configuration is long.
fn place(snapshot: &Snapshot, mark: Mark) -> Option<(ModelName, Name)> {
    let routes = snapshot.routes.iter().flat_map(|(model, routes)| routes.iter().map(move |route| (model, &route.upstream)));
    let mut found = routes.filter(|(model, upstream)| Mark::of(model.as_str(), upstream.as_str()) == mark);
    found.next().map(|(model, upstream)| (model.clone(), upstream.clone()))
}

/// Whether a provider's name can stand in a path as it is, and leads nowhere else.
fn is_segment(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-~".contains(&byte));
    is_plain && name.bytes().any(|byte| byte != b'.')
}

#[cfg(test)]
mod tests {
    use super::is_segment;

    #[test]
    fn what_can_stand_in_a_path() {
        let facts = [("resp_1", true), ("a.b~c-d", true), ("", false), (".", false), ("..", false), ("a/b", false)];
        let more = [("a?b", false), ("a#b", false), ("a%2fb", false), ("a b", false), ("é", false), ("a\\b", false)];
        for (name, expected) in facts.into_iter().chain(more) {
            assert_eq!(is_segment(name), expected, "{name}");
        }
    }
}
