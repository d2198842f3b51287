//! Reads one message: what is asked of the agent, and what policies see of it.

use ::a2a::{Fault, Method, Request, VERSION, What, is_spoken};
use engine::ports::{AgentCall, Aim, Head, Understood};
use http::{HeaderMap, HeaderValue};
use mcp::{Body, Message};
use model::{Effect, ReasonCode, Refusal};
use serde_json::json;
use text::{Document, NodeId};

use super::{A2a, Asked, VERSION_HEADER, Verb};
use crate::dialect;
use crate::mcp::{one, origin};

/// What policies see as the method where the card is asked for.
const READ_CARD: &str = "AgentCard";

/// What is asked. Remembers whom an answer is for, however the reading ends.
pub(super) fn understood(a2a: &A2a, head: &Head, document: &Document<'_>) -> Result<Understood, Refusal> {
    if a2a.verb == Verb::Card {
        return Ok(card(a2a));
    }
    let message = Message::read(document);
    let method = message.as_ref().ok().and_then(Message::method).and_then(Method::named);
    let id = match message.as_ref().map(|message| &message.body) {
        Ok(Body::Request { id, .. }) => Some(id.clone()),
        Ok(_) => None,
        Err(_) => mcp::id_of(document),
    };
    let request = message.as_ref().ok().zip(method.filter(|method| method.is_served()));
    let request = request.map(|(message, method)| Request::read(document, method, message.params()));
    // A message that is judged anew is the same message.
    a2a.asked.get_or_init(|| {
        let read = request.as_ref().and_then(|request| request.as_ref().ok());
        let text = |node: Option<NodeId>| node.and_then(|node| document.text(node)).map(std::borrow::Cow::into_owned);
        Asked { id, method, task: text(read.and_then(|read| read.task)), context: text(read.and_then(|read| read.context)) }
    });
    origin(&head.headers)?;
    let message = message.map_err(|fault| Refusal::because(ReasonCode::MessageInvalid, fault.to_string()))?;
    version(&head.headers)?;
    if !matches!(message.body, Body::Request { .. }) {
        return Err(Refusal::because(ReasonCode::MessageInvalid, "expected a request with an id"));
    }
    let (Some(method), Some(request)) = (method, request) else { return Err(ReasonCode::RpcMethodUnknown.into()) };
    let request = request.map_err(|fault| refused(&fault))?;
    let effects = links(document, &request)?;
    let hosts: Vec<&str> = effects.iter().map(|effect| effect.resource.id()).collect();
    let input = json!({
        "method": method.as_str(),
        "skill": request.skill.as_deref().unwrap_or_default(),
        "parts": request.parts,
        "hosts": hosts,
        "bytes": document.bytes().len(),
        "isBlocking": request.is_blocking,
        "isNew": method.is_message() && request.task.is_none(),
    });
    let uninspected = request.files.iter().map(|node| (document.pointer(*node), "file".to_owned())).collect();
    let mut headers = HeaderMap::new();
    headers.insert(VERSION_HEADER, HeaderValue::from_static(VERSION));
    let call = AgentCall {
        agent: a2a.agent.clone(),
        is_card: false,
        skill: request.skill.clone(),
        input: input.to_string(),
        headers,
        handles: request.ids().collect(),
        open: request.open,
    };
    Ok(Understood { aim: Aim::Agent(call), stream: method.is_streaming(), effects, uninspected, joined: request.joined })
}

/// The request for the card.
fn card(a2a: &A2a) -> Understood {
    let call = AgentCall {
        agent: a2a.agent.clone(),
        is_card: true,
        skill: None,
        input: json!({"method": READ_CARD}).to_string(),
        headers: HeaderMap::new(),
        open: Vec::new(),
        handles: Vec::new(),
    };
    Understood { aim: Aim::Agent(call), stream: false, effects: Vec::new(), uninspected: Vec::new(), joined: Vec::new() }
}

/// Where the agent is to fetch something: each place is decided on, as where a provider is.
fn links(document: &Document<'_>, request: &Request) -> Result<Vec<Effect>, Refusal> {
    let mut effects = Vec::new();
    for link in &request.links {
        let url = document.text(*link).unwrap_or_default();
        let place = dialect::destination(&url);
        let effect = Effect::remote(place.ok_or_else(|| Refusal::because(ReasonCode::RemoteMalformed, document.pointer(*link)))?);
        if !effects.contains(&effect) {
            effects.push(effect);
        }
    }
    Ok(effects)
}

fn refused(fault: &Fault) -> Refusal {
    let code = match fault.what {
        What::Missing => ReasonCode::FieldMissing,
        What::Type => ReasonCode::FieldType,
        What::Unknown => ReasonCode::FieldUnknown,
    };
    Refusal::because(code, fault.to_string())
}

/// The one version that is spoken. A client says it in each request; one that says nothing means 0.3.
fn version(headers: &HeaderMap) -> Result<(), Refusal> {
    let told = one(headers, &VERSION_HEADER)?;
    if is_spoken(told.as_deref()) { Ok(()) } else { Err(ReasonCode::ProtocolVersionUnsupported.into()) }
}
