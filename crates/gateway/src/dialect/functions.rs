//! The functions of the client that a request offers to a model, in one form for every API.

use engine::ports::{Function, MAX_FUNCTIONS};
use text::{Document, Kind, NodeId};

use super::api::Api;

/// The functions of a request, in their order. Tools that the provider runs, and custom tools that take text, are none.
pub(super) fn functions(api: Api, document: &Document<'_>) -> Vec<Function> {
    let list = |key| document.get(document.root(), key).filter(|list| document.kind(*list) == Kind::Array);
    let mut functions = Vec::new();
    // The older form of chat completions: where operators admit it, it offers functions like the newer one.
    let older = list("functions").filter(|_| api == Api::Chat).into_iter().flat_map(|list| document.children(list));
    functions.extend(older.map(|node| function(document, node)));
    for tool in list("tools").into_iter().flat_map(|list| document.children(list)) {
        match api {
            Api::Chat => functions.extend(chat(document, tool)),
            Api::Responses => responses(document, tool, &mut functions),
            Api::Messages => functions.extend(message(document, tool)),
            Api::Completions | Api::Embeddings | Api::CountTokens => {}
        }
        if functions.len() > MAX_FUNCTIONS {
            break;
        }
    }
    functions
}

/// The functions of a request in the form in which tool servers list tools, and definitions are approved: JSON. None if it offers
/// none, or is no request.
pub(super) fn listed(document: &Document<'_>) -> Option<String> {
    let apis = [Api::Chat, Api::Messages, Api::Responses].into_iter();
    let mut forms = apis.map(|api| functions(api, document)).map(|mut functions| {
        functions.retain(|function| !function.name.is_empty() && !function.is_described_elsewhere);
        functions
    });
    let functions = forms.find(|functions| !functions.is_empty())?;
    let tool = |function: &Function| {
        let mut members = vec![format!("\"name\":{}", text::quote(&function.name))];
        let mut member = |key: &str, node: NodeId| members.push(format!("{}:{}", text::quote(key), document.lexeme(node)));
        function.description.into_iter().for_each(|node| member("description", node));
        function.schema.into_iter().for_each(|node| member("inputSchema", node));
        function.more.iter().for_each(|(key, node)| member(key, *node));
        if function.schema.is_none() {
            members.push(r#""inputSchema":{"type":"object","properties":{}}"#.to_owned());
        }
        format!("{{{}}}", members.join(","))
    };
    let tools: Vec<String> = functions.iter().map(tool).collect();
    Some(format!("{{\"tools\":[{}]}}", tools.join(",")))
}

fn member(document: &Document<'_>, object: NodeId, key: &str) -> Option<NodeId> {
    document.get(object, key).filter(|node| document.kind(*node) != Kind::Null)
}

fn text(document: &Document<'_>, object: NodeId, key: &str) -> Option<String> {
    member(document, object, key).and_then(|node| document.text(node)).map(std::borrow::Cow::into_owned)
}

fn more(document: &Document<'_>, object: NodeId, key: &str, name: &'static str) -> Vec<(&'static str, NodeId)> {
    member(document, object, key).map(|node| (name, node)).into_iter().collect()
}

fn chat(document: &Document<'_>, tool: NodeId) -> Option<Function> {
    let node = member(document, tool, "function").filter(|_| text(document, tool, "type").as_deref() == Some("function"))?;
    Some(function(document, node))
}

fn function(document: &Document<'_>, node: NodeId) -> Function {
    Function {
        node,
        name: text(document, node, "name").unwrap_or_default(),
        description: member(document, node, "description"),
        schema: member(document, node, "parameters"),
        more: Vec::new(),
        is_described_elsewhere: false,
    }
}

fn responses(document: &Document<'_>, tool: NodeId, functions: &mut Vec<Function>) {
    let function = |node: NodeId, space: Option<&str>| {
        let plain = function(document, node);
        Function {
            name: space.map_or_else(|| plain.name.clone(), |space| format!("{space}.{}", plain.name)),
            more: more(document, node, "output_schema", "outputSchema"),
            ..plain
        }
    };
    let is_function = |node: &NodeId| text(document, *node, "type").as_deref() == Some("function");
    if is_function(&tool) {
        functions.push(function(tool, None));
    }
    if text(document, tool, "type").as_deref() == Some("namespace") {
        let space = text(document, tool, "name").unwrap_or_default();
        let tools = member(document, tool, "tools").into_iter().flat_map(|tools| document.children(tools));
        functions.extend(tools.filter(is_function).map(|tool| function(tool, Some(&space))));
    }
}

fn message(document: &Document<'_>, tool: NodeId) -> Option<Function> {
    let kind = text(document, tool, "type");
    let is_custom = kind.as_deref().is_none_or(|kind| kind == "custom");
    // What only the provider describes and the client runs has a name too; what the provider runs is decided on as its effect.
    let name = text(document, tool, "name")?;
    Some(Function {
        node: tool,
        name,
        description: member(document, tool, "description"),
        schema: member(document, tool, "input_schema"),
        more: more(document, tool, "input_examples", "inputExamples"),
        is_described_elsewhere: !is_custom,
    })
}
