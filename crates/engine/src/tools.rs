//! Tool servers: what a message to one is aimed at, and which tools its caller is shown.
//!
//! The gate lists tools itself, from the definitions that operators have approved: what a server announces is read by nobody but
//! them. A list-time answer: a tool is shown exactly when some call of it would be permitted, whatever its arguments are.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use model::{Action, Ask, Name, ReasonCode, Refusal, Resource};
use policy::{Could, Listable, Lister};

use crate::admit::Identified;
use crate::guard::Guard;
use crate::interaction::Call;
use crate::models;
use crate::ports::{Client, Protocol, ServerCall, Wants, World};
use crate::snapshot::{Server, Snapshot};

/// What a message is aimed at, if operators have declared it. What they have not, and what is withdrawn, are told alike.
///
/// # Errors
/// [`ReasonCode::ToolNotFound`].
pub(crate) fn aim(snapshot: &Snapshot, call: &ServerCall) -> Result<Resource, Refusal> {
    let server = snapshot.servers.get(&call.server).ok_or(ReasonCode::ToolNotFound)?;
    match &call.wants {
        Wants::Tool { name, .. } if server.tools.contains_key(name) => Ok(tool(&call.server, name)),
        Wants::Tool { .. } => Err(ReasonCode::ToolNotFound.into()),
        Wants::Tools | Wants::Talk => Ok(Resource::ToolServer(call.server.clone())),
    }
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
    let shown = shown(world, &snapshot, call.identified()?, server, declared);
    guard.check(world)?;
    let told: (HeaderMap, Bytes) = protocol.tool_list(&shown);
    models::answer(world, client, call, guard, told).await
}

/// The definitions of those tools that some call of `identified` could be allowed, by policy and by no lock forbidden.
fn shown<W: World>(world: &W, snapshot: &Snapshot, identified: &Identified, name: &Name, server: &Server) -> Vec<Arc<str>> {
    let (credential, chain) = (identified.credential(), identified.chain());
    let lister = Lister { chain: chain.clone(), credential: credential.id.clone(), mandate: identified.mandate().clone() };
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
    let tools = server.tools.iter().filter(|(tool_name, _)| is_shown(&tool(name, tool_name)));
    tools.map(|(_, definition)| Arc::clone(definition)).collect()
}
