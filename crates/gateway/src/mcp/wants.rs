//! What a message wants of its server: a tool, a document, a prompt, or only to be there.

use engine::Server;
use engine::ports::Wants;
use mcp::{Body, Message, Method, uri};
use model::{ReasonCode, Refusal};
use text::{Document, Kind, NodeId};

/// What the kinds of news are called that a client can want; beside these it names resources.
const NEWS: [&str; 3] = ["toolsListChanged", "promptsListChanged", "resourcesListChanged"];

/// What a message that is served wants; `name` is what it names (a tool, a prompt, an address).
pub(super) fn of(
    document: &Document<'_>,
    message: &Message<'_>,
    method: Option<Method>,
    name: Option<String>,
    server: Option<&Server>,
) -> Result<Wants, Refusal> {
    let get = |key| message.params().and_then(|params| document.get(params, key));
    let Some(method) = method else { return Ok(answer(document, message)) };
    match method {
        Method::CallTool => {
            Ok(Wants::Tool { name: name.unwrap_or_default(), arguments: object(document, get("arguments"), "arguments")? })
        }
        Method::ListTools => Ok(Wants::Tools),
        Method::ListResources | Method::ListTemplates | Method::ListPrompts => Ok(Wants::Documents),
        Method::GetPrompt => {
            let arguments = object(document, get("arguments"), "arguments")?;
            let is_text = |argument: NodeId| document.kind(argument) == Kind::String;
            if !arguments.is_none_or(|arguments| document.children(arguments).all(is_text)) {
                return Err(Refusal::because(ReasonCode::FieldType, "/params/arguments: the arguments of a prompt are strings"));
            }
            Ok(prompt(server, &name.unwrap_or_default()))
        }
        Method::ReadResource => resource(server, &name.unwrap_or_default()),
        Method::Subscribe | Method::Unsubscribe => resource(server, &text(document, get("uri"), "uri")?),
        Method::Complete => completed(document, get("ref"), server),
        Method::Listen => listened(document, get("notifications"), server),
        _ => Ok(Wants::Talk),
    }
}

/// An answer to what the server asked. One that says nothing says that the client is there.
fn answer(document: &Document<'_>, message: &Message<'_>) -> Wants {
    match &message.body {
        Body::Result { result, .. } if document.children(*result).next().is_none() => Wants::Talk,
        _ => Wants::Answer,
    }
}

fn object(document: &Document<'_>, node: Option<NodeId>, member: &str) -> Result<Option<NodeId>, Refusal> {
    match node {
        Some(node) if document.kind(node) != Kind::Object => {
            Err(Refusal::because(ReasonCode::FieldType, format!("/params/{member}: expected an object")))
        }
        node => Ok(node),
    }
}

fn text(document: &Document<'_>, node: Option<NodeId>, member: &str) -> Result<String, Refusal> {
    let node = node.ok_or_else(|| Refusal::because(ReasonCode::FieldMissing, format!("/params/{member}")))?;
    let wrong = || Refusal::because(ReasonCode::FieldType, format!("/params/{member}: expected a string"));
    document.text(node).map(std::borrow::Cow::into_owned).ok_or_else(wrong)
}

fn prompt(server: Option<&Server>, name: &str) -> Wants {
    let declared = server.and_then(|server| server.prompt(name));
    Wants::Document { names: declared.into_iter().cloned().collect(), uri: None }
}

/// The documents that an address can be; what has a second form may be another one to the server.
fn resource(server: Option<&Server>, address: &str) -> Result<Wants, Refusal> {
    uri::check(address).map_err(|error| Refusal::because(ReasonCode::AddressInvalid, error.to_string()))?;
    let names = server.map(|server| server.at(address).cloned().collect()).unwrap_or_default();
    Ok(Wants::Document { names, uri: Some(address.to_owned()) })
}

/// Values that an argument of a prompt or of a template could have: they tell of what stands in it.
fn completed(document: &Document<'_>, reference: Option<NodeId>, server: Option<&Server>) -> Result<Wants, Refusal> {
    let get = |key| reference.and_then(|reference| document.get(reference, key));
    let kind = text(document, get("type"), "ref/type")?;
    match kind.as_str() {
        "ref/prompt" => Ok(prompt(server, &text(document, get("name"), "ref/name")?)),
        "ref/resource" => {
            let template = text(document, get("uri"), "ref/uri")?;
            let filled = uri::of_template(&template);
            let filled = filled.map_err(|error| Refusal::because(ReasonCode::AddressInvalid, error.to_string()))?;
            resource(server, &filled)
        }
        _ => Err(Refusal::because(ReasonCode::FieldType, "/params/ref/type: expected `ref/prompt` or `ref/resource`")),
    }
}

/// News: of one resource at most, for each is decided on by its own address.
fn listened(document: &Document<'_>, wanted: Option<NodeId>, server: Option<&Server>) -> Result<Wants, Refusal> {
    let wanted = object(document, wanted, "notifications")?;
    let wanted = wanted.ok_or_else(|| Refusal::because(ReasonCode::FieldMissing, "/params/notifications"))?;
    let mut addresses = Vec::new();
    for member in document.children(wanted) {
        match document.key(member).as_deref() {
            Some("resourceSubscriptions") if document.kind(member) == Kind::Array => {
                for address in document.children(member) {
                    addresses.push(text(document, Some(address), "notifications/resourceSubscriptions")?);
                }
            }
            Some(news) if NEWS.contains(&news) && matches!(document.kind(member), Kind::True | Kind::False) => {}
            _ => {
                let what = "/params/notifications: a kind of news that is not known";
                return Err(Refusal::because(ReasonCode::FieldUnknown, what));
            }
        }
    }
    match addresses.as_slice() {
        [] => Ok(Wants::Talk),
        [address] => resource(server, address),
        _ => Err(Refusal::because(
            ReasonCode::FieldType,
            "/params/notifications/resourceSubscriptions: one address a request; ask again for another",
        )),
    }
}
